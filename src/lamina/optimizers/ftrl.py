"""Follow the regularized leader."""

from typing import Any

import jax.numpy as jnp

import lamina.optimizers.checks as checks
from lamina.core.variable import Array
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import Slots, per_array, zeros


class Ftrl(Optimizer):
    """w ← (clip(z, -l1, l1) - z) / ((n^-p + beta) / learning_rate + 2 * l2): most weights stay exactly zero.

    n ← n + g² and z ← z + g + 2 * shrinkage * w - w * (n^-p - n_old^-p) / learning_rate, where p is `learning_rate_power`.

    Args:
        learning_rate: the size of a step, or a schedule; it must not be 0.
        learning_rate_power: how the steps shrink as gradients sum up; at most 0.
        initial_accumulator_value: what n starts from.
        l1_regularization_strength: l1, how strongly weights are drawn to be exactly zero.
        l2_regularization_strength: l2, how strongly they are made small.
        l2_shrinkage_regularization_strength: shrinkage, likewise, but by a term of the gradient.
        beta: added to n^-p.
        kwargs: what `Optimizer` takes.

    Source: McMahan et al., Ad Click Prediction: a View from the Trenches, 2013.

    >>> w = lamina.Variable(0.0)
    >>> lamina.optimizers.Ftrl(0.1, initial_accumulator_value=0.0).apply([np.float32(2.0)], [w])
    >>> round(float(w), 4)
    -0.1
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **kwargs: Any,
    ) -> None:
        checks.numbers(learning_rate_power=learning_rate_power)
        if learning_rate_power > 0:
            raise ValueError(f"learning_rate_power must be at most 0, not {learning_rate_power!r}.")
        checks.not_negative(
            initial_accumulator_value=initial_accumulator_value,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
            beta=beta,
        )
        super().__init__(learning_rate, **kwargs)
        self.learning_rate_power, self.initial_accumulator_value = learning_rate_power, initial_accumulator_value
        self.l1_regularization_strength, self.l2_regularization_strength = l1_regularization_strength, l2_regularization_strength
        self.l2_shrinkage_regularization_strength, self.beta = l2_shrinkage_regularization_strength, beta

    def transformation(self) -> Any:
        """Returns the formula; optax has none."""
        power, l1, l2 = -self.learning_rate_power, self.l1_regularization_strength, self.l2_regularization_strength
        shrinkage, beta = self.l2_shrinkage_regularization_strength, self.beta

        def start(value: Array) -> Slots:
            return {"accumulator": jnp.full_like(value, self.initial_accumulator_value), "linear": zeros(value)}

        def update(g: Array, slots: Slots, w: Array, *, learning_rate: Array, step: Array) -> tuple[Array, Slots]:
            n = slots["accumulator"] + g * g
            grown = n**power
            z = slots["linear"] + g + 2 * shrinkage * w - w * (grown - slots["accumulator"] ** power) / learning_rate
            new = (jnp.clip(z, -l1, l1) - z) / ((grown + beta) / learning_rate + 2 * l2)
            return new - w, {"accumulator": n, "linear": z}

        return per_array(start, update)
