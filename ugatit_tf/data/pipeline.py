"""Training batches, shuffled and augmented; each a pure function of (seed, step), so that a run resumes exactly."""

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
    """Endless training batches.

    Each domain is shuffled anew whenever it has been gone through, on its own: a small one is repeated, none is cut.

    Args:
        caches: the images of A and of B, at the load size.
        img_size: side of the crops, in pixels.
        batch_size: images of a domain in a batch.
        augment: crop at random; without it the load size must be `img_size`.
        flip: where `augment` is True, also mirror images left to right, each with a chance of one half.
        seed: of order and augmentation.
        first_step: the batch to begin with; the batches before it are passed over at no cost.
        device: where batches are put ahead of time; None for the host's memory.
        share: which part of each batch to give, and of how many equal ones; no image of the others is read.

    Yields:
        Images of A and of B, float32 `[batch_size / share[1], img_size, img_size, C]` in [-1, 1].

    Raises:
        RunError: where no image of a domain can be read.
    """
    part, parts = share
    size = batch_size // parts

    def place(count: tf.Tensor) -> tf.Tensor:
        """Which image of all batches the next one of this part is."""
        return count + count // size * (batch_size - size) + part * size

    counts = tf.data.Dataset.counter(start=first_step * size, dtype=tf.int64)
    domains = []
    for index, cache in enumerate(caches):
        sample = _sampler(cache, img_size, augment=augment, flip=flip, seed=2 * seed + index)
        images = counts.map(
            lambda count, sample=sample: sample(place(count)), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
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
    """What makes the image at a place in a domain's order, float32 `[img_size, img_size, C]` in [-1, 1]."""
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
    return tf.stack([tf.constant(3 * seed + purpose, tf.int64), position])
