import dataclasses
import re

import numpy as np
import pytest

from ugatit_tf.checkpoints.pytorch import reader
from ugatit_tf.checkpoints.pytorch import source as port
from ugatit_tf.checkpoints.pytorch.source import Source
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.training.networks import build_generator

NETWORK = {"ch": 2, "n_res": 1, "img_ch": 3, "light": True, "smoothing": False, "cam_heads": 2, "unbiased": True}


@pytest.fixture
def open_source(pytorch_port, tmp_path):
    """A source from a file of this content."""
    contexts = []

    def open_(content, name="params_0000007.pt"):
        path = pytorch_port.write(tmp_path / name, content)
        contexts.append(reader.opened(path))
        return Source(path, contexts[-1].__enter__())

    yield open_
    for context in contexts:
        context.__exit__(None, None, None)


def variables(config):
    return [variable for domain in "AB" for variable in build_generator(config, domain).variables]


def values_of(source, config):
    return {path: value.numpy() for path, value in source.values(config, variables(config)).items()}


@pytest.mark.parametrize(
    ("options", "flags", "expected"),
    [
        ({}, Config(img_size=64, n_dis=5), NETWORK | {"img_size": 64, "n_dis": 5}),
        ({"n_res": 3, "img_ch": 1, "ch": 3}, Config(), NETWORK | {"n_res": 3, "img_ch": 1, "ch": 3, "n_dis": 6}),
        ({"light": False, "size": 32}, Config(), NETWORK | {"light": False, "img_size": 32, "n_dis": 4}),
        ({}, Config(dataset="mine", gan_type="hinge"), NETWORK | {"dataset": "mine", "gan_type": "hinge"}),
    ],
)
def test_the_tensors_tell_the_network_and_flags_the_rest(open_source, pytorch_port, options, flags, expected):
    config, found = open_source(pytorch_port.content(**options)).read_config(flags)
    assert config == dataclasses.replace(flags, **expected)
    assert "smoothing False, cam_heads 2, unbiased True" in found


def test_the_file_name_tells_the_step(open_source, pytorch_port):
    content = pytorch_port.content()
    assert open_source(content).step == 7
    assert open_source(content, "selfie2anime_params_latest.pt").step is None


@pytest.mark.parametrize("flags", [{"ch": 3}, {"n_res": 2, "img_ch": 1}])
def test_contradictory_flags_are_named(open_source, pytorch_port, flags):
    source = open_source(pytorch_port.content())
    with pytest.raises(RunError) as error:
        source.read_config(Config(n_dis=4, **flags))
    assert all(f"--{name} is {value} but" in str(error.value) for name, value in flags.items())


@pytest.mark.parametrize("light", [True, False])
def test_every_parameter_is_in_its_place(open_source, pytorch_port, light):
    content = pytorch_port.content(ch=2, n_res=2, light=light, size=32)
    config = Config(ch=2, n_res=2, light=light, img_size=32, n_dis=4, smoothing=False, cam_heads=2, unbiased=True)
    values = values_of(open_source(content), config)
    theirs, ours = content["genA2B"], {path: value for path, value in values.items() if path.startswith("generator_B/")}
    assert len(ours) == len(values) / 2

    kernel = ours["generator_B/conv_1/kernel"]  # [height, width, in, out]
    assert kernel[2, 1, 3, 7] == theirs["DownBlock.9.weight"][7, 3, 2, 1]
    block = ours["generator_B/adaptive_resblock1/res2/conv_0/kernel"]
    assert block[0, 2, 5, 6] == theirs["UpBlock1_2.conv2.weight"][6, 5, 0, 2]
    assert (
        ours["generator_B/resblock_1/res2/conv_0/kernel"][0, 2, 5, 6]
        == (theirs["DownBlock.13.conv_block.5.weight"][6, 5, 0, 2])
    )
    np.testing.assert_array_equal(
        ours["generator_B/CAM_logit/kernel"], np.concatenate([theirs["gap_fc.weight"], theirs["gmp_fc.weight"]]).T
    )
    np.testing.assert_array_equal(ours["generator_B/MLP/gamma/kernel"], theirs["gamma.weight"].T)
    np.testing.assert_array_equal(ours["generator_B/conv_1x1/bias"], theirs["conv1x1.bias"])
    for name in ("rho", "gamma", "beta"):
        np.testing.assert_array_equal(
            ours[f"generator_B/layer_ins_norm_1/{name}"], theirs[f"UpBlock2.8.{name}"].ravel()
        )
    first = ours["generator_B/MLP/linear_0/kernel"]
    if light:
        np.testing.assert_array_equal(first, theirs["FC.0.weight"].T)
    else:  # 8 channels of 8 x 8: theirs are flattened [C, H, W], ours [H, W, C]
        channel, row, column = 3, 5, 6
        assert first[(row * 8 + column) * 8 + channel, 4] == theirs["FC.0.weight"][4, (channel * 8 + row) * 8 + column]
    for path, value in ours.items():
        constant = {"bias": 0, "beta": 0, "gamma": 1}.get(path.rpartition("/")[2])
        if "ins" in path and "layer" not in path or path.endswith("/bias") and "conv_1x1" not in path:
            np.testing.assert_array_equal(value, np.full(value.shape, constant), path)
        else:
            assert np.unique(value).size > 1, path
    assert not np.array_equal(values["generator_A/conv/kernel"], values["generator_B/conv/kernel"])


