"""Layers that mix pixels with their neighbours at random: RandomGaussianBlur, RandomSharpness, RandomElasticTransform."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

import lamina.ops.image as image_ops
from lamina.core.variable import Array
from lamina.layers.checks import number, one_of, sizes
from lamina.layers.image_augmentation import Factor, Transformation, between, drawn, each, range_of_values, span
from lamina.layers.image_colors import ImageColors, ValueRange
from lamina.layers.image_geometry import FILL_MODES, INTERPOLATIONS, ImageGeometry


def weighted(images: Array, weights: Array, axis: int) -> Array:
    """Returns each pixel as a sum over its neighbours along an axis, those outside being zero.

    Args:
        images: of shape (images, height, width, channels).
        weights: an odd number of them for each image, of shape (images, neighbours).
        axis: 1 or 2.
    """
    size, count = images.shape[axis], weights.shape[1]
    widths = [(count // 2, count // 2) if one == axis else (0, 0) for one in range(4)]
    padded, weights = jnp.pad(images, widths), weights.astype(images.dtype)[..., None, None, None]

    def add(step: Any, total: Array) -> Array:
        return total + weights[:, step] * jax.lax.dynamic_slice_in_dim(padded, step, size, axis)

    blurred: Array = jax.lax.fori_loop(0, count, add, jnp.zeros_like(images))
    return blurred


def bells(count: int, sigma: Array) -> Array:
    """Returns for each standard deviation a normal distribution's density at so many places, summing to 1."""
    away = (jnp.arange(count) - count // 2) / sigma[:, None]
    return jax.nn.softmax(-0.5 * away**2, -1)


class RandomGaussianBlur(ImageColors):
    """Images smoothed by a bell, in training, with a probability; the pixels outside are zero.

    (In Keras all images of a batch are smoothed alike.)

    Args:
        factor: the range of the probability that an image is smoothed; f stands for (0, f).
        kernel_size: how many pixels the bell covers, an odd number, or two: along x and along y.
        sigma: the range of the bell's standard deviation, in pixels, which is drawn for x and for y; s stands for (0, s).
        value_range: what pixels lie between.
        data_format: "channels_last" (the default) or "channels_first".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor or sigma outside [0, 1], a kernel size that is not an odd number, or what is not a range.

    >>> x = np.pad([[100.0]], 1)[..., None]
    >>> print(lamina.layers.RandomGaussianBlur((1, 1), 3, (0.5, 0.5))(x)[..., 0].round())
    [[ 1.  8.  1.]
     [ 8. 62.  8.]
     [ 1.  8.  1.]]
    """

    _units = 3

    def __init__(
        self,
        factor: Factor = 1.0,
        kernel_size: int | Sequence[int] = 3,
        sigma: Factor = 1.0,
        value_range: ValueRange = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor, self.sigma = span(factor, "factor", self), span(sigma, "sigma", self)
        self.kernel_size = sizes(kernel_size, 2, "kernel_size", self)
        if not all(size % 2 for size in self.kernel_size):
            raise ValueError(f"kernel_size of {type(self).__name__} must be odd, not {kernel_size!r}.")

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws which images are smoothed, and how much."""
        sigma = between(units[1:].T, self.sigma) + 1e-6
        return {"should_apply_blur": drawn(units[0], self.factor), "blur_factor": sigma}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        sigma = jnp.broadcast_to(transformation["blur_factor"], (images.shape[0], 2)).astype("float32")
        blurred = images
        for axis, size, one in zip((2, 1), self.kernel_size, sigma.T, strict=True):
            blurred = weighted(blurred, bells(size, one), axis)
        return self._clipped(jnp.where(each(transformation["should_apply_blur"], images), blurred, images))


class RandomSharpness(ImageColors):
    """smooth + 2f · (images - smooth), in training, with f drawn for each image.

    What is smooth is the mean of a pixel and its neighbours, in which it counts five times; outside is zero.

    Args:
        factor: the range of f: 0 smooths images, 0.5 leaves them as they are, 1 makes them sharper; f stands for (0, f).
        value_range: what pixels lie between; what is outside then is cut off.
        data_format: "channels_last" (the default) or "channels_first".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1], or what is not a range.

    >>> x = np.pad([[130.0]], 1)[..., None]
    >>> print(lamina.layers.RandomSharpness((0, 0))(x)[..., 0].round(1))
    [[10. 10. 10.]
     [10. 50. 10.]
     [10. 10. 10.]]
    """

    _units = 1

    def __init__(
        self,
        factor: Factor,
        value_range: ValueRange = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor = span(factor, "factor", self)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws f."""
        return {"factor": between(units[0], self.factor)}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        sums, ones = images, jnp.ones((images.shape[0], 3))
        for axis in (1, 2):
            sums = weighted(sums, ones, axis)
        smooth = (sums + 4 * images) / 13
        return self._clipped(images + (1 - 2 * each(transformation["factor"], images)) * (smooth - images))


class RandomElasticTransform(ImageGeometry):
    """Images each of whose pixels is moved, near ones alike, in training, with a probability.

    How far is normal noise of the standard deviation s = 0.05 · f · the smaller side, smoothed by a bell of the same, times
    0.1 · f · the greater side, with f drawn for each image. (In Keras masks are moved by other noise than their images.)

    Args:
        factor: the range of the probability that an image is changed; f stands for (0, f).
        scale: the range of f; likewise.
        interpolation: "bilinear" or "nearest".
        fill_mode: what is outside: "reflect", "wrap", "constant", "nearest" or "mirror".
        fill_value: the constant.
        value_range: what pixels lie between; what is outside then is cut off.
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor or scale outside [0, 1], another fill mode, interpolation or data format, or what is not a range;
            when it is called, for bounding boxes.

    Source: Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, 2003.

    >>> lamina.layers.RandomElasticTransform()(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: Factor = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: ValueRange = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor, self.scale = span(factor, "factor", self), span(scale, "scale", self)
        self.interpolation = one_of(INTERPOLATIONS, interpolation, "interpolation", self)
        self.fill_mode = one_of(FILL_MODES, fill_mode, "fill_mode", self)
        self.fill_value = number(fill_value, "fill_value", self)
        self.value_range = range_of_values(value_range, self)

    def _draw(self, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws how far each pixel moves, along y and along x."""
        (batch, height, width, _), (units, noises) = shape, jax.random.split(key)
        applied, scale = jax.random.uniform(units, (2, batch))
        scale = between(scale, self.scale)
        sigma = jnp.maximum(0.05 * scale * min(height, width), 1e-3)
        reach = int(3 * 0.05 * self.scale[1] * min(height, width))
        moves = each(sigma, noise := jax.random.normal(noises, (batch, height, width, 2))) * noise
        for axis in (1, 2):
            moves = weighted(moves, bells(2 * reach + 1, sigma), axis)
        moves = 0.1 * max(height, width) * each(scale, moves) * moves
        return {"moves": jnp.where(each(drawn(applied, self.factor), moves), moves, 0)}

    def _relocate(self, images: Array, transformation: Transformation, interpolation: str) -> Array:
        y, x = jnp.meshgrid(*map(jnp.arange, images.shape[1:3]), indexing="ij")
        down, right = jnp.moveaxis(transformation["moves"], -1, 0)
        order = INTERPOLATIONS.index(interpolation)
        return image_ops.taken_from(images, y + down, x + right, order, self.fill_mode, self.fill_value)

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        return jnp.clip(super()._augment(images, transformation), *self.value_range)
