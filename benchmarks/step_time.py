"""How long a training step and a translation take, against what this machine's convolutions allow.

Prints a table and writes `benchmarks/results/step_time.json`. A ratio of 1.1 means: 10 % longer than the convolutions
alone would take at the speed of a 3x3 convolution, 256 to 256 channels at 64x64 px, measured in the same process.
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

RESULTS = Path(__file__).parent / "results" / "step_time.json"
SIZES = (128, 256)
REPEATS = 5


def main() -> None:
    """Measures each image size in a process of its own, so that peak memory is that size's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, help="measure one image size here and print it as JSON")
    arguments = parser.parse_args()
    if arguments.size:
        print(json.dumps(measure(arguments.size)))
        return

    rows = []
    for size in SIZES:
        command = [sys.executable, "-m", "benchmarks.step_time", "--size", str(size)]
        rows.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1]))
    print("light, ch 64, batch 1, float32; medians of", REPEATS)
    print("| px | GFLOP/s | s a step | over its convolutions | images/s | over its convolutions | peak GB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        print(
            f"| {row['img_size']} | {row['gflops']:.0f} | {row['step_s']:.2f} | {row['step_ratio']:.2f} "
            f"| {row['images_per_s']:.2f} | {row['translation_ratio']:.2f} | {row['peak_gb']:.1f} |"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    print(f"Written to {RESULTS}")


def measure(size: int) -> dict[str, float]:
    """Times a training step and a translation of the light network at one image size."""
    import tensorflow as tf

    from ugatit_tf.config import Config
    from ugatit_tf.training import device
    from ugatit_tf.training.ugatit import UGATIT

    device.prepare()
    config = Config(light=True, img_size=size)
    model = UGATIT(config)
    model.compile()
    image = tf.random.uniform((1, size, size, config.img_ch), -1.0, 1.0)
    train_step = tf.function(model.train_step, autograph=False)
    translate = tf.function(model.generator_B, autograph=False)

    features, kernel = tf.random.normal((1, 66, 66, 256)), tf.random.normal((3, 3, 256, 256))
    convolve = tf.function(lambda: tf.nn.conv2d(features, kernel, 1, "VALID"))
    gflops = _convolution(3, 256, 256, 64) / _median_seconds(lambda: [convolve() for _ in range(20)]) * 20 / 1e9

    translation_s = _median_seconds(lambda: translate(image).image.numpy())
    step_s = _median_seconds(lambda: train_step((image, image))["g_loss"].numpy())
    generator, discriminator = generator_flops(config.ch, config.n_res, size), discriminator_flops(config.ch, size)
    # Forward, and backward to weights and inputs, of 2 x 3 generator images and 2 x 2 discriminator images; and of
    # the 2 fakes that the generators are judged by, forward and backward to inputs.
    step_flops = 3 * 6 * generator + (3 * 4 + 2 * 2) * discriminator
    return {
        "img_size": size,
        "gflops": gflops,
        "step_s": step_s,
        "step_ratio": step_s * gflops * 1e9 / step_flops,
        "images_per_s": 1 / translation_s,
        "translation_ratio": translation_s * gflops * 1e9 / generator,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


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


def _median_seconds(function: Callable[[], object]) -> float:
    function()  # traces and warms up
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
