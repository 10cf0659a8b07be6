"""Adafactor."""

from typing import Any

import jax.numpy as jnp

import lamina.optimizers.checks as checks
from lamina.core.variable import Array
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import Slots, per_array, zeros


class Adafactor(Optimizer):
    """w ← w - max(epsilon_2, rms(w)) * rate * u / max(1, rms(u) / clip_threshold), where u = g / sqrt(v).

    v is a moving average of g² + epsilon_1, of which the share t^beta_2_decay is new at step t. Of an array with two axes or
    more only the means over the last axis, r, and over the one before, c, are kept: v = r * c / mean(r). The rate is the
    learning rate, or with `relative_step` at most 1 / sqrt(t).

    Args:
        learning_rate: the size of a step relative to the weights, or a schedule.
        beta_2_decay: how the share of what is new shrinks; negative.
        epsilon_1: keeps v from zero.
        epsilon_2: the least size of a step relative to the learning rate.
        clip_threshold: the greatest root mean square of u.
        relative_step: let steps shrink with their number; a schedule is always taken as it is.
        kwargs: what `Optimizer` takes.

    Source: Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018.

    >>> w = lamina.Variable(2.0)
    >>> lamina.optimizers.Adafactor(0.1).apply([np.float32(3.0)], [w])
    >>> round(float(w), 4)
    1.8
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **kwargs: Any,
    ) -> None:
        checks.numbers(beta_2_decay=beta_2_decay)
        if beta_2_decay >= 0:
            raise ValueError(f"beta_2_decay must be negative, not {beta_2_decay!r}.")
        checks.not_negative(epsilon_1=epsilon_1, epsilon_2=epsilon_2)
        checks.positive(clip_threshold=clip_threshold)
        super().__init__(learning_rate, **kwargs)
        self.beta_2_decay, self.epsilon_1, self.epsilon_2 = beta_2_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.relative_step = clip_threshold, relative_step

    def transformation(self) -> Any:
        """Returns the formula; optax's differs in what it factors and how it decays."""
        relative = self.relative_step and not callable(self._lamina.learning_rate)

        def start(value: Array) -> Slots:
            if value.ndim < 2:
                return {"velocity": zeros(value)}
            return {"row": zeros(value[..., 0]), "column": zeros(value[..., 0, :])}

        def update(g: Array, slots: Slots, w: Array, *, learning_rate: Array, step: Array) -> tuple[Array, Slots]:
            new = step**self.beta_2_decay
            square = g * g + self.epsilon_1
            seen = {"velocity": square} if g.ndim < 2 else {"row": jnp.mean(square, -1), "column": jnp.mean(square, -2)}
            slots = {name: (1 - new) * slots[name] + new * value for name, value in seen.items()}
            if g.ndim < 2:
                v = slots["velocity"]
            else:
                v = (slots["row"] / jnp.mean(slots["row"], -1, keepdims=True))[..., None] * slots["column"][..., None, :]
            u = g / jnp.sqrt(v)
            rate = jnp.minimum(learning_rate, 1 / jnp.sqrt(step)) if relative else learning_rate
            size = jnp.maximum(self.epsilon_2, _rms(w)) * rate
            return -size * u / jnp.maximum(1.0, _rms(u) / self.clip_threshold), slots

        return per_array(start, update)


def _rms(array: Array) -> Array:
    return jnp.sqrt(jnp.mean(jnp.square(array)))
