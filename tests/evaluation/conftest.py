import io
import tarfile

import numpy as np
import pytest
import tensorflow as tf

ATTRIBUTE = tf.compat.v1.AttrValue
FLOAT = ATTRIBUTE(type=tf.float32.as_datatype_enum)


class GraphMaker:
    """Builds a frozen graph with the names of the 2015 Inception graph, node by node, as TensorFlow 0.6 wrote it."""

    def __init__(self):
        self.graph = tf.compat.v1.GraphDef()
        self.graph.versions.producer = 8  # before 9, which took the norm away

    def add(self, name, op, inputs=(), **attributes):
        node = self.graph.node.add(name=name, op=op, input=inputs)
        for key, value in attributes.items():
            node.attr[key].CopyFrom(value)
        return name

    def constant(self, name, value):
        kind = ATTRIBUTE(type=tf.as_dtype(value.dtype).as_datatype_enum)
        return self.add(name, "Const", dtype=kind, value=ATTRIBUTE(tensor=tf.make_tensor_proto(value)))

    def convolution(self, name, source, kernel, stride=8):
        steps = ATTRIBUTE(list=ATTRIBUTE.ListValue(i=[1, stride, stride, 1]))
        kernel = self.constant(f"{name}/conv2d_params", kernel.astype(np.float32))
        return self.add(
            f"{name}/Conv2D", "Conv2D", [source, kernel], T=FLOAT, strides=steps, padding=ATTRIBUTE(s=b"SAME")
        )

    def norm(self, name, source, count):
        moments = [self.constant(f"{name}/{part}", np.full(count, value, np.float32)) for part, value in NORM.items()]
        options = {"variance_epsilon": ATTRIBUTE(f=0.001), "scale_after_normalization": ATTRIBUTE(b=True)}
        return self.add(f"{name}/batchnorm", "BatchNormWithGlobalNormalization", [source, *moments], T=FLOAT, **options)

    def pool(self, name, source):
        axes = self.constant(f"{name}/axes", np.array([1, 2], np.int32))
        kind = ATTRIBUTE(type=tf.int32.as_datatype_enum)
        return self.add(name, "Mean", [source, axes], T=FLOAT, Tidx=kind, keep_dims=ATTRIBUTE(b=True))


NORM = {"moving_mean": 0.5, "moving_variance": 4.0, "beta": 0.25, "gamma": 2.0}


def inception_graph(seed=0, count=6, image_input=False, kernel=3):
    """A small graph of the input and output names of Inception, with its preprocessing (or `Mul` as the input)."""
    made, rng = GraphMaker(), np.random.default_rng(seed)
    if image_input:
        source = made.add("Mul", "Placeholder", dtype=FLOAT)
    else:
        source = made.add("ExpandDims", "Placeholder", dtype=FLOAT)
        size = made.constant("ResizeBilinear/size", np.array([299, 299], np.int32))
        source = made.add("ResizeBilinear", "ResizeBilinear", [source, size], T=FLOAT)
        source = made.add("Sub", "Sub", [source, made.constant("Sub/y", np.float32(128))], T=FLOAT)
        source = made.add("Mul", "Mul", [source, made.constant("Mul/y", np.float32(1 / 128))], T=FLOAT)
    one = made.convolution("conv", source, rng.normal(size=(9, 9, 3, 6)))
    one = made.add("conv", "Relu", [made.norm("conv", one, 6)], T=FLOAT)
    two = [made.convolution(f"mixed/tower{i}", one, rng.normal(size=(kernel, kernel, 6, count)), 2) for i in range(2)]
    made.pool("pool_3", made.add("mixed/join", "AddN", two, T=FLOAT, N=ATTRIBUTE(i=2)))
    made.add("softmax", "Softmax", ["pool_3"], T=FLOAT)
    return made.graph


@pytest.fixture(scope="session")
def inception():
    return inception_graph()


@pytest.fixture(scope="session")
def inception_file(inception, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "small.pb"
    path.write_bytes(inception.SerializeToString())
    return path


def archive_of(graph):
    """The bytes of an archive as the downloaded one is: a graph among other files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in {"README": b"hello", "classify_image_graph_def.pb": graph.SerializeToString()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()
