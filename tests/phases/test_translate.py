"""The command as a user gives it, on real files; one tiny network for all of them."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import main
from drawn_faces import Detector, face_at
from ugatit_tf.checkpoints import writer
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.config import Config
from ugatit_tf.data import crops, demo, images, videos
from ugatit_tf.inference import Translator, jobs
from ugatit_tf.training.networks import build_generator

CONFIG = Config(dataset="mine", light=True, ch=2, n_res=1, n_dis=4, img_size=32)
FLAGS = ("--dataset", "mine", "--light", "True", "--ch", 2, "--n_res", 1, "--img_size", 32)


def translate(*flags, source="photos", output="out"):
    return main.main(
        ["main.py", "--phase", "translate", *map(str, ("--input", source, "--output", output, *FLAGS, *flags))]
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a checkpoint of the run that FLAGS name."""

    folder = tmp_path_factory.mktemp("run")
    config = dataclasses.replace(CONFIG, checkpoint_dir=str(folder / "checkpoint"))
    generators = [build_generator(config, domain) for domain in "AB"]
    for seed, generator in enumerate(generators):
        rng = np.random.default_rng(seed)
        for variable in generator.variables:
            variable.assign(rng.normal(scale=0.3, size=variable.shape))
    RunFolder(config.run_checkpoint_dir).save_config(config)
    writer.CheckpointWriter([v for generator in generators for v in generator.variables], config).save(7)
    generators[1].save(folder / "generator.keras")
    return folder


@pytest.fixture(scope="module")
def networks(home):
    """What the checkpoint's generators make of uint8 `[H, W, 3]`, by direction."""
    from ugatit_tf import inference

    folder = home / "checkpoint" / CONFIG.model_dir
    translators = {name: inference.load_generator(folder, name) for name in ("A2B", "B2A")}
    return {name: lambda picture, to=translator: to(picture[np.newaxis])[0] for name, translator in translators.items()}


