import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.networks.discriminator import Discriminator
from ugatit_tf.networks.generator import Generator
from ugatit_tf.ops.precision import compute_dtype, current_compute_dtype, to_compute_dtype, to_float32

# What may be done in the compute dtype: a convolution, its bias, its padding and cropping, its division by a norm.
LOW_PRECISION = {"Cast", "Conv2D", "Conv2DBackpropInput", "BiasAdd", "AddV2", "MirrorPad", "Slice", "RealDiv"}
LOW_PRECISION |= {"ReadVariableOp", "Identity", "Const", "Pad", "ConcatV2", "DepthToSpace"}


def make(kind, **kwargs):
    keras.utils.set_random_seed(0)
    network = kind(ch=4, **kwargs)
    network.build((None, 32, 32, 3))
    rng = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(rng.normal(scale=0.2, size=variable.shape))
    return network


NETWORKS = {
    "light": lambda: make(Generator, n_res=1, light=True),
    "full": lambda: make(Generator, n_res=1),
    "discriminator": lambda: make(Discriminator, n_dis=4),
}


def test_the_compute_dtype_holds_inside_its_block():
    x = tf.constant([1.0 + 2**-10])
    assert to_compute_dtype(x).dtype == tf.float32
    with compute_dtype("bfloat16"):
        assert current_compute_dtype() == "bfloat16"
        assert float(to_float32(to_compute_dtype(x))[0]) == 1.0  # bfloat16 has 8 bits
    with pytest.raises(KeyError), compute_dtype("float16"):
        raise KeyError
    assert current_compute_dtype() == "float32"


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.low_precision
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_convolutions_alone_are_of_low_precision_and_results_close(network, precision):
    images = tf.constant(np.random.default_rng(1).uniform(-1, 1, (2, 32, 32, 3)), tf.float32)
    network = NETWORKS[network]()
    expected = keras.tree.flatten(network(images))
    network.precision = precision
    run = tf.function(network, autograph=False).get_concrete_function(images)
    for actual, output in zip(keras.tree.flatten(run(images)), expected, strict=True):
        assert actual.dtype == tf.float32
        assert np.abs(actual - output).max() <= 0.05 * np.abs(output).max()
        assert np.abs(actual - output).max() > 0
    operations = run.graph.get_operations()
    types = {o.type for o in operations if any(t.dtype == precision for t in o.outputs)}
    assert types <= LOW_PRECISION
    assert all(o.inputs[1].dtype == precision for o in operations if o.type.startswith("Conv2D"))
    assert all(variable.dtype == "float32" for variable in network.variables)


def test_recomputed_blocks_compute_in_it_too():
    images = tf.zeros((1, 32, 32, 3))
    network = make(Generator, n_res=1, light=True)
    network.precision, network.recompute = "bfloat16", True

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(images).image)
        return tape.gradient(loss, [v.value for v in network.trainable_variables])

    convolutions = [o for o in gradients.get_concrete_function().graph.get_operations() if o.type == "Conv2D"]
    assert len(convolutions) > 10
    assert {o.inputs[0].dtype for o in convolutions} == {tf.bfloat16}
