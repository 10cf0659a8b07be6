"""The functions of NumPy: those of `jax.numpy`, and, where Keras names or orders arguments otherwise, a few lines to say so."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.graph import op
from lamina.core.variable import Array
from lamina.ops.core import shape
from lamina.ops.wrap import binary, compiled, joining, ternary, unary

# fmt: off
__all__ = [
    "abs", "absolute", "add", "all", "allclose", "amax", "amin", "angle", "any", "append", "arange", "arccos", "arccosh",
    "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax", "argmin", "argpartition", "argsort", "array", "array_split",
    "average", "bartlett", "bincount", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "blackman", "broadcast_to", "cbrt", "ceil", "clip", "concatenate", "conj",
    "conjugate", "copy", "corrcoef", "correlate", "cos", "cosh", "count_nonzero", "cross", "cumprod", "cumsum", "deg2rad",
    "diag", "diagflat", "diagonal", "diff", "digitize", "divide", "divide_no_nan", "dot", "dsplit", "dstack", "einsum", "empty",
    "empty_like", "equal", "exp", "exp2", "expand_dims", "expm1", "eye", "fabs", "flip", "fliplr", "flipud", "floor",
    "floor_divide", "fmax", "fmin", "fmod", "full", "full_like", "gcd", "geomspace", "get_item", "greater", "greater_equal",
    "hamming", "hanning", "heaviside", "histogram", "hsplit", "hstack", "hypot", "i0", "identity", "imag", "inner", "isclose",
    "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "kaiser", "kron", "lcm", "ldexp", "left_shift",
    "less", "less_equal", "linspace", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not",
    "logical_or", "logical_xor", "logspace", "matmul", "max", "maximum", "mean", "median", "meshgrid", "min", "minimum", "mod",
    "moveaxis", "multiply", "nan_to_num", "nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean",
    "nanmedian", "nanmin", "nanpercentile", "nanprod", "nanquantile", "nanstd", "nansum", "nanvar", "ndim", "negative",
    "nextafter", "nonzero", "not_equal", "ones", "ones_like", "outer", "pad", "percentile", "power", "prod", "ptp", "quantile",
    "rad2deg", "ravel", "real", "reciprocal", "repeat", "reshape", "right_shift", "roll", "rot90", "round", "searchsorted",
    "select", "sign", "signbit", "sin", "sinc", "sinh", "size", "slogdet", "sort", "split", "sqrt", "square", "squeeze",
    "stack", "std", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh", "tensordot", "tile", "trace",
    "transpose", "trapezoid", "tri", "tril", "triu", "true_divide", "trunc", "unique", "unravel_index", "vander", "var", "vdot",
    "vectorize", "view", "vsplit", "vstack", "where", "zeros", "zeros_like",
]
# fmt: on

# --- as in jax.numpy -------------------------------------------------------------------------------------------------

abs = unary(jnp.abs)
absolute = unary(jnp.absolute)
add = binary(jnp.add)
allclose = binary(jnp.allclose)
angle = unary(jnp.angle)
append = binary(jnp.append)
arange = op(jnp.arange)
arccos = unary(jnp.arccos)
arccosh = unary(jnp.arccosh)
arcsin = unary(jnp.arcsin)
arcsinh = unary(jnp.arcsinh)
arctan = unary(jnp.arctan)
arctan2 = binary(jnp.arctan2)
arctanh = unary(jnp.arctanh)
argpartition = unary(jnp.argpartition)
argsort = unary(jnp.argsort)
array = unary(jnp.array)
array_split = unary(jnp.array_split)
average = unary(jnp.average)
bartlett = unary(jnp.bartlett)
bitwise_and = binary(jnp.bitwise_and)
bitwise_invert = unary(jnp.bitwise_invert)
bitwise_left_shift = binary(jnp.bitwise_left_shift)
bitwise_not = unary(jnp.bitwise_not)
bitwise_or = binary(jnp.bitwise_or)
bitwise_right_shift = binary(jnp.bitwise_right_shift)
bitwise_xor = binary(jnp.bitwise_xor)
blackman = unary(jnp.blackman)
broadcast_to = unary(jnp.broadcast_to)
cbrt = unary(jnp.cbrt)
ceil = unary(jnp.ceil)
concatenate = joining(jnp.concatenate)
conj = unary(jnp.conj)
conjugate = unary(jnp.conjugate)
copy = unary(jnp.copy)
corrcoef = unary(jnp.corrcoef)
correlate = binary(jnp.correlate)
cos = unary(jnp.cos)
cosh = unary(jnp.cosh)
count_nonzero = unary(jnp.count_nonzero)
cross = binary(jnp.cross)
cumprod = unary(jnp.cumprod)
cumsum = unary(jnp.cumsum)
deg2rad = unary(jnp.deg2rad)
diag = unary(jnp.diag)
diagflat = unary(jnp.diagflat)
diagonal = unary(jnp.diagonal)
diff = unary(jnp.diff)
digitize = binary(jnp.digitize)
divide = binary(jnp.divide)
dot = binary(jnp.dot)
dsplit = unary(jnp.dsplit)
dstack = joining(jnp.dstack)
einsum = op(jnp.einsum)
empty = op(jnp.empty)
empty_like = unary(jnp.empty_like)
equal = binary(jnp.equal)
exp = unary(jnp.exp)
exp2 = unary(jnp.exp2)
expand_dims = unary(jnp.expand_dims)
expm1 = unary(jnp.expm1)
eye = op(jnp.eye)
fabs = unary(jnp.fabs)
flip = unary(jnp.flip)
fliplr = unary(jnp.fliplr)
flipud = unary(jnp.flipud)
floor = unary(jnp.floor)
floor_divide = binary(jnp.floor_divide)
fmax = binary(jnp.fmax)
fmin = binary(jnp.fmin)
fmod = binary(jnp.fmod)
full = op(jnp.full)
full_like = unary(jnp.full_like)
gcd = binary(jnp.gcd)
geomspace = op(jnp.geomspace)
greater = binary(jnp.greater)
greater_equal = binary(jnp.greater_equal)
hamming = unary(jnp.hamming)
hanning = unary(jnp.hanning)
heaviside = binary(jnp.heaviside)
histogram = unary(jnp.histogram)
hsplit = unary(jnp.hsplit)
hstack = joining(jnp.hstack)
hypot = binary(jnp.hypot)
i0 = unary(jnp.i0)
identity = op(jnp.identity)
imag = unary(jnp.imag)
inner = binary(jnp.inner)
isclose = binary(jnp.isclose)
isfinite = unary(jnp.isfinite)
isin = binary(jnp.isin)
isinf = unary(jnp.isinf)
isnan = unary(jnp.isnan)
isneginf = unary(jnp.isneginf)
isposinf = unary(jnp.isposinf)
isreal = unary(jnp.isreal)
kaiser = unary(jnp.kaiser)
kron = binary(jnp.kron)
lcm = binary(jnp.lcm)
ldexp = binary(jnp.ldexp)
left_shift = binary(jnp.left_shift)
less = binary(jnp.less)
less_equal = binary(jnp.less_equal)
linspace = op(jnp.linspace)
log = unary(jnp.log)
log10 = unary(jnp.log10)
log1p = unary(jnp.log1p)
log2 = unary(jnp.log2)
logaddexp = binary(jnp.logaddexp)
logaddexp2 = binary(jnp.logaddexp2)
logical_and = binary(jnp.logical_and)
logical_not = unary(jnp.logical_not)
logical_or = binary(jnp.logical_or)
logical_xor = binary(jnp.logical_xor)
logspace = op(jnp.logspace)
matmul = binary(jnp.matmul)
maximum = binary(jnp.maximum)
meshgrid = op(jnp.meshgrid)
minimum = binary(jnp.minimum)
mod = binary(jnp.mod)
moveaxis = unary(jnp.moveaxis)
multiply = binary(jnp.multiply)
nancumprod = unary(jnp.nancumprod)
nancumsum = unary(jnp.nancumsum)
negative = unary(jnp.negative)
nextafter = binary(jnp.nextafter)
nonzero = unary(jnp.nonzero)
not_equal = binary(jnp.not_equal)
ones = op(jnp.ones)
ones_like = unary(jnp.ones_like)
outer = binary(jnp.outer)
power = binary(jnp.power)
rad2deg = unary(jnp.rad2deg)
ravel = unary(jnp.ravel)
real = unary(jnp.real)
reciprocal = unary(jnp.reciprocal)
repeat = unary(jnp.repeat)
right_shift = binary(jnp.right_shift)
roll = unary(jnp.roll)
rot90 = unary(jnp.rot90)
round = unary(jnp.round)
searchsorted = binary(jnp.searchsorted)
select = op(jnp.select)
sign = unary(jnp.sign)
signbit = unary(jnp.signbit)
sin = unary(jnp.sin)
sinc = unary(jnp.sinc)
sinh = unary(jnp.sinh)
size = unary(jnp.size)
slogdet = unary(jnp.linalg.slogdet)
sort = unary(jnp.sort)
split = unary(jnp.split)
sqrt = unary(jnp.sqrt)
square = unary(jnp.square)
squeeze = unary(jnp.squeeze)
stack = joining(jnp.stack)
subtract = binary(jnp.subtract)
swapaxes = unary(jnp.swapaxes)
take = binary(jnp.take)
tan = unary(jnp.tan)
tanh = unary(jnp.tanh)
tensordot = binary(jnp.tensordot)
trace = unary(jnp.trace)
transpose = unary(jnp.transpose)
trapezoid = binary(jnp.trapezoid)
tri = op(jnp.tri)
tril = unary(jnp.tril)
triu = unary(jnp.triu)
true_divide = binary(jnp.true_divide)
trunc = unary(jnp.trunc)
unravel_index = unary(jnp.unravel_index)
vander = unary(jnp.vander)
vdot = binary(jnp.vdot)
vsplit = unary(jnp.vsplit)
vstack = joining(jnp.vstack)
zeros = op(jnp.zeros)
zeros_like = unary(jnp.zeros_like)


# --- reductions: the axis, then keepdims -----------------------------------------------------------------------------


def _reduction(function: Callable[..., Array], *more: str) -> Callable[..., Array]:
    """Gives a reduction Keras's order of arguments; `more` names those that follow."""

    def call(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False, *rest: Any, **options: Any) -> Array:
        axis = tuple(axis) if isinstance(axis, list) else axis
        if len(rest) > len(more):
            raise TypeError(f"{function.__name__} takes x, axis, keepdims{''.join(', ' + name for name in more)} in this order.")
        options.update(zip(more, rest, strict=False))
        return function(x, axis=axis, keepdims=keepdims, **options)

    return unary(_named_as(function, call))


