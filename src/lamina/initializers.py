"""Initializers: the first values of a weight, from its shape.

Values are drawn on the host with NumPy and returned as NumPy arrays, so they are the same on every device and JAX version,
and known even while a trace runs.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.config import Configurable, remade, resolve
from lamina.core.config import serialize as serialize
from lamina.core.host_random import HostStream, host_generator
from lamina.core.registry import also_known, tables
from lamina.core.variable import check_shape

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFT",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "one",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "zero",
    "zeros",
]


class Seeded(Protocol):
    """What has a seed of its own: `lamina.random.SeedGenerator`."""

    initial_seed: int


Seed = int | Seeded | None
Axes = Sequence[int] | None


class Initializer(Configurable, family="initializers"):
    """Makes the first values of a weight from its shape. A subclass defines `__call__`.

    >>> class Half(Initializer):
    ...     def __call__(self, shape, dtype="float32"):
    ...         return np.full(shape, 0.5, dtype)
    >>> get("Half")((2,))
    array([0.5, 0.5], dtype=float32)
    """

    def __call__(self, shape: Sequence[int], dtype: Any = "float32") -> np.ndarray:
        """Returns the values.

        Args:
            shape: the shape of the weight: known sizes.
            dtype: its dtype.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, shape, dtype) and return the values.")

    def clone(self) -> Self:
        """Returns a new initializer with the same arguments."""
        return remade(self)


# --- values that are given -------------------------------------------------------------------------------------------


