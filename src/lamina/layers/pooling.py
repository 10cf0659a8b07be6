"""Pooling: one number for each window, or each channel, of sequences, images and volumes."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp

from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.masks import check_masks
from lamina.core.variable import Array
from lamina.layers.checks import channels_axis, one_of, sizes
from lamina.ops.pooling import adaptive_average_pool, adaptive_max_pool, average_pool, max_pool

# --- windows ----------------------------------------------------------------------------------------------------------------


class _Pooling(Layer):
    """What the pooling layers over windows share."""

    _axes: ClassVar[int]
    _pool: ClassVar[Callable[..., Array]]

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = sizes(pool_size, self._axes, "pool_size", self)
        self.strides = self.pool_size if strides is None else sizes(strides, self._axes, "strides", self)
        self.padding = one_of(("valid", "same"), padding, "padding", self)
        self.data_format = data_format or "channels_last"
        channels_axis(data_format, self)
        self.input_spec = InputSpec(ndim=self._axes + 2)

    def call(self, inputs: Array) -> Array:
        """Computes one number for each window."""
        return type(self)._pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class MaxPooling1D(_Pooling):
    """The largest number of each window of steps, channel by channel.

    Args:
        pool_size: the window's size.
        strides: the step between windows; by default they do not overlap.
        padding: "valid" for whole windows only, or "same" for ceil(steps / stride) windows.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, or an unknown padding or data format.

    >>> lamina.layers.MaxPooling1D(2)(np.ones((1, 5, 3))).shape
    (1, 2, 3)
    """

    _axes = 1
    _pool = max_pool


class MaxPooling2D(_Pooling):
    """The largest number of each window of an image, channel by channel.

    Arguments and errors are those of `MaxPooling1D`, where sizes and strides are one integer or two.

    >>> lamina.layers.MaxPooling2D(2)(np.ones((1, 5, 4, 3))).shape
    (1, 2, 2, 3)
    """

    _axes = 2
    _pool = max_pool


class MaxPooling3D(_Pooling):
    """The largest number of each window of a volume, channel by channel.

    Arguments and errors are those of `MaxPooling1D`, where sizes and strides are one integer or three.

    >>> lamina.layers.MaxPooling3D((1, 2, 2))(np.ones((1, 5, 4, 4, 3))).shape
    (1, 5, 2, 2, 3)
    """

    _axes = 3
    _pool = max_pool


class AveragePooling1D(_Pooling):
    """The mean of each window of steps, channel by channel; what "same" pads does not count.

    Arguments and errors are those of `MaxPooling1D`.

    >>> lamina.layers.AveragePooling1D(2)(np.ones((1, 4, 3))).shape
    (1, 2, 3)
    """

    _axes = 1
    _pool = average_pool


class AveragePooling2D(_Pooling):
    """The mean of each window of an image, channel by channel; what "same" pads does not count.

    Arguments and errors are those of `MaxPooling1D`, where sizes and strides are one integer or two.

    >>> lamina.layers.AveragePooling2D(2)(np.ones((1, 4, 4, 3))).shape
    (1, 2, 2, 3)
    """

    _axes = 2
    _pool = average_pool


class AveragePooling3D(_Pooling):
    """The mean of each window of a volume, channel by channel; what "same" pads does not count.

    Arguments and errors are those of `MaxPooling1D`, where sizes and strides are one integer or three.

    >>> lamina.layers.AveragePooling3D(2)(np.ones((1, 4, 4, 4, 3))).shape
    (1, 2, 2, 2, 3)
    """

    _axes = 3
    _pool = average_pool


# --- the whole of a channel -------------------------------------------------------------------------------------------------


class _GlobalPooling(Layer):
    """What the pooling layers over whole channels share."""

    _axes: ClassVar[int]

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        first = 2 if channels_axis(data_format, self) == 1 else 1
        self._spatial = tuple(range(first, first + self._axes))
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self._axes + 2)


class _GlobalAverage(_GlobalPooling):
    def call(self, inputs: Array) -> Array:
        """Computes the mean."""
        return jnp.mean(inputs, axis=self._spatial, keepdims=self.keepdims)


class _GlobalMax(_GlobalPooling):
    def call(self, inputs: Array) -> Array:
        """Computes the largest number."""
        return jnp.max(inputs, axis=self._spatial, keepdims=self.keepdims)


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean over all steps, channel by channel: (batch, steps, channels) to (batch, channels).

    Steps that the inputs' mask leaves out do not count; of no steps at all there is no mean, so it is NaN.

    Args:
        data_format: "channels_last" (the default) or "channels_first".
        keepdims: keep the axis of the steps, with size 1.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for an unknown data format; from the call, for a mask that is not of shape (batch, steps).

    >>> lamina.layers.GlobalAveragePooling1D()(np.ones((2, 4, 3)), mask=np.ones((2, 4), bool)).shape
    (2, 3)
    """

    _axes = 1
    supports_masking = True

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        """Computes the mean."""
        counts = None
        if mask is not None:
            check_masks(jnp.moveaxis(inputs, self._spatial[0], 1), mask, self)
            counts = jnp.expand_dims(jnp.asarray(mask, bool), 3 - self._spatial[0])
        return jnp.mean(inputs, axis=self._spatial, keepdims=self.keepdims, where=counts)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """There are no steps left to mask."""


