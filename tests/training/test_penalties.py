import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.training.penalties import DRAGAN, WGAN_GP, WGAN_LP, gradient_penalty, seeded_uniform

ALPHA, EPS = 0.25, 1.0


def fixed(shape, salt):
    return tf.fill(shape, (ALPHA, EPS)[salt])


def pixels(*values):
    """One image of one pixel for each value."""
    return tf.constant(values, tf.float32, shape=(len(values), 1, 1, 1))


def linear(w):
    """Logit tensors w x, and twice the same x summed into [B, 2]: gradients w and 2 w."""

    def logits(x):
        score = tf.reduce_sum(w * x, axis=(1, 2, 3))
        return score, tf.stack([score, score], axis=1)

    return logits


@pytest.mark.parametrize(
    ("kind", "norm", "expected"),
    [
        (WGAN_GP, 3, (3 - 1) ** 2 + (6 - 1) ** 2),
        (WGAN_LP, 3, (3 - 1) ** 2 + (6 - 1) ** 2),
        (DRAGAN, 3, (3 - 1) ** 2 + (6 - 1) ** 2),
        (WGAN_GP, 0.75, (0.75 - 1) ** 2 + (1.5 - 1) ** 2),
        (WGAN_LP, 0.75, (1.5 - 1) ** 2),
        (DRAGAN, 0.75, (0.75 - 1) ** 2 + (1.5 - 1) ** 2),
        (WGAN_LP, 0.25, 0),
    ],
)
def test_penalty_of_a_linear_critic(kind, norm, expected):
    w = tf.constant([[[[2 / 3, 1 / 3, 2 / 3]]]]) * norm  # of length `norm`
    real, fake = np.random.default_rng(0).normal(size=(2, 4, 1, 1, 3)).astype("float32")
    penalty = gradient_penalty(kind, linear(w), tf.constant(real), tf.constant(fake), seeded_uniform([1, 2]))
    assert penalty.shape == ()
    np.testing.assert_allclose(penalty, expected, atol=1e-5)


def quadratic(x):
    """Its gradient is the point itself."""
    return (tf.reduce_sum(x**2, axis=(1, 2, 3)) / 2,)


@pytest.mark.parametrize("kind", [WGAN_GP, WGAN_LP])
def test_norms_are_taken_per_sample_between_real_and_fake(kind):
    # A quarter of the way from 4 to 0 is 3, from 5 to 5 is 5.
    penalty = gradient_penalty(kind, quadratic, pixels(4, 5), pixels(0, 5), fixed)
    np.testing.assert_allclose(penalty, ((3 - 1) ** 2 + (5 - 1) ** 2) / 2)


def test_dragans_points_lie_around_real_images_wherever_the_fakes_are():
    # The standard deviation over the whole batch is 2, so the far end is 0.5 * 2 * EPS = 1 away.
    expected = ((2 + ALPHA - 1) ** 2 + (6 + ALPHA - 1) ** 2) / 2
    for fake in (pixels(0, 0), pixels(100, -100)):
        np.testing.assert_allclose(gradient_penalty(DRAGAN, quadratic, pixels(2, 6), fake, fixed), expected)


def points(kind, real, fake):
    seen = []

    def logits(x):
        seen.append(x.numpy())
        return quadratic(x)

    gradient_penalty(kind, logits, real, fake, seeded_uniform([1, 2]))
    return seen[0]


def test_alpha_is_drawn_per_sample():
    x = points(WGAN_GP, tf.zeros((3, 2, 2, 3)), tf.ones((3, 2, 2, 3))).reshape(3, -1)
    np.testing.assert_array_equal(x, np.repeat(x[:, :1], 12, axis=1))
    assert len(set(x[:, 0])) == 3
    assert 0 <= x.min() < x.max() < 1


def test_dragans_noise_is_drawn_per_value():
    real = tf.tile(pixels(-1, 1), (1, 2, 2, 3))
    assert len(np.unique(points(DRAGAN, real, real) - real)) > 20


@pytest.mark.parametrize("kind", [WGAN_GP, WGAN_LP, DRAGAN])
def test_a_gradient_of_zero_gives_a_finite_penalty_and_gradient(kind):
    w = tf.zeros((1, 1, 1, 3))
    images = tf.ones((2, 1, 1, 3))
    with tf.GradientTape() as tape:
        tape.watch(w)
        penalty = gradient_penalty(kind, linear(w), images, images, seeded_uniform([1, 2]))
    np.testing.assert_allclose(penalty, 0 if kind is WGAN_LP else 2)
    assert np.isfinite(tape.gradient(penalty, w)).all()


def test_the_critics_weights_get_the_penaltys_gradient():
    w = tf.constant([[[[0.0, 3.0]]]])
    with tf.GradientTape() as tape:
        tape.watch(w)
        penalty = gradient_penalty(WGAN_GP, linear(w), tf.ones((2, 1, 1, 2)), tf.zeros((2, 1, 1, 2)), fixed)
    # (|w| - 1)**2 + (2 |w| - 1)**2 has the derivative 2 (|w| - 1) + 4 (2 |w| - 1) along w.
    np.testing.assert_allclose(tape.gradient(penalty, w), [[[[0, 2 * 2 + 4 * 5]]]], rtol=1e-6)


def test_seeded_uniform_is_a_pure_function_of_seed_and_salt():
    def draw(seed, salt):
        return seeded_uniform(tf.constant(seed, tf.int64))((10000,), salt).numpy()

    first = draw([1, 2], 0)
    np.testing.assert_array_equal(first, draw([1, 2], 0))
    assert 0 <= first.min() < 0.01
    assert 0.99 < first.max() < 1
    for other in (draw([1, 2], 1), draw([1, 3], 0), draw([2, 2], 0), draw([2, 1], 0)):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.05
