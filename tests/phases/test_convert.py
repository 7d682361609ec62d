"""`--phase convert` as a user gives it, on the recorded checkpoints of the reference."""

import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import main
from ugatit_tf.checkpoints import bundle, conversion, writer
from ugatit_tf.checkpoints.bundle import Bundle
from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.config import ARCHITECTURE, Config
from ugatit_tf.data import demo
from ugatit_tf.system import lock
from ugatit_tf.training.ugatit import UGATIT

ROOT = Path(main.__file__).parent
GOLDEN = ROOT / "tests" / "golden"
RUNS = sorted(GOLDEN.glob("*/checkpoint/*"))
LSGAN, LSGAN_SN = (next((GOLDEN / name / "checkpoint").iterdir()) for name in ("light_lsgan", "light_lsgan_sn"))
SMALL = ["--img_size", "32"]
SKELETON = conversion._skeleton
OURS = f"checkpoint/{LSGAN.name}/UGATIT_light.model-3"


def command(*arguments):
    """Runs the program in this process; returns its exit code."""
    return main.main(["main.py", *map(str, arguments)])


def bring_in(path, *flags):
    return command("--phase", "convert", "--from_checkpoint", path, *flags)


def network_flags(folder):
    """The flags that the phase printed for a run, but here read from its `config.json`."""
    config = Config.from_json(next(Path("checkpoint").glob(f"{folder}/config.json")).read_text())
    return [part for name, (value, _) in config.differences(Config()).items() for part in (f"--{name}", str(value))]


def make_images(*splits):
    for split in splits:
        folder = Path("dataset/golden") / split
        folder.mkdir(parents=True)
        Image.fromarray(demo.draw(split, 0, 32)).save(folder / "0.png")


@functools.cache
def skeleton_of(config, discriminators):
    return SKELETON(config, discriminators=discriminators)


@pytest.fixture(autouse=True)
def _skeletons_are_built_once(monkeypatch):
    def cached(config, *, discriminators):
        architecture = {name: getattr(config, name) for name in ARCHITECTURE}
        return skeleton_of(Config(**architecture), discriminators)

    monkeypatch.setattr(conversion, "_skeleton", cached)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def rewrite(prefix, change):
    """A recorded checkpoint with its contents changed, in a folder of the same name."""
    values = contents(LSGAN / "UGATIT_light.model-4")
    change(values)
    bundle.write(prefix, values)
    return prefix


def recordings():
    """Every recorded checkpoint; the default tests take two that between them have every kind of variable."""
    for run in RUNS:
        golden, steps = run.parents[1].name, sorted(run.glob("*.index"))
        for index in steps:
            fast = golden in ("light_lsgan_sn", "full_hinge") and index == steps[-1]
            yield pytest.param(index, id=f"{golden}-{index.stem}", marks=() if fast else pytest.mark.slow)


@pytest.mark.parametrize("index", list(recordings()))
def test_there_and_back_again_is_bit_exact(index, here):
    prefix = index.with_suffix("")
    assert bring_in(prefix) == 0
    assert command("--phase", "convert", "--to_checkpoint", "out", *network_flags(prefix.parent.name)) == 0
    back, expected = contents(here / "out" / prefix.name), contents(prefix)
    assert set(back) == set(expected)
    for name, value in expected.items():
        assert back[name].dtype == value.dtype
        assert back[name].shape == value.shape
        assert back[name].tobytes() == value.tobytes(), name
    listed = (prefix.parents[2] / "variables.txt").read_text().splitlines()
    assert {line.split(" [")[0] for line in listed} == set(back)
    assert tf.train.latest_checkpoint("out") == str(Path("out") / prefix.name)


def adam(value, gradient, moments, powers):
    """TensorFlow 1's Adam, its float32 betas in float64: how a variable and its moments come out of a step."""
    beta1, beta2 = np.float64(np.float32(0.5)), np.float64(np.float32(0.999))
    gradient, m, v = (np.float64(x) for x in (gradient, *moments))
    m = m + (gradient - m) * (1 - beta1)
    v = v + (gradient**2 - v) * (1 - beta2)
    return value - 1e-4 * np.sqrt(1 - powers[1]) / (1 - powers[0]) * m / (np.sqrt(v) + 1e-8), m, v