def test_the_table_is_of_every_parameter_once(pytorch_port):
    theirs = [name for name, _ in port._table(3)]
    assert sorted(theirs) == sorted(pytorch_port.generator(np.random.default_rng(0), n_res=3))
    ours = [name for _, name in port._table(3)]
    assert len(ours) - len(set(ours)) == 1  # CAM's kernel, of both heads
    assert not set(ours) & set(port._constants(3))


def without(name):
    return lambda content: content["genB2A"].pop(name)


def replaced(name, value, network="genB2A"):
    return lambda content: content[network].update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("genB2A"), "is another program's: it lacks UGATIT-pytorch's network genB2A"),
        (lambda content: content.update(epoch=3), "it has epoch, which is no network of UGATIT-pytorch's"),
        (lambda content: content.update(genB2A=[1]), "something else than tensors in genB2A"),
        (replaced("gap_fc.weight", 3), "something else than tensors in genB2A"),
        (without("gap_fc.weight"), "no gap_fc.weight in genB2A"),
        (without("DownBlock.12.conv_block.1.weight"), "no DownBlock.12.conv_block.1.weight in genB2A"),
        (lambda content: content["genA2B"].pop("DownBlock.1.weight"), "no DownBlock.1.weight in genA2B"),
        (lambda content: content["genA2B"].pop("FC.0.weight"), "no FC.0.weight in genA2B"),
        (replaced("extra.bias", np.zeros(2, "f4")), "extra.bias in genB2A, which this program's generator lacks"),
        (replaced("conv1x1.bias", np.zeros(8, "f8")), "conv1x1.bias in genB2A as float64, not float32"),
        (replaced("conv1x1.bias", np.zeros(9, "f4")), "conv1x1.bias with another shape in genB2A than in genA2B"),
        (
            replaced("DownBlock.1.weight", np.zeros((2, 0, 7, 7), "f4"), "genA2B"),
            "DownBlock.1.weight in genA2B with shape",
        ),
        (replaced("FC.0.weight", np.zeros((8, 8, 1), "f4"), "genA2B"), r"FC.0.weight in genA2B with shape [8, 8, 1]"),
        (replaced("FC.0.weight", np.zeros((8, 24), "f4"), "genA2B"), "FC.0.weight with 24 inputs"),
        (
            lambda content: [content[name].update({"gamma.weight": np.zeros((8, 9), "f4")}) for name in port._NETWORKS],
            "gamma.weight in genA2B with shape [9, 8] for generator_B/MLP/gamma/kernel, which has shape [8, 8]",
        ),
    ],
)
def test_what_does_not_fit_is_named(open_source, pytorch_port, change, message):
    content = pytorch_port.content()
    change(content)
    with pytest.raises(RunError, match=re.escape(message)):
        source = open_source(content)
        config, _ = source.read_config(Config(img_size=32, n_dis=4))
        source.values(config, variables(config))


def test_a_variable_of_ours_without_a_row_is_named(open_source, pytorch_port):
    source = open_source(pytorch_port.content())
    config, _ = source.read_config(Config(img_size=32, n_dis=4))
    with pytest.raises(ValueError, match="no fitting row for generator_B/conv/kernel"):
        source.values(config, [v for v in variables(config) if v.path != "generator_B/conv/kernel"])
