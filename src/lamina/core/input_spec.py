"""InputSpec: what a layer asks of its inputs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.text import ReprMixin, format_arguments, show_shape


class InputSpec(ReprMixin):
    """What a layer asks of one input; None asks nothing.

    Args:
        dtype: the dtype, or "integer" or "floating" for any of that kind.
        shape: the exact shape, with None for sizes that may vary.
        ndim: the number of axes.
        max_ndim: the most axes.
        min_ndim: the fewest axes.
        axes: sizes by axis, for example `{-1: 64}`.
        allow_last_axis_squeeze: whether a last axis of size 1 may be missing, or there in excess.
        name: the key of the input where inputs come as a dict, and all their specs have names.
        optional: whether None may come in its place.

    >>> lamina.InputSpec(min_ndim=2, axes={-1: 3})
    <InputSpec min_ndim=2, axes={-1: 3}>
    """

    __slots__ = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "allow_last_axis_squeeze", "name", "optional")  # noqa: RUF023 - as they are told

    def __init__(
        self,
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = ndim if shape is None else len(self.shape or ())
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items() if size is not None}
        self.allow_last_axis_squeeze, self.name, self.optional = bool(allow_last_axis_squeeze), name, bool(optional)

    def _facts(self) -> Iterable[str]:
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["ndim"] = None if self.shape is not None else self.ndim
        return format_arguments({name: value for name, value in fields.items() if value not in (None, {}, False)})

    def _mismatch(self, x: Any) -> str | None:
        """Returns what is expected of an input and not so, in words, or None if all is well."""
        shape = self._squeezed(x.shape) if self.allow_last_axis_squeeze and self.ndim is not None else x.shape
        ndim = len(shape)
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

    def _squeezed(self, shape: Any) -> Any:
        """Returns a shape without a last axis of size 1 that is too many, or with one that is missing."""
        assert self.ndim is not None
        if len(shape) == self.ndim + 1 and shape[-1] == 1:
            return shape[:-1]
        last = self.shape[-1] if self.shape else self.axes.get(-1)
        return (*shape, 1) if len(shape) == self.ndim - 1 and last == 1 else shape


def _is_of(dtype: Any, wanted: Any) -> bool:
    if wanted in ("integer", "floating"):
        return bool(jnp.issubdtype(dtype, jnp.integer if wanted == "integer" else jnp.floating))
    return bool(jnp.dtype(dtype) == jnp.dtype(wanted))


def check_inputs(spec: Any, inputs: Any, layer: Any) -> None:
    """Raises ValueError if the inputs are not as a layer's `input_spec` asks.

    Args:
        spec: an InputSpec, or a list or other structure of them, as the inputs are nested.
        inputs: the layer's first argument.
        layer: the layer, for the message.
    """
    if type(spec) is InputSpec and hasattr(inputs, "shape"):
        if spec._mismatch(inputs) is None:
            return
        pairs = [(spec, inputs)]
    else:
        pairs = _pairs(spec, inputs, layer)
    for one, x in pairs:
        if x is None:
            raise ValueError(f"The layer {layer.path!r} expects an input where it was given None.")
        wanted = None if one is None else one._mismatch(x)
        if wanted is not None:
            raise ValueError(
                f"The layer {layer.path!r} expects {wanted}, but was called on an input of shape {show_shape(x.shape)} and dtype "
                f"{x.dtype}.{_advice(one, x, layer)}"
            )


def _pairs(spec: Any, inputs: Any, layer: Any) -> list[tuple[Any, Any]]:
    """Returns each spec with its input, by name or in order; without those that may be None and are."""
    specs = jax.tree.leaves(spec, is_leaf=lambda leaf: leaf is None)
    names = [one.name for one in specs if one is not None and one.name]
    if isinstance(inputs, dict) and len(names) == len(specs):
        missing = [name for name in names if name not in inputs]
        if missing:
            raise ValueError(f"The layer {layer.path!r} expects inputs {names}, but was given none that is named {missing[0]!r}.")
        inputs = [inputs[name] for name in names]
    given = [x for x in jax.tree.leaves(inputs, is_leaf=lambda leaf: leaf is None) if x is None or hasattr(x, "shape")]
    if len(specs) != len(given):
        given = [x for x in given if x is not None]
    if len(specs) != len(given):
        raise ValueError(f"The layer {layer.path!r} expects {len(specs)} inputs, but was given {len(given)}.")
    return [(one, x) for one, x in zip(specs, given, strict=True) if x is not None or (one is not None and not one.optional)]


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
