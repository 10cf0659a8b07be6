"""Nadam."""

from typing import Any

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.optimizers.adam import MomentsOptimizer
from lamina.optimizers.transformations import Slots, per_array, zeros


class Nadam(MomentsOptimizer):
    """w ← w - learning_rate * m̂ / (sqrt(v̂) + epsilon): Adam with Nesterov momentum.

    m̂ = u_{t+1} * m / (1 - u_1 ⋯ u_{t+1}) + (1 - u_t) * g / (1 - u_1 ⋯ u_t), where u_t = beta_1 * (1 - 0.96^t / 2), and
    v̂ = v / (1 - beta_2^t); m and v are Adam's, t is the number of the step.

    Args:
        learning_rate: the size of a step, or a schedule.
        beta_1: how much of m is kept at each step, less than 1.
        beta_2: how much of v is kept at each step, less than 1.
        epsilon: keeps the denominator from zero.
        kwargs: what `Optimizer` takes.

    Source: Dozat, Incorporating Nesterov Momentum into Adam, 2016.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.Nadam(0.1, beta_1=0.0).apply([np.float32(2.0)], [w])
    >>> round(float(w), 4)
    0.9
    """

    elementwise = True

    def transformation(self) -> Any:
        """Returns the formula; optax's has a constant momentum."""
        import optax

        def momentum(step: Array) -> Array:
            return self.beta_1 * (1 - 0.5 * 0.96**step)

        def start(value: Array) -> Slots:
            return {"momentum": zeros(value), "velocity": zeros(value)}

        def one(g: Array, slots: Slots, value: Array, *, learning_rate: Array, step: Array, product: Array) -> tuple[Array, Slots]:
            m = slots["momentum"] + (1 - self.beta_1) * (g - slots["momentum"])
            v = slots["velocity"] + (1 - self.beta_2) * (g * g - slots["velocity"])
            u, u_next = momentum(step), momentum(step + 1)
            m_hat = u_next * m / (1 - product * u_next) + (1 - u) * g / (1 - product)
            v_hat = v / (1 - self.beta_2**step)
            return -learning_rate * m_hat / (jnp.sqrt(v_hat) + self.epsilon), {"momentum": m, "velocity": v}

        each = per_array(start, one)

        def init(values: Any) -> Any:
            return {"product": jnp.ones((), "float32"), "slots": each.init(values)}

        def update(grads: Any, state: Any, params: Any = None, *, learning_rate: Array, step: Array) -> Any:
            product = state["product"] * momentum(step)
            updates, slots = each.update(grads, state["slots"], params, learning_rate=learning_rate, step=step, product=product)
            return updates, {"product": product, "slots": slots}

        return optax.GradientTransformationExtraArgs(init, update)
