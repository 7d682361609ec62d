import importlib
import inspect
import pkgutil

import keras
import pytest

from ugatit_tf import networks
from ugatit_tf.networks.affine_mlp import AffineMLP
from ugatit_tf.networks.attention import CAM, AttentionConv2D
from ugatit_tf.networks.convolution import ReflectConv2D, SpectralNormLayer, UpsampleConv2D
from ugatit_tf.networks.discriminator import Discriminator, PatchDiscriminator
from ugatit_tf.networks.generator import Generator
from ugatit_tf.networks.image_model import ImageModel
from ugatit_tf.networks.normalization import LIN, AdaLIN, InstanceNorm
from ugatit_tf.networks.residual import ConvNorm, FeatureLayer, ResidualBlock

FEATURES = (None, 8, 8, 4)
# Every layer of the package, with no argument at its default.
LAYERS = {
    ReflectConv2D: ({"filters": 3, "kernel_size": 4, "strides": 2, "padding": 1, "spectral_norm": True}, FEATURES),
    UpsampleConv2D: ({"filters": 3}, FEATURES),
    InstanceNorm: ({}, FEATURES),
    AdaLIN: ({"smoothing": False, "unbiased": True}, FEATURES),
    LIN: ({"unbiased": True}, FEATURES),
    CAM: ({"heads": 2, "spectral_norm": True}, FEATURES),
    AttentionConv2D: ({"filters": 3}, FEATURES),
    ConvNorm: ({"filters": 4, "adaptive": True, "smoothing": False, "unbiased": True}, FEATURES),
    ResidualBlock: ({"filters": 4, "adaptive": True, "smoothing": False, "unbiased": True}, FEATURES),
    AffineMLP: ({"units": 3, "light": True}, FEATURES),
    Generator: (
        {"ch": 2, "n_res": 1, "img_ch": 1, "light": True, "smoothing": False, "cam_heads": 2, "unbiased": True},
        (None, 32, 32, 1),
    ),
    PatchDiscriminator: ({"ch": 2, "n_layers": 2, "spectral_norm": False}, (None, 32, 32, 3)),
    Discriminator: ({"ch": 2, "n_dis": 4, "spectral_norm": False}, (None, 32, 32, 3)),
}


def test_the_table_of_layers_is_complete():
    names = [f"{networks.__name__}.{module.name}" for module in pkgutil.iter_modules(networks.__path__)]
    layers = {
        value
        for module in map(importlib.import_module, names)
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, keras.layers.Layer) and value.__module__ == module.__name__
    }
    assert layers - {SpectralNormLayer, FeatureLayer, ImageModel} == set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_a_layers_config_rebuilds_it(layer):
    arguments, input_shape = LAYERS[layer]
    common = inspect.signature(keras.layers.Layer).parameters
    assert set(arguments) == set(inspect.signature(layer).parameters) - set(common) - {"kwargs"}
    original = layer(**arguments, name="some_name")
    config = original.get_config()
    assert arguments.items() <= config.items()
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(original)).get_config() == config

    copy = layer.from_config(config)
    original.build(input_shape)
    copy.build(input_shape)
    assert [(v.path, v.shape, v.trainable) for v in copy.variables] == [
        (v.path, v.shape, v.trainable) for v in original.variables
    ]
    assert original.variables
