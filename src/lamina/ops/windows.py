"""What convolution and pooling share: how axes are laid out, and sizes that are one number or one for each axis."""

import operator
from collections.abc import Sequence
from typing import Any

from lamina.core.text import show_shape

CHANNELS_LAST = "channels_last"


def spatial_axes(ndim: int, data_format: str | None) -> range:
    """Returns the axes between batch and channels ("channels_last") or after both ("channels_first").

    Args:
        ndim: the number of axes of the inputs.
        data_format: where the channels are; None is "channels_last".

    Raises:
        ValueError: for another format, or inputs without spatial axes.
    """
    if data_format not in (CHANNELS_LAST, "channels_first", None):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', not {data_format!r}.")
    if ndim < 3:
        raise ValueError(f"The inputs need a batch axis, a channel axis and at least one axis more; they have {ndim} in all.")
    return range(2, ndim) if data_format == "channels_first" else range(1, ndim - 1)


def channel_axis(data_format: str | None) -> int:
    """Returns the axis of the channels."""
    return 1 if data_format == "channels_first" else -1


def per_axis(value: int | Sequence[int], axes: int, what: str) -> tuple[int, ...]:
    """Returns a size for each of the spatial axes.

    Args:
        value: one integer, or one for each axis.
        axes: how many there are.
        what: the argument's name, for the message.

    Raises:
        ValueError: for another number of sizes, or what is not an integer.
    """
    given: Any = value if isinstance(value, (tuple, list)) else (value,) * axes
    try:
        sizes = tuple(operator.index(size) for size in given)
    except TypeError:
        sizes = ()
    if len(sizes) != axes:
        raise ValueError(f"{what} must be one integer, or {axes}, one for each spatial axis, not {value!r}.")
    return sizes


def check_padding(padding: str) -> str:
    """Returns "SAME" or "VALID"; raises ValueError for another padding."""
    if not isinstance(padding, str) or padding.lower() not in ("same", "valid"):
        raise ValueError(f"padding must be 'valid' or 'same', not {padding!r}.")
    return padding.upper()


def check_fits(shape: Sequence[Any], window: Sequence[int], data_format: str | None, what: str) -> None:
    """Raises ValueError if a window is larger than the inputs that it is to lie in wholly; unknown sizes pass.

    Args:
        shape: the shape of the inputs.
        window: how far the window reaches along each spatial axis.
        data_format: where the channels are.
        what: what the window is, for the message.
    """
    sizes = [shape[axis] for axis in spatial_axes(len(shape), data_format)]
    if any(isinstance(size, int) and size < reach for size, reach in zip(sizes, window, strict=True)):
        raise ValueError(
            f"The {what} reaches over {show_shape(window)} elements, more than the inputs have, whose spatial sizes are "
            f"{show_shape(sizes)}. Take a smaller one, or padding='same'."
        )
