"""Adamax."""

from typing import Any

import jax.numpy as jnp

import lamina.optimizers.checks as checks
from lamina.core.variable import Array
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import Slots, per_array, zeros


class Adamax(Optimizer):
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

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7, **kwargs: Any
    ) -> None:
        checks.below_one(beta_1=beta_1, beta_2=beta_2)
        checks.not_negative(epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

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
