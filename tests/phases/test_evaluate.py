"""`--phase evaluate` as a user gives it, with a small graph in place of Inception."""

import re
import runpy
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import main
from ugatit_tf import phases
from ugatit_tf.checkpoints import writer
from ugatit_tf.checkpoints.folder import Best
from ugatit_tf.data import demo, images
from ugatit_tf.evaluation import features, inception
from ugatit_tf.flags import parse
from ugatit_tf.reports import scores

MAKER = runpy.run_path(str(Path(__file__).parents[1] / "evaluation" / "conftest.py"))
TINY = ["--light", "True", "--ch", "2", "--n_res", "1", "--img_size", "32", "--n_dis", "4"]


def evaluate(*flags):
    return main.main(["main.py", "--phase", "evaluate", *map(str, flags)])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user_cache"))
    (tmp_path / "small.pb").write_bytes(MAKER["inception_graph"]().SerializeToString())
    return tmp_path


@pytest.fixture
def mine(here):
    """A dataset of eleven images of A and twelve of B, one of which is broken."""
    for split, count in (("trainA", 2), ("trainB", 2), ("testA", 11), ("testB", 12)):
        folder = here / "dataset" / "mine" / split
        folder.mkdir(parents=True)
        for index in range(count):
            Image.fromarray(demo.draw(split, index, 40)).save(folder / f"{index:02d}.png")
    (here / "dataset" / "mine" / "testB" / "11.png").write_bytes(b"no image")
    return "mine"


@pytest.fixture
def run(mine, save_generators):
    """A run of the dataset with one checkpoint, of step 7; gives its flags."""
    flags = ["--dataset", mine, *TINY]
    config = parse(["main.py", *flags], phases.table()).config
    return flags, config, save_generators(config)


def entries(config):
    return scores.read(Path(config.result_dir) / config.model_dir)


def test_all_scores_of_the_newest_checkpoint(run, here, capsys):
    flags, config, generators = run
    assert evaluate(*flags, "--features", "small.pb") == 0
    output = capsys.readouterr().out
    (entry,) = entries(config)
    assert (entry.checkpoint, entry.step, entry.dataset, entry.img_size) == ("UGATIT_light.model-7", 7, "mine", 32)
    assert entry.features["resize"] == "clean"
    assert len(entry.features["sha256"]) == 64
    assert {name: (s.images, s.reals, s.unreadable) for name, s in entry.directions.items()} == {
        "A2B": (11, 11, 1),
        "B2A": (11, 11, 1),
    }
    for scored in entry.directions.values():
        assert list(scored.scores) == ["FID", "KID", "mean_KID", "cycle", "identity", "cam"]  # no l1: nobody knows
    sources = [images.load(here / f"dataset/mine/testA/{index:02d}.png", 32) for index in range(11)]

    def translated(direction, pictures):
        outputs = generators[direction](images.to_float(np.stack(pictures)))
        return images.to_uint8(outputs.image.numpy()), outputs.cam_logits.numpy()

    fakes, logits = translated("A2B", sources)
    again, _ = translated("B2A", fakes)
    cycle = np.abs(again.astype(float) - np.stack(sources)).mean() / 255
    assert entry.directions["A2B"].scores["cycle"].value == pytest.approx(cycle, abs=1e-3)
    targets = [images.load(here / f"dataset/mine/testB/{index:02d}.png", 32) for index in range(11)]
    cam = ((logits > 0).mean() + (translated("A2B", targets)[1] < 0).mean()) / 2
    assert entry.directions["A2B"].scores["cam"].value == pytest.approx(cam)
    assert output.count("Left out: dataset/mine/testB/11.png: not a ") == 1
    assert re.search(r"\| KID x 100 +\| \S+ \[", output)
    results = here / "results" / config.model_dir
    page = (results / "evaluation.html").read_text()
    for text in ("KID x 100", "A → B: the best 5", "B → A: nearest training images", "evaluation/outputs/7/A2B/00.png"):
        assert text in page
    shown = np.asarray(Image.open(results / "evaluation" / "outputs" / "7" / "A2B" / "03.png"))
    assert np.abs(shown.astype(int) - fakes[3]).max() <= 1
    assert main.main(["main.py", "--phase", "test", *flags]) == 1  # as a picture cannot be read
    assert '<a href="evaluation.html">Scores</a>' in (results / "index.html").read_text()
    assert "FID is biased upwards below 2,000 images: compare by KID." in output
    assert "evaluation/A2B/KID" in EventAccumulator(f"logs/{config.model_dir}/evaluation").Reload().Tags()["tensors"]


