"""Discretization: numbers as the bins that they fall into."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import one_of, positive
from lamina.layers.encoding import MODES, encoded, no_sparse
from lamina.layers.feature_normalization import batches_in


class Discretization(Layer):
    """The number of the bin that each input falls into: bin i is [boundaryᵢ₋₁, boundaryᵢ), the first and last are open.

    Args:
        bin_boundaries: increasing numbers; None to take them from data, by `adapt`.
        num_bins: how many bins to make of the data, each with about as many values.
        epsilon: by how much of the data the boundaries may be off.
        output_mode: "int", "one_hot", "multi_hot" or "count"; see `CategoryEncoding`.
        sparse: taken as Keras has it; only False is possible.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for boundaries that do not increase, both or neither of boundaries and num_bins, or another mode.

    >>> print(lamina.layers.Discretization([0.0, 1.0])(np.array([-3.0, 0.0, 0.5, 7.0])))
    [0 1 1 2]
    """

    _casts_inputs = False

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(
                "Discretization takes either bin_boundaries, or num_bins and then adapt(data), not "
                f"bin_boundaries={bin_boundaries!r} and num_bins={num_bins!r}."
            )
        self.num_bins = None if num_bins is None else positive(num_bins, "num_bins", self)
        if not isinstance(epsilon, float) or not 0 < epsilon < 1:
            raise ValueError(f"epsilon of Discretization must be a number between 0 and 1, not {epsilon!r}.")
        self.epsilon = epsilon
        self.output_mode = one_of(MODES, output_mode, "output_mode", self)
        no_sparse(sparse, self)
        self.bin_boundaries = None if bin_boundaries is None else _increasing(bin_boundaries)

    def adapt(self, data: Any) -> None:
        """Takes the boundaries from data, and forgets those it had.

        Args:
            data: an array, or batches: anything that yields arrays, or tuples that begin with one.

        Raises:
            ValueError: if there are no data, or the layer was given its boundaries.
        """
        if self.num_bins is None:
            raise ValueError(f"The layer {self.path!r} was given its bin_boundaries, so it cannot adapt to data.")
        summary = np.zeros((2, 0))
        for batch in batches_in(data):
            if batch.size:
                summary = np.concatenate([summary, _summary(batch, self.epsilon)], 1)
                summary = _condensed(summary[:, np.argsort(summary[0], kind="stable")], self.epsilon)
        if not summary.size:
            raise ValueError(f"The layer {self.path!r} was given no data to adapt to.")
        self.bin_boundaries = [float(boundary) for boundary in _condensed(summary, 1 / self.num_bins)[0, :-1]]

    def _host_state(self) -> dict[str, Any]:
        return {"bin_boundaries": None if self.bin_boundaries is None else list(self.bin_boundaries)}

    def _set_host_state(self, state: dict[str, Any]) -> None:
        self.bin_boundaries = None if state["bin_boundaries"] is None else _increasing(state["bin_boundaries"])

    def call(self, inputs: Array) -> Array:
        """Returns the bins of the inputs, encoded."""
        if self.bin_boundaries is None:
            raise ValueError(f"The layer {self.path!r} has no boundaries yet: call adapt(data), or give it bin_boundaries.")
        bins = jnp.searchsorted(jnp.asarray(self.bin_boundaries, "float32"), jnp.asarray(inputs, "float32"), side="right")
        return encoded(bins.astype("int32"), self.output_mode, len(self.bin_boundaries) + 1, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; the boundaries, if it has any, in place of num_bins."""
        found = {} if self.bin_boundaries is None else {"bin_boundaries": list(self.bin_boundaries), "num_bins": None}
        return {**super().get_config(), **found}


def _increasing(boundaries: Any) -> list[float]:
    values = np.asarray(boundaries)
    if values.ndim != 1 or not (values.size == 0 or np.issubdtype(values.dtype, np.number)) or not np.all(np.diff(values) > 0):
        raise ValueError(f"bin_boundaries of Discretization must be numbers that increase, not {boundaries!r}.")
    return [float(value) for value in values]


def _summary(values: np.ndarray, epsilon: float) -> np.ndarray:
    """Returns about 1 / ε of the values, in order, and how many each stands for."""
    ordered = np.sort(values, axis=None)
    step = max(ordered.size * epsilon, 1.0)
    kept = ordered[int(step) - 1 :: int(step)]
    return np.stack([kept, np.full(len(kept), step)])


def _condensed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """Returns a summary in 1 / ε values, between those that there are; as it is if it has fewer."""
    if summary.shape[1] * epsilon < 1:
        return summary
    values, total = summary[0], np.cumsum(summary[1])
    wanted = epsilon + np.arange(0.0, 1.0, epsilon)
    counts = np.interp(wanted, total / total[-1], total)
    return np.stack([np.interp(wanted, total / total[-1], values), np.diff(counts, prepend=0.0)])
