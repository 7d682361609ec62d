import numpy as np
import pytest

from ugatit_tf.data import demo
from ugatit_tf.errors import RunError
from ugatit_tf.export import formats, fresh_process, mistakes, verify
from ugatit_tf.export.verify import Measurement

PICTURES = np.stack([demo.draw("testA", index, 32) for index in range(2)])


@pytest.fixture
def exported(tiny_config, scrambled_generator, tmp_path):
    """Exports one direction; returns the folder and its live generator."""

    def write(*names):
        generator = scrambled_generator(tiny_config)
        (tmp_path / "A2B").mkdir()
        for name in names:
            formats.FORMATS[name].write(generator, 32, tmp_path / "A2B", PICTURES)
        return tmp_path, generator

    return write


def check(folder, generator, *names):
    return verify.check(folder, names, {"A2B": generator}, {"A2B": PICTURES})


def perturb(generator, name, by):
    variable = next(variable for variable in generator.variables if name in variable.path)
    variable.assign(variable + by)


def test_a_faithful_export_passes_and_another_fails(exported):
    folder, generator = exported("saved_model")
    assert check(folder, generator, "saved_model") == []
    perturb(generator, "G_logit/bias", 0.1)
    with pytest.raises(RunError, match=r"check failed: A2B saved_model \w+ is off by .* levels at most, 1 allowed"):
        check(folder, generator, "saved_model")


def test_an_onnx_file_is_checked(exported):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    folder, generator = exported("onnx")
    assert check(folder, generator, "onnx") == []
    perturb(generator, "G_logit/bias", 0.001)
    with pytest.raises(RunError, match=r"check failed: A2B onnx image is off by 0.000\d+ on average, 9.99e-05 allowed"):
        check(folder, generator, "onnx")


@pytest.fixture
def _no_process(monkeypatch):
    monkeypatch.setattr(verify, "_run_in_a_fresh_process", lambda *_: {})


def test_a_keras_file_is_checked_too(exported, _no_process):
    folder, generator = exported("keras")
    check(folder, generator, "keras")
    other = type(generator).from_config(generator.get_config())
    other.build((None, 32, 32, 3))
    other.save(folder / "A2B" / "generator.keras")
    with pytest.raises(RunError, match="A2B keras output is off by"):
        check(folder, generator, "keras")
    (folder / "A2B" / "generator.keras").write_bytes(b"nonsense")
    with pytest.raises(RunError, match=r"check failed: .*generator\.keras cannot be loaded"):
        check(folder, generator, "keras")


@pytest.mark.slow
def test_tflite_files_are_measured_and_checked(exported):
    folder, generator = exported("tflite")
    rows = check(folder, generator, "tflite")
    assert [row.name for row in rows] == ["float32", "float16", "attention", "dynamic", "int8"]
    assert all(row.size == (folder / "A2B" / "tflite" / f"{row.name}.tflite").stat().st_size for row in rows)
    assert all(row.milliseconds > 0 and row.mean <= row.largest for row in rows)
    assert rows[0].largest <= 1
    perturb(generator, "G_logit/bias", 0.1)
    with pytest.raises(RunError, match="A2B tflite (attention|float16|float32) is off by"):
        check(folder, generator, "tflite")


