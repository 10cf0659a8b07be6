"""Adamax."""

from typing import Any

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.optimizers.adam import MomentsOptimizer
from lamina.optimizers.transformations import Slots, per_array, zeros


class Adamax(MomentsOptimizer):
    """w ← w - learning_rate / (1 - beta_1^t) * m / (u + epsilon): Adam by the infinity norm.

    m ← m + (1 - beta_1)(g - m), u ← max(beta_2 * u, |g|), and t is the number of the step.

    Args:
        learning_rate: the size of a step, or a schedule.
        beta_1: how much of m is kept at each step, less than 1.
        beta_2: how much of u is kept at each step, less than 1.
        epsilon: keeps the denominator from zero.
        kwargs: what `Optimizer` takes.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, section 7.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.Adamax(0.1).apply([np.float32(2.0)], [w])
    >>> round(float(w), 4)
    0.9
    """

    elementwise = True

    def transformation(self) -> Any:
        """Returns the formula; optax's has epsilon inside of the norm."""

        def start(value: Array) -> Slots:
            return {"momentum": zeros(value), "norm": zeros(value)}

        def update(g: Array, slots: Slots, value: Array, *, learning_rate: Array, step: Array) -> tuple[Array, Slots]:
            m = slots["momentum"] + (1 - self.beta_1) * (g - slots["momentum"])
            u = jnp.maximum(self.beta_2 * slots["norm"], jnp.abs(g))
            rate = learning_rate / (1 - self.beta_1**step)
            return -rate * m / (u + self.epsilon), {"momentum": m, "norm": u}

        return per_array(start, update)
