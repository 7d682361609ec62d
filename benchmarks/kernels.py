"""Measures what each CPU kernel is worth: how long a training step takes if one of them alone is taken out.

The cases are the demo's step and a light step at 256 px. Each process measures one step, with all kernels or without
one of them. The processes take turns, so that all of them meet the same machine, and each figure is the median of the
turns. A kernel has to save 5 % of one of the two steps, or it goes. The benchmark prints a table and writes
`benchmarks/results/kernels.json`.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence

from benchmarks import processes, records
from ugatit_tf import flags

_DEMO = {name: value for name, value in flags.PRESETS["demo"].items() if name != "dataset"}
CASES = {"demo": _DEMO, "light, 256 px": {"light": True, "img_size": 256}}
ALL = "all kernels"


def _without_winograd() -> None:
    from ugatit_tf.ops import convolution

    convolution._gains_by_winograd = lambda inputs, kernel: False


def _without_few_pixels() -> None:
    from ugatit_tf.ops import convolution

    convolution._has_few_pixels = lambda inputs, kernel, padding: False


def _without_cached_patches() -> None:
    from ugatit_tf.ops import patches

    patches.are_small = lambda inputs, side, outputs: False


def _without_copies_of_pixels() -> None:
    from ugatit_tf.ops import reflection

    reflection._can_copy_pixels = lambda x: False


def _without_kernel_gradients() -> None:
    from keras import ops

    from ugatit_tf.ops import convolution, kernel_gradient

    kernel_gradient.convolve = lambda inputs, kernel, strides, padding: ops.conv(
        convolution._pad(inputs, padding), kernel, strides=strides, padding="valid"
    )


def _without_upsampling_gradients() -> None:
    from ugatit_tf.ops import convolution

    convolution._gains_by_upsampling_kernel = lambda kernel: False


def _without_blocks() -> None:
    from keras import ops

    from ugatit_tf.ops import convolution

    convolution._in_blocks = lambda inputs, kernel: ops.conv(inputs, kernel, strides=1, padding="valid")


KERNELS: dict[str, Callable[[], None]] = {
    "Winograd's algorithm": _without_winograd,
    "one product for few pixels": _without_few_pixels,
    "gradient by the kernel over patches in the cache": _without_cached_patches,
    "padding by copies of pixels": _without_copies_of_pixels,
    "gradient by the kernel as matrix products": _without_kernel_gradients,
    "gradient of the upsampling convolution": _without_upsampling_gradients,
    "7x7 convolution in blocks of 2x2 pixels": _without_blocks,
}


def take_out(kernel: str) -> None:
    """Replaces a kernel by plain operations, in this process."""
    KERNELS[kernel]()


def main(argv: Sequence[str] | None = None) -> None:
    """Measures all variants of all cases in turns, prints the table and writes the JSON file.

    Args:
        argv: the arguments; None means those of this process.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--turns", type=int, default=3, help="how often each variant is measured")
    arguments = parser.parse_args(argv)
    seconds = {case: _seconds(case, arguments.turns) for case in arguments.cases}
    print("| without | " + " | ".join(f"{case}: s a step | ratio" for case in seconds) + " |")
    print("| --- |" + " ---: | ---: |" * len(seconds))
    for variant in (ALL, *KERNELS):
        cells = (f"{of[variant]:.3f} | {of[variant] / of[ALL]:.2f}" for of in seconds.values())
        print(f"| {'nothing' if variant == ALL else variant} | {' | '.join(cells)} |")
    records.write("kernels", {"machine": records.machine(), "seconds": seconds})


def _seconds(case: str, turns: int) -> dict[str, float]:
    """Returns the seconds a step of each variant of a case, as medians over the turns."""
    times: dict[str, list[float]] = {variant: [] for variant in (ALL, *KERNELS)}
    for turn in range(turns):
        for variant, of_variant in times.items():
            print(f"{case}, turn {turn + 1}: {variant} ...", file=sys.stderr)
            without = "" if variant == ALL else variant
            specification = {"work": "training", "config": CASES[case], "without": without, "repeats": 5}
            of_variant.append(processes.measure(specification)["seconds"])
    return {variant: statistics.median(of_variant) for variant, of_variant in times.items()}


if __name__ == "__main__":
    main()
