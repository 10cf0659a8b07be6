"""Layers that move the pixels of images at random: flips, rotations, translations, zooms, shears, perspectives."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

import lamina.ops.image as image_ops
from lamina.core.variable import Array
from lamina.layers.bounding_boxes import Boxes, to_corners, within
from lamina.layers.checks import fraction, number, one_of
from lamina.layers.image_augmentation import Factor, ImageAugmentation, Transformation, between, drawn, each, span

INTERPOLATIONS = ("nearest", "bilinear")
FILL_MODES = ("reflect", "wrap", "constant", "nearest", "mirror")


class ImageGeometry(ImageAugmentation):
    """What layers share that give pixels other places: masks and boxes follow the images.

    A subclass defines `_relocate`, for images and masks, and `_moved`, for boxes.
    """

    interpolation = "nearest"

    def _relocate(self, images: Array, transformation: Transformation, interpolation: str) -> Array:
        """Returns images, with the channels last, whose pixels have moved."""
        raise NotImplementedError(f"{type(self).__name__} does not define relocate.")

    def _moved(self, corners: Array, transformation: Transformation) -> Array:
        """Returns where boxes, (left, top, right, bottom) in pixels, have moved."""
        raise NotImplementedError(f"{type(self).__name__} does not say where bounding boxes move; leave them out of its inputs.")

    def _size_of_output(self, height: Any, width: Any) -> tuple[Any, Any]:
        """Returns the height and width of what images of a size become."""
        return height, width

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        """Moves the pixels of images."""
        return self._relocate(images, transformation, self.interpolation)

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Transformation, training: bool = True) -> Any:
        """Returns the masks with their pixels moved as those of the images, each with the value of the nearest one."""
        if self._only_in_training and not training:
            return segmentation_masks
        return self._compiled("_masks", jnp.asarray(segmentation_masks), transformation)

    def _masks(self, masks: Array, transformation: Transformation) -> Array:
        axis = self._channels_axis if masks.ndim == 4 else None
        last = masks[..., None] if axis is None else jnp.moveaxis(masks, axis, -1)
        moved = self._relocate(last, transformation, "nearest").astype(masks.dtype)
        return moved[..., 0] if axis is None else jnp.moveaxis(moved, -1, axis)

    def transform_bounding_boxes(self, bounding_boxes: Boxes, transformation: Transformation, training: bool = True) -> Boxes:
        """Returns the boxes moved as the pixels, as far as they lie within the images then; the others become -1."""
        if self._only_in_training and not training:
            return bounding_boxes
        if self.bounding_box_format is None:
            raise ValueError(
                f"The layer {self.path!r} was given bounding boxes but does not know their format. Say it where the layer is made: "
                f"{type(self).__name__}(..., bounding_box_format='xyxy')."
            )
        return self._compiled("_boxes", jax.tree.map(jnp.asarray, bounding_boxes), transformation)

    def _boxes(self, bounding_boxes: Boxes, transformation: Transformation) -> Boxes:
        _, height, width, _ = transformation["shape"]
        corners = to_corners(bounding_boxes["boxes"], str(self.bounding_box_format), height, width)
        corners = self._moved(corners, transformation)
        return within(bounding_boxes, corners, str(self.bounding_box_format), *self._size_of_output(height, width))


class RandomFlip(ImageGeometry):
    """Images flipped, with probability 1/2 along each axis, in training.

    (In Keras 3 one draw decides about both axes, so that images are never flipped along one of them alone.)

    Args:
        mode: "horizontal" for left and right, "vertical" for top and bottom, or "horizontal_and_vertical".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: `bounding_box_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for an unknown mode, data format or box format.

    >>> lamina.layers.RandomFlip("horizontal")(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    _units = 2

    def __init__(
        self, mode: str = "horizontal_and_vertical", seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.mode = one_of(("horizontal", "vertical", "horizontal_and_vertical"), mode, "mode", self)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws which images to flip, along which axes."""
        flips = zip(("horizontal", "vertical"), units < 0.5, strict=True)
        return {name: flip & (name in self.mode) for name, flip in flips}

    def _relocate(self, images: Array, transformation: Transformation, interpolation: str) -> Array:
        for name, axis in (("horizontal", 2), ("vertical", 1)):
            images = jnp.where(each(transformation[name], images), jnp.flip(images, axis), images)
        return images

    def _moved(self, corners: Array, transformation: Transformation) -> Array:
        _, height, width, _ = transformation["shape"]
        left, top, right, bottom = jnp.moveaxis(corners, -1, 0)
        flipped = jnp.stack([width - right, top, width - left, bottom], -1)
        corners = jnp.where(each(transformation["horizontal"], corners), flipped, corners)
        left, top, right, bottom = jnp.moveaxis(corners, -1, 0)
        flipped = jnp.stack([left, height - bottom, right, height - top], -1)
        return jnp.where(each(transformation["vertical"], corners), flipped, corners)


class _Projection(ImageGeometry):
    """Images each of whose pixels is taken from another place, by eight numbers: see `lamina.ops.image.affine_transform`.

    A subclass defines `_matrix`, the eight numbers for each image.
    """

    def __init__(self, interpolation: str, fill_mode: str, fill_value: float, seed: int | None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.interpolation = one_of(INTERPOLATIONS, interpolation, "interpolation", self)
        self.fill_mode = one_of(FILL_MODES, fill_mode, "fill_mode", self)
        self.fill_value = number(fill_value, "fill_value", self)

    def _matrix(self, transformation: Transformation, height: Any, width: Any) -> Array:
        """Returns the eight numbers for each image."""
        raise NotImplementedError(f"{type(self).__name__} does not define matrix.")

    def _relocate(self, images: Array, transformation: Transformation, interpolation: str) -> Array:
        matrix = self._matrix(transformation, *images.shape[1:3])
        return image_ops.affine_transform(images, matrix, interpolation, self.fill_mode, self.fill_value)

    def _moved(self, corners: Array, transformation: Transformation) -> Array:
        """Returns the boxes around where the corners of boxes come to lie."""
        matrix = self._matrix(transformation, *transformation["shape"][1:3])
        left, top, right, bottom = jnp.moveaxis(corners - 0.5, -1, 0)  # a pixel's number is that of its middle
        x, y = jnp.stack([left, right, left, right], -1), jnp.stack([top, top, bottom, bottom], -1)
        x, y = _projected(_inverse(matrix), x, y)
        return 0.5 + jnp.stack([x.min(-1), y.min(-1), x.max(-1), y.max(-1)], -1)


def _inverse(matrix: Array) -> Array:
    """Returns the nine numbers, up to a factor, of the way back, of shape (images, 3, 3)."""
    a, b, c = jnp.moveaxis(jnp.concatenate([matrix, jnp.ones_like(matrix[:, :1])], -1).reshape(-1, 3, 3), 1, 0)
    return jnp.stack([jnp.cross(b, c), jnp.cross(c, a), jnp.cross(a, b)], -1)


def _projected(matrix: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Returns where points, of shape (images, ...), come to lie by nine numbers for each image."""
    a, b, c = (jnp.expand_dims(matrix[:, row], range(1, x.ndim)) for row in range(3))
    k = c[..., 0] * x + c[..., 1] * y + c[..., 2]
    return (a[..., 0] * x + a[..., 1] * y + a[..., 2]) / k, (b[..., 0] * x + b[..., 1] * y + b[..., 2]) / k


def _affine(a: Sequence[Any], b: Sequence[Any]) -> Array:
    """Returns eight numbers for each image of which the last two are 0; each is an array of one for each image, or a constant."""
    numbers = jnp.broadcast_arrays(*(jnp.asarray(number, jnp.float32) for number in (*a, *b, 0, 0)))
    return jnp.stack(numbers, -1)


class RandomRotation(_Projection):
    """Images turned about their middle, in training, by an angle that is drawn for each.

    Args:
        factor: the range of the angle, in whole turns, counterclockwise: (-0.1, 0.25) is -36° to 90°; f stands for (-f, f).
        fill_mode: what is outside: "reflect", "wrap", "constant", "nearest" or "mirror".
        interpolation: "bilinear" or "nearest".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        fill_value: the constant.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: `bounding_box_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [-1, 1], or another fill mode, interpolation, data format or box format.

    >>> x = np.arange(4.0).reshape(1, 2, 2, 1)
    >>> print(lamina.layers.RandomRotation((0.25, 0.25), interpolation="nearest")(x)[0, :, :, 0])
    [[1. 3.]
     [0. 2.]]
    """

    _units = 1

    def __init__(
        self,
        factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(interpolation, fill_mode, fill_value, seed, data_format=data_format, **kwargs)
        self.factor = span(factor, "factor", self, -1)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws angles, in degrees."""
        return {"angle": 360 * between(units[0], self.factor)}

    def _matrix(self, transformation: Transformation, height: Any, width: Any) -> Array:
        angle = jnp.deg2rad(transformation["angle"])
        cos, sin, x, y = jnp.cos(angle), jnp.sin(angle), (width - 1) / 2, (height - 1) / 2
        return _affine((cos, -sin, x - cos * x + sin * y), (sin, cos, y - sin * x - cos * y))


