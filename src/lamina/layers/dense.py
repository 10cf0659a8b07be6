"""Dense: a matrix product over the last axis."""

from typing import Any

import lamina.activations as activations
from lamina.core.input_spec import InputSpec
from lamina.core.variable import Array
from lamina.layers.checks import known, positive
from lamina.layers.weight_settings import KernelLayer, WeightSettings, add_weight
from lamina.ops.wrap import compiled


class Dense(KernelLayer):
    """activation(inputs @ kernel + bias).

    The kernel has shape (features, units), the bias (units,); inputs of shape (..., features) give outputs of shape
    (..., units).

    Args:
        units: the size of the outputs' last axis.
        activation: a name or a function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer: makes the first kernel.
        bias_initializer: makes the first bias.
        kernel_regularizer: its penalty on the kernel is one of the losses.
        bias_regularizer: likewise for the bias.
        activity_regularizer: likewise for the outputs.
        kernel_constraint: applied to the kernel after each update.
        bias_constraint: likewise for the bias.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: if units is not a positive integer.

    >>> lamina.layers.Dense(2, activation="relu")(np.ones((4, 3))).shape
    (4, 2)
    """

    supports_masking = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = positive(units, "units", self)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        WeightSettings(kernel_initializer, kernel_regularizer, kernel_constraint).keep(self, "kernel")
        WeightSettings(bias_initializer, bias_regularizer, bias_constraint).keep(self, "bias")
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        """Creates the kernel and the bias."""
        features = known(input_shape[-1], "the last axis", self)
        self.kernel = add_weight(self, "kernel", (features, self.units))
        self.bias = add_weight(self, "bias", (self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})

    def call(self, inputs: Array) -> Array:
        """Computes activation(inputs @ kernel + bias)."""
        outputs = affine(inputs, self.kernel.value, None if self.bias is None else self.bias.value)
        return self.activation(outputs)


@compiled()
def affine(inputs: Array, kernel: Array, bias: Array | None) -> Array:
    """Returns inputs @ kernel + bias, computed with all leading axes flattened to one.

    The gradient of a product of three dimensions contracts over two of them, slowly on the CPU; flattened it is a plain
    matrix product.
    """
    rows = inputs.reshape(-1, inputs.shape[-1]) @ kernel
    return (rows if bias is None else rows + bias).reshape(*inputs.shape[:-1], kernel.shape[-1])
