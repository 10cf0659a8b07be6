"""Lion."""

from typing import Any

import lamina.optimizers.checks as checks
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import descend


class Lion(Optimizer):
    """w ← w - learning_rate * sign(beta_1 * m + (1 - beta_1) * g), then m ← beta_2 * m + (1 - beta_2) * g.

    Every element moves by the same amount, so the learning rate is chosen three to ten times smaller than Adam's.

    Args:
        learning_rate: the size of a step, or a schedule.
        beta_1: the share of m in the direction, above 0.
        beta_2: how much of m is kept at each step, from 0 to 1.
        kwargs: what `Optimizer` takes.

    Source: Chen et al., Symbolic Discovery of Optimization Algorithms, 2023.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.Lion(0.1).apply([np.float32(2.0)], [w])
    >>> print(w.numpy())
    0.9
    """

    elementwise = True

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **kwargs: Any) -> None:
        checks.fractions(beta_1=beta_1, beta_2=beta_2)
        if beta_1 == 0:
            raise ValueError("beta_1 must be above 0: without it Lion takes the signs of the gradients alone.")
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def transformation(self) -> Any:
        """Returns optax's direction, and the descent."""
        import optax

        return optax.chain(optax.scale_by_lion(self.beta_1, self.beta_2), descend())
