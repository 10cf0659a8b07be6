"""What counts, cuts and sums along an axis: segments, the largest elements, sequences; and a few special functions."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from lamina.core.graph import op
from lamina.core.variable import Array
from lamina.ops.wrap import binary, compiled, unary

__all__ = [
    "cdist",
    "erf",
    "erfc",
    "erfinv",
    "extract_sequences",
    "in_top_k",
    "jvp",
    "logdet",
    "logsumexp",
    "rsqrt",
    "segment_max",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "top_k",
    "view_as_complex",
    "view_as_real",
]

erf = unary(special.erf)
erfc = unary(special.erfc)
erfinv = unary(special.erfinv)
jvp = op(jax.jvp)
rsqrt = unary(jax.lax.rsqrt)


@unary
@compiled("axis", "keepdims")
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Array:
    """Returns log(Σ exp(x)) along an axis (None: all), without overflow."""
    return special.logsumexp(x, axis, keepdims=keepdims)


@unary
def logdet(x: Any) -> Array:
    """Returns log |det x| of matrices of shape (..., n, n)."""
    logarithm: Array = jnp.linalg.slogdet(x)[1]
    return logarithm


@binary
@compiled()
def cdist(x: Any, y: Any) -> Array:
    """Returns the Euclidean distance of each row of `x` (..., m, d) to each of `y` (..., n, d), of shape (..., m, n)."""
    distances: Array = jnp.linalg.norm(x[..., :, None, :] - y[..., None, :, :], axis=-1)
    return distances


# --- segments --------------------------------------------------------------------------------------------------------


def _segment(function: Callable[..., Array], doc: str) -> Callable[..., Array]:
    """Makes an op of one of `jax.ops`'s segment functions."""
    fast = compiled("num_segments", "indices_are_sorted")(function)

    def call(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Array:
        if num_segments is None:
            num_segments = int(jnp.max(segment_ids)) + 1
        return fast(data, segment_ids, num_segments=num_segments, indices_are_sorted=sorted)

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = f"""Returns the {doc} of the rows of `data` that have the same segment number.

    Args:
        data: of shape (n, ...).
        segment_ids: the segment number of each row, an integer, of shape (n,).
        num_segments: how many segments there are; needed inside a compiled function. By default the greatest number + 1.
        sorted: whether the numbers are in order, which is faster.

    Returns:
        An array of shape (num_segments, ...).
    """
    return binary(call)


segment_max = _segment(jax.ops.segment_max, "largest elements")
segment_min = _segment(jax.ops.segment_min, "smallest elements")
segment_prod = _segment(jax.ops.segment_prod, "product")
segment_sum = _segment(jax.ops.segment_sum, "sum")

# --- the largest elements --------------------------------------------------------------------------------------------


@unary
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Array, Array]:
    """Returns the k largest elements along the last axis, in falling order, and where they are.

    Args:
        x: of shape (..., n).
        k: how many.
        sorted: for Keras's sake; they are in order either way.

    >>> values, indices = lamina.ops.top_k([3.0, 1.0, 2.0], 2)
    >>> print(values, indices)
    [3. 2.] [0 2]
    """
    values, indices = jax.lax.top_k(x, k)
    return values, indices


@binary
@compiled("k")
def in_top_k(targets: Any, predictions: Any, k: int) -> Array:
    """Tells for each row whether the prediction for its target is among the k largest; a tie counts as being there.

    NaN counts as the least of all.

    Args:
        targets: class numbers of shape (n,).
        predictions: of shape (n, classes).
        k: how many predictions count.

    >>> print(lamina.ops.in_top_k([1, 0], [[0.1, 0.9], [0.2, 0.8]], k=1))
    [ True False]
    """
    chosen = jnp.take_along_axis(predictions, targets[..., None], axis=-1)
    chosen = jnp.where(jnp.isnan(chosen), -jnp.inf, chosen)
    return jnp.sum(predictions > chosen, axis=-1) < k


# --- sequences and complex numbers -----------------------------------------------------------------------------------


@unary
@compiled("sequence_length", "sequence_stride")
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Array:
    """Returns windows over the last axis, of shape (..., windows, sequence_length).

    Args:
        x: of shape (..., time).
        sequence_length: how long a window is.
        sequence_stride: how far one starts after the other.

    >>> print(lamina.ops.extract_sequences([1, 2, 3, 4, 5, 6], 3, 2))
    [[1 2 3]
     [3 4 5]]
    """
    windows = 1 + (x.shape[-1] - sequence_length) // sequence_stride
    starts = sequence_stride * jnp.arange(windows)
    return jnp.take(x, starts[:, None] + jnp.arange(sequence_length), axis=-1)


@unary
@compiled()
def view_as_complex(x: Any) -> Array:
    """Returns complex numbers from their real and imaginary parts: (..., 2) becomes (...)."""
    if x.shape[-1] != 2:
        raise ValueError(f"view_as_complex needs a last axis of size 2 (the real and the imaginary part), not shape {x.shape}.")
    return jax.lax.complex(x[..., 0], x[..., 1])


@unary
@compiled()
def view_as_real(x: Any) -> Array:
    """Returns the real and imaginary parts of complex numbers: (...) becomes (..., 2)."""
    return jnp.stack([jnp.real(x), jnp.imag(x)], axis=-1)
