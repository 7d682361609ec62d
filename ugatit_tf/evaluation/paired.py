"""Scores against the ground truth, which the built-in faces have."""

import numpy as np


def l1(image: np.ndarray, truth: np.ndarray) -> float:
    """Returns the mean absolute difference of two images of one shape, divided by 255; pixels are 0 to 255."""
    return float(np.mean(np.abs(image.astype(np.float32) - truth.astype(np.float32)))) / 255.0


class PairedScores:
    """Collects the L1 to the ground truth of translations and of two baselines that need no network.

    Args:
        mean_target: the mean image of the target domain, float `[H, W, C]`, 0 to 255.
    """

    def __init__(self, mean_target: np.ndarray) -> None:
        self._mean_target = mean_target
        self._errors: list[tuple[float, float, float]] = []

    def add(self, source: np.ndarray, output: np.ndarray, truth: np.ndarray) -> float:
        """Adds one image, its translation and its ground truth, uint8 `[H, W, C]` each.

        Returns:
            The translation's L1.
        """
        self._errors.append((l1(output, truth), l1(source, truth), l1(self._mean_target, truth)))
        return self._errors[-1][0]

    def summary(self) -> dict[str, float]:
        """Returns the means `l1`, `copy_input` and `mean_target`, and the number of `images`."""
        means = np.mean(self._errors, axis=0).tolist()
        return dict(zip(("l1", "copy_input", "mean_target"), means, strict=True)) | {"images": len(self._errors)}
