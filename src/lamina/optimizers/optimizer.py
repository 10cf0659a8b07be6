"""Optimizer: moves variables against their gradients, by an optax transformation."""

import contextlib
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina.optimizers.checks as checks
from lamina.core.config import constructor_arguments, serialize
from lamina.core.control import cond
from lamina.core.errors import describe, suggest
from lamina.core.frame import Transaction, concrete, thread
from lamina.core.leaving import public
from lamina.core.lift import lift
from lamina.core.naming import snake_case
from lamina.core.shown import shown_arguments
from lamina.core.variable import Array, Variable
from lamina.optimizers.by_step import ByStep, kept
from lamina.optimizers.packing import Packing, unused

Arrays = dict[str, Array]

_SMALL = 16384  # elements; beyond, copying an array into a vector costs what is saved


class Optimizer(ByStep, family="optimizers"):
    """variable ← constraint(variable + update), the update from an optax transformation of the gradient.

    A subclass defines `transformation()`, or, as in Keras, `update_step(gradient, variable, learning_rate)`. A step, where all
    options are on, is in this order: gradients are divided by `loss_scale_factor`, gathered over `gradient_accumulation_steps`
    calls, clipped; variables shrink by their weight decay, and are updated; their moving averages follow; every so often the
    averages take their place; constraints are applied.

    Gradients that are None, and variables that a step leaves out, stay as they are, with all that is kept for them.

    `variables` holds, in this order, `iterations`, `learning_rate` (where it is a number), the transformation's state, the moving
    averages and the accumulated gradients. Where the transformation is `elementwise`, what is kept for small float32 variables lies
    in one vector for all of them, which is faster; `state_of(variable)` takes apart what belongs to one.

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
        ema_overwrite_frequency: the averages replace the variables after every so many steps; None for only at the end of training,
            by `finalize_variable_values`.
        loss_scale_factor: what `scale_loss` multiplies the loss with, and gradients are divided by.
        gradient_accumulation_steps: move only at every so manieth call, by the mean of the gradients since.

    Raises:
        ValueError: for an argument out of its range, named in the message.
    """

    stands_apart = True
    elementwise: bool = False  # whether what happens to an element depends on its own gradients alone; small arrays are packed then
    _untracked = ByStep._untracked | {"_targets", "_excluded"}

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
        self._explicit_name = name or snake_case(type(self).__name__)
        self.weight_decay, self.loss_scale_factor = weight_decay, loss_scale_factor
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum, self.ema_overwrite_frequency = use_ema, ema_momentum, ema_overwrite_frequency
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self._iterations = Variable(0, trainable=False, name="iterations")
        self._learning_rate: Variable | Callable[[Any], Any] = learning_rate
        if not callable(learning_rate):
            self._learning_rate = Variable(float(learning_rate), trainable=False, dtype="float32", name="learning_rate")
        self.built = False
        self.state: list[Variable] = []
        self._averages: dict[str, Variable] = {}
        self._accumulators: dict[str, Variable] = {}
        self._excluded: tuple[set[Variable], re.Pattern[str] | None] = set(), None
        self._targets: tuple[Variable, ...] = ()

    def _facts(self) -> Iterable[str]:
        rate: Any = self._learning_rate
        steps = int(np.asarray(self._iterations._value))
        if isinstance(rate, Variable):
            rate = float(f"{np.asarray(rate._value):.6g}")
        given = {name: value for name, value in self._given_by_name().items() if name not in ("name", "learning_rate")}
        return [*shown_arguments({"learning_rate": rate, **given}), f"{steps:,} step{'' if steps == 1 else 's'} done"]

    def transformation(self) -> Any:
        """Returns the optax transformation from gradients to what is added to the variables.

        Its arrays are dicts by the variables' paths. `update` is given, besides, `learning_rate` and `step`, the number of the
        update from 1 on, both as float32; `lamina.optimizers.descend()` is the transformation that multiplies with -learning_rate.
        """
        if type(self).update_step is ByStep.update_step:
            raise NotImplementedError(f"{type(self).__name__} has no transformation(self). Define it: it returns an optax one.")
        import optax

        return optax.identity()

    # --- what it keeps -----------------------------------------------------------------------------------------------

    @property
    def iterations(self) -> Any:
        """The number of steps so far: of calls, or of updates where gradients are accumulated."""
        steps = self.gradient_accumulation_steps
        return self._iterations if steps is None else self._iterations.read() // steps

    @property
    def learning_rate(self) -> Any:
        """The size of a step now; assign a number to change it, also between batches. A schedule cannot be changed to a number."""
        return self._learning_rate if isinstance(self._learning_rate, Variable) else self._rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value) and not isinstance(value, Variable):
            if self.built:
                raise ValueError(
                    f"{self.name} has taken steps, and compiled ones would keep the learning rate that they have. Give the "
                    "schedule to a new optimizer."
                )
            self._learning_rate = value
            return
        if not isinstance(self._learning_rate, Variable):
            raise ValueError(
                f"The learning rate of {self.name} follows the schedule {self._learning_rate!r}; {value!r} cannot be assigned to "
                "it. Create the optimizer with a number to assign others."
            )
        if not isinstance(value, (Variable, jax.Array)):
            checks.not_negative(learning_rate=value)
        self._learning_rate.assign(value.value if isinstance(value, Variable) else jnp.asarray(value, "float32"))

    def _rate(self) -> Array:
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate.read()
        return jnp.asarray(self._learning_rate(self._iterations.read()), "float32")

    def state_of(self, variable: Variable) -> dict[str, Array]:
        """Returns what is kept for a variable: its slots by their names, its `average` and its `accumulator`.

        >>> w = lamina.Variable([1.0, 2.0])
        >>> optimizer = lamina.optimizers.SGD(0.5, momentum=0.9)
        >>> optimizer.apply([np.ones(2)], [w])
        >>> optimizer.state_of(w)
        {'trace': Array([-0.5, -0.5], dtype=float32)}
        """
        i = self._number(variable)
        name = self._packing.name_of(i)
        found: dict[str, Variable] = {}
        for (slot, owner), held in zip(self._slots, self.state, strict=True):
            if owner == name:
                found[unused(slot, found)] = held
        found |= {slot: held[name] for slot, held in (("average", self._averages), ("accumulator", self._accumulators)) if held}
        return {slot: self._packing.part(i, held.value) for slot, held in found.items()}

    def _number(self, variable: Variable) -> int:
        for i, target in enumerate(self._targets):
            if target is variable:
                return i
        raise ValueError(f"{self.name} keeps nothing for {variable!r}: it does not move it, or has not yet.")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, with the learning rate as it is now."""
        cls: type = type(self)
        taken = constructor_arguments(cls)
        config = {name: getattr(self, name) for name in _OPTIONS if taken is None or name in taken}
        config.update(super().get_config())
        if "learning_rate" in config and isinstance(self._learning_rate, Variable):
            rate = self._learning_rate.numpy()
            if callable(config["learning_rate"]) or np.float32(config["learning_rate"]) != rate:
                config["learning_rate"] = float(rate)
        elif "learning_rate" in config:
            config["learning_rate"] = serialize(self._learning_rate)
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
        self._excluded = set(var_list or ()), re.compile("|".join(var_names)) if var_names else None

    def _decay_of(self, variable: Variable) -> float:
        """Returns the share of its learning rate by which a variable shrinks at each step."""
        return 0.0 if self._spared(variable) else self.weight_decay or 0.0

    def _spared(self, variable: Variable) -> bool:
        """Tells whether a variable has been taken out of weight decay."""
        variables, names = self._excluded
        return variable in variables or (names is not None and names.search(variable.name) is not None)

    def build(self, variables: Iterable[Variable]) -> None:
        """Creates the state for the variables that it is to move; runs by itself before the first step."""
        if self.built:
            return
        self._targets = tuple(variables)
        decays = [self._decay_of(variable) for variable in self._targets]
        small = [self.elementwise and v.dtype == np.float32 and v.size <= _SMALL for v in self._targets]
        self._packing = Packing(self._targets, [d if s else None for d, s in zip(decays, small, strict=True)])
        self._decays = {name: decays[members[0]] for name, members in self._packing.members.items()}
        with concrete():
            values = self._packing.pack([variable.read() for variable in self._targets], np)
            leaves, self._structure = jax.tree_util.tree_flatten_with_path(self.transformation().init(values))
            self._slots = [self._slot(path) for path, _ in leaves]
            self.state = [kept(leaf, owner, slot) for (_, leaf), (slot, owner) in zip(leaves, self._slots, strict=True)]
            zeros = {name: np.zeros(value.shape, value.dtype) for name, value in values.items()}
            if self.use_ema:
                self._averages = {name: kept(zero, name, "average") for name, zero in zeros.items()}
            if self.gradient_accumulation_steps is not None:
                self._accumulators = {name: kept(zero, name, "accumulator") for name, zero in zeros.items()}
        self.built = True

    def _slot(self, path: tuple[Any, ...]) -> tuple[str, str | None]:
        """Returns what a leaf of the state is called, and the name of the array that it is kept for, or None if for all."""
        steps = [getattr(step, "key", getattr(step, "name", None)) for step in path]
        words = [step for step in steps if isinstance(step, str)]
        if words and words[-1] in self._packing.members and len(words) > 1:
            return words[-2], words[-1]
        return (words[-1] if words else "state"), None

    # --- a step ------------------------------------------------------------------------------------------------------

    @public
    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Takes one step; none where there are no gradients.

        Args:
            grads: one gradient for each variable; where it is None, the variable stays as it is.
            trainable_variables: those of the first call or some of them; all of them if left out.

        Raises:
            ValueError: if gradients and variables do not fit together, a variable is not among those of the first call, or all
                gradients are None.
            TypeError: for what is no variable of a floating dtype. A step that fails changes nothing.
        """
        grads = list(grads)
        targets = self._targets if trainable_variables is None else tuple(trainable_variables)
        if not grads and not targets:
            return
        by_target = self._checked(grads, targets)
        self.build(targets)
        with contextlib.nullcontext() if thread.frames else Transaction():
            self._take([by_target.get(target) for target in self._targets])

    def _take(self, given: list[Any]) -> None:
        """Takes one step by gradients in the order of the variables, None for those that stay as they are."""
        moves = [grad is not None for grad in given]
        values = [target.read() for target in self._targets]
        arrays = [jnp.zeros_like(v) if g is None else jnp.asarray(g, v.dtype) for g, v in zip(given, values, strict=True)]
        if self.loss_scale_factor is not None:
            arrays = [array / self.loss_scale_factor for array in arrays]
        step = self._update if self.gradient_accumulation_steps is None else self._accumulate
        packed = step(self._packing.pack(values), self._packing.pack(arrays), None if all(moves) else self._packing.marks(moves))
        if self.use_ema:
            packed = self._average(packed)
        for target, value, moved in zip(self._targets, self._packing.unpack(packed), moves, strict=True):
            if moved or self.ema_overwrite_frequency is not None:
                target.assign(target.constraint(value) if moved and target.constraint is not None else value)
        self._iterations.assign_add(1)

    def _checked(self, grads: list[Any], targets: Sequence[Variable]) -> dict[Variable, Any]:
        """Returns gradients by variable; raises what `apply` promises."""
        if not targets:
            raise ValueError(f"{self.name} does not know yet what to move: give apply the variables too, or call build(variables).")
        if len(grads) != len(targets):
            raise ValueError(f"{self.name} was given {len(grads)} gradients for {len(targets)} variables.")
        by_target = dict(zip(targets, grads, strict=True))
        if len(by_target) != len(targets):
            raise ValueError(f"{self.name} was given a variable twice.")
        if all(grad is None for grad in grads):
            raise ValueError(f"{self.name} was given None for every gradient: the loss depends on none of the variables.")
        known = {*self._targets}
        for target, grad in by_target.items():
            if not isinstance(target, Variable) or not jnp.issubdtype(target.dtype, jnp.floating):
                raise TypeError(f"{self.name} moves variables of floating dtypes, not {target!r}.")
            if self.built and target not in known:
                raise ValueError(
                    f"{self.name} keeps state for {len(self._targets)} variables, and was now given others, among them {target!r}. "
                    "If layers were put in, replaced or unfrozen since it began, compile the model again, with a new optimizer; in "
                    "a train_step of your own use one optimizer for each set of variables."
                )
            if grad is not None and np.shape(grad) != target.shape:
                raise ValueError(f"{self.name} was given the gradient {describe(grad)} for {target!r}.")
        return by_target

    def _update(self, values: Arrays, grads: Arrays, moves: dict[str, Any] | None) -> Arrays:
        """Returns the values after one update; those not marked in `moves` stay, and so does their state."""
        rate = self._rate()
        params = {k: v - v * (d * rate).astype(v.dtype) if (d := self._decays[k]) else v for k, v in values.items()}
        if type(self).update_step is not ByStep.update_step:
            return self._by_steps(params, self._clipped(grads), moves, rate)
        state = jax.tree.unflatten(self._structure, [variable.read() for variable in self.state])
        step = (self.iterations + 1).astype("float32")
        updates, state = self._extended().update(self._clipped(grads), state, params, learning_rate=rate, step=step)
        new = {name: (param + updates[name]).astype(param.dtype) for name, param in params.items()}
        leaves = jax.tree.leaves(state)
        if moves is not None:
            new = {name: jnp.where(moves[name], new[name], value) for name, value in values.items()}
            leaves = [
                leaf if owner is None else jnp.where(moves[owner], leaf, variable.read())
                for leaf, variable, (_, owner) in zip(leaves, self.state, self._slots, strict=False)
            ]
        for variable, leaf in zip(self.state, leaves, strict=True):
            variable.assign(leaf)
        return new

    def _by_steps(self, params: Arrays, grads: Arrays, moves: dict[str, Any] | None, rate: Array) -> Arrays:
        """Returns the values after `update_step` of each variable that moves."""
        for i, target in enumerate(self._targets):
            name = self._packing.name_of(i)
            if moves is None or moves[name]:
                target.assign(params[name])
                self.update_step(grads[name], target, rate)
        return {self._packing.name_of(i): target.read() for i, target in enumerate(self._targets)}

    def _extended(self) -> Any:
        import optax

        return optax.with_extra_args_support(self.transformation())

    def _clipped(self, grads: Arrays) -> Arrays:
        if self.clipnorm is not None:
            return self._packing.pack([g * _shrink(g, self.clipnorm).astype(g.dtype) for g in self._packing.unpack(grads)])
        if self.global_clipnorm is not None:
            factor = _shrink(grads, self.global_clipnorm)
            return {name: g * factor.astype(g.dtype) for name, g in grads.items()}
        if self.clipvalue is not None:
            return {name: jnp.clip(g, -self.clipvalue, self.clipvalue) for name, g in grads.items()}
        return grads

    def _accumulate(self, values: Arrays, grads: Arrays, moves: dict[str, Any] | None) -> Arrays:
        """Adds to the gradients so far; returns the values, after an update by their mean where there are enough."""
        count = self.gradient_accumulation_steps
        sums = {name: held.read() + grads[name] for name, held in self._accumulators.items()}
        complete = (self._iterations.read() + 1) % count == 0
        means = {name: total / count for name, total in sums.items()}
        new = cond(complete, lambda: self._update(values, means, moves), lambda: values)
        for name, total in sums.items():
            self._accumulators[name].assign(jnp.where(complete if moves is None else complete & moves[name], 0, total))
        return new

    def _average(self, values: Arrays) -> Arrays:
        """Takes the values into the averages; returns the values, or the averages where these are to replace them."""
        momentum = jnp.where(jnp.asarray(self.iterations) == 0, 0.0, self.ema_momentum)
        averages = {
            name: (momentum * held.read() + (1 - momentum) * values[name]).astype(held.dtype)
            for name, held in self._averages.items()
        }
        for name, average in averages.items():
            self._averages[name].assign(average)
        if self.ema_overwrite_frequency is None:
            return values
        now = (self.iterations + 1) % self.ema_overwrite_frequency == 0
        return {name: jnp.where(now, averages[name], value) for name, value in values.items()}

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Any:
        """Takes one step, from pairs of a gradient and its variable. Returns the number of calls so far."""
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])
        return self._iterations

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Array], list[Array]]:
        """Takes one step as a pure function: returns the new values of the moved variables, and of its own; assigns nothing.

        Args:
            optimizer_variables: a value for each of `variables`.
            grads: one gradient for each variable that it was built for.
            trainable_variables: a value for each of these.

        Raises:
            ValueError: before it is built, or for another number of values.

        >>> w = lamina.Variable(1.0)
        >>> optimizer = lamina.optimizers.SGD(0.5)
        >>> optimizer.build([w])
        >>> (new,), _ = optimizer.stateless_apply([v.value for v in optimizer.variables], [jnp.array(1.0)], [w.value])
        >>> print(new, w.numpy())
        0.5 1.0
        """
        self._check_built("stateless_apply")
        own, targets = self.variables, list(self._targets)
        for given, known, what in ((optimizer_variables, own, "of its own"), (trainable_variables, targets, "that it moves")):
            if len(given) != len(known):
                raise ValueError(f"{self.name} has {len(known)} variables {what}, and was given {len(given)} values for them.")
        _, new = lift(lambda: self.apply(grads, targets), [*targets, *own])([*trainable_variables, *optimizer_variables])
        return list(new[: len(targets)]), list(new[len(targets) :])

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets `variables` to values, in their order.

        Raises:
            ValueError: before it is built, or for values that are not as many or not of the same shapes; then nothing is set.
        """
        self._check_built("set_weights")
        own = self.variables
        wanted, given = [variable.shape for variable in own], [np.shape(value) for value in weights]
        if wanted != given:
            raise ValueError(f"{self.name} has variables of the shapes {wanted}, and was given values of the shapes {given}.")
        for variable, value in zip(own, weights, strict=True):
            variable.assign(value)

    def _check_built(self, what: str) -> None:
        if not self.built:
            raise ValueError(f"{self.name} has no variables yet for {what}: call build(variables) with those that it is to move.")

    # --- around steps ------------------------------------------------------------------------------------------------

    def scale_loss(self, loss: Any) -> Any:
        """Returns what to differentiate: the loss times `loss_scale_factor`, where there is one."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Sets variables to their moving averages, where there are such: the last thing in training."""
        if self.use_ema and self.built:
            averages = self._packing.unpack({name: held.read() for name, held in self._averages.items()})
            variables = [(variable, self._number(variable)) for variable in var_list]
            for variable, i in variables:
                variable.assign(averages[i])


_OPTIONS = [p.name for p in inspect.signature(Optimizer.__init__).parameters.values() if p.kind is p.KEYWORD_ONLY]


def _shrink(arrays: Any, most: float) -> Array:
    """Returns the factor, at most 1, that brings the norm of all arrays together down to `most`."""
    squares = [jnp.sum(jnp.square(array.astype(jnp.promote_types(array.dtype, "float32")))) for array in jax.tree.leaves(arrays)]
    return most / jnp.maximum(jnp.sqrt(sum(squares)), most)
