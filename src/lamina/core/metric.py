"""Metric: a value that is accumulated over batches. Layers own metrics, so the base class and `Mean` live here."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.errors import describe_call, forgotten_init
from lamina.core.leaving import explain, leave
from lamina.core.naming import snake_case
from lamina.core.tree import Module
from lamina.core.variable import Array, Variable


class Metric(Module, family="metrics"):
    """A value accumulated over batches in variables of its own.

    A subclass makes its variables with `add_variable`, changes them in `update_state`, and computes from them in `result`.

    Args:
        name: its name in logs; by default the class's in snake case.
        dtype: the dtype of its variables.
    """

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        self._explicit_name = name or snake_case(type(self).__name__)
        self.dtype = jnp.dtype(dtype or "float32")

    def add_variable(self, shape: tuple[int, ...] = (), name: str | None = None) -> Variable:
        """Returns a new variable of zeros. Raises RuntimeError if the constructor of the base class has not run."""
        if "dtype" not in vars(self):
            raise forgotten_init(type(self))
        return Variable(np.zeros(shape, self.dtype), trainable=False, name=name, autocast=False)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Takes a batch in."""
        raise NotImplementedError(f"{type(self).__name__} has no update_state(self, ...). Define it.")

    def result(self) -> Any:
        """Returns the value so far: a scalar, or a dict of them."""
        raise NotImplementedError(f"{type(self).__name__} has no result(self). Define it.")

    def reset_state(self) -> None:
        """Forgets what it has seen: its variables become zero."""
        for variable in self.variables:
            variable.assign(jax.device_put(np.zeros(variable.shape, variable.dtype)))  # jnp.zeros would compile a program

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Takes a batch in and returns the value so far."""
        try:
            self.update_state(*args, **kwargs)
            return self.result()
        except Exception as error:
            self.explain(error, *args, **kwargs)
            leave(error)
            raise

    def explain(self, error: Exception, *args: Any, **kwargs: Any) -> None:
        """Adds to an error, once, that it happened in this metric, with what it was given."""
        explain(error, f"the metric {self.name!r} ({type(self).__name__})", describe_call(args, kwargs), precisely=True)

    def _facts(self) -> Iterable[str]:
        return [self.name]


class Mean(Metric):
    """The weighted mean of all values seen: sum(w x) / sum(w); 0 before any.

    >>> mean = lamina.metrics.Mean()
    >>> mean.update_state([1.0, 3.0])
    >>> mean.update_state(8.0, sample_weight=2.0)
    >>> print(mean.result())
    5.0
    """

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_variable(name="total")
        self.count = self.add_variable(name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Takes values in, of any shape, with weights that are broadcast to them."""
        values = jnp.asarray(values, self.dtype)
        if sample_weight is None:
            self.total.assign_add(jnp.sum(values))
            self.count.assign_add(float(values.size))
        else:
            weights = _broadcast(jnp.asarray(sample_weight, self.dtype), values)
            self.total.assign_add(jnp.sum(values * weights))
            self.count.assign_add(jnp.sum(weights))

    def result(self) -> Array:
        """Returns the mean so far."""
        return jnp.where(self.count.value > 0, self.total.value / jnp.maximum(self.count.value, 1e-12), 0.0)


def _broadcast(weights: Array, values: Array) -> Array:
    """Returns one weight a value; weights of shape (batch,) or (batch, 1) hold for the whole sample."""
    if weights.ndim > values.ndim:
        weights = jnp.squeeze(weights, axis=tuple(range(values.ndim, weights.ndim)))
    return jnp.broadcast_to(weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim)), values.shape)