def test_a_continued_run_is_the_references(monkeypatch):
    assert bring_in(LSGAN, *SMALL) == 0
    config = Config.from_json((Path(OURS).parent / "config.json").read_text())
    model = UGATIT(config)
    model.compile()
    Checkpoint(Path(OURS), Config()).restore(model.state, strict=True)
    assert int(model.step) == 3

    recorded = contents(LSGAN / "UGATIT_light.model-4")
    applied = {}
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):

        def apply(gradients, variables, decays, apply=optimizer.apply):
            for gradient, variable, decay in zip(gradients, variables, decays, strict=True):
                before = variable.numpy()
                applied[variable.path] = (gradient.numpy() + decay * before, before)
            apply(gradients, variables, decays)

        monkeypatch.setattr(optimizer, "apply", apply)
    values = np.load(LSGAN.parents[1] / "golden.npz")
    model.train_step((tf.constant(values["As"][0]), tf.constant(values["Bs"][0])))

    names = {name.replace("/conv2d/", "/").replace("/dense/", "/"): name for name in recorded}
    assert len(applied) == 232
    for optimizer, suffix in ((model.generator_optimizer, ""), (model.discriminator_optimizer, "_1")):
        powers = [np.float64(recorded[f"beta{i}_power{suffix}"]) for i in (1, 2)]
        for variable, momentum, velocity in optimizer.slots:
            name = names[variable.path]
            gradient, before = applied[variable.path]
            np.testing.assert_array_equal(before, recorded[name])
            expected = adam(before, gradient, (recorded[f"{name}/Adam"], recorded[f"{name}/Adam_1"]), powers)
            after = np.clip(expected[0], 0, 1) if variable.name == "rho" else expected[0]
            np.testing.assert_allclose(variable.numpy(), after, rtol=1.2e-7, atol=2e-9, err_msg=name)
            for slot, moment in ((momentum, expected[1]), (velocity, expected[2])):
                np.testing.assert_allclose(slot.numpy(), moment, rtol=0, atol=3e-7 * np.abs(moment).max(), err_msg=name)


def test_a_moving_average_is_left_out(capsys):
    assert bring_in(LSGAN, *SMALL, "--ema", 0.9) == 0  # only training starts one
    assert not Bundle(Path(OURS)).averages
    config = RunFolder(Path(OURS).parent).config()
    assert config.ema == 0.9
    ours = {name: tf.Variable(value) for name, value in contents(OURS).items() if name not in bundle.BOOKKEEPING}
    paths = {name.split("/")[1].replace(".S", "/").replace("..", "."): value for name, value in ours.items()}
    averages = {
        f"ema_{path}": tf.Variable(2 * value) for path, value in paths.items() if re.match("generator_[AB]/", path)
    }
    averaged = writer.add(paths | averages, config, 9)
    assert len(Bundle(averaged).averages) == len(averages) > 100

    capsys.readouterr()
    assert command("--phase", "convert", "--to_checkpoint", "out", *network_flags(LSGAN.name)) == 0
    assert "Its moving average is left out: the reference gets the weights themselves" in capsys.readouterr().out
    back, expected = contents("out/UGATIT_light.model-10"), contents(LSGAN / "UGATIT_light.model-4")
    assert set(back) == set(expected)
    assert all(back[name].tobytes() == value.tobytes() for name, value in expected.items())


@pytest.mark.slow
def test_training_goes_on_from_a_converted_checkpoint(capsys):
    assert bring_in(LSGAN_SN, *SMALL, "--epoch", 1, "--iteration", 3) == 0
    output = capsys.readouterr().out
    assert (
        "Found from the variables: ch 2, img_ch 3, n_res 4, light True, n_dis 4, sn True; from the folder's" in output
    )
    assert "Step 2: from beta1_power_1" in output
    flags = output.rpartition("for training and testing: ")[2].split()
    make_images("trainA", "trainB")
    assert command("--phase", "train", *flags) == 0
    output = capsys.readouterr().out
    assert "Resuming at step 2" in output
    assert "Changed since" not in output
    assert "Saved step 3" in output


