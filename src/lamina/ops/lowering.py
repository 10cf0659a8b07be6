"""How a convolution is computed: by XLA's own, or, for the CPU, by what was measured to be faster.

`by_xla` is `jax.lax.conv_general_dilated`. `by_shape` is for the CPU, where (`benchmarks/convolution.py` has the figures)

- XLA's convolution is fast only where the axes of its operands lie in one order, and XLA reorders them only outside of loops. JAX's
  gradients are in other orders: in a training loop they take ten to a hundred times as long. So the gradients are written
  here, as convolutions in the order that is fast.
- With few input channels, one matrix product over patches is several times faster still.
- Where each channel is convolved by itself, a sum of shifted products is.

Inside this module, but for its first two functions, images have their channels last: (batch, *spatial, channels), kernels
(*spatial, channels / groups, filters).
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from lamina.core.variable import Array

Pads = tuple[tuple[int, int], ...]


class Geometry(NamedTuple):
    """How a window passes over images; one number, or pair of numbers, for each spatial axis."""

    strides: tuple[int, ...]  # how far the window moves
    pads: Pads  # how many zeros are put before and after the images; negative ones crop
    spread: tuple[int, ...]  # how far apart the images' pixels are put, with zeros between; more than 1 in transposes
    dilation: tuple[int, ...]  # how far apart the elements of the kernel lie

    def spans(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Returns how far a kernel of the given sizes reaches."""
        return tuple((size - 1) * rate + 1 for size, rate in zip(sizes, self.dilation, strict=True))

    def spread_sizes(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Returns the sizes of images whose pixels are spread."""
        return tuple((size - 1) * rate + 1 for size, rate in zip(sizes, self.spread, strict=True))

    def of_input_gradient(self, sizes: Sequence[int], kernel: Sequence[int], outputs: Sequence[int]) -> "Geometry":
        """Returns how the gradient for the inputs comes about: the turned kernel passes over the gradient of the outputs.

        Args:
            sizes: the spatial sizes of the inputs.
            kernel: those of the kernel.
            outputs: those of the outputs.
        """
        pads = []
        each = zip(self.pads, self.spans(kernel), self.spread_sizes(sizes), outputs, self.strides, strict=True)
        for (before, _), span, size, count, stride in each:
            before = span - 1 - before
            pads.append((before, size - ((count - 1) * stride + 1) - before + span - 1))
        return Geometry(self.spread, tuple(pads), self.strides, self.dilation)

    def of_kernel_gradient(self, sizes: Sequence[int], kernel: Sequence[int], outputs: Sequence[int]) -> "Geometry":
        """Returns how the gradient for the kernel comes about: that of the outputs passes over the inputs. Arguments as above."""
        pads = []
        each = zip(self.pads, self.spans(kernel), self.spread_sizes(sizes), outputs, self.strides, strict=True)
        for (before, _), span, size, count, stride in each:
            pads.append((before, span + (count - 1) * stride - size - before))
        return Geometry(self.dilation, tuple(pads), self.spread, self.strides)


def by_xla(
    inputs: Array,
    kernel: Array,
    *,
    strides: tuple[int, ...],
    padding: str | Pads,
    dilation: tuple[int, ...],
    groups: int = 1,
    spread: tuple[int, ...] | None = None,
    data_format: str | None = None,
) -> Array:
    """Returns the convolution of images with a kernel of shape (*spatial, channels / groups, filters), as XLA computes it.

    Args:
        inputs: images of any number of spatial axes.
        kernel: of the same dtype.
        strides: how far the window moves along each spatial axis.
        padding: "VALID", "SAME", or the zeros before and after each axis.
        dilation: how far apart the elements of the kernel lie.
        groups: the channels fall into so many groups, each convolved by itself.
        spread: how far apart the pixels are put first.
        data_format: where the channels of inputs and outputs are.
    """
    return jax.lax.conv_general_dilated(
        inputs,
        kernel,
        strides,
        padding,
        lhs_dilation=spread,
        rhs_dilation=dilation,
        dimension_numbers=_layout(len(strides), data_format),
        feature_group_count=groups,
    )


def by_shape(
    inputs: Array,
    kernel: Array,
    *,
    strides: tuple[int, ...],
    padding: str | Pads,
    dilation: tuple[int, ...],
    groups: int = 1,
    spread: tuple[int, ...] | None = None,
    data_format: str | None = None,
) -> Array:
    """Returns the same, computed in the way that is fast on a CPU for these shapes; see `by_xla`."""
    known = all(isinstance(size, int) and size for size in (*inputs.shape, *kernel.shape))
    if not (known and jnp.issubdtype(inputs.dtype, jnp.floating)):
        window: dict[str, Any] = dict(strides=strides, padding=padding, dilation=dilation)
        return by_xla(inputs, kernel, **window, groups=groups, spread=spread, data_format=data_format)
    x = jnp.moveaxis(inputs, 1, -1) if data_format == "channels_first" else inputs
    way = Geometry(strides, (), spread or (1,) * len(strides), dilation)
    if isinstance(padding, str):
        sizes = way.spread_sizes(x.shape[1:-1]), way.spans(kernel.shape[:-2])
        padding = tuple((int(before), int(after)) for before, after in jax.lax.padtype_to_pads(*sizes, strides, padding))
    way = way._replace(pads=padding)
    # Sums of 16-bit numbers are kept in 32 bits, as XLA's convolution does.
    wide = jnp.promote_types(inputs.dtype, jnp.float32)
    y = _in_groups(x.astype(wide), kernel.astype(wide), way, groups).astype(inputs.dtype)
    return jnp.moveaxis(y, -1, 1) if data_format == "channels_first" else y


def _layout(axes: int, data_format: str | None = None) -> tuple[str, str, str]:
    """Returns the letters of the axes of inputs, kernel and outputs, for `jax.lax`."""
    spatial = "".join(chr(ord("a") + axis) for axis in range(axes))
    images = f"NC{spatial}" if data_format == "channels_first" else f"N{spatial}C"
    return images, f"{spatial}IO", images


def _in_groups(x: Array, kernel: Array, way: Geometry, groups: int) -> Array:
    if groups == 1:
        return _convolve(x, kernel, way)
    if groups == x.shape[-1]:
        return _channels_by_themselves(jnp.repeat(x, kernel.shape[-1] // groups, -1), kernel, way)
    pairs = zip(jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True)
    return jnp.concatenate([_convolve(part, own, way) for part, own in pairs], -1)


def _convolve(x: Array, kernel: Array, way: Geometry) -> Array:
    if len(way.strides) <= 2:
        return _as_matrix_product(x, kernel, way) if _suits_matrix_product(x, kernel, way) else _as_images(x, kernel, way)
    # The first axis becomes part of the batch, and what the kernel sees along it part of the channels.
    x = jnp.concatenate(_slices(_pad(x, way, (0,)), kernel.shape[0], 1, way.strides[0], way.dilation[0]), -1)
    kernel = jnp.moveaxis(kernel, 0, -3).reshape(*kernel.shape[1:-2], -1, kernel.shape[-1])
    way = Geometry(way.strides[1:], way.pads[1:], way.spread[1:], way.dilation[1:])
    y = _convolve(x.reshape(-1, *x.shape[2:]), kernel, way)
    return y.reshape(*x.shape[:2], *y.shape[1:])


# --- gradients ------------------------------------------------------------------------------------------------------------

Bilinear = Callable[[Array, Array, Geometry], Array]
Gradient = Callable[[Array, Array, tuple[int, ...], Geometry], Array]


def _with_gradients(function: Bilinear, input_gradient: Gradient, kernel_gradient: Gradient) -> Bilinear:
    """Returns a function of images and a kernel that is linear in each, with gradients that are computed as given.

    The tangents are written as the transposes of the gradients: JAX, which transposes them, arrives at those. So derivatives of
    any order, forward too, are right, and those that training takes are fast.

    Args:
        function: computes outputs from images, kernel and geometry.
        input_gradient: from the gradient of the outputs, the kernel, the spatial sizes of the images, and the geometry.
        kernel_gradient: from the images, the gradient of the outputs, the sizes of the kernel, and the geometry.
    """

    @functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
    def bilinear(x: Array, kernel: Array, way: Geometry) -> Array:
        return function(x, kernel, way)

    def rule(way: Geometry, primals: Any, tangents: Any) -> Any:
        (x, kernel), (dx, dkernel) = primals, tangents
        y = bilinear(x, kernel, way)
        parts = []
        if not isinstance(dx, SymbolicZero):
            parts += jax.linear_transpose(lambda g: input_gradient(g, kernel, x.shape[1:-1], way), y)(dx)
        if not isinstance(dkernel, SymbolicZero):
            parts += jax.linear_transpose(lambda g: kernel_gradient(x, g, kernel.shape[:-2], way), y)(dkernel)
        return y, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(y)

    bilinear.defjvp(rule, symbolic_zeros=True)
    return bilinear


# --- XLA's convolution, with gradients in the order of axes that it is fast in --------------------------------------------


def _as_images(x: Array, kernel: Array, way: Geometry) -> Array:
    if len(way.strides) == 2:
        return _image_convolution(x, kernel, way)
    # XLA has its fastest code for two spatial axes.
    way = Geometry((1, *way.strides), ((0, 0), *way.pads), (1, *way.spread), (1, *way.dilation))
    return _image_convolution(x[:, None], kernel[None], way)[:, 0]


def _direct(x: Array, kernel: Array, way: Geometry) -> Array:
    layout = _layout(len(way.strides))
    return jax.lax.conv_general_dilated(
        x, kernel, way.strides, way.pads, lhs_dilation=way.spread, rhs_dilation=way.dilation, dimension_numbers=layout
    )


def _direct_input_gradient(g: Array, kernel: Array, sizes: tuple[int, ...], way: Geometry) -> Array:
    turned = jnp.flip(kernel, range(len(sizes))).swapaxes(-1, -2)
    return _direct(g, turned, way.of_input_gradient(sizes, kernel.shape[:-2], g.shape[1:-1]))


def _direct_kernel_gradient(x: Array, g: Array, sizes: tuple[int, ...], way: Geometry) -> Array:
    if max(way.spread) > 1 and max(way.strides) == 1:
        # The kernel that leads back meets no zeros between pixels.
        back = way.of_input_gradient(x.shape[1:-1], sizes, g.shape[1:-1])
        return jnp.flip(_direct_kernel_gradient(g, x, sizes, back), range(len(sizes))).swapaxes(-1, -2)
    channels_as_batch, batch_as_channels = jnp.swapaxes(x, 0, -1), jnp.moveaxis(g, 0, -2)
    way = way.of_kernel_gradient(x.shape[1:-1], sizes, g.shape[1:-1])
    return jnp.moveaxis(_direct(channels_as_batch, batch_as_channels, way), 0, -2)


_image_convolution = _with_gradients(_direct, _direct_input_gradient, _direct_kernel_gradient)


# --- one matrix product ---------------------------------------------------------------------------------------------------

_MOST_BYTES = 2**23  # beyond this, patches do not stay in the processor's caches


def _suits_matrix_product(x: Array, kernel: Array, way: Geometry) -> bool:
    """Tells whether a matrix product over patches is faster than XLA's convolution: the rule, and the only place of it.

    Gathering patches costs what their number of elements costs, so there must be few input channels. Up to 16 channels on both
    sides XLA falls back to code of a fifth of the speed of its fast one, and three channels, of all numbers, it does badly
    with any filters. A kernel of size one needs no patches: its convolution is a matrix product.
    """
    *sizes, channels, filters = kernel.shape
    if math.prod(sizes) == 1:
        return True
    block = _Blocks(x, kernel, way)
    patches = x.shape[0] * math.prod(block.outputs[:-1]) * block.count * math.prod(sizes[:-1]) * block.reach * channels
    return (channels <= 3 or (channels <= 8 and filters <= 16)) and patches * x.dtype.itemsize <= _MOST_BYTES


class _Blocks:
    """How the outputs along the last spatial axis fall into blocks, each of which comes from one patch.

    A patch that serves several outputs is little longer than one for a single output, so there are fewer numbers to gather; and
    the matrix, which holds the kernel once for each output, shifted, has enough columns to fill the processor's lanes.
    """

    def __init__(self, x: Array, kernel: Array, way: Geometry) -> None:
        spans, stride = way.spans(kernel.shape[:-2]), way.strides[-1]
        padded = (size + sum(pads) for size, pads in zip(way.spread_sizes(x.shape[1:-1]), way.pads, strict=True))
        self.outputs = [(size - span) // step + 1 for size, span, step in zip(padded, spans, way.strides, strict=True)]
        width = 1 if kernel.shape[-3] == 1 else min(max(24 // kernel.shape[-1], 2), 8)
        self.width = min(width, self.outputs[-1])  # outputs in a block
        self.count = -(-self.outputs[-1] // self.width)
        self.step = self.width * stride  # from one patch to the next
        self.reach = (self.width - 1) * stride + spans[-1]  # of a patch


def _as_matrix_product(x: Array, kernel: Array, way: Geometry) -> Array:
    """Computes a convolution as patches · matrix."""
    axes, filters = len(way.strides), kernel.shape[-1]
    block = _Blocks(x, kernel, way)
    x = _patches(x, kernel.shape, way, block)
    y = x.reshape(-1, x.shape[-1]) @ _matrix(kernel, way, block)
    y = y.reshape(*x.shape[:axes], block.count * block.width, filters)
    return y[..., : block.outputs[-1], :]


def _patches(x: Array, kernel_shape: tuple[int, ...], way: Geometry, block: _Blocks) -> Array:
    """Returns what each block of outputs is computed from, as the last axis: (batch, *outputs, blocks, patch).

    Columns are gathered first, in whole steps, then rows of those: a few large slices instead of one for each element.
    """
    axes, channels = len(way.strides), x.shape[-1]
    steps = -(-block.reach // block.step)
    length = (block.count + steps - 1) * block.step
    last = way.spread_sizes(x.shape[1:-1])[-1]
    pads = (*way.pads[:-1], (way.pads[-1][0], length - way.pads[-1][0] - last))
    x = _pad(x, way._replace(pads=pads), range(axes))
    x = x.reshape(*x.shape[:axes], -1, block.step * channels)
    columns = [x[..., i : i + block.count, : (block.reach - i * block.step) * channels] for i in range(steps)]
    x = jnp.concatenate(columns, -1)
    for axis in reversed(range(axes - 1)):
        rows = _slices(x, kernel_shape[axis], axis + 1, way.strides[axis], way.dilation[axis])
        x = jnp.concatenate(rows, -1)
    return x


def _matrix(kernel: Array, way: Geometry, block: _Blocks) -> Array:
    """Returns the matrix that takes a patch to a block of outputs: the kernel once for each output, shifted."""
    axes, stride, dilation = len(way.strides), way.strides[-1], way.dilation[-1]
    zero, kept = jnp.zeros((), kernel.dtype), (0, 0, 0)

    def shifted(output: int) -> Array:
        along = (output * stride, (block.width - 1 - output) * stride, dilation - 1)
        return jax.lax.pad(kernel, zero, [*[kept] * (axes - 1), along, kept, kept])

    return jnp.stack([shifted(output) for output in range(block.width)], -2).reshape(-1, block.width * kernel.shape[-1])


# --- each channel by itself -----------------------------------------------------------------------------------------------


def _shifted(x: Array, kernel: Array, way: Geometry) -> Array:
    """Returns Σ over the elements of a kernel of shape (*spatial, 1, channels) of shifted images times an element."""
    terms = [shifted * kernel[element][0] for element, shifted in shifts(x, kernel.shape[:-2], way)]
    return sum(terms[1:], terms[0])


def _shifted_input_gradient(g: Array, kernel: Array, sizes: tuple[int, ...], way: Geometry) -> Array:
    way = way.of_input_gradient(sizes, kernel.shape[:-2], g.shape[1:-1])
    return _shifted(g, jnp.flip(kernel, range(len(sizes))), way)


def _shifted_kernel_gradient(x: Array, g: Array, sizes: tuple[int, ...], way: Geometry) -> Array:
    elements = [jnp.sum(shifted * g, range(g.ndim - 1)) for _, shifted in shifts(x, sizes, way)]
    return jnp.stack(elements).reshape(*sizes, 1, g.shape[-1])


def shifts(x: Array, sizes: Sequence[int], way: Geometry) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yields the index of each element of a kernel, and what it sees at all places of the window."""
    x = _pad(x, way, range(len(sizes)))
    for element in itertools.product(*map(range, sizes)):
        shifted = x
        for axis, i in enumerate(element):
            shifted = _slices(shifted, sizes[axis], axis + 1, way.strides[axis], way.dilation[axis])[i]
        yield element, shifted


_channels_by_themselves = _with_gradients(_shifted, _shifted_input_gradient, _shifted_kernel_gradient)


# --- slices -----------------------------------------------------------------------------------------------------------------


def _pad(x: Array, way: Geometry, axes: Sequence[int]) -> Array:
    """Spreads and pads images along some of the spatial axes."""
    config = [(0, 0, 0)] * x.ndim
    for axis in axes:
        config[axis + 1] = (*way.pads[axis], way.spread[axis] - 1)
    return jax.lax.pad(x, jnp.zeros((), x.dtype), config) if any(map(any, config)) else x


def _slices(x: Array, size: int, axis: int, stride: int, dilation: int) -> list[Array]:
    """Returns what each element of a kernel sees along an axis, at all places of the window."""
    last = x.shape[axis] - (size - 1) * dilation
    return [jax.lax.slice_in_dim(x, i * dilation, i * dilation + last, stride, axis) for i in range(size)]
