"""The call of a layer, step by step: what is running, casting, the reserved arguments, masks, and undoing a failed build."""

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.config import Configurable
from lamina.core.frame import eager_state, thread, trace_state
from lamina.core.host import HostStream, host_position, rewind_host
from lamina.core.masks import mask_of, with_mask
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable

# --- what is running -------------------------------------------------------------------------------------------------


class RootCall:
    """An outermost call of a layer, with all the calls of layers inside it; losses belong to one."""

    __slots__ = ("depth", "layer", "trace")

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.depth = len(thread.frames)
        self.trace = trace_state()

    def is_readable(self) -> bool:
        """Tells whether its values are known now: those of a raw JAX trace only while that trace runs."""
        return self.trace == trace_state() or self.trace == eager_state()


class _Calls(threading.local):
    def __init__(self) -> None:
        self.stack: list[tuple[Any, RootCall]] = []
        self.journal: list[Snapshot] = []
        self.undoing = 0
        self.made: dict[str, Any] = {}  # the last layer that a line of some call has made, weakly


calls = _Calls()


def current_root(layer: Any) -> RootCall:
    """Returns the outermost call that is running, or a new one where none is."""
    return calls.stack[-1][1] if calls.stack else RootCall(layer)


# --- casting ---------------------------------------------------------------------------------------------------------


def cast_input(value: Any, dtype: np.dtype | None) -> Any:
    """Returns arrays as JAX arrays, floating ones in `dtype` unless that is None, also in structures; the rest as it is."""
    if isinstance(value, jax.Array):
        if dtype is not None and value.dtype != dtype and jnp.issubdtype(value.dtype, jnp.floating):
            mask = mask_of(value)
            value = value.astype(dtype)
            return value if mask is None else with_mask(value, mask, ())
        return value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind in "USOT":
            return value  # strings stay on the host
        return jnp.asarray(value, dtype if jnp.issubdtype(value.dtype, jnp.floating) else None)
    if isinstance(value, Variable):
        return cast_input(value.value, dtype)
    if isinstance(value, (list, tuple, dict)):
        return jax.tree.map(lambda leaf: cast_input(leaf, dtype), value, is_leaf=lambda leaf: isinstance(leaf, Variable))
    return value


def has_symbolic(value: Any) -> bool:
    """Tells whether there are symbolic tensors in a structure."""
    if isinstance(value, (list, tuple)):
        return any(has_symbolic(item) for item in value)
    if isinstance(value, dict):
        return any(has_symbolic(item) for item in value.values())
    return isinstance(value, SymbolicTensor)


# --- reserved arguments ----------------------------------------------------------------------------------------------


class CallSignature:
    """What a layer's `call` takes.

    Args:
        call: the method, as the class holds it.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(call).parameters.values())[1:]
        self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.required = [name for name, p in zip(self.names, parameters, strict=False) if p.default is p.empty]
        named = {p.name: p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        self.takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self.training = "training" in named
        self.training_index = self.names.index("training") if "training" in self.names else None
        default = named["training"].default if self.training else None
        self.training_default = default if isinstance(default, bool) else None
        self.masks = [(name, self._masked(name)) for name in named if name == "mask" or self._masked(name) is not None]
        self.mask_index = {name: self.names.index(name) for name, _ in self.masks if name in self.names}

    def _masked(self, name: str) -> str | None:
        """The argument whose mask an argument takes: `query_mask` that of `query`, `mask` that of the first."""
        if name == "mask":
            return self.names[0] if self.names and self.names[0] != "mask" else None
        source = name.removesuffix("_mask")
        return source if source != name and source in self.names else None

    def first(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Returns the first argument, given by position or by name."""
        return args[0] if args else kwargs.get(self.names[0]) if self.names else None

    def resolve_training(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], enclosing: bool | None
    ) -> tuple[tuple[Any, ...], bool | None]:
        """Returns the positional arguments and the value of `training`, which it puts in its place.

        An explicit value counts first, then that of the enclosing layer's call, then the default of `call`.
        """
        index = self.training_index
        positional = index is not None and index < len(args)
        training = args[index] if positional else kwargs.get("training")  # type: ignore[index]
        if isinstance(training, jax.core.Tracer):
            raise TypeError(
                "training must be a Python bool, but it was traced. Where a function with such an argument is compiled, name "
                "it: lamina.jit(f, static_argnames='training')."
            )
        if training is None:
            training = self.training_default if enclosing is None else enclosing
            if positional:
                args = (*args[:index], training, *args[index + 1 :])  # type: ignore[operator]
            elif self.training and training is not None:
                kwargs["training"] = training
        if not self.training and not self.takes_any:
            kwargs.pop("training", None)
        return args, training

    def resolve_masks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Puts the masks that the inputs carry where `call` asks for them and none was given."""
        for name, source in self.masks:
            if kwargs.get(name) is not None or source is None or self.mask_index.get(name, len(args)) < len(args):
                continue
            position = self.names.index(source)
            mask = mask_of(args[position] if position < len(args) else kwargs.get(source))
            if mask is not None:
                kwargs[name] = mask


@functools.cache
def call_signature(call: Callable[..., Any]) -> CallSignature:
    """Returns what a class's `call` takes, looked at once."""
    return CallSignature(call)


# --- undoing ---------------------------------------------------------------------------------------------------------


class Snapshot:
    """A layer's attributes, the contents of its lists, dicts and sets, and what its initializers have drawn, as they are now."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.attributes = dict(vars(layer))
        self.contents: list[tuple[Any, Any]] = []
        self.streams: list[tuple[HostStream, int]] = []
        for value in self.attributes.values():
            self._note(value)

    def _note(self, value: Any) -> None:
        if isinstance(value, (list, dict, set)):
            self.contents.append((value, value.copy()))
            for item in value.values() if isinstance(value, dict) else value:
                self._note(item)
        elif isinstance(value, Configurable) and isinstance(stream := vars(value).get("stream"), HostStream):
            self.streams.append((stream, stream.drawn))

    def restore(self) -> None:
        """Makes the layer as it was."""
        vars(self.layer).clear()
        vars(self.layer).update(self.attributes)
        for container, content in self.contents:
            container.clear()
            (container.extend if isinstance(container, list) else container.update)(content)
        for stream, drawn in self.streams:
            stream.drawn = drawn


class undo_on_error:
    """Makes a layer, the layers that were built meanwhile, and the host's randomness as they were if the block raises."""

    __slots__ = ("_layer", "_position", "_start")

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def __enter__(self) -> None:
        self._start, self._position = len(calls.journal), host_position()
        calls.journal.append(Snapshot(self._layer))
        calls.undoing += 1

    def __exit__(self, kind: object, *error: object) -> None:
        calls.undoing -= 1
        if kind is not None:
            while len(calls.journal) > self._start:
                calls.journal.pop().restore()
            rewind_host(self._position)
            calls.made.clear()
        elif not calls.undoing:
            calls.journal.clear()
