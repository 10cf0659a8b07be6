"""Any optax optimizer as one of Lamina's."""

from typing import Any

import jax

from lamina.core.variable import Array
from lamina.optimizers.optimizer import Optimizer


class OptaxOptimizer(Optimizer):
    """Any optax optimizer: its updates are added as they are, times `learning_rate`, which is 1.

    Args:
        optimizer: an `optax.GradientTransformation`.
        name: its name.
        learning_rate: a factor on the updates, which have the optimizer's own learning rate in them.
        kwargs: what `Optimizer` takes.

    >>> import optax
    >>> w = lamina.Variable(1.0)
    >>> lamina.optimizers.get(optax.sgd(0.1)).apply([np.float32(2.0)], [w])
    >>> print(w.numpy())
    0.8
    """

    def __init__(self, optimizer: Any, name: str = "optax", learning_rate: Any = 1.0, **kwargs: Any) -> None:
        super().__init__(learning_rate, name=name, **kwargs)
        self.optimizer = optimizer

    def transformation(self) -> Any:
        """Returns the optimizer, followed by the factor."""
        import optax

        def update(updates: Any, state: Any, params: Any = None, *, learning_rate: Array, **_: Any) -> tuple[Any, Any]:
            return jax.tree.map(lambda array: learning_rate * array, updates), state

        factor = optax.GradientTransformationExtraArgs(optax.init_empty_state, update)
        return optax.chain(optax.with_extra_args_support(self.optimizer), factor)
