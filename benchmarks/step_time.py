"""How long training steps and translations take, against what this machine's convolutions allow, and in what memory.

Prints tables and writes `benchmarks/results/step_time.json`. "Over its convolutions" 1.1 means: 10 % longer than the
convolutions alone, none of them folded, would take at the speed of a 3x3 convolution, 256 to 256 channels at 64x64 px,
measured between the steps of the same process. Times are medians of 5 (of 2 where only growth is shown); a case has a
process of its own, so that peak memory is the case's.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ugatit_tf.config import Config, deepest_n_dis
from ugatit_tf.system import startup

RESULTS = Path(__file__).parent / "results" / "step_time.json"
LIGHT = {"light": True, "img_size": 256}
CASES: dict[str, dict[str, Any]] = {
    "light": LIGHT,
    "bfloat16": LIGHT | {"precision": "bfloat16"},
    "batch 4": LIGHT | {"batch_size": 4},
    "batch 8, translation": LIGHT | {"batch_size": 8, "steps": 0},
    "recompute": LIGHT | {"recompute": True, "repeats": 2},
    "full": {"img_size": 256, "light": False, "repeats": 2},
    "full, recompute": {"img_size": 256, "light": False, "recompute": True, "repeats": 2},
    **{
        f"{size} px": LIGHT | {"img_size": size, "n_dis": min(Config.n_dis, deepest_n_dis(size)), "repeats": 2}
        for size in (64, 128, 512)
    },
    **{f"ch {ch}": LIGHT | {"ch": ch, "repeats": 2} for ch in (16, 32)},
    "batch 2": LIGHT | {"batch_size": 2, "repeats": 2},
}


def main() -> None:
    """Measures each case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of: {'; '.join(CASES)} (default: all)")
    parser.add_argument("--here", action="store_true", help="measure the one case in this process, and print JSON")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - set(CASES)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if arguments.here:
        print(json.dumps(measure(**CASES[arguments.cases[0]])))
        return
    results = {}
    for name in arguments.cases or CASES:
        print(f"{name} ...", file=sys.stderr)
        command = [sys.executable, "-m", "benchmarks.step_time", "--here", name]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        results[name] = json.loads(output.splitlines()[-1])
    print(tables(results))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(f"Written to {RESULTS}")


