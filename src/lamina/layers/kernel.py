"""What layers with a kernel and a bias share."""

from collections.abc import Sequence
from typing import Any

import lamina.activations as activations
import lamina.constraints as constraints
import lamina.initializers as initializers
import lamina.regularizers as regularizers
from lamina.core.layer import Layer
from lamina.core.variable import Variable


class KernelLayer(Layer):
    """A layer with a kernel, a bias and an activation: how those are made, regularised and constrained.

    Args:
        activation: a name or a function; None is linear.
        kernel_initializer: makes the first kernel.
        bias_initializer: makes the first bias.
        kernel_regularizer: its penalty on the kernel is one of the losses.
        bias_regularizer: likewise for the bias.
        kernel_constraint: applied to the kernel after each update.
        bias_constraint: likewise for the bias.
        kwargs: what `lamina.Layer` takes.
    """

    def __init__(
        self,
        activation: Any,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def add_kernel(self, shape: Sequence[int], initializer: Any = None) -> Variable:
        """Returns a new kernel; `initializer` may stand for that of the constructor."""
        initializer = initializer or self.kernel_initializer
        return self.add_weight(shape, initializer, regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)

    def add_bias(self, shape: Sequence[int], initializer: Any = None) -> Variable:
        """Returns a new bias; `initializer` may stand for that of the constructor."""
        initializer = initializer or self.bias_initializer
        return self.add_weight(shape, initializer, regularizer=self.bias_regularizer, constraint=self.bias_constraint)
