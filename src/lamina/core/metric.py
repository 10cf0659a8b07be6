"""Metric: a value that is accumulated over batches. Layers own metrics, so the base class and `Mean` live here."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import jax.numpy as jnp
import numpy as np

import lamina.initializers as initializers
from lamina.core.errors import add_context, filter_traceback, forgotten_init
from lamina.core.frame import whole
from lamina.core.lift import lift
from lamina.core.masks import mask_of
from lamina.core.module import Module
from lamina.core.names import snake_case
from lamina.core.plain import encode
from lamina.core.registry import is_own
from lamina.core.sample_weights import weights_of
from lamina.core.text import describe_call
from lamina.core.variable import Array, Variable
from lamina.ops.numpy import divide_no_nan


class Metric(Module, family="metrics"):
    """A value accumulated over batches in variables of its own.

    A subclass makes its variables with `add_variable`, changes them in `update_state`, and computes from them in `result`. All of
    it is compiled with the training step. What the variables hold should be sums over samples that start at 0; if it is not,
    `reset_state` and `merge_state` are to be overridden.

    Args:
        name: its name in logs; by default the class's in snake case.
        dtype: the dtype of its variables; by default float32.
    """

    _checked_types = (bool, int, float)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Makes `update_state` take a batch in wholly or not at all."""
        super().__init_subclass__(**kwargs)
        if "update_state" in vars(cls):
            cls.update_state = whole(cls.update_state)  # type: ignore[method-assign]

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        self._lamina.name = name or snake_case(type(self).__name__)
        self.dtype = jnp.dtype(dtype or "float32")

    def add_variable(
        self, shape: Sequence[int] = (), initializer: Any = "zeros", dtype: Any = None, name: str | None = None
    ) -> Variable:
        """Returns a new variable, which starts from an initializer (or its name), zeros by default.

        Raises:
            RuntimeError: if the constructor of the base class has not run.
        """
        if "dtype" not in vars(self):
            raise forgotten_init(type(self))
        dtype = jnp.dtype(dtype or self.dtype)
        initial = np.zeros(tuple(shape), dtype) if initializer in ("zeros", None) else initializers.get(initializer)
        return Variable(initial, tuple(shape), dtype, trainable=False, name=name, autocast=False)

    add_weight = add_variable

    @classmethod
    def _from_name(cls, name: str) -> Self:
        return cls(name=name) if is_own(cls) else cls()  # a class of a user's need not take a name

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Takes a batch in."""
        raise NotImplementedError(f"{type(self).__name__} has no update_state(self, ...). Define it.")

    def result(self) -> Any:
        """Returns the value so far: a scalar, or a dict of them."""
        raise NotImplementedError(f"{type(self).__name__} has no result(self). Define it.")

    def _make_late(self, shape: tuple[int, ...]) -> None:
        """Makes a variable that is made with the first batch, and has this shape then."""

    def reset_state(self) -> None:
        """Forgets what it has seen: its variables become zero."""
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))

    def merge_state(self, metrics: "Iterable[Metric]") -> None:
        """Takes in what other metrics have seen, as if this one had seen it too: adds their variables to its own.

        Args:
            metrics: metrics of the same class, with the same options.

        Raises:
            ValueError: for a metric of another class or with other options. Nothing is changed then.
        """
        others = list(metrics)
        for other in others:
            if type(other) is not type(self) or _options(other) != _options(self):
                raise ValueError(f"{other!r} cannot be merged into {self!r}: class and options must be the same.")
        for other in others:
            for ours, theirs in zip(self.variables, other.variables, strict=True):
                ours.assign_add(theirs.value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Takes a batch in and returns the value so far."""
        try:
            self.update_state(*args, **kwargs)
            return self.result()
        except Exception as error:
            add_metric_context(error, self, args, kwargs)
            filter_traceback(error)
            raise

    def _facts(self) -> Iterable[str]:
        return [self.name]

    # --- as pure functions -------------------------------------------------------------------------------------------

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Array]:
        """Returns the values that `update_state` would give the variables, for raw JAX transformations.

        Args:
            metric_variables: a value for each of `variables`; of a metric that makes them with the first batch, after that.
            args: what `update_state` takes.
            kwargs: likewise.

        Raises:
            ValueError: if the numbers or shapes of values are not right.
        """
        return lift(self.update_state, self.variables)(metric_variables, *args, **kwargs)[1]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """Returns what `result` would be with these values of the variables."""
        return lift(self.result, self.variables)(metric_variables)[0]

    def stateless_reset_state(self) -> list[Array]:
        """Returns the values that `reset_state` would give the variables."""
        return lift(self.reset_state, self.variables)([variable.value for variable in self.variables])[1]


def add_metric_context(error: Exception, metric: Metric, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Adds to an error, once, that it happened in a metric, and what that was given."""
    add_context(error, f"the metric {metric.name!r} ({type(metric).__name__})", describe_call(args, kwargs), kind="part")


class Mean(Metric):
    """The weighted mean of all values seen: Σ w x / Σ w; 0 before any.

    Values that a mask leaves out do not count. (Keras takes the mean of each sample first, so that of batches of sequences of
    unequal length each sequence counts alike, and looks at the mask only where there are weights.)

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> mean = lamina.metrics.Mean()
    >>> mean.update_state([1.0, 3.0])
    >>> mean.update_state(8.0, sample_weight=2.0)
    >>> print(mean.result())
    5.0
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_variable(name="total")
        self.count = self.add_variable(name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Takes values in, of any shape, with weights for samples, or for each value."""
        self._add(values, sample_weight)

    def _add(self, values: Any, sample_weight: Any = None, mask: Any = None) -> None:
        """Takes values in, but for those that their mask, or another one, leaves out."""
        masks = mask, mask_of(values)
        values = jnp.asarray(values, self.dtype)
        weights = weights_of(sample_weight, masks, values)
        self.total.assign_add(jnp.sum(values if weights is None else values * weights))
        self.count.assign_add(float(values.size) if weights is None else jnp.sum(weights))

    def result(self) -> Array:
        """Returns the mean so far."""
        return divide_no_nan(self.total.value, self.count.value)


def _options(metric: Metric) -> Any:
    """Returns what the constructor was given, but for the name."""
    return {key: value for key, value in encode(metric.get_config()).items() if key != "name"}
