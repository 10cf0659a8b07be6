"""Adadelta."""

from typing import Any

import lamina.optimizers.checks as checks
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import descend


class Adadelta(Optimizer):
    """w ← w - learning_rate * d, where d = g * sqrt(e_x + epsilon) / sqrt(e_g + epsilon).

    e_g ← rho * e_g + (1 - rho) * g², and then e_x likewise of d², are moving averages.

    Args:
        learning_rate: the size of a step, or a schedule; 1 in the paper.
        rho: how much of the averages is kept at each step, from 0 to 1.
        epsilon: keeps the denominator, and the first steps, from zero.
        kwargs: what `Optimizer` takes.

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.Adadelta(1.0, rho=0.75, epsilon=1e-2).apply([np.float32(3.0)], [w])
    >>> round(float(w), 2)
    0.8
    """

    elementwise = True

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **kwargs: Any) -> None:
        checks.fractions(rho=rho)
        checks.not_negative(epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.rho, self.epsilon = rho, epsilon

    def transformation(self) -> Any:
        """Returns optax's scaling, and the descent."""
        import optax

        return optax.chain(optax.scale_by_adadelta(self.rho, self.epsilon), descend())
