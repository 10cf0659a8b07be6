"""Activations: functions of one array, most of them element by element.

Each is compiled (eager JAX spends most of its time on functions with a gradient rule of their own, such as `relu`), takes
Variables and symbolic tensors too, and is known by its name.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp

from lamina.core import config
from lamina.core.graph import op
from lamina.core.registry import also_known, open_table
from lamina.ops.activation_rules import gelu as gelu_of

__all__ = [
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

Array = jax.Array
F = TypeVar("F", bound=Callable[..., Any])

_table = open_table("activations")


def activation(*static: str) -> Callable[[F], F]:
    """Compiles a function of arrays, lets it take lists, Variables and symbolic tensors, and makes its name known.

    Args:
        static: the options that decide what is compiled; the others may be arrays.
    """

    def decorate(function: F) -> F:
        compiled = jax.jit(function, static_argnames=static, inline=True)

        @functools.wraps(function)
        def call(x: Any, *args: Any, **kwargs: Any) -> Any:
            return compiled(jnp.asarray(x) if isinstance(x, (list, tuple)) else x, *args, **kwargs)

        return cast(F, _name(op(call)))

    return decorate


def _name(function: F) -> F:
    """Enters a function in the table of names."""
    _table.add_own(function, function.__name__)
    return function


# --- straight lines --------------------------------------------------------------------------------------------------


@_name
def linear(x: Array) -> Array:
    """Returns the input itself: f(x) = x."""
    return x


@activation("negative_slope", "max_value", "threshold")
def relu(x: Array, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """Rectified linear unit: f(x) = max(x, 0) (Nair and Hinton, 2010).

    With options: min(x, max_value) where x > threshold, else negative_slope · (x - threshold). Its gradient at 0 is 0.

    Args:
        x: an array.
        negative_slope: the slope below the threshold. Default 0.
        max_value: the greatest value, or None (default) for no bound.
        threshold: where it starts to pass values on. Default 0.

    >>> print(relu(jnp.array([-2.0, 0.0, 3.0])))
    [0. 0. 3.]
    >>> print(relu([-2.0, 4.0, 9.0], negative_slope=0.5, max_value=6, threshold=1))
    [-1.5  4.   6. ]
    """
    above = jax.nn.relu(x) if threshold == 0 else jnp.where(x > threshold, x, 0)
    if max_value is not None:
        above = jnp.clip(above, 0, max_value)
    return above if negative_slope == 0 else above - negative_slope * jax.nn.relu(threshold - x)


@activation()
def relu6(x: Array) -> Array:
    """Rectified linear unit up to six: f(x) = min(max(x, 0), 6) (Krizhevsky, 2010).

    >>> print(relu6([-1.0, 5.0, 7.0]))
    [0. 5. 6.]
    """
    return jax.nn.relu6(x)


@activation()
def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    """Leaky rectified linear unit: f(x) = x where x ≥ 0, else negative_slope · x (Maas et al., 2013).

    >>> print(leaky_relu([-1.0, 5.0]))
    [-0.2  5. ]
    """
    return jax.nn.leaky_relu(x, negative_slope)


@activation()
def hard_sigmoid(x: Array) -> Array:
    """A sigmoid of straight lines: f(x) = min(max(x / 6 + 1/2, 0), 1) (Courbariaux et al., 2015).

    >>> print(hard_sigmoid([-3.0, 0.0, 3.0]))
    [0.  0.5 1. ]
    """
    return jax.nn.hard_sigmoid(x)


@activation()
def hard_silu(x: Array) -> Array:
    """The product of x and its hard sigmoid, also called hard swish: f(x) = x · hard_sigmoid(x) (Howard et al., 2019).

    >>> print(hard_silu([-3.0, 1.5, 3.0]))
    [-0.     1.125  3.   ]
    """
    return jax.nn.hard_silu(x)


@activation()
def hard_tanh(x: Array) -> Array:
    """A tanh of straight lines: f(x) = min(max(x, -1), 1) (Collobert, 2004).

    >>> print(hard_tanh([-2.0, 0.5, 2.0]))
    [-1.   0.5  1. ]
    """
    return jax.nn.hard_tanh(x)


@activation()
def hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    """Zero near zero: f(x) = x where |x| > threshold, else 0.

    >>> print(hard_shrink([-1.0, 0.3, 1.0]))
    [-1.  0.  1.]
    """
    return jnp.where(jnp.abs(x) > threshold, x, 0)


@activation()
def soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    """Zero near zero, without a jump: f(x) = sign(x) · max(|x| - threshold, 0) (Donoho, 1995).

    >>> print(soft_shrink([-1.5, 0.25, 1.0]))
    [-1.   0.   0.5]
    """
    return jnp.where(x > threshold, x - threshold, jnp.where(x < -threshold, x + threshold, 0))


@activation()
def threshold(x: Array, threshold: float, default_value: float) -> Array:
    """One value for all that is not above a bound: f(x) = x where x > threshold, else default_value.

    >>> print(threshold([-1.0, 0.5, 2.0], 1.0, 0.25))
    [0.25 0.25 2.  ]
    """
    return jnp.where(x > threshold, x, default_value)


@activation()
def sparse_plus(x: Array) -> Array:
    """A softplus that ends: f(x) = 0 where x ≤ -1, (x + 1)² / 4 where -1 < x < 1, else x.

    >>> print(sparse_plus([-2.0, 0.0, 2.0]))
    [0.   0.25 2.  ]
    """
    return jax.nn.sparse_plus(x)


@activation()
def sparse_sigmoid(x: Array) -> Array:
    """The derivative of `sparse_plus`: f(x) = min(max((x + 1) / 2, 0), 1) (Blondel et al., 2019).

    >>> print(sparse_sigmoid([-2.0, 0.0, 2.0]))
    [0.  0.5 1. ]
    """
    return jax.nn.sparse_sigmoid(x)


# --- smooth curves ---------------------------------------------------------------------------------------------------


@activation()
def elu(x: Array, alpha: float = 1.0) -> Array:
    """Exponential linear unit: f(x) = x where x > 0, else alpha · (eˣ - 1) (Clevert et al., 2016).

    >>> print(f"{elu(-1.0):.3f}")
    -0.632
    """
    return jax.nn.elu(x, alpha)


@activation()
def celu(x: Array, alpha: float = 1.0) -> Array:
    """Exponential linear unit of slope one at zero: f(x) = max(x, 0) + alpha · (e^(min(x, 0) / alpha) - 1) (Barron, 2017).

    >>> print(f"{celu(-1.0, alpha=0.5):.3f}")
    -0.432
    """
    return jax.nn.celu(x, alpha)


@activation()
def selu(x: Array) -> Array:
    """Scaled exponential linear unit: f(x) = 1.0507 · elu(x, 1.6733) (Klambauer et al., 2017).

    With the initializer `LecunNormal` it keeps the mean and variance of what passes through a network.

    >>> print(f"{selu(-1.0):.3f}")
    -1.111
    """
    return jax.nn.selu(x)


@activation()
def exponential(x: Array) -> Array:
    """The exponential function: f(x) = eˣ.

    >>> print(f"{exponential(1.0):.3f}")
    2.718
    """
    return jnp.exp(x)


@activation()
def sigmoid(x: Array) -> Array:
    """The logistic function: f(x) = 1 / (1 + e⁻ˣ).

    >>> print(f"{sigmoid(2.0):.3f}")
    0.881
    """
    return jax.nn.sigmoid(x)


@activation()
def log_sigmoid(x: Array) -> Array:
    """The logarithm of the logistic function: f(x) = -ln(1 + e⁻ˣ).

    >>> print(f"{log_sigmoid(-100.0):.3f}")
    -100.000
    """
    return jax.nn.log_sigmoid(x)


@activation()
def silu(x: Array) -> Array:
    """The product of x and its sigmoid, also called swish: f(x) = x · sigmoid(x) (Ramachandran et al., 2017).

    >>> print(f"{silu(2.0):.3f}")
    1.762
    """
    return jax.nn.silu(x)


@activation("approximate")
def gelu(x: Array, approximate: bool = False) -> Array:
    """Gaussian error linear unit: f(x) = x · Φ(x), with Φ(x) = (1 + erf(x / √2)) / 2 (Hendrycks and Gimpel, 2016).

    Args:
        x: an array.
        approximate: whether to take Φ(x) ≈ (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2. Default False.

    >>> print(f"{gelu(2.0):.3f}")
    1.954
    """
    return gelu_of(x, approximate)


@activation()
def mish(x: Array) -> Array:
    """f(x) = x · tanh(softplus(x)) (Misra, 2019).

    >>> print(f"{mish(2.0):.3f}")
    1.944
    """
    return jax.nn.mish(x)


@activation()
def softplus(x: Array) -> Array:
    """A smooth rectifier: f(x) = ln(1 + eˣ) (Dugas et al., 2001).

    >>> print(f"{softplus(100.0):.3f}")
    100.000
    """
    return jax.nn.softplus(x)


@activation()
def squareplus(x: Array, b: float = 4) -> Array:
    """A smooth rectifier without exponentials: f(x) = (x + √(x² + b)) / 2 (Barron, 2021).

    >>> print(squareplus([0.0, 1.5]))
    [1. 2.]
    """
    return jax.nn.squareplus(x, b)


@activation()
def softsign(x: Array) -> Array:
    """f(x) = x / (1 + |x|) (Bergstra et al., 2009).

    >>> print(softsign([-1.0, 3.0]))
    [-0.5   0.75]
    """
    return jax.nn.soft_sign(x)


@activation()
def tanh(x: Array) -> Array:
    """The hyperbolic tangent: f(x) = (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ).

    >>> print(f"{tanh(1.0):.3f}")
    0.762
    """
    return jnp.tanh(x)


@activation()
def tanh_shrink(x: Array) -> Array:
    """f(x) = x - tanh(x).

    >>> print(f"{tanh_shrink(1.0):.3f}")
    0.238
    """
    return x - jnp.tanh(x)


# --- along an axis ---------------------------------------------------------------------------------------------------


@activation("axis")
def softmax(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    """Positive numbers that add up to one: f(x)ᵢ = e^xᵢ / Σⱼ e^xⱼ.

    Args:
        x: logits.
        axis: the axis or axes to add up along. Default the last.

    >>> print(softmax([1.0, 1.0]), softmax([0.0, 100.0]))
    [0.5 0.5] [0. 1.]
    """
    return jax.nn.softmax(x, axis)


@activation("axis")
def log_softmax(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    """The logarithm of `softmax`: f(x)ᵢ = xᵢ - ln Σⱼ e^xⱼ.

    Args:
        x: logits.
        axis: the axis or axes to add up along. Default the last.

    >>> print(log_softmax([0.0, 100.0]))
    [-100.    0.]
    """
    return jax.nn.log_softmax(x, axis)


@activation("axis")
def sparsemax(x: Array, axis: int = -1) -> Array:
    """The probabilities nearest to x, many of them zero: f(x)ᵢ = max(xᵢ - τ, 0) (Martins and Astudillo, 2016).

    τ, which makes them add up to one, is the greatest (s₁ + … + sₖ - 1) / k of all k, where s is x in descending order.

    Args:
        x: logits.
        axis: the axis to add up along. Default the last.

    >>> print(sparsemax([1.0, 0.5, -1.0]))
    [0.75 0.25 0.  ]
    """
    # The greatest logit as zero: then rounding of the sums does not grow with the logits.
    x = x - jax.lax.stop_gradient(jnp.max(x, axis=axis, keepdims=True))
    descending = jnp.sort(jnp.moveaxis(x, axis, -1), descending=True)
    counts = jnp.arange(1, x.shape[axis] + 1)
    tau = jnp.max((jnp.cumsum(descending, axis=-1) - 1) / counts, axis=-1)
    return jax.nn.relu(x - jnp.expand_dims(tau, axis))


@activation("axis")
def glu(x: Array, axis: int = -1) -> Array:
    """Gated linear unit: f(x) = a · sigmoid(b), where a and b are the halves of x (Dauphin et al., 2017).

    Args:
        x: an array.
        axis: the axis to halve. Default the last.

    Raises:
        ValueError: if the size of the axis is odd.

    >>> print(glu([2.0, 0.0]))
    [1.]
    """
    if x.shape[axis] % 2:
        raise ValueError(f"glu halves the axis {axis}, so its size must be even; it was given an array of shape {x.shape}.")
    return jax.nn.glu(x, axis)


# --- names -----------------------------------------------------------------------------------------------------------

swish, hard_swish = silu, hard_silu
_table.add_aliases({"swish": silu, "hard_swish": hard_silu})

# doctest does not find functions that are wrapped elsewhere, as these are in core/graph.py, unless they are named here.
__test__ = {name: function for name, function in _table.own().items() if name == function.__name__ != "linear"}


def get(identifier: Any) -> Callable[..., Array]:
    """Returns the function that a user's argument means.

    Args:
        identifier: None (linear), a name, the config of a layer, or any function of an array.

    Raises:
        ValueError: for a name that nothing has, with the nearest known one, or that several have.
        TypeError: for what is none of the above.

    >>> get("relu") is relu and get(None) is linear and get(jnp.sin) is jnp.sin
    True
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        named = _table.find(identifier, "activation")
        found: Callable[..., Array] = named() if isinstance(named, type) else named
        return found
    found = config.deserialize(identifier)
    if not callable(found):
        raise TypeError(f"An activation must be a name or a function, not {identifier!r}.")
    return found


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns what `serialize` was given, made anew; whatever `get` takes serves too.

    Args:
        config: what `serialize` returned.
        custom_objects: classes and functions of one's own, by the names that the config has for them.
    """
    with also_known(custom_objects):
        return get(config)


def is_own(function: Any) -> bool:
    """Tells whether a function is one of these, which have no state."""
    return function in _table


def serialize(function: Callable[..., Any]) -> Any:
    """Returns what `get` makes the function of again: its name, or the config of a layer.

    Raises:
        ValueError: for a function that is not known by a name.

    >>> serialize(swish)
    'silu'
    """
    value = config.serialize(function)
    if callable(value):
        raise ValueError(
            f"{function!r} has no name that Lamina knows. Use a function of lamina.activations, or a layer with a config."
        )
    return value
