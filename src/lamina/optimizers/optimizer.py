"""Optimizer: moves variables against their gradients, by an optax transformation."""

import contextlib
import inspect
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina.initializers as initializers
import lamina.optimizers.checks as checks
from lamina.core.config import constructor_arguments, serialize
from lamina.core.context import context
from lamina.core.control import cond
from lamina.core.errors import filtered
from lamina.core.frame import concrete, transact
from lamina.core.names import snake_case
from lamina.core.paths import Paths
from lamina.core.placement import is_on_one_cpu, own_memory, to_host
from lamina.core.text import format_arguments, suggest, unused_name
from lamina.core.tree import attach
from lamina.core.variable import Array, Variable
from lamina.optimizers.base import BaseOptimizer, by_target
from lamina.optimizers.ravel import MOST, Groups
from lamina.optimizers.slots import Kept, OptimizerRecord, slot_variable

Moves = dict[Variable, Array]


class Optimizer(BaseOptimizer):
    """variable ← constraint(variable + update), the update from an optax transformation of the gradient.

    A subclass defines `transformation()`, or, as in Keras, `update_step(gradient, variable, learning_rate)`. A step, where all
    options are on, is in this order: gradients are divided by `loss_scale_factor`, gathered over `gradient_accumulation_steps`
    calls, clipped; variables shrink by their weight decay, and are updated; their moving averages follow; every so often the
    averages take their place; constraints are applied.

    Gradients that are None, and variables that a step leaves out, stay as they are, with all that is kept for them.

    `variables` holds, in this order, `iterations`, `learning_rate` (where it is a number), what is kept for all variables together,
    and for each variable its slots (`momentum`, ...), its moving average and the sum of its gradients. A slot's path has the path
    of its variable in it: `adam/net/dense/kernel/momentum`. It is placed as the variable is, and follows at the next step where
    that has been moved. What is kept for a variable stays while it is frozen, and goes when the variable does; a variable that is
    new is given slots at its first step.

    Args:
        learning_rate: the size of a step; or a function of the number of calls before this one, such as those of
            `lamina.optimizers.schedules` or optax.
        name: its name; by default the class's in snake case.
        weight_decay: w ← w - learning_rate * weight_decay * w before each update.
        clipnorm: gradients whose norm is greater are scaled to this norm, each by itself.
        clipvalue: gradients are limited to the range from -clipvalue to clipvalue.
        global_clipnorm: if the norm of all gradients together is greater, they are scaled so that it is this.
        use_ema: keep an exponential moving average a ← ema_momentum * a + (1 - ema_momentum) * w of each variable.
        ema_momentum: how much of it is kept at each step, from 0 to 1.
        ema_overwrite_frequency: the averages replace the variables after every n-th step; None for only at the end of training, by
            `finalize_variable_values`.
        loss_scale_factor: what `scale_loss` multiplies the loss with, and gradients are divided by.
        gradient_accumulation_steps: move only at every n-th call, by the mean of the gradients since the last time.

    Raises:
        ValueError: for an argument out of its range, named in the message.
    """

    elementwise: bool = (
        False  # whether what happens to an element depends on its own gradients alone; small arrays may be updated as one then
    )
    _record = OptimizerRecord
    _lamina: OptimizerRecord

    def __init__(
        self,
        learning_rate: Any,
        *,
        name: str | None = None,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        for unknown in kwargs:
            known = {*inspect.signature(type(self).__init__).parameters, *_OPTIONS} - {"self", "kwargs"}
            raise TypeError(f"{type(self).__name__} takes no argument {unknown!r}. {suggest(unknown, known)}")
        if not callable(learning_rate):
            checks.not_negative(learning_rate=learning_rate)
        clips = checks.given(clipnorm=clipnorm, clipvalue=clipvalue, global_clipnorm=global_clipnorm)
        if len(clips) > 1:
            raise ValueError(f"Gradients are clipped in one way, not by {' and '.join(clips)}. Leave all but one out.")
        checks.positive(**clips, **checks.given(loss_scale_factor=loss_scale_factor))
        checks.not_negative(**checks.given(weight_decay=weight_decay))
        checks.fractions(ema_momentum=ema_momentum)
        checks.integers(1, **checks.given(ema_overwrite_frequency=ema_overwrite_frequency))
        checks.integers(2, **checks.given(gradient_accumulation_steps=gradient_accumulation_steps))
        if ema_overwrite_frequency is not None and not use_ema:
            raise ValueError(f"ema_overwrite_frequency={ema_overwrite_frequency} needs the averages of use_ema=True.")
        record = self._lamina
        record.name = name or snake_case(type(self).__name__)
        self.weight_decay, self.loss_scale_factor = weight_decay, loss_scale_factor
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum, self.ema_overwrite_frequency = use_ema, ema_momentum, ema_overwrite_frequency
        self.gradient_accumulation_steps = gradient_accumulation_steps
        record.iterations = Variable(0, trainable=False, name="iterations")
        record.learning_rate = learning_rate
        attach(self, "iterations", record.iterations)
        if not callable(learning_rate):
            record.learning_rate = Variable(float(learning_rate), trainable=False, dtype="float32", name="learning_rate")
            attach(self, "learning_rate", record.learning_rate)
        self.built = False

    def _facts(self) -> Iterable[str]:
        rate: Any = self._lamina.learning_rate
        steps = int(to_host(self._lamina.iterations._value))
        if isinstance(rate, Variable):
            rate = float(f"{to_host(rate._value):.6g}")
        given = {name: value for name, value in self._given_by_name().items() if name not in ("name", "learning_rate")}
        return [*format_arguments({"learning_rate": rate, **given}), f"{steps:,} step{'' if steps == 1 else 's'} done"]

    # --- what subclasses define --------------------------------------------------------------------------------------

    def transformation(self) -> Any:
        """Returns the optax transformation from gradients to what is added to the variables.

        Its arrays are dicts by the variables' paths. `update` is given, besides, `learning_rate` and `step`, the number of the
        update from 1 on, both as float32; `lamina.optimizers.descend()` is the transformation that multiplies with -learning_rate.
        """
        if not _steps_by_variable(self):
            raise NotImplementedError(f"{type(self).__name__} has no transformation(self). Define it: it returns an optax one.")
        import optax

        return optax.identity()

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Moves one variable: what a subclass may define in place of `transformation`.

        It assigns to the variable, and to what the subclass's `build` has made with `add_variable_from_reference`.

        Args:
            gradient: the gradient, clipped as the options say.
            variable: the variable, shrunk by its weight decay.
            learning_rate: the size of this step.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update_step(self, gradient, variable, learning_rate).")

    # --- what it keeps -----------------------------------------------------------------------------------------------

    @property
    def iterations(self) -> Any:
        """The number of steps so far: of calls, or of updates where gradients are accumulated."""
        steps = self.gradient_accumulation_steps
        return self._lamina.iterations if steps is None else self._lamina.iterations._read() // steps

    @property
    def learning_rate(self) -> Any:
        """The size of a step now; assign a number to change it, also between batches. A schedule cannot be changed to a number."""
        rate = self._lamina.learning_rate
        return rate if isinstance(rate, Variable) else self._rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        rate = self._lamina.learning_rate
        if callable(value) and not isinstance(value, Variable):
            if self.built:
                raise ValueError(
                    f"{self.name} has taken steps, and compiled ones would keep the learning rate that they have. Give the "
                    "schedule to a new optimizer."
                )
            self._lamina.learning_rate = value
            return
        if not isinstance(rate, Variable):
            raise ValueError(
                f"The learning rate of {self.name} follows the schedule {rate!r}; {value!r} cannot be assigned to "
                "it. Create the optimizer with a number to assign others."
            )
        if not isinstance(value, (Variable, jax.Array)):
            checks.not_negative(learning_rate=value)
        rate.assign(value)

    def _rate(self) -> Array:
        rate = self._lamina.learning_rate
        return rate._read() if isinstance(rate, Variable) else jnp.asarray(rate(self._lamina.iterations._read()), "float32")

    @property
    def variables(self) -> list[Variable]:
        """All that it keeps: see the class."""
        return self._lamina.variables()

    @property
    def targets(self) -> list[Variable]:
        """The variables that it keeps state for, in the order in which they came."""
        return self._lamina.targets()

    def _refers_to(self) -> Iterator[Variable]:
        yield from (*self.targets, *self._lamina.excluded[0])

    def _besides(self) -> Iterable[tuple[str, Variable]]:
        return self._lamina.by_path({})

    def _variables_by_path(self, paths: Mapping[int, str]) -> Iterator[tuple[str, Variable]]:
        return self._lamina.by_path(paths)

    def state_of(self, variable: Variable) -> dict[str, Array]:
        """Returns what is kept for a variable: its slots by their names, its `average` and its `accumulator`.

        >>> w = lamina.Variable([1.0, 2.0])
        >>> optimizer = lamina.optimizers.SGD(0.5, momentum=0.9)
        >>> optimizer.apply([np.ones(2)], [w])
        >>> optimizer.state_of(w)
        {'momentum': Array([-0.5, -0.5], dtype=float32)}
        """
        return {slot: held.value for slot, held in self._kept_for(variable).by_slot().items()}

    def _kept_for(self, variable: Variable) -> Kept:
        kept = self._lamina.kept.get(id(variable))
        if kept is None:
            raise ValueError(f"{self.name} keeps nothing for {variable!r}: it does not move it, or has not yet.")
        return kept

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, with the learning rate as it is now."""
        cls: type = type(self)
        taken = constructor_arguments(cls)
        config = {name: getattr(self, name) for name in _OPTIONS if taken is None or name in taken}
        config.update(super().get_config())
        rate = self._lamina.learning_rate
        if "learning_rate" in config and isinstance(rate, Variable):
            now = rate.numpy()
            if callable(config["learning_rate"]) or np.float32(config["learning_rate"]) != now:
                config["learning_rate"] = float(now)
        elif "learning_rate" in config:
            config["learning_rate"] = serialize(rate)
        return config

    # --- before the first step ---------------------------------------------------------------------------------------

    def exclude_from_weight_decay(self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None) -> None:
        """Takes variables out of weight decay. The last call counts.

        Args:
            var_list: the variables.
            var_names: regular expressions; variables in whose name one is found, such as "bias".

        Raises:
            ValueError: after the first step.
        """
        if self.built:
            raise ValueError(f"{self.name} has taken steps already; exclude variables from weight decay before the first.")
        self._lamina.excluded = set(var_list or ()), re.compile("|".join(var_names)) if var_names else None

    def _decay_of(self, variable: Variable) -> float:
        """Returns the share of its learning rate by which a variable shrinks at each step."""
        return 0.0 if self._spared(variable) else self.weight_decay or 0.0

    def _spared(self, variable: Variable) -> bool:
        """Tells whether a variable has been taken out of weight decay."""
        variables, names = self._lamina.excluded
        return variable in variables or (names is not None and names.search(variable.name) is not None)

    def build(self, variables: Iterable[Variable]) -> None:
        """Creates the state for variables that it is to move; what it has for others stays. Runs by itself at each new one.

        What it has already for these variables is placed as they are now.
        """
        variables = list(variables)
        new = [variable for variable in variables if id(variable) not in self._lamina.kept]
        self._follow(variables)
        if new:
            paths = Paths()
            with concrete():
                self._keep(new, [self._lamina.keep(variable, paths.of(variable)) for variable in new])
        self.built = True

    def _follow(self, variables: Iterable[Variable]) -> None:
        """Places what it has for variables as these are, which may have been moved since."""
        moved = [variable for variable in variables if variable.placement is not None]
        with concrete() if moved else contextlib.nullcontext():
            for variable in moved:
                if (kept := self._lamina.kept.get(id(variable))) is not None:
                    kept.follow(variable)

    def _keep(self, variables: list[Variable], kept: list[Kept]) -> None:
        """Makes the slots of new variables, and at the first call what is kept for all together."""
        values = {own.name: to_host(variable._read()) for own, variable in zip(kept, variables, strict=True)}
        by_name = {own.name: (own, variable) for own, variable in zip(kept, variables, strict=True)}
        leaves, _ = jax.tree_util.tree_flatten_with_path(self.transformation().init(values))
        for (slot, name), (_, leaf) in zip(_places(leaves, values), leaves, strict=True):
            if name is not None:
                own, variable = by_name[name]
                self._attach(own.slots, slot, slot_variable(leaf, variable))
            elif slot not in self._lamina.shared:
                self._attach(self._lamina.shared, slot, slot_variable(leaf))
        for own, variable in by_name.values():
            for slot, wanted in (("average", self.use_ema), ("accumulator", self.gradient_accumulation_steps is not None)):
                if wanted:
                    self._attach(own.extra, slot, slot_variable(np.zeros(variable.shape, variable.dtype), variable))

    def _attach(self, among: dict[str, Variable], slot: str, variable: Variable) -> Variable:
        among[slot] = variable
        attach(self, "slots", variable)
        return variable

    # --- a step ------------------------------------------------------------------------------------------------------

    @filtered
    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Takes one step; none where there are no gradients. A step that fails changes nothing.

        Args:
            grads: one gradient for each variable; where it is None, the variable stays as it is.
            trainable_variables: what is moved; all that it has moved so far if left out.

        Raises:
            ValueError: if gradients and variables do not fit together, or all gradients are None.
            TypeError: for what is not a variable of a floating dtype.
        """
        grads = list(grads)
        targets = self.targets if trainable_variables is None else list(trainable_variables)
        if not grads and not targets:
            return
        found = by_target(self, grads, targets)
        self._build_new(targets)
        if context.frames:
            self._take(found)
        else:
            transact(self._take, found)

    def _build_new(self, targets: Sequence[Variable]) -> None:
        """Builds what is needed for variables that are new."""
        new = [target for target in targets if id(target) not in self._lamina.kept]
        if self.built and new and _steps_by_variable(self):
            raise ValueError(
                f"{self.name} keeps what its build has made for {len(self.targets)} variables, and was now given others, among "
                f"them {new[0]!r}. Compile the model again, with a new optimizer."
            )
        if new or not self.built:
            self.build(targets)
        else:
            self._follow(targets)

    def _take(self, grads: dict[Variable, Any]) -> None:
        """Takes one step by gradients, None for variables that stay as they are."""
        moved: Moves = {v: jnp.asarray(own_memory(g), v.dtype) for v, g in grads.items() if g is not None}
        if self.loss_scale_factor is not None:
            moved = {variable: grad / self.loss_scale_factor for variable, grad in moved.items()}
        values = (self._update if self.gradient_accumulation_steps is None else self._accumulate)(moved)
        if self.use_ema:
            values = self._average({variable: values.get(variable, variable._read()) for variable in grads})
        for variable, value in values.items():
            variable.assign(variable.constraint(value) if variable in moved and variable.constraint is not None else value)
        self._lamina.iterations.assign_add(1)

    def _update(self, grads: Moves) -> Moves:
        """Returns the values of variables after one update."""
        grads, rate = self._clipped(grads), self._rate()
        decays = {variable: self._decay_of(variable) for variable in grads}
        if _steps_by_variable(self):
            for variable, grad in grads.items():
                variable.assign(_shrunk(variable._read(), decays[variable], rate))
                self.update_step(grad, variable, rate)
            return {variable: variable._read() for variable in grads}
        kept = [self._lamina.kept[id(variable)] for variable in grads]
        kinds = [decays[variable] if self._joins(variable) else None for variable in grads]
        groups = Groups([own.name for own in kept], [variable.shape for variable in grads], kinds)
        values, joined = (groups.join(list(arrays)) for arrays in ([v._read() for v in grads], grads.values()))
        own_decay = {name: list(decays.values())[members[0]] for name, members in groups.members.items()}
        params = {name: _shrunk(value, own_decay[name], rate) for name, value in values.items()}
        new = self._transformed(groups, kept, params, joined, rate)
        return dict(zip(grads, groups.split(new), strict=True))

    def _joins(self, variable: Variable) -> bool:
        """Tells whether a variable is updated faster as a part of one array with others: small ones on a CPU."""
        small = variable.dtype == np.float32 and variable.size <= MOST
        return self.elementwise and small and is_on_one_cpu(variable.placement)

    def _transformed(self, groups: Groups, kept: list[Kept], params: dict[str, Array], grads: dict[str, Array], rate: Array) -> Any:
        """Returns what the transformation makes of values; writes what it keeps."""
        import optax

        transformation = optax.with_extra_args_support(self.transformation())
        leaves, structure = jax.tree_util.tree_flatten_with_path(jax.eval_shape(transformation.init, params))
        places = _places(leaves, params)
        shared = self._lamina.shared
        state = [
            shared[slot]._read() if name is None else groups.join_one(name, [_read(own.slots.get(slot)) for own in kept])
            for slot, name in places
        ]
        step = (self.iterations + 1).astype("float32")
        state = jax.tree.unflatten(structure, state)
        updates, state = transformation.update(grads, state, params, learning_rate=rate, step=step)
        for (slot, name), leaf in zip(places, jax.tree.leaves(state), strict=True):
            if name is None:
                shared[slot].assign(leaf)
            else:
                for i, part in groups.split_one(name, leaf):
                    kept[i].slots[slot].assign(part)
        return {name: (param + updates[name]).astype(param.dtype) for name, param in params.items()}

    def _clipped(self, grads: Moves) -> Moves:
        if self.clipnorm is not None:
            return {variable: g * _shrink(g, self.clipnorm).astype(g.dtype) for variable, g in grads.items()}
        if self.global_clipnorm is not None:
            factor = _shrink(list(grads.values()), self.global_clipnorm)
            return {variable: g * factor.astype(g.dtype) for variable, g in grads.items()}
        if self.clipvalue is not None:
            return {variable: jnp.clip(g, -self.clipvalue, self.clipvalue) for variable, g in grads.items()}
        return grads

    def _accumulate(self, grads: Moves) -> Moves:
        """Adds to the gradients so far; returns the values, after an update by their mean where there are enough."""
        count = self.gradient_accumulation_steps
        held = {variable: self._lamina.kept[id(variable)].extra["accumulator"] for variable in grads}
        sums = {variable: held[variable]._read() + grad for variable, grad in grads.items()}
        complete = (self._lamina.iterations._read() + 1) % count == 0
        new = cond(
            complete,
            lambda: list(self._update({variable: total / count for variable, total in sums.items()}).values()),
            lambda: [variable._read() for variable in sums],
        )
        for variable, total in sums.items():
            held[variable].assign(jnp.where(complete, 0, total))
        return dict(zip(sums, new, strict=True))

    def _average(self, values: Moves) -> Moves:
        """Takes the values into the averages; returns the values, or the averages where these are to replace them."""
        momentum = jnp.where(jnp.asarray(self.iterations) == 0, 0.0, self.ema_momentum)
        averages = {}
        for variable, value in values.items():
            held = self._lamina.kept[id(variable)].extra["average"]
            averages[variable] = (momentum * held._read() + (1 - momentum) * value).astype(held.dtype)
            held.assign(averages[variable])
        if self.ema_overwrite_frequency is None:
            return values
        now = (self.iterations + 1) % self.ema_overwrite_frequency == 0
        return {variable: jnp.where(now, averages[variable], value) for variable, value in values.items()}

    # --- around steps ------------------------------------------------------------------------------------------------

    def scale_loss(self, loss: Any) -> Any:
        """Returns what to differentiate: the loss times `loss_scale_factor`, where there is one."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Sets variables to their moving averages, where there are such: the last thing in training."""
        if self.use_ema and self.built:
            for variable, kept in [(variable, self._kept_for(variable)) for variable in var_list]:
                variable.assign(kept.extra["average"])

    # --- for subclasses that define update_step ----------------------------------------------------------------------

    def add_variable(
        self, shape: Sequence[int], initializer: Any = "zeros", dtype: Any = "float32", name: str | None = None
    ) -> Variable:
        """Makes a variable that belongs to the optimizer, for all that it moves together."""
        shared = self._lamina.shared
        return self._attach(shared, unused_name(name or "state", shared), slot_variable(_first(initializer, shape, dtype)))

    def add_variable_from_reference(self, reference_variable: Variable, name: str, initializer: Any = "zeros") -> Variable:
        """Makes a variable of the shape and the dtype of one that is moved: its slot of this name."""
        slots = self._kept_for(reference_variable).slots
        values = _first(initializer, reference_variable.shape, reference_variable.dtype)
        return self._attach(slots, unused_name(name, slots), slot_variable(values, reference_variable))

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: str | Sequence[str], initializer: Any = "zeros"
    ) -> Any:
        """Makes such a variable for each that is moved: returns a list, or one for each of several names."""
        if isinstance(name, str):
            return [self.add_variable_from_reference(variable, name, initializer) for variable in trainable_variables]
        each = [initializer] * len(name) if isinstance(initializer, str) or callable(initializer) else initializer
        return tuple(self.add_optimizer_variables(trainable_variables, *one) for one in zip(name, each, strict=True))

    def _get_variable_index(self, variable: Variable) -> int:
        """Returns the place of a variable among those that it moves."""
        return list(self._lamina.kept.values()).index(self._kept_for(variable))

    def assign(self, variable: Variable, value: Any) -> None:
        """Sets a variable."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Adds to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Takes from a variable."""
        variable.assign_sub(value)


