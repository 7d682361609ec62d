"""`--phase demo_data`: writes the built-in demo faces to an ordinary dataset folder."""

import dataclasses
from pathlib import Path

from ugatit_tf.config import Config
from ugatit_tf.options import PhaseOptions

FOLDER = "demo_faces"  # not "demo", which stands for the built-in faces themselves


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """The phase takes no flags of its own."""

    loads_tensorflow = False
    of_config = frozenset({"dataset_dir", "img_size", "img_ch"})


def run(config: Config, options: Options) -> None:
    """Writes `<dataset_dir>/demo_faces/{trainA,trainB,testA,testB}/NNNN.png`, `img_size` a side.

    Raises:
        RunError: A file cannot be written.
    """
    from tqdm import tqdm

    from ugatit_tf.data import demo, images, sources
    from ugatit_tf.system.files import make_folder

    root = Path(config.dataset_dir) / FOLDER
    image_sets = sources.open_splits(dataclasses.replace(config, dataset=sources.DEMO), tuple(demo.SPLIT_SIZES))
    with tqdm(total=sum(map(len, image_sets)), unit="image", disable=None) as bar:
        for split, image_set in zip(demo.SPLIT_SIZES, image_sets, strict=True):
            folder = root / split
            make_folder(folder)
            for index, name in enumerate(image_set.names):
                images.save_png(folder / f"{name}.png", image_set.read(index, config.img_size))
                bar.update()
    print(f"Wrote {root}; train on it with --dataset {FOLDER}")
