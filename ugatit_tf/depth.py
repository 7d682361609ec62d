"""How deep the discriminators may be for a size of images."""

from ugatit_tf.errors import UsageError

SMALLEST_N_DIS = 4


def deepest_n_dis(img_size: int) -> int:
    """The largest `n_dis` whose last layers still see the 3 px that their reflect padding needs; may be below 4."""
    return max(img_size // 3, 1).bit_length()


def lowered(n_dis: int, img_size: int) -> int:
    """`n_dis`, or the deepest that such images allow; SMALLEST_N_DIS at least."""
    return min(n_dis, max(deepest_n_dis(img_size), SMALLEST_N_DIS))


def check(n_dis: int, img_size: int) -> None:
    """Refuses discriminators that are too deep.

    Raises:
        UsageError: with values that would do.
    """
    deepest = deepest_n_dis(img_size)
    if n_dis <= deepest:
        return
    way_out = f"--img_size {3 * 2 ** (n_dis - 1)} or more"
    if deepest >= SMALLEST_N_DIS:
        way_out = f"--n_dis {deepest} or less, or {way_out}"
    raise UsageError(
        f"--img_size {img_size} is too small for --n_dis {n_dis}: the global discriminator's conv_last would see "
        f"{img_size >> (n_dis - 1)} px a side and needs 3. Use {way_out}."
    )
