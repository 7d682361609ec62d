"""Measures how close to the ground truth a translation from the demo's cartoons to photographs can be.

A cartoon does not show the light, the strands of hair and the noise of its photograph. So the benchmark draws each test
face as a photograph several times, with light, hair strands and noise of other faces. It prints two mean L1 distances
to the ground truth, from 0 to 1: of one such photograph, and of their median. The median at each pixel and channel is
the best guess that these photographs allow.
"""

import argparse
import dataclasses
import statistics

import numpy as np

from ugatit_tf.data import demo
from ugatit_tf.data.demo.drawing import draw_photo
from ugatit_tf.evaluation.scoring import l1
from ugatit_tf.flags import PRESETS

_UNKNOWN = ("light_angle", "light_colour", "texture_seed")


def main() -> None:
    """Draws the photographs, compares them with the ground truth and prints the distances."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, default=15, help="of each face")
    arguments = parser.parse_args()
    size = PRESETS["demo"]["img_size"]
    rng = np.random.default_rng(0)
    single, median = [], []
    for index in range(demo.SPLIT_SIZES["testA"]):
        face, truth = demo.face_of("testA", index), demo.draw("testA", index, size)
        photographs = []
        for _ in range(arguments.photographs):
            other = demo.sample_face(rng)
            lit = dataclasses.replace(face, **{name: getattr(other, name) for name in _UNKNOWN})
            photographs.append(draw_photo(lit, size))
        single += [l1(photograph, truth) for photograph in photographs]
        median.append(l1(np.median(photographs, 0), truth))
    print(f"One photograph: {statistics.mean(single):.4f}")
    print(f"The median of {arguments.photographs}: {statistics.mean(median):.4f}")


if __name__ == "__main__":
    main()
