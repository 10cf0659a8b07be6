"""Layers that spread the values of pixels by how often they occur: AutoContrast, Equalization, and that of tiles."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.layers.checks import not_negative, positive, sizes
from lamina.layers.image_augmentation import Transformation, in_range
from lamina.layers.image_colors import ImageColors, ValueRange


class AutoContrast(ImageColors):
    """Images each of whose channels goes from the least possible value to the greatest; what has one value stays as it is.

    (With the channels first, Keras takes columns for channels.)

    Args:
        value_range: what pixels lie between.
        kwargs: `data_format`, and what `lamina.Layer` takes.

    Raises:
        ValueError: for what is not a range.

    >>> print(lamina.layers.AutoContrast()(np.array([[[100.0], [150], [200]]]))[..., 0])
    [[  0.  127.5 255. ]]
    """

    _draws = False
    _only_in_training = False

    def __init__(self, value_range: ValueRange = (0, 255), **kwargs: Any) -> None:
        super().__init__(value_range, None, **kwargs)

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        low, high = (end(images, (1, 2), keepdims=True) for end in (jnp.min, jnp.max))
        flat = high == low
        spread = (images - low) / jnp.where(flat, 1, high - low)
        return jnp.where(flat, images, in_range(spread, (0, 1), self.value_range))


class Equalization(ImageColors):
    """Images whose values occur equally often, as far as can be, in training; each channel of each image by itself.

    A value in bin i becomes 255 · (c_i - c_min) / (c_max - c_min), rounded, with c_i pixels in bins up to i and c_min the first of
    those that is not 0; a channel in a single bin stays as it is. (Keras counts the pixels of the whole batch, so that an image
    changes with what else is in it.)

    Args:
        value_range: what pixels lie between.
        bins: how many bins there are.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for what is not a range, or for bins that are not a positive integer.

    >>> print(lamina.layers.Equalization()(np.array([[[10.0], [12], [12], [14]]]))[..., 0])
    [[  0. 170. 170. 255.]]
    """

    _draws = False

    def __init__(self, value_range: ValueRange = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(value_range, None, data_format=data_format, **kwargs)
        self.bins = positive(bins, "bins", self)

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        values = in_range(images.astype("float32"), self.value_range, (0, 255))
        numbers = jnp.clip((values * (self.bins - 1) / 255).astype("int32"), 0, self.bins - 1)

        def equalized(values: Array, numbers: Array) -> Array:
            counts = jnp.bincount(numbers.ravel(), length=self.bins)
            upto = jnp.cumsum(counts)
            first = counts[jnp.argmax(counts > 0)]
            table = jnp.round((upto - first) * 255 / jnp.maximum(upto[-1] - first, 1))
            return jnp.where(upto[-1] == first, values, jnp.clip(table, 0, 255)[numbers])

        of_channels = jax.vmap(equalized, in_axes=-1, out_axes=-1)
        return in_range(jax.vmap(of_channels)(values, numbers), (0, 255), self.value_range)


class ContrastLimitedAdaptiveHistogramEqualization(ImageColors):
    """Images whose values occur equally often in each of their parts, with a limit to how much contrast that adds.

    Each tile of an image has a table for its values, as in `Equalization`, made of counts of which what is above the limit is
    spread over all of them; a pixel is looked up in the tables of the four nearest tiles, and what it finds is interpolated.

    Args:
        value_range: what pixels lie between.
        clip_limit: how many times as often as on average a value counts at most; 0 for no limit.
        tile_grid_size: how many rows and columns of tiles there are.
        data_format: "channels_last" (the default) or "channels_first".
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for what is not a range, a negative limit, or sizes that are not positive integers.

    Source: Zuiderveld, Contrast Limited Adaptive Histogram Equalization, 1994.

    >>> lamina.layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    _draws = False
    _only_in_training = False

    def __init__(
        self,
        value_range: ValueRange = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Sequence[int] = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, None, data_format=data_format, **kwargs)
        self.clip_limit = not_negative(clip_limit, "clip_limit", self)
        self.tile_grid_size = sizes(tile_grid_size, 2, "tile_grid_size", self)

    def _augment(self, images: Array, transformation: Transformation) -> Array:
        _, height, width, _ = images.shape
        (rows, columns), size = self.tile_grid_size, (height, width)
        tall, wide = -(-height // rows), -(-width // columns)
        values = jnp.clip(in_range(images.astype("float32"), self.value_range, (0, 255)), 0, 255).astype("int32")
        values = jnp.pad(values, [(0, 0), (0, tall * rows - height), (0, wide * columns - width), (0, 0)], "symmetric")

        def equalized(values: Array) -> Array:
            tiles = values.reshape(rows, tall, columns, wide).swapaxes(1, 2).reshape(rows, columns, -1)
            tables = jax.vmap(jax.vmap(self._table))(tiles)
            (above, below, down), (left, right, across) = _between(rows, tall), _between(columns, wide)

            def found(row: Array, column: Array) -> Array:
                return tables[row[:, None], column, values]

            upper = found(above, left) * (1 - across) + found(above, right) * across
            lower = found(below, left) * (1 - across) + found(below, right) * across
            return upper * (1 - down[:, None]) + lower * down[:, None]

        of_channels = jax.vmap(equalized, in_axes=-1, out_axes=-1)
        return in_range(jax.vmap(of_channels)(values)[:, : size[0], : size[1]], (0, 255), self.value_range)

    def _table(self, values: Array) -> Array:
        """Returns what each of the 256 values of a tile becomes."""
        counts = jnp.bincount(values, length=256).astype("float32")
        if self.clip_limit > 0:
            kept = jnp.minimum(counts, self.clip_limit * values.size / 256)
            counts = kept + jnp.sum(counts - kept) / 256
        upto = jnp.cumsum(counts)
        rest = values.size - upto[0]
        return jnp.clip((upto - upto[0]) * 255 / jnp.where(rest == 0, 1, rest), 0, 255)


def _between(count: int, size: int) -> tuple[Array, Array, Array]:
    """Returns for each pixel along an axis the tile before it, the one after it, and how far it is on the way."""
    place = (jnp.arange(count * size) - size / 2) / size
    before = jnp.floor(place).astype("int32")
    return jnp.clip(before, 0, count - 1), jnp.clip(before + 1, 0, count - 1), place - before