def test_a_second_evaluation_costs_only_the_translations(run, here, monkeypatch):
    flags, config, _ = run
    seen = []
    extract = features.Extractor.__call__
    monkeypatch.setattr(
        features.Extractor, "__call__", lambda self, pictures: seen.append(len(pictures)) or extract(self, pictures)
    )
    counts = []
    for _ in range(2):
        assert evaluate(*flags, "--features", "small.pb", "--metrics", "FID,KID") == 0
        counts.append(sum(seen))
        seen.clear()
    assert counts == [4 * 11 + 2 * 2, 2 * 11]  # of both domains: translations, test images, and training images
    assert len(list((here / "dataset" / "mine" / ".features").iterdir())) == 4
    first, second = entries(config)
    for direction, scored in first.directions.items():
        for name, score in scored.scores.items():
            # Two runs of one network: a few roundings of float32 apart, which a KID near zero shows most.
            again = second.directions[direction].scores[name]
            np.testing.assert_allclose(np.float64(again[:3]), np.float64(score[:3]), rtol=1e-4, atol=1e-4, err_msg=name)
    # Another picture under an old name is noticed.
    Image.fromarray(demo.draw("trainB", 1, 40)).save(here / "dataset" / "mine" / "testB" / "05.png")
    assert evaluate(*flags, "--features", "small.pb", "--metrics", "FID,KID") == 0
    assert sum(seen) == 2 * 11 + 1


def test_checkpoints_by_step_all_and_the_best(run, here, capsys):
    flags, config, generators = run
    folder = config.run_checkpoint_dir
    for path in list(folder.glob("*model-7.*")):
        (folder / path.name.replace("-7.", "-3.")).write_bytes(path.read_bytes())
    writer.keep_best(folder / "UGATIT_light.model-3", Best("UGATIT_light.model-3", 3, "l1", 0.1, 0.2))
    for path in folder.glob("*model-3.*"):
        path.unlink()  # as rotation does

    def steps(names):
        before = len(entries(config))
        assert evaluate(*flags, "--metrics", "cam", "--checkpoints", names) == 0
        return [entry.step for entry in entries(config)][before:]

    assert steps("newest") == [7]
    assert steps("all") == [3, 7]
    assert steps("best") == [3]
    assert steps("7, best, newest") == [3, 7]
    assert evaluate(*flags, "--metrics", "cam", "--checkpoints", "5") == 1
    assert "has no checkpoint of step 5; it has steps 3, 7." in capsys.readouterr().err
    assert evaluate(*flags, "--checkpoints", "five") == 2
    assert evaluate(*flags, "--metrics", "cam", "--compare", "nobody") == 1
    assert "--compare nobody: there is no evaluation.json, nor in results/nobody;" in capsys.readouterr().err
    shutil.copytree(f"results/{config.model_dir}", "results/other")
    assert evaluate(*flags, "--metrics", "cam", "--compare", "other") == 0
    assert "B2A, step 7, other run" in Path(f"results/{config.model_dir}/evaluation.html").read_text()
    points = EventAccumulator(f"logs/{config.model_dir}/evaluation", size_guidance={"tensors": 0}).Reload()
    assert {point.step for point in points.Tensors("evaluation/B2A/cam")} == {3, 7}


def test_an_export_has_one_direction(run, here, capsys):
    flags, config, _ = run
    assert main.main(["main.py", "--phase", "export", *flags, "--export_format", "keras"]) == 0
    model = next(here.glob("export/*/B2A/*.keras"))
    assert evaluate(*flags, "--model", model, "--features", "small.pb") == 0
    assert evaluate(*flags, "--features", "small.pb") == 0
    export, checkpoint = entries(config)
    assert export.step is None
    assert list(export.directions) == ["B2A"]
    assert set(checkpoint.directions["B2A"].scores) - set(export.directions["B2A"].scores) == {"cycle"}
    for name, score in export.directions["B2A"].scores.items():
        assert score.value == pytest.approx(checkpoint.directions["B2A"].scores[name].value, rel=1e-3)
    assert evaluate(*flags, "--model", config.run_checkpoint_dir, "--metrics", "cycle") == 0
    assert list(entries(config)[-1].directions) == ["A2B", "B2A"]


