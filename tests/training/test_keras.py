import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.inference import load_generator
from ugatit_tf.training.ugatit import UGATIT


@pytest.fixture
def model(tiny_config):
    model = UGATIT(tiny_config)
    model.compile(run_eagerly=True)  # a step or two take less time than tracing one
    return model


def pairs(config, count=3):
    shape = (2, count, config.img_size, config.img_size, 3)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")


def test_evaluation_gives_means_over_images_and_changes_nothing(model, tiny_config):
    images = pairs(tiny_config)
    data = tf.data.Dataset.from_tensor_slices(tuple(images)).batch(2)
    before = [variable.numpy() for variable in model.state]
    scores = model.evaluate(data, return_dict=True, verbose=0)
    by_hand = []
    for index in range(3):  # each loss is a mean over images, so the mean of single images is the whole's
        batch = tuple(tf.constant(part[index : index + 1]) for part in images)
        by_hand.append(model.generator_losses(*batch, model.translate(*batch))[1]["generator_A/cycle"])
    assert scores["generator_A/cycle"] == pytest.approx(np.mean(by_hand), rel=1e-4)  # float32, other batches
    assert scores["loss"] == scores["g_loss"]
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.state, strict=True))
    again = model.test_on_batch(images[0], images[1], return_dict=True)
    assert again["g_loss"] == pytest.approx(scores["g_loss"], rel=1e-4)


def test_predict_translates_both_ways(model, tiny_config):
    images = pairs(tiny_config)
    in_b, in_a = model.predict(tf.data.Dataset.from_tensor_slices(tuple(images)).batch(2), verbose=0)
    np.testing.assert_allclose(in_b, model.generator_B(images[0]).image, atol=1e-5)  # float32, other batches
    np.testing.assert_allclose(in_a, model.generator_A(images[1]).image, atol=1e-5)


@pytest.mark.parametrize("argument", ["optimizer", "loss"])
def test_compile_refuses_arguments_without_effect(model, argument):
    with pytest.raises(TypeError, match=argument):
        model.compile(**{argument: "adam"})


@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize("direction", ["A2B", "B2A"])
def test_load_generator_takes_it_out_of_a_saved_model(tiny_config, tmp_path, direction, ema):
    model = UGATIT(dataclasses.replace(tiny_config, ema=ema))
    if ema:
        for variable in model.average_variables:
            variable.assign(variable + 0.1)
    model.save(tmp_path / "all.keras")
    pictures = np.random.default_rng(0).integers(0, 256, (1, tiny_config.img_size, tiny_config.img_size, 3), "uint8")
    expected = model.sampler(direction[-1])(pictures / np.float32(127.5) - 1).image
    result = load_generator(tmp_path / "all.keras", direction)(pictures)
    np.testing.assert_allclose(result / 127.5 - 1, expected, atol=2 / 127.5)  # one rounding


def test_validation_is_watched_by_early_stopping_without_a_mode(model, tiny_config):
    data = tf.data.Dataset.from_tensor_slices(tuple(pairs(tiny_config, 1))).batch(1)
    stopping = keras.callbacks.EarlyStopping(restore_best_weights=True)
    history = model.fit(data, validation_data=data, epochs=1, callbacks=[stopping], verbose=0).history
    assert {"g_loss", "val_loss", "val_generator_A/cycle"} <= history.keys()


def test_a_scheduler_sets_the_rate_of_both_optimizers(model, tiny_config):
    model.compile(learning_rate=0.5, run_eagerly=True)
    data = tf.data.Dataset.from_tensor_slices(tuple(pairs(tiny_config, 1))).batch(1)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = model.fit(data, epochs=3, callbacks=[scheduler], verbose=0).history
    # Halving is exact, and each epoch's step reports the rate that it used.
    assert history["learning_rate"] == [0.25, 0.125, 0.0625]
    assert float(model.discriminator_optimizer.learning_rate) == float(model.optimizer.learning_rate) == 0.0625


def test_a_plateau_lowers_the_rate_that_is_used(model, tiny_config):
    model.compile(learning_rate=1e-30, run_eagerly=True)
    data = tf.data.Dataset.from_tensor_slices(tuple(pairs(tiny_config, 1))).batch(1)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="g_loss", factor=0.5, patience=1, min_lr=0, min_delta=1e9)
    history = model.fit(data, epochs=4, callbacks=[plateau], verbose=0).history
    assert history["learning_rate"][-1] < history["learning_rate"][0]


