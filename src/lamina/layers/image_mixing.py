"""Layers that put other things into images at random: parts of other images, or nothing. Labels follow."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.layers.bounding_boxes import Boxes
from lamina.layers.image_augmentation import Factor, ImageAugmentation, Transformation, between, drawn, each, span
from lamina.layers.image_colors import ImageColors, ValueRange


def mixed(weights: Array, ours: Any, order: Array, layer: Layer) -> Array:
    """Returns weight · own + (1 - weight) · another's, for each image, of labels that numbers can be mixed of.

    Raises:
        ValueError: for numbers of classes, between which there is nothing.
    """
    ours = jnp.asarray(ours)
    if ours.ndim == 1 and not jnp.issubdtype(ours.dtype, jnp.floating):
        raise ValueError(
            f"The layer {layer.path!r} mixes labels, but was given numbers of classes, of shape {show_shape(ours.shape)}, between "
            "which there is nothing. Make them one-hot first: lamina.ops.one_hot(labels, classes)."
        )
    ours = ours if jnp.issubdtype(ours.dtype, jnp.floating) else ours.astype("float32")
    own: Array = each(weights, ours)
    mixture: Array = own * ours + (1 - own) * ours[order]
    return mixture


def rectangles(units: Array, rows: Array, columns: Array, shape: tuple[int, ...]) -> Array:
    """Returns for each image a mask of a rectangle somewhere in it.

    Args:
        units: two rows of numbers from 0 to 1, which say where it is.
        rows: its height, as a share of the image's, one for each image.
        columns: its width, likewise.
        shape: (images, height, width, channels).

    Returns:
        An array of bools, of shape (images, height, width, 1).
    """

    def along(unit: Array, share: Array, size: int) -> Array:
        start = unit * (size - share * size)
        place = jnp.arange(size)
        return (place >= start[:, None]) & (place < (start + share * size)[:, None])

    _, height, width, _ = shape
    return (along(units[0], rows, height)[:, :, None] & along(units[1], columns, width)[:, None])[..., None]


class MixUp(ImageAugmentation):
    """w · images + (1 - w) · others, in training, and likewise their labels, with w ~ Beta(alpha, alpha) drawn for each image.

    The others are the images of the batch in another order. Masks are mixed too, so they should be one-hot. An image has its own
    boxes and those of the other.

    Args:
        alpha: small ones leave most images much as they are.
        data_format: "channels_last" (the default) or "channels_first".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for an alpha that is not positive; when it is called, for labels that are numbers of classes.

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018.

    >>> data = {"images": np.ones((4, 8, 8, 3)), "labels": np.eye(4)}
    >>> print(lamina.layers.MixUp()(data)["labels"].sum(-1).round(3))
    [1. 1. 1. 1.]
    """

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        if not isinstance(alpha, (int, float)) or not alpha > 0:
            raise ValueError(f"alpha of MixUp must be a positive number, not {alpha!r}.")
        self.alpha = alpha

    def _draw(self, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws weights, and the order of the others."""
        weights, orders = jax.random.split(key)
        order = jax.random.permutation(orders, shape[0])
        return {"mix_weight": jax.random.beta(weights, self.alpha, self.alpha, (shape[0],)), "permutation_order": order}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        return mixed(transformation["mix_weight"], images, transformation["permutation_order"], self)

    def transform_labels(self, labels: Any, transformation: Transformation, training: bool = True) -> Any:
        """Returns the labels, mixed as the images."""
        if not training:
            return labels
        return mixed(transformation["mix_weight"], labels, transformation["permutation_order"], self)

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Transformation, training: bool = True) -> Any:
        """Returns the masks, mixed as the images."""
        return self.transform_labels(segmentation_masks, transformation, training)

    def transform_bounding_boxes(self, bounding_boxes: Boxes, transformation: Transformation, training: bool = True) -> Boxes:
        """Returns the boxes of both images."""
        if not training:
            return bounding_boxes
        both = {name: jnp.asarray(value) for name, value in bounding_boxes.items()}
        order = transformation["permutation_order"]
        return {name: jnp.concatenate([value, value[order]], 1) for name, value in both.items()}


