"""What someone does with a checkpoint trained years ago: bring it in, test it, export it, and take it back out."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import main
from ugatit_tf.data import images

GOLDEN = Path(__file__).parent.parent / "golden"


def contents(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.slow
@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("light_*")) + [GOLDEN / "full_hinge"], ids=lambda path: path.name)
def test_converts_in_tests_exports_and_converts_out(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for split, key in (("testA", "As"), ("testB", "Bs")):
        (tmp_path / "dataset" / "golden" / split).mkdir(parents=True)
        for index, image in enumerate(np.load(folder / "golden.npz")[key][0]):
            images.save_png(tmp_path / "dataset" / "golden" / split / f"{index}.png", images.to_uint8(image))
    (source,) = (folder / "checkpoint").iterdir()
    flags = ["--dataset", "golden", "--ch", "2", "--img_size", "32", "--n_dis", "4"]
    for name, value in json.loads((folder / "config.json").read_text()).items():
        if name in ("light", "sn", "smoothing", "gan_type"):
            flags += [f"--{name}", str(value)]

    def run(phase, *more):
        assert main.main(["main.py", "--phase", phase, *flags, *map(str, more)]) == 0, capsys.readouterr().err

    run("convert", "--from_checkpoint", source)
    run("test")
    run("export")
    run("convert", "--to_checkpoint", tmp_path / "back")
    assert "Agrees with the checkpoint" in capsys.readouterr().out
    assert next(tmp_path.glob("results/*/A2B/0.png")).exists()
    assert next(tmp_path.glob("export/*/B2A/1/saved_model.pb")).exists()
    (index,) = (tmp_path / "back").glob("*.index")
    expected, result = contents(source / index.stem), contents(index.with_suffix(""))
    assert {name: value.dtype for name, value in result.items()} == {n: v.dtype for n, v in expected.items()}
    np.testing.assert_equal(result, expected)
