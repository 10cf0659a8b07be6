"""Convolution, its transpose, and the rearrangements of images that go with it.

With "channels_last", inputs have shape (batch, *spatial, channels), with "channels_first" (batch, channels, *spatial).
There may be any number of spatial axes. Kernels have shape (*spatial, channels in, channels out).
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.graph import op
from lamina.core.variable import Array
from lamina.ops.kernels import convolution
from lamina.ops.rearrangement import rearrange
from lamina.ops.windows import CHANNELS_LAST, channel_axis, check_fits, check_padding, per_axis, spatial_axes
from lamina.ops.wrap import compiled

__all__ = [
    "conv",
    "conv_transpose",
    "depth_to_space",
    "depthwise_conv",
    "fold",
    "separable_conv",
    "space_to_depth",
    "unfold",
]

Sizes = int | Sequence[int]


@op
@compiled("strides", "padding", "data_format", "dilation_rate")
def conv(
    inputs: Any,
    kernel: Any,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = CHANNELS_LAST,
    dilation_rate: Sizes = 1,
) -> Array:
    """Convolves inputs with a kernel: out[x, o] = Σ_{k,i} inputs[strides·x + dilation·k, i] kernel[k, i, o].

    Where the kernel has fewer input channels than the inputs, the channels fall into groups that do not mix.

    Args:
        inputs: see the module for shapes.
        kernel: of shape (*spatial, channels / groups, filters).
        strides: how far the window moves, for all spatial axes or for each.
        padding: "valid" for none, "same" for zeros around, so that stride 1 keeps the sizes.
        data_format: "channels_last" or "channels_first".
        dilation_rate: how far apart the elements of the kernel lie.

    Raises:
        ValueError: if the channels do not fit the kernel, or the kernel does not fit into the inputs.

    >>> lamina.ops.conv(jnp.ones((1, 8, 8, 3)), jnp.ones((3, 3, 3, 4)), strides=2, padding="same").shape
    (1, 4, 4, 4)
    """
    axes = len(spatial_axes(inputs.ndim, data_format))
    channels, expected = inputs.shape[channel_axis(data_format)], kernel.shape[-2]
    if channels % expected:
        raise ValueError(
            f"The kernel of shape {kernel.shape} takes {expected} channels (or groups of {expected}), but the inputs of "
            f"shape {inputs.shape}, {data_format}, have {channels}."
        )
    dilation = per_axis(dilation_rate, axes, "dilation_rate")
    if check_padding(padding) == "VALID":
        spans = [(size - 1) * rate + 1 for size, rate in zip(kernel.shape[:axes], dilation, strict=True)]
        check_fits(inputs.shape, spans, data_format, "kernel")
    return convolution(
        *_of_one_dtype(inputs, kernel),
        strides=per_axis(strides, axes, "strides"),
        padding=check_padding(padding),
        dilation=dilation,
        groups=channels // expected,
        data_format=data_format,
    )


@op
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = CHANNELS_LAST,
    dilation_rate: Sizes = 1,
) -> Array:
    """Convolves each channel by itself: `conv` with as many groups as channels.

    Args:
        inputs: see the module for shapes.
        kernel: of shape (*spatial, channels, multiplier); the outputs have channels · multiplier channels.
        strides: as in `conv`; so are the others.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        dilation_rate: how far apart the elements of the kernel lie.
    """
    kernel = jnp.asarray(kernel)
    *spatial, channels, multiplier = kernel.shape
    grouped = kernel.reshape(*spatial, 1, channels * multiplier)
    return conv(inputs, grouped, strides, padding, data_format, dilation_rate)


@op
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = CHANNELS_LAST,
    dilation_rate: Sizes = 1,
) -> Array:
    """Convolves each channel by itself, then mixes the channels: `depthwise_conv`, then `conv` with a window of size 1.

    Args:
        inputs: see the module for shapes.
        depthwise_kernel: of shape (*spatial, channels, multiplier).
        pointwise_kernel: of shape (*ones, channels · multiplier, filters).
        strides: as in `conv`; so are the others.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        dilation_rate: how far apart the elements of the depthwise kernel lie.
    """
    outputs = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(outputs, pointwise_kernel, data_format=data_format)


@op
@compiled("strides", "padding", "output_padding", "data_format", "dilation_rate")
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Sizes = 1,
    padding: str = "valid",
    output_padding: Sizes | None = None,
    data_format: str | None = CHANNELS_LAST,
    dilation_rate: Sizes = 1,
) -> Array:
    """The transpose of `conv` as a linear map (its gradient with respect to the inputs): it makes images larger.

    Args:
        inputs: see the module for shapes.
        kernel: of shape (*spatial, filters, channels): the kernel of the `conv` whose transpose this is.
        strides: by how much the spatial axes grow.
        padding: "valid" gives sizes (size − 1)·stride + max(kernel, stride); "same" gives size·stride.
        output_padding: if given, the sizes are (size − 1)·stride + kernel + this, less twice half the kernel for "same".
        data_format: "channels_last" or "channels_first".
        dilation_rate: how far apart the elements of the kernel lie.

    Raises:
        ValueError: if the channels do not fit the kernel.

    >>> lamina.ops.conv_transpose(jnp.ones((1, 4, 4, 3)), jnp.ones((3, 3, 8, 3)), strides=2, padding="same").shape
    (1, 8, 8, 8)
    """
    axes = len(spatial_axes(inputs.ndim, data_format))
    channels = inputs.shape[channel_axis(data_format)]
    if channels != kernel.shape[-1]:
        raise ValueError(
            f"The kernel of shape {kernel.shape} takes {kernel.shape[-1]} channels (its last axis), but the inputs of "
            f"shape {inputs.shape}, {data_format}, have {channels}."
        )
    steps = per_axis(strides, axes, "strides")
    dilation = per_axis(dilation_rate, axes, "dilation_rate")
    extra = (None,) * axes if output_padding is None else per_axis(output_padding, axes, "output_padding")
    windows = [(size - 1) * rate + 1 for size, rate in zip(kernel.shape[:axes], dilation, strict=True)]
    same = check_padding(padding) == "SAME"
    inputs, kernel = _of_one_dtype(inputs, kernel)
    return convolution(
        inputs,
        jnp.flip(kernel, range(axes)).swapaxes(-1, -2),
        strides=(1,) * axes,
        padding=tuple(_transposed_padding(*sizes, same) for sizes in zip(windows, steps, extra, strict=True)),
        dilation=dilation,
        spread=steps,
        data_format=data_format,
    )


def _transposed_padding(window: int, stride: int, extra: int | None, same: bool) -> tuple[int, int]:
    """Returns the zeros before and after the spread inputs: window - 1, less what the forward convolution adds there."""
    added = window - stride if same else min(window - stride, 0)
    if extra is not None:
        added = (2 * (window // 2) if same else 0) - extra
    before = max(added, 0) // 2
    return window - 1 - before, window - 1 - (added - before)


def _of_one_dtype(inputs: Any, kernel: Any) -> tuple[Array, Array]:
    dtype = jnp.result_type(inputs, kernel)
    return jnp.asarray(inputs, dtype), jnp.asarray(kernel, dtype)


# --- rearrangements --------------------------------------------------------------------------------------------------


@op
@compiled("kernel_size", "dilation", "padding", "stride")
def unfold(x: Any, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> Array:
    """Returns the patches of images that a window passes over, each flattened to one column (im2col).

    Args:
        x: of shape (batch, channels, height, width).
        kernel_size: the size of the window.
        dilation: how far apart its elements lie.
        padding: how many zeros to put around the images.
        stride: how far the window moves.

    Returns:
        An array of shape (batch, channels · window height · window width, positions of the window).

    >>> lamina.ops.unfold(jnp.ones((1, 2, 4, 4)), kernel_size=2, stride=2).shape
    (1, 8, 4)
    """
    patches = jax.lax.conv_general_dilated_patches(
        x,
        per_axis(kernel_size, 2, "kernel_size"),
        per_axis(stride, 2, "stride"),
        [(zeros, zeros) for zeros in per_axis(padding, 2, "padding")],
        rhs_dilation=per_axis(dilation, 2, "dilation"),
    )
    return patches.reshape(*patches.shape[:2], -1)


@op
@compiled("output_size", "kernel_size", "dilation", "padding", "stride")
def fold(x: Any, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> Array:
    """Returns the images that patches make, added up where they overlap: the transpose of `unfold` (col2im).

    Args:
        x: of shape (batch, channels · window height · window width, positions of the window).
        output_size: the height and width of the images.
        kernel_size: the size of the window; this and the others as they were given to `unfold`.
        dilation: how far apart its elements lie.
        padding: how many zeros were put around the images.
        stride: how far the window moved.

    Returns:
        An array of shape (batch, channels, height, width).
    """
    window = per_axis(kernel_size, 2, "kernel_size")
    shape = (x.shape[0], x.shape[1] // (window[0] * window[1]), *per_axis(output_size, 2, "output_size"))
    images = jax.ShapeDtypeStruct(shape, x.dtype)
    folded: Array = jax.linear_transpose(lambda images: unfold(images, window, dilation, padding, stride), images)(x)[0]
    return folded


@op
@compiled("block_size", "data_format")
def depth_to_space(x: Any, block_size: int, data_format: str | None = CHANNELS_LAST) -> Array:
    """Returns images with channels spread over blocks of pixels: block² times fewer channels, sides block times longer.

    Args:
        x: images, of four axes.
        block_size: the side of a block; its square must divide the channels.
        data_format: "channels_last" or "channels_first".

    >>> lamina.ops.depth_to_space(jnp.ones((1, 2, 2, 12)), 2).shape
    (1, 4, 4, 3)
    """
    if data_format == "channels_first":
        pattern = "batch (channels p q) height width -> batch channels (height p) (width q)"
    else:
        pattern = "batch height width (p q channels) -> batch (height p) (width q) channels"
    return rearrange(x, pattern, p=block_size, q=block_size)


@op
@compiled("block_size", "data_format")
def space_to_depth(x: Any, block_size: int, data_format: str | None = CHANNELS_LAST) -> Array:
    """Returns images with blocks of pixels put into the channels: block² times more, sides block times shorter.

    Args:
        x: images, of four axes.
        block_size: the side of a block; it must divide height and width.
        data_format: "channels_last" or "channels_first".

    >>> lamina.ops.space_to_depth(jnp.ones((1, 4, 4, 3)), 2).shape
    (1, 2, 2, 12)
    """
    if data_format == "channels_first":
        pattern = "batch channels (height p) (width q) -> batch (channels p q) height width"
    else:
        pattern = "batch (height p) (width q) channels -> batch height width (p q channels)"
    return rearrange(x, pattern, p=block_size, q=block_size)