def _quantile(function: Callable[..., Array]) -> Callable[..., Array]:
    """Gives a quantile Keras's order of arguments."""

    def call(x: Any, q: Any, axis: int | Sequence[int] | None = None, method: str = "linear", keepdims: bool = False) -> Array:
        axis = tuple(axis) if isinstance(axis, list) else axis
        return function(x, q, axis=axis, method=method, keepdims=keepdims)

    return binary(_named_as(function, call))


def _named_as(function: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    name, summary = function.__name__, (function.__doc__ or "").split("\n")[0]
    call.__name__, call.__qualname__, call.__doc__ = name, name, f"{summary} See `jax.numpy.{name}`."
    return call


all = _reduction(jnp.all)
amax = _reduction(jnp.amax)
amin = _reduction(jnp.amin)
any = _reduction(jnp.any)
argmax = _reduction(jnp.argmax)
argmin = _reduction(jnp.argmin)
max = _reduction(jnp.max, "initial")
mean = _reduction(jnp.mean)
median = _reduction(jnp.median)
min = _reduction(jnp.min, "initial")
nanargmax = _reduction(jnp.nanargmax)
nanargmin = _reduction(jnp.nanargmin)
nanmax = _reduction(jnp.nanmax)
nanmean = _reduction(jnp.nanmean)
nanmedian = _reduction(jnp.nanmedian)
nanmin = _reduction(jnp.nanmin)
nanpercentile = _quantile(jnp.nanpercentile)
nanprod = _reduction(jnp.nanprod)
nanquantile = _quantile(jnp.nanquantile)
nanstd = _reduction(jnp.nanstd)
nansum = _reduction(jnp.nansum)
nanvar = _reduction(jnp.nanvar)
percentile = _quantile(jnp.percentile)
prod = _reduction(jnp.prod, "dtype")
ptp = _reduction(jnp.ptp)
quantile = _quantile(jnp.quantile)
std = _reduction(jnp.std)
sum = _reduction(jnp.sum)
var = _reduction(jnp.var)


# --- with other arguments than in jax.numpy --------------------------------------------------------------------------


@binary
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Array:
    """Returns how often each of 0, 1, 2, ... occurs in `x`, or the sum of its weights; in each row, if `x` has rows.

    Args:
        x: integers that are not negative, of shape (n,) or (rows, n).
        weights: of the same shape, or None for ones.
        minlength: the least number of counts to return.

    >>> print(lamina.ops.bincount([1, 2, 2, 3]))
    [0 1 2 1]
    """
    length = jnp.maximum(jnp.max(x) + 1, minlength)
    count = functools.partial(jnp.bincount, length=int(length))
    return count(x, weights) if jnp.ndim(x) == 1 else jax.vmap(count)(x, weights)


@unary
def clip(x: Any, x_min: Any, x_max: Any) -> Array:
    """Returns `x` with what is below `x_min` or above `x_max` set to it; None means no bound."""
    return jnp.clip(x, x_min, x_max)


@binary
@compiled()
def divide_no_nan(x1: Any, x2: Any) -> Array:
    """Returns x1 / x2, and 0 where x2 is 0; the gradient is 0 there too.

    >>> print(lamina.ops.divide_no_nan([1.0, 3.0], [0.0, 2.0]))
    [0.  1.5]
    """
    zero = x2 == 0
    return jnp.where(zero, 0, jnp.divide(x1, jnp.where(zero, 1, x2)))


@unary
def get_item(x: Any, key: Any) -> Array:
    """Returns `x[key]`."""
    item: Array = x[key]
    return item


@unary
def nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Array:
    """Returns `x` with NaN and infinities replaced; None is the largest or the least finite number."""
    return jnp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


def ndim(x: Any) -> int:
    """Returns the number of axes."""
    return len(shape(x))


@unary
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Array:
    """Returns `x` with elements added at the ends of its axes; as `jax.numpy.pad`.

    Args:
        x: an array.
        pad_width: how many before and after, (before, after) for each axis; or one such pair, or one number, for all.
        mode: with which elements: "constant", "edge", "reflect", "symmetric", "wrap", ...
        constant_values: for "constant", which; 0 by default.
    """
    return jnp.pad(x, pad_width, mode, **({} if constant_values is None else {"constant_values": constant_values}))


@unary
def reshape(x: Any, newshape: Any) -> Array:
    """Returns the same elements in another shape. One of the new sizes may be -1 or None: it follows from the others."""
    if isinstance(newshape, (list, tuple)):
        newshape = tuple(-1 if size is None else size for size in newshape)
    return jnp.reshape(x, newshape)


@binary
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Array:
    """Returns the elements of `x` at `indices` along an axis; as `jax.numpy.take_along_axis`, None being the flat array."""
    return jnp.take_along_axis(x, indices, axis)


@unary
def tile(x: Any, repeats: Any) -> Array:
    """Returns `x` repeated as a whole, so many times along each axis."""
    return jnp.tile(x, repeats)


@unary
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """Returns the elements of `x` without repetition; as `jax.numpy.unique`, but each NaN is an element of its own.

    With `size`, so many elements (filled up with `fill_value`), which can be compiled.
    """
    return jnp.unique(
        x,
        return_index,
        return_inverse,
        return_counts,
        axis,
        equal_nan=False,
        size=size,
        fill_value=fill_value,
        sorted=sorted,
    )


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Sequence[int | str] | None = None, signature: str | None = None
) -> Callable[..., Any]:
    """Returns a function of arrays from a function of their elements, or of the axes named in `signature`.

    As `jax.numpy.vectorize`; `excluded` arguments are passed on as they are.
    """
    return op(jnp.vectorize(pyfunc, excluded=frozenset(excluded or ()), signature=signature))


@unary
def view(x: Any, dtype: Any = None) -> Array:
    """Returns the bits of `x` read as another dtype."""
    return jnp.asarray(x).view(dtype)


@ternary
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Returns x1 where the condition is true and x2 elsewhere; without x1 and x2, where it is true, as `nonzero`."""
    return jnp.where(condition, x1, x2)
