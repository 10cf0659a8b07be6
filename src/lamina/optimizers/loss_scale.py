"""Dynamic loss scaling, for gradients in float16."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

import lamina.optimizers.checks as checks
from lamina.core.control import cond
from lamina.core.names import snake_case
from lamina.core.variable import Array, Variable
from lamina.optimizers.base import BaseOptimizer, by_target


class LossScaleOptimizer(BaseOptimizer):
    """Another optimizer, with the loss multiplied so that gradients in float16 neither vanish nor overflow.

    `scale_loss` multiplies the loss with `dynamic_scale`, and `apply` divides the gradients by it. If one of them is not finite,
    the step is left out and the scale is halved; after `dynamic_growth_steps` steps without that, it is doubled.

    Args:
        inner_optimizer: the optimizer that moves the variables.
        initial_scale: what the scale starts from. Too high is soon corrected, too low takes long.
        dynamic_growth_steps: see above.
        name: its name; by default the class's in snake case.

    Raises:
        ValueError: for an inner optimizer that scales the loss by itself, or a number out of its range.
        TypeError: for an inner optimizer that is none.

    Source: Micikevicius et al., Mixed Precision Training, 2018.

    >>> w = lamina.Variable(1.0)
    >>> optimizer = lamina.optimizers.LossScaleOptimizer(lamina.optimizers.SGD(0.1), initial_scale=1024)
    >>> optimizer.apply([np.float32("inf")], [w])
    >>> print(w.numpy(), optimizer.dynamic_scale.numpy())
    1.0 512.0
    >>> optimizer.apply([512 * np.float32(2.0)], [w])
    >>> print(w.numpy())
    0.8
    """

    def __init__(
        self,
        inner_optimizer: BaseOptimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
    ) -> None:
        checks.positive(initial_scale=initial_scale)
        checks.integers(1, dynamic_growth_steps=dynamic_growth_steps)
        if not isinstance(inner_optimizer, BaseOptimizer):
            raise TypeError(f"inner_optimizer must be a lamina.optimizers.Optimizer, not {inner_optimizer!r}.")
        if scales_loss(inner_optimizer):
            raise ValueError(f"{inner_optimizer.name} scales the loss by itself; scaled twice, gradients would come out wrong.")
        self._lamina.name = name or snake_case(type(self).__name__)
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps
        self.inner_optimizer = inner_optimizer
        self.step_counter = Variable(0, trainable=False, name="step_counter")
        self.dynamic_scale = Variable(float(initial_scale), trainable=False, dtype="float32", name="dynamic_scale")

    def _facts(self) -> Iterable[str]:
        return [repr(self.inner_optimizer), f"scale={float(self.dynamic_scale):g}"]

    @property
    def variables(self) -> list[Variable]:
        """Its counter and scale, and what the inner optimizer has."""
        return [self.step_counter, self.dynamic_scale, *self.inner_optimizer.variables]

    def _variables_by_path(self, paths: Mapping[int, str]) -> Iterator[tuple[str, Variable]]:
        yield from (("step_counter", self.step_counter), ("dynamic_scale", self.dynamic_scale))
        yield from ((f"inner/{path}", variable) for path, variable in self.inner_optimizer._variables_by_path(paths))

    def _paths_in(self, steps: Iterable[str]) -> set[str]:
        return self.inner_optimizer._paths_in(step.removeprefix("inner/") for step in steps if step.startswith("inner/"))

    def _refers_to(self) -> Iterator[Variable]:
        return self.inner_optimizer._refers_to()

    @property
    def targets(self) -> list[Variable]:
        """What the inner optimizer moves."""
        return self.inner_optimizer.targets

    @property
    def iterations(self) -> Any:
        """The number of steps that the inner optimizer has taken."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """That of the inner optimizer."""
        return self.inner_optimizer.learning_rate  # type: ignore[attr-defined]

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    def build(self, variables: Iterable[Variable]) -> None:
        """Builds the inner optimizer."""
        self.inner_optimizer.build(variables)
        self.built = True

    def scale_loss(self, loss: Any) -> Any:
        """Returns what to differentiate: the loss times the scale of this moment."""
        return loss * self.dynamic_scale._read()

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Takes one step, or leaves it out. Arguments and errors are those of `Optimizer.apply`."""
        grads = list(grads)
        targets = self.targets if trainable_variables is None else list(trainable_variables)
        if not grads and not targets:
            return
        found = by_target(self, grads, targets)
        self.build(targets)
        scale, counter = self.dynamic_scale._read(), self.step_counter._read()
        unscaled = [None if g is None else jnp.asarray(g, v.dtype) / scale for v, g in found.items()]
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(g)) for g in unscaled if g is not None]))
        cond(finite, lambda: self.inner_optimizer.apply(unscaled, targets), lambda: None)
        grows: Array = finite & (counter + 1 >= self.dynamic_growth_steps)
        self.step_counter.assign(jnp.where(finite & ~grows, counter + 1, 0))
        self.dynamic_scale.assign(scale * jnp.where(grows, 2.0, jnp.where(finite, 1.0, 0.5)))

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """As the inner optimizer does."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None) -> None:
        """As the inner optimizer does."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def state_of(self, variable: Variable) -> dict[str, Array]:
        """What the inner optimizer keeps."""
        return self.inner_optimizer.state_of(variable)


def scales_loss(optimizer: BaseOptimizer) -> bool:
    """Tells whether an optimizer scales the loss."""
    return isinstance(optimizer, LossScaleOptimizer) or getattr(optimizer, "loss_scale_factor", None) is not None


def scaling(optimizer: BaseOptimizer) -> BaseOptimizer:
    """Returns the optimizer, with dynamic loss scaling unless it scales the loss already."""
    return optimizer if scales_loss(optimizer) else LossScaleOptimizer(optimizer)
