"""Neural networks: activations and encodings; and, from modules of their own, attention, convolution, pooling and the others."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.ops.activation_rules import gelu as gelu_of
from lamina.ops.attention import dot_product_attention
from lamina.ops.convolution import (
    conv,
    conv_transpose,
    depth_to_space,
    depthwise_conv,
    fold,
    separable_conv,
    space_to_depth,
    unfold,
)
from lamina.ops.crossentropy import binary_crossentropy, categorical_crossentropy, sparse_categorical_crossentropy
from lamina.ops.ctc import ctc_decode, ctc_loss
from lamina.ops.normalization import batch_normalization, layer_normalization, moments, normalize, rms_normalization
from lamina.ops.pooling import adaptive_average_pool, adaptive_max_pool, average_pool, max_pool
from lamina.ops.wrap import binary, compiled, unary

# fmt: off
__all__ = [
    "adaptive_average_pool", "adaptive_max_pool", "average_pool", "batch_normalization", "binary_crossentropy",
    "categorical_crossentropy", "celu", "conv", "conv_transpose", "ctc_decode", "ctc_loss", "depth_to_space", "depthwise_conv",
    "dot_product_attention", "elu", "fold", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "layer_normalization", "leaky_relu", "log_sigmoid", "log_softmax", "max_pool", "moments", "multi_hot",
    "normalize", "one_hot", "polar", "psnr", "relu", "relu6", "rms_normalization", "selu", "separable_conv", "sigmoid", "silu",
    "soft_shrink", "softmax", "softplus", "softsign", "space_to_depth", "sparse_categorical_crossentropy", "sparse_plus",
    "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh_shrink", "threshold", "unfold",
]
# fmt: on

# --- activations -----------------------------------------------------------------------------------------------------

# Those compiled here have a gradient rule of their own, which costs 60 µs a call where it is not compiled.
celu = unary(jax.nn.celu)
elu = unary(jax.nn.elu)
glu = unary(jax.nn.glu)
hard_sigmoid = unary(jax.nn.hard_sigmoid)
hard_silu = unary(jax.nn.hard_silu)
hard_swish = hard_silu
hard_tanh = unary(jax.nn.hard_tanh)
log_sigmoid = unary(jax.nn.log_sigmoid)
log_softmax = unary(jax.nn.log_softmax)
relu = unary(compiled()(jax.nn.relu))
relu6 = unary(compiled()(jax.nn.relu6))
selu = unary(jax.nn.selu)
sigmoid = unary(jax.nn.sigmoid)
silu = unary(jax.nn.silu)
softmax = unary(compiled("axis")(jax.nn.softmax))
softplus = unary(jax.nn.softplus)
softsign = unary(jax.nn.soft_sign)
sparse_plus = unary(jax.nn.sparse_plus)
sparse_sigmoid = unary(jax.nn.sparse_sigmoid)
squareplus = unary(jax.nn.squareplus)
swish = silu


@unary
@compiled("approximate")
def gelu(x: Any, approximate: bool = True) -> Array:
    """Returns x · Φ(x), with Φ the normal distribution's, or by default an approximation of it (Hendrycks and Gimpel, 2016)."""
    return gelu_of(x, approximate)


@unary
def leaky_relu(x: Any, negative_slope: Any = 0.2) -> Array:
    """Returns x where it is positive, negative_slope · x elsewhere (Maas et al., 2013)."""
    return jax.nn.leaky_relu(x, negative_slope)


@unary
@compiled()
def hard_shrink(x: Any, threshold: Any = 0.5) -> Array:
    """Returns x where |x| > threshold, 0 elsewhere."""
    return jnp.where(jnp.abs(x) > threshold, x, 0)


@unary
@compiled()
def soft_shrink(x: Any, threshold: Any = 0.5) -> Array:
    """Returns x brought nearer to 0 by `threshold`, and 0 where it would cross it."""
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - threshold, 0)


