"""The limits of the discriminators' depth `n_dis` for an image size."""

from ugatit_tf.errors import UsageError

SMALLEST_N_DIS = 4


def deepest_n_dis(img_size: int) -> int:
    """Returns the largest `n_dis` for an image size; it may be smaller than SMALLEST_N_DIS.

    The global discriminator halves the image `n_dis - 1` times, and the reflect padding of its last layers needs 3 px.
    """
    return max(img_size // 3, 1).bit_length()


def lowered(n_dis: int, img_size: int) -> int:
    """Returns `n_dis`, lowered if the images are too small for it, but not below SMALLEST_N_DIS."""
    return min(n_dis, max(deepest_n_dis(img_size), SMALLEST_N_DIS))


def check(n_dis: int, img_size: int) -> None:
    """Checks that the images are large enough for the discriminators' depth.

    Raises:
        UsageError: The images are too small; the message names values that fit.
    """
    deepest = deepest_n_dis(img_size)
    if n_dis <= deepest:
        return
    fitting_values = f"--img_size {3 * 2 ** (n_dis - 1)} or more"
    if deepest >= SMALLEST_N_DIS:
        fitting_values = f"--n_dis {deepest} or less, or {fitting_values}"
    raise UsageError(
        f"--img_size {img_size} is too small for --n_dis {n_dis}: the global discriminator's conv_last would see "
        f"{img_size >> (n_dis - 1)} px a side and needs 3. Use {fitting_values}."
    )