class GlobalAveragePooling2D(_GlobalAverage):
    """The mean over the whole image, channel by channel: (batch, height, width, channels) to (batch, channels).

    Args:
        data_format: "channels_last" (the default) or "channels_first".
        keepdims: keep the spatial axes, with size 1.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for an unknown data format.

    Lin et al., Network In Network, 2014.

    >>> lamina.layers.GlobalAveragePooling2D()(np.ones((1, 4, 4, 3))).shape
    (1, 3)
    """

    _axes = 2


class GlobalAveragePooling3D(_GlobalAverage):
    """The mean over the whole volume, channel by channel. Arguments and errors are those of `GlobalAveragePooling2D`.

    >>> lamina.layers.GlobalAveragePooling3D(keepdims=True)(np.ones((1, 4, 4, 4, 3))).shape
    (1, 1, 1, 1, 3)
    """

    _axes = 3


class GlobalMaxPooling1D(_GlobalMax):
    """The largest number of all steps, channel by channel. Arguments and errors are those of `GlobalAveragePooling2D`.

    >>> lamina.layers.GlobalMaxPooling1D()(np.ones((1, 4, 3))).shape
    (1, 3)
    """

    _axes = 1


class GlobalMaxPooling2D(_GlobalMax):
    """The largest number of the whole image, channel by channel. Arguments and errors are those of `GlobalAveragePooling2D`.

    >>> lamina.layers.GlobalMaxPooling2D()(np.ones((1, 4, 4, 3))).shape
    (1, 3)
    """

    _axes = 2


class GlobalMaxPooling3D(_GlobalMax):
    """The largest number of the whole volume, channel by channel. Arguments and errors are those of `GlobalAveragePooling2D`.

    >>> lamina.layers.GlobalMaxPooling3D()(np.ones((1, 4, 4, 4, 3))).shape
    (1, 3)
    """

    _axes = 3


# --- as many windows as outputs are wanted -----------------------------------------------------------------------------------


class _AdaptivePooling(Layer):
    """What the pooling layers to given sizes share."""

    _axes: ClassVar[int]
    _pool: ClassVar[Callable[..., Array]]

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size = sizes(output_size, self._axes, "output_size", self)
        self.data_format = data_format or "channels_last"
        channels_axis(data_format, self)
        self.input_spec = InputSpec(ndim=self._axes + 2)

    def call(self, inputs: Array) -> Array:
        """Computes one number for each window."""
        return type(self)._pool(inputs, self.output_size, self.data_format)


class AdaptiveAveragePooling1D(_AdaptivePooling):
    """The means of as many windows as are wanted: the i-th of n spans steps ⌊i · steps / n⌋ to ⌈(i + 1) · steps / n⌉ − 1.

    Args:
        output_size: the number of windows.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, or an unknown data format.

    >>> lamina.layers.AdaptiveAveragePooling1D(3)(np.ones((1, 7, 2))).shape
    (1, 3, 2)
    """

    _axes = 1
    _pool = adaptive_average_pool


class AdaptiveAveragePooling2D(_AdaptivePooling):
    """The means of as many windows of an image as are wanted, along each axis as in `AdaptiveAveragePooling1D`.

    Arguments and errors are the same, where the output size is one integer or two.

    >>> lamina.layers.AdaptiveAveragePooling2D((3, 1))(np.ones((1, 7, 5, 2))).shape
    (1, 3, 1, 2)
    """

    _axes = 2
    _pool = adaptive_average_pool


class AdaptiveAveragePooling3D(_AdaptivePooling):
    """The means of as many windows of a volume as are wanted, along each axis as in `AdaptiveAveragePooling1D`.

    Arguments and errors are the same, where the output size is one integer or three.

    >>> lamina.layers.AdaptiveAveragePooling3D(2)(np.ones((1, 7, 5, 3, 2))).shape
    (1, 2, 2, 2, 2)
    """

    _axes = 3
    _pool = adaptive_average_pool


class AdaptiveMaxPooling1D(_AdaptivePooling):
    """The largest numbers of as many windows of steps as are wanted: those of `AdaptiveAveragePooling1D`, with its arguments.

    >>> lamina.layers.AdaptiveMaxPooling1D(3)(np.ones((1, 7, 2))).shape
    (1, 3, 2)
    """

    _axes = 1
    _pool = adaptive_max_pool


class AdaptiveMaxPooling2D(_AdaptivePooling):
    """The largest numbers of as many windows of an image as are wanted: those of `AdaptiveAveragePooling2D`.

    >>> lamina.layers.AdaptiveMaxPooling2D((3, 1))(np.ones((1, 7, 5, 2))).shape
    (1, 3, 1, 2)
    """

    _axes = 2
    _pool = adaptive_max_pool


class AdaptiveMaxPooling3D(_AdaptivePooling):
    """The largest numbers of as many windows of a volume as are wanted: those of `AdaptiveAveragePooling3D`.

    >>> lamina.layers.AdaptiveMaxPooling3D(2)(np.ones((1, 7, 5, 3, 2))).shape
    (1, 2, 2, 2, 2)
    """

    _axes = 3
    _pool = adaptive_max_pool