@pytest.fixture
def here(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoint").symlink_to(home / "checkpoint")
    return tmp_path


def draw(path, number=0, size=(60, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(demo.draw("testA", number, 60)).crop((0, 0, *size))
    picture.save(path)
    return np.asarray(picture)


def made(folder="out"):
    files = [path for path in Path(folder).rglob("*") if path.is_file() and path.name != jobs.MANIFEST]
    return sorted(str(path.relative_to(folder)) for path in files)


def close(found, expected):
    """A checkpoint's network gives the same to a level, whatever the batch."""
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_names_and_folders_are_kept(here, networks, capsys):
    pictures = {
        name: draw(here / "photos" / name, number)
        for number, name in enumerate(
            ("a.png", "deep/er/a.bmp", "deep/<b>'\" ö.png", "two.png", "two.bmp", "x.tar.png")
        )
    }
    (here / "photos" / "notes.txt").write_text("no picture")
    assert translate() == 0
    results = ("a", "deep/er/a", "deep/<b>'\" ö", "two_png", "two_bmp", "x.tar")
    assert made() == sorted(f"A2B/{name}.png" for name in results)
    for picture, name in zip(pictures.values(), results, strict=True):
        close(images.decode(here / "out" / "A2B" / f"{name}.png"), networks["A2B"](picture[:, 10:50]))
    output = capsys.readouterr().out
    assert f"Translating with checkpoint/{CONFIG.model_dir}/UGATIT_light.model-7" in output
    assert "Crop of A: center, as neither --crop nor a dataset" in output
    assert "Pictures translated to out/A2B: 6\n" in output


def test_one_picture_of_any_name(here, networks):
    picture = draw(here / "me.png")
    (here / "me.png").rename(here / "me")
    assert translate(source="me") == 0
    assert made() == ["A2B/me.png"]
    close(images.decode("out/A2B/me.png"), networks["A2B"](picture[:, 10:50]))


def test_more_than_a_batch_with_bad_ones_in_between(here, networks, capsys):
    for number in range(19):
        draw(here / "photos" / f"{number:02d}.png", number)
    for number in (0, 5, 18):
        (here / "photos" / f"{number:02d}.png").write_text("no picture")
    assert translate() == 1
    captured = capsys.readouterr()
    assert "Not translated: photos/05.png: not a JPEG" in captured.out
    assert captured.out.count("Not translated: ") == 3
    assert "3 of 19 pictures could not be translated" in captured.err
    assert made() == [f"A2B/{number:02d}.png" for number in range(19) if number not in (0, 5, 18)]
    close(images.decode("out/A2B/17.png"), networks["A2B"](images.decode("photos/17.png")[:, 10:50]))


def test_both_directions_stay_apart(here, networks):
    picture = draw(here / "photos" / "a.png")
    assert translate() == translate("--direction", "B2A") == 0
    assert made() == ["A2B/a.png", "B2A/a.png"]
    close(images.decode("out/B2A/a.png"), networks["B2A"](picture[:, 10:50]))
    assert translate("--direction", "B2A", source="out/A2B", output="cycles") == 0
    close(images.decode("cycles/B2A/a.png"), networks["B2A"](images.decode("out/A2B/a.png")))


def test_what_is_done_is_not_done_again(here, capsys, monkeypatch):
    for number in range(3):
        draw(here / "photos" / f"{number}.png", number)
    assert translate() == 0
    files = {path: path.stat().st_ino for path in Path("out").rglob("*.png")}
    draw(here / "photos" / "1.png", 9)
    draw(here / "photos" / "3.png", 3)
    capsys.readouterr()
    assert translate() == 0
    assert "Pictures translated to out/A2B: 2, and 2 before" in capsys.readouterr().out
    again = {path: path.stat().st_ino for path in Path("out").rglob("*.png")}
    assert {path.name for path, inode in files.items() if again[path] == inode} == {"0.png", "2.png"}
    for flags in (("--crop", "none"), ("--original_size",), ("--original_size", "--paste_back"), ("--img_size", 36)):
        assert translate(*flags) == 0
        assert "Pictures translated to out/A2B: 4\n" in capsys.readouterr().out


def test_files_of_others_are_not_overwritten(here, capsys):
    draw(here / "photos" / "a.png")
    draw(here / "photos" / "b.png")
    before = draw(here / "out" / "A2B" / "a.png", 5)
    assert translate() == 1
    problem = "photos/a.png: out/A2B/a.png is no result of this command: give another --output, or --overwrite"
    assert problem in capsys.readouterr().out
    np.testing.assert_array_equal(images.decode("out/A2B/a.png"), before)
    assert made() == ["A2B/a.png", "A2B/b.png"]
    assert translate("--overwrite") == 0
    assert images.decode("out/A2B/a.png").shape == (32, 32, 3)


def test_a_result_belongs_to_the_full_path_of_its_file(here, capsys):
    draw(here / "a" / "me.png", 1)
    draw(here / "b" / "me.png", 2)
    assert translate(source="a") == 0
    first = Path("out/A2B/me.png").read_bytes()
    for source in ("b", "b/me.png"):
        assert translate(source=source) == 1
        assert f"b/me.png: out/A2B/me.png is the result of {here}/a/me.png: give" in capsys.readouterr().out
        assert Path("out/A2B/me.png").read_bytes() == first
    assert translate(source=here / "a" / "me.png") == 0
    assert "translated to out/A2B: 0, and 1 before" in capsys.readouterr().out
    assert translate("--overwrite", source="b") == 0
    assert Path("out/A2B/me.png").read_bytes() != first


def test_a_result_that_somebody_changed_is_theirs(here, capsys):
    draw(here / "photos" / "a.png")
    assert translate() == 0
    changed = draw(here / "out" / "A2B" / "a.png", 5)
    assert translate() == 1
    assert "out/A2B/a.png is no result of this command" in capsys.readouterr().out
    np.testing.assert_array_equal(images.decode("out/A2B/a.png"), changed)


def test_half_a_line_in_the_manifest_spoils_no_other(here, capsys):
    for number in range(3):
        draw(here / "photos" / f"{number}.png", number)
    assert translate() == 0
    path = Path("out/A2B") / jobs.MANIFEST
    *lines, last = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "3", last[:20]]))
    capsys.readouterr()
    assert translate() == 1  # the third is not known any more
    assert "translated to out/A2B: 0, and 2 before" in capsys.readouterr().out


