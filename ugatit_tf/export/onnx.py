"""A generator as an ONNX file: any number of images of one size, and plain operations that every runtime has.

The graph is written layer by layer. tf2onnx takes more than 20 GB for the full network, and writes operations that not
every runtime has.
"""

from pathlib import Path

from ugatit_tf.export.saved_model import SIGNATURES
from ugatit_tf.networks.generator import DOWNSAMPLING, Generator

FILE = "generator.onnx"
SIGNATURE = SIGNATURES["translate"]

_OPSET, _IR_VERSION = 17, 8  # of 2022: later ones would shut out runtimes, for nothing that is needed here
_LARGEST = 2_000_000_000  # bytes of weights in the file itself; the format ends at 2 GiB


def write(generator: Generator, size: int, folder: Path) -> None:
    """Writes `<folder>/generator.onnx`, and beside it `generator.onnx.data` where the weights have more than 2 GB.

    Args:
        generator: built; of `img_ch` 1, 3 or 4.
        size: side of its images, in pixels.
        folder: exists.
    """
    import onnx
    from onnx import TensorProto, helper

    from ugatit_tf.export.onnx_graph import GeneratorGraph

    def described(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    graph, side = GeneratorGraph(generator, size), size // DOWNSAMPLING
    image, cam_logits, heatmap = graph.outputs
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "U-GAT-IT generator",
            [described("images", size, size, generator.img_ch)],
            [
                described(image, size, size, generator.img_ch),
                described(cam_logits, 2),
                described(heatmap, side, side),
            ],
            list(graph.weights.values()),
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="ugatit_tf",
    )
    large = sum(len(tensor.raw_data) for tensor in graph.weights.values()) > _LARGEST
    onnx.save(model, folder / FILE, save_as_external_data=large, location=f"{FILE}.data")
