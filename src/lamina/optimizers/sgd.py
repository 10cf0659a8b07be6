"""Stochastic gradient descent."""

from typing import Any

from lamina.optimizers.optimizer import Optimizer


class SGD(Optimizer):
    """w ← w - learning_rate * v, where v = momentum * v + g, or g + momentum * v with `nesterov`.

    Args:
        learning_rate: the size of a step.
        momentum: how much of the last direction is kept, from 0 to 1.
        nesterov: look ahead along the direction (Sutskever et al., On the importance of initialization and momentum, 2013).
        name: its name.

    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.SGD(0.1).apply([np.float32(2.0)], [w])
    >>> print(w.numpy())
    0.8
    """

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False, name: str | None = None) -> None:
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must be from 0 to 1, not {momentum!r}.")
        super().__init__(learning_rate, name)
        self.momentum = momentum
        self.nesterov = nesterov

    def transformation(self) -> Any:
        """Returns optax's trace of gradients, or the gradients themselves."""
        import optax

        return optax.trace(self.momentum, self.nesterov) if self.momentum else optax.identity()
