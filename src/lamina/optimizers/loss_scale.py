"""Dynamic loss scaling, for gradients in float16."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

import lamina.optimizers.checks as checks
from lamina.core.control import cond
from lamina.core.variable import Array, Variable
from lamina.optimizers.optimizer import Optimizer


class LossScaleOptimizer(Optimizer):
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
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
    ) -> None:
        checks.positive(initial_scale=initial_scale)
        checks.integers(1, dynamic_growth_steps=dynamic_growth_steps)
        if not isinstance(inner_optimizer, Optimizer):
            raise TypeError(f"inner_optimizer must be a lamina.optimizers.Optimizer, not {inner_optimizer!r}.")
        if isinstance(inner_optimizer, LossScaleOptimizer) or inner_optimizer.loss_scale_factor is not None:
            raise ValueError(f"{inner_optimizer.name} scales the loss by itself; scaled twice, gradients would come out wrong.")
        super().__init__(0.0, name=name)
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps
        self.inner_optimizer = inner_optimizer
        self.step_counter = Variable(0, trainable=False, name="step_counter")
        self.dynamic_scale = Variable(float(initial_scale), trainable=False, dtype="float32", name="dynamic_scale")

    def _facts(self) -> Iterable[str]:
        return [repr(self.inner_optimizer), f"scale={np.asarray(self.dynamic_scale._value):g}"]

    @property
    def variables(self) -> list[Variable]:
        """Its counter and scale, and what the inner optimizer has."""
        return [self.step_counter, self.dynamic_scale, *self.inner_optimizer.variables]

    @property
    def iterations(self) -> Any:
        """The number of steps that the inner optimizer has taken."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """That of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    def build(self, variables: Iterable[Variable]) -> None:
        """Builds the inner optimizer."""
        self.inner_optimizer.build(variables)
        self.built = True

    def scale_loss(self, loss: Any) -> Any:
        """Returns what to differentiate: the loss times the scale of this moment."""
        return loss * self.dynamic_scale.read()

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Takes one step, or leaves it out. Arguments and errors are those of `Optimizer.apply`."""
        inner = self.inner_optimizer
        grads = list(grads)
        targets = inner._targets if trainable_variables is None else tuple(trainable_variables)
        if not grads and not targets:
            return
        by_target = inner._checked(grads, targets)
        self.build(targets)
        scale, counter = self.dynamic_scale.read(), self.step_counter.read()
        unscaled = [None if g is None else jnp.asarray(g, v.dtype) / scale for v, g in by_target.items()]
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(g)) for g in unscaled if g is not None]))
        cond(finite, lambda: inner.apply(unscaled, targets), lambda: None)
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


def scaling(optimizer: Optimizer) -> Optimizer:
    """Returns the optimizer, with dynamic loss scaling unless it scales the loss already."""
    scales = isinstance(optimizer, LossScaleOptimizer) or optimizer.loss_scale_factor is not None
    return optimizer if scales else LossScaleOptimizer(optimizer)
