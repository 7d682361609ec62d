import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.config import DIFFAUGMENT_POLICIES
from ugatit_tf.training.diffaugment import POLICIES, augment
from ugatit_tf.training.penalties import seeded_uniform

BRIGHTNESS, SATURATION, CONTRAST, SHIFT, HOLE = range(5)  # the salts


def drawing(**values):
    """A source that gives set numbers for a salt by its name, one or a pair for each image; else a half."""
    by_salt = {globals()[name.upper()]: value for name, value in values.items()}

    def uniform(shape, salt):
        return tf.reshape(tf.constant(by_salt[salt]), shape) if salt in by_salt else tf.fill(shape, 0.5)

    return uniform


def image(*pixels, channels=3):
    """One image, a pixel high."""
    return tf.constant(pixels, tf.float32, shape=(1, 1, len(pixels), channels))


def batch(count=2, side=8, channels=3):
    return tf.constant(np.random.default_rng(0).uniform(-1, 1, (count, side, side, channels)), tf.float32)


def test_a_policy_for_each_name():
    assert tuple(POLICIES) == DIFFAUGMENT_POLICIES


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        # Halves: saturation and contrast by 1, brightness by 0.
        ({}, [(0.0, 0.3, 0.6), (-0.4, -0.4, -0.4)]),
        ({"brightness": [0.9]}, [(0.4, 0.7, 1.0), (0.0, 0.0, 0.0)]),
        ({"brightness": [0.0]}, [(-0.5, -0.2, 0.1), (-0.9, -0.9, -0.9)]),
        # Each pixel's distance from its mean, 0.3 and -0.4, by twice the number.
        ({"saturation": [0.0]}, [(0.3, 0.3, 0.3), (-0.4, -0.4, -0.4)]),
        ({"saturation": [0.75]}, [(-0.15, 0.3, 0.75), (-0.4, -0.4, -0.4)]),
        # Each value's distance from the image's mean, -0.05, by half of it to one and a half.
        ({"contrast": [0.0]}, [(-0.025, 0.125, 0.275), (-0.225, -0.225, -0.225)]),
        ({"contrast": [0.9]}, [(0.02, 0.44, 0.86), (-0.54, -0.54, -0.54)]),
        # One after the other: brightness to a mean of 0.35, no saturation, contrast.
        (
            {"brightness": [0.9], "saturation": [0.0], "contrast": [0.0]},
            [(0.525, 0.525, 0.525), (0.175, 0.175, 0.175)],
        ),
    ],
)
def test_color_by_hand(draws, expected):
    pixels = [(0.0, 0.3, 0.6), (-0.4, -0.4, -0.4)]
    np.testing.assert_allclose(augment(image(*pixels), ["color"], drawing(**draws)), image(*expected), atol=1e-6)


def test_color_takes_each_image_for_itself():
    both = augment(tf.concat([image((0, 0, 0)), image((1, 1, 1))], 0), ["color"], drawing(brightness=[0.75, 0.25]))
    np.testing.assert_allclose(both[:, 0, 0], [[0.25] * 3, [0.75] * 3])


def test_color_leaves_alpha_alone():
    draws = drawing(brightness=[0.9], saturation=[0.0], contrast=[0.0])
    rgba = augment(image((0.0, 0.3, 0.6, 0.7), (-0.4, -0.4, -0.4, -1.0), channels=4), ["color"], draws)
    expected = image((0.525, 0.525, 0.525, 0.7), (0.175, 0.175, 0.175, -1.0), channels=4)
    np.testing.assert_allclose(rgba, expected, atol=1e-6)


def test_grey_has_no_saturation():
    draws = drawing(brightness=[0.75], saturation=[0.0], contrast=[0.0])
    # 0.25 and 0.75, whose distances from 0.5 are halved.
    np.testing.assert_allclose(augment(image(0.0, 0.5, channels=1), ["color"], draws)[0, 0, :, 0], [0.375, 0.625])


def shifted(x, down, right):
    height, width = x.shape[:2]
    result = np.zeros_like(x)
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                result[row, column] = x[row - down, column - right]
    return result


