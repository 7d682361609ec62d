"""Makes training batches, shuffled and augmented. Each batch is a pure function of (seed, step).

Nothing else decides the order of images and their augmentation, so a run resumes exactly at any step without a saved
state, and workers agree on their parts of a batch without messages.
"""

from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from ugatit_tf.data.cache import ImageCache

Batch = tuple[tf.Tensor, tf.Tensor]

_SHUFFLE, _CROP, _FLIP = range(3)


def batches(
    caches: Sequence[ImageCache],
    img_size: int,
    batch_size: int,
    *,
    augment: bool,
    flip: bool = True,
    seed: int,
    first_step: int,
    device: str | None = None,
    share: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Yields training batches without end.

    Each domain has epochs of its own, and a new order in each epoch: the smaller domain repeats earlier, and no image
    of the larger one is left out.

    Args:
        caches: the images of A and of B, at the load size.
        img_size: the side of the crops in pixels.
        batch_size: the number of images of a domain in a batch.
        augment: whether to crop at random; without it the load size must be `img_size`.
        flip: whether to mirror half of the images left to right, if `augment` is True.
        seed: the seed of order and augmentation.
        first_step: the number of the first batch; earlier batches cost nothing.
        device: the device to which batches are copied ahead of time; None keeps them in the host's memory.
        share: the number of this process's part of each batch, and the number of equal parts. The images of other parts
            are not read.

    Yields:
        Images of A and of B, float32 `[batch_size / share[1], img_size, img_size, C]` in [-1, 1].

    Raises:
        RunError: Too many images of a domain cannot be read.
    """
    part, parts = share
    size = batch_size // parts

    def position(count: tf.Tensor) -> tf.Tensor:
        """Maps this part's image counter to the position in the sequence of all batches' images."""
        return count + count // size * (batch_size - size) + part * size

    counts = tf.data.Dataset.counter(start=first_step * size, dtype=tf.int64)
    domains = []
    for index, cache in enumerate(caches):
        sample = _sampler(cache, img_size, augment=augment, flip=flip, seed=2 * seed + index)
        images = counts.map(
            lambda count, sample=sample: sample(position(count)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        domains.append(images.batch(size, drop_remainder=True))
    dataset = tf.data.Dataset.zip(tuple(domains))
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    if device is not None:
        dataset = dataset.apply(tf.data.experimental.prefetch_to_device(device))
    try:
        yield from dataset
    except tf.errors.OpError:
        for cache in caches:
            if cache.failure:
                raise cache.failure from None
        raise


def _sampler(
    cache: ImageCache, img_size: int, *, augment: bool, flip: bool, seed: int
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function from a position in a domain's sequence to an image, float32 `[img_size, img_size, C]`."""
    count, channels = len(cache), cache.shape[-1]

    def sample(position: tf.Tensor) -> tf.Tensor:
        epoch = position // count
        index = tf.random.experimental.index_shuffle(
            position % count, seed=_seed(seed, _SHUFFLE, epoch), max_index=count - 1
        )
        image = tf.numpy_function(cache.read, [index], tf.uint8, stateful=False)
        image = tf.ensure_shape(image, cache.shape)
        if augment:
            image = tf.image.stateless_random_crop(image, (img_size, img_size, channels), _seed(seed, _CROP, position))
        if augment and flip:
            image = tf.image.stateless_random_flip_left_right(image, _seed(seed, _FLIP, position))
        return tf.cast(image, tf.float32) / 127.5 - 1.0

    return sample


def _seed(seed: int, purpose: int, position: tf.Tensor) -> tf.Tensor:
    """Returns a seed of two numbers for a stateless operation; operations of different purposes are independent."""
    return tf.stack([tf.constant(3 * seed + purpose, tf.int64), position])