def test_a_file_that_cannot_be_run_is_told_in_one_line(exported):
    folder, generator = exported("saved_model")
    (folder / "A2B" / "1" / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(RunError, match="check failed: its fresh process could not run") as error:
        check(folder, generator, "saved_model")
    assert "\n" not in str(error.value)


def test_a_crash_is_not_blamed_on_what_tensorflow_writes_at_its_start(tmp_path, monkeypatch):
    program = tmp_path / "crash.py"
    program.write_text("import os; os.write(2, b'no CUDA found'); os.kill(os.getpid(), 9)")
    monkeypatch.setattr(verify.fresh_process, "__file__", str(program))
    with pytest.raises(RunError, match="could not run what was written: SIGKILL ended it$"):
        check(tmp_path, None, "saved_model")


def test_what_is_missing_fails(exported, _no_process):
    folder, generator = exported("keras")
    with pytest.raises(RunError, match="A2B has no output of tflite"):
        check(folder, generator, "keras", "tflite")


@pytest.mark.parametrize(
    ("name", "off", "passes"),
    [("output", 0.5e-4, True), ("output", 4e-4, False), ("output", np.nan, False), ("float32", 4e-4, False)]
    + [("float16", 0.5 / 127.5, True), ("float16", 3 / 127.5, False), ("int8", 3, True), ("int8", 4, False)]
    + [("attention", 0.5 / 127.5, True), ("attention", 3 / 127.5, False)]
    + [("heatmap of float16", 0.015, True), ("heatmap of float16", 0.03, False), ("cam_logits of float16", 0.03, False)]
    + [("image", 0.5e-4, True), ("image", 4e-4, False), ("image", np.nan, False)]
    + [("translate_uint8", 1, True), ("serving_default", 2, False)],
)
def test_tolerances(name, off, passes):
    floats = np.linspace(-1, 1, 101, dtype=np.float32)
    pixels = np.full(101, 100, np.uint8) if name not in ("float16", "attention") else verify.images.to_uint8(floats)
    floating = name in ("output", "image", "float32", "float16", "attention") or "of float16" in name
    value = floats + np.float32(off) if floating else pixels + np.uint8(off)
    arguments = (
        "it",
        value,
        *verify._RULES[name],
        {"translate_uint8": pixels} | dict.fromkeys(("output", "heatmap", "cam_logits"), floats),
    )
    if passes:
        verify._compare(*arguments)
    else:
        with pytest.raises(RunError, match="it is off by"):
            verify._compare(*arguments)


@pytest.mark.parametrize(("count", "off", "passes"), [(1, 9e-3, True), (1, 11e-3, False), (1000, 2e-3, False)])
def test_single_values_of_an_onnx_file_may_be_further_off(count, off, passes):
    expected = np.linspace(-1, 1, 10_000, dtype=np.float32)
    value = expected.copy()
    value[:count] += np.float32(off)
    arguments = ("it", value, *verify._RULES["image"], {"output": expected})
    if passes:
        verify._compare(*arguments)
    else:
        with pytest.raises(RunError, match="it is off by"):
            verify._compare(*arguments)


@pytest.fixture(scope="module")
def outputs():
    """What a network gives for pictures: structured, and different for each."""
    pixels = np.stack([*(demo.draw("testB", index, 32) for index in range(3)), mistakes.chart(32, 3)])
    grey = pixels.mean(axis=-1)[:, ::4, ::4].astype(np.float32)
    return {
        "translate_uint8": pixels,
        "output": verify.images.to_float(pixels),
        "heatmap": 10 + grey / 255,  # far from 0, and with a spread of a few per cent of that
        "cam_logits": np.float32([[5, 5.3], [5.5, 4.9], [5.2, 5.9], [4.6, 5.1]]),
    }


def wrong(name, value):
    """Every simple wrong answer of an output, by its name; random ones too."""
    rng = np.random.default_rng(0)
    flat = value.reshape(-1)
    yield "zeros", np.zeros_like(value)
    yield "grey", np.full_like(value, 128 if value.dtype == np.uint8 else value.mean())
    yield "pixels in any order", rng.permutation(flat).reshape(value.shape)
    yield (
        "pixels of each image in any order",
        np.stack([rng.permutation(each.reshape(-1)).reshape(each.shape) for each in value]),
    )
    for mistake, answer in mistakes.wrong_answers(value).items():
        yield mistake, answer.astype(value.dtype)


@pytest.mark.parametrize("name", verify._RULES)
def test_every_rule_refuses_every_simple_wrong_answer(outputs, name):
    reference, _ = verify._RULES[name]
    right = outputs[reference]
    arguments = (*verify._RULES[name], outputs)
    verify._compare("it", right, *arguments)
    kinds = set()
    for mistake, value in wrong(name, right):
        assert (value != right).any(), mistake
        with pytest.raises(RunError, match="it is off by"):
            verify._compare("it", value, *arguments)
        kinds.add(mistake)
    assert {"grey", "moved by 1 in the batch"} <= kinds
    assert reference == "cam_logits" or {"upside down", "mirrored", "turned round"} <= kinds


@pytest.mark.parametrize("name", ["int8", "dynamic"])
def test_wrong_answers_in_8_bits_are_refused_and_right_ones_are_not(outputs, name):
    """Noise of 4 levels on average, as a coarse file has."""
    right = outputs["translate_uint8"]
    noise = np.random.default_rng(0).normal(scale=5, size=right.shape)
    arguments = (*verify._RULES[name], outputs)
    verify._compare("it", np.uint8(np.clip(right + noise, 0, 255)), *arguments)
    for _, value in wrong(name, right):
        with pytest.raises(RunError, match="it is off by"):
            verify._compare("it", np.uint8(np.clip(value + noise, 0, 255)), *arguments)


@pytest.mark.parametrize("name", ["int8", "dynamic", "float16", "float32", "serving_default"])
def test_a_network_that_gives_nearly_one_colour_is_not_refused(name):
    pixels = np.random.default_rng(0).integers(127, 129, (4, 16, 16, 3), np.uint8)  # 127 or 128: no file is nearer
    value = np.full_like(pixels, 128)
    verify._compare("it", value, *verify._RULES[name], {"translate_uint8": pixels})
    if name in ("int8", "dynamic"):
        verify._compare("it", value + np.uint8(2), *verify._RULES[name], {"translate_uint8": pixels})


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_chart_differs_from_each_of_its_turns(channels):
    chart = mistakes.chart(32, channels)[np.newaxis]
    assert (chart.shape, chart.dtype) == ((1, 32, 32, channels), np.uint8)
    for mistake, answer in mistakes.wrong_answers(chart.astype(float)).items():
        assert np.abs(answer - chart).mean() > 10, mistake


@pytest.mark.parametrize("name", ["int8", "float32"])
def test_a_file_that_the_interpreter_refuses_is_told_apart_by_what_it_holds(tmp_path, name):
    pytest.importorskip("ai_edge_litert")
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(b"no model")
    found = fresh_process.run_tflite(path, "tflite", name, PICTURES, 1)
    if name == "int8":
        ((key, why),) = found
        assert key == "refused/int8"
        assert str(why) and "\n" not in str(why)
    else:
        with pytest.raises(ValueError, match="model"):
            list(found)


def test_a_file_whose_scales_the_interpreter_refuses_is_left_out(exported, monkeypatch, caplog):
    caplog.set_level("INFO", "ugatit_tf")
    folder, generator = exported("keras")
    file = folder / "A2B" / "tflite" / "int8.tflite"
    file.parent.mkdir()
    file.write_bytes(b"x")
    monkeypatch.setattr(
        verify,
        "_run_in_a_fresh_process",
        lambda _, pictures: {
            "A2B/refused/int8": np.array("scale is 0"),
            "A2B/tflite/heatmap of float16": verify._run(generator, pictures["A2B"])["heatmap"],
        },
    )
    assert check(folder, generator, "tflite") == []
    assert not file.exists()
    message = "Left out A2B/tflite/int8.tflite: 8 bits cannot represent these weights (scale is 0)."
    assert message in caplog.text


def test_the_table_has_a_line_a_file():
    rows = [Measurement("A2B", "int8", 1234567, 0.12345, 3, 4.56), Measurement("B2A", "float32", 9, 0, 0, 10)]
    head, *lines = verify.table(rows).split("\n")
    assert head.split() == ["direction", "TFLite", "bytes", "mean", "diff", "max", "diff", "ms/image"]
    assert [line.split() for line in lines] == [
        ["A2B", "int8", "1234567", "0.123", "3", "4.6"],
        ["B2A", "float32", "9", "0.000", "0", "10.0"],
    ]
