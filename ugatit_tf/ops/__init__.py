"""Numerics: operations that plain Keras operations could replace, at the cost of more time or memory.

Other rooms import from this module alone. They ask for a convolution; this room chooses its algorithm and its dtype.
"""

from ugatit_tf.ops.convolution import conv2d, upsample_conv2d
from ugatit_tf.ops.cpu import cpu_kernels, uses_cpu_kernels
from ugatit_tf.ops.keras_settings import check_keras_settings
from ugatit_tf.ops.large_dense import DenseCall, LargeDense, recorded_calls
from ugatit_tf.ops.normalization import NORM_EPSILON, instance_layer_norm, instance_norm
from ugatit_tf.ops.precision import compute_dtype
from ugatit_tf.ops.recompute import recomputed
from ugatit_tf.ops.spectral import SpectralNorm, spectral_norm
from ugatit_tf.ops.tracing import read, shared_call

__all__ = [
    "NORM_EPSILON",
    "DenseCall",
    "LargeDense",
    "SpectralNorm",
    "check_keras_settings",
    "compute_dtype",
    "conv2d",
    "cpu_kernels",
    "instance_layer_norm",
    "instance_norm",
    "read",
    "recomputed",
    "recorded_calls",
    "shared_call",
    "spectral_norm",
    "upsample_conv2d",
    "uses_cpu_kernels",
]
