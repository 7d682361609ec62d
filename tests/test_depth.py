import pytest

from ugatit_tf.config import Config, deepest_n_dis, lowered_n_dis
from ugatit_tf.errors import UsageError


@pytest.mark.parametrize(
    ("img_size", "n_dis"), [(256, 7), (128, 6), (64, 5), (48, 5), (44, 4), (32, 4), (24, 4), (20, 3)]
)
def test_deepest_n_dis_by_hand(img_size, n_dis):
    assert deepest_n_dis(img_size) == n_dis


def test_deepest_n_dis_is_the_last_that_leaves_three_pixels():
    for img_size in range(3, 1025):
        deepest = deepest_n_dis(img_size)
        assert img_size // 2 ** (deepest - 1) >= 3 > img_size // 2**deepest


def test_a_depth_is_lowered_to_what_fits_but_never_below_the_smallest():
    assert [lowered_n_dis(*pair) for pair in ((6, 256), (6, 64), (5, 128), (6, 16))] == [6, 5, 5, 4]


@pytest.mark.parametrize(
    ("img_size", "n_dis", "parts"),
    [
        (32, 5, ("--img_size 32", "--n_dis 5", "2 px", "needs 3", "--n_dis 4 or less", "--img_size 48 or more")),
        (256, 8, ("--img_size 256", "--n_dis 8", "2 px", "--n_dis 7 or less", "--img_size 384 or more")),
        (16, 4, ("--img_size 16", "--n_dis 4", "2 px", "--img_size 24 or more")),
    ],
)
def test_images_too_small_for_the_discriminator_are_refused_with_the_sizes(img_size, n_dis, parts):
    with pytest.raises(UsageError) as error:
        Config(img_size=img_size, n_dis=n_dis).validate()
    message = str(error.value)
    assert all(part in message for part in parts), message
    assert "--n_dis 3" not in message
