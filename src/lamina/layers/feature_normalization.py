"""Normalization: features brought to the mean 0 and variance 1 of data seen before."""

from collections.abc import Iterable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.text import describe, show_shape
from lamina.core.variable import Array
from lamina.layers.checks import axes_in, integers, known, numeric
from lamina.layers.scale_and_shift import wide
from lamina.ops.wrap import compiled


class Normalization(Layer):
    """(inputs − mean) / √variance, feature by feature, with the mean and the variance of data that it was adapted to.

    Args:
        axis: the axis or axes whose positions have each a mean and a variance; None is one for all.
        mean: the mean, if it is known: of the sizes of these axes, or of the last of them. It needs a variance beside it.
        variance: likewise.
        invert: whether to undo it instead: mean + inputs · √variance.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for an axis that is neither None nor an integer nor some of them.
        ValueError: for a mean without a variance or of another shape.

    >>> layer = lamina.layers.Normalization()
    >>> layer.adapt(np.array([[0.0, 7.0], [2.0, 9.0], [0.0, 7.0], [2.0, 9.0]]))
    >>> print(layer(np.array([[1.0, 10.0]])))
    [[0. 2.]]
    """

    supports_masking = True
    _casts_inputs = False

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        axes = () if axis is None else integers(axis, "axis", self)
        self.axis = axes if isinstance(axes, tuple) else (axes,)
        self.invert = bool(invert)
        if (mean is None) != (variance is None):
            raise ValueError("Normalization was given a mean or a variance alone. Give both, or neither and call adapt(data).")
        for name, given in (("mean", mean), ("variance", variance)):
            if given is not None:
                numeric(given, name, self)
        if np.shape(mean) != np.shape(variance) or len(np.shape(mean)) > len(self.axis):
            raise ValueError(
                f"mean and variance of Normalization must have one shape, of at most {len(self.axis)} axes as axis={axis} has, "
                f"not {np.shape(mean)} and {np.shape(variance)}."
            )
        self._statistics = None if mean is None else (np.asarray(mean, "float32"), np.asarray(variance, "float32"))

    def build(self, input_shape: Any) -> None:
        """Creates the mean, the variance and the count of what they were taken from, unless they were given."""
        kept = axes_in(input_shape, self.axis, self)
        sizes = tuple(known(input_shape[i], f"axis {i}", self) for i in kept)
        if self._statistics is None:
            self.adapt_mean = self.add_weight(sizes, "zeros", trainable=False, autocast=False, name="mean")
            self.adapt_variance = self.add_weight(sizes, "ones", trainable=False, autocast=False, name="variance")
            self.count = self.add_weight((), "zeros", dtype="int32", trainable=False)
        elif any(a not in (1, b) for a, b in zip(reversed(self._statistics[0].shape), reversed(sizes), strict=False)):
            raise ValueError(
                f"The layer {self.path!r} was given a mean of shape {self._statistics[0].shape} for inputs of shape "
                f"{show_shape(input_shape)}, which have {sizes} of them along axis={self.axis}."
            )
        self.broadcast = tuple(size if i in kept else 1 for i, size in enumerate(input_shape))
        self.input_spec = InputSpec(ndim=len(input_shape), axes=dict(zip(kept, sizes, strict=True)))

    @property
    def mean(self) -> Array:
        """The mean, in a shape that broadcasts to that of the inputs."""
        return self._spread(0)

    @property
    def variance(self) -> Array:
        """The variance, likewise."""
        return self._spread(1)

    def _spread(self, which: int) -> Array:
        if self._statistics is None:
            return (self.adapt_mean, self.adapt_variance)[which].value.reshape(self.broadcast)
        sizes = [self.broadcast[i] for i in axes_in(self.broadcast, self.axis, self)]
        return jnp.broadcast_to(self._statistics[which], sizes).reshape(self.broadcast)

    def call(self, inputs: Array) -> Array:
        """Computes the formula."""
        return _shifted(wide(inputs), self.mean, self.variance, self.invert).astype(self.compute_dtype)

    def adapt(self, data: Any) -> None:
        """Takes the mean and the variance of data, and forgets those it had. Models that hold the layer use the new ones.

        Args:
            data: an array, or batches: anything that yields arrays, or tuples that begin with one. Taken in float64.

        Raises:
            TypeError: for batches that are not arrays.
            ValueError: for no batch at all, batches of other sizes than those the layer was built for, or a layer that was
                given its mean.
        """
        if self._statistics is not None:
            raise ValueError(f"The layer {self.path!r} was given its mean and variance, so it cannot adapt to data.")
        count, mean, squares = 0, np.float64(0), np.float64(0)
        for batch in batches_in(data):
            if not self.built:
                self.build((None, *batch.shape[1:]) if 0 not in axes_in(batch.shape, self.axis, self) else batch.shape)
            if self.input_spec._mismatch(batch):
                raise ValueError(
                    f"The layer {self.path!r} cannot adapt to data of shape {show_shape(batch.shape)}: it expects "
                    f"{self.input_spec._mismatch(batch)}."
                )
            reduced = tuple(set(range(batch.ndim)) - set(axes_in(batch.shape, self.axis, self)))
            number = int(np.prod([batch.shape[i] for i in reduced]))
            if not number:
                continue
            own = batch.mean(reduced)
            # Chan, Golub and LeVeque, 1979: two sets' means and sums of squares make those of both.
            squares = squares + batch.var(reduced) * number + (own - mean) ** 2 * (count * number / (count + number))
            count += number
            mean = mean + (own - mean) * (number / count)
        if not count:
            raise ValueError(f"The layer {self.path!r} was given no data to adapt to.")
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(squares / count)
        self.count.assign(min(count, 2**31 - 1))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, the mean and the variance as lists."""
        mean, variance = (None, None) if self._statistics is None else [array.tolist() for array in self._statistics]
        return {**super().get_config(), "mean": mean, "variance": variance}


def batches_in(data: Any) -> Iterator[np.ndarray]:
    """Yields the arrays in data, in float64."""
    if hasattr(data, "shape"):
        data = (data,)
    elif not isinstance(data, Iterable) and not hasattr(data, "__getitem__"):
        raise TypeError(f"adapt takes an array or batches of them, not {describe(data)}.")
    for batch in data:
        batch = batch[0] if isinstance(batch, tuple) else batch
        if not hasattr(batch, "shape"):
            raise TypeError(f"adapt takes an array or batches of them; one of the batches was {describe(batch)}.")
        yield np.asarray(batch, "float64")


@compiled("invert")
def _shifted(x: Array, mean: Array, variance: Array, invert: bool) -> Array:
    # The least deviation to divide by is that of Keras.
    deviation = jnp.maximum(jnp.sqrt(variance), 1e-7)
    return mean + x * deviation if invert else (x - mean) / deviation
