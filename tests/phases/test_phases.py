"""The commands as a user gives them, on real files."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import main
from ugatit_tf import phases
from ugatit_tf.data import demo, images, pipeline
from ugatit_tf.flags import parse
from ugatit_tf.phases import train
from ugatit_tf.reports import progress
from ugatit_tf.runs import health, status
from ugatit_tf.system import lock
from ugatit_tf.training.ugatit import UGATIT

ROOT = Path(main.__file__).parent
TINY = ["--light", "True", "--ch", "2", "--n_res", "1", "--img_size", "32"]
TINY += ["--print_freq", "3", "--log_freq", "1", "--decay_epoch", "1"]
MODEL_DIR = "UGATIT_light_{}_lsgan_1resblock_4dis_1_1_10_10_1000_sn_smoothing"


def command(*arguments):
    """Runs the program in this process; returns its exit code."""
    return main.main(["main.py", *map(str, arguments)])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mine(here):
    """A dataset of mixed files, as people have them."""
    for split, count in (("trainA", 3), ("trainB", 2), ("testA", 3), ("testB", 1)):
        folder = here / "dataset" / "mine" / split
        folder.mkdir(parents=True)
        for index in range(count):
            picture = Image.fromarray(demo.draw(split, index, 40))
            suffix, mode = (("jpg", "L"), ("bmp", "RGB"), ("png", "RGBA"))[index]
            picture.convert(mode).save(folder / f"<b>{index} ö.{suffix}")
        (folder / "notes.txt").write_text("not an image")
    return "mine"


def test_train_resume_and_test_on_mixed_files(mine, here, capsys, monkeypatch):
    for name, value in {"_MANY_STEPS": 0, "_POINTS": 1, "_NEAR_CHANCE": 0, "_ALIKE": 1e9}.items():
        monkeypatch.setattr(health, name, value)  # warns at once of what takes thousands of steps
    flags = ["--dataset", mine, *TINY, "--save_freq", 2]
    assert command("--phase", "train", *flags, "--epoch", 1, "--iteration", 3) == 0
    output = capsys.readouterr().out
    model_dir = MODEL_DIR.format(mine)
    assert "Device: CPU" in output
    assert "dataset/mine/trainA: 3 images (1 hidden or other files skipped)" in output
    assert "Starting fresh" in output
    assert "Epoch: [ 0] [    2/    3] time:" in output
    assert output.count("Warning: generator_A's CAM is at chance") == 1
    steps = sorted(int(p.stem.rpartition("-")[2]) for p in (here / "checkpoint" / model_dir).glob("*.index"))
    assert steps == [2, 3]
    assert json.loads((here / "checkpoint" / model_dir / "config.json").read_text())["ch"] == 2
    samples = {path.name: Image.open(path).size for path in (here / "samples" / model_dir).iterdir()}
    assert samples == {
        "A2B_000_00003.png": (4 * 32, 3 * 32),
        "B2A_000_00003.png": (4 * 32, 32),
        "real_A_000_00003.png": (32, 3 * 32),
        "fake_B_000_00003.png": (32, 3 * 32),
        "real_B_000_00003.png": (32, 32),
        "fake_A_000_00003.png": (32, 32),
    }

    assert command("--phase", "train", *flags, "--epoch", 2, "--iteration", 3) == 0
    output = capsys.readouterr().out
    assert f"Resuming at step 3 from checkpoint/{model_dir}/UGATIT_light.model-3" in output
    assert "--epoch 1 -> 2" in output
    assert "trainB 2" not in output
    assert "Epoch: [ 1] [    2/    3]" in output
    assert "Warning: generator_A" not in output  # once a run
    assert command("--phase", "status", *flags) == 0
    output = capsys.readouterr().out
    for line in (
        "Step        6 of 6 (100.0%), epoch 2 of 2",
        "Warnings    step 1: generator_A's CAM is at chance",
        "            step 3: A2B has collapsed",
        "intact: everything matches its checksum",
    ):
        assert line in output
    assert curve_steps(here / "logs" / model_dir, "g_loss") == [1, 2, 3, 4, 5, 6]

    (here / "dataset" / mine / "trainB" / "<b>1 ö.bmp").unlink()
    assert command("--phase", "train", *flags, "--epoch", 2, "--iteration", 3) == 0
    assert re.search(r"run: trainB 2 -> 1 images;.*All 6 steps are done", capsys.readouterr().out, re.DOTALL)

    assert command("--phase", "train", *flags, "--epoch", 2, "--ch", 3) == 1
    assert "--ch is 3 but the checkpoints were trained with 2" in capsys.readouterr().err

    assert command("--phase", "test", *flags) == 0
    output = capsys.readouterr().out
    assert f"Translating with checkpoint/{model_dir}/UGATIT_light.model-6" in output
    results = here / "results" / model_dir
    assert {path.name for path in (results / "A2B").iterdir()} == {f"<b>{i} ö.png" for i in range(3)}
    assert {path.name for path in (results / "B2A").iterdir()} == {"<b>0 ö.png"}
    page = (results / "gallery.html").read_text()
    sources = re.findall(r'src="([^"]+)"', page)
    assert len(sources) == 3 * 4
    assert all(Image.open(results / unquote(source)).size == (32, 32) for source in sources)
    assert not (results / "scores.json").exists()  # there is no ground truth for these

    # One picture alone, and one that cannot be read: nothing stays of the test before.
    shutil.rmtree(here / "dataset" / mine / "testB")
    for path in (here / "dataset" / mine / "testA").glob("*.png"):
        path.rename(path.with_name("alone.png"))
    for path in (here / "dataset" / mine / "testA").glob("<b>*"):
        path.unlink()
    (here / "dataset" / mine / "testA" / "broken.jpg").write_bytes(b"no jpeg")
    assert command("--phase", "test", *flags) == 1
    assert "Could not read 1 of the test images: dataset/mine/testA/broken.jpg" in capsys.readouterr().err
    assert [path.name for path in (results / "A2B").iterdir()] == ["alone.png"]
    assert "B → A" not in (results / "gallery.html").read_text()


def test_the_page_of_a_training_shows_it_and_is_linked_with_the_gallery(mine, here, capsys, monkeypatch):
    for name, value in {"_MANY_STEPS": 0, "_POINTS": 1, "_NEAR_CHANCE": 0}.items():
        monkeypatch.setattr(health, name, value)  # warns at once
    flags = ["--dataset", mine, *TINY, "--epoch", 1, "--iteration", 4]
    results = here / "results" / MODEL_DIR.format(mine)
    assert command("--phase", "train", *flags) == 0
    assert f"Page: results/{results.name}/index.html" in capsys.readouterr().out
    shown = progress.read(results)
    assert (shown.running, shown.steps, shown.stages) == (False, [1, 2, 3, 4], [3, 4])
    assert dict(shown.facts)["Run"] == "complete"
    assert shown.warnings[0].startswith("Step 1: generator_A's CAM is at chance")
    assert Image.open(results / "training" / "A2B_3.jpg").size == (32, 3 * 32)
    assert "gallery.html" not in (results / "index.html").read_text()
    assert command("--phase", "test", *flags) == 0
    assert f"Gallery: results/{results.name}/gallery.html" in capsys.readouterr().out
    assert '<a href="index.html">Training</a>' in (results / "gallery.html").read_text()
    assert '<a href="gallery.html">Test pictures</a>' in (results / "index.html").read_text()


def test_a_batch_that_spoils_the_numbers_stops_the_run_or_is_left_out(mine, here, capsys, monkeypatch):
    make_batches = pipeline.batches

    def poisoned(*arguments, first_step, **options):
        for step, batch in enumerate(make_batches(*arguments, first_step=first_step, **options), first_step + 1):
            yield (batch[0] * float("nan"), batch[1]) if step == 2 else batch

    monkeypatch.setattr(pipeline, "batches", poisoned)
    flags = ["--dataset", mine, *TINY, "--log_freq", 10, "--print_freq", 10, "--save_freq", 1]
    flags += ["--epoch", 1, "--iteration", 3]
    model_dir = MODEL_DIR.format(mine)
    assert command(*flags) == 1
    error = capsys.readouterr().err
    assert error.startswith("main.py: Step 2: the local loss of discriminator_A is not finite (nan); nor are ")
    assert f"checkpoint/{model_dir}/UGATIT_light.model-1 is the last good checkpoint" in error
    assert error.count("\n") == 1
    assert [path.name for path in (here / "checkpoint" / model_dir).glob("*.index")] == ["UGATIT_light.model-1.index"]
    assert Image.open(here / "samples" / model_dir / "not_finite_2.png").size == (2 * 32, 32)

    assert command(*flags, "--skip_nonfinite", 1) == 0
    output = capsys.readouterr().out
    assert "Resuming at step 1" in output
    assert output.count("Skipped step 2, 1 of at most 1: the local loss of discriminator_A is not finite") == 1
    assert "Training is complete" in output
    assert np.isfinite(status.read(here / "checkpoint" / model_dir).metrics["g_loss"])


def test_a_step_without_enough_memory_ends_in_one_line(mine, here, capsys, monkeypatch):
    def run_out(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[8,256,256,64]\nHint")

    monkeypatch.setattr(UGATIT, "train_step", run_out)
    assert command("--dataset", mine, *TINY, "--batch_size", 1000, "--threads", "1x2") == 1
    output, error = capsys.readouterr()
    assert "Memory: about 0.9 GB (weights 0.0" in output
    assert error.startswith("main.py: Out of memory. A step takes about 0.9 GB (")
    assert "Less would be: --batch_size 1 (0.5 GB)" in error
    assert error.count("\n") == 1


def test_training_warns_once_of_pictures_smaller_than_its_size(mine, here, capsys):
    warning = "Warning: Training enlarges most pictures, as they are smaller than --img_size 64: 3 of 3 in dataset/mine"
    for size, count in (("64", 1), ("32", 0)):
        assert command("--dataset", mine, *TINY, "--img_size", size, "--epoch", 1, "--iteration", 1) == 0
        assert capsys.readouterr().out.count(warning) == count


def test_what_would_change_the_order_of_the_pictures_is_refused(mine, here, capsys):
    folder = here / "checkpoint" / MODEL_DIR.format(mine)
    folder.mkdir(parents=True)
    (folder / "UGATIT_light.model-3.index").touch()
    (folder / "config.json").write_text(parse(["", "--dataset", mine, *TINY], phases.table()).config.to_json())
    assert command("--dataset", mine, *TINY, "--batch_size", 2, "--seed", 1, "--lr", 1) == 1
    error = capsys.readouterr().err
    assert "--batch_size is 2 but the checkpoints were trained with 1; --seed is 1 but" in error
    assert "--lr" not in error
    assert error.count("\n") == 1


def curve_steps(folder, tag):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    tags = events.Tags()["tensors"]
    assert {"A2B", "B2A", "learning_rate", "rho/mean", "generator_B/cam", "discriminator_A/global"} <= set(tags)
    assert {"warnings/generator_A_cam", "warnings/A2B_collapsed"} <= set(tags)
    assert any(name.endswith("/rho") for name in tags)
    return [event.step for event in events.Tensors(tag)]


def test_the_demo_is_scored_against_its_ground_truth(here, capsys):
    flags = ["--preset", "demo", *TINY, "--cam_weight", 1000, "--cycle_weight", 10]
    flags += ["--identity_weight", 10, "--epoch", 1, "--iteration", 1]
    assert command(*flags) == 0
    assert command("--phase", "test", *flags) == 0
    (scores,) = here.glob("results/*/scores.json")
    scores = json.loads(scores.read_text())
    truths = [demo.draw("testB", i, 32) for i in range(100)]
    copied = np.mean([np.abs(demo.draw("testA", i, 32) - t.astype(float)).mean() / 255 for i, t in enumerate(truths)])
    assert scores["A2B"]["copy_input"] == pytest.approx(copied, rel=1e-5)
    outputs = [np.asarray(Image.open(next(here.glob(f"results/*/A2B/{i:04d}.png")))) for i in range(100)]
    error = np.mean([np.abs(o - t.astype(float)).mean() / 255 for o, t in zip(outputs, truths, strict=True)])
    assert scores["A2B"]["l1"] == pytest.approx(error, rel=1e-5)
    assert scores["B2A"]["images"] == 100
    assert "ground truth" in next(here.glob("results/*/gallery.html")).read_text()


def test_the_test_phase_takes_the_moving_average(mine, here, capsys, save_generators):
    config = parse(["main.py", "--dataset", mine, *TINY, "--ema", "0.9"], phases.table()).config
    generators = save_generators(config)
    assert command("--phase", "test", "--dataset", mine, *TINY) == 0
    assert "model-7 (moving average)\n" in capsys.readouterr().out
    results = here / "results" / config.model_dir
    assert "model-7 (moving average)<" in (results / "index.html").read_text()
    assert not (results / "gallery.html").exists()  # the run was not trained here
    for direction, generator in generators.items():
        for path in (results / direction).glob("*.png"):
            source = np.asarray(Image.open(results / "gallery" / direction / "input" / path.name))
            output = images.to_uint8(generator(images.to_float(source)[np.newaxis]).image.numpy())[0]
            assert np.abs(np.asarray(Image.open(path)).astype(int) - output).max() <= 1


def test_without_a_checkpoint_the_test_phase_stops(mine, here, capsys):
    assert command("--phase", "test", "--dataset", mine, *TINY) == 1
    error = capsys.readouterr().err
    assert error.startswith("main.py: No checkpoint UGATIT_light.model-* in checkpoint/")
    assert error.count("\n") == 1
    assert not (here / "results").exists()


def test_a_second_run_in_a_checkpoint_folder_is_refused(mine, here, capsys):
    folder = here / "checkpoint" / MODEL_DIR.format(mine)
    with lock.hold(folder):
        (folder / "UGATIT_light.model-1_temp").mkdir()
        assert command("--phase", "train", "--dataset", mine, *TINY, "--epoch", 1, "--iteration", 1) == 1
        assert (folder / "UGATIT_light.model-1_temp").exists()  # the other run may be saving
    error = capsys.readouterr().err
    assert re.search(r"^main\.py: checkpoint/.* is in use by process \d+ on ", error)
    assert error.count("\n") == 1


PREPARE = """
import sys
import tensorflow as tf
import main
from ugatit_tf.system import device

