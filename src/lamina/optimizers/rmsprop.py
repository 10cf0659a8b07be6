"""RMSprop."""

from typing import Any

import lamina.optimizers.checks as checks
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import descend


class RMSprop(Optimizer):
    """w ← w - learning_rate * g / sqrt(v + epsilon), where v ← rho * v + (1 - rho) * g².

    With `centered`, the square of the moving average of g is taken off v: what is left is the variance. With `momentum`, each
    update is added to momentum times the last one.

    Args:
        learning_rate: the size of a step, or a schedule.
        rho: how much of the averages is kept at each step, from 0 to 1.
        momentum: how much of the last update is kept, from 0 to 1.
        epsilon: keeps the denominator from zero.
        centered: divide by the standard deviation.
        kwargs: what `Optimizer` takes.

    Source: Tieleman and Hinton, Lecture 6.5, Coursera: Neural Networks for Machine Learning, 2012.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.RMSprop(0.1, rho=0.75).apply([np.float32(3.0)], [w])
    >>> round(float(w), 4)
    0.8
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **kwargs: Any,
    ) -> None:
        checks.fractions(rho=rho, momentum=momentum)
        checks.not_negative(epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def transformation(self) -> Any:
        """Returns optax's scaling, the descent, and optax's trace of it where there is momentum."""
        import optax

        scale = optax.scale_by_stddev if self.centered else optax.scale_by_rms
        parts = [scale(self.rho, self.epsilon), descend(), *([optax.trace(self.momentum)] if self.momentum else [])]
        return optax.chain(*parts)
