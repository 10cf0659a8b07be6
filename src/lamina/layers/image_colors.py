"""Layers that change the colours of images at random. Masks, boxes and labels stay as they are."""

from typing import Any

import jax.numpy as jnp

import lamina.ops.image as image_ops
from lamina.core.variable import Array
from lamina.layers.checks import fraction
from lamina.layers.image_augmentation import (
    Factor,
    ImageAugmentation,
    Transformation,
    below,
    between,
    choices_of,
    drawn,
    each,
    in_range,
    parts,
    range_of_values,
    span,
)

ValueRange = tuple[float, float]


class ImageColors(ImageAugmentation):
    """Layers that have to know what the values of pixels lie between."""

    def __init__(self, value_range: ValueRange, seed: int | None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.value_range = range_of_values(value_range, self)

    def _clipped(self, images: Array) -> Array:
        """Returns images without values outside the range."""
        return jnp.clip(images, *self.value_range)


class RandomBrightness(ImageColors):
    """images + d · (high - low), in training, with d drawn for each image; what is outside the range is cut off.

    (In Keras images of 8-bit integers stay that, so that what is too dark becomes bright. Here they become floating numbers.)

    Args:
        factor: the range of d: -1 makes any image black, 1 white; f stands for (-f, f).
        value_range: (low, high), what pixels lie between.
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: `data_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [-1, 1], or what is not a range.

    >>> print(lamina.layers.RandomBrightness((0.1, 0.1))(np.array([[[0.0, 100, 250]]])))
    [[[ 25.5 125.5 255. ]]]
    """

    _units = 1

    def __init__(self, factor: Factor, value_range: ValueRange = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(value_range, seed, **kwargs)
        self.factor = span(factor, "factor", self, -1)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws what is added to each image."""
        low, high = self.value_range
        return {"rgb_delta": (high - low) * between(units[0], self.factor).reshape(-1, 1, 1, 1)}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        return self._clipped(images + each(transformation["rgb_delta"], images))


class RandomContrast(ImageColors):
    """(images - mean) · c + mean, in training, with c drawn for each image and the mean of each channel.

    (In Keras a single number f leads to c from 1 to 1 + f, so that contrast never gets less.)

    Args:
        factor: (a, b) for c from 1 - a to 1 + b; f stands for (f, f).
        value_range: what pixels lie between; what is outside then is cut off.
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: `data_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1], or what is not a range.

    >>> lamina.layers.RandomContrast(0.3)(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    _units = 1

    def __init__(self, factor: Factor, value_range: ValueRange = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(value_range, seed, **kwargs)
        span(factor, "factor", self)
        self.factor = tuple(factor) if isinstance(factor, (tuple, list)) else (factor, factor)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws c."""
        less, more = self.factor
        return {"contrast_factor": between(units[0], (1 - less, 1 + more)).reshape(-1, 1, 1, 1)}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        mean = jnp.mean(images, (1, 2), keepdims=True)
        return self._clipped((images - mean) * each(transformation["contrast_factor"], images) + mean)


class RandomSaturation(ImageColors):
    """Images with other saturation, in training: S · f / (1 - f), at most 1, with f drawn for each image.

    (Keras takes a single number f for (-f, f), though it says (0, f), and cuts S off at the greatest value of a pixel, which makes
    colours that there are not.)

    Args:
        factor: the range of f: 0 makes images gray, 0.5 leaves them as they are, 1 makes colours pure; f stands for (0, f).
        value_range: what pixels lie between.
        data_format: "channels_last" (the default) or "channels_first".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1], or what is not a range.

    >>> lamina.layers.RandomSaturation((0.3, 0.7))(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
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
        """Draws f / (1 - f)."""
        factor = between(units[0], self.factor)
        return {"factor": factor / (1 - factor + 1e-7)}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        hue, saturation, value = jnp.moveaxis(image_ops.rgb_to_hsv(in_range(images, self.value_range, (0, 1))), -1, 0)
        saturation = jnp.clip(saturation * each(transformation["factor"], saturation), 0, 1)
        colors = image_ops.hsv_to_rgb(jnp.stack([hue, saturation, value], -1))
        return in_range(colors, (0, 1), self.value_range)


class RandomHue(ImageColors):
    """Images whose colours are turned on the colour wheel, in training, as far as is drawn for each.

    Args:
        factor: the range of how far, in either direction: 1 is half of the wheel; f stands for (0, f).
        value_range: what pixels lie between.
        data_format: "channels_last" (the default) or "channels_first".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1], or what is not a range.

    >>> print(lamina.layers.RandomHue((1, 1))(np.array([[[255.0, 0, 0]]])))
    [[[  0. 255. 255.]]]
    """

    _units = 2

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
        """Draws what is added to each image's hue, in whole turns."""
        return {"factor": jnp.where(units[0] < 0.5, -1, 1) * between(units[1], self.factor) / 2}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        hue, saturation, value = jnp.moveaxis(image_ops.rgb_to_hsv(in_range(images, self.value_range, (0, 1))), -1, 0)
        hue = jnp.mod(hue + each(transformation["factor"], hue), 1)
        colors = jnp.clip(image_ops.hsv_to_rgb(jnp.stack([hue, saturation, value], -1)), 0, 1)
        return in_range(colors, (0, 1), self.value_range)


class RandomColorDegeneration(ImageColors):
    """images + d · (gray - images), in training, with d drawn for each image and what `lamina.ops.image.rgb_to_grayscale` makes.

    (Keras takes a single number f for (-f, f), though it says (0, f).)

    Args:
        factor: the range of d: 0 leaves images as they are, 1 makes them gray; f stands for (0, f).
        value_range: what pixels lie between; what is outside then is cut off.
        data_format: "channels_last" (the default) or "channels_first".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1], or what is not a range.

    >>> print(lamina.layers.RandomColorDegeneration((1, 1))(np.array([[[100.0, 0, 0]]])).round())
    [[[30. 30. 30.]]]
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
        """Draws d."""
        return {"factor": between(units[0], self.factor).reshape(-1, 1, 1, 1)}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        gray = image_ops.rgb_to_grayscale(images)
        return self._clipped(images + each(transformation["factor"], images) * (gray - images))


class RandomColorJitter(ImageColors):
    """Images with other brightness, contrast, saturation and hue, in this order, in training.

    Args:
        value_range: what pixels lie between.
        brightness_factor: see `RandomBrightness`; None leaves the brightness as it is.
        contrast_factor: see `RandomContrast`; likewise.
        saturation_factor: see `RandomSaturation`; likewise.
        hue_factor: see `RandomHue`; likewise.
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: as those layers.

    >>> lamina.layers.RandomColorJitter(brightness_factor=0.2, hue_factor=0.1)(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    _units = 5

    def __init__(
        self,
        value_range: ValueRange = (0, 255),
        brightness_factor: Factor | None = None,
        contrast_factor: Factor | None = None,
        saturation_factor: Factor | None = None,
        hue_factor: Factor | None = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        factors: dict[Any, tuple[str, Any]] = {
            RandomBrightness: ("brightness_factor", brightness_factor),
            RandomContrast: ("contrast_factor", contrast_factor),
            RandomSaturation: ("saturation_factor", saturation_factor),
            RandomHue: ("hue_factor", hue_factor),
        }
        given = {make: (name, factor) for make, (name, factor) in factors.items() if factor is not None}
        for name, factor in given.values():
            span(factor, name, self, -1)  # so that the message names this layer; the others look more closely
        self.steps = parts(make(factor, self.value_range, dtype=self.dtype_policy) for make, (_, factor) in given.items())

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws what each of the layers draws."""
        return {"steps": choices_of(self.steps, units, shape)}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        for step, chosen in zip(self.steps, transformation["steps"], strict=True):
            images = step._augment(images, chosen)
        return images


class RandomGrayscale(ImageAugmentation):
    """Images without their colours, in training, each with the same probability; see `lamina.ops.image.rgb_to_grayscale`.

    Args:
        factor: the probability.
        data_format: "channels_last" (the default) or "channels_first".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a probability outside [0, 1].

    >>> print(lamina.layers.RandomGrayscale(1)(np.array([[[100.0, 0, 0]]])).round())
    [[[30. 30. 30.]]]
    """

    _units = 1

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = fraction(factor, "factor", self)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws which images become gray."""
        return {"should_apply": drawn(units[0], (self.factor, self.factor))}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        return jnp.where(each(transformation["should_apply"], images), image_ops.rgb_to_grayscale(images), images)


class RandomInvert(ImageColors):
    """low + high - images, in training, with a probability.

    (In Keras it is high - images, which is outside the range where low is not 0.)

    Args:
        factor: the range of the probability that an image is inverted; f stands for (0, f).
        value_range: (low, high), what pixels lie between.
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1], or what is not a range.

    >>> print(lamina.layers.RandomInvert((1, 1))(np.array([[[0.0, 100, 255]]])))
    [[[255. 155.   0.]]]
    """

    _units = 1

    def __init__(
        self,
        factor: Factor = 1.0,
        value_range: ValueRange = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor = span(factor, "factor", self)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws which images are inverted."""
        return {"apply_inversion": drawn(units[0], self.factor)}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        return jnp.where(each(transformation["apply_inversion"], images), sum(self.value_range) - images, images)


class RandomPosterization(ImageColors):
    """Images whose channels have only the first bits of eight, in training; how many is drawn for each.

    (In Keras the upper end of the range is never drawn.)

    Args:
        factor: the range of how many bits are kept, from 1 to 8, both ends included; n stands for (1, n).
        value_range: what pixels lie between.
        data_format: "channels_last" (the default) or "channels_first".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [1, 8], or what is not a range.

    >>> print(lamina.layers.RandomPosterization((1, 1))(np.array([[[100.0, 130, 255]]])))
    [[[  0. 128. 128.]]]
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
        self.factor = span(factor, "factor", self, 1, 8)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws how many bits are left out."""
        least, most = (int(end) for end in self.factor)
        return {"shift_factor": 8 - least - below(units[0], most - least + 1)}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        bits = jnp.asarray(transformation["shift_factor"]).astype("int32").reshape(-1, 1, 1, 1)
        whole = jnp.clip(in_range(images, self.value_range, (0, 255)), 0, 255).astype("int32")
        return in_range((whole >> bits << bits).astype(images.dtype), (0, 255), self.value_range)


class Solarization(ImageColors):
    """Images whose bright pixels are inverted, in training: x + a where that is below t, else low + high - (x + a).

    (In Keras the lower ends of the ranges are 255 times too low.)

    Args:
        addition_factor: the range of a, as a share of the range of values; f stands for (0, f).
        threshold_factor: the range of t, likewise.
        value_range: (low, high), what pixels lie between; x + a above it is cut off.
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: `data_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1], or what is not a range.

    >>> print(lamina.layers.Solarization(threshold_factor=(0.5, 0.5))(np.array([[[0.0, 100, 200]]])))
    [[[  0. 100.  55.]]]
    """

    _units = 2

    def __init__(
        self,
        addition_factor: Factor = 0.0,
        threshold_factor: Factor = 0.0,
        value_range: ValueRange = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, **kwargs)
        self.addition_factor = span(addition_factor, "addition_factor", self)
        self.threshold_factor = span(threshold_factor, "threshold_factor", self)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws a and t, of pixels from 0 to 255."""
        pair = between(units[0], self.addition_factor), between(units[1], self.threshold_factor)
        return {name: 255 * one.reshape(-1, 1, 1, 1) for name, one in zip(("additions", "thresholds"), pair, strict=True)}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        additions, thresholds = (each(transformation[name], images) for name in ("additions", "thresholds"))
        brighter = jnp.clip(in_range(images, self.value_range, (0, 255)) + additions, 0, 255)
        return in_range(jnp.where(brighter < thresholds, brighter, 255 - brighter), (0, 255), self.value_range)
