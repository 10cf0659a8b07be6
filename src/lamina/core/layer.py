"""Layer: a function with state.

What a layer is and offers is here. How a call goes is in `lamina.core.calls`, how a layer is built in `lamina.core.building`, how
its parts are found in `lamina.core.tree`, and what their paths are in `lamina.core.paths`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

import lamina.core.calls as calls
import lamina.core.dtypes as dtypes
import lamina.core.events as events
import lamina.core.layer_losses as layer_losses
import lamina.core.weights as weights_of
import lamina.regularizers as regularizers
from lamina.core.building import build_once, check_ready, undo_on_error
from lamina.core.config import constructor_arguments, unknown_argument
from lamina.core.context import context
from lamina.core.errors import filter_traceback, filtered, user_line
from lamina.core.frame import transact
from lamina.core.graph import Structure
from lamina.core.graph import record as record_call
from lamina.core.lift import lift
from lamina.core.metric import Metric
from lamina.core.mistakes import refuse_replacement
from lamina.core.module import Module
from lamina.core.names import check_name, snake_case, unique_name
from lamina.core.record import LayerRecord
from lamina.core.shapes import ShapeSpec, abstract_call
from lamina.core.signature import CallSignature
from lamina.core.symbolic import Node, SymbolicTensor
from lamina.core.text import format_arguments, is_short
from lamina.core.tree import walk
from lamina.core.variable import Array, Variable


class Layer(Module, family="layers"):
    """A function with state: the base of everything that is composed.

    A subclass defines some of

    - `__init__(self, ..., **kwargs)`: calls `super().__init__(**kwargs)`, keeps settings, makes sub-layers, and state that
      does not depend on the inputs;
    - `build(self, input_shape)`: makes the weights that do; runs once, before the first `call`;
    - `call(self, inputs, ...)`: computes the outputs. Two arguments are reserved and filled in by themselves: `training`,
      whether the call is part of training, and `mask`, the mask that the inputs carry.

    Weights and sub-layers are whatever its attributes hold, in lists, tuples, dicts and sets too.

    Args:
        trainable: whether its weights are trained.
        name: its name; by default the class's in snake case, made unique.
        dtype: the dtype policy, by name or as a DTypePolicy; by default the global one.
        dynamic: whether `call` needs values that are only known while it runs, so that it is never compiled.
        activity_regularizer: a regularizer of the outputs; its value over the batch size is added to the losses.
        autocast: whether floating inputs are cast to the compute dtype, and weights read in it.

    Raises:
        TypeError: for an argument that neither it nor a base class takes, with the nearest known one.

    >>> class Affine(lamina.Layer):
    ...     def __init__(self, units, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.units = units
    ...     def build(self, input_shape):
    ...         self.kernel = self.add_weight(shape=(input_shape[-1], self.units))
    ...         self.bias = self.add_weight(shape=(self.units,), initializer="zeros")
    ...     def call(self, inputs):
    ...         return inputs @ self.kernel + self.bias
    >>> layer = Affine(3, name="affine")
    >>> layer(np.ones((2, 5))).shape, [weight.path for weight in layer.weights]
    ((2, 3), ['affine/kernel', 'affine/bias'])
    """

    supports_masking: bool = False
    input_spec: Any = None
    built: bool
    _lamina: LayerRecord
    _record = LayerRecord
    _casts_inputs: ClassVar[bool] = True  # whether floating inputs are cast to the compute dtype
    _signature: ClassVar[CallSignature]
    _computes_mask: ClassVar[bool] = False
    _has_build: ClassVar[bool] = False

    # --- construction ------------------------------------------------------------------------------------------------

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = (base for base in cls.__mro__[1:] if "_signature" in vars(base) and base.call is cls.call)  # type: ignore[attr-defined]
        cls._signature = next((base._signature for base in inherited), None) or CallSignature(cls.call)  # type: ignore[attr-defined]
        cls._computes_mask = cls.compute_mask is not Layer.compute_mask
        of_no_layer = cls.build is not Layer.build and not hasattr(cls.build, "_runs_once")  # but of a class beside it
        if "build" in vars(cls) or of_no_layer:
            cls._has_build = True
            cls.build = build_once(cls.build)  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Makes what every layer has, so that attributes can be set before `super().__init__()` is called."""
        self = super().__new__(cls, *args, **kwargs)
        vars(self)["built"] = False
        return self

    def __init__(
        self,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
        dynamic: bool = False,
        activity_regularizer: Any = None,
        autocast: bool = True,
        **unknown: Any,
    ) -> None:
        for name_of_unknown in unknown:
            raise unknown_argument(type(self), name_of_unknown)
        record = self._lamina
        record.name = None if name is None else check_name(name)
        record.made_name = record.name or unique_name(snake_case(type(self).__name__))
        record.trainable, record.dynamic = bool(trainable), bool(dynamic)
        self.autocast = bool(autocast)
        _take_policy(self, dtypes.get(dtype))
        self.activity_regularizer = regularizers.get(activity_regularizer)
        record.ready = True
        if events.listeners:
            events.note("construct", type(self).__name__, subject=self, where=user_line(made=self))

    # --- what subclasses define --------------------------------------------------------------------------------------

    def build(self, *input_shapes: Any) -> None:
        """Creates the state that depends on the shapes of the inputs, without any data.

        A layer that does not define it is built by running `call` abstractly on inputs of the given shapes.

        Args:
            input_shapes: the shape of each input; None in it is an unknown size. One structure of shapes stands for one
                structure of inputs.
        """
        record = self._lamina
        with record.lock:
            if self.built or record.building:  # a build that a subclass defines may end with super().build(...)
                return
            if not input_shapes:
                self.built = True
                return
            try:
                _run_abstractly(self, *input_shapes)
            except Exception as error:
                filter_traceback(error)
                raise

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs. Every layer that is called defines it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no call(self, inputs). Define it: it computes the outputs from the inputs."
        )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask of the outputs: that of the inputs if the layer supports masking, else None.

        Args:
            inputs: the first argument of `call`.
            mask: the mask that the inputs carry, nested as they are, or None.
        """
        return mask if self.supports_masking else None

    @filtered
    def compute_output_shape(self, *input_shapes: Any) -> Any:
        """Returns the shape of the outputs for inputs of the given shapes, by running `call` without numbers.

        >>> lamina.layers.Dense(7).compute_output_shape((None, 5))
        (None, 7)
        """
        return jax.tree.map(lambda spec: spec.shape, _run_abstractly(self, *input_shapes))

    # --- the call ----------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Builds the layer if need be and computes its outputs; on symbolic tensors, records the call."""
        try:
            check_ready(self)
            if calls.has_symbolic(args) or (kwargs and calls.has_symbolic(kwargs)):
                return _connect(self, args, kwargs)
            if context.frames:
                return calls.run(self, args, kwargs)
            return transact(calls.run, self, args, kwargs)
        except Exception as error:
            filter_traceback(error)
            raise

    # --- weights -----------------------------------------------------------------------------------------------------

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
        check_ready(self)
        if isinstance(shape_or_name, str):
            name = shape_or_name
        elif shape_or_name is not None:
            shape = shape_or_name
        return weights_of.make_weight(self, shape, initializer, dtype, trainable, autocast, regularizer, constraint, name)

    @property
    def trainable(self) -> bool:
        """Whether its weights are trained. Setting it sets it for all layers below."""
        return self._lamina.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in weights_of.layers_of(self):
            layer._lamina.trainable = bool(value)

    @property
    def weights(self) -> list[Variable]:
        """The weights of this layer and of those below it; those of one layer in the order trainable, then others."""
        return list(weights_of.weights_with_trainability(self))

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that gradients update."""
        return [weight for weight, trained in weights_of.weights_with_trainability(self).items() if trained]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that gradients do not update: frozen ones, and state such as moving averages."""
        return [weight for weight, trained in weights_of.weights_with_trainability(self).items() if not trained]

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
        if not self.built and (type(self)._has_build or weights_of.layers_in(self)):
            raise ValueError(
                f"The weights of {self.path!r} cannot be counted: it is not built yet. Call it on data, or build(shape)."
            )
        return sum(weight.size for weight in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Returns copies of the weights' values, in the order of `weights`: all of one moment, also while the model is trained."""
        return weights_of.get_weights(self)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all weights, in the order of `weights`.

        Raises:
            ValueError: if the number or a shape is not right; then no weight is set.
        """
        weights_of.set_weights(self, weights)

    # --- losses and metrics ------------------------------------------------------------------------------------------

    def add_loss(self, losses: Any) -> None:
        """Adds one loss, or a list of them, to what training minimises.

        Args:
            losses: values, for the call that is running; functions without arguments, computed each time `losses` is
                read; or symbolic tensors of the model's graph, computed at each of its calls.
        """
        layer_losses.add_loss(self, losses)

    def add_metric(self, value: Any, name: str | None = None) -> None:
        """Takes a value into a mean over batches that training shows and logs.

        Args:
            value: an array, in `call`; a symbolic tensor of a model's graph; or a Metric, whose `result` is shown.
            name: what logs call it. May only be left out for a Metric.

        Raises:
            ValueError: if there is no name.
        """
        layer_losses.add_metric(self, value, name)

    @property
    def losses(self) -> list[Any]:
        """The losses of this layer and of those below it: from the last call, from functions, and of weights."""
        return layer_losses.losses_of(self)

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of this layer and of those below it."""
        return layer_losses.metrics_of(self)

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The explicit name, or one made from the class's that is unique since `clear_session`."""
        return self._lamina.made_name or snake_case(type(self).__name__)

    @property
    def dtype_policy(self) -> dtypes.DTypePolicy:
        """In which dtypes it keeps its weights and computes."""
        return self._lamina.policy

    @property
    def dtype(self) -> str:
        """The dtype of its weights."""
        return self._lamina.policy.variable_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of its weights."""
        return self._lamina.policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype that floating inputs are cast to, and in which weights are read in `call`."""
        return self._lamina.policy.compute_dtype

    @property
    def dynamic(self) -> bool:
        """Whether it, or a layer below it, must run as plain Python."""
        return any(layer._lamina.dynamic for layer in weights_of.layers_of(self))

    @property
    def input(self) -> Any:
        """The symbolic input of a layer that was connected once. Raises AttributeError otherwise."""
        node = _only_node(self, "input")
        return node.args[0] if len(node.args) == 1 else list(node.args)

    @property
    def output(self) -> Any:
        """The symbolic output of a layer that was connected once. Raises AttributeError otherwise."""
        return _only_node(self, "output").outputs

    def _facts(self) -> Iterable[str]:
        given = {name: value for name, value in self._given_by_name().items() if name != "name" and is_short(value)}
        return [self.path, *format_arguments(given), *([] if self.built else ["not built"])]

    # --- other forms -------------------------------------------------------------------------------------------------

    @filtered
    def stateless_call(
        self, trainable_values: Sequence[Any], non_trainable_values: Sequence[Any], *args: Any, **kwargs: Any
    ) -> tuple[Any, list[Array]]:
        """Calls the layer as a pure function, for raw JAX transformations.

        Args:
            trainable_values: a value for each of `trainable_variables`.
            non_trainable_values: a value for each of `non_trainable_variables`.
            args: what `call` takes.
            kwargs: likewise.

        Returns:
            The outputs, and the new values of `non_trainable_variables`.

        Raises:
            ValueError: if the layer is not built, or the numbers of values are not right.
        """
        if not self.built:
            raise ValueError(f"The layer {self.path!r} is not built yet: call it on data first, or build(shape).")
        trained, others = self.trainable_variables, self.non_trainable_variables
        if (len(trainable_values), len(non_trainable_values)) != (len(trained), len(others)):
            raise ValueError(
                f"The layer {self.path!r} has {len(trained)} trainable and {len(others)} other variables; values for "
                f"{len(trainable_values)} and {len(non_trainable_values)} were given."
            )
        outputs, values = lift(self, [*trained, *others])([*trainable_values, *non_trainable_values], *args, **kwargs)
        return outputs, values[len(trained) :]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, the name and the dtype policy: what `from_config` takes."""
        config = super().get_config()
        base = {"name": self.name, "trainable": self.trainable, "dtype": dtypes.written(self._lamina.policy)}
        cls: type = type(self)
        known = constructor_arguments(cls)
        return {**config, **{key: value for key, value in base.items() if known is None or key in known}}

    # --- the tree ----------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "built" and value and not self._lamina.building:
            self._lamina.built_at = user_line()
        super().__setattr__(name, value)

    def _check_replaced(self, name: str, before: Any, now: Any) -> None:
        kinds = (Variable, Layer)
        if context.calls and isinstance(before, kinds) and isinstance(now, kinds):
            refuse_replacement(self, name, before, now)

    def _attached(self, value: Any) -> None:
        made = self._lamina.unassigned
        if made:
            held = {id(child) for _, child in walk("", value)}
            self._lamina.unassigned = [variable for variable in made if id(variable) not in held]

    def _besides(self) -> Iterable[tuple[str, Any]]:
        record, parts = self._lamina, super()._besides()
        if not record.unassigned and not record.added_metrics:
            return parts
        return [*parts, *weights_of.unassigned(self), *record.added_metrics.items()]

    def _gives_mask(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Tells whether the outputs of a call are given the mask that `compute_mask` makes."""
        return True

    def _structure(self) -> Structure | None:
        """Returns how its parts are connected, where that is known."""
        return None

    def _when_built(self, shapes: tuple[Any, ...]) -> None:
        """Takes note of the shapes that it was built for."""


def _take_policy(layer: Layer, policy: dtypes.DTypePolicy) -> None:
    record = layer._lamina
    record.policy = policy
    compute_dtype = jnp.dtype(policy.compute_dtype)
    record.input_dtype = compute_dtype if type(layer)._casts_inputs and layer.autocast else None
    mixed = policy.compute_dtype != policy.variable_dtype
    record.weight_dtype = compute_dtype if mixed and layer.autocast else None


def _connect(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Records a call on symbolic tensors."""
    outputs = None
    if layer.dynamic and type(layer).compute_output_shape is not Layer.compute_output_shape:
        shapes = [jax.tree.map(lambda t: t.shape, arg, is_leaf=lambda t: isinstance(t, SymbolicTensor)) for arg in args]
        outputs = jax.tree.map(
            lambda shape: ShapeSpec(tuple(shape), layer.compute_dtype),
            layer.compute_output_shape(*shapes),
            is_leaf=lambda leaf: isinstance(leaf, tuple),
        )
    outputs = record_call(layer, args, kwargs, outputs, lambda: undo_on_error(layer))
    layer._lamina.nodes.append(next(leaf._node for leaf in jax.tree.leaves(outputs)))
    return outputs


def _run_abstractly(layer: Layer, *input_shapes: Any) -> Any:
    """Runs a layer without numbers, which builds it; returns its outputs as specs."""
    check_ready(layer)
    inputs = tuple(symbolic_inputs(layer, shape) for shape in input_shapes)
    return abstract_call(layer, inputs, {}, lambda: undo_on_error(layer))


def symbolic_inputs(layer: Layer, shapes: Any) -> Any:
    """Returns symbolic inputs of a layer, for a shape or for a structure of shapes."""
    if isinstance(shapes, dict):
        return {key: symbolic_inputs(layer, shape) for key, shape in shapes.items()}
    if any(isinstance(item, (list, tuple, dict)) for item in shapes):
        return type(shapes)(symbolic_inputs(layer, shape) for shape in shapes)
    return SymbolicTensor(shapes, layer.compute_dtype)


def _only_node(layer: Layer, what: str) -> Node:
    nodes = layer._lamina.nodes
    if len(nodes) != 1:
        raise AttributeError(
            f"The layer {layer.path!r} was called on symbolic tensors {len(nodes)} times, so it has no one {what}. "
            f"Keep what its call returned instead of asking for layer.{what}."
        )
    return nodes[0]


Layer._signature = CallSignature(Layer.call)
