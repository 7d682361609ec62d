import dataclasses
import math

import numpy as np
import pytest

from drawn_faces import Detector, face_at
from ugatit_tf.config import Config
from ugatit_tf.data import crops, faces, images
from ugatit_tf.data.crops import Cropper, NoFaceError, NoPersonError
from ugatit_tf.data.faces import Face
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.data.regions import REFLECTION, Region


def noise(height, width, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def smooth(height, width, channels=3):
    """A picture that survives being resized and turned, all but its edges."""
    row, column = np.mgrid[:height, :width]
    waves = [127 + 100 * np.sin(row / (9 + 3 * c)) * np.cos(column / (7 + 2 * c)) for c in range(min(channels, 3))]
    opaque = [np.full((height, width), 255)] * (channels - len(waves))
    return np.stack(waves + opaque, axis=-1).astype(np.uint8)


def region_of(crop, picture):
    return Cropper(crop, 0.5, "skip").find(picture)[0]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_middle_is_cut_out(channels):
    wide, high = noise(6, 10, channels), noise(11, 4, channels)
    np.testing.assert_array_equal(crops.cut(wide, region_of("center", wide), 6), wide[:, 2:8])
    np.testing.assert_array_equal(crops.cut(high, region_of("center", high), 4), high[4:8])
    np.testing.assert_array_equal(crops.cut(wide, region_of("center", wide), 3), images.resize(wide[:, 2:8], 3))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_nothing_is_cut_off_and_white_is_added(channels):
    wide = noise(6, 10, channels)
    square = crops.cut(wide, region_of("none", wide), 10)
    np.testing.assert_array_equal(square[2:8], wide)
    assert (square[:2] == 255).all()
    assert (square[8:] == 255).all()


def test_squeezing_is_what_training_does():
    wide = noise(6, 10)
    np.testing.assert_array_equal(crops.cut(wide, region_of("squeeze", wide), 7), images.resize(wide, 7))


@pytest.mark.parametrize("crop", ["center", "none", "squeeze"])
def test_a_square_stays_as_it_is(crop):
    square = noise(8, 8)
    np.testing.assert_array_equal(crops.cut(square, region_of(crop, square), 8), square)


def test_a_picture_without_a_face_is_skipped_or_cut_in_the_middle():
    wide, blind = noise(6, 10), Detector(lambda _: [])
    with pytest.raises(NoFaceError, match="no face found"):
        Cropper("face", 0.5, "skip", blind).find(wide)
    with pytest.raises(NoFaceError, match="no face found"):
        Cropper("face", 0.5, "skip", blind).find_all(wide)
    expected = region_of("center", wide), None
    assert Cropper("face", 0.5, "center", blind).find(wide) == expected
    assert Cropper("face", 0.5, "center", blind).find_all(wide) == [expected]


def test_faces_are_found_with_their_margin():
    found = [face_at(200, 150, 40, 10), face_at(400, 100, 30)]
    cropper = Cropper("face", 0.25, "skip", Detector(lambda _: found))
    regions = [faces.around(face, 0.25) for face in found]
    assert cropper.find(noise(400, 600)) == (regions[0], found[0])
    assert cropper.find_all(noise(400, 600)) == list(zip(regions, found, strict=True))
    assert regions[0].width == pytest.approx(40 * 1.5 / 0.4)


def test_a_crop_without_faces_has_one_region():
    wide = noise(6, 10)
    assert Cropper("center", 0.5, "skip").find_all(wide) == [(region_of("center", wide), None)]


class Mask:
    """Calls the left half of every square a person."""

    def __call__(self, square):
        mask = np.zeros(square.shape[:2], np.float32)
        mask[:, : len(square) // 2] = 1
        return mask


def test_another_background_leaves_the_person_alone():
    picture = smooth(60, 60)
    region = Region(30, 30, 40, 40)
    square = Cropper("center", 0.5, "skip", background="#ff0000", mask=Mask()).square(picture, region, 32)
    assert (square[:, 17:] == (255, 0, 0)).all()
    expected = images.resize(crops.cut(picture, region, 256), 32)  # a mask of fewer pixels would be coarse
    np.testing.assert_array_equal(square[:, :15], expected[:, :15])


def test_what_lies_beyond_the_picture_is_no_person():
    region = Region(0, 30, 40, 40, beyond=REFLECTION, is_exact=True)
    cropper = Cropper(
        "face", 0.5, "skip", Detector(lambda _: []), background="white", mask=lambda square: square[..., 0] * 0.0 + 1
    )
    square = cropper.square(np.zeros((60, 60, 3), np.uint8), region, 40)
    assert (square[:, :19] == 255).all()
    assert (square[:, 21:] == 0).all()


def test_a_square_without_a_person_is_refused():
    nobody = Cropper(
        "center", 0.5, "skip", background="white", mask=lambda square: np.zeros(square.shape[:2], np.float32)
    )
    with pytest.raises(NoPersonError, match="no person found"):
        nobody.square(noise(8, 8), Region(4, 4, 8, 8), 8)


@pytest.mark.parametrize("angle", [-30, 20, 45])
def test_eyes_become_level(angle):
    # Two bright dots 40 px apart, the right one lower by the angle.
    picture = np.zeros((200, 200, 3), np.uint8)
    row, column = np.mgrid[:200, :200]
    for side in (-20, 20):
        x = 100 + side * math.cos(math.radians(angle))
        y = 90 + side * math.sin(math.radians(angle))
        picture[(row + 0.5 - y) ** 2 + (column + 0.5 - x) ** 2 < 9] = 255
    square = crops.cut(picture, Region(100, 90, 80, 80, angle), 80)[..., 0].astype(float)
    for half, x in ((square[:, :40], 20), (square[:, 40:], 20)):
        total = half.sum()
        assert (half.sum(1) * (np.arange(80) + 0.5)).sum() / total == pytest.approx(40, abs=0.3)
        assert (half.sum(0) * (np.arange(40) + 0.5)).sum() / total == pytest.approx(x, abs=0.3)


def test_where_a_face_is_in_its_square():
    region = Region(100, 100, 80, 80, 0)
    face = Face((0, 0), (0, 0), (0, 0), 100, 100, 40)
    assert crops.relative(face, region) == pytest.approx((0.5, 0.5, 0.5))
    assert crops.relative(dataclasses.replace(face, x=120, y=90, size=20), region) == pytest.approx((0.75, 0.375, 0.25))
    # Turned by a quarter, what was below is on the right.
    turned = Region(100, 100, 80, 80, 90)
    assert crops.relative(dataclasses.replace(face, y=120), turned) == pytest.approx((0.75, 0.5, 0.5))


def test_beyond_the_picture_all_is_white():
    square = crops.cut(np.zeros((20, 20, 1), np.uint8), Region(10, 10, 40, 40, 45), 40)
    assert square[0, 0] == square[20, 2] == 255
    assert square[20, 20] == 0


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    "region",
    [
        Region(60, 50, 40, 40),
        Region(60, 50, 50, 50, 25),
        Region(60, 45, 80, 80),
        Region(60.3, 49.6, 50.4, 50.4, -12, beyond=REFLECTION, is_exact=True),
        Region(20, 20, 60, 60, 12, beyond=REFLECTION, is_exact=True),
    ],
)
def test_what_is_cut_and_pasted_back_unchanged_changes_nothing(region, channels):
    picture = smooth(90, 120, channels)
    copy = picture.copy()
    result = crops.pasted(crops.cut(picture, region, round(region.width)), region, picture)
    assert result.shape == picture.shape
    assert np.abs(result.astype(int) - picture).max() <= (8 if region.angle else 0)
    np.testing.assert_array_equal(picture, copy)


def test_only_the_masked_part_is_pasted():
    picture = np.zeros((60, 60, 3), np.uint8)
    mask = np.zeros((64, 64), np.float32)
    mask[:, :32] = 1
    for region in (Region(30, 30, 40, 40), Region(30, 30, 40, 40, is_exact=True)):
        result = crops.pasted(np.full((16, 16, 3), 200, np.uint8), region, picture, mask)[..., 0]
        assert (result[16:44, 16:28] == 200).all()
        assert (result[:, 32:] == 0).all()


def test_each_place_goes_to_the_nearest_of_several_faces():
    left, right = Region(20, 30, 40, 40), Region(40, 30, 40, 40)
    mask = crops.joined(None, left, [right])
    assert mask[128, 20] == 1
    assert mask[128, 236] == 0
    assert mask[128, 191] == pytest.approx(0.5, abs=0.05)  # 30, the middle between them
    person = np.full((64, 64), 0.5, np.float32)
    assert crops.joined(person, left, [right])[32, 5] == 0.5
    assert crops.joined(person, left, []) is person
    assert crops.joined(0 * person, left, []) is None  # nobody is there: all is pasted


def test_a_face_on_its_way_out_of_the_frame_changes_nothing():
    picture = noise(20, 20)
    outside = Region(-90, 10, 40, 40, 5, is_exact=True)
    np.testing.assert_array_equal(crops.pasted(noise(8, 8), outside, picture), picture)


@pytest.mark.parametrize("angle", [0, 30])
def test_pasting_changes_the_region_alone_and_blends_its_edges(angle):
    picture = np.zeros((100, 140, 3), np.uint8)
    result = crops.pasted(np.full((16, 16, 3), 200, np.uint8), Region(70, 50, 40, 40, angle), picture)[..., 0]
    row, column = np.mgrid[:100, :140] + 0.5
    turn = math.radians(angle)
    right = (column - 70) * math.cos(turn) + (row - 50) * math.sin(turn)
    down = (row - 50) * math.cos(turn) - (column - 70) * math.sin(turn)
    from_edge = 20 - np.maximum(np.abs(right), np.abs(down))
    assert (result[from_edge < -1] == 0).all()
    assert (np.abs(result[from_edge > 5].astype(int) - 200) <= 1).all()  # a tenth of the side is blended
    assert result[(from_edge > 1.2) & (from_edge < 2.8)].mean() == pytest.approx(100, abs=10)


def test_no_edge_is_blended_where_the_picture_ends():
    picture = np.zeros((40, 60, 3), np.uint8)
    translated = np.full((16, 16, 3), 200, np.uint8)
    assert (crops.pasted(translated, region_of("squeeze", picture), picture) == 200).all()
    assert (crops.pasted(translated, region_of("none", picture), picture) == 200).all()
    middle = crops.pasted(translated, region_of("center", picture), picture)[..., 0]
    assert (middle[:, 20:40] == 200).all()
    assert (middle[:, :10] == 0).all()
    assert 0 < middle[20, 11] < 200


def test_a_square_gets_the_size_back_that_it_had():
    wide = smooth(60, 101)
    for crop, expected in (("squeeze", wide), ("none", wide), ("center", wide[:, 20:80])):
        region = region_of(crop, wide)
        restored = crops.enlarged(crops.cut(wide, region, 101), region, *wide.shape[:2])
        assert restored.shape == expected.shape
        assert np.abs(restored.astype(int) - expected).mean() < 4
    assert crops.enlarged(np.zeros((8, 8, 3), np.uint8), Region(9, 9, 20.4, 20.4, 12), 60, 60).shape == (20, 20, 3)


def test_the_crop_of_a_domain_wins():
    config = Config(crop="center", crop_B="none")
    assert [config.crop_of(domain) for domain in "AB"] == ["center", "none"]
    assert Config().crop_of("A") == ""
    assert Cropper.of(config, "B", "squeeze") == Cropper("none", 0.5, "skip")
    keep = Config(background="white", background_A="keep", content_share=0.5)
    assert [keep.background_of(domain) for domain in "AB"] == ["keep", "white"]
    assert Cropper.of(keep, "A", "squeeze") == Cropper("squeeze", 0.5, "skip", content_share=0.5)
    assert Cropper.of(Config(), "B", "squeeze") == Cropper("squeeze", 0.5, "skip")


def test_an_image_set_is_cropped():
    wide = noise(6, 10)
    image_set = ImageSet("testA", ("x",), lambda index, side: wide)
    assert crops.cropped(Config(), "A", image_set) is image_set
    cropped = crops.cropped(Config(crop="center"), "A", image_set)
    np.testing.assert_array_equal(cropped.read(0, 6), wide[:, 2:8])
    np.testing.assert_array_equal(cropped.read(0, None), wide[:, 2:8])
    assert cropped.names == ("x",)


def test_a_picture_without_a_face_is_named(monkeypatch):
    monkeypatch.setattr(crops.faces, "detector", lambda _: Detector(lambda picture: []))
    image_set = ImageSet("set/testA", ("x",), lambda index, side: noise(6, 10))
    with pytest.raises(NoFaceError, match="^set/testA/x: no face found$"):
        crops.cropped(Config(crop="face"), "A", image_set).read(0, 4)


def test_a_picture_without_a_person_is_named(monkeypatch):
    nobody = lambda square: np.zeros(square.shape[:2], np.float32)  # noqa: E731
    monkeypatch.setattr(crops.faces, "person_mask", lambda _: nobody)
    image_set = ImageSet("set/testA", ("x",), lambda index, side: noise(6, 10))
    with pytest.raises(NoPersonError, match="^set/testA/x: no person found$"):
        crops.cropped(Config(background="white"), "A", image_set).read(0, 4)
    assert crops.cropped(Config(background_B="white"), "A", image_set) is image_set


STRIPS = pytest.mark.parametrize("shape", [(900, 40), (40, 900)], ids=["tall", "wide"])


@STRIPS
@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_is_cut_and_put_back_as_if_its_whole_square_were_there(shape, channels, monkeypatch):
    picture = noise(*shape, channels)
    region, square = region_of("none", picture), noise(24, 24, channels)
    expected = []
    for limits in ({"_LARGE": 10**9, "_BAND": 10**9}, {"_LARGE": 2, "_BAND": 64}):
        for name, value in limits.items():
            monkeypatch.setattr(crops, name, value)
        enlarged, pasted = crops.enlarged(square, region, *shape), crops.pasted(square, region, picture)
        expected.append((crops.cut(picture, region, 24), enlarged, pasted))
    for whole, in_bands in zip(*expected, strict=True):
        np.testing.assert_array_equal(in_bands, whole)
    side = max(shape)
    canvas = np.full((side, side, channels), 255, np.uint8)
    rows, columns = ((side - length) // 2 for length in shape)
    canvas[rows : rows + shape[0], columns : columns + shape[1]] = picture
    np.testing.assert_array_equal(expected[0][0], images.resize(canvas, 24))


@STRIPS
def test_a_strip_takes_no_memory_of_its_whole_square(shape):
    picture = noise(*(20 * length for length in shape), 1)  # 14 MB; the square would have 324 MB
    region, square = region_of("none", picture), noise(24, 24, 1)
    most = 0

    def watched(new):
        def make(mode, size, *arguments):
            nonlocal most
            most = max(most, size[0] * size[1])
            return new(mode, size, *arguments)

        return make

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crops.Image, "new", watched(crops.Image.new))
        patch.setattr(
            crops.Image.Image,
            "resize",
            lambda image, size, *more, resize=crops.Image.Image.resize: (
                watched(lambda mode, size: None)("L", size),
                resize(image, size, *more),
            )[1],
        )
        crops.cut(picture, region, 24)
        crops.enlarged(square, region, *picture.shape[:2])
        crops.pasted(square, region, picture)
    assert 0 < most <= picture.size