class Constant(Initializer):
    """The value given: w = value.

    Args:
        value: a number, or an array of exactly the weight's shape. Default 0.

    Raises:
        TypeError: for what is not numbers.
        ValueError: when called, for a shape that is not that of the array.

    >>> Constant(2)((3,))
    array([2., 2., 2.], dtype=float32)
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = np.asarray(value)
        if not (jnp.issubdtype(self.value.dtype, jnp.number) or self.value.dtype == bool):
            raise TypeError(f"Constant takes a number or an array of numbers, not {value!r}.")

    def __call__(self, shape: Sequence[int], dtype: Any = "float32") -> np.ndarray:
        shape = check_shape(shape, "Constant")
        if self.value.shape not in ((), shape):
            raise ValueError(f"Constant holds values of shape {self.value.shape}; they cannot fill a weight of shape {shape}.")
        return np.full(shape, self.value, _dtype(dtype))


class Zeros(Initializer):
    """All zeros: w = 0.

    >>> Zeros()((2,), "int32")
    array([0, 0], dtype=int32)
    """

    def __call__(self, shape: Sequence[int], dtype: Any = "float32") -> np.ndarray:
        return np.zeros(check_shape(shape, "Zeros"), _dtype(dtype))


class Ones(Initializer):
    """All ones: w = 1.

    >>> Ones()((2,))
    array([1., 1.], dtype=float32)
    """

    def __call__(self, shape: Sequence[int], dtype: Any = "float32") -> np.ndarray:
        return np.ones(check_shape(shape, "Ones"), _dtype(dtype))


class Identity(Initializer):
    """The identity matrix: w = gain · I.

    Args:
        gain: what the ones are multiplied with. Default 1.

    Raises:
        ValueError: when called, for a shape that is not of two axes.

    >>> Identity(gain=2)((2, 3))
    array([[2., 0., 0.],
           [0., 2., 0.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = "float32") -> np.ndarray:
        shape = check_shape(shape, "Identity")
        if len(shape) != 2:
            raise ValueError(f"Identity makes matrices: it needs a shape of two axes, not {shape}.")
        return (self.gain * np.eye(*shape)).astype(_dtype(dtype))


class STFT(Initializer):
    """The kernel of a convolution that is a Fourier transform of short parts of a signal.

    w[t, 0, f] = window[t] cos(2π f t / n) / scale, or that of -sin: the real or the imaginary part of e^(-2πi f t / n), for a shape
    (length of a part, 1, n // 2 + 1). See `lamina.layers.STFTSpectrogram`.

    Args:
        side: "real" or "imag".
        window: the name of a window that `scipy.signal.get_window` knows, an array of the part's length, or None for none.
        scaling: "density": the scale is the root of the sum of the window's squares; "spectrum": the sum of its values; None: 1.
        periodic: whether the window is one turn of something that goes on.

    Raises:
        ValueError: for an unknown name; when called, for another shape, or one that a window's array does not fit.

    >>> STFT("imag", window=None)((4, 1, 3))[:, 0, 1].round(6) + 0.0
    array([ 0., -1.,  0.,  1.], dtype=float32)
    """

    def __init__(self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"side of STFT must be 'real' or 'imag', not {side!r}.")
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(f"scaling of STFT must be 'density', 'spectrum' or None, not {scaling!r}.")
        if isinstance(window, str):
            _window(window, 1, False)
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def __call__(self, shape: Sequence[int], dtype: Any = "float32") -> np.ndarray:
        shape = check_shape(shape, "STFT")
        if len(shape) != 3 or shape[1] != 1 or shape[2] < 2:
            raise ValueError(f"STFT makes kernels of shape (length, 1, frequencies), with 2 frequencies or more, not {shape}.")
        length, frequencies = shape[0], shape[2]
        turns = np.outer(np.arange(length), np.arange(frequencies)) % (2 * frequencies - 2) / (2 * frequencies - 2)
        wave = np.cos(2 * np.pi * turns) if self.side == "real" else -np.sin(2 * np.pi * turns)
        wave[np.abs(wave) < 1e-9] = 0  # what is 0 but for rounding would give angles any sign
        if self.window is not None:
            window = _window(self.window, length, self.periodic)
            scale = {None: 1.0, "density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(np.abs(window))}[self.scaling]
            wave = wave * window[:, None] / scale
        return wave[:, None].astype(_dtype(dtype))


def _window(window: Any, length: int, periodic: bool) -> np.ndarray:
    """Returns the values of a window, by its name or as they were given."""
    if not isinstance(window, str):
        values = np.asarray(window, "float64")
        if values.shape != (length,):
            raise ValueError(f"The window of STFT has shape {values.shape}, and the kernel needs one of shape ({length},).")
        return values
    import scipy.signal  # type: ignore[import-untyped]

    try:
        values = np.asarray(scipy.signal.get_window(window, length, periodic))
    except ValueError:
        raise ValueError(
            f"window of STFT must be an array, None or a name that scipy.signal.get_window knows, not {window!r}."
        ) from None
    return values


# --- values that are drawn -------------------------------------------------------------------------------------------


class RandomInitializer(Initializer):
    """A base for what draws at random: a subclass defines `draw`.

    Args:
        seed: an integer or a `SeedGenerator`, for the same values at each call; by default other values at each call,
            which follow from the place of the initializer's making in the sequence that `lamina.random.set_seed` starts.

    Raises:
        ValueError: for a seed that is none of these.
    """

    def __init__(self, seed: Seed = None) -> None:
        given: Any = getattr(seed, "initial_seed", seed)
        try:
            self.seed = None if given is None else operator.index(given)
        except TypeError:
            raise ValueError(f"A seed is an integer, a SeedGenerator or None, not {seed!r}.") from None
        self._stream = HostStream()

    def __call__(self, shape: Sequence[int], dtype: Any = "float32") -> np.ndarray:
        """Returns the values. Raises ValueError for a dtype that cannot hold real numbers."""
        name = type(self).__name__
        shape, dtype = check_shape(shape, name), _dtype(dtype)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(f"{name} draws real numbers, which {dtype} cannot hold. Use a floating dtype, Zeros or Ones.")
        generator = self._stream.next() if self.seed is None else host_generator(self.seed)
        values = self._draw(generator, shape, np.float64 if dtype == np.float64 else np.float32)
        return np.asarray(values, dtype)

    def _draw(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: type[np.floating]) -> np.ndarray:
        """Returns values of the shape, drawn in `dtype`: float32, or float64 for weights of that dtype."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(self, generator, shape, dtype).")


class RandomNormal(RandomInitializer):
    """Normally distributed: w ~ N(mean, stddev²).

    Args:
        mean: the mean. Default 0.
        stddev: the standard deviation. Default 0.05.
        seed: see `RandomInitializer`.

    Raises:
        ValueError: for a negative standard deviation.

    >>> RandomNormal(seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, _not_negative(stddev, "stddev")

    def _draw(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: type[np.floating]) -> np.ndarray:
        return self.mean + self.stddev * generator.standard_normal(shape, dtype)


class TruncatedNormal(RandomInitializer):
    """Normally distributed, drawn again where further than two standard deviations from the mean.

    The standard deviation of what remains is 0.8796 · stddev.

    Args:
        mean: the mean. Default 0.
        stddev: the standard deviation before values are refused. Default 0.05.
        seed: see `RandomInitializer`.

    Raises:
        ValueError: for a negative standard deviation.

    >>> bool(abs(TruncatedNormal(stddev=1)((1000,))).max() <= 2)
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, _not_negative(stddev, "stddev")

    def _draw(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: type[np.floating]) -> np.ndarray:
        return self.mean + self.stddev * _truncated_normal(generator, shape, dtype)


class RandomUniform(RandomInitializer):
    """Uniformly distributed: w ~ U[minval, maxval].

    Args:
        minval: the least value. Default -0.05.
        maxval: the greatest value. Default 0.05.
        seed: see `RandomInitializer`.

    Raises:
        ValueError: if minval is greater than maxval.

    >>> w = RandomUniform(2, 3)((100,))
    >>> bool(w.min() >= 2 and w.max() <= 3)
    True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Seed = None) -> None:
        super().__init__(seed)
        if minval > maxval:
            raise ValueError(f"minval must not be greater than maxval, but {minval} is greater than {maxval}.")
        self.minval, self.maxval = minval, maxval

    def _draw(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: type[np.floating]) -> np.ndarray:
        return self.minval + (self.maxval - self.minval) * generator.random(shape, dtype)


class VarianceScaling(RandomInitializer):
    """Random values whose variance fits the size of the layer: Var(w) = scale / n, n = fan_in, fan_out or their mean.

    - `"truncated_normal"`: normal, within two standard deviations, which are widened so that the variance is met.
    - `"untruncated_normal"`: normal, stddev = √(scale / n).
    - `"uniform"`: uniform within ±√(3 · scale / n).

    Args:
        scale: what the variance is multiplied with. Default 1.
        mode: what n is: `"fan_in"` (default), `"fan_out"` or `"fan_avg"`; see `fans`.
        distribution: one of the above; `"normal"` means `"truncated_normal"`, the default.
        seed: see `RandomInitializer`.
        input_axes: the axes of the weight that are inputs, where `fans` would not guess them.
        output_axes: the axes that are outputs, likewise; both or neither are given.

    Raises:
        ValueError: for a scale that is not positive, an unknown mode or distribution, or axes of one side only.

    >>> w = VarianceScaling(2.0, "fan_in", "uniform", seed=0)((300, 100))
    >>> print(f"{w.var() * 300:.1f}")
    2.0
    """

    _modes: ClassVar = ("fan_in", "fan_out", "fan_avg")
    _distributions: ClassVar = ("truncated_normal", "untruncated_normal", "uniform")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ) -> None:
        super().__init__(seed)
        if scale <= 0:
            raise ValueError(f"scale must be positive, not {scale}.")
        if (input_axes is None) != (output_axes is None):
            raise ValueError("input_axes and output_axes go together: give both or neither.")
        distribution = distribution.lower()
        self.scale = scale
        self.mode = _one_of(mode, self._modes, "mode")
        self.distribution = _one_of(
            "truncated_normal" if distribution == "normal" else distribution, self._distributions, "distribution"
        )
        self.input_axes, self.output_axes = input_axes, output_axes

    def _draw(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: type[np.floating]) -> np.ndarray:
        fan_in, fan_out = fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1, n))
        if self.distribution == "uniform":
            return stddev * math.sqrt(3) * (2 * generator.random(shape, dtype) - 1)
        if self.distribution == "untruncated_normal":
            return stddev * generator.standard_normal(shape, dtype)
        return stddev / _TRUNCATED_STDDEV * _truncated_normal(generator, shape, dtype)


