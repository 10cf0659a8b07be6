"""The weights of a tree of layers: making them, which there are, which are trained, and their values as NumPy arrays."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

import lamina.constraints as constraints
import lamina.core.events as events
import lamina.initializers as initializers
import lamina.regularizers as regularizers
from lamina.core.calls import calls
from lamina.core.dtypes import is_floating
from lamina.core.errors import describe, show_shape
from lamina.core.made_once import is_calling, refuse_another
from lamina.core.shapes import settled
from lamina.core.tree import Module, walk
from lamina.core.variable import Variable, check_shape


class Weighted(Module):
    """A module whose variables are weights: a layer. Modules below it that are no layers own state, but no weights."""

    _trainable: bool = True
    _unassigned: list[Variable]
    _untracked = Module._untracked | {"_unassigned"}

    @property
    def variable_dtype(self) -> str:
        """The dtype of its weights."""
        raise NotImplementedError

    def _check_ready(self) -> None:
        """Raises RuntimeError if the constructor of the base class has not run."""

    def add_weight(
        self,
        shape_or_name: Any = None,
        /,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
        *,
        shape: Any = None,
    ) -> Variable:
        """Creates a weight of this layer. Assign it to an attribute: that names it.

        Args:
            shape_or_name: its sizes, the same as `shape`; or its name, the same as `name`.
            initializer: by default `glorot_uniform` for floating dtypes and `zeros` for others.
            dtype: by default the layer's `variable_dtype`.
            trainable: whether gradients update it.
            autocast: whether it is read in the compute dtype of a mixed policy.
            regularizer: its penalty is one of the layer's losses.
            constraint: applied after each update.
            name: an explicit name; by default the attribute's.
            shape: its sizes; a scalar by default.

        Raises:
            ValueError: for unknown or negative sizes, or a name that another weight of this layer has.
        """
        self._check_ready()
        if isinstance(shape_or_name, str):
            name = shape_or_name
        elif shape_or_name is not None:
            shape = shape_or_name
        whose = f"A weight of the layer {self.path!r}" if name is None else f"The weight {name!r} of the layer {self.path!r}"
        sizes = check_shape(settled(() if shape is None else shape), whose)
        if calls.stack:
            refuse_another(self, sizes)
        if name is not None:
            taken = next((v for v in self.own_variables() if v._name == name), None)
            if taken is not None:
                again = " Is it made at each call? Make it once, in build." if is_calling(self) else ""
                raise ValueError(
                    f"The layer {self.path!r} already has a weight with the name {name!r}: {taken!r}. The new one, of shape "
                    f"{show_shape(sizes)}, needs another name, or none: then it takes the attribute that it is assigned to.{again}"
                )
        dtype = jnp.dtype(dtype or self.variable_dtype)
        initializer = initializers.get(initializer) or initializers.get("glorot_uniform" if is_floating(dtype) else "zeros")
        variable = Variable(
            initializer,
            shape=sizes,
            dtype=dtype,
            trainable=trainable,
            name=name,
            constraint=constraints.get(constraint),
            regularizer=regularizers.get(regularizer),
            autocast=autocast,
        )
        variable._adopt(self)
        self._unassigned.append(variable)
        if events.listeners:
            given = f"{dtype.name}{show_shape(sizes)} from {type(initializer).__name__}"
            events.note("weight", "weight", subject=variable, given=given)
        return variable

    def _owned(self) -> Iterator[tuple[str, Any]]:
        yield from super()._owned()
        if self._unassigned:
            held = {id(child) for name, value in super()._owned() for _, child in walk(name, value)}
            vars(self)["_unassigned"] = [variable for variable in self._unassigned if id(variable) not in held]
            yield from (("weight", variable) for variable in self._unassigned)

    def sublayers(self) -> "list[Weighted]":
        """Returns the layers that this one holds directly."""
        return [child for child in self.children().values() if isinstance(child, Weighted)]

    def flatten_layers(self) -> "list[Weighted]":
        """Returns this layer and all below it, each once, parents before their children."""
        return list(dict.fromkeys(layer for layer, _ in self._layers_with_state()))

    def _layers_with_state(self) -> "Iterator[tuple[Weighted, bool]]":
        """Yields each layer once, and whether it and all above it are trainable."""
        seen: set[int] = set()
        stack: list[tuple[Weighted, bool]] = [(self, True)]
        while stack:
            layer, above = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            trainable = above and layer._trainable
            yield layer, trainable
            stack.extend((child, trainable) for child in reversed(layer.sublayers()))

    def _weights_with_state(self, layers: "Iterable[tuple[Weighted, bool]] | None" = None) -> dict[Variable, bool]:
        """Returns the weights, a layer's trainable ones before its others, and whether each is trained.

        Args:
            layers: what `_layers_with_state` yields, where that is known.
        """
        weights: dict[Variable, bool] = {}
        for layer, trainable in self._layers_with_state() if layers is None else layers:
            own = layer.own_variables()
            for variable in sorted(own, key=lambda v: not v.trainable):
                weights.setdefault(variable, trainable and variable.trainable)
        return weights

    @property
    def trainable(self) -> bool:
        """Whether its weights are trained. Setting it sets it for all layers below."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.flatten_layers():
            object.__setattr__(layer, "_trainable", bool(value))

    @property
    def weights(self) -> list[Variable]:
        """The weights of this layer and of those below it; those of one layer in the order trainable, then others."""
        return list(self._weights_with_state())

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that gradients update."""
        return [weight for weight, trained in self._weights_with_state().items() if trained]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that gradients do not update: frozen ones, and state such as moving averages."""
        return [weight for weight, trained in self._weights_with_state().items() if not trained]

    @property
    def trainable_variables(self) -> list[Variable]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """All other variables: frozen weights, moving averages, the state of metrics and seed generators."""
        trained = set(self.trainable_weights)
        return [variable for variable in self.variables if variable not in trained]

    def count_params(self) -> int:
        """Returns the number of elements of all weights. Raises ValueError for a layer that is still to be built."""
        if not getattr(self, "built", True) and (getattr(self, "_has_build", False) or self.sublayers()):
            raise ValueError(
                f"The weights of {self.path!r} cannot be counted: it is not built yet. Call it on data, or build(shape)."
            )
        return sum(weight.size for weight in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Returns copies of the weights' values, in the order of `weights`."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all weights, in the order of `weights`.

        Raises:
            ValueError: if the number or a shape is not right; then no weight is set.
        """
        own = self.weights
        values = [np.asarray(value) for value in weights]
        if len(values) != len(own):
            built = "" if own or getattr(self, "built", True) else " It is not built yet: call it on data, or build(shape)."
            raise ValueError(f"{self.path!r} has {len(own)} weights, but {len(values)} values were given.{built}")
        for weight, value in zip(own, values, strict=True):
            known = np.can_cast(value.dtype, np.complex128) or value.dtype == weight.dtype
            if not known or (value.dtype.kind == "c" and np.dtype(weight.dtype).kind != "c"):
                raise ValueError(f"The weight {weight.path!r} takes numbers, not {describe(value)}. No weight was set.")
            if weight.shape != value.shape:
                raise ValueError(
                    f"The weight {weight.path!r} has shape {show_shape(weight.shape)}, but the value given for it has shape "
                    f"{show_shape(value.shape)}. No weight was set."
                )
        for weight, value in zip(own, values, strict=True):
            weight.assign(value)
