"""What README and docs show as code works: Python as it stands, commands on a tiny run, the rest as far as it can."""

import contextlib
import importlib.util
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image

from ugatit_tf import flags, phases
from ugatit_tf.checkpoints.checkpoint import open_folder
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.config import Config
from ugatit_tf.data import demo, images
from ugatit_tf.distribution import cluster
from ugatit_tf.export import formats, web
from ugatit_tf.options import NEWEST
from ugatit_tf.phases import status
from ugatit_tf.serving import app
from ugatit_tf.serving.networks import Networks
from ugatit_tf.training.networks import build_generator

ROOT = Path(__file__).parents[2]
ADDRESS = "127.0.0.1:8000"  # of a server, in the pages
LANGUAGES = {"bash", "bibtex", "json", "python", "text"}
MINE = Config(dataset="mine", light=True, ch=2, img_size=96)  # the run of the pages; its name does not tell the sizes
BRIEF = "--light True --ch 2 --n_res 1 --n_dis 4 --img_size 32 --epoch 1 --iteration 2 --print_freq 2"


def parsed(words):
    """The phase that a command's flags ask for, and what it is given; None for `--help`."""
    try:
        return flags.parse(["main.py", *words], phases.table())
    except SystemExit as stop:
        assert stop.code == 0
        return None


