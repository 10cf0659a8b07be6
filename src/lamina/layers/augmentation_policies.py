"""Layers that choose among those that change images: RandAugment, AugMix."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.layers.bounding_boxes import Boxes
from lamina.layers.checks import positive
from lamina.layers.image_augmentation import Factor, ImageAugmentation, Transformation, Value, below, choices_of, each, parts, span
from lamina.layers.image_colors import (
    ImageColors,
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomPosterization,
    Solarization,
    ValueRange,
)
from lamina.layers.image_filters import RandomSharpness
from lamina.layers.image_geometry import RandomRotation, RandomShear, RandomTranslation
from lamina.layers.image_histograms import AutoContrast, Equalization


class _Policy(ImageColors):
    """What the layers share that choose: what there is to choose from, and how what was chosen is done."""

    def __init__(
        self, factor: Factor, value_range: ValueRange, interpolation: str, more: bool, seed: int | None, **kwargs: Any
    ) -> None:
        super().__init__(value_range, seed, **kwargs)
        self.factor = span(factor, "factor", self)
        shared: dict[str, Any] = {
            "data_format": self.data_format,
            "bounding_box_format": self.bounding_box_format,
            "dtype": self.dtype_policy,
        }
        colored = {"value_range": self.value_range, **shared}
        placed = {"interpolation": interpolation, **shared}
        operations: list[ImageAugmentation] = [
            RandomShear(self.factor, self.factor, **placed),
            RandomTranslation(self.factor, self.factor, **placed),
            RandomRotation(self.factor, **placed),
            RandomPosterization(max(1, int(8 * self.factor[1])), **colored),
            Solarization(self.factor, self.factor, **colored),
            AutoContrast(**colored),
            Equalization(**colored),
        ]
        if more:
            operations += [
                RandomBrightness(self.factor, **colored),
                RandomColorDegeneration(self.factor, **colored),
                RandomContrast(self.factor[1], **colored),
                RandomSharpness(self.factor, **colored),
            ]
        self.operations = parts(operations)

    def _choices(self, key: Array, count: int, shape: tuple[int, ...], idle: bool = False) -> dict[str, Any]:
        """Draws so many operations, or with the same probability none, and what each of them would do."""
        units = jax.random.uniform(key, (count, 1 + sum(operation._units for operation in self.operations), shape[0]))
        drawn = jax.vmap(lambda units: choices_of(self.operations, units, shape))(units[:, 1:])
        return {"operation": below(units[:, 0, 0], len(self.operations) + idle), "drawn": drawn}

    def _done(self, what: str, value: Value, choices: Any, transformation: Transformation) -> Value:
        """Returns images, masks or boxes with what was chosen done to them, one after the other, by a method of the operations.

        The choices are stacked, so that all of them are one program.
        """

        def step(value: Any, choice: Any) -> tuple[Any, None]:
            branches: list[Callable[[Any], Any]] = [
                functools.partial(getattr(operation, what), transformation={**drawn, "shape": transformation["shape"]})
                for operation, drawn in zip(self.operations, choice["drawn"], strict=True)
            ]
            return jax.lax.switch(choice["operation"], [*branches, lambda value: value], value), None

        changed: Value = jax.lax.scan(step, value, choices)[0]
        return changed


class RandAugment(_Policy):
    """Images changed by a few layers that are drawn, one after the other, in training.

    They are drawn, from eleven, for the whole batch; what they draw is drawn for each image: `RandomShear`, `RandomTranslation`,
    `RandomRotation`, `RandomBrightness`, `RandomColorDegeneration`, `RandomContrast`, `RandomSharpness`, `RandomPosterization`,
    `Solarization`, `AutoContrast` and `Equalization`.

    Args:
        value_range: what pixels lie between.
        num_ops: how many layers.
        factor: the range of what is given to them as their factors; f stands for (0, f).
        interpolation: "bilinear" or "nearest".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: `bounding_box_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1], a number of layers that is not a positive integer, what is not a range, or another
            interpolation, data format or box format.

    Source: Cubuk et al., RandAugment: Practical automated data augmentation with a reduced search space, 2019.

    >>> lamina.layers.RandAugment(num_ops=1)(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: ValueRange = (0, 255),
        num_ops: int = 2,
        factor: Factor = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, interpolation, True, seed, data_format=data_format, **kwargs)
        self.num_ops = positive(num_ops, "num_ops", self)

    def _draw(self, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws the layers, and what each of them draws."""
        return {"choices": self._choices(key, self.num_ops, shape)}

    def _images(self, images: Array, transformation: Transformation) -> Array:
        return self._done("transform_images", images, transformation["choices"], transformation)

    def _masks(self, masks: Array, transformation: Transformation) -> Array:
        return self._done("transform_segmentation_masks", masks, transformation["choices"], transformation)

    def _boxes(self, boxes: Boxes, transformation: Transformation) -> Boxes:
        return self._done("transform_bounding_boxes", boxes, transformation["choices"], transformation)

    def transform_images(self, images: Any, transformation: Transformation, training: bool = True) -> Array:
        """Returns images changed by the layers."""
        batch = jnp.asarray(images).astype(self.compute_dtype)
        return self._compiled("_images", batch, transformation) if training else batch

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Transformation, training: bool = True) -> Any:
        """Returns the masks moved as the images."""
        masks = jnp.asarray(segmentation_masks)
        return self._compiled("_masks", masks, transformation) if training else masks

    def transform_bounding_boxes(self, bounding_boxes: Boxes, transformation: Transformation, training: bool = True) -> Boxes:
        """Returns the boxes moved as the images."""
        boxes = {**jax.tree.map(jnp.asarray, bounding_boxes), "boxes": jnp.asarray(bounding_boxes["boxes"], "float32")}
        return self._compiled("_boxes", boxes, transformation) if training else boxes


class AugMix(_Policy):
    """v · images + (1 - v) · Σ w_c chain_c(images), in training, where a chain is a few layers that are drawn, one after the other.

    v ~ Beta(alpha, alpha) and w ~ Dirichlet(alpha) are drawn for each image, the layers for the whole batch; they are those of
    `RandAugment`, or none. (In Keras v and w are drawn for the whole batch, and compiled code draws the same layers each time.)
    Masks are mixed as the images, so they should be one-hot.

    Args:
        value_range: what pixels lie between.
        num_chains: how many chains.
        chain_depth: how many layers in each.
        factor: the range of what is given to them as their factors; f stands for (0, f).
        alpha: of the distributions.
        all_ops: whether brightness, colour degeneration, contrast and sharpness are among the layers.
        interpolation: "bilinear" or "nearest".
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a factor outside [0, 1], numbers that are not positive, what is not a range, another interpolation or data
            format; when it is called, for bounding boxes.

    Source: Hendrycks et al., AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty, 2020.

    >>> lamina.layers.AugMix(num_chains=1, chain_depth=1)(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: ValueRange = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Factor = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, interpolation, all_ops, seed, data_format=data_format, **kwargs)
        self.num_chains = positive(num_chains, "num_chains", self)
        self.chain_depth = positive(chain_depth, "chain_depth", self)
        if not isinstance(alpha, (int, float)) or not alpha > 0:
            raise ValueError(f"alpha of AugMix must be a positive number, not {alpha!r}.")
        self.alpha = alpha

    def _draw(self, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Draws v, w, and the layers of the chains with what each of them draws."""
        weights, choices = jax.random.split(key)
        gamma = jax.random.gamma(weights, self.alpha, (2 + self.num_chains, shape[0])) + 1e-12
        chains = self._choices(choices, self.num_chains * self.chain_depth, shape, idle=True)
        return {
            "weight_sample": gamma[0] / (gamma[0] + gamma[1]),
            "chain_mixing_weights": gamma[2:] / gamma[2:].sum(0),
            "chains": jax.tree.map(lambda array: array.reshape(self.num_chains, self.chain_depth, *array.shape[1:]), chains),
        }

    def _images(self, images: Array, transformation: Transformation) -> Array:
        return self._clipped(self._mixed("transform_images", images, transformation))

    def _masks(self, masks: Array, transformation: Transformation) -> Array:
        return self._mixed("transform_segmentation_masks", masks, transformation)

    def _mixed(self, what: str, value: Array, transformation: Transformation) -> Array:
        def add(total: Array, drawn: Any) -> tuple[Array, None]:
            weights, chain = drawn
            return total + each(weights, value) * self._done(what, value, chain, transformation), None

        chains = transformation["chain_mixing_weights"], transformation["chains"]
        total, _ = jax.lax.scan(add, jnp.zeros_like(value), chains)
        share = each(transformation["weight_sample"], value)
        return share * value + (1 - share) * total

    def transform_images(self, images: Any, transformation: Transformation, training: bool = True) -> Array:
        """Returns images mixed with what the chains make of them."""
        batch = jnp.asarray(images).astype(self.compute_dtype)
        return self._compiled("_images", batch, transformation) if training else batch

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Transformation, training: bool = True) -> Any:
        """Returns masks mixed as the images."""
        masks = jnp.asarray(segmentation_masks)
        if not training:
            return masks
        masks = masks if jnp.issubdtype(masks.dtype, jnp.floating) else masks.astype("float32")
        return self._compiled("_masks", masks, transformation)

    def transform_bounding_boxes(self, bounding_boxes: Boxes, transformation: Transformation, training: bool = True) -> Boxes:
        """Raises ValueError in training: an image is then a mixture of several, with boxes of their own."""
        if not training:
            return bounding_boxes
        raise ValueError(
            f"The layer {self.path!r} (AugMix) takes no bounding boxes, because it mixes images that are moved differently. Leave "
            "them out, or use RandAugment."
        )
