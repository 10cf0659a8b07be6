"""What the layers that change images at random share: batches, labels, masks and boxes; draws; ranges of numbers."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.layers.checks import channels_axis, one_of
from lamina.random import SeedGenerator
from lamina.random.generator import key_of

# What was drawn for a batch: arrays with a number for each image, under the names that a layer gives them.
Transformation = Any
Value = TypeVar("Value")  # images, masks or boxes
# What a number may be drawn from: (0.1, 0.5) is a range, and what a single number stands for each layer says.
Factor = float | Sequence[float]

BOX_FORMATS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
)


class ImageAugmentation(Layer):
    """What layers of images share: for each image of a batch something is drawn, and then the batch is transformed as a whole.

    A subclass defines `_chosen`, what is drawn, and `_augment`, what is made of images with that. Both read nothing but public
    attributes that can be hashed, because they are compiled, once for layers that are set alike.

    A layer takes an image or a batch of images, or a dict of "images" and any of "labels", "segmentation_masks" and
    "bounding_boxes" (a dict of "boxes" and "labels"). It runs as part of training unless `training` says otherwise, as in Keras.

    Args:
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        data_format: "channels_last" (the default) or "channels_first".
        bounding_box_format: of `BOX_FORMATS`; None where there are no boxes.
        kwargs: what `lamina.Layer` takes.
    """

    _casts_inputs = False  # labels and boxes keep their precision
    _draws: ClassVar[bool] = True
    _units: ClassVar[int] = 0
    _only_in_training: ClassVar[bool] = True
    seed_generator: Any = None

    def __init__(
        self, seed: int | None = None, data_format: str | None = None, bounding_box_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._channels_axis = -3 if channels_axis(data_format, self) == 1 else -1
        self.data_format = data_format or "channels_last"
        if bounding_box_format is not None:
            bounding_box_format = one_of(BOX_FORMATS, bounding_box_format, "bounding_box_format", self)
        self.bounding_box_format = bounding_box_format
        self.seed = seed
        if self._draws:
            self.seed_generator = SeedGenerator(seed)

    def _chosen(self, units: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Returns what is drawn for a batch of the shape (images, height, width, channels).

        `_units` has rows of numbers from 0 to 1, one for each image, as many as the class attribute of that name says.
        """
        return {}

    def _draw(self, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Returns what is drawn with a key: `_chosen`, for a layer that needs nothing but numbers for each image."""
        return self._chosen(jax.random.uniform(key, (self._units, shape[0])), shape)

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        """Returns a batch of images, with the channels last, in the compute dtype, transformed."""
        raise NotImplementedError(f"{type(self).__name__} defines neither augment nor transform_images.")

    def call(self, data: Any, training: bool = True) -> Any:
        """Transforms an image, a batch of images, or a dict with what belongs to them."""
        given = data if isinstance(data, dict) else {"images": data}
        if "images" not in given:
            raise ValueError(f"The layer {self.path!r} takes images, or a dict with 'images' among its keys, not {list(given)}.")
        single = self._is_single(given["images"])
        transforms = {
            "images": self.transform_images,
            "labels": self.transform_labels,
            "segmentation_masks": self.transform_segmentation_masks,
            "bounding_boxes": self.transform_bounding_boxes,
        }
        batch = {name: given[name] for name in transforms if name in given}
        if single:
            batch = jax.tree.map(lambda array: jnp.asarray(array)[None], batch)
        transformation = self.get_random_transformation(batch, training=training)
        outputs = {name: transforms[name](value, transformation, training=training) for name, value in batch.items()}
        if single:
            outputs = jax.tree.map(lambda array: array[0], outputs)
        return {**given, **outputs} if isinstance(data, dict) else outputs["images"]

    def _is_single(self, images: Any) -> bool:
        if jnp.ndim(images) not in (3, 4):
            raise ValueError(
                f"The layer {self.path!r} takes images of shape (height, width, channels), or batches of them, but was given "
                f"an array of shape {show_shape(jnp.shape(images))}."
            )
        return bool(jnp.ndim(images) == 3)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """Draws what is to be done with each image; None where nothing is.

        Args:
            data: what the layer is called on.
            training: whether it is in training.
            seed: an integer or a SeedGenerator instead of the layer's own.
        """
        if self._only_in_training and not training:
            return None
        shape = self._shape_of(data)
        if not self._draws:
            return {"shape": shape}
        key = self.seed_generator.next() if seed is None else key_of(seed)
        return {**_draw(_Settings(self), key, shape), "shape": shape}

    def _shape_of(self, data: Any) -> tuple[int, ...]:
        """Returns (images, height, width, channels) of what the layer is called on."""
        images = data["images"] if isinstance(data, dict) else data
        shape = (1, *jnp.shape(images)) if self._is_single(images) else jnp.shape(images)
        return (shape[0], *shape[2:], shape[1]) if self._channels_axis == -3 else shape

    def transform_images(self, images: Any, transformation: Transformation, training: bool = True) -> Array:
        """Returns a batch of images with what was drawn for each done to it, in the compute dtype."""
        if self._only_in_training and not training:
            return jnp.asarray(images).astype(self.compute_dtype)
        return self._compiled("_augmented", jnp.asarray(images), transformation)

    def _augmented(self, images: Array, transformation: Transformation) -> Array:
        last = jnp.moveaxis(images.astype(self.compute_dtype), self._channels_axis, -1)
        return jnp.moveaxis(self._augment(last, transformation), -1, self._channels_axis).astype(self.compute_dtype)

    def _compiled(self, method: str, value: Value, transformation: Transformation) -> Value:
        """Returns what a method makes of a value and what was drawn, in one dispatch; layers set alike share the program."""
        drawn = dict(transformation or {})
        shape = drawn.pop("shape", None)
        made: Value = _run(_Settings(self), method, shape, value, drawn)
        return made

    def transform_labels(self, labels: Any, transformation: Transformation, training: bool = True) -> Any:
        """Returns the labels: as they are, where what an image shows does not change."""
        return labels

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Transformation, training: bool = True) -> Any:
        """Returns the masks: as they are, where pixels keep their places."""
        return segmentation_masks

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Transformation, training: bool = True) -> Any:
        """Returns the boxes: as they are, where pixels keep their places."""
        return bounding_boxes


class _Settings:
    """A layer as what it is set to, by which compiled programs are found."""

    def __init__(self, layer: ImageAugmentation) -> None:
        self.layer = layer
        values = {name: value for name, value in vars(layer).items() if not name.startswith("_")}
        values = {name: value for name, value in values.items() if name not in ("name", "seed", "seed_generator")}
        self.values = (type(layer), layer.compute_dtype, *((name, _settings(value)) for name, value in values.items()))

    def __hash__(self) -> int:
        return hash(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Settings) and self.values == other.values


def _settings(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_settings, value))
    return _Settings(value) if isinstance(value, ImageAugmentation) else value


@functools.partial(jax.jit, static_argnums=(0, 2))
def _draw(settings: _Settings, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
    return settings.layer._draw(key, shape)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _run(settings: _Settings, method: str, shape: tuple[int, ...] | None, value: Any, drawn: dict[str, Any]) -> Any:
    return getattr(settings.layer, method)(value, {**drawn, "shape": shape})


def parts(layers: Iterable[Any]) -> tuple[Any, ...]:
    """Returns layers that another one consists of: they are given what they draw from, and have no seeds of their own."""
    parts = tuple(layers)
    for layer in parts:
        layer.seed_generator = None
    return parts


def choices_of(layers: Iterable[Any], units: Array, shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """Returns what each of some layers draws from its share of the rows of `_units`."""
    drawn, first = [], 0
    for layer in layers:
        drawn.append(layer._chosen(units[first : first + layer._units], shape))
        first += layer._units
    return drawn


def span(value: Any, name: str, layer: Layer, least: float = 0, most: float = 1) -> tuple[float, float]:
    """Returns the range that a number is drawn from.

    Args:
        value: two numbers, which are its ends; or one, f, for (-f, f), of which numbers below `least` are left out.
        name: the argument's name.
        layer: whose argument it is.
        least: the least number that there may be.
        most: the greatest.

    Raises:
        ValueError: naming the argument, for anything else.
    """
    pair = isinstance(value, (tuple, list))
    ends = tuple(value) if pair else (value,)
    if len(ends) != 1 + pair or not all(isinstance(end, (int, float)) and least <= end <= most for end in ends):
        raise ValueError(
            f"{name} of {type(layer).__name__} must be a number from {least} to {most}, or two of them, the ends of a range, not "
            f"{value!r}."
        )
    lower, upper = sorted(ends) if pair else (max(-abs(value), least), abs(value))
    return lower, upper


def range_of_values(value: Any, layer: Layer) -> tuple[float, float]:
    """Returns what the values of pixels lie between; raises ValueError for what are not two numbers that differ."""
    two = isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(end, (int, float)) for end in value)
    if not two or value[0] == value[1]:
        raise ValueError(
            f"value_range of {type(layer).__name__} must be two numbers, the least and the greatest value there is, not {value!r}."
        )
    lower, upper = sorted(value)
    return lower, upper


def in_range(images: Array, source: Sequence[float], target: Sequence[float]) -> Array:
    """Returns images whose values lay in one range as images whose values lie in another."""
    if tuple(source) == tuple(target):
        return images
    return (images - source[0]) / (source[1] - source[0]) * (target[1] - target[0]) + target[0]


def between(units: Array, ends: Sequence[float]) -> Array:
    """Returns numbers from 0 to 1 as numbers in a range."""
    return ends[0] + (ends[1] - ends[0]) * units


def below(units: Array, count: Any) -> Array:
    """Returns numbers from 0 to 1 as integers from 0 to count - 1."""
    return jnp.minimum(jnp.floor(units * count), count - 1).astype("int32")


def drawn(units: Array, probability: Sequence[float]) -> Array:
    """Returns for each image whether it is drawn, with a probability that itself is drawn from a range: with the mean of that."""
    return units < (probability[0] + probability[1]) / 2


def each(values: Array, images: Array) -> Array:
    """Returns a number for each image, in whatever shape, so that it broadcasts to them, and in their dtype."""
    values = jnp.asarray(values)
    values = values if values.dtype == bool else values.astype(images.dtype)
    return values.reshape((-1, *[1] * (images.ndim - 1)))
