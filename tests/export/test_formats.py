import dataclasses
import json

from ugatit_tf.export import formats, huggingface, model_card, tflite, web
from ugatit_tf.phases import export


def test_the_table_has_what_the_flag_takes():
    assert (*formats.FORMATS, web.NAME, huggingface.NAME) == export.FORMATS
    assert list(tflite.SIGNATURES) == list(tflite.VARIANTS)


def test_the_card_and_the_signature_tell_sizes_and_steps(tiny_config, tmp_path):
    model_card.write(tmp_path, "B2A", 1234, tiny_config, tuple(formats.FORMATS))
    card = (tmp_path / "README.md").read_text()
    for part in (
        "demo, B to A",
        "1234 steps",
        "32 x 32, RGB",
        "licence",
        "ch 2",
        "translate_uint8",
        "generator.keras",
        "generator.onnx",
    ):
        assert part in card
    signature = json.loads((tmp_path / "signature.json").read_text())
    assert signature["direction"] == "B2A"
    assert signature["input"] == {"crop": "center", "face_margin": 0.5, "content_share": 0.8, "background": "keep"}
    heatmap = signature["formats"]["saved_model"]["translate"]["outputs"]["heatmap"]
    assert heatmap.startswith("float32 [B, 8, 8]")
    for text in (card, json.dumps(signature)):
        assert "{size}" not in text
        assert "{channels}" not in text
        assert str(tmp_path) not in text


def test_the_card_and_the_signature_tell_how_pictures_become_squares(tiny_config, tmp_path):
    config = dataclasses.replace(tiny_config, crop_A="face", face_margin=0.25, background_A="white", crop_B="content")
    model_card.write(tmp_path, "A2B", 1, config, ("keras",))
    own = {"crop": "face", "face_margin": 0.25, "content_share": 0.8, "background": "white"}
    assert json.loads((tmp_path / "signature.json").read_text())["input"] == own
    expected = "A: cropped by `face` with margin 0.25, on the background white; B: cropped by `content` |"
    assert expected in (tmp_path / "README.md").read_text()


def test_only_what_was_exported_is_described(tiny_config, tmp_path):
    model_card.write(tmp_path, "A2B", 1, tiny_config, ("keras",))
    assert "tflite" not in (tmp_path / "README.md").read_text()
    assert list(json.loads((tmp_path / "signature.json").read_text())["formats"]) == ["keras"]


def test_a_file_that_was_left_out_is_named_nowhere(tiny_config, tmp_path):
    (tmp_path / "tflite").mkdir()
    for name in ("float32", "float16", "attention", "dynamic"):
        (tmp_path / "tflite" / f"{name}.tflite").touch()
    model_card.write(tmp_path, "A2B", 1, tiny_config, ("tflite",))
    described = json.loads((tmp_path / "signature.json").read_text())["formats"]["tflite"]
    assert list(described) == ["float32", "float16", "attention", "dynamic"]
    usage = (tmp_path / "README.md").read_text().partition("## How to load it")[2].partition("```python")[0]
    assert "- `dynamic`: uint8 [1, 32, 32, 3], 0..255, in and out" in usage
    assert "`int8`" not in usage
