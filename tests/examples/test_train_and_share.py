"""The notebook: as it is kept, and from its top to its end."""

import json
import shlex
from pathlib import Path

import pytest

from ugatit_tf import flags, phases
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.config import Config
from ugatit_tf.phases import export

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "train_and_share.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
TINY = "--dataset demo_faces --light True --ch 2 --n_res 1 --n_dis 4 --epoch 1 --iteration 2 --print_freq 2"


def test_nothing_that_a_run_left_is_kept():
    for cell in CELLS:
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)
        assert set(cell["metadata"]) <= {"tags"}


def test_its_commands_are_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(export, "require_packages", lambda *_: None)
    RunFolder(Path("checkpoint", "x")).save_config(Config())
    (settings,) = (cell for cell in CELLS if "parameters" in cell["metadata"].get("tags", ()))
    commands = []
    names = {"run": "x", "ugatit": commands.append}
    exec("".join(settings["source"]), names)
    exec("\n".join(line for cell in CELLS for line in cell["source"] if line.startswith("ugatit(")), names)
    asked = [flags.parse(["ugatit", *shlex.split(command)], phases.table()).phase for command in commands]
    names = ["demo_data", "prepare", "train", "test", "evaluate", "export"]
    assert sorted(phase.__name__.rpartition(".")[2] for phase in asked) == sorted(names)


@pytest.mark.slow
def test_it_runs_from_the_top(tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    pytest.importorskip("huggingface_hub")
    (tmp_path / "examples").mkdir()
    (tmp_path / "ugatit_tf").symlink_to(ROOT / "ugatit_tf")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(f"RUN, SIZE = {TINY!r}, 32"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path / "examples"}}).execute()
    (run,) = (tmp_path / "checkpoint").iterdir()
    repository = tmp_path / "export" / run.name / "huggingface"
    assert "cycle L1" in (repository / "README.md").read_text()
    shown = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})
    ]
    assert len(shown) == 1 + 12 + 2 + 1