class CutMix(ImageAugmentation):
    """Images with a rectangle of another image of the batch in them, in training, and labels mixed by the areas.

    A share w ~ Beta(a, a) of an image stays, with a drawn for the batch.

    Args:
        factor: the range of a; f stands for (0, f).
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1]; when it is called, for labels that are numbers of classes, and for bounding boxes.

    Source: Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, 2019.

    >>> data = {"images": np.ones((4, 8, 8, 3)), "labels": np.eye(4)}
    >>> print(lamina.layers.CutMix()(data)["labels"].sum(-1).round(3))
    [1. 1. 1. 1.]
    """

    def __init__(self, factor: Factor = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = span(factor, "factor", self)

    def _draw(self, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws rectangles, and the order of the others; the weights are the shares of pixels that stay."""
        numbers, weights, orders = jax.random.split(key, 3)
        units = jax.random.uniform(numbers, (3, shape[0]))
        alpha = between(units[0, 0], self.factor) + 1e-6
        side = jnp.sqrt(1 - jax.random.beta(weights, alpha, alpha, (shape[0],)))
        masks = rectangles(units[1:], side, side, shape)
        order = jax.random.permutation(orders, shape[0])
        return {"permutation_order": order, "batch_masks": masks, "mix_weight": 1 - jnp.mean(masks, (1, 2, 3))}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        return jnp.where(transformation["batch_masks"], images[transformation["permutation_order"]], images)

    def transform_labels(self, labels: Any, transformation: Transformation, training: bool = True) -> Any:
        """Returns the labels, mixed as the images."""
        if not training:
            return labels
        return mixed(transformation["mix_weight"], labels, transformation["permutation_order"], self)

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Transformation, training: bool = True) -> Any:
        """Returns the masks, with the same rectangles of others in them."""
        if not training:
            return segmentation_masks
        masks, inside = jnp.asarray(segmentation_masks), transformation["batch_masks"]
        inside = inside[..., 0] if masks.ndim == 3 else jnp.moveaxis(inside, -1, self._channels_axis)
        return jnp.where(inside, masks[transformation["permutation_order"]], masks)

    def transform_bounding_boxes(self, bounding_boxes: Boxes, transformation: Transformation, training: bool = True) -> Boxes:
        """Raises ValueError in training: what is left of a box is not always a box."""
        if not training:
            return bounding_boxes
        raise ValueError(
            f"The layer {self.path!r} (CutMix) takes no bounding boxes, because what is left of a box is not always a box. Leave "
            "them out, or use MixUp."
        )


class RandomErasing(ImageColors):
    """Images with a rectangle of something else in them, in training, with a probability.

    Args:
        factor: the range of the probability that something is erased; f stands for (0, f).
        scale: the range of the rectangle's height and width, each squared, as a share of the image's; s stands for (0, s).
        fill_value: what it is filled with: a number, or three for the channels; None for normal noise, of a standard deviation of
            the greatest value.
        value_range: what pixels lie between; what is filled in lies there too.
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor or scale outside [0, 1], another fill value, or what is not a range.

    Source: Zhong et al., Random Erasing Data Augmentation, 2017.

    >>> print(lamina.layers.RandomErasing((1, 1), (0.25, 0.25), 0)(np.ones((4, 4, 1))).sum())
    12.0
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: Factor = (0.02, 0.33),
        fill_value: float | Sequence[float] | None = None,
        value_range: ValueRange = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor, self.scale = span(factor, "factor", self), span(scale, "scale", self)
        three = isinstance(fill_value, (tuple, list)) and len(fill_value) == 3
        if not (fill_value is None or three or isinstance(fill_value, (int, float))):
            raise ValueError(f"fill_value of RandomErasing must be a number, three of them, or None, not {fill_value!r}.")
        self.fill_value = tuple(fill_value) if isinstance(fill_value, (tuple, list)) else fill_value

    def _draw(self, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws in which images something is erased, where, and what comes there."""
        numbers, noises = jax.random.split(key)
        units = jax.random.uniform(numbers, (5, shape[0]))
        rows, columns = jnp.sqrt(between(units[1:3], self.scale))
        fill = jax.random.normal(noises, shape) * self.value_range[1] if self.fill_value is None else jnp.asarray(self.fill_value)
        masks = rectangles(units[3:], rows, columns, shape)
        return {"apply_erasing": drawn(units[0], self.factor), "batch_masks": masks, "fill_value": self._clipped(fill)}

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        erased = transformation["batch_masks"] & each(transformation["apply_erasing"], images)
        return jnp.where(erased, transformation["fill_value"].astype(images.dtype), images)