class PreparedError(Exception):
    pass

def prepare(*_, **__):
    tf.config.threading.set_inter_op_parallelism_threads(1)  # refused as soon as TensorFlow has run anything
    raise PreparedError

device.prepare = prepare
for phase in ("train", "test", "translate", "export"):
    more = ["--input", "dataset/mine/testA", "--output", "out"] if phase == "translate" else []
    try:
        main.main(["main.py", "--phase", phase, *sys.argv[1:], *more])
    except PreparedError:
        print(phase)
"""


def test_the_device_is_prepared_before_a_checkpoint_is_read_or_a_face_found(mine, here, save_generators):
    flags = ["--dataset", mine, *TINY, "--crop", "face"]
    save_generators(parse(["main.py", *flags], phases.table()).config)
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, *flags],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    seen = [line for line in done.stdout.splitlines() if line in phases.table()]  # beside what the phases print
    assert seen == ["train", "test", "translate", "export"], done.stderr


def test_what_a_killed_run_has_half_written_goes(tiny_config, monkeypatch):
    monkeypatch.setattr(train, "_run", lambda *_: None)
    folders = tiny_config.run_checkpoint_dir, Path(tiny_config.sample_dir) / tiny_config.model_dir
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / f".{'0' * 32}.tmp").write_bytes(b"half")
        (folder / "whole.png").write_bytes(b"")
    train.run(tiny_config, train.Options())
    assert [[path.name for path in folder.iterdir()] for folder in folders] == [["whole.png"]] * 2


def test_an_interrupt_saves_the_step(mine, here):
    arguments = [
        sys.executable,
        str(ROOT / "main.py"),
        "--dataset",
        mine,
        *TINY,
        "--epoch",
        "500",
        "--iteration",
        "500",
    ]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        output = ""
        while "Epoch:" not in output:
            line = process.stdout.readline()
            assert line, output
            output += line
        process.send_signal(signal.SIGINT)
        output += process.stdout.read()
    assert process.returncode == 0
    assert output.rstrip().endswith("the same command resumes from here.")
    step, prefix = re.search(r"Saved step (\d+) to (.*)", output).groups()
    assert prefix.endswith(f"-{step}")
    assert Path(prefix + ".index").exists()


def test_demo_data_is_an_ordinary_dataset(here, capsys, monkeypatch):
    monkeypatch.setattr(demo, "SPLIT_SIZES", {"trainA": 2, "trainB": 3, "testA": 1, "testB": 1})
    assert command("--phase", "demo_data", "--img_size", "32") == 0
    assert "--dataset demo_faces" in capsys.readouterr().out
    root = here / "dataset" / "demo_faces"
    assert {p.name: len(list(p.iterdir())) for p in root.iterdir()} == {
        "trainA": 2,
        "trainB": 3,
        "testA": 1,
        "testB": 1,
    }
    np.testing.assert_array_equal(Image.open(root / "trainB" / "0002.png"), demo.draw("trainB", 2, 32))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--light", "maybe"], 2, "--light maybe: must be true or false"),
        (["--iteration", "1e3"], 2, "--iteration 1e3: must be a whole number"),
        (["--img_size", "30"], 2, "--img_size 30: must be a multiple of 4"),
        (["--dataset", "nowhere", "--light", "True"], 1, "dataset/nowhere/trainA (no such folder)"),
    ],
)
def test_a_users_mistake_is_one_line_and_an_exit_code(here, capsys, arguments, code, message):
    assert command(*arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
