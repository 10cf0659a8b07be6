"""Activations with a derivative of their own."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.variable import Array


def gelu(x: Any, approximate: bool) -> Array:
    """Returns x · Φ(x), with Φ the normal distribution's; computed in at least float32.

    Φ(x) is (1 + erf(x / √2)) / 2, and x · Φ(x) so within 10⁻⁷ |x| of its value: below -5.5 it is 0 in float32.

    Args:
        x: an array.
        approximate: whether to take Φ(x) ≈ (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2.
    """
    x = jnp.asarray(x)
    dtype = x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.float32
    function = _by_tanh if approximate else _by_erf
    return function(x.astype(jnp.promote_types(dtype, jnp.float32))).astype(dtype)


Elementwise = Callable[[Array], Array]


def _with_slope(slope: Elementwise) -> Callable[[Elementwise], Elementwise]:
    """Gives an element-wise function a derivative that is computed from x alone.

    The barrier keeps XLA from sharing parts of it with the function: a shared part is an array as large as x, kept from the
    forward pass to the backward pass, and fetching it takes longer than computing it again.
    """

    def decorate(function: Elementwise) -> Elementwise:
        result = jax.custom_jvp(function)
        functools.update_wrapper(result, function)

        @result.defjvp
        def rule(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
            (x,), (dx,) = primals, tangents
            return result(x), slope(jax.lax.optimization_barrier(x)) * dx

        return result

    return decorate


def _slope_by_erf(x: Array) -> Array:
    return _normal(x) + x * jnp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


@_with_slope(_slope_by_erf)
def _by_erf(x: Array) -> Array:
    return x * _normal(x)


def _normal(x: Array) -> Array:
    return 0.5 * (1 + jax.lax.erf(x * math.sqrt(0.5)))


_STEEPNESS, _CUBIC = math.sqrt(2 / math.pi), 0.044715


def _slope_by_tanh(x: Array) -> Array:
    t = _bent(x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _STEEPNESS * (1 + 3 * _CUBIC * x * x)


@_with_slope(_slope_by_tanh)
def _by_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + _bent(x))


def _bent(x: Array) -> Array:
    return jnp.tanh(_STEEPNESS * (x + _CUBIC * x * x * x))
