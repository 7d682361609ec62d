"""Separates mistakes of an export, such as an upside-down image, from coarse arithmetic.

An 8-bit file is several levels off, and the error depends on the network. A fixed limit would refuse right files or
pass wrong ones. The rule here compares the error with the error of the best constant image, and with the distance to
each output that a simple mistake would give.
"""

import numpy as np

# The allowed share of the best constant image's error. int8 had 0.14 to 0.28 of it on untrained weights, 0.07 to 0.19
# after 200 steps on the demo.
_SHARE_OF_SPREAD = 0.6
_CLEARLY_NEARER = 0.8  # an output is a wrong answer if its distance to that one is below this share of its error


def chart(size: int, channels: int) -> np.ndarray:
    """Returns an image that every flip, turn and exchange of channels changes, uint8 `[size, size, channels]`."""
    y, x = np.mgrid[:size, :size] / size
    planes = [0.2 + 0.6 * x, 0.8 - 0.6 * y**2, 0.2 + 0.6 * x * y, np.ones_like(x)]
    picture = np.stack(planes[:channels], axis=-1)
    picture[(x - 0.3) ** 2 + (y - 0.25) ** 2 < 0.03] = 0.9
    picture[(x > 0.15) & (x < 0.3) & (y > 0.6)] = 0.1
    return np.uint8(np.round(255 * picture))


def wrong_answers(expected: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the outputs of simple mistakes by a description of each, in the shape of `expected`, `[N, ...]`."""
    axes = tuple(range(expected.ndim - 1)) if expected.ndim == 4 else tuple(range(expected.ndim))
    answers = {"the same everywhere": np.broadcast_to(np.median(expected, axis=axes, keepdims=True), expected.shape)}
    if expected.ndim > 2:
        answers |= {
            "upside down": expected[:, ::-1],
            "mirrored": expected[:, :, ::-1],
            "turned round": expected[:, ::-1, ::-1],
            "with rows for columns": expected.swapaxes(1, 2),
            "one colour for each image": np.broadcast_to(
                np.median(expected, axis=(1, 2), keepdims=True), expected.shape
            ),
        }
    if expected.ndim != 3 and expected.shape[-1] > 1:
        answers["with the channels reversed"] = expected[..., ::-1]
    for places in range(1, len(expected)):
        answers[f"moved by {places} in the batch"] = np.roll(expected, places, axis=0)
    return answers


def measure(value: np.ndarray, expected: np.ndarray, least: float, unit: str) -> tuple[float, float, str]:
    """Measures an inexact output, which must be clearly nearer to the right answer than to any simple mistake.

    Args:
        value: the exported file's output.
        expected: the live network's output.
        least: the mean error that is always allowed. Outputs that hardly vary do not show mistakes.
        unit: the unit of the error for the message.

    Returns:
        The mean error, the allowed mean error, and the unit, which names the mistake if `value` looks like one.
    """
    wrong = wrong_answers(expected)
    error = np.abs(value - expected).mean()
    spread = np.abs(wrong["the same everywhere"] - expected).mean()
    allowed = max(least, _SHARE_OF_SPREAD * spread)
    for mistake, answer in wrong.items():
        distance = np.abs(value - answer).mean()
        if np.abs(answer - expected).mean() > least and distance < _CLEARLY_NEARER * error:
            return error, min(allowed, distance), f"{unit}, as if it were {mistake}"
    return error, allowed, unit
