"""StackedRNNCells: cells on top of each other, as one."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.variable import Array


class StackedRNNCells(Layer):
    """Cells of which each takes the output of the one before, as one cell for `lamina.layers.RNN`.

    Its states are a list of the cells' states.

    Args:
        cells: the cells.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what is not a cell.
        ValueError: without any.

    >>> cells = lamina.layers.StackedRNNCells([lamina.layers.LSTMCell(8), lamina.layers.GRUCell(4)])
    >>> cells.state_size, cells.output_size
    ([[8, 8], 4], 4)
    >>> lamina.layers.RNN(cells)(np.ones((2, 5, 3))).shape
    (2, 4)
    """

    def __init__(self, cells: Sequence[Layer], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(cells, (list, tuple)):
            raise TypeError(f"cells of StackedRNNCells must be a list of cells, not {cells!r}.")
        if not cells:
            raise ValueError("StackedRNNCells needs at least one cell.")
        self.cells: list[Any] = [check_cell(cell, self) for cell in cells]

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the cells' states, from the first cell to the last."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The size of the last cell's output."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Returns the states of the cells before the first step."""
        return [initial_state(cell, batch_size) for cell in self.cells]

    def _draw_keep(self, batch_size: Any) -> list[Any]:
        """Draws the dropout of all steps of a sequence, for each cell."""
        return [cell._draw_keep(batch_size) if hasattr(cell, "_draw_keep") else None for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        """Builds the cells, each for the outputs of the one before."""
        for cell in self.cells:
            build_cell(cell, input_shape)
            input_shape = (input_shape[0], output_size(cell))

    def call(self, inputs: Array, states: Any, training: bool = False, keep: list[Any] | None = None) -> tuple[Array, list[Any]]:
        """Computes one step of all cells; the arguments are those of a cell, with a list of states and of dropout masks."""
        new = []
        for cell, own, masks in zip(self.cells, states, keep or [None] * len(self.cells), strict=True):
            inputs, after = cell(inputs, _listed(own), **options_of(cell, training, masks))
            new.append(after if isinstance(own, (list, tuple)) or not isinstance(after, (list, tuple)) else after[0])
        return inputs, new


def check_cell(cell: Any, layer: Layer) -> Any:
    """Returns a cell; raises TypeError for anything else."""
    if not isinstance(cell, Layer) or not hasattr(cell, "state_size"):
        raise TypeError(
            f"{type(layer).__name__} takes a cell: a layer with a state_size and call(inputs, states), which returns an output and "
            f"the new states; not {cell!r}."
        )
    return cell


def output_size(cell: Any) -> int:
    """Returns the size of a cell's output: its `output_size`, or that of its first state."""
    size: int | None = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size
    return size


def zeros_of(size: Any, batch_size: Any, dtype: Any) -> Any:
    """Returns states of zeros for a cell's `state_size`, nested as that is."""
    if isinstance(size, (list, tuple)):
        return [zeros_of(one, batch_size, dtype) for one in size]
    return jnp.zeros((batch_size, size), dtype)


def initial_state(cell: Any, batch_size: Any) -> Any:
    """Returns the states of a cell before the first step: its own, or zeros."""
    own = getattr(cell, "get_initial_state", None)
    return zeros_of(cell.state_size, batch_size, cell.compute_dtype) if own is None else own(batch_size=batch_size)


def build_cell(cell: Any, input_shape: Any) -> None:
    """Builds a cell for inputs of one step; one without a `build` of its own by its call, on states too."""
    sizes = cell.state_size if isinstance(cell.state_size, (list, tuple)) else [cell.state_size]
    cell.build(input_shape, *([] if type(cell)._has_build else [_state_shapes(sizes, input_shape[0])]))


def _state_shapes(size: Any, batch_size: Any) -> Any:
    return [_state_shapes(one, batch_size) for one in size] if isinstance(size, (list, tuple)) else (batch_size, size)


def options_of(cell: Any, training: bool, keep: Any) -> dict[str, Any]:
    """Returns what a cell takes besides inputs and states: whether it trains, and what was drawn for its dropout."""
    options: dict[str, Any] = {"training": training} if type(cell)._signature.training else {}
    return options if keep is None else {**options, "keep": keep}


def _listed(states: Any) -> list[Any]:
    return list(states) if isinstance(states, (list, tuple)) else [states]
