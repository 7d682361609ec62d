"""Measures how many training images per second the input pipeline yields, and compares that with a fast GPU's need.

The GPU of the comparison computes 60 steps a second, with one image of A and one of B in each. A ratio of 3 means that
the pipeline yields three times the images that this GPU needs. "Cold" is the first epoch, in which JPEG files are
decoded, resized and kept. The operating system has read the files before, so the disk does not slow it down. "Cached"
are the epochs after that. Then the benchmark measures a large folder: the time to the first batch, and the memory that
a pass over it takes. It prints a table and writes `benchmarks/results/input_pipeline.json`.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from PIL import Image

from ugatit_tf.config import Config
from ugatit_tf.data import demo, pipeline, sources
from ugatit_tf.data.cache import ImageCache
from ugatit_tf.data.image_set import ImageSet

NEEDED = 2 * 60
RESULTS = Path(__file__).parent / "results" / "input_pipeline.json"
CASES = ((256, 128), (256, 256), (1024, 256))  # sides of the files' pictures and of the training images, in pixels
IMAGES = 200  # of each domain
REPEATS = 3
FILES = 120_000  # of each domain of the large folder
STEPS = 10_000  # batches from the large folder
DISTINCT = 20


def main() -> None:
    """Measures each case and the large folder, prints the table and writes the JSON file."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(Path(folder), *case) for case in CASES]
        large = start_large_folder(Path(folder))
    print("images a second from JPEG files, batch 1, medians of", REPEATS, "and in brackets over the", NEEDED, "needed")
    print("| file px | px | cold | cached in memory | cached on disk |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        rates = (f"{row[name]:.0f} ({row[name] / NEEDED:.1f})" for name in ("cold", "in_memory", "on_disk"))
        print(f"| {row['file_px']} | {row['img_size']} | {' | '.join(rates)} |")
    print(f"2 folders of {large['files']:,} files: listed after {large['listed_s']:.2f} s, first batch after", end=" ")
    print(f"{large['started_s']:.2f} s; memory grew by {large['start_mb']:.0f} MB until then, and in the", end=" ")
    print(f"{large['steps']:,} batches after it, from files to a cache on disk, by {large['steps_mb']:.0f} MB")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"rates": rows, "large": large}, indent=2) + "\n")
    print(f"Written to {RESULTS}")


def measure(folder: Path, file_px: int, img_size: int, count: int = IMAGES) -> dict[str, float]:
    """Measures images per second, of both domains together.

    Args:
        folder: the folder for the files and the cache.
        file_px: the side of the pictures in the files, in pixels.
        img_size: the side of the training images, in pixels.
        count: the number of images of each domain.

    Returns:
        The rates "cold", "in_memory" and "on_disk", with `file_px` and `img_size`.
    """
    config = Config(dataset=f"{file_px}_{img_size}", dataset_dir=str(folder), img_size=img_size)
    for split in ("trainA", "trainB"):
        _write_files(folder / config.dataset / split, split, file_px, count)
    image_sets = sources.open_splits(config, ("trainA", "trainB"))

    def epochs(place: Path | None) -> list[float]:
        """Returns images per second in the first epoch and in each of the `REPEATS` epochs after it."""
        batches = _batches(config, image_sets, place)
        next(batches)  # builds the pipeline
        rates = []
        for _ in range(1 + REPEATS):
            start = time.perf_counter()
            for _ in range(count):
                next(batches)
            rates.append(2 * count / (time.perf_counter() - start))
        return rates

    in_memory = [epochs(None) for _ in range(REPEATS)]
    return {
        "file_px": file_px,
        "img_size": img_size,
        "cold": statistics.median(rates[0] for rates in in_memory),
        "in_memory": statistics.median(in_memory[-1][1:]),
        "on_disk": statistics.median(epochs(folder)[1:]),
    }


def start_large_folder(folder: Path, files: int = FILES, steps: int = STEPS) -> dict[str, float]:
    """Measures how training starts on two folders of `files` files each.

    Returns:
        The seconds until the files are listed and until the first batch, and by how many megabytes the memory grows:
        until the first batch, and in the `steps` batches after it.
    """
    config = Config(dataset="large", dataset_dir=str(folder))
    for split in ("trainA", "trainB"):
        _write_files(folder / config.dataset / split, split, 64, files)
    process = psutil.Process()
    memory, start = [process.memory_info().rss], time.perf_counter()
    image_sets = sources.open_splits(config, ("trainA", "trainB"))
    listed = time.perf_counter() - start
    batches = _batches(config, image_sets, folder)
    next(batches)
    started = time.perf_counter() - start
    memory.append(process.memory_info().rss)
    for _ in range(steps):
        next(batches)
    memory.append(process.memory_info().rss)
    start_mb, steps_mb = ((after - before) / 1e6 for before, after in zip(memory, memory[1:], strict=False))
    return {
        "files": len(image_sets[0]),
        "listed_s": listed,
        "started_s": started,
        "start_mb": start_mb,
        "steps": steps,
        "steps_mb": steps_mb,
    }


def _batches(config: Config, image_sets: Sequence[ImageSet], place: Path | None) -> Iterator[pipeline.Batch]:
    caches = [ImageCache(image_set, config.load_size, config.img_ch, place) for image_set in image_sets]
    return pipeline.batches(caches, config.img_size, 1, augment=True, seed=0, first_step=0)


def _write_files(folder: Path, split: str, px: int, count: int) -> None:
    """Writes a folder of JPEG files, which are links to at most `DISTINCT` different pictures."""
    folder.mkdir(parents=True)
    originals = folder.parent / f"{split} originals"
    originals.mkdir()
    for index in range(min(count, DISTINCT)):
        Image.fromarray(demo.draw(split, index, px)).save(originals / f"{index}.jpg", quality=95)
    for index in range(count):
        (folder / f"{index:06d}.jpg").hardlink_to(originals / f"{index % DISTINCT}.jpg")


if __name__ == "__main__":
    main()
