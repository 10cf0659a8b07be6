"""Building a layer: its `build` runs once, in one thread, on concrete values; if it fails, all is as it was before."""

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax

import lamina.core.events as events
from lamina.core.config import Configurable
from lamina.core.context import context
from lamina.core.errors import add_context, filter_traceback, forgotten_init, user_line
from lamina.core.frame import Transaction, concrete
from lamina.core.host_random import HostStream, mark_host, rewind_host
from lamina.core.input_spec import check_inputs
from lamina.core.jax_internals import in_trace
from lamina.core.mistakes import warn_of_unheld
from lamina.core.module import replace_attributes
from lamina.core.per_class import per_class
from lamina.core.shapes import ShapeSpec, known_sizes, public_shape
from lamina.core.signature import CallSignature
from lamina.core.text import show_shapes
from lamina.core.weights import unassigned

if TYPE_CHECKING:
    from lamina.core.layer import Layer


def check_ready(layer: "Layer") -> None:
    """Raises RuntimeError if the constructor of the base class has not run."""
    if not layer._lamina.ready:
        raise forgotten_init(type(layer))


# --- once ------------------------------------------------------------------------------------------------------------


def build_once(build: Callable[..., None]) -> Callable[..., None]:
    """Makes a class's `build` run once, on concrete values, and leave the layer as it was if it fails."""

    @functools.wraps(build)
    def once(self: "Layer", *input_shapes: Any, **kwargs: Any) -> None:
        record = self._lamina
        with record.lock:  # one thread builds; the others find it built
            if record.building:  # a call of super().build(...)
                build(self, *input_shapes, **kwargs)
                return
            if self.built:
                return
            check_ready(self)
            shapes = tuple(tuples(shape) for shape in input_shapes)
            given = (*shapes, *kwargs.values())
            try:
                with reporting_build(self, given), undo_on_error(self), concrete(), Transaction(exclusive=False):
                    record.building = True
                    build(self, *shapes, **{key: tuples(shape) for key, shape in kwargs.items()})
                    record.building = False
                    note_built(self, given)
            except Exception as error:
                shown = ", ".join(show_shapes(shape) for shape in given)
                add_context(error, f"build of the layer {self.path!r} ({type(self).__name__})", shown)
                filter_traceback(error)
                raise

    once._runs_once = True  # type: ignore[attr-defined]
    return once


