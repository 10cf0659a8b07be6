"""Regularizers: a penalty on a weight, or on what a layer returns, that is added to the loss."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp

from lamina.core.config import Configurable, resolve
from lamina.core.config import serialize as serialize
from lamina.core.placement import copies_arguments
from lamina.core.registry import also_known, tables

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]

Array = jax.Array


class Regularizer(Configurable, family="regularizers"):
    """Makes a penalty, one number, of an array. A subclass defines `__call__`.

    >>> class Total(Regularizer):
    ...     def __call__(self, x):
    ...         return jnp.sum(x)
    >>> float(get("Total")(jnp.ones(3)))
    3.0
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in vars(cls):
            cls.__call__ = copies_arguments(cls.__call__)  # type: ignore[method-assign]

    def __call__(self, x: Array) -> Array:
        """Returns the penalty of an array or Variable, as an array without axes."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, x) and return one number.")


class L1(Regularizer):
    """The sum of magnitudes: l1 · Σ|x| (lasso; Tibshirani, 1996).

    Args:
        l1: its factor. Default 0.01.

    Raises:
        ValueError: for a factor that is negative or not finite.

    >>> float(L1(0.5)(jnp.array([1.0, -3.0])))
    2.0
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = _factor(0.01 if l1 is None else l1, "l1")

    def __call__(self, x: Array) -> Array:
        return self.l1 * jnp.sum(jnp.abs(x))


class L2(Regularizer):
    """The sum of squares: l2 · Σx² (ridge; Hoerl and Kennard, 1970).

    Args:
        l2: its factor. Default 0.01.

    Raises:
        ValueError: for a factor that is negative or not finite.

    >>> float(L2(0.5)(jnp.array([1.0, -3.0])))
    5.0
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = _factor(0.01 if l2 is None else l2, "l2")

    def __call__(self, x: Array) -> Array:
        return self.l2 * jnp.sum(jnp.square(x))


class L1L2(Regularizer):
    """Magnitudes and squares: l1 · Σ|x| + l2 · Σx² (elastic net; Zou and Hastie, 2005).

    Args:
        l1: the factor of the magnitudes. Default 0; 0.01 where the regularizer is given by name, `"l1_l2"`.
        l2: the factor of the squares, likewise.

    Raises:
        ValueError: for a factor that is negative or not finite.

    >>> float(L1L2(l1=0.5, l2=0.25)(jnp.array([1.0, -3.0])))
    4.5
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _factor(l1 or 0.0, "l1")
        self.l2 = _factor(l2 or 0.0, "l2")

    def __call__(self, x: Array) -> Array:
        x = jnp.asarray(x)
        return jnp.sum(self.l1 * jnp.abs(x) + self.l2 * jnp.square(x))

    @classmethod
    def _from_name(cls, name: str) -> Self:
        return cls(l1=0.01, l2=0.01)


class OrthogonalRegularizer(Regularizer):
    """The mean of |cos θ| over all pairs of rows, or of columns: it draws them to right angles.

    factor · Σ_{i<j} |uᵢ·uⱼ| / (n (n - 1) / 2), where u are the n rows divided by their lengths.

    Args:
        factor: its factor. Default 0.01.
        mode: `"rows"` (default) or `"columns"`.

    Raises:
        ValueError: for a factor that is negative or not finite, an unknown mode, or an input that is not a matrix.

    >>> float(OrthogonalRegularizer(1.0)(jnp.array([[1.0, 0.0], [0.0, 2.0]])))
    0.0
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(f"mode must be 'rows' or 'columns', not {mode!r}.")
        self.factor = _factor(factor, "factor")
        self.mode = mode

    def __call__(self, x: Array) -> Array:
        x = jnp.asarray(x)
        if x.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer takes matrices, not an array of shape {x.shape}.")
        if self.mode == "columns":
            x = x.T
        square_sum = jnp.sum(jnp.square(x), axis=1, keepdims=True)
        unit = x / jnp.sqrt(jnp.where(square_sum > 0, square_sum, 1))  # a row of zeros stays zero, and its gradient too
        cosines = jnp.triu(unit @ unit.T, k=1)
        pairs = math.comb(len(x), 2)
        return self.factor * jnp.sum(jnp.abs(cosines)) / max(pairs, 1)


def _factor(value: float, name: str) -> float:
    if not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number that is not negative, not {value!r}.")
    return float(value)


# --- names -----------------------------------------------------------------------------------------------------------

l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


tables["regularizers"].add_aliases({"l1": L1, "l2": L2, "l1_l2": L1L2, "l1l2": L1L2})
tables["regularizers"].add_aliases({"orthogonal": OrthogonalRegularizer, "orthogonal_regularizer": OrthogonalRegularizer})


def get(identifier: Any) -> Callable[..., Any] | None:
    """Returns the regularizer that a user's argument means.

    Args:
        identifier: None, a name, a config, a class, or any function of an array.

    Raises:
        ValueError: for an unknown name.
        TypeError: for what is none of the above.

    >>> get("l2").l2
    0.01
    """
    regularizer: Callable[..., Any] | None = None if identifier is None else resolve(identifier, Regularizer, "regularizer")
    return regularizer


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns what `serialize` was given, made anew; whatever `get` takes serves too.

    Args:
        config: what `serialize` returned.
        custom_objects: classes and functions of one's own, by the names that the config has for them.
    """
    with also_known(custom_objects):
        return get(config)
