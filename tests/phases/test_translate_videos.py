"""The command on videos that the tests make; the network inverts, so that each frame's result is known."""

import importlib.util
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import main
from drawn_faces import Detector, face_at
from ugatit_tf import inference
from ugatit_tf.data import crops, images
from ugatit_tf.data.regions import Region
from ugatit_tf.inference import Translator, jobs
from ugatit_tf.inference.smoothing import Smoothing
from ugatit_tf.networks.generator import Translation
from ugatit_tf.system import share

SIZE = 32
KINDS = (".mp4", ".mov", ".webm", ".gif")


def translate(*flags, source="films", output="out"):
    arguments = ("--input", source, "--output", output, "--dataset", "mine", "--model", "inverts", *flags)
    return main.main(["main.py", "--phase", "translate", *map(str, arguments)])


def inverted(pictures):
    return Translation(-pictures, pictures[:, 0, 0, :2], pictures[..., 0])


@pytest.fixture
def films(tmp_path, monkeypatch):
    """The folder for input, in the working folder; `--model inverts` is a network that inverts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inference, "load_generator", lambda *_: Translator(inverted, SIZE, 3, "inverts"))
    Path("films").mkdir()
    return Path("films")


def read(path):
    """A video's frames, and the seconds at which each begins."""
    import av

    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [frame.to_ndarray(format="rgb24") for frame in frames], [float(f.pts * f.time_base) for f in frames]


def made(folder="out"):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.name != jobs.MANIFEST)


