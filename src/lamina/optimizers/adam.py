"""Adam, and AdamW."""

from typing import Any

import jax.numpy as jnp

import lamina.optimizers.checks as checks
from lamina.core.variable import Array
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import Slots, per_array, zeros


def adam(beta_1: float, beta_2: float, epsilon: float, amsgrad: bool = False, rate_factor: float = 1.0) -> Any:
    """Returns Adam's transformation: see `Adam`."""

    def start(value: Array) -> Slots:
        return {name: zeros(value) for name in ("momentum", "velocity", *["velocity_hat"] * amsgrad)}

    def update(g: Array, slots: Slots, value: Array, *, learning_rate: Array, step: Array) -> tuple[Array, Slots]:
        m = slots["momentum"] + (1 - beta_1) * (g - slots["momentum"])
        v = slots["velocity"] + (1 - beta_2) * (g * g - slots["velocity"])
        new = {"momentum": m, "velocity": v}
        if amsgrad:
            v = new["velocity_hat"] = jnp.maximum(slots["velocity_hat"], v)
        rate = rate_factor * learning_rate * jnp.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        return -rate * m / (jnp.sqrt(v) + epsilon), new

    return per_array(start, update)


class MomentsOptimizer(Optimizer):
    """A base for Adam and its relatives, which keep a moving average of the gradient and one of its size."""

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7, **kwargs: Any
    ) -> None:
        checks.below_one(beta_1=beta_1, beta_2=beta_2)
        checks.not_negative(epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon


class Adam(MomentsOptimizer):
    """w ← w - learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon).

    m ← m + (1 - beta_1)(g - m) and v ← v + (1 - beta_2)(g² - v) are moving averages of the gradient and of its square, t is the
    number of the step.

    Args:
        learning_rate: the size of a step, or a schedule.
        beta_1: how much of m is kept at each step, less than 1.
        beta_2: how much of v is kept at each step, less than 1.
        epsilon: keeps the denominator from zero. It stands outside of the bias correction, as in section 2 of the paper.
        amsgrad: take the greatest v so far for v (Reddi et al., On the Convergence of Adam and Beyond, 2018).
        kwargs: what `Optimizer` takes.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.Adam(0.1).apply([np.float32(2.0)], [w])
    >>> round(float(w), 4)
    0.9
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        self.amsgrad = amsgrad

    def transformation(self) -> Any:
        """Returns the formula; optax's has epsilon inside of the bias correction."""
        return adam(self.beta_1, self.beta_2, self.epsilon, self.amsgrad)


class AdamW(Adam):
    """Adam, with weight decay apart from the gradient: w ← w - learning_rate * weight_decay * w before each step.

    Args:
        learning_rate: the size of a step, or a schedule.
        weight_decay: by how much of learning_rate * w a weight shrinks at each step.
        beta_1: see `Adam`.
        beta_2: see `Adam`.
        epsilon: see `Adam`.
        amsgrad: see `Adam`.
        kwargs: what `Optimizer` takes.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.AdamW(0.1, weight_decay=0.5).apply([np.float32(0.0)], [w])
    >>> print(w.numpy())
    0.95
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        checks.not_negative(weight_decay=weight_decay)
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)
