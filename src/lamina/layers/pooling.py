"""Pooling: one number for each window of an image, or for the whole of it."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import channels_axis, sizes


class _Pooling2D(Layer):
    """What the pooling layers over windows share: the windows."""

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = sizes(pool_size, 2, "pool_size", self)
        self.strides = self.pool_size if strides is None else sizes(strides, 2, "strides", self)
        if padding.lower() not in ("valid", "same"):
            raise ValueError(f"padding of {type(self).__name__} must be 'valid' or 'same', not {padding!r}.")
        self.padding = padding.lower()
        self.axis = channels_axis(data_format, self)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Array) -> Array:
        """Computes one number for each window."""
        if self.axis == 1:
            return jnp.moveaxis(self._pool(jnp.moveaxis(inputs, 1, -1)), -1, 1)
        return self._pool(inputs)

    def _pool(self, x: Array) -> Array:
        raise NotImplementedError

    def _blocks(self, x: Array) -> Array | None:
        """Returns windows that do not overlap as axes 2 and 4, or None where they overlap or need padding."""
        (p, q), (h, w) = self.pool_size, x.shape[1:3]
        if self.strides != self.pool_size or not isinstance(h, int) or not isinstance(w, int):
            return None
        if self.padding == "same" and (h % p or w % q):
            return None
        rows, columns = h // p, w // q
        return x[:, : rows * p, : columns * q].reshape(x.shape[0], rows, p, columns, q, x.shape[3])

    def _windows(self, x: Array, initial: Any, function: Callable[[Any, Any], Any]) -> Array:
        window, strides = (1, *self.pool_size, 1), (1, *self.strides, 1)
        return jax.lax.reduce_window(x, initial, function, window, strides, self.padding.upper())


class MaxPooling2D(_Pooling2D):
    """The largest number of each window, channel by channel.

    Args:
        pool_size: the window's height and width, or one integer for both.
        strides: the step between windows; by default they do not overlap.
        padding: "valid" for whole windows only, or "same" for ceil(size / stride) windows.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are no positive integers, or an unknown padding or data format.

    >>> lamina.layers.MaxPooling2D(2)(np.ones((1, 5, 4, 3))).shape
    (1, 2, 2, 3)
    """

    def _pool(self, x: Array) -> Array:
        blocks = self._blocks(x)
        return self._windows(x, -math.inf, jax.lax.max) if blocks is None else jnp.max(blocks, axis=(2, 4))


class AveragePooling2D(_Pooling2D):
    """The mean of each window, channel by channel; what "same" pads does not count.

    Arguments and errors are those of `MaxPooling2D`.

    >>> lamina.layers.AveragePooling2D(2)(np.ones((1, 4, 4, 3))).shape
    (1, 2, 2, 3)
    """

    def _pool(self, x: Array) -> Array:
        blocks = self._blocks(x)
        if blocks is not None:
            return jnp.mean(blocks, axis=(2, 4))
        return self._windows(x, 0.0, jax.lax.add) / self._windows(jnp.ones((1, *x.shape[1:3], 1), x.dtype), 0.0, jax.lax.add)


class _GlobalPooling2D(Layer):
    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = (2, 3) if channels_axis(data_format, self) == 1 else (1, 2)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=4)


class GlobalAveragePooling2D(_GlobalPooling2D):
    """The mean over the whole image, channel by channel: (batch, height, width, channels) to (batch, channels).

    Args:
        data_format: "channels_last" (the default) or "channels_first".
        keepdims: keep the spatial axes, with size 1.
        kwargs: what `lamina.Layer` takes.

    >>> lamina.layers.GlobalAveragePooling2D()(np.ones((1, 4, 4, 3))).shape
    (1, 3)
    """

    def call(self, inputs: Array) -> Array:
        """Computes the mean."""
        return jnp.mean(inputs, axis=self.axes, keepdims=self.keepdims)


class GlobalMaxPooling2D(_GlobalPooling2D):
    """The largest number of the whole image, channel by channel. Arguments are those of `GlobalAveragePooling2D`.

    >>> lamina.layers.GlobalMaxPooling2D()(np.ones((1, 4, 4, 3))).shape
    (1, 3)
    """

    def call(self, inputs: Array) -> Array:
        """Computes the largest number."""
        return jnp.max(inputs, axis=self.axes, keepdims=self.keepdims)
