"""Videos that the tests make, read: what is upright, when, and what is told of damaged ones."""

import os
import random
from fractions import Fraction

import numpy as np
import pytest

from ugatit_tf.data.images import with_channels

pytest.importorskip("av")

from ugatit_tf.data.videos import VideoError, is_video, result_ending  # noqa: E402
from ugatit_tf.data.videos.reader import Video  # noqa: E402

KINDS = (".mp4", ".mov", ".webm", ".gif")


def read(path, channels=3):
    """A video's frames, the seconds at which each begins, the last one's end, and what was wrong."""
    with Video(str(path), channels) as video:
        frames = list(video.frames())
        times = [float(frame.pts * video.time_base) for frame in frames]
        end = float((frames[-1].pts + frames[-1].duration) * video.time_base)
        return [frame.pixels for frame in frames], times, end, video.damage


def corners(pixels):
    """The middles of the four quarters, int `[2, 2, C]`."""
    height, width = pixels.shape[:2]
    return pixels[height // 4 :: height // 2, width // 4 :: width // 2].astype(int)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("times", ["EVEN", "UNEVEN"])
def test_frames_and_their_times(clips, tmp_path, kind, times):
    path, times = tmp_path / f"clip{kind}", getattr(clips, times)
    clips.make(path, times)
    assert is_video(str(path))
    frames, found, end, damage = read(path)
    np.testing.assert_allclose(found, times, atol=1e-9)
    np.testing.assert_allclose(end, times[-1] + 0.2, atol=1e-9)
    assert damage == ""
    for number, frame in enumerate(frames):
        assert frame.dtype == np.uint8
        assert frame.shape == (48, 64, 3)
        assert np.abs(corners(frame) - corners(clips.quarters(number))).max() <= 8, number


@pytest.mark.parametrize("kind", [".mp4", ".mov"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_display_matrix_is_followed(clips, tmp_path, kind, rotation, mirrored):
    clips.make(tmp_path / f"clip{kind}", rotation=rotation, mirrored=mirrored)
    frames, _, _, _ = read(tmp_path / f"clip{kind}")
    shown = np.rot90(clips.quarters(0), rotation // 90)
    shown = shown[:, ::-1] if mirrored else shown
    assert frames[0].shape == shown.shape
    assert np.abs(corners(frames[0]) - corners(shown)).max() <= 8


@pytest.mark.parametrize(("aspect", "shape"), [(Fraction(3, 2), (96, 48)), (Fraction(9000, 1), (64, 48))])
def test_pixels_become_square(clips, tmp_path, aspect, shape):
    clips.make(tmp_path / "clip.mp4", aspect=aspect, rotation=90)
    frames, _, _, _ = read(tmp_path / "clip.mp4")
    assert frames[0].shape == (*shape, 3)


@pytest.mark.parametrize("channels", [1, 4])
def test_channels(clips, tmp_path, channels):
    clips.make(tmp_path / "clip.mp4")
    frames, _, _, _ = read(tmp_path / "clip.mp4", channels)
    assert frames[0].shape == (48, 64, channels)
    assert np.abs(corners(frames[0]) - corners(with_channels(clips.quarters(0), channels))).max() <= 8
    if channels == 4:
        assert frames[0][..., 3].min() == 255


def test_a_gif_may_be_clear(tmp_path):
    from PIL import Image

    pictures = [Image.new("RGBA", (4, 4), (200, level, 0, 255)) for level in (0, 100)]
    for picture in pictures:
        picture.putpixel((0, 0), (0, 0, 0, 0))
    pictures[0].save(tmp_path / "x.gif", save_all=True, append_images=pictures[1:], duration=100, disposal=2)
    over_white, clear = read(tmp_path / "x.gif")[0], read(tmp_path / "x.gif", 4)[0]
    assert [frame[0, 0].tolist() for frame in over_white] == [[255] * 3] * 2
    assert [frame[0, 0, 3] for frame in clear] == [0, 0]
    assert [frame[2, 2].tolist() for frame in clear] == [[200, 0, 0, 255], [200, 100, 0, 255]]


@pytest.mark.parametrize(("height", "matrix"), [(480, "ITU601"), (720, "ITU709")])
def test_colours_of_no_stated_kind_are_taken_as_players_do(tmp_path, height, matrix):
    import av

    pixels = np.full((height, 64, 3), (30, 200, 30), np.uint8)
    with av.open(str(tmp_path / "x.mp4"), "w") as output:
        stream = output.add_stream("libx264", 10, {"crf": "4"})
        stream.height, stream.width, stream.pix_fmt = height, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(pixels).reformat(format="yuv420p", dst_colorspace=matrix)
        frame.colorspace = 2  # not told
        output.mux(stream.encode(frame) + stream.encode(None))
    assert np.abs(read(tmp_path / "x.mp4")[0][0].astype(int) - pixels).max() <= 3


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_of_a_truncated_video_is_read(clips, tmp_path, kind):
    path = tmp_path / f"clip{kind}"
    times = [number / 10 for number in range(30)]
    noise = [np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8) for number in range(30)]
    clips.make(path, times, draw=noise.__getitem__, faststart=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    frames, found, _, damage = read(path)
    assert 5 < len(frames) < 25
    np.testing.assert_allclose(found, times[: len(frames)], atol=1e-9)
    assert damage.startswith("cut short")
    if kind != ".gif":  # which does not announce its length
        assert damage.endswith("of 3.1 s can be read")


def test_what_is_damaged_in_the_middle_is_passed_over(clips, tmp_path):
    path = tmp_path / "clip.mp4"
    noise = [np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8) for number in range(30)]
    clips.make(path, [number / 10 for number in range(30)], draw=noise.__getitem__, faststart=True)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = random.Random(0).randbytes(3000)
    path.write_bytes(data)
    frames, found, _, damage = read(path)
    assert 15 < len(frames) <= 30
    assert found[-1] == pytest.approx(2.9)
    assert damage.startswith("damaged: Invalid data found when processing input")


def test_a_file_that_is_no_video_is_told_in_one_line(clips, tmp_path):
    clips.make(tmp_path / "good.mp4")
    clips.make(tmp_path / "sound.mp4", sound=True)
    whole = (tmp_path / "good.mp4").read_bytes()
    contents = {"text.mp4": b"no video", "empty.webm": b"", "index missing.mov": whole[: len(whole) // 2]}
    contents["list.mp4"] = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/good.mp4\n".encode()
    contents["list.webm"] = f"ffconcat version 1.0\nfile {tmp_path}/good.mp4\n".encode()
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(
            VideoError, match=f"^{tmp_path}/{name}: not an intact MP4, MOV, WebM, MKV, AVI or animated GIF file"
        ):
            Video(str(tmp_path / name), 3)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match=r"pipe\.mp4: a pipe, socket or device$"):
        Video(str(tmp_path / "pipe.mp4"), 3)
    with pytest.raises(VideoError, match=r"none\.mp4: No such file or directory$"):
        Video(str(tmp_path / "none.mp4"), 3)


def test_sound_alone_is_no_video(tmp_path):
    import av

    with av.open(str(tmp_path / "x.mp4"), "w") as output:
        track = output.add_stream("aac", 48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        output.mux(track.encode(frame) + track.encode(None))
    with pytest.raises(VideoError, match=r"x\.mp4: no pictures that can be decoded$"):
        Video(str(tmp_path / "x.mp4"), 3)


def test_a_name_is_no_address(clips, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clips.make(tmp_path / "x.mp4")
    (tmp_path / "x.mp4").rename("concat:a|b.mp4")
    assert len(read("concat:a|b.mp4")[0]) == 10


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("a.MP4", True), ("a.mkv", True), ("a.avi", True), ("a", False), ("a.gif", False)],
)
def test_endings_of_files_that_say_nothing_else(tmp_path, name, is_one):
    assert is_video(str(tmp_path / name)) == is_one


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska", "webm", "avi"])
@pytest.mark.parametrize("name", ["clip", "clip.txt"])
def test_a_video_is_one_whatever_its_name(clips, tmp_path, container, name):
    made = tmp_path / ("a.webm" if container == "webm" else "a.mp4")
    clips.make(made, container=container)
    path = made.rename(tmp_path / name)
    assert is_video(str(path))
    assert len(read(path)[0]) > 6  # AVI keeps no time stamps
    assert result_ending(str(path)) == ".mp4"


def test_other_files_are_no_videos(tmp_path):
    for name, content in {
        "song": b"\0\0\0\x1cftypM4A \0\0\2\0",
        "photo": b"\0\0\0\x1cftypheic\0\0\0\0",
        "sound": b"RIFF\0\0\0\0WAVEfmt ",
        "text": b"some words",
        "nothing": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert not is_video(str(tmp_path / name)), name


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparency_of_webm_is_laid_over_white(tmp_path, codec):
    av = pytest.importorskip("av")
    path = tmp_path / "a.webm"
    rgba = np.zeros((48, 64, 4), np.uint8)
    rgba[:, 32:] = (200, 30, 30, 255)
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, 10, {"auto-alt-ref": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        stream.metadata["alpha_mode"] = "1"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format="yuva420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with Video(str(path), 3) as video:
        pixels = [frame.pixels for frame in video.frames()]
    assert len(pixels) == 3
    for frame in pixels:
        assert np.abs(frame[8:40, 4:24].astype(int) - 255).max() <= 12
        assert np.abs(frame[8:40, 40:60].astype(int) - (200, 30, 30)).max() <= 12


def test_a_gif_of_one_frame_is_a_picture(tmp_path):
    from PIL import Image

    Image.new("RGB", (4, 4)).save(tmp_path / "x.gif")
    os.mkfifo(tmp_path / "pipe.gif")
    (tmp_path / "text.gif").write_text("text")
    assert not any(is_video(str(path)) for path in tmp_path.iterdir())


PROGRAM = """
from ugatit_tf.data.videos import VideoError
from ugatit_tf.data.videos.reader import Video
def check(path):
    try:
        with Video(str(path), 3) as video:
            for frame in video.frames():
                pass
    except VideoError as error:
        assert chr(10) not in str(error)
        return "refused"
    return "damaged" if video.damage else "read"
"""


@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_damaged_files_are_read_as_far_as_they_go_or_refused(clips, tmp_path, mutated, run_over, count):
    files = []
    for kind in KINDS:
        clips.make(tmp_path / f"clip{kind}", sound=kind != ".gif", faststart=True)
        whole = (tmp_path / f"clip{kind}").read_bytes()
        files += [mutated(whole, seed) for seed in range(count)]
    found = run_over(files, PROGRAM)
    assert set(found) <= {"refused", "damaged", "read"}
    assert found["read"] > count
    assert found["damaged"]
