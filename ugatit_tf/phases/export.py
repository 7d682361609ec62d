"""`--phase export`: writes the trained generators for other programs, and checks what it wrote."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from ugatit_tf import inference
from ugatit_tf.checkpoints import checkpoints
from ugatit_tf.config import Config
from ugatit_tf.data import sources
from ugatit_tf.data.sources import ImageSet
from ugatit_tf.errors import RunError
from ugatit_tf.export import formats, model_card, verify
from ugatit_tf.system import device
from ugatit_tf.system.files import replace_folder

_CHECKED = 8
_CALIBRATION = 32


def run(config: Config) -> None:
    """Writes `<export_dir>/<model_dir>/{A2B,B2A}/` in every format of `config.export_formats`.

    Raises:
        RunError: where there is no checkpoint, it does not fit the flags, an export is there already, it cannot be
            written, or the check finds that it does not compute what the checkpoint does; nothing is put in place then.
    """
    print(f"Device: {device.prepare()}")
    prefix, trained = inference.find_checkpoint(config)
    target = Path(config.export_dir) / config.model_dir
    try:
        with replace_folder(target, overwrite=config.overwrite) as folder:
            _export(config, dataclasses.replace(trained, img_size=config.img_size), prefix, folder)
    except tf.errors.OpError as error:
        raise RunError(f"cannot write {target}: {str(error).strip().partition(chr(10))[0]}") from error
    print(f"Exported to {target}")


def _export(config: Config, trained: Config, prefix: Path, folder: Path) -> None:
    names = config.export_formats
    calibration = {direction: _calibration(config, direction) for direction in inference.DIRECTIONS}
    pictures = {direction: _test_images(config, direction) for direction in inference.DIRECTIONS}
    print(f"Exporting {prefix}{inference.note(config, prefix)}")
    generators = {}
    for direction in inference.DIRECTIONS:
        wide = dataclasses.replace(config, precision="float32")  # what every machine and format can do
        generator = generators[direction] = inference.restored_generator(wide, prefix, direction)
        (folder / direction).mkdir()
        for name in names:
            print(f"Writing {direction} {name} ...")
            source = formats.Source(generator, config.img_size, calibration[direction])
            formats.get(name).write(source, folder / direction)
        model_card.write(folder / direction, direction, checkpoints.step_in_name(prefix), trained, names)
    print("Checking in a fresh process ...")
    measurements = verify.check(folder, names, generators, pictures)
    count = min(map(len, pictures.values()))
    print(f"Agrees with the checkpoint on {count} images in each direction.")
    if measurements:
        print(verify.table(measurements))


def _calibration(config: Config, direction: str) -> np.ndarray:
    if "tflite" not in config.export_formats:
        return np.empty((0, config.img_size, config.img_size, config.img_ch), np.uint8)
    return _spread(sources.open_splits(config, (f"train{direction[0]}",))[0], _CALIBRATION, config.img_size)


def _test_images(config: Config, direction: str) -> np.ndarray:
    """Test images, or, as a checkpoint may have come without its dataset, built-in ones."""
    split = f"test{direction[0]}"
    try:
        (image_set,) = sources.open_splits(config, (split,))
    except RunError:
        print(f"No test images for {direction}: checking on built-in ones.")
        (image_set,) = sources.open_splits(dataclasses.replace(config, dataset=sources.DEMO), (split,))
    return _spread(image_set, _CHECKED, config.img_size)


def _spread(image_set: ImageSet, count: int, size: int) -> np.ndarray:
    """Up to `count` images from all over a set, uint8 `[N, size, size, C]`."""
    indices = np.unique(np.linspace(0, len(image_set) - 1, count).astype(int))
    return sources.read_all(image_set, indices, size, print)
