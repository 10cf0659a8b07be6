"""Input: where a graph of layers starts."""

from collections.abc import Sequence
from typing import Any

from lamina.core.layer import Layer
from lamina.core.symbolic import Node, Shape, Size, SymbolicTensor
from lamina.core.text import show_shape


class InputLayer(Layer):
    """A place for data in a graph of layers: `lamina.Input` makes one, and returns its symbolic tensor.

    Args:
        shape: the sizes without the batch axis; None where unknown, or a name, which says that axes are of one size.
        batch_size: the size of the batch axis, if it is known.
        dtype: what the data are cast to; by default that of weights, float32 unless `set_dtype_policy` said otherwise.
        batch_shape: the sizes with the batch axis, instead of `shape`.
        optional: whether None may be given in place of data.
        name: its name and that of the tensor, by which data may be given in a dict.
        input_shape: the same as `shape`, as older code has it.

    Raises:
        ValueError: for a size that is none of these, or without a shape.

    >>> model = lamina.Sequential([lamina.layers.InputLayer((3,)), lamina.layers.Dense(2)])
    >>> model.input_shape
    (None, 3)
    """

    def __init__(
        self,
        shape: Sequence[Size] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        batch_shape: Sequence[Size] | None = None,
        optional: bool = False,
        name: str | None = None,
        input_shape: Sequence[Size] | None = None,
    ) -> None:
        super().__init__(name=name)
        shape = input_shape if shape is None else shape
        if (shape is None) == (batch_shape is None) or (batch_size is not None and batch_shape is not None):
            raise ValueError(
                "An input takes either a shape, without the batch axis, or a batch_shape with it; not "
                f"shape={shape!r}, batch_size={batch_size!r}, batch_shape={batch_shape!r}."
            )
        sizes = _sizes(shape if batch_shape is None else batch_shape)
        self.tensor = SymbolicTensor(
            sizes if batch_shape is not None else (batch_size, *sizes), dtype or self.variable_dtype, self.name
        )
        self.tensor._node = Node(self, (), {})
        self.tensor._node.outputs = self.tensor
        self._lamina.nodes.append(self.tensor._node)
        self.optional = optional
        self.built = True

    @property
    def batch_shape(self) -> Shape:
        """The sizes with the batch axis."""
        return self.tensor.shape

    @property
    def dtype(self) -> str:
        """What the data are cast to."""
        return str(self.tensor.dtype.name)

    @property
    def input(self) -> SymbolicTensor:
        """Its symbolic tensor, which is its output too."""
        return self.tensor

    def copy(self) -> "InputLayer":
        """Returns a new input layer of the same name, shape and dtype."""
        return InputLayer.from_config(self.get_config())

    def get_config(self) -> dict[str, Any]:
        return {"batch_shape": self.batch_shape, "dtype": self.dtype, "optional": self.optional, "name": self.name}


def _sizes(shape: Any) -> Shape:
    sizes: Shape = tuple(shape) if isinstance(shape, (list, tuple)) else (shape,)
    for size in sizes:
        named = isinstance(size, str) and size.isidentifier() and not size.startswith("_")
        if not (size is None or named or (isinstance(size, int) and size >= 0)):
            raise ValueError(f"A size is an integer, None, or a name such as 'time', not {size!r}, in Input({show_shape(sizes)}).")
    return sizes


def Input(
    shape: Sequence[Size] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    batch_shape: Sequence[Size] | None = None,
    optional: bool = False,
    name: str | None = None,
) -> SymbolicTensor:
    """Returns a symbolic tensor that a functional model starts from: that of a new `InputLayer`.

    Args:
        shape: the sizes without the batch axis; None where unknown, or a name, which says that axes are of one size.
        batch_size: the size of the batch axis, if it is known.
        dtype: what the data are cast to; by default that of weights, float32 unless `set_dtype_policy` said otherwise.
        batch_shape: the sizes with the batch axis, instead of `shape`.
        optional: whether None may be given in place of data.
        name: its name, by which data may be given in a dict.

    Raises:
        ValueError: for a size that is none of these, or without a shape.

    >>> x = lamina.Input(("time", 8))
    >>> lamina.layers.Dense(2)(x).shape
    (None, 'time', 2)
    """
    return InputLayer(shape, batch_size, dtype, batch_shape, optional, name).tensor


def input_layer_of(tensor: SymbolicTensor) -> InputLayer:
    """Returns the layer behind a symbolic input, or a new one for the result of a call that a graph starts from."""
    if tensor._node is None:
        return InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
    if isinstance(tensor._node.function, InputLayer):
        return tensor._node.function
    sizes = [None if isinstance(size, str) and not size.isidentifier() else size for size in tensor.shape]  # such as 2*time
    return InputLayer(batch_shape=sizes, dtype=tensor.dtype)
