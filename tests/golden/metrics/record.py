"""Records what torch-fidelity and torchmetrics compute from made-up features; see README.md."""

import importlib.machinery
import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np

# Neither package does its arithmetic with torchvision, whose build may not fit that of torch: a stand-in will do.
for name in ("", ".transforms", ".transforms.functional", ".datasets", ".models", ".models.detection", ".ops"):
    module = MagicMock(__version__="0", __path__=[])
    module.__spec__ = importlib.machinery.ModuleSpec(f"torchvision{name}", None)
    sys.modules[f"torchvision{name}"] = module

import torch  # noqa: E402
from torch_fidelity import metric_fid, metric_kid  # noqa: E402
from torchmetrics.image.fid import FrechetInceptionDistance  # noqa: E402
from torchmetrics.image.kid import KernelInceptionDistance  # noqa: E402

HERE = Path(__file__).parent
SUBSETS, SIZE, SEED = 10, 30, 2020


class Given(torch.nn.Module):
    """A feature network that is given features."""

    def __init__(self, count):
        super().__init__()
        self.num_features = count

    def forward(self, features):
        return features


def features(rng, count, dimension, shift):
    """Positive and skewed, as Inception's are."""
    mixed = rng.normal(size=(count, dimension)) @ np.random.default_rng(0).normal(size=(dimension, dimension))
    return np.abs(mixed / np.sqrt(dimension) + shift)


def torch_fidelity_kid(real, fake, subsets, size):
    return metric_kid.kid_features_to_metric(
        torch.from_numpy(real), torch.from_numpy(fake), kid_subsets=subsets, kid_subset_size=size, rng_seed=SEED
    )


def with_torch_fidelity(real, fake):
    statistics = [metric_fid.fid_features_to_statistics(torch.from_numpy(each)) for each in (real, fake)]
    scores = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    scores |= torch_fidelity_kid(real, fake, SUBSETS, SIZE)
    rng = np.random.RandomState(SEED)  # as that package draws
    indices = [[rng.choice(len(each), SIZE, replace=False) for each in (real, fake)] for _ in range(SUBSETS)]
    return [scores[f"{name}"] for name in (metric_fid.KEY_METRIC_FID, *KID)], np.array(indices)


KID = (metric_kid.KEY_METRIC_KID_MEAN, metric_kid.KEY_METRIC_KID_STD)


def with_torchmetrics(real, fake):
    network = Given(real.shape[1])
    fid = FrechetInceptionDistance(feature=network)
    kid = KernelInceptionDistance(feature=network, subsets=SUBSETS, subset_size=SIZE)
    for metric in (fid.set_dtype(torch.float64), kid):
        metric.update(torch.from_numpy(real), real=True)
        metric.update(torch.from_numpy(fake), real=False)
    torch.manual_seed(SEED)
    scores = [float(fid.compute()), *map(float, kid.compute())]
    torch.manual_seed(SEED)  # as that package draws
    indices = [[torch.randperm(len(each))[:SIZE].numpy() for each in (real, fake)] for _ in range(SUBSETS)]
    return scores, np.array(indices)


def main():
    arrays, scores = {}, {}
    rng = np.random.default_rng(1)
    for case, dimension, counts in (("many", 16, (130, 120)), ("few", 64, (40, 50))):
        real, fake = (features(rng, count, dimension, shift) for count, shift in zip(counts, (0.3, 0.5), strict=True))
        arrays |= {f"{case}/real": real, f"{case}/fake": fake}
        for name, measure in (("torch-fidelity", with_torch_fidelity), ("torchmetrics", with_torchmetrics)):
            (fid, mean, std), indices = measure(real, fake)
            arrays[f"{case}/{name}/subsets"] = indices  # [subset, real or fake, image]
            scores.setdefault(case, {})[name] = {"fid": fid, "kid": mean, "kid_std": std}
    blocks = [(arrays[f"many/{kind}"][:120].reshape(12, 10, -1)) for kind in ("real", "fake")]
    scores["many"]["blocks of 10"] = [torch_fidelity_kid(*pair, 1, 10)[KID[0]] for pair in zip(*blocks, strict=True)]
    np.savez_compressed(HERE / "features.npz", **arrays)
    (HERE / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")


if __name__ == "__main__":
    main()
