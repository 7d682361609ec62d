"""Distances between two sets of images by their features: FID, KID, and the U-GAT-IT authors' mean KID.

Features are `[N, d]`, one row an image; all arithmetic is float64. What each number means: docs/evaluation.md.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ugatit_tf.reports.scores import Estimate

_SEED = 0
_REPLICATES = 1000
_FID_REPLICATES = 30  # each takes seconds for many images; with 30 the standard deviation has an error of 13 %
_NORMAL_95 = 1.96
_ROWS = 1000  # rows of a kernel matrix that are in memory at a time
_AUTHORS_BLOCK = 10  # images; `max_block_size` in their code
_AUTHORS_WEIGHTS = (0.02, 0.98)  # of the distances from the target and from the source


class Subsets(NamedTuple):
    """Indices of a subset of the real and one of the generated images, without repetition in either."""

    real: np.ndarray
    fake: np.ndarray


def fid(real: np.ndarray, fake: np.ndarray) -> float:
    """Returns the Frechet distance of Gaussians fitted to both sets (Heusel et al. 2017, eq. 6), 0 or more.

    |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^1/2), with sample covariances (N - 1). Each set needs two images or more.
    """
    return _frechet(_gaussian(real), _gaussian(fake))


def fid_estimate(real: np.ndarray, fake: np.ndarray) -> Estimate:
    """Returns `fid` and an interval of 1.96 standard deviations of its bootstrap on either side.

    The bootstrap's percentiles would mislead: FID is biased upwards for few different images, and a resample has fewer.
    """
    rng = np.random.default_rng(_SEED)
    value = fid(real, fake)
    replicates = [
        _frechet(_gaussian(real, _resample(rng, len(real))), _gaussian(fake, _resample(rng, len(fake))))
        for _ in range(_FID_REPLICATES)
    ]
    margin = _NORMAL_95 * float(np.std(replicates, ddof=1))
    return Estimate(value, max(value - margin, 0.0), value + margin)


def mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the unbiased squared maximum mean discrepancy with kernel (x.y / d + 1)^3 (Binkowski et al. 2018, eq. 4).

    Each set needs two rows or more. For two samples of one distribution the result is 0 on average, so it may be
    negative.
    """
    x, y = np.float64(x), np.float64(y)
    m, n = len(x), len(y)
    kxx, kyy = _kernel(x, x), _kernel(y, y)
    within = (kxx.sum() - np.trace(kxx)) / (m * (m - 1)) + (kyy.sum() - np.trace(kyy)) / (n * (n - 1))
    return float(within - 2 * _kernel(x, y).mean())


def draw_subsets(real: int, fake: int, count: int = 100, size: int = 1000, seed: int = 0) -> list[Subsets]:
    """Draws random subsets for `kid`. If a subset would be all images of both sets, it returns only this one.

    Args:
        real: the number of real images.
        fake: the number of generated images.
        count: the number of subsets.
        size: the images of each set in a subset; smaller sets reduce it.
        seed: the seed of the choice.
    """
    rng = np.random.default_rng(seed)
    size = min(size, real, fake)
    count = 1 if size == real == fake else count
    return [Subsets(*(rng.choice(total, size, replace=False) for total in (real, fake))) for _ in range(count)]


def kid(real: np.ndarray, fake: np.ndarray, subsets: Sequence[Subsets]) -> tuple[float, float]:
    """Returns the kernel inception distance: mean and standard deviation of `mmd` over subsets."""
    values = [mmd(real[subset.real], fake[subset.fake]) for subset in subsets]
    return float(np.mean(values)), float(np.std(values))


def kid_estimate(real: np.ndarray, fake: np.ndarray) -> Estimate:
    """Returns `kid` times 100 over the usual subsets, with the bootstrap's percentiles.

    `std` means nothing for sets that are not larger than a subset: every subset is then the whole set.
    """
    value, std = kid(real, fake, draw_subsets(len(real), len(fake)))
    low, high = _percentiles(_mmd_replicates(real, fake, np.random.default_rng(_SEED)))
    return Estimate(100 * value, 100 * low, 100 * high, 100 * std)


