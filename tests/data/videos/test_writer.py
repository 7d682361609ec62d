"""Videos written again: their times, sound and size stay; read by PyAV itself, and GIFs by Pillow."""

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")

from ugatit_tf.data import images, videos  # noqa: E402
from ugatit_tf.data.videos import VideoError, writer  # noqa: E402
from ugatit_tf.data.videos.reader import Frame, Video  # noqa: E402
from ugatit_tf.data.videos.writer import Writer  # noqa: E402


def rewrite(source, target, change=lambda pixels: pixels, channels=3):
    """Writes a video again, its frames changed; returns how many sound tracks were lost."""
    with (
        Video(str(source), channels) as video,
        Writer(target, videos.CONTAINERS[source.suffix], video) as writer,
    ):
        for frame in video.frames():
            writer.write(Frame(change(frame.pixels), frame.pts, frame.duration))
    return writer.lost


def frames_of(path):
    """Seconds at which each frame begins, the last one's duration, and pixels."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        times = [float(frame.pts * frame.time_base) for frame in frames]
        return times, float(frames[-1].duration * frames[-1].time_base), [f.to_ndarray(format="rgb24") for f in frames]


def sound_of(path):
    """Seconds and content of the sound's packets, and their codec."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        return [(float(p.pts * p.time_base), bytes(p)) for p in packets], stream.codec_context.name


@pytest.mark.parametrize("kind", videos.CONTAINERS)
@pytest.mark.parametrize("times", ["EVEN", "UNEVEN"])
def test_times_stay(clips, tmp_path, kind, times):
    source, target, times = tmp_path / f"a{kind}", tmp_path / f"b{kind}", getattr(clips, times)
    clips.make(source, times)
    assert rewrite(source, target) == 0
    found, last, pixels = frames_of(target)
    np.testing.assert_allclose(found, times, atol=1e-9)
    assert last == pytest.approx(0.2)
    for number, frame in enumerate(pixels):
        assert np.abs(frame[12::24, 16::32].astype(int) - clips.quarters(number)[12::24, 16::32]).max() <= 12, number


@pytest.mark.parametrize("kind", [".mp4", ".mov", ".webm"])
def test_sound_is_copied(clips, tmp_path, kind):
    source, target = tmp_path / f"a{kind}", tmp_path / f"b{kind}"
    clips.make(source, sound=True)
    assert rewrite(source, target) == 0
    assert sound_of(target) == sound_of(source)


@pytest.mark.parametrize("kind", [".mp4", ".mov"])
def test_sound_packets_of_one_time_are_moved_apart(clips, tmp_path, kind):
    clean, source, target = (tmp_path / f"{name}{kind}" for name in "abc")
    clips.make(clean, sound=True)
    with av.open(str(clean)) as original, av.open(str(source), "w", format="matroska") as output:
        streams = {stream.index: output.add_stream_from_template(stream) for stream in original.streams}
        last = None
        for number, packet in enumerate(original.demux()):
            if packet.dts is None:
                continue
            packet.stream = streams[packet.stream.index]
            if packet.stream.type == "audio":
                if last is not None and number % 3 == 0:
                    packet.pts = packet.dts = last
                last = packet.dts
            output.mux(packet)
    before, after = sound_of(source)[0], sound_of(target)[0] if rewrite(source, target) == 0 else []
    assert len({time for time, _ in before}) < len(before)
    assert [content for _, content in after] == [content for _, content in before]
    times = [time for time, _ in after]
    assert times == sorted(set(times))
    np.testing.assert_allclose(times, [time for time, _ in before], atol=0.003)  # a few units of a millisecond


@pytest.mark.parametrize(("kind", "sound", "encoded"), [(".webm", "pcm_s16le", "opus"), (".mp4", "wavpack", "aac")])
def test_sound_that_the_container_does_not_take_is_encoded(clips, tmp_path, kind, sound, encoded):
    source, target = tmp_path / f"a{kind}", tmp_path / f"b{kind}"
    clips.make(source, sound=sound, container="matroska")
    assert rewrite(source, target) == 0
    with av.open(str(target)) as container:
        (stream,) = container.streams.audio
        found = np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=-1)[0]
        assert stream.codec_context.name.startswith(encoded)
        assert len(found) / stream.rate == pytest.approx(1.0, abs=0.05)
    spectrum = np.abs(np.fft.rfft(found[:40_000]))
    assert spectrum.argmax() * 48_000 / 40_000 == pytest.approx(440, abs=2)
    assert frames_of(target)[0] == frames_of(source)[0]


