"""AdamW without a schedule."""

from typing import Any

import jax.numpy as jnp

import lamina.optimizers.checks as checks
from lamina.core.variable import Array
from lamina.optimizers.adam import MomentsOptimizer
from lamina.optimizers.transformations import Slots, per_array, zeros


class ScheduleFreeAdamW(MomentsOptimizer):
    """w ← (1 - beta_1) * z + beta_1 * x, between what Adam reaches and the mean of all that it has reached.

    z ← z - learning_rate * g / (sqrt(v̂) + epsilon) and x ← x + (z - x) / t, where v̂ is Adam's and t is the number of the step; x
    and z start from w. In place of a learning rate that falls, the mean settles: nobody has to know when training ends.

    Args:
        learning_rate: the size of a step.
        beta_1: the share of the mean in w, between 0 and 1.
        beta_2: how much of v is kept at each step, less than 1.
        epsilon: keeps the denominator from zero.
        warmup_steps: over so many steps the learning rate rises to its full size.
        kwargs: what `Optimizer` takes.

    Raises:
        ValueError: for a number out of its range.

    Source: Defazio et al., The Road Less Scheduled, 2024.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.ScheduleFreeAdamW(0.5).apply([np.float32(2.0)], [w])
    >>> round(float(w), 4)
    0.5
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        checks.positive(beta_1=beta_1)
        checks.integers(0, warmup_steps=warmup_steps)
        self.warmup_steps = warmup_steps

    def transformation(self) -> Any:
        """Returns the formula. x is not kept: it follows from w and z."""

        def start(value: Array) -> Slots:
            return {"momentum": +value, "velocity": zeros(value)}

        def update(g: Array, slots: Slots, value: Array, *, learning_rate: Array, step: Array) -> tuple[Array, Slots]:
            rate = learning_rate * jnp.minimum(step / self.warmup_steps, 1) if self.warmup_steps else learning_rate
            v = slots["velocity"] + (1 - self.beta_2) * (g * g - slots["velocity"])
            z = slots["momentum"] - rate * g / (jnp.sqrt(v / (1 - self.beta_2**step)) + self.epsilon)
            x = (value - (1 - self.beta_1) * slots["momentum"]) / self.beta_1
            x = x + (z - x) / step
            return (1 - self.beta_1) * z + self.beta_1 * x - value, {"momentum": z, "velocity": v}

        return per_array(start, update)