def flags_of(words):
    """The arguments of a command that is this program; None for another's."""
    for program in (["python", "main.py"], ["python", "-m", "ugatit_tf"], ["ugatit"]):
        if words[: len(program)] == program:
            return words[len(program) :]
    return None


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A folder with what the pages suppose to be there: pictures, their dataset, a run on it, its export."""
    folder = tmp_path_factory.mktemp("world")
    for name, split in (("photos", "trainA"), ("drawings", "trainB")):
        (folder / name).mkdir()
        for index in range(6):
            Image.fromarray(demo.draw(split, index, 144)).save(folder / name / f"{index}.png")
    for name in ("me.jpg", "photo.jpg"):
        Image.fromarray(demo.draw("testA", 0, 160)).save(folder / name)
    if importlib.util.find_spec("av"):
        runpy.run_path(str(ROOT / "tests" / "data" / "clips.py"))["make"](folder / "clip.mp4")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        asked = parsed(["--phase", "prepare", "--input_A", "photos", "--input_B", "drawings", "--dataset", "mine"])
        asked.phase.run(asked.config, asked.options)
        keras.utils.set_random_seed(0)
        generators = [build_generator(MINE, domain) for domain in "AB"]
        RunFolder(MINE.run_checkpoint_dir).save_config(MINE)
        CheckpointWriter([v for generator in generators for v in generator.variables], MINE).save(7)
    target = folder / "export" / "<model_dir>" / "A2B"
    target.mkdir(parents=True)
    with_onnx = ("onnx",) if importlib.util.find_spec("onnx") else ()
    for name in ("saved_model", "keras", *with_onnx):
        formats.FORMATS[name].write(generators[1], MINE.img_size, target, np.empty(0))
    return folder


@pytest.fixture
def here(world, tmp_path, monkeypatch):
    """A copy of that folder to work in."""
    shutil.copytree(world, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    if importlib.util.find_spec("huggingface_hub"):
        from huggingface_hub import constants

        cache = tmp_path / "here" / "hub"
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        commit, repository = "0" * 40, cache / "models--USER--NAME"
        shutil.copytree("export/<model_dir>/A2B", repository / "snapshots" / commit / "A2B")
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(commit)
    return tmp_path / "here"


def test_a_block_says_its_language(block):
    assert block.kind in LANGUAGES


@contextlib.contextmanager
def served(run):
    """The address of a server of a run, for as long as the block lasts."""
    checkpoint = open_folder(Path(run))
    settings = web.settings(checkpoint.config, checkpoint) | {"engine": "server", "device": "this one"}
    networks = Networks(checkpoint.config, RunFolder(run))
    service = app.Service(networks, settings, NEWEST, app.Limits(10**6, 10**6, 9, 60.0))
    with app.listen("127.0.0.1", 0) as listener:
        running = service.server("127.0.0.1")
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        running.should_exit = True
        thread.join(30)


def test_python_runs(python_block, here):
    if "hf://" in python_block.text:
        pytest.importorskip("huggingface_hub")
    (here / "checkpoint" / MINE.model_dir).rename(here / "checkpoint" / "<model_dir>")
    side = MINE.img_size
    photos, drawings = (np.stack([demo.draw(split, index, 64) for index in range(6)]) for split in ("trainA", "trainB"))
    names = {
        "images": np.stack([demo.draw("testA", index, 50)[:40] for index in range(2)]),
        "floats": images.to_float(np.stack([demo.draw("testA", 0, side)])),
        "jpeg": (here / "photo.jpg").read_bytes(),
        "photos": tf.data.Dataset.from_tensor_slices(images.to_float(photos)),
        "drawings": tf.data.Dataset.from_tensor_slices(images.to_float(drawings)),
        "photo_batch": images.to_float(photos[:2]),
    }
    with contextlib.ExitStack() as stack:
        text = python_block.text
        if "import onnxruntime" in text:
            pytest.importorskip("onnxruntime")
        if ADDRESS in text:
            text = text.replace(ADDRESS, stack.enter_context(served("checkpoint/<model_dir>")))
        exec(compile(text, str(python_block), "exec"), names)
    if "outputs" in names:
        assert (np.asarray(names["outputs"]).dtype, np.shape(names["outputs"])) == (np.uint8, (2, side, side, 3))


def test_json_parses(json_block):
    json.loads(json_block.text)


def test_the_shell_can_read(bash_block):
    done = subprocess.run(["bash", "-n"], input=bash_block.text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_is_one(command, here):
    del here
    words = shlex.split(command.text, comments=True)
    own = flags_of(words)
    if own is not None:
        if "huggingface" in own:
            pytest.importorskip("huggingface_hub")
        parsed(own)
        return
    match Path(words[0]).name, *words[1:]:
        case "python", "-m", module, *arguments:
            assert importlib.util.find_spec(module)
            if module in ("benchmarks.tune", "benchmarks.scaling"):
                parsed(arguments)
        case "python", script, *_:
            assert (ROOT / script).is_file()
        case "make", target, *_:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case "pip", "install", "-r", requirements:
            assert (ROOT / requirements).is_file()
        case ("pip", "install", ".") | ("pip", "install", "-e", "."):
            assert (ROOT / "pyproject.toml").is_file()
        case "pytest", path, *_:
            assert (ROOT / path).is_file()
        case (
            ("pip", "install", "tensorflow[and-cuda]")
            | ("docker", "run", *_)
            | ("tensorboard", "--logdir", "logs")
            | ("npm", "pack", *_)
            | ("hf", "upload", "USER/NAME", _)
            | ("cp", _, _)
            | ("git", "worktree", "add", _, _)
        ):
            pass  # as their own manuals have them
        case "export", variable if variable.startswith("TF_CONFIG="):
            assert cluster._find_problem(json.loads(variable.partition("=")[2])) is None
        case _:
            pytest.fail("no command that is known here")


def test_a_command_runs(run, here, capsys):
    command = parsed(flags_of(shlex.split(run.text, comments=True)))
    before = stamps(here)
    command.phase.run(command.config, command.options)
    assert capsys.readouterr().out
    assert (stamps(here) != before) == (command.phase is not status)  # which alone writes nothing


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_scripts_for_clusters_are_right():
    slurm = (ROOT / "examples" / "slurm.sh").read_text()
    service, job = yaml.safe_load_all((ROOT / "examples" / "kubernetes.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    script = pod["containers"][0]["args"][0]
    assert subprocess.run(["bash", "-n"], input=slurm, text=True, check=True).returncode == 0
    for text, start in ((slurm, "main.py "), (script, "exec ugatit ")):
        assert parsed(text.rpartition(start)[2].split()).options.strategy == "multi_worker"
    export = script.partition("exec")[0] + 'echo "$TF_CONFIG"'
    done = subprocess.run(["bash", "-c", export], env={"JOB_COMPLETION_INDEX": "1"}, capture_output=True, check=True)
    tf_config = json.loads(done.stdout)
    assert cluster._find_problem(tf_config) is None
    assert tf_config["task"]["index"] == 1
    names = [
        f"{job['metadata']['name']}-{index}.{pod['subdomain']}:12345" for index in range(job["spec"]["completions"])
    ]
    assert tf_config["cluster"]["worker"] == names
    assert service["metadata"]["name"] == pod["subdomain"]
    assert service["spec"]["selector"]["job-name"] == job["metadata"]["name"]


@pytest.mark.slow
def test_the_readmes_commands_lead_from_two_folders_of_pictures_to_a_translation(world, tmp_path):
    for name in ("photos", "drawings", "me.jpg"):
        (tmp_path / name).symlink_to(world / name)
    (tmp_path / "main.py").symlink_to(ROOT / "main.py")
    section = (ROOT / "README.md").read_text().partition("## Your own pictures")[2]
    script = section.partition("```bash\n")[2].partition("```")[0]
    assert script.count("\n") == 4
    script = re.sub(r"(--phase train .*)", rf"\1 {BRIEF}", script).replace("python ", f"{shlex.quote(sys.executable)} ")
    subprocess.run(["bash", "-e"], input=script, cwd=tmp_path, text=True, check=True)
    assert Image.open(tmp_path / "out" / "A2B" / "me.png").size == (32, 32)
    assert list(tmp_path.glob("results/*/gallery.html"))