def test_no_sound_stays_none(clips, tmp_path):
    clips.make(tmp_path / "a.mp4")
    rewrite(tmp_path / "a.mp4", tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert len(container.streams) == 1


@pytest.mark.parametrize(("kind", "shape"), [(".mp4", (36, 50)), (".mov", (36, 50)), (".webm", (35, 49))])
def test_odd_sides_grow_where_the_codec_knows_none(clips, tmp_path, kind, shape):
    source, target = tmp_path / f"a{kind}", tmp_path / f"b{kind}"
    clips.make(source)
    rewrite(source, target, lambda pixels: pixels[:35, :49])
    pixels = frames_of(target)[2]
    assert pixels[0].shape == (*shape, 3)
    assert np.abs(pixels[0][-1].astype(int) - pixels[0][-3]).max() <= 12  # not black


@pytest.mark.parametrize("kind", [".mp4", ".webm", ".gif"])
@pytest.mark.parametrize("channels", [1, 4])
def test_frames_of_other_channels(clips, tmp_path, kind, channels):
    source, target = tmp_path / f"a{kind}", tmp_path / f"b{kind}"
    clips.make(source)
    rewrite(source, target, channels=channels)
    expected = images.with_channels(images.with_channels(clips.quarters(0), channels), 3)
    found = frames_of(target)[2][0]
    assert np.abs(found[12::24, 16::32].astype(int) - expected[12::24, 16::32]).max() <= 12


def test_the_turned_is_written_upright(clips, tmp_path):
    clips.make(tmp_path / "a.mp4", rotation=90)
    rewrite(tmp_path / "a.mp4", tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (48, 64, 0)


@pytest.mark.parametrize("kind", [".mp4", ".mov", ".webm"])
def test_colours_say_what_they_are(clips, tmp_path, kind):
    source, target = tmp_path / f"a{kind}", tmp_path / f"b{kind}"
    clips.make(source)
    rewrite(source, target)
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)


def test_a_gif_by_pillow(clips, tmp_path):
    source, target = tmp_path / "a.gif", tmp_path / "b.gif"
    clips.make(source, clips.UNEVEN)
    rewrite(source, target)
    with Image.open(source) as before, Image.open(target) as after:
        assert after.info["loop"] == before.info["loop"] == 3
        for number in range(len(clips.UNEVEN)):
            before.seek(number)
            after.seek(number)
            assert after.info["duration"] == before.info["duration"]
        assert after.n_frames == before.n_frames


def test_a_gif_that_plays_once_does_so_again(tmp_path):
    pictures = [Image.new("RGB", (8, 8), (200, level, 0)) for level in (0, 100)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100)
    rewrite(tmp_path / "a.gif", tmp_path / "b.gif")
    with Image.open(tmp_path / "b.gif") as after:
        assert "loop" not in after.info


def test_a_gif_stays_clear_where_it_is(tmp_path):
    pictures = [Image.new("RGBA", (8, 8), (200, level, 0, 255)) for level in (0, 100)]
    for picture in pictures:
        picture.putpixel((0, 0), (0, 0, 0, 0))
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100, disposal=2)
    rewrite(tmp_path / "a.gif", tmp_path / "b.gif", channels=4)
    with Image.open(tmp_path / "b.gif") as after:
        for number in range(2):
            after.seek(number)
            pixels = np.asarray(after.convert("RGBA")).astype(int)
            assert pixels[0, 0, 3] == 0
            assert np.abs(pixels[4, 4] - (200, 100 * number, 0, 255)).max() <= 8


def test_what_cannot_be_encoded_is_told_with_the_videos_name(clips, tmp_path):
    clips.make(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match=rf"^{tmp_path}/a\.mp4: cannot be encoded: "):
        rewrite(tmp_path / "a.mp4", tmp_path / "b.mp4", lambda _: np.zeros((2, 20_000, 3), np.uint8))


def test_an_encoder_that_ffmpeg_lacks_is_named(clips, tmp_path, monkeypatch):
    clips.make(tmp_path / "a.mp4")
    monkeypatch.setitem(writer._CODECS, "mp4", writer._Codec("nothing", "yuv420p", {}))
    with pytest.raises(VideoError, match=r"a\.mp4: cannot be encoded: .*nothing"):
        rewrite(tmp_path / "a.mp4", tmp_path / "b.mp4")


def test_a_full_disk_is_the_systems_error(clips, tmp_path, full_disk):
    noise = [np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8) for number in range(10)]
    clips.make(tmp_path / "a.mp4", draw=noise.__getitem__)
    with full_disk(after=10_000), pytest.raises(OSError, match="File too large"):
        rewrite(tmp_path / "a.mp4", tmp_path / "b.mp4")


def test_a_sound_track_that_nothing_can_decode_is_left_out(clips, tmp_path):
    source, target = tmp_path / "a.mov", tmp_path / "b.mov"
    clips.make(source, sound="pcm_s16le")
    source.write_bytes(source.read_bytes().replace(b"sowt", b"zzzz"))
    assert rewrite(source, target) == 1
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
