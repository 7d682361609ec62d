"""Scores against ground truth, which the demo faces have."""

import numpy as np


def l1(image: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute difference of two images of one shape with values from 0 to 255, on a scale from 0 to 1."""
    return float(np.mean(np.abs(image.astype(np.float32) - truth.astype(np.float32)))) / 255.0


class PairedScores:
    """Mean L1 to the ground truth, beside that of two answers that need no network.

    Args:
        mean_target: float `[H, W, C]`, 0 to 255, the mean image of the target domain.
    """

    def __init__(self, mean_target: np.ndarray) -> None:
        self._mean_target = mean_target
        self._errors: list[tuple[float, float, float]] = []

    def add(self, source: np.ndarray, output: np.ndarray, truth: np.ndarray) -> float:
        """Takes one image, its translation and the right one into account, uint8 `[H, W, C]` each.

        Returns:
            The translation's L1.
        """
        self._errors.append((l1(output, truth), l1(source, truth), l1(self._mean_target, truth)))
        return self._errors[-1][0]

    def summary(self) -> dict[str, float]:
        """The means: `l1`, and of the baselines `copy_input` and `mean_target`; and the number of `images`."""
        means = np.mean(self._errors, axis=0).tolist()
        return dict(zip(("l1", "copy_input", "mean_target"), means, strict=True)) | {"images": len(self._errors)}