@unary
@compiled()
def tanh_shrink(x: Any) -> Array:
    """Returns x − tanh(x)."""
    shrunk: Array = x - jnp.tanh(x)
    return shrunk


@unary
@compiled()
def threshold(x: Any, threshold: Any, default_value: Any) -> Array:
    """Returns x where x > threshold, `default_value` elsewhere."""
    return jnp.where(x > threshold, x, default_value)


@unary
@compiled("axis")
def sparsemax(x: Any, axis: int = -1) -> Array:
    """Returns the probabilities nearest to x, many of them 0: max(x − τ, 0) with the τ that makes their sum 1.

    Source: Martins and Astudillo, From Softmax to Sparsemax, 2016.

    >>> print(lamina.ops.sparsemax([1.0, 0.5, -1.0]))
    [0.75 0.25 0.  ]
    """
    falling = jnp.sort(jnp.moveaxis(x, axis, -1), descending=True)
    # τ if the k largest are the support; the right one is the largest of them.
    excess = jnp.cumsum(falling, -1) - 1
    tau = jnp.max(excess / jnp.arange(1, falling.shape[-1] + 1), -1, keepdims=True)
    return jnp.maximum(x - jnp.moveaxis(tau, -1, axis), 0)


# --- encodings and measures ------------------------------------------------------------------------------------------


@unary
@compiled("num_classes", "axis", "dtype")
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None) -> Array:
    """Returns 1 at the position of each class number along a new axis, 0 elsewhere; all 0 for what is not a class.

    Args:
        x: class numbers from 0 to num_classes − 1.
        num_classes: the size of the new axis.
        axis: where it is in the result.
        dtype: of the result; float32 by default.

    >>> print(lamina.ops.one_hot([0, 2], 3))
    [[1. 0. 0.]
     [0. 0. 1.]]
    """
    return jax.nn.one_hot(_class_numbers(x), num_classes, dtype=dtype or jnp.float32, axis=axis)


@unary
@compiled("num_classes", "axis", "dtype")
def multi_hot(inputs: Any, num_classes: int, axis: int = -1, dtype: Any = None) -> Array:
    """Returns 1 at the position of each class number that a row has, 0 elsewhere.

    Args:
        inputs: class numbers of shape (n,), one row, or (rows, n, ...).
        num_classes: the size of the new axis, which stands in place of n.
        axis: where it is in the result.
        dtype: of the result; float32 by default.

    >>> print(lamina.ops.multi_hot([0, 2, 2], 4))
    [1. 0. 1. 0.]
    """
    hot = jax.nn.one_hot(_class_numbers(inputs), num_classes, dtype=dtype or jnp.float32)
    return jnp.moveaxis(jnp.max(hot, axis=min(1, inputs.ndim - 1)), -1, axis)


def _class_numbers(x: Array) -> Array:
    """Class numbers often come as floats, as labels read from a file do."""
    return x if jnp.issubdtype(x.dtype, jnp.integer) else x.astype(jnp.int32)


@binary
@compiled()
def polar(abs_: Any, angle: Any) -> Array:
    """Returns the complex numbers abs · e^(i·angle); angles in radians."""
    return jax.lax.complex(*jnp.broadcast_arrays(abs_ * jnp.cos(angle), abs_ * jnp.sin(angle)))


@binary
@compiled("max_val")
def psnr(x1: Any, x2: Any, max_val: float) -> Array:
    """Returns the peak signal-to-noise ratio in decibels: 20 · log10(max_val) − 10 · log10(mean((x1 − x2)²)).

    Args:
        x1: a signal.
        x2: another, of the same shape.
        max_val: the largest value that a signal can have.
    """
    if jnp.shape(x1) != jnp.shape(x2):
        raise ValueError(f"psnr needs signals of one shape, not {jnp.shape(x1)} and {jnp.shape(x2)}.")
    return 20 * math.log10(max_val) - 10 * jnp.log10(jnp.mean(jnp.square(x1 - x2)))
