"""Layer: a function with state.

`Layer.__call__` is the pipeline of a layer call; each of its steps is one function, here or in `lamina.core.calls`.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp

import lamina.regularizers as regularizers
from lamina.core import dtypes, events
from lamina.core.building import build_once, shapes_for, shapes_of, specs_of
from lamina.core.calls import (
    CallSignature,
    call_signature,
    calls,
    cast_input,
    current_root,
    has_symbolic,
    undo_on_error,
)
from lamina.core.config import constructor_arguments, unknown_argument
from lamina.core.contributions import Contributing
from lamina.core.errors import describe_call, forgotten_init, show_shapes, user_line
from lamina.core.frame import Cell, Transaction, in_trace, thread
from lamina.core.graph import record
from lamina.core.input_spec import check_inputs
from lamina.core.leaving import explain, explaining, leave, public
from lamina.core.lift import lift
from lamina.core.made_once import explain_early, refuse_replacement, warn_of_unheld
from lamina.core.masks import any_masks, check_masks, mask_of, with_mask
from lamina.core.naming import snake_case, unique_name
from lamina.core.shapes import ShapeSpec, abstract_call, settled
from lamina.core.shown import is_plain, shown_arguments
from lamina.core.symbolic import Node, SymbolicTensor
from lamina.core.variable import Array, Variable, check_name


class Layer(Contributing, family="layers"):
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
    casts_inputs: bool = True  # whether floating inputs are cast to the compute dtype
    _signature: ClassVar[CallSignature]
    _computes_mask: ClassVar[bool] = False
    _has_build: ClassVar[bool] = False
    _ready: bool = False
    built: bool
    _building: bool
    _nodes: list[Node]
    _unassigned: list[Variable]
    _built_with: tuple[tuple[Any, ...], str | None] | None  # the shapes, and the user's line
    _called_with: tuple[tuple[Any, ...], dict[str, Any]] | None  # the arguments of the first call, arrays as ShapeSpecs
    _untracked = Contributing._untracked | {"_nodes", "_unassigned", "_built_with", "_called_with", "input_spec"}

    # --- construction ------------------------------------------------------------------------------------------------

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._signature = call_signature(cls.call)
        cls._computes_mask = cls.compute_mask is not Layer.compute_mask
        if "build" in vars(cls):
            cls._has_build = True
            cls.build = build_once(vars(cls)["build"])  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Makes what every layer has, so that attributes can be set before `super().__init__()` is called."""
        self = super().__new__(cls, *args, **kwargs)
        vars(self).update(built=False, _building=False, _nodes=[], _unassigned=[])
        vars(self).update(_built_with=None, _called_with=None, _call_losses=Cell())
        return self

    def __init__(
        self,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
        dynamic: bool = False,
        activity_regularizer: Any = None,
        autocast: bool = True,
        **kwargs: Any,
    ) -> None:
        for unknown in kwargs:
            raise unknown_argument(type(self), unknown)
        super().__init__()
        self._explicit_name = None if name is None else check_name(name)
        self._name = self._explicit_name or unique_name(snake_case(type(self).__name__))
        self._trainable = bool(trainable)
        self._dynamic = bool(dynamic)
        self.autocast = bool(autocast)
        self.casts_inputs = self.casts_inputs and self.autocast
        self._set_policy(dtype)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._ready = True
        if events.listeners:
            events.note("construct", type(self).__name__, subject=self, where=user_line(made=self))

    def _set_policy(self, dtype: Any) -> None:
        self._policy = dtypes.get(dtype)
        self._compute_dtype = jnp.dtype(self._policy.compute_dtype)
        mixed = self._policy.compute_dtype != self._policy.variable_dtype
        self._autocast = self._compute_dtype if mixed and self.autocast else None

    def _check_ready(self) -> None:
        if not self._ready:
            raise forgotten_init(type(self))

    # --- what subclasses define --------------------------------------------------------------------------------------

    def build(self, *input_shapes: Any) -> None:
        """Creates the state that depends on the shapes of the inputs, without any data.

        A layer that does not define it is built by running `call` abstractly on inputs of the given shapes.

        Args:
            input_shapes: the shape of each input; None in it is an unknown size. One structure of shapes stands for one
                structure of inputs.
        """
        if self.built or self._building:  # a build that a subclass defines may end with super().build(...)
            return
        if not input_shapes:
            self.built = True
            return
        try:
            self._check_ready()
            abstract_call(self, tuple(self._symbolic(shape) for shape in input_shapes), {}, self._attempt)
        except Exception as error:
            leave(error)
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

    @public
    def compute_output_shape(self, *input_shapes: Any) -> Any:
        """Returns the shape of the outputs for inputs of the given shapes, by running `call` without numbers.

        >>> lamina.layers.Dense(7).compute_output_shape((None, 5))
        (None, 7)
        """
        self._check_ready()
        outputs = abstract_call(self, tuple(self._symbolic(shape) for shape in input_shapes), {}, self._attempt)
        return jax.tree.map(lambda spec: spec.shape, outputs)

    def _symbolic(self, shapes: Any) -> Any:
        """Returns symbolic inputs for a shape, or for a structure of shapes."""
        if isinstance(shapes, dict):
            return {key: self._symbolic(shape) for key, shape in shapes.items()}
        if any(isinstance(item, (list, tuple, dict)) for item in shapes):
            return type(shapes)(self._symbolic(shape) for shape in shapes)
        return SymbolicTensor(shapes, self.compute_dtype)

    # --- the call ----------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Builds the layer if need be and computes its outputs; on symbolic tensors, records the call."""
        try:
            self._check_ready()
            if has_symbolic(args) or (kwargs and has_symbolic(kwargs)):
                return self._connect(args, kwargs)
            if thread.frames:
                return self._enter(args, kwargs)
            with Transaction():
                return self._enter(args, kwargs)
        except Exception as error:
            leave(error)
            raise

    def _enter(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the call inside what surrounds it: the stack of calls, the dtype that weights are read in, the errors."""
        stack, autocast, training = calls.stack, thread.autocast, thread.training
        root, frame = current_root(self), thread.frames[-1]
        written = len(frame.log)
        if not stack:
            self._forget_losses()
        try:
            dtype = self._compute_dtype if self.casts_inputs else None
            args = tuple([cast_input(arg, dtype) for arg in args])
            for key in kwargs:
                kwargs[key] = cast_input(kwargs[key], dtype)
            args, thread.training = self._signature.resolve_training(args, kwargs, training)
            stack.append((self, root))
            try:
                if self.built:
                    return self._compute(args, kwargs)
                with undo_on_error(self):
                    return self._compute_first(args, kwargs)
            finally:
                stack.pop()
                thread.autocast = autocast
                thread.training = training
        except Exception as error:
            frame.undo(written)
            self._explain(error, args, kwargs)
            raise

    def _compute_first(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The first call: builds the layer from the shapes of its inputs, or by the call itself."""
        self.children()  # adopts them, so that their paths are known from here on
        shapes = settled(shapes_of(args, kwargs, self._signature))
        self._called_with = specs_of(args, kwargs)
        if self._has_build:
            if self.input_spec is not None:
                check_inputs(self.input_spec, self._signature.first(args, kwargs), self)
            self.build(*shapes_for(type(self).build, shapes))
        if self.built:
            return self._compute(args, kwargs)
        given = tuple(shapes.values())
        with self._told_build(given):
            outputs = self._compute(args, kwargs)
        if not self.built:
            self.built = True
            self._note_built(given)
        return outputs

    def _compute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The steps of every call: check the inputs, find the masks, compute, regularise, pass the mask on."""
        signature = self._signature
        if self.input_spec is not None:
            check_inputs(self.input_spec, signature.first(args, kwargs), self)
        if signature.masks:
            signature.resolve_masks(args, kwargs)
        elif self.supports_masking and any_masks():
            inputs = signature.first(args, kwargs)
            check_masks(inputs, mask_of(inputs), self)
        thread.autocast = self._autocast
        outputs = (self._told_call if events.listeners else self.call)(*args, **kwargs)
        if isinstance(outputs, (Variable, list, tuple, dict)):
            outputs = jax.tree.map(lambda leaf: leaf, outputs)  # variables become their values
        if self.activity_regularizer is not None:
            self._regularize_activity(outputs)
        return self._pass_mask(args, kwargs, outputs) if self._computes_mask or any_masks() else outputs

    def _told_call(self, *args: Any, **kwargs: Any) -> Any:
        """Runs `call`, and tells those who watch."""
        why = events.why_called((args, kwargs), in_trace())
        with events.happening("call", type(self).__name__, subject=self, reason=why, given=describe_call(args, kwargs)) as event:
            outputs = self.call(*args, **kwargs)
            event.gave = jax.tree.map(lambda leaf: ShapeSpec(jnp.shape(leaf), jnp.result_type(leaf)), outputs)
            return outputs

    def _told_build(self, shapes: tuple[Any, ...]) -> Any:
        """Returns a context that tells those who watch of a build."""
        if not events.listeners:
            return contextlib.nullcontext()
        because = "build() was called"
        if calls.stack and calls.stack[-1][0] is self:
            because = f"its first call, {events.in_words(events.why_called((), in_trace()))}"
        given = ", ".join(show_shapes(shape) for shape in shapes)
        return events.happening("build", type(self).__name__, subject=self, given=given, because=because)

    def _pass_mask(self, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> Any:
        """Puts the mask that `compute_mask` gives on the outputs; parts of composite layers may have put one on already."""
        inputs = self._signature.first(args, kwargs)
        mask = kwargs.get("mask")
        mask = mask_of(inputs) if mask is None else mask
        held = [leaf for leaf in jax.tree.leaves((args, kwargs)) if isinstance(leaf, jax.Array)]
        if self._computes_mask or (self.supports_masking and mask is not None):
            return with_mask(outputs, self.compute_mask(inputs, mask), held)
        if not self.supports_masking and isinstance(outputs, jax.Array) and any(outputs is array for array in held):
            return with_mask(outputs, None, held)
        return outputs

    def _connect(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Records a call on symbolic tensors."""
        outputs = None
        if self.dynamic and type(self).compute_output_shape is not Layer.compute_output_shape:
            shapes = [jax.tree.map(lambda t: t.shape, arg, is_leaf=lambda t: isinstance(t, SymbolicTensor)) for arg in args]
            outputs = jax.tree.map(
                lambda shape: ShapeSpec(tuple(shape), self.compute_dtype),
                self.compute_output_shape(*shapes),
                is_leaf=lambda leaf: isinstance(leaf, tuple),
            )
        outputs = record(self, args, kwargs, outputs, self._attempt)
        self._nodes.append(next(leaf.node for leaf in jax.tree.leaves(outputs)))
        return outputs

    def _attempt(self) -> undo_on_error:
        return undo_on_error(self)

    def _explain(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Adds to an error, once, which layer it came from, how that was called and built, and the user's lines."""
        explain_early(error, self)
        subject = f"the layer {self.path!r} ({type(self).__name__})"
        explain(error, subject, describe_call(args, kwargs), self._built_with, precisely=True)

    def _note_built(self, shapes: tuple[Any, ...]) -> None:
        self._built_with = (shapes, user_line())
        if calls.stack and not self._parents:
            warn_of_unheld(self)

    def _check_replaced(self, name: str, before: Any, now: Any) -> None:
        kinds = (Variable, Layer)
        if calls.stack and isinstance(before, kinds) and isinstance(now, kinds):
            refuse_replacement(self, name, before, now)

    # --- properties --------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The explicit name, or one made from the class's that is unique since `clear_session`."""
        return self._name if self._ready else snake_case(type(self).__name__)

    @property
    def dtype_policy(self) -> dtypes.DTypePolicy:
        """In which dtypes it keeps its weights and computes."""
        return self._policy

    @property
    def dtype(self) -> str:
        """The dtype of its weights."""
        return self._policy.variable_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of its weights."""
        return self._policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype that floating inputs are cast to, and in which weights are read in `call`."""
        return self._policy.compute_dtype

    @property
    def dynamic(self) -> bool:
        """Whether it, or a layer below it, must run as plain Python."""
        return any(layer._dynamic for layer in self.flatten_layers() if isinstance(layer, Layer))

    @property
    def input(self) -> Any:
        """The symbolic input of a layer that was connected once. Raises AttributeError otherwise."""
        node = self._only_node("input")
        return node.args[0] if len(node.args) == 1 else list(node.args)

    @property
    def output(self) -> Any:
        """The symbolic output of a layer that was connected once. Raises AttributeError otherwise."""
        return self._only_node("output").outputs

    def _only_node(self, what: str) -> Node:
        if len(self._nodes) != 1:
            raise AttributeError(
                f"The layer {self.path!r} was called on symbolic tensors {len(self._nodes)} times, so it has no one {what}. "
                f"Keep what its call returned instead of asking for layer.{what}."
            )
        return self._nodes[0]

    def _facts(self) -> Iterable[str]:
        given = {name: value for name, value in self._given_by_name().items() if name != "name" and is_plain(value)}
        return [self.path, *shown_arguments(given), *([] if self.built else ["not built"])]

    # --- other forms -------------------------------------------------------------------------------------------------

    @public
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
        base = {"name": self.name, "trainable": self._trainable, "dtype": self._policy.name}
        cls: type = type(self)
        known = constructor_arguments(cls)
        return {**config, **{key: value for key, value in base.items() if known is None or key in known}}


explaining.add(Layer._enter.__code__)
Layer._signature = call_signature(Layer.call)
