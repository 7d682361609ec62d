"""Draws attention heatmaps."""

import numpy as np
from PIL import Image


def overlay(image: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """Lays a heatmap over an image: blue where the network looks least, red where it looks most.

    Args:
        image: uint8 `[H, W, C]` with C 1, 3 or 4; alpha is dropped.
        heatmap: float `[h, w]` of any range; it is resized to the image, and its minimum becomes blue, its maximum
            red.

    Returns:
        uint8 `[H, W, 3]`.
    """
    low, high = heatmap.min(), heatmap.max()
    values = (heatmap - low) / max(high - low, np.finfo(np.float32).tiny)
    height, width, channels = image.shape
    resized = Image.fromarray(values.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    values = np.clip(np.asarray(resized), 0.0, 1.0)
    # The "jet" colours: each primary is a trapezoid over the value; red is centred at 3/4, green at 1/2, blue at 1/4.
    colours = np.clip(1.5 - np.abs(4.0 * values[..., None] - np.array([3.0, 2.0, 1.0])), 0.0, 1.0)
    rgb = np.broadcast_to(image, (height, width, 3)) if channels == 1 else image[..., :3]
    return np.rint(0.5 * rgb + 0.5 * 255.0 * colours).astype(np.uint8)
