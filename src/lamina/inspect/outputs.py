"""What each layer of a tree gives, as shapes and dtypes: found by one run without numbers, in which every call is noted."""

import threading
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

import lamina.core.events as events
from lamina.core.building import undo_on_error
from lamina.core.layer import Layer, symbolic_inputs
from lamina.core.shapes import ShapeSpec, abstract_call
from lamina.core.symbolic import SymbolicTensor
from lamina.core.text import show_shape
from lamina.core.weights import layers_of
from lamina.layers.input_layer import InputLayer

Call = tuple[tuple[Any, ...], dict[str, Any]]


class Outputs:
    """What the layers of a tree give, for the inputs that they were built for.

    The size of the batch that a layer was first called on is taken for unknown, where its call runs on any.

    Args:
        root: a built layer.

    Attributes:
        problem: why the root could not be run without numbers, or "".
    """

    def __init__(self, root: Layer) -> None:
        self._gave: dict[Layer, list[Any]] = {}
        self.problem = self._run(root)
        for layer in layers_of(root):
            if layer not in self._gave and layer is not root:
                self._run(layer)

    def of(self, layer: Layer) -> list[Any]:
        """Returns what the calls of a layer give, those that differ; nothing where it is not known."""
        return self._gave.get(layer, [])

    def _run(self, layer: Layer) -> str:
        """Notes what a layer gives, and all below it; returns the error that kept it from running, in a sentence."""
        if isinstance(layer, InputLayer):
            self._gave[layer] = [layer.tensor]
            return ""
        problem = ""
        for args, kwargs in _known_calls(layer):
            try:
                for called, gave in _watched(layer, args, kwargs):
                    known = self._gave.setdefault(called, [])
                    if all(show_spec(gave) != show_spec(other) for other in known):
                        known.append(gave)
                return ""
            except Exception as error:
                problem = events.sentence(error)
        if layer._lamina.nodes:
            self._gave[layer] = [node.outputs for node in layer._lamina.nodes[:1]]
        return problem


def _watched(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[Layer, Any]]:
    """Runs a layer without numbers; returns the layers that are called, in order, and what each gives."""
    called: list[Layer] = []

    def run(*args: Any, **kwargs: Any) -> list[Any]:
        listener = _Calls()
        with events.listening(listener):
            layer(*args, **kwargs)
        called[:] = [event.subject for event in listener.events]
        return [jax.tree.map(lambda spec: jnp.zeros(spec.shape, spec.dtype), event.gave) for event in listener.events]

    return list(zip(called, abstract_call(run, args, kwargs, lambda: undo_on_error(layer)), strict=True))


class _Calls(events.Listener):
    """Takes down the calls of layers in its thread."""

    def __init__(self) -> None:
        super().__init__(limit=100_000)
        self._thread = threading.current_thread().name

    def _take(self, event: events.Event) -> None:
        if event.kind == "call" and event.thread == self._thread:
            super()._take(event)


def _known_calls(layer: Layer) -> Iterator[Call]:
    """Yields what a layer can be called with, as symbolic tensors: for any size of the batch, then as it was built."""
    structure = type(layer)._structure(layer)
    if structure is not None and structure.starts:
        yield (structure.inputs,), {}
    elif layer._lamina.called_with is not None:
        yield _symbolic(layer._lamina.called_with, any_batch=True)
        yield _symbolic(layer._lamina.called_with, any_batch=False)
    elif layer._lamina.built_with is not None and layer._lamina.built_with[0]:
        yield tuple(symbolic_inputs(layer, shape) for shape in layer._lamina.built_with[0]), {}


def _symbolic(call: Call, any_batch: bool) -> Call:
    specs = [leaf for leaf in jax.tree.leaves(call) if isinstance(leaf, ShapeSpec) and leaf.shape]
    batch = specs[0].shape[0] if specs else None

    def tensor(leaf: Any) -> Any:
        if not isinstance(leaf, ShapeSpec):
            return leaf
        free = any_batch and leaf.shape and leaf.shape[0] == batch
        return SymbolicTensor((None, *leaf.shape[1:]) if free else leaf.shape, leaf.dtype)

    inputs: tuple[tuple[Any, ...], dict[str, Any]] = jax.tree.map(tensor, call)
    return inputs


def show_spec(specs: Any, field: str = "shape") -> str:
    """Returns the shapes, or the dtypes, of what a call gives as text.

    >>> show_spec({"scores": np.ones((2, 3)), "more": [np.ones(1), np.ones(2)]})
    '{scores: (2, 3), more: [(1,), (2,)]}'
    """
    if isinstance(specs, dict):
        return "{" + ", ".join(f"{key}: {show_spec(item, field)}" for key, item in specs.items()) + "}"
    if isinstance(specs, (list, tuple)):
        return "[" + ", ".join(show_spec(item, field) for item in specs) + "]"
    if specs is None:
        return "None"
    return show_shape(specs.shape) if field == "shape" else jnp.dtype(specs.dtype).name