def tables(results: dict[str, dict[str, float]]) -> str:
    """The cases in a table, and, below it, the targets that they allow to look at."""
    lines = [
        "| case | GFLOP/s | start to end of first step, s | s a step | over its convolutions "
        "| s a translation | over its convolutions | peak GB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in results.items():
        cells = ("gflops", "start_s", "step_s", "step_ratio", "translation_s", "translation_ratio", "peak_gb")
        lines.append(f"| {name} | " + " | ".join(f"{row[c]:.2f}" if c in row else "" for c in cells) + " |")
    lines += ["", "| | measured | target |", "| --- | ---: | ---: |"]
    for what, value, target in _targets(results):
        lines.append(f"| {what} | {value:.2f} | {target} |")
    return "\n".join(lines)


def _targets(results: dict[str, dict[str, float]]) -> list[tuple[str, float, float]]:
    def value(case: str, name: str) -> float | None:
        return results.get(case, {}).get(name)

    def ratio(name: str, case: str, other: str = "light") -> float | None:
        pair = value(case, name), value(other, name)
        return None if None in pair else pair[0] / pair[1]

    light = results.get("light", {})
    rows = [
        ("step, float32, over its convolutions", light.get("step_ratio"), 1.10),
        ("step, bfloat16 / float32", ratio("step_s", "bfloat16"), 0.55),
        ("translation, float32, over its convolutions", light.get("translation_ratio"), 1.0),
        ("translation, bfloat16 / float32", ratio("translation_s", "bfloat16"), 0.52),
        ("translation, batch 8, images/s over batch 1", ratio("images_per_s", "batch 8, translation"), 1.1),
        ("train step at batch 4 / batch 1, per image", ratio("step_s_per_image", "batch 4"), 0.9),
        ("start to end of first step, less a step, s", light.get("start_s") and light["start_s"] - light["step_s"], 10),
        ("peak, light, GB", value("light", "peak_gb"), 4.5),
        ("peak, full, GB", value("full", "peak_gb"), 14),
        ("peak, full with --recompute, GB", value("full, recompute", "peak_gb"), 11),
    ]
    return [(what, value, target) for what, value, target in rows if value is not None]


def measure(*, repeats: int = 5, steps: int = 1, **changes: Any) -> dict[str, float]:
    """Times a configuration's training steps, if any, and its translation.

    Args:
        repeats: of what is timed.
        steps: 0 to leave the training out.
        **changes: of `Config`'s defaults.
    """
    start = time.perf_counter()
    startup.configure()
    import tensorflow as tf

    from ugatit_tf.inference import Translator
    from ugatit_tf.runs import memory
    from ugatit_tf.runs.stepping import Stepper
    from ugatit_tf.system import allocator, device
    from ugatit_tf.training.networks import build_generator
    from ugatit_tf.training.ugatit import UGATIT

    device.prepare()
    config = Config(**changes)
    size, count = config.img_size, config.batch_size
    images = tf.random.uniform((count, size, size, config.img_ch), -1.0, 1.0)
    features, kernel = tf.random.normal((1, 66, 66, 256)), tf.random.normal((3, 3, 256, 256))
    convolve = tf.function(lambda: tf.nn.conv2d(features, kernel, 1, "VALID"))
    speeds = []

    def seconds(function: Callable[[], Any]) -> float:
        function()
        times = []
        for _ in range(repeats):
            speeds.append(_convolution(3, 256, 256, 64) * 20 / _seconds(lambda: [convolve() for _ in range(20)]))
            times.append(_seconds(function))
        return statistics.median(times)

    result: dict[str, float] = {}
    if steps:
        memory.keep_freed_if_ample(config)  # as the train phase does
        model = UGATIT(config)
        model.compile()
        stepper = Stepper(model, config)
        generator = model.generator_B
        stepper.run([(images, images)])["g_loss"].numpy()
        result["start_s"] = time.perf_counter() - start
        result["step_s"] = seconds(lambda: stepper.run([(images, images)])["g_loss"].numpy())
        result["step_s_per_image"] = result["step_s"] / count
    else:
        allocator.keep_freed()  # as the translate phase does
        generator = build_generator(config, "B")
    result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    translator = Translator(generator, size, config.img_ch)
    pictures = np.zeros(images.shape, np.uint8)
    result["translation_s"] = seconds(lambda: translator.translate(pictures))
    result["images_per_s"] = count / result["translation_s"]

    speed = statistics.median(speeds)
    one = generator_flops(config.ch, config.n_res, size)
    result["gflops"] = speed / 1e9
    result["translation_ratio"] = result["translation_s"] * speed / (one * count)
    if steps:
        # Forward, and backward to weights and inputs, of 2 x 3 generator images and 2 x 2 discriminator images; and
        # of the 2 fakes that the generators are judged by, forward and backward to inputs.
        flops = 3 * 6 * one + (3 * 4 + 2 * 2) * discriminator_flops(config.ch, size, config.n_dis)
        result["step_ratio"] = result["step_s"] * speed / (flops * count)
    return result


def generator_flops(ch: int, n_res: int, size: int) -> float:
    """Multiplications and additions of a generator's convolutions for one image, nothing folded."""
    half, quarter, features = size // 2, size // 4, 4 * ch
    return (
        _convolution(7, 3, ch, size)
        + _convolution(3, ch, 2 * ch, half)
        + _convolution(3, 2 * ch, features, quarter)
        + 4 * n_res * _convolution(3, features, features, quarter)
        + _convolution(1, 2 * features, features, quarter)
        + _convolution(3, features, 2 * ch, half)
        + _convolution(3, 2 * ch, ch, size)
        + _convolution(7, ch, 3, size)
    )


def discriminator_flops(ch: int, size: int, n_dis: int = 6) -> float:
    """Multiplications and additions of a domain's two discriminator networks for one image."""
    total = 0.0
    for layers in (n_dis - 3, n_dis - 1):
        channels = [3] + [ch * 2**i for i in range(layers)]
        for i in range(layers):
            total += _convolution(4, channels[i], channels[i + 1], size >> (i + 1))
        side, last = size >> layers, 2 * channels[-1]
        total += _convolution(4, channels[-1], last, side) + _convolution(1, 2 * last, last, side)
        total += _convolution(4, last, 1, side)
    return total


def _convolution(kernel: int, inputs: int, outputs: int, output_side: int) -> float:
    return 2.0 * kernel**2 * inputs * outputs * output_side**2


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