def test_generators_alone_are_tested_and_trained_on(here, capsys):
    def generators(values):
        for name in list(values):
            if name.startswith("discriminator") or "Adam" in name or "power" in name:
                del values[name]

    prefix = rewrite(here / LSGAN.name / "UGATIT_light.model-9", generators)
    assert bring_in(prefix, *SMALL) == 0
    output = capsys.readouterr().out
    assert "It holds generators alone: resuming starts with new discriminators and a new Adam." in output
    assert "Step 8: from the file's name, which counts from 1: beta1_power_1 is missing" in output
    flags = network_flags(LSGAN.name)

    assert command("--phase", "convert", "--to_checkpoint", "out", *flags) == 0
    np.testing.assert_equal(contents("out/UGATIT_light.model-9"), contents(prefix))

    make_images("trainA", "trainB", "testA", "testB")
    assert command("--phase", "test", *flags) == 0
    assert Path("results", LSGAN.name, "A2B", "0.png").exists()
    capsys.readouterr()
    assert command("--phase", "train", *flags, "--epoch", 1, "--iteration", 9) == 0
    output = capsys.readouterr().out
    assert "UGATIT_light.model-8, which holds generators alone: the discriminators are new\n" in output
    assert "Saved step 9 to" in output


def test_without_slots_adam_starts_anew(here, capsys):
    def without_slots(values):
        for name in list(values):
            if "/Adam" in name:
                del values[name]

    assert bring_in(rewrite(here / LSGAN.name / "UGATIT_light.model-4", without_slots), *SMALL) == 0
    assert "holds no moments of Adam" in capsys.readouterr().out
    assert command("--phase", "convert", "--to_checkpoint", "out", *network_flags(LSGAN.name)) == 0
    back = contents("out/UGATIT_light.model-4")
    assert back["beta1_power"] == back["beta1_power_1"] == np.float32(0.5)
    assert not any(value.any() for name, value in back.items() if "/Adam" in name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("generator_A/conv/conv2d/bias"), "no variable generator_A/conv/conv2d/bias"),
        (lambda v: v.pop("generator_A/conv/conv2d/bias/Adam"), "no variable generator_A/conv/conv2d/bias/Adam"),
        (lambda v: v.pop("beta2_power"), "no variable beta2_power"),
        (lambda v: v.update({"generator_A/new": np.float32(1)}), "one is generator_A/new"),
        (
            lambda v: v.update({"discriminator_A/local/conv_0/conv2d/bias": np.zeros(3, np.float32)}),
            r"conv_0/conv2d/bias with shape \[3\]; this network's is \[2\]".replace("\\", ""),
        ),
    ],
)
def test_a_missing_extra_or_misshapen_variable_is_named(here, the_error, change, message):
    error = the_error(bring_in(rewrite(here / LSGAN.name / "UGATIT_light.model-4", change), *SMALL))
    assert message in error
    assert not list(here.glob("checkpoint/**/*"))


def test_what_cannot_be_brought_in_is_one_line(here, the_error):
    (here / "empty").mkdir()
    damaged = here / LSGAN.name
    shutil.copytree(LSGAN, damaged)
    data = damaged / "UGATIT_light.model-4.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    for path, *flags, message in (
        ("nowhere", "There is no checkpoint nowhere"),
        ("empty", "holds no checkpoint"),
        (ROOT / "README.md", "is no checkpoint"),
        (damaged, "is damaged: its data has 1000 bytes, its index asks for 367168"),
        (LSGAN, "--ch", "3", "--ch is 3 but the checkpoint's network has 2"),
        (GOLDEN / "full_hinge/checkpoint" / RUNS[0].name, "--img_size", "64", "--img_size is 64 but"),
        (LSGAN, "--checkpoint_dir", "/proc/nowhere", "cannot make the folder /proc/nowhere"),
    ):
        assert message in the_error(bring_in(path, *flags))
    assert not (here / "checkpoint").exists()


