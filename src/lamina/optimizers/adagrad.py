"""Adagrad."""

from typing import Any

import lamina.optimizers.checks as checks
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import descend


class Adagrad(Optimizer):
    """w ← w - learning_rate * g / sqrt(a + epsilon), where a ← a + g².

    Args:
        learning_rate: the size of a step, or a schedule.
        initial_accumulator_value: what a starts from.
        epsilon: keeps the denominator from zero.
        kwargs: what `Optimizer` takes.

    Source: Duchi et al., Adaptive Subgradient Methods for Online Learning and Stochastic Optimization, 2011.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.Adagrad(0.1, initial_accumulator_value=0.0).apply([np.float32(3.0)], [w])
    >>> round(float(w), 4)
    0.9
    """

    elementwise = True

    def __init__(
        self, learning_rate: Any = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7, **kwargs: Any
    ) -> None:
        checks.not_negative(initial_accumulator_value=initial_accumulator_value, epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def transformation(self) -> Any:
        """Returns optax's scaling, and the descent."""
        import optax

        return optax.chain(optax.scale_by_rss(self.initial_accumulator_value, self.epsilon), descend())