def near(found, expected, levels=14):
    """Whether the middles of the quarters agree, as far as two lossy encodings let them."""
    assert found.shape == expected.shape
    height, width = found.shape[:2]
    rows, columns = (slice(side // 4, None, side // 2) for side in (height, width))
    assert np.abs(found[rows, columns].astype(int) - expected[rows, columns]).max() <= levels


def test_videos_and_pictures_of_a_folder(films, clips, capsys):
    (films / "deep").mkdir()
    for name in ("a.mp4", "b.MOV", "deep/a.webm", "a.gif"):
        clips.make(films / name.lower(), clips.UNEVEN, sound=not name.endswith("gif"))
    (films / "b.mov").rename(films / "b.MOV")
    Image.fromarray(clips.quarters(0)).save(films / "a.png")
    Image.fromarray(clips.quarters(0)).save(films / "still.gif")
    (films / "notes.txt").write_text("no video")
    assert translate() == 0
    results = ["a.gif", "a.mp4", "a.png", "b.mov", "deep", "deep/a.webm", "still.png"]
    assert made() == ["A2B", *(f"A2B/{name}" for name in results)]
    for name in ("a.gif", "a.mp4", "b.mov", "deep/a.webm"):
        frames, times = read(f"out/A2B/{name}")
        np.testing.assert_allclose(times, clips.UNEVEN, atol=1e-9)
        for number, frame in enumerate(frames):
            near(frame, 255 - images.resize(clips.quarters(number)[:, 8:56], SIZE))
    output = capsys.readouterr().out
    assert "Pictures translated to out/A2B: 2\n" in output
    assert "Videos translated to out/A2B: 4\n" in output
    assert "Passed over 1 file, neither pictures nor videos: notes.txt.\n" in output


def test_one_video_with_its_sound(films, clips):
    import av

    clips.make(films / "a.mp4", sound=True)
    assert translate(source="films/a.mp4") == 0
    packets = []
    for path in ("films/a.mp4", "out/A2B/a.mp4"):
        with av.open(path) as container:
            packets.append([(p.pts, bytes(p)) for p in container.demux(audio=0) if p.size])
    assert packets[0] == packets[1]
    assert len(packets[0]) > 40


def test_a_portrait_of_a_telephone(films, clips):
    clips.make(films / "a.mov", rotation=90)
    assert translate("--crop", "none", "--original_size") == 0
    frames, _ = read("out/A2B/a.mov")
    near(frames[0], 255 - np.rot90(clips.quarters(0)))


@pytest.mark.parametrize("kind", KINDS)
def test_results_in_their_frames(films, clips, kind):
    clips.make(films / f"a{kind}")
    assert translate("--paste_back") == 0
    frames, _ = read(f"out/A2B/a{kind}")
    for number, frame in enumerate(frames):
        original = clips.quarters(number)
        result = 255 - images.resize(original[:, 8:56], SIZE)
        near(frame, crops.pasted(result, Region(32, 24, 48, 48), original))
        assert np.abs(frame[:, :6].astype(int) - original[:, :6]).mean() < 14  # beside the square, as it was


def test_what_is_done_is_not_done_again(films, clips, capsys):
    for name in ("a.mp4", "b.webm", "c.gif", "d.mov"):
        clips.make(films / name)
    assert translate() == 0
    before = {path: path.stat().st_ino for path in Path("out/A2B").iterdir()}
    clips.make(films / "b.webm", clips.UNEVEN)
    capsys.readouterr()
    assert translate() == 0
    assert "Videos translated to out/A2B: 1, and 3 before" in capsys.readouterr().out
    after = {path: path.stat().st_ino for path in Path("out/A2B").iterdir()}
    assert {path.name for path in before if before[path] != after[path]} == {"b.webm"}
    for flags in (("--crop", "none"), ("--paste_back",), ("--smooth", 0.1), ("--smooth", 0.2)):
        assert translate(*flags) == 0
        assert "Videos translated to out/A2B: 4\n" in capsys.readouterr().out


def test_files_of_others_are_not_overwritten(films, clips, capsys):
    for name in ("a.mp4", "b.gif"):
        clips.make(films / name)
        (Path("out/A2B")).mkdir(parents=True, exist_ok=True)
        clips.make(Path("out/A2B", name), [0.0])
    assert translate() == 1
    output = capsys.readouterr()
    assert "films/a.mp4: out/A2B/a.mp4 is no result of this command: give another --output" in output.out
    assert "2 of 2 videos could not be translated" in output.err
    assert len(read("out/A2B/a.mp4")[0]) == len(read("out/A2B/b.gif")[0]) == 1
    assert translate("--overwrite") == 0
    assert len(read("out/A2B/a.mp4")[0]) == len(read("out/A2B/b.gif")[0]) == 10


def test_bad_files_are_told_and_the_rest_is_done(films, clips, capsys):
    noise = [np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8) for number in range(30)]
    times = [number / 10 for number in range(30)]
    clips.make(films / "cut.mp4", times, draw=noise.__getitem__, faststart=True)
    clips.make(films / "no index.mp4", times, draw=noise.__getitem__)
    clips.make(films / "good.webm")
    for path in films.glob("*.mp4"):
        path.write_bytes(path.read_bytes()[:-50_000])
    (films / "text.mov").write_text("text")
    (films / "x.png").write_text("text")
    assert translate() == 1
    output = capsys.readouterr()
    for line in (
        "films/no index.mp4: not an intact MP4",
        "films/text.mov: not an intact MP4",
        "films/x.png: not a JPEG",
    ):
        assert f"Not translated: {line}" in output.out
    assert "Translated in part: films/cut.mp4: cut short: only " in output.out
    assert output.err == (
        "main.py: 1 of 1 pictures and 3 of 4 videos could not be translated, or not all of them: see the list above.\n"
    )
    assert made() == ["A2B", "A2B/cut.mp4", "A2B/good.webm"]
    frames, found = read("out/A2B/cut.mp4")
    assert 5 < len(frames) < 29
    np.testing.assert_allclose(found, times[: len(frames)], atol=1e-9)


def test_smoothing_averages_what_the_inputs_keep_alike(films, clips):
    rng = np.random.default_rng(0)
    levels = [int(level) for level in rng.integers(90, 110, 20)]
    clips.make(films / "a.gif", [n / 10 for n in range(20)], draw=lambda n: np.full((32, 32, 3), levels[n], np.uint8))
    assert translate("--smooth", 0.3) == 0
    smoothing = Smoothing(0.3)
    frames, _ = read("out/A2B/a.gif")
    for number, frame in enumerate(frames):
        source = np.full((32, 32, 3), levels[number], np.uint8)
        expected = smoothing(source, 255 - source, 0.1)
        assert np.abs(frame.astype(int) - expected).max() <= 6, number
    assert np.std([frame.mean() for frame in frames]) < 0.8 * np.std(levels)


def moving_face(picture):
    """Finds a face at a place that moves with the frame's darkness; none in frames 3 and 4, nor in quite dark ones."""
    number = round(float(np.log(picture[40, 60, 0] / 255) / np.log(0.93)))
    side = 1.4 * (10 + number)
    return [] if number in (3, 4) or number > 20 else [face_at(20 + number, 20 - 0.03 * side, side * 0.4 / 1.4)]


@pytest.fixture
def detector(monkeypatch):
    monkeypatch.setattr(crops.faces, "detector", lambda _: Detector(moving_face))
    monkeypatch.setattr(crops.faces, "person_mask", lambda _: lambda square: np.ones(square.shape[:2], np.float32))


def test_frames_far_from_any_face_stay_as_they_are(films, clips, detector):
    clips.make(films / "a.gif", [n / 10 for n in range(30)])  # faces until 2.0 s
    assert translate("--crop", "face", "--paste_back", "--face_margin", 0.2) == 0
    frames, _ = read("out/A2B/a.gif")
    changed = [np.abs(f.astype(int) - clips.quarters(n)).max() > 30 for n, f in enumerate(frames)]
    assert changed == [True] * 26 + [False] * 4


def test_a_face_is_followed(films, clips, detector):
    clips.make(films / "a.mp4")
    assert translate("--crop", "face", "--paste_back", "--face_margin", 0.2) == 0
    frames, _ = read("out/A2B/a.mp4")
    assert len(frames) == 10
    changed = []
    for number, frame in enumerate(frames):
        off = np.abs(frame.astype(int) - clips.quarters(number)).max(-1) > 60
        rows, columns = np.nonzero(off)
        changed.append((columns.mean(), rows.mean()))
    x, y = np.transpose(changed)
    np.testing.assert_allclose(x, 20 + np.arange(10), atol=2.5)
    np.testing.assert_allclose(y, 20, atol=2.5)


@pytest.mark.parametrize(("kind", "side"), [(".mp4", 16), (".gif", 15)])
def test_faces_of_any_size_fit_one_video(films, clips, detector, kind, side):
    clips.make(films / f"a{kind}")
    assert translate("--crop", "face", "--original_size", "--face_margin", 0.2) == 0
    frames, _ = read(f"out/A2B/a{kind}")
    assert {frame.shape for frame in frames} == {(side, side, 3)}  # 1.4 times the first face; even for H.264


def test_each_face_is_followed(films, clips, monkeypatch, detector):
    def two(picture):
        return [*moving_face(picture), face_at(52, 10, 3)]

    monkeypatch.setattr(crops.faces, "detector", lambda _: Detector(two))
    clips.make(films / "a.mp4")
    assert translate("--crop", "face", "--paste_back", "--face_margin", 0.2) == 0
    frames, _ = read("out/A2B/a.mp4")
    for number, frame in enumerate(frames):
        off = np.abs(frame.astype(int) - clips.quarters(number)).max(-1) > 60
        assert off[18:22, 18 + number : 22 + number].all()
        assert off[9:12, 51:54].all()
    assert translate("--crop", "face", "--paste_back", "--face_margin", 0.2, "--faces", "largest") == 0
    frames, _ = read("out/A2B/a.mp4")
    assert np.abs(frames[0][9:12, 51:54].astype(int) - clips.quarters(0)[9:12, 51:54]).max() < 60


def test_a_background_is_put_into_every_frame(films, clips, monkeypatch):
    def left_half(square):
        mask = np.zeros(square.shape[:2], np.float32)
        mask[:, : len(square) // 2] = 1
        return mask

    monkeypatch.setattr(crops.faces, "person_mask", lambda _: left_half)
    clips.make(films / "a.gif")
    assert translate("--crop", "center", "--background", "white") == 0
    frames, _ = read("out/A2B/a.gif")
    assert len(frames) == 10
    for frame in frames:  # the network of these tests inverts
        assert frame[:, 20:].max() < 30


def test_a_video_without_faces(films, clips, detector, capsys):
    clips.make(films / "a.mp4", draw=lambda number: clips.quarters(number + 25))
    assert translate("--crop", "face") == 1
    assert "Not translated: films/a.mp4: no face found in any frame" in capsys.readouterr().out
    assert made() == []
    assert translate("--crop", "face", "--no_face", "center") == 0
    near(read("out/A2B/a.mp4")[0][0], 255 - images.resize(clips.quarters(25)[:, 8:56], SIZE))


def test_memory_holds_few_frames_whatever_the_length(films, clips, monkeypatch):
    from ugatit_tf.data.videos.reader import Video
    from ugatit_tf.data.videos.writer import Writer

    monkeypatch.setattr(share, "cores", lambda: 64)
    held, most, lock = 0, {}, threading.Lock()
    frames, write = Video.frames, Writer.write

    def count(change, name):
        nonlocal held
        with lock:
            held += change
            most[name] = max(most.get(name, 0), held)

    def counted(self):
        for frame in frames(self):
            count(1, self.path)
            yield frame

    def written(self, frame):
        write(self, frame)
        count(-1, self._source.path)

    monkeypatch.setattr(Video, "frames", counted)
    monkeypatch.setattr(Writer, "write", written)
    for length in (100, 300):
        clips.make(films / f"{length}.gif", [n / 10 for n in range(length)], draw=lambda n: clips.quarters(n % 9, 8, 8))
    assert translate("--paste_back", "--smooth", 0.1) == 0
    assert held == 0
    assert most["films/100.gif"] == most["films/300.gif"] <= 30


def test_a_full_disk_ends_it_and_leaves_nothing(films, clips, full_disk, capsys):
    noise = [np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8) for number in range(10)]
    clips.make(films / "a.mp4", draw=noise.__getitem__)
    with full_disk(after=1000):
        assert translate() == 1
    error = capsys.readouterr().err
    assert error == "main.py: cannot write out/A2B/a.mp4: File too large\n"
    assert made() == ["A2B"]
    assert translate() == 0


@pytest.mark.slow
def test_a_killed_one_leaves_no_half_video_and_begins_anew(films, clips):
    clips.make(films / "a.mp4")
    program = (
        "import runpy, sys, time; sys.path[:0] = sys.argv[1:3]; test = runpy.run_path(sys.argv[3])\n"
        "class Stuck(test['Translator']):\n"
        "    def __call__(self, pictures): time.sleep(600)\n"
        "test['inference'].load_generator = lambda *_: Stuck(test['inverted'], 32, 3, 'inverts')\n"
        "test['translate']()"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", program, root, root / "tests" / "helpers", __file__])
    while not (left := list(Path("out").glob("A2B/.*"))):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    left[0].write_bytes(bytes(10**6))  # longer than what comes
    assert translate() == 0
    assert made() == ["A2B", "A2B/a.mp4"]
    assert Path("out/A2B/a.mp4").stat().st_size < 10**5
    assert len(read("out/A2B/a.mp4")[0]) == 10


def test_without_pyav_pictures_are_translated_and_videos_named(films, monkeypatch, capsys):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "av" else find_spec(name))
    (films / "a.mp4").write_text("a video")
    Image.new("RGB", (40, 40)).save(films / "a.png")
    assert translate() == 1
    output = capsys.readouterr()
    assert "Not translated: 1 videos: they take PyAV: pip install -r requirements-video.txt\n" in output.out
    assert "1 of 1 videos could not be translated" in output.err
    assert made() == ["A2B", "A2B/a.png"]
    assert translate(source="films/a.mp4") == 2
    error = capsys.readouterr().err
    assert error == "main.py: --input films/a.mp4: videos take PyAV: pip install -r requirements-video.txt\n"