def kid_blocks(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Returns `mmd` of each block of at most 10 images in their given order, as the U-GAT-IT authors compute KID.

    Both sets are cut into ceil(max(N) / 10) blocks whose sizes differ by one at most, the larger ones last.

    Raises:
        ValueError: A block would have fewer than two images of a set.
    """
    count = math.ceil(max(len(real), len(fake)) / _AUTHORS_BLOCK)
    if min(len(real), len(fake)) // count < 2:
        raise ValueError(f"{len(real)} and {len(fake)} images: too unlike for blocks of {_AUTHORS_BLOCK}")
    return np.array([mmd(x, y) for x, y in zip(_blocks(real, count), _blocks(fake, count), strict=True)])


def mean_kid_estimate(target: np.ndarray, source: np.ndarray, fake: np.ndarray) -> Estimate:
    """Returns the U-GAT-IT authors' "mean KID" times 100: (0.02 KID(target, fake) + 0.98 KID(source, fake)) / 2.

    It is mostly a distance from the *source* images, and not KID. Their "std" is the standard error over the blocks,
    which the bootstrap resamples.

    Args:
        target: features of real images of the target domain.
        source: features of the images that were translated.
        fake: features of their translations.

    Raises:
        ValueError: As for `kid_blocks`.
    """
    rng = np.random.default_rng(_SEED)
    value, std, replicates = 0.0, 0.0, np.zeros(_REPLICATES)
    for weight, real in zip(_AUTHORS_WEIGHTS, (target, source), strict=True):
        blocks = 100 * kid_blocks(real, fake)
        share = weight / 2
        value += share * float(blocks.mean())
        std += share * (float(blocks.std(ddof=1)) / math.sqrt(len(blocks)) if len(blocks) > 1 else math.nan)
        replicates += share * blocks[rng.integers(len(blocks), size=(_REPLICATES, len(blocks)))].mean(axis=1)
    low, high = _percentiles(replicates) if len(blocks) > 1 else (math.nan, math.nan)
    return Estimate(value, low, high, std)


def mean_estimate(groups: Sequence[Sequence[float]]) -> Estimate:
    """Returns the mean of the means of several groups of single images' scores, with the bootstrap's percentiles."""
    rng = np.random.default_rng(_SEED)
    arrays = [np.float64(group) for group in groups]
    replicates = [
        np.mean([array[rng.integers(len(array), size=len(array))].mean() for array in arrays])
        for _ in range(_REPLICATES)
    ]
    return Estimate(float(np.mean([array.mean() for array in arrays])), *_percentiles(replicates))


class _Gaussian(NamedTuple):
    """A mean `[d]`, and a factor F `[at most d, d]` of the covariance F^T F."""

    mean: np.ndarray
    factor: np.ndarray


def _gaussian(features: np.ndarray, weights: np.ndarray | None = None) -> _Gaussian:
    """Fits a Gaussian to features; `weights` says how often each row counts, and None counts each once."""
    features = np.float64(features)
    weights = np.ones(len(features)) if weights is None else weights
    mean = weights @ features / weights.sum()
    scaled = np.sqrt(weights / (weights.sum() - 1))[:, None] * (features - mean)
    return _Gaussian(mean, np.linalg.qr(scaled, mode="r"))


def _frechet(one: _Gaussian, other: _Gaussian) -> float:
    # The eigenvalues of C1 C2 = F1^T F1 F2^T F2 are the squared singular values of F1 F2^T, so that these sum up to
    # Tr (C1 C2)^1/2. Nothing has to be inverted, or to have full rank.
    root = np.linalg.svd(one.factor @ other.factor.T, compute_uv=False).sum()
    squares = sum(np.square(part).sum() for part in (one.mean - other.mean, one.factor, other.factor))
    return max(float(squares - 2 * root), 0.0)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _blocks(features: np.ndarray, count: int) -> Iterator[np.ndarray]:
    size, larger = divmod(len(features), count)
    ends = np.cumsum([size] * (count - larger) + [size + 1] * larger)
    return iter(np.split(features, ends[:-1]))


def _resample(rng: np.random.Generator, count: int) -> np.ndarray:
    """Returns how often each image is in a bootstrap resample that has at least two different images."""
    while np.count_nonzero(weights := rng.multinomial(count, np.full(count, 1 / count))) < 2:
        pass
    return np.float64(weights)


def _mmd_replicates(real: np.ndarray, fake: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns `mmd` of bootstrap resamples without pairs of an image and its own copy, which would be a bias."""
    x, y = np.float64(real), np.float64(fake)
    w, v = (np.stack([_resample(rng, len(z)) for _ in range(_REPLICATES)]) for z in (x, y))  # [replicates, N]

    def within(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
        own = (np.square(features).sum(axis=1) / features.shape[1] + 1) ** 3  # the diagonal
        squares = np.square(weights)
        pairs = weights.sum(axis=1) ** 2 - squares.sum(axis=1)
        return (_weighted_sum(features, features, weights, weights) - squares @ own) / pairs

    between = _weighted_sum(x, y, w, v) / (len(x) * len(y))
    return within(x, w) + within(y, v) - 2 * between


def _weighted_sum(x: np.ndarray, y: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Returns the sum over i, j of w_i k(x_i, y_j) v_j for each row of the weights, `[replicates]`."""
    total = np.zeros(len(w))
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        for first in range(0, len(y), _ROWS):
            columns = slice(first, first + _ROWS)
            total += (w[:, rows] @ _kernel(x[rows], y[columns]) * v[:, columns]).sum(axis=1)
    return total


def _percentiles(replicates: np.ndarray | Sequence[float]) -> tuple[float, float]:
    low, high = np.percentile(replicates, (2.5, 97.5))
    return float(low), float(high)
