"""Linear algebra: matrices are the last two axes, of shape (..., m, n)."""

from typing import Any

import jax.numpy as jnp
from jax import scipy

from lamina.core.variable import Array
from lamina.ops.math import jvp
from lamina.ops.wrap import binary, unary

__all__ = [
    "cholesky",
    "cholesky_inverse",
    "det",
    "eig",
    "eigh",
    "inv",
    "jvp",
    "lstsq",
    "lu_factor",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "solve",
    "solve_triangular",
    "svd",
]

det = unary(jnp.linalg.det)
eig = unary(jnp.linalg.eig)
eigh = unary(jnp.linalg.eigh)
inv = unary(jnp.linalg.inv)
lu_factor = unary(scipy.linalg.lu_factor)
norm = unary(jnp.linalg.norm)
qr = unary(jnp.linalg.qr)
svd = unary(jnp.linalg.svd)


@unary
def cholesky(x: Any, upper: bool = False) -> Array:
    """Returns the lower triangular L with L Lᵀ = x, or the upper triangular U with Uᵀ U = x; NaN if x is not positive."""
    factor: Array = jnp.linalg.cholesky(x, upper=upper)
    return factor


@unary
def cholesky_inverse(x: Any, upper: bool = False) -> Array:
    """Returns the inverse of the matrix whose Cholesky factor is `x`.

    >>> a = jnp.array([[4.0, 2.0], [2.0, 3.0]])
    >>> bool(jnp.allclose(cholesky_inverse(cholesky(a)), jnp.linalg.inv(a)))
    True
    """
    factor = jnp.asarray(x)
    return scipy.linalg.cho_solve((factor, not upper), jnp.broadcast_to(jnp.eye(factor.shape[-1]), factor.shape))


@binary
def lstsq(a: Any, b: Any, rcond: float | None = None) -> Array:
    """Returns the x that makes |a x − b| least; of several, the shortest.

    Args:
        a: of shape (m, n).
        b: of shape (m,) or (m, k).
        rcond: singular values below `rcond` times the largest count as zero; by default a multiple of the precision.
    """
    return jnp.linalg.lstsq(a, b, rcond)[0]


@unary
def matrix_rank(x: Any, tol: Any = None) -> Array:
    """Returns how many singular values are greater than `tol` times the largest; by default a multiple of the precision."""
    rank: Array = jnp.linalg.matrix_rank(x, tol)
    return rank


@unary
def pinv(x: Any, rcond: Any = None) -> Array:
    """Returns the pseudo-inverse (Moore, 1920; Penrose, 1955); singular values up to `rcond` times the largest count as 0."""
    return jnp.linalg.pinv(x, rcond)


@binary
def solve(a: Any, b: Any) -> Array:
    """Returns the x with a x = b, where `b` has one axis less than `a` (vectors) or as many (matrices)."""
    a, b = jnp.asarray(a), jnp.asarray(b)
    x: Array = jnp.linalg.solve(a, b[..., None])[..., 0] if b.ndim == a.ndim - 1 else jnp.linalg.solve(a, b)
    return x


@binary
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Array:
    """Returns the x with a x = b for a triangular `a`, upper unless `lower`; shapes as in `solve`."""
    a, b = jnp.asarray(a), jnp.asarray(b)
    if b.ndim == a.ndim - 1:
        return scipy.linalg.solve_triangular(a, b[..., None], lower=lower)[..., 0]
    return scipy.linalg.solve_triangular(a, b, lower=lower)
