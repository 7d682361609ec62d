"""Simple mistakes of an export, such as a picture upside down, and how outputs are told apart from them."""

import numpy as np

_SHARE_OF_SPREAD = 0.6  # of how far the best constant is off; int8 was measured at 0.14 to 0.28 of it
_CLEARLY_NEARER = 0.8  # of the distance to the right answer: an output as near as that to a wrong one is the wrong one


def chart(size: int, channels: int) -> np.ndarray:
    """Draws a picture that no flip, turn or exchange of channels leaves as it is, uint8 `[size, size, channels]`."""
    y, x = np.mgrid[:size, :size] / size
    planes = [0.2 + 0.6 * x, 0.8 - 0.6 * y**2, 0.2 + 0.6 * x * y, np.ones_like(x)]
    picture = np.stack(planes[:channels], axis=-1)
    picture[(x - 0.3) ** 2 + (y - 0.25) ** 2 < 0.03] = 0.9
    picture[(x > 0.15) & (x < 0.3) & (y > 0.6)] = 0.1
    return np.uint8(np.round(255 * picture))


def wrong_answers(expected: np.ndarray) -> dict[str, np.ndarray]:
    """Simple mistakes of an export, by what is wrong with them; shaped like `expected`, `[N, ...]`."""
    over = tuple(range(expected.ndim - 1)) if expected.ndim == 4 else tuple(range(expected.ndim))
    found = {"the same everywhere": np.broadcast_to(np.median(expected, axis=over, keepdims=True), expected.shape)}
    if expected.ndim > 2:
        found |= {
            "upside down": expected[:, ::-1],
            "mirrored": expected[:, :, ::-1],
            "turned round": expected[:, ::-1, ::-1],
            "with rows for columns": expected.swapaxes(1, 2),
            "one colour for each image": np.broadcast_to(
                np.median(expected, axis=(1, 2), keepdims=True), expected.shape
            ),
        }
    if expected.ndim != 3 and expected.shape[-1] > 1:
        found["with the channels reversed"] = expected[..., ::-1]
    for places in range(1, len(expected)):
        found[f"moved by {places} in the batch"] = np.roll(expected, places, axis=0)
    return found


def told_apart(value: np.ndarray, expected: np.ndarray, least: float, unit: str) -> tuple[float, float, str]:
    """The rule for outputs that are far from exact: clearly nearer to the right answer than to any simple mistake.

    Where the outputs hardly vary, mistakes cannot be told from the right answer: being off by `least` is allowed.
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
