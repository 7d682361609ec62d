import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.data import demo, images
from ugatit_tf.networks.generator import Generator

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from ugatit_tf.export import onnx as onnx_export  # noqa: E402

# What small runtimes have.
PLAIN = {"Add", "Concat", "Conv", "Flatten", "Gemm", "InstanceNormalization", "Mul", "Pad", "Reciprocal", "ReduceMax"}
PLAIN |= {"ReduceMean", "ReduceSum", "Relu", "Resize", "Sqrt", "Sub", "Tanh", "Transpose", "Unsqueeze"}
PORT = {"smoothing": False, "cam_heads": 2, "unbiased": True}


def built(size=32, **options):
    generator = Generator(**({"ch": 2, "n_res": 1, "light": True} | options), name="generator_B")
    generator.build((None, size, size, generator.img_ch))
    rng = np.random.default_rng(0)
    for variable in generator.variables:
        uniform = variable.name == "rho"
        shape = variable.shape
        variable.assign(rng.uniform(0, 1, shape) if uniform else rng.normal(scale=0.4, size=shape))
    return generator


def run(folder, floats):
    session = onnxruntime.InferenceSession(str(folder / "generator.onnx"), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": floats}), strict=True))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"smoothing": False},
        {"n_res": 2, "ch": 4},
        {"light": False},
        {"light": False, "img_ch": 4, "size": 36},
        {"img_ch": 1, "size": 64},
        {"cam_heads": 2},
        {"unbiased": True},
        PORT,
        {"light": False} | PORT,
    ],
    ids=lambda options: " ".join(map(str, options)) or "defaults",
)
def test_onnxruntime_computes_what_the_generator_does(options, batch, tmp_path):
    generator, size = built(**options), options.get("size", 32)
    onnx_export.write(generator, size, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["generator.onnx"]
    pictures = np.stack([demo.draw("testA", index, size) for index in range(batch)])
    floats = images.to_float(pictures[..., :1].repeat(generator.img_ch, -1))
    image, cam_logits, heatmap = generator(tf.constant(floats))
    outputs = run(tmp_path, floats)
    assert set(outputs) == {"output", "cam_logits", "heatmap"}
    for name, expected in (("output", image), ("cam_logits", cam_logits), ("heatmap", heatmap)):
        assert outputs[name].dtype == np.float32
        assert outputs[name].shape == expected.shape
        np.testing.assert_allclose(outputs[name], expected, rtol=0, atol=1e-4 * np.abs(expected).max(), err_msg=name)
    assert np.abs(image).max() > 0.5


def test_the_file_is_valid_and_plain_and_says_what_goes_in_and_out(tmp_path):
    generator = built()
    onnx_export.write(generator, 32, tmp_path)
    model = onnx.load(tmp_path / "generator.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "images": ["batch", 32, 32, 3],
        "output": ["batch", 32, 32, 3],
        "cam_logits": ["batch", 2],
        "heatmap": ["batch", 8, 8],
    }
    assert {node.op_type for node in model.graph.node} <= PLAIN
    names = {tensor.name for tensor in model.graph.initializer}
    assert {"conv/kernel", "resblock_0/res1/instance_norm/gamma", "MLP/linear_0/kernel", "up_conv_1/bias"} <= names
    weights = sum(variable.shape.num_elements() for variable in generator.variables)
    constants = sum(np.prod(tensor.dims) for tensor in model.graph.initializer)
    assert constants < 1.1 * weights  # none is there twice


def test_large_weights_lie_beside_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "_LARGEST", 1000)
    generator = built(ch=8)
    onnx_export.write(generator, 32, tmp_path)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"generator.onnx", "generator.onnx.data"}
    assert sizes["generator.onnx.data"] > sizes["generator.onnx"]
    floats = images.to_float(np.stack([demo.draw("testA", 0, 32)]))
    np.testing.assert_allclose(run(tmp_path, floats)["output"], generator(floats).image, atol=1e-4)
