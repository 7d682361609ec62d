import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from ugatit_tf.data import images
from ugatit_tf.networks.generator import Translation
from ugatit_tf.runs.observers import Alarm, Clock, Due, Observer, Observers
from ugatit_tf.runs.summaries import Curves, SampleFolder, draw_samples
from ugatit_tf.training.ugatit import UGATIT


@pytest.mark.parametrize(("channels", "mode", "ema"), [(1, "RGB", 0), (3, "RGB", 0.9), (4, "RGBA", 0)])
def test_a_grid_is_input_heatmap_translation_and_cycle(tiny_config, channels, mode, ema):
    config = dataclasses.replace(tiny_config, img_ch=channels, ema=ema)
    model = UGATIT(config)
    generator_a, generator_b = model.averages or (model.generator_A, model.generator_B)
    generator_b.variables[0].assign_add(tf.ones_like(generator_b.variables[0]))  # not what its weights alone are
    samples = np.random.default_rng(0).integers(0, 256, (2, 32, 32, channels), np.uint8)
    grids = draw_samples(model, {"A": samples, "B": samples[:1]})
    SampleFolder(config).on_samples(config.iteration + 2, grids)  # the second step of the second epoch

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


NOTHING = np.zeros((1, 32, 32, 3), np.uint8)
LOG = Due(log=True, save=False, score=False, sample=False)


def copy(pictures):
    return Translation(tf.constant(pictures), tf.zeros((1, 2)), tf.zeros((1, 8, 8)))


COPIER = SimpleNamespace(sampler=lambda domain: copy)


class Run:
    """The observers that write samples and curves."""

    def __init__(self, config, step=0, samples=NOTHING):
        self.samples = {"A": samples, "B": samples}
        self.observers = Observers([Curves(config, step, []), SampleFolder(config)], Clock())
        self.observers.report(Observer.on_start)

    def point(self, step, value=1.0):
        self.observers.report(Observer.on_report, step, {"g_loss": value}, LOG)

    def sample(self, step):
        self.observers.report(Observer.on_samples, step, draw_samples(COPIER, self.samples))

    def warn(self, step):
        self.observers.report(Observer.on_warning, Alarm("slow", step, "steps have got slow."))

    def stop(self):
        self.observers.report(Observer.on_stop)


def test_a_warning_is_put_beside_the_curves(tiny_config):
    run = Run(tiny_config)
    run.warn(7)
    run.stop()
    events = EventAccumulator(str(Path(tiny_config.log_dir) / tiny_config.model_dir))
    events.Reload()
    (event,) = events.Tensors("warnings/slow")
    assert (event.step, event.tensor_proto.string_val[0]) == (7, b"steps have got slow.")


@pytest.fixture
def places(tiny_config):
    """Where the samples and the curves go."""
    return (Path(folder) / tiny_config.model_dir for folder in (tiny_config.sample_dir, tiny_config.log_dir))


def test_tensorboard_hides_the_points_of_steps_that_a_resumed_run_takes_again(tiny_config, places):
    _, logs = places

    def session(step, last):
        run = Run(tiny_config, step)
        for each in range(step + 1, last + 1):
            run.point(each, 10.0 * step + each)
        run.stop()
        # TensorBoard reads files by their names, which begin with the second of their making.
        newest = max(logs.iterdir(), key=lambda path: len(path.name))
        newest.rename(logs / f"events.out.tfevents.{len(list(logs.iterdir()))}")

    def shown():
        events = EventAccumulator(str(logs), tensor_size_guidance={"scalars": 0})
        events.Reload()
        return [tf.make_ndarray(event.tensor_proto).item() for event in events.Tensors("g_loss")]

    session(0, 6)
    session(4, 6)
    assert shown() == [1, 2, 3, 4, 45, 46]
    session(2, 5)
    assert shown() == [1, 2, 23, 24, 25]
    session(0, 2)  # begins anew
    assert shown() == [1, 2]


def points(logs):
    """The steps of a curve, by its files in the order of their making; up to where a file is torn."""
    steps = []
    for path in sorted(logs.iterdir(), key=lambda path: int(path.name.split(".")[-2])):  # the writers' numbers
        steps.append([])
        try:
            for record in tf.data.TFRecordDataset(str(path)).skip(1):  # the file's version
                steps[-1].append(tf.compat.v1.Event.FromString(record.numpy()).step)
        except tf.errors.DataLossError:
            pass
    return steps


def test_a_full_disk_is_told_once_and_the_curves_go_on_behind_it(tiny_config, places, full_disk, caplog):
    samples, logs = places
    noise = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)  # a picture larger than the event file
    run = Run(tiny_config, samples=noise)
    run.point(1)
    with full_disk(after=next(logs.iterdir()).stat().st_size + 20):
        for step in (2, 3, 4):
            run.point(step)
            run.sample(step)
        run.warn(4)
    assert caplog.messages == [
        "Going on without points on TensorBoard's curves, until this is mended: "
        f"cannot write to {logs}: File too large",
        "Going on without sample pictures, until this is mended: "
        f"cannot write {samples}/A2B_000_00002.png: File too large",
    ]
    assert list(samples.iterdir()) == []
    run.point(5)  # not yet: a file is begun with the next sample pictures
    run.sample(6)
    run.point(7)
    run.stop()
    steps = points(logs)
    assert steps[0] == [1, 1]  # the session's start and a point
    assert steps[-1] == [6, 6, 7]
    assert len(list(samples.iterdir())) == 6
    assert len(caplog.messages) == 2


def test_a_folder_that_is_gone_is_made_again_or_its_pictures_left_out(tiny_config, places, caplog):
    samples, _ = places
    run = Run(tiny_config)
    shutil.rmtree(samples)
    run.sample(1)
    assert len(list(samples.iterdir())) == 6
    shutil.rmtree(samples)
    samples.write_text("in the way")
    for step in (2, 3):
        run.sample(step)
    run.stop()
    (message,) = caplog.messages
    assert message.endswith(f"cannot make the folder {samples}: File exists")


def test_a_log_that_cannot_be_begun_stops_nothing(tiny_config, places, full_disk, caplog):
    _, logs = places
    with full_disk(after=0):
        run = Run(tiny_config)
        run.point(1)
        run.stop()
    assert list(logs.iterdir()) == []
    (message,) = caplog.messages
    assert message.endswith(f"cannot write to {logs}: File too large")
