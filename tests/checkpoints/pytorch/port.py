"""Files as the PyTorch port writes them, without PyTorch: the form of `torch.save`, and the port's generators."""

import collections
import pickle
import sys
import types
import zipfile
from unittest import mock

import numpy as np

TORCH, UTILS = types.ModuleType("torch"), types.ModuleType("torch._utils")


def _named(module, name, value):
    value.__module__, value.__qualname__, value.__name__ = module.__name__, name, name
    setattr(module, name, value)
    return value


REBUILD = _named(UTILS, "_rebuild_tensor_v2", lambda *_: None)
STORAGES = {
    np.dtype(code): _named(TORCH, f"{name}Storage", type(name, (), {}))
    for name, code in (("Float", "f4"), ("Double", "f8"), ("Half", "f2"), ("Long", "i8"))
}


class _Storage:
    def __init__(self, array, key):
        self.array = array
        self.key = key


class _Pickler(pickle.Pickler):
    def __init__(self, file):
        super().__init__(file, protocol=2)
        self.arrays = []

    def persistent_id(self, obj):
        if not isinstance(obj, _Storage):
            return None
        return "storage", STORAGES[obj.array.dtype], obj.key, "cpu", obj.array.size

    def reducer_override(self, obj):
        if not isinstance(obj, np.ndarray):
            return NotImplemented
        self.arrays.append(np.array(obj, order="C"))
        strides = tuple(stride // obj.itemsize for stride in self.arrays[-1].strides)
        storage = _Storage(self.arrays[-1], str(len(self.arrays) - 1))
        return REBUILD, (storage, 0, obj.shape, strides, False, collections.OrderedDict())


def write(path, content, compression=zipfile.ZIP_STORED):
    """Writes nested dicts of arrays as `torch.save` does."""
    name = path.stem
    with (
        zipfile.ZipFile(path, "w", compression) as archive,
        mock.patch.dict(sys.modules, {"torch": TORCH, "torch._utils": UTILS}),
    ):
        with archive.open(f"{name}/data.pkl", "w") as file:
            pickler = _Pickler(file)
            pickler.dump(content)
        archive.writestr(f"{name}/byteorder", "little")
        for key, array in enumerate(pickler.arrays):
            archive.writestr(f"{name}/data/{key}", array.tobytes())
        archive.writestr(f"{name}/version", "3\n")
    return path


def generator(rng, *, ch=2, n_res=1, img_ch=3, light=True, size=32):
    """A generator's state dict, with random values."""
    features = 4 * ch
    pooled = features if light else features * (size // 4) ** 2
    shapes = {
        "gap_fc.weight": (1, features),
        "gmp_fc.weight": (1, features),
        "conv1x1.weight": (features, 2 * features, 1, 1),
        "conv1x1.bias": (features,),
        "gamma.weight": (features, features),
        "beta.weight": (features, features),
        "DownBlock.1.weight": (ch, img_ch, 7, 7),
        "DownBlock.5.weight": (2 * ch, ch, 3, 3),
        "DownBlock.9.weight": (features, 2 * ch, 3, 3),
        "FC.0.weight": (features, pooled),
        "FC.2.weight": (features, features),
        "UpBlock2.2.weight": (2 * ch, features, 3, 3),
        "UpBlock2.7.weight": (ch, 2 * ch, 3, 3),
        "UpBlock2.11.weight": (img_ch, ch, 7, 7),
    }
    for i in range(n_res):
        for j in (1, 2):
            shapes[f"DownBlock.{12 + i}.conv_block.{(1, 5)[j - 1]}.weight"] = (features, features, 3, 3)
            shapes[f"UpBlock1_{i + 1}.conv{j}.weight"] = (features, features, 3, 3)
            shapes[f"UpBlock1_{i + 1}.norm{j}.rho"] = (1, features, 1, 1)
    for place, channels in ((3, 2 * ch), (8, ch)):
        shapes |= {f"UpBlock2.{place}.{name}": (1, channels, 1, 1) for name in ("rho", "gamma", "beta")}
    return {name: rng.uniform(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def content(**options):
    """What a file of the port's holds: two generators, and something of the discriminators."""
    rng = np.random.default_rng(0)
    networks = {name: generator(rng, **options) for name in ("genA2B", "genB2A")}
    return networks | {name: {"model.1.bias": np.zeros(2, np.float32)} for name in ("disGA", "disGB", "disLA", "disLB")}
