"""LAMB."""

from typing import Any

from lamina.optimizers.adam import MomentsOptimizer
from lamina.optimizers.transformations import descend


class Lamb(MomentsOptimizer):
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

    def transformation(self) -> Any:
        """Returns optax's Adam, its trust ratio, and the descent."""
        import optax

        return optax.chain(optax.scale_by_adam(self.beta_1, self.beta_2, self.epsilon), optax.scale_by_trust_ratio(), descend())
