"""Writes a generator as an ONNX file: any number of images of one size, and plain operations that every runtime has.

The graph is written layer by layer, with features as `[B, C, H, W]`. The converter tf2onnx takes more than 20 GB for
the full network, and writes operations that not every runtime has.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ugatit_tf.networks.affine_mlp import AffineMLP
from ugatit_tf.networks.attention import CAM, AttentionConv2D
from ugatit_tf.networks.convolution import ReflectConv2D, UpsampleConv2D, reflect_padding
from ugatit_tf.networks.generator import DOWNSAMPLING, Generator, Translation
from ugatit_tf.networks.normalization import LIN, AdaLIN, InstanceNorm
from ugatit_tf.networks.residual import ConvNorm, ResidualBlock
from ugatit_tf.ops import NORM_EPSILON

_OPSET, _IR_VERSION = 17, 8  # from 2022: older runtimes read them, and the graph needs no later operation
_LARGEST = 2_000_000_000  # bytes of weights in the file itself; the format ends at 2 GiB
_PIXELS, _ALL = [2, 3], [1, 2, 3]  # the axes over which the statistics of a channel, and of a layer, are computed


def write(generator: Generator, size: int, folder: Path) -> None:
    """Writes `<folder>/generator.onnx`. Weights of more than 2 GB go to `generator.onnx.data` beside it."""

    def described(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    graph, side = _Graph(generator, size), size // DOWNSAMPLING
    image, cam_logits, heatmap = graph.outputs
    pixels = (size, size, generator.img_ch)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "U-GAT-IT generator",
            [described("images", *pixels)],
            [described(image, *pixels), described(cam_logits, 2), described(heatmap, side, side)],
            list(graph.weights.values()),
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="ugatit_tf",
    )
    large = sum(len(tensor.raw_data) for tensor in graph.weights.values()) > _LARGEST
    onnx.save(model, folder / "generator.onnx", save_as_external_data=large, location="generator.onnx.data")


class _Graph:
    """The nodes that compute a generator's outputs from the value `images`, `[B, size, size, img_ch]`.

    Attributes:
        nodes: the nodes in the order of computation.
        weights: the constants by name. The name of a weight is the path of the generator's variable.
        outputs: the names of the generator's outputs; `image` is `[B, size, size, img_ch]`.
    """

    def __init__(self, generator: Generator, size: int) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: dict[str, TensorProto] = {}
        self.outputs = self._translate(generator, size)

    def _translate(self, generator: Generator, size: int) -> Translation:
        x = self._node("Transpose", "images", perm=[0, 3, 1, 2])
        for conv, norm in generator.encoder:
            x = self._relu(self._instance_norm(norm, self._conv(conv, x)))
        for block in generator.bottleneck:
            x = self._residual(block, x)
        cam_logits = self._cam(generator.cam, x)
        x = self._relu(self._attention(generator.attention_conv, generator.cam, x))
        heatmap = self._node("ReduceSum", x, self._integers(1), keepdims=0, name="heatmap")

        side = size // DOWNSAMPLING
        affine = self._mlp(generator.mlp, x)
        for block in generator.adaptive_blocks:
            x = self._residual(block, x, *affine, side=side)
        for conv, norm in generator.decoder:
            side *= 2
            affine = (self._constant(_name(each), _of_channels(each)) for each in (norm.gamma, norm.beta))
            x = self._relu(self._mixed_norm(norm, self._upsample(conv, x), *affine, side=side))
        x = self._node("Tanh", self._conv(generator.to_image, x))
        image = self._node("Transpose", x, perm=[0, 2, 3, 1], name="output")
        return Translation(image, cam_logits, heatmap)

    def _conv(self, layer: ReflectConv2D, x: str) -> str:
        before, after = reflect_padding(layer.kernel_size, layer.strides, layer.padding)
        return self._convolve(layer, self._pad(x, before, after), strides=[layer.strides] * 2)

    def _upsample(self, layer: UpsampleConv2D, x: str) -> str:
        x = self._node(
            "Resize",
            x,
            "",
            self._constant("scales", [1, 1, 2, 2]),
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )
        return self._convolve(layer, self._pad(x, 1, 1))

    def _attention(self, layer: AttentionConv2D, cam: CAM, x: str) -> str:
        """Adds the convolution of the attended features; its kernel contains CAM's weights."""
        halves = np.split(_values(layer.kernel), 2, axis=2)
        weights = _values(cam.kernel) + _values(cam.bias)  # [C, 1] or [C, 2]
        kernel = halves[0] * weights[:, :1] + halves[1] * weights[:, -1:]
        return self._convolve(layer, x, kernel)

    def _convolve(self, layer: keras.layers.Layer, x: str, kernel: np.ndarray | None = None, **attributes: Any) -> str:
        kernel = _values(layer.kernel) if kernel is None else kernel
        weights = self._constant(_name(layer.kernel), kernel.transpose(3, 2, 0, 1))
        return self._node("Conv", x, weights, self._variable(layer.bias), **attributes)

    def _pad(self, x: str, before: int, after: int) -> str:
        return self._node("Pad", x, self._integers(0, 0, before, before, 0, 0, after, after), mode="reflect")

    def _residual(self, block: ResidualBlock, x: str, *affine: str, side: int = 0) -> str:
        y = self._relu(self._conv_norm(block.res1, x, *affine, side=side))
        return self._node("Add", x, self._conv_norm(block.res2, y, *affine, side=side))

    def _conv_norm(self, layer: ConvNorm, x: str, *affine: str, side: int) -> str:
        x = self._conv(layer.conv, x)
        if affine:
            return self._mixed_norm(layer.norm, x, *affine, side=side)
        return self._instance_norm(layer.norm, x)

    def _instance_norm(self, layer: InstanceNorm, x: str) -> str:
        gamma, beta = self._variable(layer.gamma), self._variable(layer.beta)
        return self._node("InstanceNormalization", x, gamma, beta, epsilon=NORM_EPSILON)

    def _mixed_norm(self, layer: AdaLIN | LIN, x: str, gamma: str, beta: str, *, side: int) -> str:
        """Adds `(rho * x_IN + (1 - rho) * x_LN) * gamma + beta`; gamma and beta: `[B, C, 1, 1]` or `[1, C, 1, 1]`."""
        name, rho, count = _name(layer.rho), _of_channels(layer.rho), side**2
        if isinstance(layer, AdaLIN) and layer.smoothing:
            rho = np.clip(rho - np.float32(0.1), 0, 1)
        mean = self._mean(x, _PIXELS)
        centred = self._node("Sub", x, mean)
        variance = self._mean(self._multiply(centred, centred), _PIXELS)
        off = self._node("Sub", mean, self._mean(mean, _ALL))  # the difference of each channel's mean from the layer's
        layer_variance = self._mean(self._node("Add", variance, self._multiply(off, off)), _ALL)
        instance = self._inverse_deviation(variance, count, layer.unbiased)
        layered = self._inverse_deviation(layer_variance, count * rho.size, layer.unbiased)
        instance = self._multiply(self._constant(name, rho), instance)
        layered = self._multiply(self._constant(f"{name}_of_layer", 1 - rho), layered)
        scale = self._multiply(gamma, self._node("Add", instance, layered))
        shift = self._node("Add", self._multiply(gamma, self._multiply(off, layered)), beta)
        return self._node("Add", self._multiply(centred, scale), shift)

    def _inverse_deviation(self, variance: str, count: int, unbiased: bool) -> str:
        """Adds the inverse standard deviation, from the biased variance of `count` values."""
        if unbiased:
            variance = self._multiply(variance, self._constant(f"of_{count}_values", count / (count - 1)))
        variance = self._node("Add", variance, self._constant("epsilon", NORM_EPSILON))
        return self._node("Reciprocal", self._node("Sqrt", variance))

    def _cam(self, layer: CAM, x: str) -> str:
        kernel, bias = _values(layer.kernel), _values(layer.bias)
        logits = []
        for pool, head in (("ReduceMean", 0), ("ReduceMax", layer.heads - 1)):
            weights = self._constant(f"{_name(layer.kernel)}_{head}", kernel[:, [head]])
            shift = self._constant(f"{_name(layer.bias)}_{head}", bias[[head]])
            logits.append(self._node("Gemm", self._node(pool, x, axes=_PIXELS, keepdims=0), weights, shift))
        return self._node("Concat", *logits, axis=1, name="cam_logits")

    def _mlp(self, layer: AffineMLP, x: str) -> tuple[str, str]:
        """Adds AdaLIN's gamma and beta, `[B, C, 1, 1]`."""
        if layer.light:
            x = self._node("ReduceMean", x, axes=_PIXELS, keepdims=0)
        else:
            x = self._node("Flatten", self._node("Transpose", x, perm=[0, 2, 3, 1]))
        for dense in (layer.linear_0, layer.linear_1):
            x = self._relu(self._dense(dense, x))
        gamma, beta = (self._dense(dense, x) for dense in (layer.gamma, layer.beta))
        return tuple(self._node("Unsqueeze", each, self._integers(*_PIXELS)) for each in (gamma, beta))

    def _dense(self, layer: keras.layers.Dense, x: str) -> str:
        return self._node("Gemm", x, self._variable(layer.kernel), self._variable(layer.bias))

    def _relu(self, x: str) -> str:
        return self._node("Relu", x)

    def _multiply(self, one: str, other: str) -> str:
        return self._node("Mul", one, other)

    def _mean(self, x: str, axes: list[int]) -> str:
        return self._node("ReduceMean", x, axes=axes)

    def _node(self, operation: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Adds a node with one output; returns their common name."""
        name = name or f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def _variable(self, variable: keras.Variable) -> str:
        return self._constant(_name(variable), _values(variable))

    def _integers(self, *values: int) -> str:
        return self._constant(f"integers_{'_'.join(map(str, values))}", values, np.int64)

    def _constant(self, name: str, values: Any, dtype: type = np.float32) -> str:
        """Adds a constant unless the graph has it already; returns its name."""
        if name not in self.weights:
            self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(values, dtype), name)
        return name


def _name(variable: keras.Variable) -> str:
    """Returns the path of a variable below its network."""
    return variable.path.partition("/")[2]


def _values(variable: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)


def _of_channels(variable: keras.Variable) -> np.ndarray:
    return _values(variable).reshape(1, -1, 1, 1)
