"""Constraints: what an optimizer does to a weight after each update, so that the weight stays where it should."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.config import Configurable, resolve
from lamina.core.config import serialize as serialize
from lamina.core.placement import copies_arguments
from lamina.core.registry import also_known, tables

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

Array = jax.Array
Axis = int | Sequence[int]

_EPSILON = 1e-7


class Constraint(Configurable, family="constraints"):
    """Makes an allowed weight of a weight. A subclass defines `__call__`.

    >>> class AtMostOne(Constraint):
    ...     def __call__(self, w):
    ...         return jnp.minimum(w, 1)
    >>> print(get("AtMostOne")(jnp.array([0.5, 2.0])))
    [0.5 1. ]
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in vars(cls):
            cls.__call__ = copies_arguments(cls.__call__)  # type: ignore[method-assign]

    def __call__(self, w: Array) -> Array:
        """Returns the weight nearest to `w`, an array or Variable, that is allowed, in the same shape."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, w) and return the new weight.")


class MaxNorm(Constraint):
    """Shortens vectors that are too long: w · min(‖w‖, max_value) / ‖w‖ (Srivastava et al., 2014).

    Args:
        max_value: the greatest length. Default 2.
        axis: the axis or axes along which a vector lies: 0 (default) for the kernel of a `Dense` layer, (inputs, units),
            or [0, 1, 2] for that of a `Conv2D` layer, (height, width, inputs, filters).

    Raises:
        ValueError: for a negative length.

    >>> print(MaxNorm(2)(jnp.array([[4.0, 0.0], [0.0, 1.0]])).round(2))
    [[2. 0.]
     [0. 1.]]
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        if max_value < 0:
            raise ValueError(f"max_value must not be negative, but it is {max_value}.")
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Array) -> Array:
        lengths = _lengths(w, self.axis)
        return jnp.asarray(w) * (jnp.minimum(lengths, self.max_value) / (_EPSILON + lengths))


class MinMaxNorm(Constraint):
    """Keeps the lengths of vectors between two bounds: w · ((1 - rate) ‖w‖ + rate · clip(‖w‖, min, max)) / ‖w‖.

    Args:
        min_value: the least length. Default 0.
        max_value: the greatest length. Default 1.
        rate: how far each step goes towards the allowed length: 1 (default) all the way.
        axis: the axis or axes along which a vector lies, as for `MaxNorm`. Default 0.

    Raises:
        ValueError: for bounds that are negative or in the wrong order, or a rate outside [0, 1].

    >>> print(MinMaxNorm(1, 2, rate=0.5)(jnp.array([4.0, 0.0])))
    [3. 0.]
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0) -> None:
        if not 0 <= min_value <= max_value:
            raise ValueError(f"The bounds must be 0 <= min_value <= max_value, but they are {min_value} and {max_value}.")
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must lie between 0 and 1, but it is {rate}.")
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Array) -> Array:
        lengths = _lengths(w, self.axis)
        allowed = jnp.clip(lengths, self.min_value, self.max_value)
        desired = (1 - self.rate) * lengths + self.rate * allowed
        return jnp.asarray(w) * (desired / (_EPSILON + lengths))


class NonNeg(Constraint):
    """Nothing below zero: max(w, 0).

    >>> print(NonNeg()(jnp.array([-1.0, 2.0])))
    [0. 2.]
    """

    def __call__(self, w: Array) -> Array:
        return jnp.maximum(jnp.asarray(w), 0)


class UnitNorm(Constraint):
    """Vectors of length one: w / ‖w‖.

    Args:
        axis: the axis or axes along which a vector lies, as for `MaxNorm`. Default 0.

    >>> print(UnitNorm()(jnp.array([3.0, 4.0])))
    [0.6 0.8]
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: Array) -> Array:
        return jnp.asarray(w) / (_EPSILON + _lengths(w, self.axis))


def _lengths(w: Array, axis: Axis) -> Array:
    axes = axis if isinstance(axis, int) else tuple(axis)
    return jnp.sqrt(jnp.sum(jnp.square(w), axis=axes, keepdims=True))


# --- names -----------------------------------------------------------------------------------------------------------

max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm

tables["constraints"].add_aliases({"max_norm": MaxNorm, "min_max_norm": MinMaxNorm, "non_neg": NonNeg, "unit_norm": UnitNorm})


def get(identifier: Any) -> Callable[..., Any] | None:
    """Returns the constraint that a user's argument means.

    Args:
        identifier: None, a name, a config, a class, or any function of an array.

    Raises:
        ValueError: for an unknown name.
        TypeError: for what is none of the above.

    >>> get("max_norm").max_value
    2
    """
    constraint: Callable[..., Any] | None = None if identifier is None else resolve(identifier, Constraint, "constraint")
    return constraint


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns what `serialize` was given, made anew; whatever `get` takes serves too.

    Args:
        config: what `serialize` returned.
        custom_objects: classes and functions of one's own, by the names that the config has for them.
    """
    with also_known(custom_objects):
        return get(config)