class RandomTranslation(_Projection):
    """Images moved up or down and to the side, in training, as far as is drawn for each.

    Args:
        height_factor: the range of how far down, as a share of the height; f stands for (-f, f).
        width_factor: the range of how far to the right, as a share of the width; likewise.
        fill_mode: see `RandomRotation`, like the rest.
        interpolation: "bilinear" or "nearest".
        seed: an integer, for the same draws in each run.
        fill_value: what is outside where the fill mode is "constant".
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: `bounding_box_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [-1, 1], or another fill mode, interpolation, data format or box format.

    >>> x = np.arange(4.0).reshape(1, 2, 2, 1)
    >>> print(lamina.layers.RandomTranslation((0.5, 0.5), 0, "constant")(x)[0, :, :, 0])
    [[0. 0.]
     [0. 1.]]
    """

    _units = 2

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(interpolation, fill_mode, fill_value, seed, data_format=data_format, **kwargs)
        self.height_factor = span(height_factor, "height_factor", self, -1)
        self.width_factor = span(width_factor, "width_factor", self, -1)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws how far to move, along x and along y, in pixels."""
        right, down = shape[2] * between(units[0], self.width_factor), shape[1] * between(units[1], self.height_factor)
        return {"translations": jnp.stack([right, down], -1)}

    def _matrix(self, transformation: Transformation, height: Any, width: Any) -> Array:
        right, down = transformation["translations"].T
        return _affine((1, 0, -right), (0, 1, -down))


class RandomZoom(_Projection):
    """Images enlarged or made smaller about their middle, in training, as much as is drawn for each.

    Args:
        height_factor: the range of how much smaller things get: (0.2, 0.3) shows 20 % to 30 % more of the height, (-0.3, -0.2)
            less; f stands for (-f, f).
        width_factor: likewise for the width; None takes what was drawn for the height, which keeps the ratio.
        fill_mode: see `RandomRotation`, like the rest.
        interpolation: "bilinear" or "nearest".
        seed: an integer, for the same draws in each run.
        fill_value: what is outside where the fill mode is "constant".
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: `bounding_box_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside (-1, 1], or another fill mode, interpolation, data format or box format.

    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> print(lamina.layers.RandomZoom((1, 1), fill_mode="constant", interpolation="nearest")(x)[0, :, :, 0])
    [[ 0.  0.  0.  0.]
     [ 0.  5.  7.  0.]
     [ 0. 13. 15.  0.]
     [ 0.  0.  0.  0.]]
    """

    _units = 2

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(interpolation, fill_mode, fill_value, seed, data_format=data_format, **kwargs)
        self.height_factor = self._zoom(height_factor, "height_factor")
        self.width_factor = None if width_factor is None else self._zoom(width_factor, "width_factor")

    def _zoom(self, factor: Factor, name: str) -> tuple[float, float]:
        lower, upper = span(factor, name, self, -1)
        if lower == -1:
            raise ValueError(f"{name} of RandomZoom must be above -1, at which nothing of the image is seen: {factor!r}.")
        return 1 + lower, 1 + upper

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws how much of the height and width is seen."""
        height = between(units[0], self.height_factor)[:, None]
        width = height if self.width_factor is None else between(units[1], self.width_factor)[:, None]
        return {"height_zoom": height, "width_zoom": width}

    def _matrix(self, transformation: Transformation, height: Any, width: Any) -> Array:
        rows, columns = transformation["height_zoom"][:, 0], transformation["width_zoom"][:, 0]
        return _affine((columns, 0, (1 - columns) * (width - 1) / 2), (0, rows, (1 - rows) * (height - 1) / 2))


class RandomShear(_Projection):
    """Images slanted, in training, as much as is drawn for each: pixel (x, y) is taken from (x + a·y, y + b·x).

    Args:
        x_factor: the range of a, which is negative as often as not; f stands for (0, f).
        y_factor: the range of b, which has the sign of a; likewise.
        interpolation: "bilinear" or "nearest".
        fill_mode: see `RandomRotation`, like the rest.
        fill_value: what is outside where the fill mode is "constant".
        data_format: "channels_last" (the default) or "channels_first".
        seed: an integer, for the same draws in each run.
        kwargs: `bounding_box_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1], or another fill mode, interpolation, data format or box format.

    >>> lamina.layers.RandomShear(0.2, 0.1)(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    _units = 3

    def __init__(
        self,
        x_factor: Factor = 0.0,
        y_factor: Factor = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(interpolation, fill_mode, fill_value, seed, data_format=data_format, **kwargs)
        self.x_factor, self.y_factor = span(x_factor, "x_factor", self), span(y_factor, "y_factor", self)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws a and b."""
        factors = jnp.stack([between(units[0], self.x_factor), between(units[1], self.y_factor)], -1)
        return {"shear_factor": factors * jnp.where(units[2] < 0.5, -1, 1)[:, None]}

    def _matrix(self, transformation: Transformation, height: Any, width: Any) -> Array:
        a, b = transformation["shear_factor"].T
        return _affine((1, a, 0), (b, 1, 0))


class RandomPerspective(_Projection):
    """Images seen from elsewhere, in training: their corners are moved, each by itself.

    (In Keras a corner is moved by a share of its coordinates, so that the one at the top left never moves.)

    Args:
        factor: the range of the probability that an image is changed; f stands for (0, f).
        scale: how far corners are moved at most: 1 is half of the height and of the width.
        interpolation: "bilinear" or "nearest".
        fill_value: what is outside.
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: `bounding_box_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor or scale outside [0, 1], or another interpolation, data format or box format.

    >>> lamina.layers.RandomPerspective(scale=0.3)(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    _units = 9

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(interpolation, "constant", fill_value, seed, data_format=data_format, **kwargs)
        self.factor, self.scale = span(factor, "factor", self), fraction(scale, "scale", self)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws which images to change, and where to move their corners."""
        batch, height, width, _ = shape
        size = jnp.array([width - 1, height - 1], jnp.float32)
        start = jnp.broadcast_to(size * jnp.array([[0, 0], [1, 0], [0, 1], [1, 1]]), (batch, 4, 2))
        end = start + size * between(units[1:].T.reshape(batch, 4, 2), (-self.scale / 2, self.scale / 2))
        return {"apply_perspective": drawn(units[0], self.factor), "start_points": start, "end_points": end}

    def _matrix(self, transformation: Transformation, height: Any, width: Any) -> Array:
        found = image_ops.homography(transformation["start_points"], transformation["end_points"])
        return jnp.where(transformation["apply_perspective"][:, None], found, _affine((1, 0, 0), (0, 1, 0)))