@pytest.mark.parametrize("rate", [None, lambda step: tf.constant(0.1)])
@pytest.mark.parametrize(
    "callback", [keras.callbacks.LearningRateScheduler(lambda epoch: 0.1), keras.callbacks.ReduceLROnPlateau()]
)
def test_a_callback_and_a_schedule_do_not_both_set_the_rate(model, tiny_config, rate, callback):
    model.compile(learning_rate=rate, run_eagerly=True)
    data = tf.data.Dataset.from_tensor_slices(tuple(pairs(tiny_config, 1))).batch(1)
    with pytest.raises(TypeError, match=f"{type(callback).__name__} and the schedule of `compile` both set"):
        model.fit(data, callbacks=[callback], verbose=0)


@pytest.mark.parametrize("monitor", ["val_g_loss", "val_generator_A/cycle", "g_loss", "d_loss", "val_loss"])
def test_monitors_need_no_mode(model, tiny_config, monitor):
    data = tf.data.Dataset.from_tensor_slices(tuple(pairs(tiny_config, 1))).batch(1)
    stopping = keras.callbacks.EarlyStopping(monitor=monitor, patience=5)
    model.fit(data, validation_data=data, epochs=2, callbacks=[stopping], verbose=0)
    assert stopping.monitor_op is np.less or stopping.monitor_op(0.0, 1.0)
    assert np.isfinite(stopping.best)


def test_the_progress_line_shows_what_people_read_and_the_history_all(model, tiny_config, capsys):
    data = tf.data.Dataset.from_tensor_slices(tuple(pairs(tiny_config, 1))).batch(1)
    history = model.fit(data, validation_data=data, verbose=2).history
    line = capsys.readouterr().out
    for name in ("d_loss", "g_loss", "learning_rate", "val_g_loss", "val_loss"):
        assert f"{name}:" in line
    assert "cycle" not in line
    assert {"generator_A/cycle", "val_generator_A/cycle"} <= history.keys()


def test_images_of_other_types_and_unknown_shapes(model, tiny_config):
    images = pairs(tiny_config, 2)

    def unknown(part):
        return tf.data.Dataset.from_generator(lambda: iter(part), output_signature=tf.TensorSpec(None, part.dtype))

    doubles = [part.astype("float64") for part in images]
    data = tf.data.Dataset.zip(tuple(map(unknown, doubles))).batch(2)
    assert np.isfinite(model.fit(data, verbose=0).history["g_loss"][0])
    pixels = tf.data.Dataset.from_tensor_slices(tuple((127.5 * images + 127.5).astype("uint8"))).batch(2)
    with pytest.raises(ValueError, match=r"images of A are uint8: scale them to floats in \[-1, 1\]"):
        model.fit(pixels, verbose=0)
    grey = tf.data.Dataset.from_tensor_slices(tuple(images[..., :1])).batch(2)
    with pytest.raises(ValueError, match=r"shape \(2, 32, 32, 1\): it must be \[B, H, W, 3\]"):
        model.evaluate(grey, verbose=0)


def test_keras_callbacks_work(model, tiny_config, tmp_path):
    data = tf.data.Dataset.from_tensor_slices(tuple(pairs(tiny_config, 1))).batch(1)
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_loss", save_best_only=True),
        keras.callbacks.ModelCheckpoint(tmp_path / "last.weights.h5", save_weights_only=True),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True),
        keras.callbacks.TensorBoard(tmp_path / "logs"),
    ]
    model.fit(data, validation_data=data, epochs=2, callbacks=callbacks, verbose=0)
    assert "val_g_loss" in (tmp_path / "log.csv").read_text()
    assert keras.saving.load_model(tmp_path / "best.keras").compiled
    assert (tmp_path / "last.weights.h5").exists()
    assert list((tmp_path / "logs").rglob("events.*"))


@pytest.mark.parametrize("name", ["generator_B", "discriminator_A", ""])
def test_what_is_built_exports_itself(model, tiny_config, tmp_path, name):
    network = getattr(model, name) if name else model
    network.export(tmp_path / "x", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "x")  # kept, as the function alone does not keep its variables
    served = loaded.serve
    images = pairs(tiny_config, 2)
    if name:
        expected, found = network(images[0]), served(images[0])
    else:
        expected, found = model(tuple(images)), served(tuple(images))
    for one, other in zip(tf.nest.flatten(expected), tf.nest.flatten(found), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * np.abs(one).max())  # float32, another graph
