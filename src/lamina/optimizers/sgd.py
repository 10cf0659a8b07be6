"""Stochastic gradient descent."""

from typing import Any

import lamina.optimizers.checks as checks
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import descend


class SGD(Optimizer):
    """w ← w + v, where v ← momentum * v - learning_rate * g.

    With `nesterov`, w ← w + momentum * v - learning_rate * g, by the new v.

    Args:
        learning_rate: the size of a step, or a schedule.
        momentum: how much of the last update is kept, from 0 to 1.
        nesterov: look ahead along the update.
        kwargs: what `Optimizer` takes.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.SGD(0.1).apply([np.float32(2.0)], [w])
    >>> print(w.numpy())
    0.8
    """

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any) -> None:
        checks.fractions(momentum=momentum)
        super().__init__(learning_rate, **kwargs)
        self.momentum, self.nesterov = momentum, nesterov
        self.elementwise = momentum > 0  # without it nothing is kept, and one small array moves as fast as its part of a vector

    def transformation(self) -> Any:
        """Returns the descent, and optax's trace of it where there is momentum."""
        import optax

        return optax.chain(descend(), optax.trace(self.momentum, self.nesterov)) if self.momentum else descend()
