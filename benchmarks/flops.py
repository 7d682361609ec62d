"""Counts the multiplications and additions of the networks' convolutions, as the convolutions are defined.

The count ignores all tricks that need fewer operations, such as Winograd's form.
"""

from ugatit_tf.config import Config


def of_translation(config: Config) -> float:
    """Returns the operations of a generator for a batch."""
    return config.batch_size * generator(config.ch, config.n_res, config.img_size)


def of_step(config: Config) -> float:
    """Returns the operations of a training step."""
    # A forward pass and both backward passes, to weights and to inputs, take three times the operations of a forward
    # pass. They run for 2 x 3 images in the generators, and for 2 x 2 images in the discriminators. The generators'
    # loss also passes 2 fakes through the discriminators: forward, and backward to the inputs only.
    of_discriminators = (3 * 4 + 2 * 2) * discriminator(config.ch, config.img_size, config.n_dis)
    return 3 * 6 * of_translation(config) + config.batch_size * of_discriminators


def generator(ch: int, n_res: int, size: int) -> float:
    """Returns the operations of a generator for one image."""
    half, quarter, features = size // 2, size // 4, 4 * ch
    return (
        _convolution(7, 3, ch, size)
        + _convolution(3, ch, 2 * ch, half)
        + _convolution(3, 2 * ch, features, quarter)
        + 4 * n_res * _convolution(3, features, features, quarter)
        + _convolution(1, 2 * features, features, quarter)
        + _convolution(3, features, 2 * ch, half)
        + _convolution(3, 2 * ch, ch, size)
        + _convolution(7, ch, 3, size)
    )


def discriminator(ch: int, size: int, n_dis: int = 6) -> float:
    """Returns the operations of a domain's two discriminator networks for one image."""
    total = 0.0
    for layers in (n_dis - 3, n_dis - 1):
        channels = [3] + [ch * 2**i for i in range(layers)]
        for i in range(layers):
            total += _convolution(4, channels[i], channels[i + 1], size >> (i + 1))
        side, last = size >> layers, 2 * channels[-1]
        total += _convolution(4, channels[-1], last, side) + _convolution(1, 2 * last, last, side)
        total += _convolution(4, last, 1, side)
    return total


def _convolution(kernel: int, inputs: int, outputs: int, output_side: int) -> float:
    return 2.0 * kernel**2 * inputs * outputs * output_side**2
