"""The batches that the train phase asks for."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.phases import train

TEAM = SimpleNamespace(batches=lambda part: part())


@pytest.mark.parametrize(("augment", "flip", "flips"), [(True, True, True), (True, False, False), (False, True, False)])
def test_flip_and_augment_flag_reach_the_batches(tiny_config, augment, flip, flips):
    config = dataclasses.replace(tiny_config, augment_flag=augment, flip=flip, batch_size=1)
    # Every row rises from left to right, in every crop of it, unless it is mirrored.
    ramp = np.broadcast_to(np.arange(config.load_size, dtype=np.uint8)[:, np.newaxis], (config.load_size,) * 2 + (3,))
    image_set = ImageSet("somewhere", ("ramp",), lambda index, side: ramp)
    batches = train._batches(config, TEAM, {"trainA": image_set, "trainB": image_set})(0)
    falling = {bool(a[0, 0, 0, 0] > a[0, 0, -1, 0]) for a, _ in itertools.islice(batches, 20)}
    assert falling == ({True, False} if flips else {False})