def test_files_are_known_by_their_content_and_others_are_named(here, capsys):
    kinds = {"a.jfif": "JPEG", "b.jpe": "JPEG", "c.avif": "AVIF", "d": "PNG", "e.dat": "WEBP"}
    (here / "photos").mkdir()
    for name, kind in kinds.items():
        Image.fromarray(demo.draw("testA", 0, 40)).save(here / "photos" / name, kind)
    (here / "photos" / "f.heic").write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0")
    (here / "photos" / "notes.txt").write_text("no picture")
    assert translate() == 0
    assert made() == [f"A2B/{name}.png" for name in "abcde"]
    assert (
        "Passed over 2 files, neither pictures nor videos: f.heic, notes.txt. Convert HEIC files to JPEG first."
        in capsys.readouterr().out
    )
    for name in kinds:
        assert translate(source=f"photos/{name}", output="single") == 0


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("photos", "photos", "overlap"),
        ("out/A2B", "out", "overlap"),
        ("out/A2B/a.png", "out", "overlap"),
        ("out", "out", "overlap"),
        ("nowhere", "out", "no such file or folder"),
    ],
)
def test_an_input_is_never_written_to(here, capsys, source, output, message):
    draw(here / "photos" / "a.png")
    before = draw(here / "out" / "A2B" / "a.png")
    assert translate(source=source, output=output) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    np.testing.assert_array_equal(images.decode("out/A2B/a.png"), before)


def test_results_at_the_size_of_the_originals(here, networks):
    picture = draw(here / "photos" / "a.png")
    region = crops.Region(30, 20, 60, 60)
    assert translate("--crop", "none", "--original_size") == 0
    expected = crops.enlarged(networks["A2B"](crops.cut(picture, region, 32)), region, 40, 60)
    close(images.decode("out/A2B/a.png"), expected)
    assert expected.shape == (40, 60, 3)


def test_results_in_their_pictures_as_jpeg(here, networks):
    picture = draw(here / "photos" / "a.png")
    assert translate("--paste_back", "--image_format", "jpeg") == 0
    assert made() == ["A2B/a.jpg"]
    expected = crops.pasted(networks["A2B"](picture[:, 10:50]), crops.Region(30, 20, 40, 40), picture)
    found = images.decode("out/A2B/a.jpg").astype(int)
    assert np.abs(found - expected).mean() < 4
    assert np.abs(found[:, :8] - picture[:, :8]).mean() < 4
    assert translate("--paste_back", "--image_format", "jpeg") == 0  # knows a JPEG of its own
    assert translate("--image_format", "jpeg") == 0


def test_a_picture_that_goes_while_it_is_translated_stops_nothing(here, capsys, monkeypatch):
    for number in range(3):
        draw(here / "photos" / f"{number}.png", number)
    decode, seen = images.decode, []

    def gone(path, channels=3):
        seen.append(str(path))
        if str(path) == "photos/1.png" and seen.count("photos/1.png") == 2:
            raise images.UnreadableImageError("photos/1.png: No such file or directory")
        return decode(path, channels)

    monkeypatch.setattr(images, "decode", gone)
    assert translate("--paste_back") == 1
    assert "Not translated: photos/1.png: No such file or directory\n" in capsys.readouterr().out
    assert made() == ["A2B/0.png", "A2B/2.png"]


def test_a_result_too_large_for_its_format_stops_nothing(here, capsys):
    draw(here / "photos" / "a.png")
    Image.new("RGB", (70_000, 1)).save(here / "photos" / "long.png")
    assert translate("--crop", "squeeze", "--original_size", "--image_format", "jpeg") == 1
    assert "Not translated: photos/long.png: " in capsys.readouterr().out
    assert made() == ["A2B/a.jpg"]


FACES = (face_at(24, 20, 7, 12), face_at(46, 18, 5))


