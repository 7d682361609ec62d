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
    model.compile()
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
        model.averages[0].trainable_variables or [v.assign(v + 0.01) for v in model.averages[0].variables]
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