def test_nothing_is_overwritten_or_mixed(here, the_error, capsys):
    assert bring_in(LSGAN, *SMALL) == 0
    run = Path(OURS).parent
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    capsys.readouterr()
    assert "model-3 exists already" in the_error(bring_in(LSGAN, *SMALL))
    assert "is a checkpoint of TensorFlow 2, not of the reference" in the_error(bring_in(run, *SMALL))
    first = LSGAN / "UGATIT_light.model-1"
    assert "--img_size is 64 but the checkpoints were trained with 32" in the_error(bring_in(first, "--img_size", 64))
    to = ["--phase", "convert", *network_flags(run.name), "--to_checkpoint"]
    assert "holds checkpoints of this program" in the_error(command(*to, run))
    shutil.copytree(LSGAN, "reference")
    assert "reference/UGATIT_light.model-4 exists already" in the_error(command(*to, "reference"))
    assert "cannot make the folder" in the_error(command(*to, "/proc/nowhere"))
    in_place = ["--checkpoint_dir", Path(shutil.copytree(LSGAN, Path("theirs", LSGAN.name))).parent]
    assert "holds checkpoints of the reference" in the_error(bring_in(LSGAN, *SMALL, *in_place))
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before

    assert bring_in(first, *SMALL) == 0  # an earlier step, beside what is there
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.name in before} == before
    assert (run / "UGATIT_light.model-0.index").exists()
    capsys.readouterr()
    (run / "config.json").unlink()
    shutil.rmtree("reference")
    (run / "UGATIT_light.model-0.index").unlink()
    assert "no config.json" in the_error(bring_in(first, *SMALL))


def test_a_folder_that_a_training_uses_is_left_alone(the_error):
    with lock.hold(Path(OURS).parent):
        assert "is in use by process" in the_error(bring_in(LSGAN, *SMALL))
    assert not Path(OURS).parent.exists()


def test_a_full_disk_leaves_nothing(here, the_error, full_disk):
    with full_disk(after=100_000):
        code = bring_in(LSGAN, *SMALL)
    assert "Cannot save to checkpoint/" in the_error(code)
    assert not list(here.glob("checkpoint/*"))


def test_the_references_own_file_is_tested_as_it_is_and_trained_on_only_once_brought_in(here, the_error, capsys):
    shutil.copytree(LSGAN, here / OURS.rpartition("/")[0])
    flags = ["--light", "True", "--dataset", "golden", "--ch", "2", "--n_dis", "4", "--sn", "False", "--img_size", "32"]
    make_images("trainA", "trainB", "testA", "testB")
    assert command("--phase", "test", *flags) == 0
    assert "UGATIT_light.model-4\n" in capsys.readouterr().out
    error = the_error(command("--phase", "train", *flags))
    assert "model-4 is of the reference: convert it by --phase convert --from_checkpoint" in error


@pytest.mark.parametrize("flags", [[], ["--from_checkpoint", "a", "--to_checkpoint", "b"]])
def test_convert_takes_one_of_two_flags(flags, capsys):
    assert command("--phase", "convert", *flags) == 2
    assert "--phase convert takes either --from_checkpoint or --to_checkpoint" in capsys.readouterr().err
    assert command("--from_checkpoint", "a") == 2


MEASURE = """
import json, re, sys
from pathlib import Path
import main
from ugatit_tf.config import Config
from ugatit_tf.system import device
from ugatit_tf.training.ugatit import UGATIT
device.prepare()
UGATIT(Config(light=True, ch=2, n_res=1, n_dis=4, img_size=32)).compile()  # TensorFlow's own share
def peak():
    # Not ru_maxrss, which a process inherits from the one that starts it.
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = peak()
assert main.main(["main.py", *sys.argv[1:]]) == 0
print(json.dumps(peak() - before))
"""


@pytest.mark.slow
def test_memory_stays_near_the_checkpoints_size(here):
    flags = ["--dataset", "big", "--ch", "32", "--img_size", "128"]
    config = Config(dataset="big", ch=32, img_size=128)
    model = UGATIT(config)
    model.compile()
    RunFolder(config.run_checkpoint_dir).save_config(config)
    writer.CheckpointWriter(model.state, config).save(3)

    def peak(*arguments):
        script = [sys.executable, "-c", MEASURE, "--phase", "convert", *map(str, arguments)]
        result = subprocess.run(script, env={"PYTHONPATH": str(ROOT)}, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(result.stdout.splitlines()[-1])

    there = peak("--to_checkpoint", "out", *flags)
    size = Path("out/UGATIT.model-4.data-00000-of-00001").stat().st_size
    back = peak("--from_checkpoint", "out", "--dataset", "big", "--checkpoint_dir", "back")
    assert size > 500e6
    assert there < 1.5 * size
    assert back < 1.5 * size
