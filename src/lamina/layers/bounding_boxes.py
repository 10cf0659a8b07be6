"""Bounding boxes: their formats, what of them an image shows, and a fixed number of them."""

from typing import Any

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.layers.checks import number, positive
from lamina.layers.image_augmentation import ImageAugmentation, Transformation

Boxes = dict[str, Any]


def to_corners(boxes: Any, source: str, height: Any, width: Any) -> Array:
    """Returns boxes in a format of `BOX_FORMATS` as (left, top, right, bottom) in pixels, of shape (..., 4)."""
    boxes = jnp.asarray(boxes)
    boxes = boxes if jnp.issubdtype(boxes.dtype, jnp.floating) else boxes.astype(jnp.float32)
    kind = source.removeprefix("rel_")
    if kind in ("yxyx", "center_yxhw"):
        boxes = boxes[..., jnp.array([1, 0, 3, 2])]
    start, end = boxes[..., :2], boxes[..., 2:]
    if kind == "xywh":
        end = start + end
    elif kind.startswith("center_"):
        start, end = start - end / 2, start + end / 2
    corners = jnp.concatenate([start, end], -1)
    return corners * _whole(height, width).astype(corners.dtype) if source.startswith("rel_") else corners


def from_corners(corners: Array, target: str, height: Any, width: Any) -> Array:
    """Returns boxes as (left, top, right, bottom) in pixels in a format of `BOX_FORMATS`."""
    if target.startswith("rel_"):
        corners = corners / _whole(height, width).astype(corners.dtype)
    kind = target.removeprefix("rel_")
    start, end = corners[..., :2], corners[..., 2:]
    if kind == "xywh":
        end = end - start
    elif kind.startswith("center_"):
        start, end = (start + end) / 2, end - start
    boxes = jnp.concatenate([start, end], -1)
    return boxes[..., jnp.array([1, 0, 3, 2])] if kind in ("yxyx", "center_yxhw") else boxes


def _whole(height: Any, width: Any) -> Array:
    return jnp.stack([jnp.asarray(size, jnp.float32) for size in (width, height, width, height)], -1)


def within(boxes: Boxes, corners: Array, source: str, height: Any, width: Any) -> Boxes:
    """Returns boxes of which only what lies within an image is left, in their own format.

    A box of which nothing is left, and one that was none (all -1), becomes -1, its label too.

    Args:
        boxes: what was given: "boxes", of shape (images, boxes, 4), "labels", (images, boxes), and whatever else.
        corners: where the boxes are now: (left, top, right, bottom) in pixels.
        source: their format.
        height: the image's.
        width: likewise.
    """
    absent = jnp.all(jnp.asarray(boxes["boxes"]) == -1, -1)
    corners = jnp.clip(corners, 0, _whole(height, width))
    kept = ~absent & jnp.all(corners[..., 2:] > corners[..., :2], -1)
    found = from_corners(corners, source, height, width)
    dtype = jnp.result_type(boxes["boxes"])
    found = found.astype(dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.float32)
    inside = {**boxes, "boxes": jnp.where(kept[..., None], found, -1)}
    if "labels" in boxes:
        inside["labels"] = jnp.where(kept, boxes["labels"], -1)
    return inside


class MaxNumBoundingBoxes(ImageAugmentation):
    """Images with the same number of bounding boxes each: what is above it is left out, what is missing is added.

    Args:
        max_number: how many boxes there are to be.
        fill_value: the coordinates and the label of boxes that are added.
        kwargs: `data_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for a number that is not a positive integer.

    >>> boxes = {"boxes": np.ones((2, 1, 4)), "labels": np.zeros((2, 1))}
    >>> outputs = lamina.layers.MaxNumBoundingBoxes(3)({"images": np.ones((2, 8, 8, 3)), "bounding_boxes": boxes})
    >>> outputs["bounding_boxes"]["boxes"].shape, outputs["bounding_boxes"]["labels"].tolist()
    ((2, 3, 4), [[0.0, -1.0, -1.0], [0.0, -1.0, -1.0]])
    """

    _draws = False
    _only_in_training = False

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_number = positive(max_number, "max_number", self)
        self.fill_value = number(fill_value, "fill_value", self)

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        return images

    def transform_bounding_boxes(self, bounding_boxes: Boxes, transformation: Transformation, training: bool = True) -> Boxes:
        """Returns the boxes, cut off or filled up."""
        return {name: self._filled(jnp.asarray(value)) for name, value in bounding_boxes.items()}

    def _filled(self, values: Array) -> Array:
        values = values[:, : self.max_number]
        widths = [(0, 0), (0, self.max_number - values.shape[1]), *[(0, 0)] * (values.ndim - 2)]
        return jnp.pad(values, widths, constant_values=self.fill_value)
