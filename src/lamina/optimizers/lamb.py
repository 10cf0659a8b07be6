"""LAMB."""

from typing import Any

import lamina.optimizers.checks as checks
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import descend


class Lamb(Optimizer):
    """w ← w - learning_rate * |w| / |d| * d, where d = m̂ / (sqrt(v̂) + epsilon) is Adam's direction.

    Each variable moves in proportion to its norm, which lets batches be large. Where |w| or |d| is 0, the ratio is 1.

    Args:
        learning_rate: the size of a step, or a schedule.
        beta_1: how much of m is kept at each step, less than 1.
        beta_2: how much of v is kept at each step, less than 1.
        epsilon: keeps the denominator from zero.
        kwargs: what `Optimizer` takes.

    Source: You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, 2020.

    >>> w = lamina.Variable(2.0)
    >>> lamina.optimizers.Lamb(0.1).apply([np.float32(3.0)], [w])
    >>> round(float(w), 4)
    1.8
    """

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7, **kwargs: Any
    ) -> None:
        checks.below_one(beta_1=beta_1, beta_2=beta_2)
        checks.not_negative(epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def transformation(self) -> Any:
        """Returns optax's Adam, its trust ratio, and the descent."""
        import optax

        return optax.chain(optax.scale_by_adam(self.beta_1, self.beta_2, self.epsilon), optax.scale_by_trust_ratio(), descend())
