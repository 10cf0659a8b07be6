"""Layers that give images another size: Resizing, CenterCrop, RandomCrop."""

from typing import Any

import jax
import jax.numpy as jnp

import lamina.ops.image as image_ops
from lamina.core.variable import Array
from lamina.layers.checks import number, one_of, positive
from lamina.layers.image_augmentation import Transformation, below
from lamina.layers.image_geometry import ImageGeometry


class _Sized(ImageGeometry):
    """Layers whose images have one size: a window of what is given, resized."""

    _draws = False
    _only_in_training = False

    def __init__(self, height: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height, self.width = positive(height, "height", self), positive(width, "width", self)

    def _window(self, transformation: Transformation) -> tuple[Any, Any, Any, Any]:
        """Returns the top, left, height and width of what the image is made of."""
        raise NotImplementedError(f"{type(self).__name__} does not define window.")

    def _size_of_output(self, height: Any, width: Any) -> tuple[Any, Any]:
        return self.height, self.width

    def _moved(self, corners: Array, transformation: Transformation) -> Array:
        top, left, tall, wide = (jnp.asarray(number, jnp.float32) for number in self._window(transformation))
        start = jnp.stack(jnp.broadcast_arrays(left, top, left, top), -1)
        start = start if start.ndim == 1 else start[:, None]
        scale = jnp.stack([self.width / wide, self.height / tall] * 2)
        return (corners - start) * scale

    def _cut(self, images: Array, interpolation: str) -> Array:
        """Returns the greatest window, in the middle, of the ratio that is wanted, resized."""
        return image_ops.resize(images, (self.height, self.width), interpolation, crop_to_aspect_ratio=True)

    def _greatest(self, transformation: Transformation) -> tuple[Any, Any, Any, Any]:
        """Returns that window."""
        _, height, width, _ = transformation["shape"]
        return image_ops.window_of_ratio(height, width, self.height, self.width, True, False)


class Resizing(_Sized):
    """Images in another size, in their own dtype: integers stay integers, rounded.

    Args:
        height: the new height.
        width: the new width.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: whether to cut off, equally on both sides, what would change the ratio of height to width.
        pad_to_aspect_ratio: whether to add what is missing to keep the ratio.
        fill_mode: "constant", the only one.
        fill_value: what is added.
        antialias: whether what is made smaller is smoothed first.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: `bounding_box_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, another interpolation, fill mode, data format or box format, or if
            images are to be both cropped and padded.

    >>> lamina.layers.Resizing(4, 4)(np.ones((2, 8, 6, 3))).shape
    (2, 4, 4, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(height, width, data_format=data_format, **kwargs)
        self.interpolation = one_of(image_ops.INTERPOLATIONS, interpolation, "interpolation", self)
        self.fill_mode = one_of(("constant",), fill_mode, "fill_mode", self)
        self.fill_value = number(fill_value, "fill_value", self)
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError("Resizing can crop to the aspect ratio or pad to it, not both.")
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.antialias = antialias

    def _window(self, transformation: Transformation) -> tuple[Any, Any, Any, Any]:
        _, height, width, _ = transformation["shape"]
        ratio = self.crop_to_aspect_ratio, self.pad_to_aspect_ratio
        return image_ops.window_of_ratio(height, width, self.height, self.width, *ratio)

    def _relocate(self, images: Array, transformation: Transformation, interpolation: str) -> Array:
        return image_ops.resize(
            images,
            (self.height, self.width),
            interpolation,
            self.antialias and interpolation != "nearest",
            self.crop_to_aspect_ratio,
            self.pad_to_aspect_ratio,
            self.fill_mode,
            self.fill_value,
        )

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Array:
        """Returns images resized."""
        batch = jnp.asarray(images)
        if jnp.issubdtype(batch.dtype, jnp.floating):
            batch = batch.astype(self.compute_dtype)
        return self._compiled("_resized", batch, transformation)

    def _resized(self, images: Array, transformation: Transformation) -> Array:
        last = jnp.moveaxis(images, self._channels_axis, -1)
        return jnp.moveaxis(self._relocate(last, transformation, self.interpolation), -1, self._channels_axis)


class CenterCrop(_Sized):
    """The middle of images. Of images that are too small the greatest part of the same ratio of height to width, resized.

    Args:
        height: the height of the result.
        width: the width of the result.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: `bounding_box_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, or another data format or box format.

    >>> print(lamina.layers.CenterCrop(2, 2)(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0])
    [[ 5.  6.]
     [ 9. 10.]]
    """

    interpolation = "bilinear"

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(height, width, data_format=data_format, **kwargs)

    def _window(self, transformation: Transformation) -> tuple[Any, Any, Any, Any]:
        _, height, width, _ = transformation["shape"]
        if height < self.height or width < self.width:
            return self._greatest(transformation)
        return (height - self.height) // 2, (width - self.width) // 2, self.height, self.width

    def _relocate(self, images: Array, transformation: Transformation, interpolation: str) -> Array:
        if images.shape[1] < self.height or images.shape[2] < self.width:
            return self._cut(images, interpolation)
        top, left, tall, wide = self._window({"shape": images.shape})
        return images[:, top : top + tall, left : left + wide]


class RandomCrop(_Sized):
    """A part of images, from a place that is drawn for each, in training.

    Otherwise, and of images that are too small, it is the greatest part of the same ratio of height to width, resized. (Keras says
    so too, but returns images as they are where it is not training, takes the middle in training where one of the sizes is
    already right, and draws one place for all images of a batch.)

    Args:
        height: the height of the result.
        width: the width of the result.
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: `bounding_box_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, or another data format or box format.

    >>> lamina.layers.RandomCrop(4, 5)(np.ones((2, 8, 8, 3))).shape
    (2, 4, 5, 3)
    """

    _draws = True
    interpolation = "bilinear"

    _units = 2

    def __init__(self, height: int, width: int, seed: int | None = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(height, width, seed=seed, data_format=data_format, **kwargs)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """Draws where to cut; nothing where it is not training."""
        return super().get_random_transformation(data, training, seed) if training else {"shape": self._shape_of(data)}

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws the top and left of each image's part."""
        _, height, width, _ = shape
        if height < self.height or width < self.width:
            return {}
        return {"top": below(units[0], height - self.height + 1), "left": below(units[1], width - self.width + 1)}

    def _window(self, transformation: Transformation) -> tuple[Any, Any, Any, Any]:
        if "top" not in transformation:
            return self._greatest(transformation)
        return transformation["top"], transformation["left"], self.height, self.width

    def _relocate(self, images: Array, transformation: Transformation, interpolation: str) -> Array:
        if "top" not in transformation:
            return self._cut(images, interpolation)
        size = (self.height, self.width, images.shape[-1])
        take = jax.vmap(lambda image, top, left: jax.lax.dynamic_slice(image, (top, left, 0), size))
        return take(images, transformation["top"], transformation["left"])