@pytest.fixture
def detector(monkeypatch):
    """Two faces in pictures 60 wide, and none in others; the left half of a square is a person."""
    found = Detector(lambda picture: list(FACES) if picture.shape[1] == 60 else [])

    def mask(square):
        person = np.zeros(square.shape[:2], np.float32)
        person[:, : len(square) // 2] = 1
        return person

    monkeypatch.setattr(crops.faces, "detector", lambda _: found)
    monkeypatch.setattr(crops.faces, "person_mask", lambda _: mask)
    return mask


def test_faces_are_cropped_as_they_were_for_training(here, networks, detector, capsys):
    wide = draw(here / "photos" / "wide.png")
    draw(here / "photos" / "narrow.png", size=(44, 40))
    (here / "dataset" / "mine").mkdir(parents=True)
    settings = {"crop_A": "face", "crop_B": "none", "face_margin": 0.25}
    (here / "dataset" / "mine" / "report.json").write_text(json.dumps({"settings": settings}))
    assert translate() == 1
    output = capsys.readouterr().out
    assert "Crop of A: face, as dataset/mine was prepared." in output
    assert "Not translated: photos/narrow.png: no face found" in output
    square = crops.cut(wide, crops.faces.around(FACES[0], 0.25), 32)
    close(images.decode("out/A2B/wide.png"), networks["A2B"](square))

    assert translate("--direction", "B2A") == 0
    close(images.decode("out/B2A/wide.png"), networks["B2A"](crops.cut(wide, crops.Region(30, 20, 60, 60), 32)))

    assert translate("--no_face", "center", "--face_margin", 0.1) == 0
    square = crops.cut(wide, crops.faces.around(FACES[0], 0.1), 32)
    close(images.decode("out/A2B/wide.png"), networks["A2B"](square))
    assert made() == ["A2B/narrow.png", "A2B/wide.png", "B2A/narrow.png", "B2A/wide.png"]

    assert translate("--crop", "squeeze") == 0
    close(images.decode("out/A2B/wide.png"), networks["A2B"](wide))


def test_every_face_gets_a_file_of_its_own(here, networks, detector, capsys):
    wide = draw(here / "photos" / "wide.png")
    draw(here / "photos" / "narrow.png", size=(44, 40))
    flags = ("--crop", "face", "--faces", "all", "--no_face", "center", "--face_margin", 0.2)
    assert translate(*flags) == 0
    assert made() == ["A2B/narrow-1.png", "A2B/wide-1.png", "A2B/wide-2.png"]
    for number, face in enumerate(FACES, 1):
        square = crops.cut(wide, crops.faces.around(face, 0.2), 32)
        close(images.decode(f"out/A2B/wide-{number}.png"), networks["A2B"](square))
    assert "to out/A2B: 3\n" in capsys.readouterr().out
    assert translate(*flags) == 0
    assert "to out/A2B: 0, and 2 before\n" in capsys.readouterr().out
    (here / "out" / "A2B" / "wide-2.png").write_bytes(b"mine")
    assert translate(*flags, "--img_size", 36) == 1
    assert "out/A2B/wide-2.png is no result of this command" in capsys.readouterr().out
    assert (here / "out" / "A2B" / "wide-2.png").read_bytes() == b"mine"


@pytest.mark.parametrize("which", ["all", "largest"])
def test_faces_are_pasted_back_without_their_scene(here, networks, detector, which):
    wide = draw(here / "photos" / "wide.png")
    assert translate("--crop", "face", "--paste_back", *(("--faces", which) if which == "largest" else ())) == 0
    regions = [crops.faces.around(face, 0.5) for face in FACES][: 2 if which == "all" else 1]
    expected = wide
    for region in regions:
        cropper = crops.Cropper("face", 0.5, "skip", mask=detector)
        others = [other for other in regions if other is not region]
        mask = cropper.paste_mask(wide, region, others)
        expected = crops.pasted(networks["A2B"](crops.cut(wide, region, 32)), region, expected, mask)
    close(images.decode("out/A2B/wide.png"), expected)
    assert made() == ["A2B/wide.png"]


def test_a_background_is_as_it_was_prepared(here, networks, detector, capsys):
    wide = draw(here / "photos" / "wide.png")
    (here / "dataset" / "mine").mkdir(parents=True)
    settings = {"crop_A": "center", "crop_B": "none", "face_margin": 0.5, "background_A": "#00ff00"}
    (here / "dataset" / "mine" / "report.json").write_text(json.dumps({"settings": settings}))
    assert translate() == 0
    assert "Background of A: #00ff00, as dataset/mine was prepared." in capsys.readouterr().out
    cropper = crops.Cropper("center", 0.5, "skip", background="#00ff00", mask=detector)
    square = cropper.square(wide, cropper.find(wide)[0], 32)
    assert (square[:, 17:] == (0, 255, 0)).all()
    close(images.decode("out/A2B/wide.png"), networks["A2B"](square))
    assert translate("--background", "keep") == 0
    close(images.decode("out/A2B/wide.png"), networks["A2B"](crops.cut(wide, cropper.find(wide)[0], 32)))


def test_a_picture_without_a_person_is_not_translated(here, detector, monkeypatch, capsys):
    monkeypatch.setattr(crops.faces, "person_mask", lambda _: lambda square: np.zeros(square.shape[:2], np.float32))
    draw(here / "photos" / "wide.png")
    assert translate("--background", "white") == 1
    assert "Not translated: photos/wide.png: no person found" in capsys.readouterr().out
    assert translate("--background", "white", "--crop", "face", "--faces", "all") == 1
    assert made() == []


def test_prepare_test_and_translate_crop_alike(here, detector):
    """The prepared picture, tested, and the raw one, tested or translated, give the same."""
    for split in ("testA", "trainA", "trainB"):
        draw(here / "dataset" / "raw" / split / "x.png", 3)
    draw(here / "photos" / "x.png", 3)
    draw(here / "drawings" / "y.png", 4)
    flags = ("--crop", "face", "--face_margin", 0.3, "--background", "white")
    raw = ("--phase", "test", *FLAGS, "--checkpoint_dir", "checkpoint2")
    shutil.copytree(here / "checkpoint", here / "checkpoint2")
    (here / "checkpoint2" / CONFIG.model_dir).rename(
        here / "checkpoint2" / dataclasses.replace(CONFIG, dataset="raw").model_dir
    )
    assert main.main(["main.py", *map(str, (*raw, *flags, "--dataset", "raw"))]) == 0
    (tested,) = (here / "results").glob("*/A2B/x.png")
    assert translate(*flags) == 0
    close(images.decode(tested), images.decode("out/A2B/x.png"))

    places = ("--input_A", "photos", "--input_B", "drawings", "--size", 32, "--min_size", 8, "--test_share", 0)
    assert main.main(["main.py", "--phase", "prepare", *map(str, (*places, *flags)), "--dataset", "mine"]) == 0
    (prepared,) = (here / "dataset" / "mine" / "trainA").iterdir()
    (input_of_test,) = (here / "results").glob("*/gallery/A2B/input/x.png")
    np.testing.assert_array_equal(images.decode(prepared), images.decode(input_of_test))


def test_an_exported_network_knows_its_direction(here, home, networks, capsys):
    picture = draw(here / "photos" / "a.png")
    (here / "B2A").mkdir()
    shutil.copy(home / "generator.keras", here / "B2A")
    (here / "B2A" / "signature.json").write_text('{"direction": "B2A"}')
    model = ("--model", "B2A/generator.keras")
    assert translate(*model) == 0
    assert made() == ["B2A/a.png"]
    close(images.decode("out/B2A/a.png"), networks["A2B"](picture[:, 10:50]))
    assert translate(*model, "--direction", "A2B") == 2
    assert "--model B2A/generator.keras is for B2A" in capsys.readouterr().err
    (here / "B2A" / "signature.json").unlink()
    assert translate(*model, "--direction", "A2B") == 0
    assert translate("--model", f"checkpoint/{CONFIG.model_dir}", output="other") == 0
    close(images.decode("other/A2B/a.png"), images.decode("out/A2B/a.png"))
    os.utime("B2A/generator.keras", (1, 1))  # as if it were another
    capsys.readouterr()
    assert translate(*model, "--direction", "A2B") == 0
    assert "Pictures translated to out/A2B: 1\n" in capsys.readouterr().out


def test_an_exported_network_knows_its_crop_and_background(here, home, networks, detector, capsys):
    picture = draw(here / "photos" / "a.png")
    (here / "A2B").mkdir()
    shutil.copy(home / "generator.keras", here / "A2B")
    own = {"crop": "face", "face_margin": 0.25, "content_share": 0.8, "background": "white"}
    (here / "A2B" / "signature.json").write_text(json.dumps({"direction": "A2B", "input": own}))
    model = ("--model", "A2B/generator.keras")
    assert translate(*model) == 0
    assert "Crop of A: face, as the network's signature.json says." in capsys.readouterr().out
    cropper = crops.Cropper("face", 0.25, "skip", background="white", mask=detector)
    square = cropper.square(picture, cropper.around(FACES[0]), 32)
    close(images.decode("out/A2B/a.png"), networks["A2B"](square))
    assert translate(*model, "--crop", "squeeze", "--background", "keep") == 0
    close(images.decode("out/A2B/a.png"), networks["A2B"](picture))
    (here / "A2B" / "signature.json").write_text(json.dumps({"input": own | {"crop": "x"}}))
    assert translate(*model) == 2
    assert "--crop x: must be one of" in capsys.readouterr().err


def test_what_is_missing_is_told_in_one_line(here, capsys):
    (here / "empty").mkdir()
    assert translate(source="empty") == 1
    assert "--input empty has no JPEG" in capsys.readouterr().err
    draw(here / "photos" / "a.png")
    assert translate("--model", "nowhere") == 1
    assert "nowhere is no folder of checkpoints" in capsys.readouterr().err
    assert translate("--n_res", 2) == 1
    assert "No checkpoint" in capsys.readouterr().err
    assert not (here / "out").exists()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_folder_of_awkward_files(here, corpus, capsys):
    folder, cases = corpus
    assert translate(source=folder) == 1
    output = capsys.readouterr().out
    good = [case for case in cases if case.quarters and (videos.is_installed() or case.name != "animated.gif")]
    assert len(made()) == len(good)
    assert output.count("Not translated: ") == len(cases) - len(good)


def test_a_full_disk_stops_the_run_with_one_line(here, full_disk, capsys):
    draw(here / "photos" / "a.png")
    with full_disk(after=100):
        assert translate() == 1
    error = capsys.readouterr().err
    assert "cannot write out/A2B/a.png: File too large" in error
    assert made() == []
    assert translate() == 0


def test_results_may_have_transparency_but_not_as_jpeg(here, capsys, monkeypatch):
    from ugatit_tf import inference

    def inverted(pictures):
        return type("Outputs", (), {"image": -pictures, "cam_logits": pictures, "heatmap": pictures})()

    monkeypatch.setattr(inference, "load_generator", lambda *_: Translator(inverted, 8, 4))
    (here / "photos").mkdir()
    Image.new("RGBA", (8, 8), (255, 0, 0, 100)).save("photos/a.png")
    assert translate("--model", "m", "--image_format", "jpeg") == 2
    assert "transparency" in capsys.readouterr().err


def test_the_moving_average_translates(tmp_path, monkeypatch, capsys, save_generators):
    monkeypatch.chdir(tmp_path)
    generators = save_generators(dataclasses.replace(CONFIG, ema=0.9))
    picture = draw(Path("photos/0.png"), size=(32, 32))
    assert translate() == 0
    assert "model-7 (moving average)\n" in capsys.readouterr().out
    expected = images.to_uint8(generators["A2B"](images.to_float(picture)[np.newaxis]).image.numpy())[0]
    assert np.abs(np.asarray(Image.open("out/A2B/0.png")).astype(int) - expected).max() <= 1
