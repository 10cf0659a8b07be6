"""Layers that change spatial sizes: zeros around, edges cut off, elements repeated."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.layers.checks import channels_axis, one_of, sizes

Margins = tuple[tuple[int, int], ...]


class _Spatial(Layer):
    """What the layers that change spatial sizes share: which axes are spatial."""

    _axes: ClassVar[int]

    def __init__(self, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        first = 2 if channels_axis(data_format, self) == 1 else 1
        self._spatial = range(first, first + self._axes)
        self.input_spec = InputSpec(ndim=self._axes + 2)

    def _take_margins(self, value: Any, name: str) -> Margins:
        """Returns how many elements before and after, for all axes; raises ValueError, naming the argument, for others."""
        given = value if isinstance(value, (tuple, list)) else [value] * self._axes
        if self._axes == 1 and isinstance(value, (tuple, list)):
            given = [value]
        margins = tuple(tuple(pair) if isinstance(pair, (tuple, list)) else (pair, pair) for pair in given)
        integers = all(isinstance(size, int) and size >= 0 for pair in margins for size in pair)
        if not integers or len(margins) != self._axes or any(len(pair) != 2 for pair in margins):
            each = "a pair" if self._axes == 1 else f"{self._axes} of them, or {self._axes} pairs"
            raise ValueError(
                f"{name} of {type(self).__name__} must be an integer that is not negative, or {each}, for before and after each "
                f"spatial axis, not {value!r}."
            )
        return margins


class _ZeroPadding(_Spatial):
    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = self._take_margins(padding, "padding")

    def call(self, inputs: Array) -> Array:
        """Puts the zeros around."""
        widths = [(0, 0)] * inputs.ndim
        widths[self._spatial.start : self._spatial.stop] = self.padding
        return jnp.pad(inputs, widths)


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after the steps of sequences of shape (batch, steps, channels).

    Args:
        padding: how many at each end, or a pair: how many before and how many after.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for numbers that are not integers, or are negative, or an unknown data format.

    >>> lamina.layers.ZeroPadding1D((2, 0))(np.ones((1, 5, 3))).shape
    (1, 7, 3)
    """

    _axes = 1


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images of shape (batch, height, width, channels).

    Arguments and errors are those of `ZeroPadding1D`, where the padding is one integer for all sides, one for each axis, or a
    pair for each axis: ((top, bottom), (left, right)).

    >>> lamina.layers.ZeroPadding2D((1, (2, 0)))(np.ones((1, 5, 4, 3))).shape
    (1, 7, 6, 3)
    """

    _axes = 2


class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes of shape (batch, depth, height, width, channels).

    Arguments and errors are those of `ZeroPadding2D`, for three axes.

    >>> lamina.layers.ZeroPadding3D(1)(np.ones((1, 5, 4, 3, 2))).shape
    (1, 7, 6, 5, 2)
    """

    _axes = 3


class _Cropping(_Spatial):
    def __init__(self, cropping: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.cropping = self._take_margins(cropping, "cropping")

    def call(self, inputs: Array) -> Array:
        """Cuts the edges off."""
        for axis, (before, after) in zip(self._spatial, self.cropping, strict=True):
            size = inputs.shape[axis]
            if isinstance(size, int) and before + after >= size:
                raise ValueError(
                    f"cropping of {type(self).__name__} leaves nothing of axis {axis} of the inputs of shape "
                    f"{show_shape(inputs.shape)}: {before} before and {after} after."
                )
            inputs = jax.lax.slice_in_dim(inputs, before, size - after, axis=axis)
        return inputs


class Cropping1D(_Cropping):
    """The steps of sequences without the first and the last: (batch, steps, channels) to (batch, fewer steps, channels).

    Args:
        cropping: how many to cut off at each end, or a pair: how many before and how many after.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for numbers that are not integers, or are negative, an unknown data format, or, when it is called, if nothing is
            left.

    >>> lamina.layers.Cropping1D((2, 0))(np.ones((1, 5, 3))).shape
    (1, 3, 3)
    """

    _axes = 1


class Cropping2D(_Cropping):
    """Images without their edges.

    Arguments and errors are those of `Cropping1D`, where the cropping is one integer for all sides, one for each axis, or a pair
    for each axis: ((top, bottom), (left, right)); none by default.

    >>> lamina.layers.Cropping2D((1, (2, 0)))(np.ones((1, 5, 4, 3))).shape
    (1, 3, 2, 3)
    """

    _axes = 2

    def __init__(self, cropping: Any = 0, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    """Volumes without their edges. Arguments are those of `Cropping2D`, for three axes; one element at each side by default.

    >>> lamina.layers.Cropping3D()(np.ones((1, 5, 4, 3, 2))).shape
    (1, 3, 2, 1, 2)
    """

    _axes = 3


class _UpSampling(_Spatial):
    def __init__(self, size: Any = 2, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.size = sizes(size, self._axes, "size", self)

    def call(self, inputs: Array) -> Array:
        """Repeats the elements."""
        for axis, times in zip(self._spatial, self.size, strict=True):
            inputs = jnp.repeat(inputs, times, axis)
        return inputs


class UpSampling1D(_UpSampling):
    """Each step of sequences of shape (batch, steps, channels) several times.

    Args:
        size: how many times.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, or an unknown data format.

    >>> lamina.layers.UpSampling1D(3)(np.ones((1, 5, 2))).shape
    (1, 15, 2)
    """

    _axes = 1


class UpSampling2D(_UpSampling):
    """Images enlarged.

    Args:
        size: how many times as high and as wide, one integer or two.
        data_format: "channels_last" (the default) or "channels_first".
        interpolation: "nearest" repeats pixels; "bilinear", "bicubic", "lanczos3" and "lanczos5" interpolate between them.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, or an unknown data format or interpolation.

    >>> lamina.layers.UpSampling2D((2, 3), interpolation="bilinear")(np.ones((1, 5, 4, 3))).shape
    (1, 10, 12, 3)
    """

    _axes = 2

    def __init__(self, size: Any = 2, data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any) -> None:
        super().__init__(size, data_format, **kwargs)
        choices = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        self.interpolation = one_of(choices, interpolation, "interpolation", self)

    def call(self, inputs: Array) -> Array:
        """Repeats the pixels, or interpolates between them."""
        if self.interpolation == "nearest":
            return super().call(inputs)
        shape = list(inputs.shape)
        for axis, times in zip(self._spatial, self.size, strict=True):
            shape[axis] *= times
        resized: Array = jax.image.resize(inputs, shape, self.interpolation, antialias=False)
        return resized


class UpSampling3D(_UpSampling):
    """Each element of volumes several times along each axis. Arguments are those of `UpSampling1D`, where the size is one or three.

    >>> lamina.layers.UpSampling3D((1, 2, 2))(np.ones((1, 5, 4, 3, 2))).shape
    (1, 5, 8, 6, 2)
    """

    _axes = 3
