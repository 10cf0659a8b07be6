"""InputSpec: what a layer asks of its inputs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.errors import show_shape
from lamina.core.shown import Shown, shown_arguments


class InputSpec(Shown):
    """What a layer asks of one input; None asks nothing.

    Args:
        dtype: the dtype, or "integer" or "floating" for any of that kind.
        shape: the exact shape, with None for sizes that may vary.
        ndim: the number of axes.
        max_ndim: the most axes.
        min_ndim: the fewest axes.
        axes: sizes by axis, for example `{-1: 64}`.

    >>> lamina.InputSpec(min_ndim=2, axes={-1: 3})
    <InputSpec min_ndim=2, axes={-1: 3}>
    """

    __slots__ = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")  # noqa: RUF023 - as they are told

    def __init__(
        self,
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
    ) -> None:
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = ndim if shape is None else len(self.shape or ())
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items() if size is not None}

    def _facts(self) -> Iterable[str]:
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["ndim"] = None if self.shape is not None else self.ndim
        return shown_arguments({name: value for name, value in fields.items() if value not in (None, {})})

    def mismatch(self, x: Any) -> str | None:
        """Returns what is expected of an input and not so, in words, or None if all is well."""
        shape, ndim = x.shape, len(x.shape)
        if self.ndim is not None and ndim != self.ndim:
            return f"{self.ndim} axes" + (f", as in {show_shape(self.shape)}" if self.shape else "")
        if self.min_ndim is not None and ndim < self.min_ndim:
            return f"at least {self.min_ndim} axes"
        if self.max_ndim is not None and ndim > self.max_ndim:
            return f"at most {self.max_ndim} axes"
        for axis, size in self.axes.items():
            if not -ndim <= axis < ndim:
                return f"an axis {axis} of size {size}"
            if isinstance(shape[axis], int) and shape[axis] != size:
                return f"{'the last axis' if axis == -1 else f'axis {axis}'} to have size {size}"
        if self.shape is not None:
            for expected, given in zip(self.shape, shape, strict=True):
                if expected is not None and isinstance(given, int) and expected != given:
                    return f"shape {show_shape(self.shape)}"
        if self.dtype is not None and not _is_of(x.dtype, self.dtype):
            return f"dtype {self.dtype}"
        return None


def _is_of(dtype: Any, wanted: Any) -> bool:
    if wanted in ("integer", "floating"):
        return bool(jnp.issubdtype(dtype, jnp.integer if wanted == "integer" else jnp.floating))
    return jnp.dtype(dtype) == jnp.dtype(wanted)


def check_inputs(spec: Any, inputs: Any, layer: Any) -> None:
    """Raises ValueError if the inputs are not as a layer's `input_spec` asks.

    Args:
        spec: an InputSpec, or a list or other structure of them, as the inputs are nested.
        inputs: the layer's first argument.
        layer: the layer, for the message.
    """
    if type(spec) is InputSpec and hasattr(inputs, "shape"):
        if spec.mismatch(inputs) is None:
            return
        pairs = [(spec, inputs)]
    else:
        specs = jax.tree.leaves(spec, is_leaf=lambda leaf: leaf is None)
        given = [x for x in jax.tree.leaves(inputs) if hasattr(x, "shape")]
        if len(specs) != len(given):
            raise ValueError(f"The layer {layer.path!r} expects {len(specs)} inputs, but was given {len(given)}.")
        pairs = list(zip(specs, given, strict=True))
    for one, x in pairs:
        wanted = None if one is None else one.mismatch(x)
        if wanted is not None:
            raise ValueError(
                f"The layer {layer.path!r} expects {wanted}, but was called on an input of shape {show_shape(x.shape)} and dtype "
                f"{x.dtype}.{_advice(one, x, layer)}"
            )


def _advice(spec: InputSpec, x: Any, layer: Any) -> str:
    """Returns what to do about an input that is not as it should be, where that can be told; as a sentence."""
    missing = (spec.ndim if spec.ndim is not None else spec.min_ndim or 0) - len(x.shape)
    if missing == 1 and spec.ndim is not None and hasattr(layer, "data_format"):
        return " If it has no axis of channels, put one in: x[..., None]; if it is a single sample, an axis of samples: x[None]."
    if missing == 1:
        return " The first axis is the samples: a single sample x is a batch of one as x[None]."
    if missing <= 0 and layer.built and any(axis in spec.axes for axis in (-1, 1)):
        return " Its weights are of that size: for inputs of another size use another layer, or bring them to that size first."
    return ""
