import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.networks.generator import Generator
from ugatit_tf.networks.residual import ResidualBlock
from ugatit_tf.ops import recomputed


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("adaptive", [False, True])
def test_outputs_and_gradients_are_the_same(adaptive, eager):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    shapes = [(2, 8, 8, 4), *[(2, 1, 1, 4)] * (2 * adaptive)]
    inputs = [tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes]
    block = ResidualBlock(4, adaptive=adaptive)
    block.build(inputs[0].shape)
    sources = inputs + [variable.value for variable in block.trainable_variables]

    def run(call):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs = call(*inputs)
            loss = tf.reduce_sum(outputs**3)
        return outputs, tape.gradient(loss, sources)

    run = run if eager else tf.function(run, autograph=False)
    outputs, gradients = run(block)
    outputs_again, gradients_again = run(recomputed(block))
    # Two graphs, in which convolutions may be fused with other operations: a few roundings of float32 apart.
    np.testing.assert_allclose(outputs_again, outputs, rtol=1e-5, atol=1e-5)
    assert len(gradients) == len(sources) > 5
    for again, gradient in zip(gradients_again, gradients, strict=True):
        np.testing.assert_allclose(again, gradient, rtol=1e-4, atol=1e-4)


def test_the_gradients_graph_holds_the_convolutions_once_more():
    generator = Generator(ch=2, n_res=2, light=True)
    generator.build((None, 16, 16, 3))
    images = tf.zeros((1, 16, 16, 3))

    def convolutions(recompute):
        generator.recompute = recompute

        @tf.function(autograph=False)
        def gradients():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(generator(images).image)
            return tape.gradient(loss, [v.value for v in generator.trainable_variables])

        operations = gradients.get_concrete_function().graph.get_operations()
        return sum(operation.type == "Conv2D" for operation in operations)

    assert convolutions(recompute=True) - convolutions(recompute=False) == 2 * 2 * 2  # of 4 blocks, 2 each
