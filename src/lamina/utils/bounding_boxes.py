"""Boxes around what is in images: their formats, how well they agree, and how they differ from anchors.

A box is four numbers, the last axis of an array of shape (boxes, 4) or (batch, boxes, 4). Its format says what they are:

- "xyxy": left, top, right, bottom; "yxyx": top, left, bottom, right;
- "xywh": left, top, width, height;
- "center_xywh": middle (x, y), width, height; "center_yxhw": middle (y, x), height, width;
- with "rel_" before it (but for the last): as fractions of the image's width and height, instead of pixels.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.text import suggest
from lamina.layers.bounding_boxes import from_corners, to_corners
from lamina.layers.image_augmentation import BOX_FORMATS

__all__ = [
    "clip_to_image_size",
    "compute_ciou",
    "compute_iou",
    "convert_format",
    "crop",
    "decode_deltas_to_boxes",
    "encode_box_to_deltas",
    "pad",
]

Array = jax.Array

_CENTERED = ("center_xywh", "center_yxhw")
_EPSILON = 1e-7


def convert_format(boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: Any = "float32") -> Any:
    """Returns boxes in another format.

    Args:
        boxes: an array of shape (..., 4), or a dict with one as "boxes", which is returned with that replaced.
        source: their format, see `lamina.utils.bounding_boxes`.
        target: the format wanted.
        height: of the image; for relative formats.
        width: of the image; for relative formats.
        dtype: of the result.

    Raises:
        ValueError: for an unknown format, another last axis, or a relative format without height and width.

    >>> print(lamina.utils.bounding_boxes.convert_format([[10, 20, 30, 60]], "xyxy", "center_xywh"))
    [[20. 40. 20. 40.]]
    """
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    source, target = _known(source), _known(target)
    relative = [form.startswith("rel_") for form in (source, target)]
    if any(relative) and (height is None or width is None):
        raise ValueError(f"Boxes of the formats {source!r} and {target!r} need the image's height and width.")
    array = jnp.asarray(boxes, dtype)
    if not array.ndim or array.shape[-1] != 4:
        raise ValueError(f"A box is four numbers, the last axis of an array, which cannot be of shape {array.shape}.")
    if source == target:
        return array
    if all(relative):
        source, target = source.removeprefix("rel_"), target.removeprefix("rel_")
    return from_corners(to_corners(array, source, height, width), target, height, width)


def _known(form: str) -> str:
    if form.lower() not in BOX_FORMATS:
        raise ValueError(f"Unknown format of boxes {form!r}. {suggest(form, BOX_FORMATS)}")
    return form.lower()


def clip_to_image_size(
    bounding_boxes: dict[str, Any], height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> Any:
    """Returns boxes without what lies outside of the image; the label of a box that has nothing left is -1.

    Args:
        bounding_boxes: a dict with "boxes" and, perhaps, "labels", of shape (boxes,) or (batch, boxes).
        height: of the image.
        width: of the image.
        bounding_box_format: "xyxy" or "rel_xyxy".

    Raises:
        ValueError: for another format, or "xyxy" without height and width.

    >>> clipped = lamina.utils.bounding_boxes.clip_to_image_size({"boxes": [[-5.0, 2.0, 5.0, 9.0]]}, height=8, width=8)
    >>> print(clipped["boxes"])
    [[0. 2. 5. 8.]]
    """
    if bounding_box_format not in ("xyxy", "rel_xyxy"):
        raise ValueError(f"clip_to_image_size takes boxes of the format 'xyxy' or 'rel_xyxy', not {bounding_box_format!r}.")
    if bounding_box_format == "rel_xyxy":
        height = width = 1
    elif height is None or width is None:
        raise ValueError("clip_to_image_size needs the image's height and width for boxes of the format 'xyxy'.")
    boxes = _within(jnp.asarray(bounding_boxes["boxes"]), height, width)
    result = {**bounding_boxes, "boxes": boxes}
    if bounding_boxes.get("labels") is not None:
        result["labels"] = jnp.where(_area(boxes) > 0, jnp.asarray(bounding_boxes["labels"]), -1)
    return result


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> Array:
    """Returns boxes as they are in a part of the image.

    Args:
        boxes: an array of shape (..., 4).
        top: where that part begins.
        left: where that part begins.
        height: of that part.
        width: of that part.
        bounding_box_format: of the boxes.
    """
    moved = pad(boxes, -top, -left, bounding_box_format=bounding_box_format)
    corners = _within(convert_format(moved, bounding_box_format, "xyxy"), height, width)
    cropped: Array = convert_format(corners, "xyxy", bounding_box_format)
    return cropped


def pad(boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy") -> Array:
    """Returns boxes as they are in an image that was continued above and to the left.

    Args:
        boxes: an array of shape (..., 4).
        top: by how much, above.
        left: by how much, to the left.
        height: taken as Keras has it; not used.
        width: likewise.
        bounding_box_format: of the boxes, no relative one.
    """
    del height, width
    corners = convert_format(boxes, bounding_box_format, "xyxy")
    way = jnp.stack(jnp.broadcast_arrays(left, top, left, top), axis=-1)
    moved: Array = convert_format(corners + way, "xyxy", bounding_box_format)
    return moved


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Sequence[int] | None = None,
) -> Array:
    """Returns how well each box agrees with each other one: the area that both cover, divided by what either covers.

    Args:
        boxes1: an array of shape (boxes, 4) or (batch, boxes, 4).
        boxes2: likewise.
        bounding_box_format: of both, see `lamina.utils.bounding_boxes`.
        use_masking: whether boxes that only fill up, whose numbers are all below 0, get `mask_val`.
        mask_val: what these get.
        image_shape: of the image, (height, width, channels); for relative formats.

    Returns:
        An array of shape (boxes1, boxes2) or (batch, boxes1, boxes2).

    >>> print(lamina.utils.bounding_boxes.compute_iou([[0, 0, 2, 2]], [[0, 0, 2, 1], [5, 5, 6, 6]], "xyxy"))
    [[0.5 0. ]]
    """
    one, two = (_as_corners(boxes, bounding_box_format, image_shape) for boxes in (boxes1, boxes2))
    one, two = one[..., :, None, :], two[..., None, :, :]
    both = _intersection(one, two)
    agreement = both / (_area(one) + _area(two) - both + _EPSILON)
    if not use_masking:
        return agreement
    return jnp.where((one.max(axis=-1) < 0) | (two.max(axis=-1) < 0), mask_val, agreement)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Sequence[int] | None = None) -> Array:
    """Returns the complete agreement of boxes, pair by pair: IoU - d² / c² - α v.

    d is the distance of their middles, c the diagonal of the box around both, v = 4 / π² (Δ atan(width / height))², and
    α = v / (1 - IoU + v).

    Args:
        boxes1: an array of shape (..., 4).
        boxes2: likewise.
        bounding_box_format: of both, see `lamina.utils.bounding_boxes`.
        image_shape: of the image, (height, width, channels); for relative formats.

    Returns:
        An array of shape (...).

    Source: Zheng et al., Distance-IoU loss (2020).
    """
    one, two = (_as_corners(boxes, bounding_box_format, image_shape) for boxes in (boxes1, boxes2))
    both = _intersection(one, two)
    agreement = both / (_area(one) + _area(two) - both + _EPSILON)
    around = jnp.maximum(one[..., 2:], two[..., 2:]) - jnp.minimum(one[..., :2], two[..., :2])
    apart = (one[..., :2] + one[..., 2:] - two[..., :2] - two[..., 2:]) / 2
    angles = [jnp.arctan((box[..., 2] - box[..., 0]) / (box[..., 3] - box[..., 1] + _EPSILON)) for box in (one, two)]
    shape = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
    weight = shape / (shape - agreement + 1 + _EPSILON)
    return agreement - (apart**2).sum(axis=-1) / ((around**2).sum(axis=-1) + _EPSILON) - weight * shape


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Sequence[int] | None = None,
) -> Array:
    """Returns how boxes differ from anchors: (middle - middle of the anchor) / size of the anchor, log(size / size of the anchor).

    Args:
        anchors: an array of shape (boxes, 4).
        boxes: an array of shape (boxes, 4) or (batch, boxes, 4).
        anchor_format: of the anchors, see `lamina.utils.bounding_boxes`.
        box_format: of the boxes.
        encoding_format: "center_yxhw" or "center_xywh": the order of the result.
        variance: four numbers that the result is divided by, or None.
        image_shape: of the image, (height, width, channels); for relative formats.

    Raises:
        ValueError: for unknown formats, or a variance that is not four numbers.

    Source: Ren et al., Faster R-CNN (2015).
    """
    scale = _variance(variance, encoding_format)
    anchor, box = (
        convert_format(array, form, encoding_format, *_size(image_shape))
        for array, form in ((anchors, anchor_format), (boxes, box_format))
    )
    sizes, wanted = jnp.maximum(anchor[..., 2:], _EPSILON), jnp.maximum(box[..., 2:], _EPSILON)
    return jnp.concatenate([(box[..., :2] - anchor[..., :2]) / sizes, jnp.log(wanted / sizes)], axis=-1) / scale


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Sequence[int] | None = None,
) -> Any:
    """Returns the boxes that differ from anchors by what `encode_box_to_deltas` returned.

    Args:
        anchors: an array of shape (boxes, 4), or a dict of such.
        boxes_delta: what `encode_box_to_deltas` returned; a dict with the same names if anchors are one.
        anchor_format: of the anchors.
        box_format: of the result.
        encoded_format: "center_yxhw" or "center_xywh": the order of `boxes_delta`.
        variance: four numbers that it is multiplied with, or None.
        image_shape: of the image, (height, width, channels); for relative formats.

    Raises:
        ValueError: for unknown formats, or a variance that is not four numbers.
    """
    arguments = (anchor_format, box_format, encoded_format, variance, image_shape)
    if isinstance(anchors, dict):
        return {name: decode_deltas_to_boxes(anchor, boxes_delta[name], *arguments) for name, anchor in anchors.items()}
    delta = jnp.asarray(boxes_delta) * _variance(variance, encoded_format)
    anchor = convert_format(anchors, anchor_format, encoded_format, *_size(image_shape))
    sizes = anchor[..., 2:]
    box = jnp.concatenate([delta[..., :2] * sizes + anchor[..., :2], jnp.exp(delta[..., 2:]) * sizes], axis=-1)
    return convert_format(box, encoded_format, box_format, *_size(image_shape))


def _as_corners(boxes: Any, form: str, image_shape: Sequence[int] | None) -> Array:
    corners: Array = convert_format(boxes, form, "xyxy", *_size(image_shape))
    return corners


def _size(image_shape: Sequence[int] | None) -> tuple[int | None, int | None]:
    return (None, None) if image_shape is None else (image_shape[0], image_shape[1])


def _variance(variance: Any, form: str) -> Array:
    if form not in _CENTERED:
        raise ValueError(f"Differences from anchors are of the format 'center_xywh' or 'center_yxhw', not {form!r}.")
    array = jnp.ones(4) if variance is None else jnp.asarray(variance, "float32")
    if array.shape[-1:] != (4,):
        raise ValueError(f"variance must be four numbers, not {variance!r}.")
    return array


def _within(boxes: Array, height: Any, width: Any) -> Array:
    return jnp.clip(boxes, 0, jnp.asarray([width, height, width, height], boxes.dtype))


def _area(boxes: Array) -> Array:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _intersection(one: Array, two: Array) -> Array:
    sides = jnp.minimum(one[..., 2:], two[..., 2:]) - jnp.maximum(one[..., :2], two[..., :2])
    return jnp.maximum(sides, 0).prod(axis=-1)
