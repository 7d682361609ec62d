import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ugatit_tf.data import images
from ugatit_tf.training.summaries import Summaries
from ugatit_tf.training.ugatit import UGATIT


@pytest.mark.parametrize(("channels", "mode", "ema"), [(1, "RGB", 0), (3, "RGB", 0.9), (4, "RGBA", 0)])
def test_a_grid_is_input_heatmap_translation_and_cycle(tiny_config, channels, mode, ema):
    config = dataclasses.replace(tiny_config, img_ch=channels, ema=ema)
    model = UGATIT(config)
    generator_a, generator_b = model.averages or (model.generator_A, model.generator_B)
    generator_b.variables[0].assign_add(tf.ones_like(generator_b.variables[0]))  # not what its weights alone are
    samples = np.random.default_rng(0).integers(0, 256, (2, 32, 32, channels), np.uint8)
    summaries = Summaries(config, samples, samples[:1])
    grids = summaries.write_samples(config.iteration + 2, model)  # the second step of the second epoch
    summaries.close()

    folder = Path(config.sample_dir) / config.model_dir
    grid = Image.open(folder / "A2B_001_00002.png")
    assert grid.mode == mode
    pixels = np.asarray(grid)
    assert pixels.shape == (2 * 32, 4 * 32, len(mode))
    there = generator_b(images.to_float(samples[1:]))
    again = generator_a(there.image)
    expected = (samples[1], images.to_uint8(there.image[0].numpy()), images.to_uint8(again.image[0].numpy()))
    for column, picture in zip((0, 2, 3), expected, strict=True):
        cell = pixels[32:, 32 * column : 32 * (column + 1)]
        np.testing.assert_array_equal(cell, images.with_channels(picture, len(mode)))
    assert Image.open(folder / "fake_A_001_00002.png").size == (32, 32)
    assert grids.keys() == {"A2B", "B2A", "real_A", "fake_A", "real_B", "fake_B"}
    for name, values in grids.items():
        np.testing.assert_array_equal(np.asarray(Image.open(folder / f"{name}_001_00002.png")), values)


def test_a_text_is_put_beside_the_curves(tiny_config):
    nothing = np.zeros((1, 32, 32, 3), np.uint8)
    summaries = Summaries(tiny_config, nothing, nothing)
    summaries.write_text(7, "warnings/slow", "steps have got slow.")
    summaries.close()
    events = EventAccumulator(str(Path(tiny_config.log_dir) / tiny_config.model_dir))
    events.Reload()
    (event,) = events.Tensors("warnings/slow")
    assert (event.step, event.tensor_proto.string_val[0]) == (7, b"steps have got slow.")
