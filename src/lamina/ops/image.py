"""Images: sizes, colours, geometry, filters. One image has three axes, a batch of them four.

The functions themselves are written for batches with the channels last; `_of_images` makes them take the rest.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.scipy import ndimage

from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.ops.convolution import depthwise_conv
from lamina.ops.core import saturate_cast
from lamina.ops.lowering import Geometry, shifts
from lamina.ops.windows import check_padding, per_axis
from lamina.ops.wrap import binary, compiled, unary
from lamina.random.generator import key_of

__all__ = [
    "affine_transform",
    "crop_images",
    "elastic_transform",
    "extract_patches",
    "extract_patches_3d",
    "gaussian_blur",
    "hsv_to_rgb",
    "map_coordinates",
    "pad_images",
    "perspective_transform",
    "resize",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "scale_and_translate",
    "sobel_edges",
    "ssim",
]

F = TypeVar("F", bound=Callable[..., Any])
Sizes = int | Sequence[int]


def _as_batch(images: Any, data_format: str | None, axes: int = 2) -> Array:
    """Returns images as a batch with the channels last; raises ValueError for another number of axes."""
    images = jnp.asarray(images)
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', not {data_format!r}.")
    if images.ndim not in (axes + 1, axes + 2):
        what = "Images" if axes == 2 else "Volumes"
        raise ValueError(
            f"{what} have {axes + 1} axes, a batch of them {axes + 2}, but these have shape {show_shape(images.shape)}."
        )
    images = images if images.ndim == axes + 2 else images[None]
    return jnp.moveaxis(images, 1, -1) if data_format == "channels_first" else images


def _of_images(function: F, axes: int = 2) -> F:
    """Lets a function of a batch with the channels last take single images, and channels first, by `data_format`."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Array:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        images, data_format = bound.args[0], bound.arguments["data_format"]
        outputs: Array = function(_as_batch(images, data_format, axes), *bound.args[1:])
        if data_format == "channels_first":
            outputs = jnp.moveaxis(outputs, -1, 1)
        return outputs if jnp.ndim(images) == axes + 2 else outputs[0]

    return call  # type: ignore[return-value]


def _floating(images: Array) -> Array:
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(f"Colours are converted as floating numbers, from 0 to 1, not as {images.dtype}. Divide by 255 first.")
    return images


# --- colours ----------------------------------------------------------------------------------------------------------


@unary
@_of_images
def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Array:
    """Returns 0.2989 red + 0.587 green + 0.114 blue, as one channel; images of one channel as they are."""
    gray: Array = images
    if images.shape[-1] == 1:
        return gray
    if images.shape[-1] != 3:
        raise ValueError(f"Images of colours have 3 channels, or 1 if they are gray, but these have {images.shape[-1]}.")
    wide = images.astype(jnp.result_type(images.dtype, float))
    gray = (wide @ jnp.array([[0.2989], [0.587], [0.114]], wide.dtype)).astype(images.dtype)
    return gray


@unary
@_of_images
@compiled("data_format")
def rgb_to_hsv(images: Any, data_format: str | None = None) -> Array:
    """Returns hue, saturation and value, each from 0 to 1, of red, green and blue from 0 to 1 (Smith, 1978)."""
    images = _floating(images)
    images = jnp.where(jnp.abs(images) < jnp.finfo(images.dtype).eps, 0, images)
    red, green, blue = jnp.moveaxis(images, -1, 0)
    value = jnp.max(images, -1)
    spread = value - jnp.min(images, -1)
    saturation = jnp.where(value > 0, spread / jnp.where(value > 0, value, 1), 0)
    sixth = 1 / (6 * jnp.where(spread > 0, spread, 1))
    hue = jnp.where(value == green, sixth * (blue - red) + 2 / 6, sixth * (red - green) + 4 / 6)
    hue = jnp.where(value == red, sixth * (green - blue), hue)
    hue = jnp.where(spread > 0, hue, 0)
    return jnp.stack([jnp.where(hue < 0, hue + 1, hue), saturation, value], -1)


@unary
@_of_images
@compiled("data_format")
def hsv_to_rgb(images: Any, data_format: str | None = None) -> Array:
    """Returns red, green and blue of hue, saturation and value, all from 0 to 1 (Smith, 1978)."""
    hue, saturation, value = jnp.moveaxis(_floating(images), -1, 0)
    sixths = jnp.mod(hue, 1) * 6
    pure = (jnp.abs(sixths - 3) - 1, 2 - jnp.abs(sixths - 2), 2 - jnp.abs(sixths - 4))
    return jnp.stack([value * (1 - saturation + saturation * jnp.clip(colour, 0, 1)) for colour in pure], -1)


