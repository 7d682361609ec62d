"""`--phase convert` as a user gives it, on files of the PyTorch port, and what is then done with the run."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import main
import ugatit_tf
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.config import Config
from ugatit_tf.data import demo

GOLDEN = Path(__file__).parents[1] / "golden_pytorch"
RECORDED = GOLDEN / "light" / "params_0000100.pt"
RUN = "UGATIT_light_mine_lsgan_1resblock_4dis_1_1_10_10_1000_sn"
FLAGS = ["--dataset", "mine", "--img_size", "32", "--n_dis", "4"]


def command(*arguments):
    """Runs the program in this process; returns its exit code."""
    return main.main(["main.py", *map(str, arguments)])


def import_checkpoint(path, *flags):
    return command("--phase", "convert", "--from_checkpoint", path, *flags)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dataset():
    for split in ("trainA", "trainB", "testA", "testB"):
        folder = Path("dataset/mine") / split
        folder.mkdir(parents=True)
        Image.fromarray(demo.draw(split, 0, 32)).save(folder / "0.png")


@pytest.fixture
def converted(pytorch_port, capsys):
    """A small run that came from the port; returns what was printed."""
    assert import_checkpoint(pytorch_port.write(Path("params_0000003.pt"), pytorch_port.content()), *FLAGS) == 0
    return capsys.readouterr().out


def test_what_it_says_leads_on(converted):
    assert converted.splitlines() == [
        "Converting params_0000003.pt",
        "Found from the tensors: ch 2, img_ch 3, n_res 1, light True, smoothing False, cam_heads 2, unbiased True",
        "Step 3: from the file's name",
        "Its discriminators are left out: resuming starts with new ones and a new Adam.",
        f"Wrote checkpoint/{RUN}/UGATIT_light.model-3",
        "Its flags, for training and testing: --dataset mine --light True --ch 2 --n_res 1 --n_dis 4 --img_size 32 "
        "--smoothing False --cam_heads 2 --unbiased True",
    ]
    config = RunFolder(Path("checkpoint") / RUN).config()
    assert (config.smoothing, config.cam_heads, config.unbiased) == (False, 2, True)


def test_a_name_without_a_step_begins_at_0(pytorch_port, capsys):
    assert import_checkpoint(pytorch_port.write(Path("mine_params_latest.pt"), pytorch_port.content()), *FLAGS) == 0
    assert "Step 0: none in the file's name\n" in capsys.readouterr().out
    assert Path(f"checkpoint/{RUN}/UGATIT_light.model-0.index").is_file()


@pytest.mark.usefixtures("dataset")
def test_the_run_is_tested_and_translates_and_trains_on(converted, capsys):
    assert command("--phase", "test", "--dataset", "mine") == 0
    assert Image.open(Path("results") / RUN / "A2B" / "0.png").size == (32, 32)
    picture = "dataset/mine/testA/0.png"
    assert command("--phase", "translate", "--dataset", "mine", "--input", picture, "--output", "out") == 0
    translator = ugatit_tf.load_generator(f"checkpoint/{RUN}", "A2B")
    expected = translator(np.asarray(Image.open(picture))[np.newaxis])[0]
    # Of another graph: a level apart where a value is rounded across a half.
    np.testing.assert_allclose(np.asarray(Image.open("out/A2B/0.png")), expected, rtol=0, atol=1)
    capsys.readouterr()
    flags = converted.rpartition("for training and testing: ")[2].split()
    assert command("--phase", "train", *flags, "--epoch", 1, "--iteration", 5) == 0
    output = capsys.readouterr().out
    note = "which holds generators alone: the discriminators are new"
    assert f"Resuming at step 3 from checkpoint/{RUN}/UGATIT_light.model-3, {note}\n" in output
    assert f"Saved step 5 to checkpoint/{RUN}/UGATIT_light.model-5\n" in output


@pytest.mark.slow
@pytest.mark.usefixtures("converted", "dataset")
def test_the_run_is_exported(capsys):
    assert command("--phase", "export", "--dataset", "mine", "--export_format", "saved_model,keras,tflite") == 0
    assert "Agrees with the checkpoint on 1 images in each direction." in capsys.readouterr().out
    card = Path("export", RUN, "A2B", "README.md").read_text()
    assert "cam_heads 2" in card
    assert "unbiased True" in card


@pytest.mark.usefixtures("converted")
def test_the_reference_cannot_have_it(the_error):
    error = the_error(command("--phase", "convert", "--to_checkpoint", "out", "--dataset", "mine"))
    assert "has no network with cam_heads 2, unbiased True" in error
    assert not Path("out").exists()


@pytest.mark.usefixtures("converted")
def test_nothing_is_overwritten(the_error, capsys):
    folder = Path("checkpoint") / RUN
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "model-3 exists already" in the_error(import_checkpoint("params_0000003.pt", *FLAGS))
    shutil.copy("params_0000003.pt", "params_0000009.pt")
    error = the_error(import_checkpoint("params_0000009.pt", "--dataset", "mine", "--img_size", 64, "--n_dis", 4))
    assert "--img_size is 64 but the checkpoints were trained with 32" in error
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in before} == before
    assert import_checkpoint("params_0000009.pt", *FLAGS) == 0
    assert {path.name for path in folder.iterdir()} > set(before)
    capsys.readouterr()


def test_what_cannot_be_brought_in_is_one_line(here, the_error, pytorch_port):
    Path("page.pt").write_text("# a page")
    Path("cut.pt").write_bytes(RECORDED.read_bytes()[:100_000])
    other = pytorch_port.write(Path("other.pt"), {"state_dict": {"fc.weight": np.zeros(3, "f4")}})
    foreign = pytorch_port.content()
    foreign["genA2B"]["DownBlock.1.bias"] = np.zeros(2, "f4")
    before = {path.name for path in here.iterdir()} | {"foreign.pt"}
    for path, *flags, message in (
        ("nowhere.pt", "cannot read nowhere.pt: No such file or directory"),
        ("page.pt", "page.pt is damaged, or no file of PyTorch's"),
        ("cut.pt", "cut.pt is damaged, or no file of PyTorch's"),
        (GOLDEN / "files" / "malicious.pt", "malicious.pt asks for "),
        (GOLDEN / "files" / "malicious_legacy.pt", "malicious_legacy.pt asks for "),
        (other, "other.pt is another program's: it lacks UGATIT-pytorch's network genA2B"),
        (
            pytorch_port.write(Path("foreign.pt"), foreign),
            "it has DownBlock.1.bias in genA2B, which this program's",
        ),
        (RECORDED, "--ch", "3", "--ch is 3 but the checkpoint's network has 4"),
        (RECORDED, "--checkpoint_dir", "/proc/nowhere", "cannot make the folder /proc/nowhere"),
    ):
        assert message in the_error(import_checkpoint(path, *flags))
    assert {path.name for path in here.iterdir()} == before


def test_a_full_disk_leaves_nothing(here, the_error, full_disk):
    with full_disk(after=100_000):
        code = import_checkpoint(RECORDED)
    assert "Cannot save to checkpoint/" in the_error(code)
    assert not list(here.glob("checkpoint/*"))


def test_the_default_configuration_is_asked_for_unless_flags_tell(pytorch_port):
    assert import_checkpoint(pytorch_port.write(Path("x.pth"), pytorch_port.content(n_res=2))) == 0
    (run,) = Path("checkpoint").iterdir()
    found, expected = RunFolder(run).config(), Config(light=True, ch=2, n_res=2, smoothing=False)
    assert set(found.differences(expected)) == {"cam_heads", "unbiased"}
