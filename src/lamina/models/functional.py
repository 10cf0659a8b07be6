"""Functional models: the graph that leads from symbolic inputs to outputs."""

from collections.abc import Sequence
from typing import Any

import jax

from lamina.core.contributions import Contributing
from lamina.core.errors import describe, show_shape
from lamina.core.graph import order_of_calls, replay
from lamina.core.layer import Layer
from lamina.core.symbolic import Shape, Size, SymbolicTensor, symbolic_leaves
from lamina.models.model import Model


def Input(shape: Sequence[Size], batch_size: int | None = None, dtype: Any = None, name: str | None = None) -> SymbolicTensor:
    """Returns a symbolic tensor that a functional model starts from.

    Args:
        shape: the sizes without the batch axis; None where unknown, or a name, which says that axes are of one size.
        batch_size: the size of the batch axis, if it is known.
        dtype: by default float32.
        name: its name, by which data may be given in a dict.

    Raises:
        ValueError: for a size that is none of these.

    >>> x = lamina.Input(("time", 8))
    >>> lamina.layers.Dense(2)(x).shape
    (None, 'time', 2)
    """
    sizes: Shape = tuple(shape) if isinstance(shape, (list, tuple)) else (shape,)  # type: ignore[assignment]
    for size in sizes:
        named = isinstance(size, str) and size.isidentifier() and not size.startswith("_")
        if not (size is None or named or (isinstance(size, int) and size >= 0)):
            raise ValueError(f"A size is an integer, None, or a name such as 'time', not {size!r}, in Input({show_shape(sizes)}).")
    return SymbolicTensor((batch_size, *sizes), dtype or "float32", name)


class Functional(Model):
    """What `Model(inputs, outputs)` makes: the computation from symbolic inputs to outputs, as a model.

    Args:
        inputs: symbolic tensors, alone or in lists and dicts; results of layers serve too.
        outputs: symbolic tensors that follow from them.
        name: its name.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: if the outputs depend on something that is not among the inputs, or two layers have one name.
    """

    steps_by_name = True
    casts_inputs = False
    _untracked = Model._untracked | {"inputs", "outputs"}

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name or None, **kwargs)
        self.inputs = inputs
        self.outputs = outputs
        tensors = symbolic_leaves(inputs)
        calls = order_of_calls(symbolic_leaves(outputs), tensors)
        self._layers = list(dict.fromkeys(node.function for node in calls if isinstance(node.function, Layer)))
        names = [layer.name for layer in self._layers]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"The model {self.name!r} has several layers with the name {sorted(twice)[0]!r}; name them differently."
            )
        self.built = True

    @property
    def input(self) -> Any:
        """The symbolic inputs."""
        return self.inputs

    @property
    def output(self) -> Any:
        """The symbolic outputs."""
        return self.outputs

    def call(self, inputs: Any) -> Any:
        """Computes the outputs, and the losses and metrics that were added as symbolic tensors."""
        feed = dict(zip(symbolic_leaves(self.inputs), self._arrays(inputs), strict=True))
        given = list(feed)
        outputs = replay(self.outputs, feed)
        for owner in (self, *self._layers):
            if isinstance(owner, Contributing):
                for loss in owner._symbolic_losses:
                    if _follows(loss, given):
                        owner.keep_loss(replay(loss, feed))
                for value, metric in owner._symbolic_metrics:
                    if _follows(value, given):
                        metric.update_state(replay(value, feed))
        return outputs

    def _arrays(self, inputs: Any) -> list[Any]:
        """Returns the arrays in the order of the symbolic inputs; a dict may go by their names."""
        tensors = symbolic_leaves(self.inputs)
        if isinstance(inputs, dict) and not isinstance(self.inputs, dict):
            missing = [tensor.name for tensor in tensors if tensor.name not in inputs]
            if missing:
                raise ValueError(f"The model {self.name!r} takes an input {missing[0]!r}, which is not among {sorted(inputs)}.")
            return [inputs[tensor.name] for tensor in tensors]
        arrays = jax.tree.leaves(inputs)
        if len(arrays) != len(tensors):
            raise ValueError(f"The model {self.name!r} takes {len(tensors)} inputs, not {len(arrays)}: {describe(inputs)}.")
        return arrays


def _follows(tensor: SymbolicTensor, given: list[SymbolicTensor]) -> bool:
    """Tells whether a symbolic tensor can be computed from the given ones."""
    try:
        order_of_calls([tensor], given)
    except ValueError:
        return False
    return True


Model.functional = Functional
