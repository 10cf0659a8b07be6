"""Fourier transforms. Complex numbers are pairs (real part, imaginary part) of real arrays, as in Keras."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.graph import op
from lamina.core.variable import Array
from lamina.ops.wrap import compiled, unary

__all__ = ["fft", "fft2", "ifft2", "irfft", "istft", "rfft", "stft"]

Pair = tuple[Array, Array]


@op
def fft(x: Sequence[Any]) -> Pair:
    """Returns Σₜ x[t] e^(-2πi k t / n) for k from 0 to n - 1, along the last axis.

    Args:
        x: a pair (real part, imaginary part), of shape (..., n).
    """
    return _pair(jnp.fft.fft(_complex(x)))


@op
def fft2(x: Sequence[Any]) -> Pair:
    """Returns `fft` along the last axis and the one before it."""
    return _pair(jnp.fft.fft2(_complex(x)))


@op
def ifft2(x: Sequence[Any]) -> Pair:
    """Returns what `fft2` makes into x."""
    return _pair(jnp.fft.ifft2(_complex(x)))


@unary
def rfft(x: Any, fft_length: int | None = None) -> Pair:
    """Returns `fft` of real numbers for k from 0 to n // 2 along the last axis, as the others are their conjugates.

    Args:
        x: of shape (..., time).
        fft_length: n; the signal is cut or filled up with zeros to it. By default its own length.

    >>> real, imaginary = lamina.ops.rfft([0.0, 1.0, 0.0, -1.0])
    >>> print(real, imaginary)
    [0. 0. 0.] [ 0. -2.  0.]
    """
    return _pair(jnp.fft.rfft(x, fft_length))


@op
def irfft(x: Sequence[Any], fft_length: int | None = None) -> Array:
    """Returns the real numbers that `rfft` makes into x.

    Args:
        x: a pair (real part, imaginary part), of shape (..., n // 2 + 1).
        fft_length: n; by default the even one.
    """
    return jnp.fft.irfft(_complex(x), fft_length)


@compiled("sequence_stride", "fft_length", "center")
def _transform(x: Any, window: Array, sequence_stride: int, fft_length: int, center: bool) -> Pair:
    if center:
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(fft_length // 2, fft_length // 2)], "reflect")
    return _pair(jnp.fft.rfft(jnp.take(x, _places(x.shape[-1], sequence_stride, fft_length), -1) * window))


@unary
def stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> Pair:
    """Returns `rfft` of short parts of a signal, each times a window: which frequencies sound when.

    Args:
        x: the signal, of shape (..., time).
        sequence_length: how long the window is.
        sequence_stride: how far one part starts after the other.
        fft_length: how long a part is; the window is filled up with zeros to it, on both sides.
        window: "hann", "hamming", an array of shape (sequence_length,), or None for ones.
        center: whether the signal is continued by its reflection, so that the middle of the first part is its start.

    Returns:
        A pair (real part, imaginary part), of shape (..., parts, fft_length // 2 + 1).

    Raises:
        ValueError: for a part shorter than the window, or another window.

    >>> lamina.ops.stft(np.ones((2, 20), "float32"), 6, 2, 8)[0].shape
    (2, 11, 5)
    """
    return _transform(x, _window(window, sequence_length, fft_length), sequence_stride, fft_length, center)


@compiled("sequence_stride", "fft_length", "start", "end")
def _inverse(x: Sequence[Any], window: Array, sequence_stride: int, fft_length: int, start: int, end: int | None) -> Array:
    parts = jnp.fft.irfft(_complex(x), fft_length)
    time = fft_length + sequence_stride * (parts.shape[-2] - 1)
    places = _places(time, sequence_stride, fft_length)
    total = jnp.zeros((*parts.shape[:-2], time), parts.dtype).at[..., places].add(parts * window)
    weight = jnp.zeros(time, parts.dtype).at[places].add(window**2)
    return (total / jnp.where(weight > 1e-10, weight, 1))[..., start:end]


@op
def istft(
    x: Sequence[Any],
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Array:
    """Returns the signal that `stft` makes into x, or that comes nearest to it (Griffin and Lim, 1984).

    Args:
        x: a pair (real part, imaginary part), of shape (..., parts, fft_length // 2 + 1).
        sequence_length: as for `stft`.
        sequence_stride: likewise.
        fft_length: likewise.
        length: how much of the signal to return; by default all that was transformed.
        window: as for `stft`. Without one, the signal comes fft_length / sequence_stride times as large, as in Keras.
        center: as for `stft`.

    Raises:
        ValueError: for a part shorter than the window, or another window.

    >>> signal = np.sin(np.arange(32, dtype="float32"))
    >>> again = lamina.ops.istft(lamina.ops.stft(signal, 8, 2, 8), 8, 2, 8)
    >>> bool(jnp.allclose(again, signal, atol=1e-5))
    True
    """
    start = fft_length // 2 if center else 0
    end = -start or None if length is None else start + length
    signal = _inverse(x, _window(window, sequence_length, fft_length), sequence_stride, fft_length, start, end)
    return signal * (fft_length / sequence_stride) if window is None else signal


def _places(time: int, stride: int, length: int) -> np.ndarray:
    """Returns where the elements of each part lie, of shape (parts, length)."""
    parts = (time - length) // stride + 1
    return stride * np.arange(parts)[:, None] + np.arange(length)


def _window(window: Any, sequence_length: int, fft_length: int) -> Array:
    """Returns a window filled up with zeros to `fft_length`."""
    if fft_length < sequence_length:
        raise ValueError(f"fft_length must be at least sequence_length, {sequence_length}, not {fft_length}.")
    if isinstance(window, str) and window not in ("hann", "hamming"):
        raise ValueError(f"window must be 'hann', 'hamming', an array or None, not {window!r}.")
    if isinstance(window, str):
        least, turns = (0.5, 0.54)[window == "hamming"], 2 * np.pi * np.arange(sequence_length) / sequence_length
        window = least - (1 - least) * np.cos(turns) if sequence_length > 1 else np.ones(1)
    values = jnp.asarray(np.ones(sequence_length) if window is None else window, jnp.float32)
    if values.shape != (sequence_length,):
        raise ValueError(f"window must have shape ({sequence_length},), as sequence_length says, not {values.shape}.")
    before = (fft_length - sequence_length) // 2
    return jnp.pad(values, (before, fft_length - sequence_length - before))


def _complex(x: Sequence[Any]) -> Array:
    """Returns a pair as complex numbers. Raises ValueError for what is not a pair of equal shapes."""
    if not isinstance(x, (tuple, list)) or len(x) != 2 or jnp.shape(x[0]) != jnp.shape(x[1]):
        raise ValueError("A Fourier transform takes a pair (real part, imaginary part) of arrays of one shape.")
    return jax.lax.complex(jnp.asarray(x[0]), jnp.asarray(x[1]))


def _pair(x: Array) -> Pair:
    return jnp.real(x), jnp.imag(x)
