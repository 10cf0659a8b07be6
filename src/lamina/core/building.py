"""Building a layer: `build` runs once, on concrete values, with the shapes of the inputs that the call was given."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from lamina.core.calls import CallSignature, call_signature, undo_on_error
from lamina.core.errors import show_shapes
from lamina.core.frame import Transaction, concrete
from lamina.core.leaving import explain, leave
from lamina.core.shapes import ShapeSpec, public_shape, settled


def build_once(build: Callable[..., None]) -> Callable[..., None]:
    """Makes a class's `build` run once, on concrete values, and leave the layer as it was if it fails."""

    @functools.wraps(build)
    def once(self: Any, *input_shapes: Any, **kwargs: Any) -> None:
        if self._building:  # a call of super().build(...)
            build(self, *input_shapes, **kwargs)
        elif not self.built:
            self._check_ready()
            shapes = tuple(tuples(shape) for shape in input_shapes)
            try:
                with self._told_build((*shapes, *kwargs.values())), undo_on_error(self), concrete(), Transaction():
                    self._building = True
                    build(self, *shapes, **{key: tuples(shape) for key, shape in kwargs.items()})
                    self._building = False
                    self.built = True
                    self._note_built((*shapes, *kwargs.values()))
            except Exception as error:
                given = ", ".join(show_shapes(shape) for shape in (*shapes, *kwargs.values()))
                explain(error, f"build of the layer {self.path!r} ({type(self).__name__})", given)
                leave(error)
                raise

    return once


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
    shapes = iter(settled([public_shape(array.shape) for array in arrays]))
    specs = [ShapeSpec(next(shapes), leaf.dtype) if hasattr(leaf, "shape") and hasattr(leaf, "dtype") else leaf for leaf in leaves]
    return jax.tree.unflatten(tree, specs)


def shapes_for(build: Callable[..., None], shapes: dict[str, Any]) -> list[Any]:
    """Returns the shapes that a `build` takes: by the arguments' names (`query_shape`), else in order.

    By names, those with a default may be missing: `key_shape=None`.
    """
    signature = call_signature(build)
    sources = {name: name.removesuffix("_shape") for name in signature.names}
    if any(source in shapes for source in sources.values()) and all(sources[name] in shapes for name in signature.required):
        last = max(i for i, source in enumerate(sources.values()) if source in shapes)
        return [shapes.get(source) for source in list(sources.values())[: last + 1]]
    given = list(shapes.values())
    return given if not signature.names else given[: len(signature.names)]