def first_call(layer: "Layer", compute: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Makes the first call of a layer, which builds it: by its `build`, from the shapes of the inputs, or else by the call itself.

    Args:
        layer: the layer.
        compute: what computes the outputs once it is built: `compute(layer, args, kwargs)`.
        args: what it is called with.
        kwargs: likewise.
    """
    record = layer._lamina
    with record.lock:
        if layer.built:  # by another thread, meanwhile
            return compute(layer, args, kwargs)
        with undo_on_error(layer):
            shapes = known_sizes(shapes_of(args, kwargs, type(layer)._signature))
            record.called_with = specs_of(args, kwargs)
            if type(layer)._has_build:
                if layer.input_spec is not None:
                    check_inputs(layer.input_spec, type(layer)._signature.first(args, kwargs), layer)
                layer.build(*shapes_for(_build_signature(type(layer)), shapes))
            if layer.built:
                return compute(layer, args, kwargs)
            given = tuple(shapes.values())
            with reporting_build(layer, given):
                outputs = compute(layer, args, kwargs)
            if not layer.built:
                note_built(layer, given)
            return outputs


def note_built(layer: "Layer", shapes: tuple[Any, ...]) -> None:
    """Takes note that a layer is built, for which shapes, and where in the user's code."""
    record = layer._lamina
    vars(layer)["built"] = True
    record.built_with = (shapes, user_line())
    record.unassigned = [variable for _, variable in unassigned(layer)]
    if context.calls and not record.holders:
        warn_of_unheld(layer)
    type(layer)._when_built(layer, shapes)


def reporting_build(layer: "Layer", shapes: tuple[Any, ...]) -> contextlib.AbstractContextManager[Any]:
    """Returns a context that tells those who watch of a build."""
    if not events.listeners:
        return contextlib.nullcontext()
    because = "build() was called"
    if context.calls and context.calls[-1][0] is layer:
        because = f"its first call, {events.in_words(events.why_called((), in_trace()))}"
    given = ", ".join(show_shapes(shape) for shape in shapes)
    return events.happening("build", type(layer).__name__, subject=layer, given=given, because=because)


# --- for which shapes ------------------------------------------------------------------------------------------------


def tuples(shapes: Any) -> Any:
    """Returns a shape, or each shape of a structure, as a tuple."""
    if isinstance(shapes, dict):
        return {key: tuples(shape) for key, shape in shapes.items()}
    if isinstance(shapes, (list, tuple)):
        if any(isinstance(item, (list, tuple, dict)) for item in shapes):
            return type(shapes)(tuples(item) for item in shapes)
        return tuple(shapes)
    return shapes


def shapes_of(args: tuple[Any, ...], kwargs: dict[str, Any], signature: CallSignature) -> dict[str, Any]:
    """Returns the shapes of the arguments that are arrays or structures of arrays, by name."""
    named = [*zip([*signature.names, *(f"input_{i}" for i in range(len(args)))], args, strict=False), *kwargs.items()]
    return {
        name: jax.tree.map(lambda x: public_shape(x.shape), value)
        for name, value in named
        if (leaves := jax.tree.leaves(value)) and all(hasattr(leaf, "shape") for leaf in leaves)
    }


def specs_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Returns the arguments of a call with arrays as their shapes and dtypes."""
    leaves, tree = jax.tree.flatten((args, kwargs))
    arrays = [leaf for leaf in leaves if hasattr(leaf, "shape") and hasattr(leaf, "dtype")]
    shapes = iter(known_sizes([public_shape(array.shape) for array in arrays]))
    specs = [ShapeSpec(next(shapes), leaf.dtype) if hasattr(leaf, "shape") and hasattr(leaf, "dtype") else leaf for leaf in leaves]
    return jax.tree.unflatten(tree, specs)


@per_class
def _build_signature(cls: type) -> CallSignature:
    return CallSignature(cls.build)  # type: ignore[attr-defined]


def shapes_for(signature: CallSignature, shapes: dict[str, Any]) -> list[Any]:
    """Returns the shapes that a `build` takes: by the arguments' names (`query_shape`), else in order.

    By names, those with a default may be missing: `key_shape=None`.
    """
    sources = {name: name.removesuffix("_shape") for name in signature.names}
    if any(source in shapes for source in sources.values()) and all(sources[name] in shapes for name in signature.required):
        last = max(i for i, source in enumerate(sources.values()) if source in shapes)
        return [shapes.get(source) for source in list(sources.values())[: last + 1]]
    given = list(shapes.values())
    return given if not signature.names else given[: len(signature.names)]


# --- undone if it fails ----------------------------------------------------------------------------------------------


class Snapshot:
    """A layer's attributes, the contents of its lists, dicts and sets, and what its initializers have drawn, as they are now."""

    def __init__(self, layer: "Layer") -> None:
        self.layer = layer
        self.attributes = dict(vars(layer))
        self.record = copy.copy(layer._lamina)
        self.contents: list[tuple[Any, Any]] = []
        self.streams: list[tuple[HostStream, int]] = []
        for value in (*self.attributes.values(), *(getattr(self.record, field) for field in _CONTAINERS)):
            self._note(value)

    def _note(self, value: Any) -> None:
        if isinstance(value, (list, dict, set)):
            if any(value is container for container, _ in self.contents):
                return
            self.contents.append((value, value.copy()))
            for item in value.values() if isinstance(value, dict) else value:
                self._note(item)
        elif isinstance(value, tuple):
            for item in value:
                self._note(item)
        elif isinstance(value, Configurable) and isinstance(stream := vars(value).get("_stream"), HostStream):
            self.streams.append((stream, stream.drawn))

    def restore(self) -> None:
        """Makes the layer as it was."""
        for container, content in self.contents:
            container.clear()
            (container.extend if isinstance(container, list) else container.update)(content)
        replace_attributes(self.layer, self.attributes)
        for field in _RESTORED:
            setattr(self.layer._lamina, field, getattr(self.record, field))
        for stream, drawn in self.streams:
            stream.drawn = drawn


# The fields of a layer's record that building changes, and those that hold several things.
_CONTAINERS = ("added_metrics", "lasting_losses", "nodes", "symbolic_losses", "symbolic_metrics", "unassigned")
_RESTORED = (*_CONTAINERS, "building", "built_with", "called_with", "trainable")


@contextlib.contextmanager
def undo_on_error(layer: "Layer") -> Iterator[None]:
    """Makes a layer, the layers that were built meanwhile, and the host's randomness as they were if the block raises."""
    journal = context.journal
    start, position = len(journal), mark_host()
    journal.append(Snapshot(layer))
    context.undoing += 1
    try:
        yield
    except BaseException:
        while len(journal) > start:
            journal.pop().restore()
        rewind_host(position)
        context.unheld.clear()
        raise
    finally:
        context.undoing -= 1
        if not context.undoing:
            journal.clear()