@pytest.mark.parametrize(
    ("side", "draw", "down", "right"),
    [
        (8, [0.0, 0.99], -1, 1),  # an eighth of 8 is 1: from -1 to 1
        (8, [0.34, 0.32], 0, -1),
        (32, [0.999, 0.5], 4, 0),
        (12, [0.0, 0.999], -2, 2),  # 1.5 is rounded up
        (3, [0.0, 0.999], 0, 0),
    ],
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_translation_by_hand(side, draw, down, right, channels):
    x = batch(1, side, channels)
    result = augment(x, ["translation"], drawing(shift=[draw]))
    np.testing.assert_array_equal(result[0], shifted(x[0].numpy(), down, right))


def test_translation_of_what_is_not_square():
    x = tf.reshape(tf.range(1.0, 8 * 24 + 1), (1, 8, 24, 1))
    result = augment(x, ["translation"], drawing(shift=[[0.99, 0.0]]))
    np.testing.assert_array_equal(result[0], shifted(x[0].numpy(), 1, -3))


@pytest.mark.parametrize(
    ("side", "draw", "rows", "columns"),
    [
        # Half of 8 is 4: its start is from -2 to 6.
        (8, [0.0, 0.999], slice(0, 2), slice(6, 8)),
        (8, [0.5, 0.25], slice(2, 6), slice(0, 4)),
        # Half of 6 is 3: its start is from -1 to 4.
        (6, [0.0, 0.999], slice(0, 2), slice(4, 6)),
        (6, [0.5, 0.2], slice(2, 5), slice(0, 3)),
        # 2.5 is rounded up to 3.
        (5, [0.5, 0.0], slice(1, 4), slice(0, 2)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_cutout_by_hand(side, draw, rows, columns, channels):
    x = batch(1, side, channels)
    expected = x[0].numpy()
    expected[rows, columns] = 0
    np.testing.assert_array_equal(augment(x, ["cutout"], drawing(hole=[draw]))[0], expected)


@pytest.mark.parametrize(("policy", "low", "high"), [("translation", -4, 4), ("cutout", -8, 24)])
def test_every_place_is_drawn_and_no_other(policy, low, high):
    """Of a single bright row: where it goes; of the cut rows: where they begin, or end, for want of a beginning."""
    side, count = 32, 4000
    uniform = seeded_uniform(tf.constant([1, 2], tf.int64))
    row = tf.reshape(tf.one_hot(side // 2, side), (1, side, 1, 1)) if policy == "translation" else 1.0
    result = augment(tf.ones((count, side, side, 1)) * row, [policy], uniform).numpy()[..., 0]
    assert set(np.unique(result)) == {0, 1}
    if policy == "translation":
        places = result.max(2).argmax(1) - side // 2
    else:
        lines = result.min(2)  # 0 where cut
        starts, ends = lines.argmin(1), side - lines[:, ::-1].argmin(1)
        places = np.where(starts > 0, starts, ends - side // 2)
    assert set(places) == set(range(low, high + 1))


@pytest.mark.parametrize("policy", POLICIES)
def test_choices_are_those_of_the_seed_and_of_each_image(policy):
    x = tf.ones((8, 32, 32, 3)) * [0.0, 0.5, 0.1]

    def run(seed):
        return augment(x, [policy], seeded_uniform(tf.constant(seed, tf.int64))).numpy()

    first = run([1, 2])
    np.testing.assert_array_equal(first, run([1, 2]))
    assert np.any(first != run([1, 3]))
    assert len(np.unique(first.reshape(8, -1), axis=0)) >= 7  # two may draw the same


def test_images_of_one_source_are_augmented_alike():
    """What is done to two batches differs by what they are: 0 stays 0 where the other is moved, or cut."""
    uniform = seeded_uniform(tf.constant([5, 6], tf.int64))
    x, y = batch(4, 16), 3 * batch(4, 16)
    for policies in (["translation"], ["cutout"], ["translation", "cutout"]):
        np.testing.assert_allclose(augment(y, policies, uniform), 3 * augment(x, policies, uniform), rtol=1e-6)
    # Colours are moved by the same number: their difference is that of grey and contrast, which are linear.
    a, b, c = (augment(z, ["color"], uniform) for z in (x, y, (x + y) / 2))
    np.testing.assert_allclose((a + b) / 2, c, atol=1e-6)


def test_without_policies_the_images_themselves_come_back():
    x = batch()
    assert augment(x, (), None) is x


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gradients_pass_through(channels):
    """A sum's gradient: translation and cutout take it where they take the value, brightness and contrast keep it."""
    x = batch(2, 8, channels)
    draws = drawing(shift=[[0.0, 0.99], [0.5, 0.5]], hole=[[0.5, 0.25], [0.0, 0.0]])

    def gradient(policies):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = augment(x, policies, draws)
            total = tf.reduce_sum(y * weights)
        return tape.gradient(total, x).numpy()

    weights = batch(2, 8, channels) + 3.0
    back = np.stack([shifted(weights[0].numpy(), 1, -1), weights[1].numpy()])
    np.testing.assert_array_equal(gradient(["translation"]), back)
    kept = weights.numpy()
    kept[0, 2:6, 0:4] = kept[1, 0:2, 0:2] = 0
    np.testing.assert_array_equal(gradient(["cutout"]), kept)
    np.testing.assert_allclose(gradient(["color"]), weights, rtol=1e-5)  # the halves leave colours as they are


def test_the_gradient_of_color_is_that_of_its_formula():
    x = batch(1, 2)
    draws = drawing(brightness=[0.8], saturation=[0.75], contrast=[0.1])
    _, (numeric,) = tf.test.compute_gradient(lambda z: augment(z, ["color"], draws), [x], delta=1e-2)
    (analytic,), _ = tf.test.compute_gradient(lambda z: augment(z, ["color"], draws), [x], delta=1e-2)
    np.testing.assert_allclose(analytic, numeric, atol=1e-4)
    assert abs(np.trace(analytic)) > 1


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_graph_gives_the_same_numbers_and_gradients(jit_compile, channels):
    x = batch(3, 12, channels)
    draws = drawing(brightness=[0.1, 0.9, 0.4], saturation=[0.8, 0.2, 0.5], contrast=[0.3, 0.6, 0.9])

    def both(images, uniform):
        with tf.GradientTape() as tape:
            tape.watch(images)
            result = augment(images, tuple(POLICIES), uniform)
            total = tf.reduce_sum(result**2)
        return result, tape.gradient(total, images)

    compiled = tf.function(both, jit_compile=jit_compile)
    for eager, graph in zip(both(x, draws), compiled(x, draws), strict=True):
        np.testing.assert_allclose(graph, eager, atol=1e-5)
    seeded = tf.function(lambda z, seed: both(z, seeded_uniform(seed)), jit_compile=jit_compile)
    first, again, other = (seeded(x, tf.constant([1, step], tf.int64))[0] for step in (2, 2, 3))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_a_graph_takes_any_number_and_size_of_images():
    run = tf.function(
        lambda z: augment(z, tuple(POLICIES), seeded_uniform(tf.constant([1, 2], tf.int64))),
        input_signature=[tf.TensorSpec((None, None, None, 3))],
    )
    for shape in ((1, 32, 32, 3), (5, 16, 48, 3), (2, 1, 1, 3)):
        assert run(tf.ones(shape)).shape == shape
