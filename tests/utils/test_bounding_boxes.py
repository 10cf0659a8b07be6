"""Boxes are what Keras makes of them, in all formats."""

import keras
import numpy as np
import pytest

from lamina.utils import bounding_boxes

REFERENCE = keras.utils.bounding_boxes
RNG = np.random.default_rng(0)
FORMATS = ["xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh"]
SHAPE = (50, 80, 3)


def boxes(*shape):
    """Corners in an image of that shape."""
    first, second = RNG.uniform(0, 1, (2, *shape, 2))
    corners = np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=-1)
    return (corners * [80, 50, 80, 50]).astype("float32")


def close(found, expected):
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("source, target", [*zip(FORMATS, [*FORMATS[1:], "xyxy"], strict=True), ("rel_yxyx", "xywh")])
def test_formats_are_those_of_keras(source, target):
    given = RNG.uniform(0, 1, (2, 3, 4)).astype("float32")
    arguments = dict(source=source, target=target.upper(), height=50, width=80)
    close(bounding_boxes.convert_format(given, **arguments), REFERENCE.convert_format(given, **arguments))
    kept = {"boxes": given, "labels": 1}
    assert bounding_boxes.convert_format(kept, **arguments)["labels"] == 1 and kept["boxes"] is given


@pytest.mark.parametrize(
    "shapes, form",
    [(((3,), (4,)), "xyxy"), (((2, 3), (2, 4)), "center_xywh"), (((2, 3), (4,)), "rel_yxyx"), (((3,), (2, 4)), "xyxy")],
)
def test_each_box_agrees_with_each_as_in_keras(shapes, form):
    pair = [bounding_boxes.convert_format(boxes(*shape), "xyxy", form, 50, 80) for shape in shapes]
    close(bounding_boxes.compute_iou(*pair, form, image_shape=SHAPE), REFERENCE.compute_iou(*pair, form, image_shape=SHAPE))


def test_boxes_that_fill_up_are_masked():
    one, two = boxes(2, 3), boxes(2, 4)
    one[:, 1], two[0, 2] = -1, -1
    arguments = dict(bounding_box_format="xyxy", use_masking=True, mask_val=-7)
    close(bounding_boxes.compute_iou(one, two, **arguments), REFERENCE.compute_iou(one, two, **arguments))


def test_complete_agreement_is_that_of_keras():
    one, two = boxes(2, 5), boxes(2, 5)
    expected = REFERENCE.compute_ciou(one, two, "xyxy")
    close(bounding_boxes.compute_ciou(one, two, "xyxy"), expected)
    relative = [bounding_boxes.convert_format(given, "xyxy", "rel_xywh", 50, 80) for given in (one, two)]
    found = bounding_boxes.compute_ciou(*relative, "rel_xywh", image_shape=SHAPE)  # Keras refuses all relative formats
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "form, variance, shape",
    [("center_yxhw", None, (2, 5)), ("center_xywh", [0.1, 0.1, 0.2, 0.2], (2, 5)), ("center_yxhw", None, (5,))],
)
def test_differences_from_anchors_lead_back_to_the_boxes(form, variance, shape):
    anchors, given = boxes(5), boxes(*shape)
    arguments = dict(anchor_format="xyxy", box_format="xyxy", variance=variance, image_shape=SHAPE)
    deltas = bounding_boxes.encode_box_to_deltas(anchors, given, encoding_format=form, **arguments)
    close(deltas, REFERENCE.encode_box_to_deltas(anchors, given, encoding_format=form, **arguments))
    back = bounding_boxes.decode_deltas_to_boxes({"p3": anchors}, {"p3": deltas}, encoded_format=form, **arguments)["p3"]
    np.testing.assert_allclose(back, given, rtol=1e-3, atol=1e-3)
    close(back, REFERENCE.decode_deltas_to_boxes(anchors, deltas, encoded_format=form, **arguments))


@pytest.mark.parametrize("form, scale", [("xyxy", [80, 50, 80, 50]), ("rel_xyxy", 1)])
def test_boxes_end_where_the_image_ends(form, scale):
    given = {"boxes": (RNG.uniform(-1, 2, (2, 6, 4)) * scale).astype("float32"), "labels": np.arange(12).reshape(2, 6)}
    arguments = dict(height=50, width=80, bounding_box_format=form)
    found, expected = (module.clip_to_image_size(given, **arguments) for module in (bounding_boxes, REFERENCE))
    close(found["boxes"], expected["boxes"])
    np.testing.assert_array_equal(found["labels"], expected["labels"])


def test_parts_of_images_and_images_with_a_border():
    given = boxes(2, 3)
    for name, sizes in {"crop": (10, 20, 30, 40), "pad": (10, 20)}.items():
        found, expected = (getattr(module, name)(given, *sizes) for module in (bounding_boxes, REFERENCE))
        close(found, expected)
        other = bounding_boxes.convert_format(given, "xyxy", "center_xywh")  # which Keras does not take here
        moved = getattr(bounding_boxes, name)(other, *sizes, bounding_box_format="center_xywh")
        np.testing.assert_allclose(bounding_boxes.convert_format(moved, "center_xywh", "xyxy"), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "act, said",
    [
        (lambda: bounding_boxes.convert_format(boxes(2), "xyxx", "xyxy"), "Unknown format of boxes 'xyxx'"),
        (lambda: bounding_boxes.convert_format(np.ones((2, 3)), "xyxy", "xywh"), "cannot be of shape .2, 3."),
        (lambda: bounding_boxes.convert_format(boxes(2), "xyxy", "rel_xyxy"), "need the image's height and width"),
        (lambda: bounding_boxes.clip_to_image_size({"boxes": boxes(2)}), "needs the image's height and width"),
        (lambda: bounding_boxes.clip_to_image_size({"boxes": boxes(2)}, 1, 1, "xywh"), "takes boxes of the format"),
        (lambda: bounding_boxes.encode_box_to_deltas(boxes(2), boxes(2), "xyxy", "xyxy", "xyxy"), "'center_xywh' or"),
        (lambda: bounding_boxes.decode_deltas_to_boxes(boxes(2), boxes(2), "xyxy", "xyxy", variance=[1]), "four numbers"),
    ],
)
def test_what_is_no_box_is_refused(act, said):
    with pytest.raises(ValueError, match=said):
        act()