_OPTIONS = [p.name for p in inspect.signature(Optimizer.__init__).parameters.values() if p.kind is p.KEYWORD_ONLY]


def _steps_by_variable(optimizer: Optimizer) -> bool:
    """Tells whether an optimizer moves one variable after the other, by an `update_step` of its own."""
    return type(optimizer).update_step is not Optimizer.update_step


_SLOTS = {"trace": "momentum", "mu": "momentum", "nu": "velocity"}  # by the names that optax has for them


def _places(leaves: Sequence[tuple[Any, Any]], names: Container[str]) -> list[tuple[str, str | None]]:
    """Returns for each leaf of a transformation's state the name of its slot, and of what it is kept for, or None for all.

    Args:
        leaves: the leaves with their paths.
        names: what something may be kept for.
    """
    taken: dict[str | None, set[str]] = {}
    places = []
    for path, _ in leaves:
        steps = [getattr(step, "key", getattr(step, "name", None)) for step in path]
        words = [step for step in steps if isinstance(step, str)]
        owner = words.pop() if words and words[-1] in names else None
        word = words[-1] if words else "state"
        slot = unused_name(_SLOTS.get(word, word), taken.setdefault(owner, set()))
        taken[owner].add(slot)
        places.append((slot, owner))
    return places


def _first(initializer: Any, shape: Sequence[int], dtype: Any) -> Any:
    return (initializers.get(initializer) or initializers.Zeros())(tuple(shape), dtype)


def _read(variable: Variable | None) -> Any:
    return None if variable is None else variable._read()


def _shrunk(value: Array, decay: float, rate: Array) -> Array:
    return value - value * (decay * rate).astype(value.dtype) if decay else value


def _shrink(arrays: Any, most: float) -> Array:
    """Returns the factor, at most 1, that brings the norm of all arrays together down to `most`."""
    squares = [jnp.sum(jnp.square(array.astype(jnp.promote_types(array.dtype, "float32")))) for array in jax.tree.leaves(arrays)]
    return most / jnp.maximum(jnp.sqrt(sum(squares)), most)