# --- sizes ------------------------------------------------------------------------------------------------------------

INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")


def window_of_ratio(height: Any, width: Any, rows: int, columns: int, crop: bool, pad: bool) -> tuple[Any, Any, Any, Any]:
    """Returns top, left, height and width of what `resize` makes the new image of; top or left is negative where it pads."""
    if crop:
        tall, wide = max(min(height, int(width * rows / columns)), 1), max(min(width, int(height * columns / rows)), 1)
        return (height - tall) // 2, (width - wide) // 2, tall, wide
    if pad:
        above, before = (max(int(width * rows / columns) - height, 0) // 2, max(int(height * columns / rows) - width, 0) // 2)
        before = 0 if above else before
        return -above, -before, height + 2 * above, width + 2 * before
    return 0, 0, height, width


@unary
@_of_images
def resize(
    images: Any,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Array:
    """Returns images of another size.

    Args:
        images: of shape (height, width, channels), or a batch of those.
        size: the new (height, width).
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        antialias: whether what is made smaller is smoothed first.
        crop_to_aspect_ratio: whether to cut off, equally on both sides, what would change the ratio of height to width.
        pad_to_aspect_ratio: whether to add what is missing to keep the ratio.
        fill_mode: "constant", the only one.
        fill_value: what is added.
        data_format: where the channels are; "channels_last" by default.

    Raises:
        ValueError: for another interpolation or fill mode, or if images are to be both cropped and padded.

    >>> lamina.ops.image.resize(np.ones((2, 8, 6, 3)), (4, 4)).shape
    (2, 4, 4, 3)
    """
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation must be one of {INTERPOLATIONS}, not {interpolation!r}.")
    if fill_mode != "constant":
        raise ValueError(f"fill_mode of resize must be 'constant', not {fill_mode!r}.")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("resize can crop to the aspect ratio or pad to it, not both.")
    height, width = images.shape[1:3]
    rows, columns = size
    top, left, tall, wide = window_of_ratio(height, width, rows, columns, crop_to_aspect_ratio, pad_to_aspect_ratio)
    if crop_to_aspect_ratio:
        images = images[:, top : top + tall, left : left + wide]
    elif pad_to_aspect_ratio:
        images = jnp.pad(images, [(0, 0), (-top, -top), (-left, -left), (0, 0)], constant_values=fill_value)
    resized: Array = jax.image.resize(images, (images.shape[0], rows, columns, images.shape[3]), interpolation, antialias=antialias)
    if resized.dtype == images.dtype:
        return resized
    return saturate_cast(jnp.round(resized) if jnp.issubdtype(images.dtype, jnp.integer) else resized, images.dtype)


def _margins(before: int | None, after: int | None, target: int | None, own: int, grows: bool, axis: str) -> tuple[int, int]:
    """Returns how much to add (or to cut off) before and after, of which two of three were given."""
    what = "padding" if grows else "cropping"
    if [before, after, target].count(None) != 1:
        raise ValueError(
            f"Two of the {what} before, the {what} after and the target {axis} are needed: {before}, {after}, {target}."
        )
    total = 0 if target is None else (target - own if grows else own - target)
    before = total - after if before is None and after is not None else before
    after = total - before if after is None and before is not None else after
    if before is None or after is None or min(before, after) < 0 or (not grows and before + after > own):
        raise ValueError(f"A {what} of {before} and {after} along the {axis}, of size {own}, cannot be.")
    return before, after


@unary
@_of_images
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Array:
    """Returns images with zeros around them. Of top, bottom and target height two are given, and likewise of the others.

    >>> lamina.ops.image.pad_images(np.ones((5, 6, 3)), 1, 2, target_height=8, target_width=8).shape
    (8, 8, 3)
    """
    rows = _margins(top_padding, bottom_padding, target_height, images.shape[1], True, "height")
    columns = _margins(left_padding, right_padding, target_width, images.shape[2], True, "width")
    return jnp.pad(images, [(0, 0), rows, columns, (0, 0)])


@unary
@_of_images
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Array:
    """Returns a part of images. Of top, bottom and target height two are given, and likewise of the others.

    >>> lamina.ops.image.crop_images(np.ones((5, 6, 3)), 1, 2, target_height=3, target_width=3).shape
    (3, 3, 3)
    """
    (height, width), rows, columns = images.shape[1:3], (top_cropping, bottom_cropping), (left_cropping, right_cropping)
    top, bottom = _margins(*rows, target_height, height, False, "height")
    left, right = _margins(*columns, target_width, width, False, "width")
    cropped: Array = images[:, top : height - bottom, left : width - right]
    return cropped


@unary
@compiled("output_shape", "spatial_dims", "method", "antialias")
def scale_and_translate(
    images: Any,
    output_shape: Sequence[int],
    scale: Any,
    translation: Any,
    spatial_dims: Sequence[int],
    method: str,
    antialias: bool = True,
) -> Array:
    """Returns images scaled and then moved along some of their axes; as `jax.image.scale_and_translate`.

    Args:
        images: an array of any shape.
        output_shape: the shape of the result.
        scale: a factor for each of the axes.
        translation: how far to move along each.
        spatial_dims: the axes.
        method: "linear", "cubic", "lanczos3" or "lanczos5"; "bilinear", "bicubic" and the like are the same.
        antialias: whether what is made smaller is smoothed first.
    """
    scale, translation = (jnp.asarray(array, jnp.float32) for array in (scale, translation))
    moved: Array = jax.image.scale_and_translate(images, output_shape, spatial_dims, scale, translation, method, antialias)
    return moved


def _patches(images: Any, size: Sizes, strides: Sizes | None, dilation_rate: Sizes, padding: str) -> Array:
    axes = images.ndim - 2
    sizes = per_axis(size, axes, "size")
    steps, dilation = per_axis(strides or sizes, axes, "strides"), per_axis(dilation_rate, axes, "dilation_rate")
    way = Geometry(steps, (), (1,) * axes, dilation)
    pads = jax.lax.padtype_to_pads(images.shape[1:-1], way.spans(sizes), steps, check_padding(padding))
    seen = shifts(images, sizes, way._replace(pads=tuple((int(before), int(after)) for before, after in pads)))
    return jnp.concatenate([one for _, one in seen], -1)


@_of_images
def _patches_2d(
    images: Any,
    size: Sizes,
    strides: Sizes | None = None,
    dilation_rate: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    return _patches(images, size, strides, dilation_rate, padding)


@functools.partial(_of_images, axes=3)
def _patches_3d(
    volumes: Any,
    size: Sizes,
    strides: Sizes | None = None,
    dilation_rate: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    return _patches(volumes, size, strides, dilation_rate, padding)


@unary
def extract_patches(
    images: Any,
    size: Sizes,
    strides: Sizes | None = None,
    dilation_rate: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Returns what a window sees at all its places, as channels: (batch, rows, columns, height · width · channels).

    Args:
        images: images, or with three sizes volumes, or a batch of those.
        size: of the window: (height, width), or one number for both; or (depth, height, width).
        strides: how far it moves along each axis; by default by its size.
        dilation_rate: how far apart the elements lie that it sees.
        padding: "valid", or "same" for zeros around the images.
        data_format: where the channels are; "channels_last" by default.

    >>> lamina.ops.image.extract_patches(np.ones((2, 8, 8, 3)), 4).shape
    (2, 2, 2, 48)
    """
    of_volumes = isinstance(size, (tuple, list)) and len(size) == 3
    return (_patches_3d if of_volumes else _patches_2d)(images, size, strides, dilation_rate, padding, data_format)


@unary
def extract_patches_3d(
    volumes: Any,
    size: Sizes,
    strides: Sizes | None = None,
    dilation_rate: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Returns what a window sees at all its places in volumes; see `extract_patches`."""
    return _patches_3d(volumes, size, strides, dilation_rate, padding, data_format)


# --- geometry ---------------------------------------------------------------------------------------------------------

_ORDERS = {"nearest": 0, "bilinear": 1}
_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


@binary
def map_coordinates(inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0.0) -> Array:
    """Returns the values of an array at places between its elements.

    Args:
        inputs: an array.
        coordinates: the places: a coordinate for each axis of it, of shape (axes, ...).
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: what is outside: "constant", "nearest", "wrap", "mirror" or "reflect".
        fill_value: the constant.

    Raises:
        ValueError: for another order or fill mode, or another number of coordinates.

    >>> print(lamina.ops.image.map_coordinates(np.arange(4.0), [[0.5, 2.25]], 1))
    [0.5  2.25]
    """
    inputs, coordinates = jnp.asarray(inputs), jnp.asarray(coordinates)
    if coordinates.ndim < 2 or coordinates.shape[0] != inputs.ndim:
        raise ValueError(
            f"Coordinates for an array of shape {show_shape(inputs.shape)} have shape ({inputs.ndim}, ...), not "
            f"{show_shape(coordinates.shape)}."
        )
    if order not in (0, 1):
        raise ValueError(f"order must be 0 or 1, not {order!r}.")
    values: Array = ndimage.map_coordinates(inputs, coordinates, order, _fill_mode(fill_mode), fill_value)
    return values


def _fill_mode(mode: str) -> str:
    if mode not in _FILL_MODES:
        raise ValueError(f"fill_mode must be one of {_FILL_MODES}, not {mode!r}.")
    return mode


def _order(interpolation: str) -> int:
    if interpolation not in _ORDERS:
        raise ValueError(f"interpolation must be one of {tuple(_ORDERS)}, not {interpolation!r}.")
    return _ORDERS[interpolation]


@compiled("order", "mode", "fill_value")
def taken_from(images: Array, rows: Array, columns: Array, order: int, mode: str, fill_value: float) -> Array:
    """Returns images whose pixels are taken from the given places, of shape (batch, height, width)."""

    def channel(image: Array, row: Array, column: Array) -> Array:
        values: Array = ndimage.map_coordinates(image, [row, column], order, mode, fill_value)
        return values

    by_channel = jax.vmap(channel, in_axes=(-1, None, None), out_axes=-1)
    return jax.vmap(by_channel)(images, rows, columns)


@unary
@_of_images
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Array:
    """Returns images whose pixel at (x, y) is taken from ((a₀x + a₁y + a₂) / k, (b₀x + b₁y + b₂) / k), k = c₀x + c₁y + 1.

    Args:
        images: images, or a batch of them.
        transform: (a₀, a₁, a₂, b₀, b₁, b₂, c₀, c₁), or as many of those as there are images. c₀ and c₁ are 0 for affine ones.
        interpolation: "bilinear" or "nearest".
        fill_mode: what is outside: "constant", "nearest", "wrap", "mirror" or "reflect".
        fill_value: the constant.
        data_format: where the channels are; "channels_last" by default.
    """
    transform = jnp.asarray(transform, jnp.float32)
    batch, height, width, _ = images.shape
    if transform.shape not in ((8,), (1, 8), (batch, 8)):
        raise ValueError(f"A transform is 8 numbers, or 8 for each image, not an array of shape {show_shape(transform.shape)}.")
    a0, a1, a2, b0, b1, b2, c0, c1 = jnp.broadcast_to(transform, (batch, 8)).T[..., None, None]
    y, x = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    k = c0 * x + c1 * y + 1
    columns, rows = (a0 * x + a1 * y + a2) / k, (b0 * x + b1 * y + b2) / k
    return taken_from(images, rows, columns, _order(interpolation), _fill_mode(fill_mode), fill_value)


@unary
@_of_images
def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Array:
    """Returns images in another perspective: four points of them come to lie at four others.

    Args:
        images: images, or a batch of them.
        start_points: (x, y) of four points, of shape (4, 2), or of four in each image, (batch, 4, 2).
        end_points: where they come to lie, likewise.
        interpolation: "bilinear" or "nearest".
        fill_value: what is outside.
        data_format: where the channels are; "channels_last" by default.
    """
    start, end = (jnp.asarray(points, jnp.float32) for points in (start_points, end_points))
    if start.shape != end.shape or start.shape not in ((4, 2), (1, 4, 2), (images.shape[0], 4, 2)):
        raise ValueError(
            "start_points and end_points must both have shape (4, 2), or (images, 4, 2), not "
            f"{show_shape(start.shape)} and {show_shape(end.shape)}."
        )
    return affine_transform(images, homography(start, end), interpolation, "constant", fill_value)


@jax.jit
def homography(start: Array, end: Array) -> Array:
    """Returns the eight numbers of the transform that takes the end points to the start points."""
    (u, v), (x, y) = (jnp.moveaxis(points, -1, 0) for points in (start, end))
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    of_u = jnp.stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1)
    of_v = jnp.stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1)
    wanted = jnp.concatenate([u, v], -1)
    solution: Array = jnp.linalg.solve(jnp.concatenate([of_u, of_v], -2), wanted[..., None])
    return solution[..., 0]


@unary
@_of_images
def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Array:
    """Returns images with each pixel moved at random, near ones alike: by alpha · blurred normal noise (Simard et al., 2003).

    Args:
        images: images, or a batch of them.
        alpha: how far, and
        sigma: how smoothly; the standard deviation of the noise and of the blur.
        interpolation: "bilinear" or "nearest".
        fill_mode: what is outside: "constant", "nearest", "wrap", "mirror" or "reflect".
        fill_value: the constant.
        seed: an integer, a SeedGenerator, or None for the shared one.
        data_format: where the channels are; "channels_last" by default.
    """
    order, mode, width = _order(interpolation), _fill_mode(fill_mode), int(6 * sigma) | 1
    noise = sigma * jax.random.normal(key_of(seed), (*images.shape[:3], 2))
    moves = alpha * gaussian_blur(noise, (width, width), (sigma, sigma))
    y, x = jnp.meshgrid(*map(jnp.arange, images.shape[1:3]), indexing="ij")
    return taken_from(images, y + moves[..., 0], x + moves[..., 1], order, mode, fill_value)


# --- filters ----------------------------------------------------------------------------------------------------------


def _filtered(images: Array, along_y: Any, along_x: Any, padding: str) -> Array:
    """Returns each channel convolved with the outer product of two filters: with one after the other, which is less work."""
    for kernel in (jnp.asarray(along_y)[:, None], jnp.asarray(along_x)[None]):
        kernel = jnp.broadcast_to(kernel[:, :, None, None], (*kernel.shape, images.shape[-1], 1))
        images = depthwise_conv(images, kernel.astype(images.dtype), padding=padding)
    return images


def _bell(size: int, sigma: Any) -> Array:
    """Returns a normal distribution's density at so many places, summing to 1."""
    weights = jnp.exp(-0.5 * ((jnp.arange(size) - (size - 1) / 2) / sigma) ** 2)
    return weights / jnp.sum(weights)


@unary
@_of_images
@compiled("kernel_size", "data_format")
def gaussian_blur(
    images: Any, kernel_size: Sequence[int] = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Array:
    """Returns images smoothed by a bell of the given size and standard deviation, both (along x, along y); zeros are outside."""
    return _filtered(images, _bell(kernel_size[1], sigma[1]), _bell(kernel_size[0], sigma[0]), "same")


@_of_images
def _sobel(images: Any, along_y: Any, along_x: Any, data_format: str | None = None) -> Array:
    return _filtered(images, along_y, along_x, "same")


@unary
def sobel_edges(images: Any, data_format: str | None = None) -> Array:
    """Returns how images change along y and along x, as a new last axis, by Sobel's filters (Sobel and Feldman, 1968)."""
    change, mean = (-1, 0, 1), (1, 2, 1)
    return jnp.stack([_sobel(images, change, mean, data_format), _sobel(images, mean, change, data_format)], -1)


@binary
@compiled("filter_size", "data_format")
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Array:
    """Returns how alike two images are in structure, at most 1.

    It is the mean over windows of (2 μ₁μ₂ + c₁)(2 σ₁₂ + c₂) / ((μ₁² + μ₂² + c₁)(σ₁² + σ₂² + c₂)), with c₁ = (k1 · max_val)² and
    c₂ = (k2 · max_val)².

    Args:
        image1: an image, or a batch of them.
        image2: another, of the same shape.
        max_val: the greatest value that a pixel can have.
        filter_size: the size of the windows, in which pixels are weighted by a bell.
        filter_sigma: its standard deviation.
        k1: keeps the quotient from 0 / 0.
        k2: likewise.
        data_format: where the channels are; "channels_last" by default.

    Returns:
        One number for each image.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004.
    """
    if jnp.shape(image1) != jnp.shape(image2):
        raise ValueError(f"ssim compares images of one shape, not {jnp.shape(image1)} and {jnp.shape(image2)}.")
    dtype = jnp.asarray(image1).dtype
    a, b = (_as_batch(image, data_format).astype(jnp.result_type(dtype, float)) for image in (image1, image2))
    bell = _bell(filter_size, filter_sigma)
    mean = functools.partial(_filtered, along_y=bell, along_x=bell, padding="valid")
    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    alike = (2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))
    values = jnp.mean(alike, (1, 2, 3)).astype(dtype)
    return values if jnp.ndim(image1) == 4 else values[0]