def test_folders_of_pictures_by_any_program(mine, here, capsys):
    folders = ["--fakes", "dataset/mine/testA", "--reals", "dataset/mine/testB"]
    assert evaluate(*folders, "--features", "small.pb") == 0
    (entry,) = scores.read(here / "results" / "folders")
    scored = entry.directions["folders"]
    assert (list(scored.scores), scored.images, scored.reals, scored.unreadable) == (["FID", "KID"], 11, 11, 1)
    assert "Left out: dataset/mine/testB/11.png" in capsys.readouterr().out
    assert evaluate("--fakes", "dataset/mine/testA") == 2
    assert evaluate("--fakes", "nowhere", "--reals", "dataset/mine/testB", "--features", "small.pb") == 2
    assert "--fakes nowhere: no such folder." in capsys.readouterr().err
    for path in (here / "dataset" / "mine" / "testA").glob("*[1-9].png"):
        path.unlink()
    (here / "dataset" / "mine" / "testA" / "10.png").unlink()
    assert evaluate(*folders, "--features", "small.pb") == 1
    error = capsys.readouterr().err
    assert "dataset/mine/testA: 1 of 1 images can be read, but scores need at least 2." in error
    assert error.count("\n") == 1


def test_without_network_and_file_it_is_one_line(run, here, capsys, monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.URLError(OSError(-3, "Temporary failure in name resolution"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert evaluate(*run[0]) == 1
    error = capsys.readouterr().err
    assert (
        f"Put that file (its SHA-256 is not known before the first download) into {here}/user_cache/ugatit_tf" in error
    )
    assert "(Temporary failure in name resolution)" in error
    assert error.count("\n") == 1
    assert not (here / "results").exists()


def test_the_downloaded_file_has_to_be_inception(run, here, capsys):
    archive = here / "user_cache" / "ugatit_tf" / inception.FILE
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"<html>Sign in to this network</html>")
    assert evaluate(*run[0]) == 1
    assert "cannot be used as a feature network: not a gzip file; delete it" in capsys.readouterr().err
    archive.write_bytes(MAKER["archive_of"](MAKER["inception_graph"](count=6)))
    assert evaluate(*run[0]) == 1
    assert "gives 6 features, where Inception gives 2048: it is another network" in capsys.readouterr().err
    assert [path.name for path in archive.parent.iterdir()] == [inception.FILE]  # its checksum is not noted

    archive.write_bytes(MAKER["archive_of"](MAKER["inception_graph"](count=2048, kernel=1)))
    assert evaluate(*run[0], "--metrics", "KID") == 0
    (entry,) = entries(run[1])
    noted = (archive.parent / f"{inception.FILE}.sha256").read_text()
    assert noted == f"{entry.features['sha256']}  {inception.FILE}\n"


def test_the_demo_is_scored_against_its_ground_truth(here, save_generators, monkeypatch):
    monkeypatch.setattr(demo, "SPLIT_SIZES", {"trainA": 2, "trainB": 2, "testA": 5, "testB": 5})
    flags = ["--dataset", "demo", *TINY]
    config = parse(["main.py", *flags], phases.table()).config
    generators = save_generators(config)
    assert evaluate(*flags, "--metrics", "l1,cycle,cam") == 0
    (entry,) = entries(config)
    outputs = generators["A2B"](images.to_float(np.stack([demo.draw("testA", i, 32) for i in range(5)])))
    truths = np.stack([demo.draw("testB", i, 32) for i in range(5)])
    error = np.abs(images.to_uint8(outputs.image.numpy()).astype(float) - truths).mean() / 255
    assert list(entry.directions["A2B"].scores) == ["l1", "cycle", "cam"]
    assert entry.directions["A2B"].scores["l1"].value == pytest.approx(error, abs=1e-4)
