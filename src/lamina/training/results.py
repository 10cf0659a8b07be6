"""What steps return, and what is kept of it: the logs of the last step, or the outputs of all."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.placement import to_host
from lamina.core.text import describe
from lamina.core.variable import Array
from lamina.training.block import Block


@jax.tree_util.register_pytree_node_class
class StepLogs(Mapping[str, Any]):
    """The logs of a step by name, in the order in which it gave them; they are read from the device when they are first asked for.

    All single numbers lie in one vector: on the CPU each array by itself costs a kernel, and a transfer.

    Args:
        names: all names.
        numbers: the single numbers, in their order.
        others: the arrays, by name.
    """

    def __init__(self, names: Sequence[str], numbers: Any, others: Mapping[str, Any]) -> None:
        self._names, self._numbers, self._others = tuple(names), numbers, dict(others)
        self._read: dict[str, Any] | None = None

    @classmethod
    def of(cls, logs: Any) -> Self:
        """Returns what a step returned; raises TypeError if that is not a dict of named values."""
        logs = checked(logs)
        arrays = {name: jnp.asarray(value) for name, value in logs.items()}
        numbers = [array.astype("float32") for array in arrays.values() if _is_number(array)]
        others = {name: jax.lax.convert_element_type(a, a.dtype) for name, a in arrays.items() if not _is_number(a)}
        return cls(tuple(arrays), jnp.stack(numbers) if numbers else jnp.zeros(0), others)

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Returns its arrays, and what else it is made of."""
        return (self._numbers, *self._others.values()), (self._names, tuple(self._others))

    @classmethod
    def tree_unflatten(cls, names: tuple[Any, ...], arrays: tuple[Any, ...]) -> Self:
        """Returns the logs of such parts."""
        return cls(names[0], arrays[0], dict(zip(names[1], arrays[1:], strict=True)))

    def _by_name(self) -> dict[str, Any]:
        if self._read is None:
            numbers = iter(np.asarray(self._numbers))
            self._read = {name: self._others[name] if name in self._others else next(numbers) for name in self._names}
        return self._read

    def __getitem__(self, name: str) -> Any:
        return self._by_name()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def checked(logs: Any) -> Mapping[str, Any]:
    """Returns the logs of a step; raises TypeError for what is not a dict of named values."""
    if not isinstance(logs, Mapping):
        raise TypeError(f"A step must return a dict of named values, not {describe(logs)}.")
    return logs


def _is_number(array: Array) -> bool:
    return array.ndim == 0 and jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.itemsize <= 4


def numbers(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a step's logs as Python numbers, and those of a metric that has several values as arrays."""
    values = jax.device_get(list(logs.values()))
    return {name: np.asarray(value) if np.ndim(value) else float(value) for name, value in zip(logs, values, strict=True)}


class LastLogs:
    """Keeps the logs of the last step.

    Attributes:
        value: the logs.
    """

    def __init__(self) -> None:
        self.value: Mapping[str, Any] = {}

    @staticmethod
    def of(result: Any) -> StepLogs:
        """Returns what a step returned, as it is carried on the device."""
        return StepLogs.of(result)

    @staticmethod
    def of_python(result: Any) -> dict[str, Any]:
        """Returns what a step returned that ran as plain Python."""
        return dict(checked(result))

    @staticmethod
    def room(spec: Any, steps: int) -> Any:
        """Returns what the loop over steps begins with.

        Args:
            spec: the shapes and dtypes of a step's result.
            steps: how many steps there may be.
        """
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), spec)

    @staticmethod
    def put(carried: Any, i: Array, result: Any) -> Any:
        """Returns what the loop goes on with after step `i`."""
        return result

    def take(self, result: Any, block: Block) -> Mapping[str, Any]:
        """Keeps the result of the dispatch of a block's steps; returns it as callbacks see it."""
        self.value = result
        return self.value


class AllOutputs:
    """Keeps the outputs of all steps, as NumPy arrays.

    Attributes:
        parts: the outputs of each dispatch.
    """

    def __init__(self) -> None:
        self.parts: list[Any] = []

    @staticmethod
    def of(result: Any) -> Any:
        """Returns what a step returned."""
        return result

    of_python = of

    @staticmethod
    def room(spec: Any, steps: int) -> Any:
        """Returns room for the outputs of a number of steps, one behind the other."""
        return jax.tree.map(lambda leaf: jnp.zeros((steps, *leaf.shape), leaf.dtype), spec)

    @staticmethod
    def put(carried: Any, i: Array, result: Any) -> Any:
        """Returns the room with the outputs of step `i` in their place."""
        into = jax.lax.dynamic_update_index_in_dim
        return jax.tree.map(lambda all, one: into(all, jnp.asarray(one, all.dtype), i, 0), carried, result)

    def take(self, result: Any, block: Block) -> Mapping[str, Any]:
        """Keeps the outputs of the dispatch of a block's steps; callbacks see those of a single step."""
        if block.steps == 1:
            self.parts.append(jax.tree.map(to_host, result))
            return {"outputs": self.parts[-1]}
        self.parts.append(jax.tree.map(lambda leaf: _in_a_row(np.asarray(leaf)[: block.steps]), result))
        return {}

    @property
    def value(self) -> Any:
        """The outputs of all steps as one, along the samples, in memory that the caller may write to."""
        if len(self.parts) == 1:
            return jax.tree.map(lambda leaf: leaf if leaf.flags.writeable else leaf.copy(), self.parts[0])
        return jax.tree.map(lambda *leaves: np.concatenate([np.atleast_1d(leaf) for leaf in leaves]), *self.parts)


def _in_a_row(outputs: np.ndarray) -> np.ndarray:
    """Returns the outputs of steps, which are stacked, one behind the other."""
    return outputs if outputs.ndim < 2 else outputs.reshape(-1, *outputs.shape[2:])
