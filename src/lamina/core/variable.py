"""Variable: a named array that can be assigned to."""

import contextlib
import copy
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.context import context
from lamina.core.errors import StateError
from lamina.core.frame import Cell, concrete, refuse_leak, state_lock
from lamina.core.jax_internals import is_tracer
from lamina.core.names import check_name
from lamina.core.paths import path_of, step_to
from lamina.core.placement import Placement, placed, to_device, to_host
from lamina.core.text import ReprMixin, describe, show_shape
from lamina.core.tree import Held, Record

Array = jax.Array


class Variable(Cell, Held, ReprMixin):
    """A named array that can be assigned to; operators and `jax.numpy` functions take it as an array.

    It always holds a concrete array. While a function is traced, reading and writing go to the innermost open frame
    (see `lamina.core.frame`), so that stateful code can be compiled and differentiated.

    Args:
        initial_value: an array, anything that NumPy makes an array of, or an initializer `f(shape, dtype)`.
        shape: the shape, where `initial_value` is an initializer.
        dtype: the dtype; by default that of the value, or float32 for an initializer.
        trainable: whether gradients update it.
        name: its name; by default the attribute that it is assigned to.
        constraint: a function that an optimizer applies to the value after each update.
        regularizer: a function of the value whose result is one of the layer's losses.
        autocast: whether a layer with a mixed dtype policy reads it in the compute dtype.
        placement: on which devices it lies, whole or in parts; by default on the default device.

    Raises:
        ValueError: for an initializer without a shape, or a shape that has unknown or negative sizes.
        StateError: if the initial value is only known while a trace runs.

    >>> v = Variable(np.zeros(2, "float32"), name="total")
    >>> v.assign_add([1.0, 2.0])
    <Variable total (2,) float32>
    >>> print(v * 2)
    [2. 4.]
    """

    __slots__ = ("_lamina", "_placement", "autocast", "constraint", "regularizer", "trainable")

    def __init__(
        self,
        initial_value: Any,
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
        constraint: Callable[[Array], Array] | None = None,
        regularizer: Callable[[Array], Array] | None = None,
        autocast: bool = True,
        placement: Placement = None,
    ) -> None:
        if callable(initial_value) and not hasattr(initial_value, "__jax_array__"):
            if shape is None:
                raise ValueError(
                    f"A variable needs a shape where its initial value is a function (here {initial_value}). Write "
                    "lamina.Variable(initializer, shape=(2, 3))."
                )
            shape = check_shape(shape, f"The variable {name!r}" if name else "A variable")
            with concrete():
                initial_value = initial_value(shape, dtype=jnp.dtype(dtype or "float32"))
        if isinstance(initial_value, Variable):
            initial_value = initial_value._read()
        if any(map(is_tracer, jax.tree.leaves(initial_value))):
            raise StateError(
                "A variable cannot start from a value that is only known while a trace runs. Create it in __init__ or build, "
                "or give add_weight an initializer."
            )
        super().__init__(to_device(initial_value, dtype, placement))
        if shape is not None and tuple(shape) != self._value.shape:
            raise ValueError(f"The initial value has shape {self._value.shape}, not the shape {tuple(shape)} asked for.")
        self._placement = placement or _spread(self._value)
        self._lamina = Record()
        self._lamina.name = None if name is None else check_name(name)
        self.trainable = trainable
        self.constraint = constraint
        self.regularizer = regularizer
        self.autocast = autocast

    def __getstate__(self) -> Any:
        slots: dict[str, Any] = object.__getstate__(self)[1]  # type: ignore[index]
        return None, {**slots, "_placement": None}  # devices are those of this process

    def __copy__(self) -> Self:
        """Returns a variable of its own, which starts from the same array."""
        new = object.__new__(type(self))
        for name, value in object.__getstate__(self)[1].items():  # type: ignore[index]
            setattr(new, name, value)
        new._lamina = self._lamina.of_copy()
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        new: Self = memo.setdefault(id(self), object.__new__(type(self)))
        for name, value in copy.deepcopy(self.__getstate__()[1], memo).items():
            setattr(new, name, value)
        new._placement = self._placement
        return new

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The explicit name, else the attribute that holds it, else `variable`."""
        return self._lamina.name or step_to(self) or "variable"

    @property
    def path(self) -> str:
        """The names from the root of the tree of attributes down to this variable, joined by `/`."""
        return path_of(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, which never changes."""
        shape: tuple[int, ...] = self._value.shape
        return shape

    @property
    def dtype(self) -> np.dtype:
        """The dtype in which it is kept; under a mixed policy it may be read in a lower one."""
        dtype: np.dtype = self._value.dtype
        return dtype

    @property
    def placement(self) -> Placement:
        """On which devices it lies, whole or in parts; None is the default device. Every write keeps it.

        Setting it moves the value. A variable without one takes that of the first value that lies on several devices.
        """
        return self._placement

    @placement.setter
    def placement(self, placement: Placement) -> None:
        array = placed(self._read(), placement)
        self._check(array)
        self._placement = placement
        self._write(array)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def _facts(self) -> Iterable[str]:
        return [f"{self.path} {show_shape(self.shape)} {self.dtype}", *([] if self.trainable else ["not trainable"])]

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def value(self) -> Array:
        """The array: the variable's own, or inside a trace the one that the trace has given it."""
        value: Array = self._read()
        dtype = context.autocast
        if dtype is not None and self.autocast and value.dtype != dtype and jnp.issubdtype(value.dtype, jnp.floating):
            return value.astype(dtype)
        return value

    def numpy(self) -> np.ndarray:
        """Returns a copy as a NumPy array."""
        return to_host(self.value)

    def __jax_array__(self) -> Array:
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype)

    __array_priority__ = 100
    __hash__ = object.__hash__

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Array]:
        return iter(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __round__(self, digits: int | None = None) -> Array:
        return round(self.value, digits)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else str(self)

    def __complex__(self) -> complex:
        return complex(self.value)

    def __index__(self) -> int:
        return operator.index(self.value)

    def __getattr__(self, name: str) -> Any:
        """The methods of arrays: `v.sum()`, `v.T`, `v.at[0].add(1)`, ..."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.value, name)

    # --- writing -----------------------------------------------------------------------------------------------------

    def _check(self, value: Any) -> None:
        """Raises StateError if `value` may not be written now (see `lamina.core.frame.refuse_leak`)."""
        refuse_leak(self, value)

    @property
    def _label(self) -> str:
        """What messages call it."""
        return f"The variable {self.path!r}"

    def assign(self, value: Any) -> Self:
        """Sets the value. Raises ValueError for another shape, StateError where the value could not be kept."""
        array = value._read() if isinstance(value, Variable) else value if isinstance(value, jax.Array) else to_device(value)
        if array.shape != self.shape:
            raise ValueError(
                f"The variable {self.path!r} has shape {self.shape}; a value of shape {array.shape} cannot be assigned to it."
            )
        if array.dtype != self.dtype or array.weak_type:
            if jnp.issubdtype(array.dtype, jnp.complexfloating) and not jnp.issubdtype(self.dtype, jnp.complexfloating):
                raise ValueError(f"The variable {self.path!r} is {self.dtype}; {describe(array)} cannot be assigned to it.")
            array = jnp.asarray(array, self.dtype)
        self._check(array)
        if self._placement is not None:
            array = placed(array, self._placement)
        elif not is_tracer(array):
            self._placement = _spread(array)
        self._write(array)
        return self

    def assign_add(self, value: Any) -> Self:
        """Adds `value`."""
        with _turn():
            return self.assign(self._read() + _array(value))

    def assign_sub(self, value: Any) -> Self:
        """Subtracts `value`."""
        with _turn():
            return self.assign(self._read() - _array(value))


def _turn() -> contextlib.AbstractContextManager[Any]:
    """Keeps other threads from writing between a read and a write; what happens in a frame takes its turn as a whole."""
    return contextlib.nullcontext() if context.frames else state_lock


def _spread(array: Array) -> Placement:
    """Returns the placement of an array that lies on several devices, else None."""
    return array.sharding if len(array.sharding.device_set) > 1 else None


def _array(value: Any) -> Any:
    if isinstance(value, Variable):
        return value._read()
    return to_device(value) if isinstance(value, (list, tuple, np.ndarray)) else value


def check_shape(shape: Sequence[Any], owner: str | Callable[[], str]) -> tuple[int, ...]:
    """Returns the shape as a tuple of integers; raises ValueError, naming its owner, for unknown or negative sizes."""
    given = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    try:
        sizes = tuple(operator.index(size) for size in given)
    except TypeError:
        sizes = (-1,)
    if any(size < 0 for size in sizes):
        raise ValueError(
            f"{owner if isinstance(owner, str) else owner()} was given the shape {show_shape(given)}; every size must be a known "
            "integer that is not negative."
        )
    return sizes


def are_same(ones: Sequence[Any], others: Sequence[Any]) -> bool:
    """Tells whether two sequences hold the same variables. `==` would compare their arrays, element by element.

    >>> a, b = lamina.Variable(1.0), lamina.Variable(1.0)
    >>> are_same([a, b], (a, b)), are_same([a, b], [b, a])
    (True, False)
    """
    return len(ones) == len(others) and all(one is other for one, other in zip(ones, others, strict=True))


def _operators() -> None:
    """Gives Variable the operators of arrays."""

    def binary(function: Callable[[Any, Any], Any]) -> Callable[[Variable, Any], Any]:
        return lambda self, other: function(self.value, other.value if isinstance(other, Variable) else other)

    def reflected(function: Callable[[Any, Any], Any]) -> Callable[[Variable, Any], Any]:
        return lambda self, other: function(other, self.value)

    def unary(function: Callable[[Any], Any]) -> Callable[[Variable], Any]:
        return lambda self: function(self.value)

    for name in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lshift", "rshift"):
        function = getattr(operator, name)
        setattr(Variable, f"__{name.strip('_')}__", binary(function))
        setattr(Variable, f"__r{name.strip('_')}__", reflected(function))
    Variable.__divmod__, Variable.__rdivmod__ = binary(divmod), reflected(divmod)  # type: ignore[attr-defined,operator]
    for name in ("eq", "ne", "lt", "le", "gt", "ge", "getitem"):
        setattr(Variable, f"__{name}__", binary(getattr(operator, name)))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(Variable, f"__{name}__", unary(getattr(operator, name)))


_operators()

# JAX sees a Variable as its array, wherever it takes a structure of arrays.
jax.tree_util.register_pytree_node(Variable, lambda variable: ((variable.value,), None), lambda _, children: children[0])