class GlorotUniform(VarianceScaling):
    """w ~ U[-a, a], a = √(6 / (fan_in + fan_out)). Also called Xavier uniform (Glorot and Bengio, 2010).

    Args:
        seed, input_axes, output_axes: see `VarianceScaling`.

    >>> bool(abs(GlorotUniform()((2, 4))).max() <= 1)
    True
    """

    def __init__(self, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, input_axes, output_axes)


class GlorotNormal(VarianceScaling):
    """w ~ N(0, 2 / (fan_in + fan_out)), truncated. Also called Xavier normal (Glorot and Bengio, 2010).

    Args:
        seed, input_axes, output_axes: see `VarianceScaling`.

    >>> GlorotNormal()((2, 4)).shape
    (2, 4)
    """

    def __init__(self, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, input_axes, output_axes)


class HeUniform(VarianceScaling):
    """w ~ U[-a, a], a = √(6 / fan_in), made for rectifiers (He et al., 2015).

    Args:
        seed, input_axes, output_axes: see `VarianceScaling`.

    >>> bool(abs(HeUniform()((6, 4))).max() <= 1)
    True
    """

    def __init__(self, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed, input_axes, output_axes)


class HeNormal(VarianceScaling):
    """w ~ N(0, 2 / fan_in), truncated, made for rectifiers (He et al., 2015).

    Args:
        seed, input_axes, output_axes: see `VarianceScaling`.

    >>> HeNormal()((2, 4)).shape
    (2, 4)
    """

    def __init__(self, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


class LecunUniform(VarianceScaling):
    """w ~ U[-a, a], a = √(3 / fan_in) (LeCun et al., Efficient BackProp, 1998).

    Args:
        seed, input_axes, output_axes: see `VarianceScaling`.

    >>> bool(abs(LecunUniform()((3, 4))).max() <= 1)
    True
    """

    def __init__(self, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed, input_axes, output_axes)


class LecunNormal(VarianceScaling):
    """w ~ N(0, 1 / fan_in), truncated, for `selu` (LeCun et al., 1998; Klambauer et al., 2017).

    Args:
        seed, input_axes, output_axes: see `VarianceScaling`.

    >>> LecunNormal()((2, 4)).shape
    (2, 4)
    """

    def __init__(self, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


class Orthogonal(RandomInitializer):
    """A random orthogonal matrix: wᵀw = gain² · I, or wwᵀ where there are more columns than rows (Saxe et al., 2014).

    All axes but the last are taken as one: they are the rows.

    Args:
        gain: what the matrix is multiplied with. Default 1.
        seed: see `RandomInitializer`.

    Raises:
        ValueError: when called, for a shape of fewer than two axes.

    >>> w = Orthogonal()((4, 3))
    >>> np.allclose(w.T @ w, np.eye(3), atol=1e-6)
    True
    """

    def __init__(self, gain: float = 1.0, seed: Seed = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def _draw(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: type[np.floating]) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal makes matrices: it needs a shape of two axes or more, not {shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        # In float64, so that rounding to float32 leaves the same numbers whatever the processor.
        q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))  # without it Q would not be uniformly distributed (Mezzadri, 2007)
        return self.gain * (q.T if rows < columns else q).reshape(shape)


# --- what they share -------------------------------------------------------------------------------------------------

# The standard deviation of a standard normal distribution cut off at ±2.
_TRUNCATED_STDDEV = 0.87962566103423978


def fans(shape: Sequence[int], input_axes: Axes = None, output_axes: Axes = None) -> tuple[int, int]:
    """Returns (fan_in, fan_out): how many inputs each output of a weight adds up, and the reverse.

    A kernel has the shape (*window, inputs, outputs); each size of the window counts on both sides. A vector counts
    its size for both.

    Args:
        shape: the shape of the weight.
        input_axes: the axes that are inputs, where they are not as above.
        output_axes: the axes that are outputs, likewise.

    >>> fans((3, 3, 16, 32))
    (144, 288)
    >>> fans((8, 4, 2), input_axes=[0], output_axes=[1, 2])
    (8, 8)
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    *window, inputs, outputs = shape
    return math.prod(window) * inputs, math.prod(window) * outputs


def _truncated_normal(generator: np.random.Generator, shape: tuple[int, ...], dtype: type[np.floating]) -> np.ndarray:
    """Standard normal values in [-2, 2]: those outside are drawn again."""
    values = np.asarray(generator.standard_normal(shape, dtype))
    while (outside := np.abs(values) > 2).any():
        values[outside] = generator.standard_normal(np.count_nonzero(outside), dtype)
    return values


def _dtype(dtype: Any) -> np.dtype:
    return jnp.dtype("float32" if dtype is None else dtype)


def _not_negative(value: float, name: str) -> float:
    if value < 0:
        raise ValueError(f"{name} must not be negative, but it is {value}.")
    return value


def _one_of(value: str, known: Sequence[str], name: str) -> str:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}.")
    return value


# --- names -----------------------------------------------------------------------------------------------------------

# Other names that Keras knows them by: initializers.he_normal() reads as initializers.HeNormal().
IdentityInitializer, OrthogonalInitializer, STFTInitializer = Identity, Orthogonal, STFT
constant, zero, zeros, one, ones = Constant, Zeros, Zeros, Ones, Ones
identity, orthogonal, stft = Identity, Orthogonal, STFT
normal, random_normal, truncated_normal = RandomNormal, RandomNormal, TruncatedNormal
uniform, random_uniform = RandomUniform, RandomUniform
variance_scaling = VarianceScaling
glorot_normal, glorot_uniform = GlorotNormal, GlorotUniform
he_normal, he_uniform = HeNormal, HeUniform
lecun_normal, lecun_uniform = LecunNormal, LecunUniform

tables["initializers"].add_aliases({name: kind for name, kind in globals().items() if name in __all__ and isinstance(kind, type)})


def get(identifier: Any) -> Callable[..., Any] | None:
    """Returns the initializer that a user's argument means.

    Args:
        identifier: None, a name, a config, a class, an array of the weight's values, or any `f(shape, dtype)`.

    Raises:
        ValueError: for an unknown name.
        TypeError: for what is none of the above.

    >>> get("he_normal")((2, 3)).shape
    (2, 3)
    """
    if isinstance(identifier, (np.ndarray, np.generic, jax.Array)):
        return Constant(identifier)
    initializer: Callable[..., Any] | None = resolve(identifier, Initializer, "initializer")
    return initializer


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns what `serialize` was given, made anew; whatever `get` takes serves too.

    Args:
        config: what `serialize` returned.
        custom_objects: classes and functions of one's own, by the names that the config has for them.
    """
    with also_known(custom_objects):
        return get(config)
