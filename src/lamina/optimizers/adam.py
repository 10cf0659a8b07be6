"""Adam."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.optimizers.optimizer import Optimizer


class Adam(Optimizer):
    """w ← w - learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon).

    m and v are moving averages of the gradient and of its square, t is the number of the step.

    Args:
        learning_rate: the size of a step.
        beta_1: how much of m is kept at each step.
        beta_2: how much of v is kept at each step.
        epsilon: keeps the denominator from zero. It stands outside of the bias correction, as in section 2 of the paper.
        name: its name.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.Adam(0.1).apply([np.float32(2.0)], [w])
    >>> round(float(w), 4)
    0.9
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, name)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def transformation(self) -> Any:
        """Returns the formula as an optax transformation."""
        import optax

        def init(values: Any) -> Any:
            zeros = jax.tree.map(jnp.zeros_like, values)
            return jnp.zeros((), "int32"), zeros, jax.tree.map(jnp.zeros_like, values)

        def update(grads: Any, state: Any, params: Any = None) -> Any:
            step, m, v = state
            step = step + 1
            m = jax.tree.map(lambda m, g: self.beta_1 * m + (1 - self.beta_1) * g, m, grads)
            v = jax.tree.map(lambda v, g: self.beta_2 * v + (1 - self.beta_2) * g * g, v, grads)
            t = step.astype("float32")
            scale = jnp.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
            directions = jax.tree.map(lambda m, v: scale.astype(m.dtype) * m / (jnp.sqrt(v) + self.epsilon), m, v)
            return directions, (step, m, v)

        return optax.GradientTransformation(init, update)
