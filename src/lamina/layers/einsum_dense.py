"""EinsumDense: a product of inputs and kernel along any axes."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

import lamina.activations as activations
import lamina.initializers as initializers
from lamina.core.checks import is_integer
from lamina.core.config import remade
from lamina.core.input_spec import InputSpec
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.layers.weight_settings import KernelLayer, WeightSettings, add_weight
from lamina.ops.wrap import compiled

_EQUATION = re.compile(r"(\.\.\.|)([A-Za-z]+)(\.\.\.|),([A-Za-z]+)->\1([A-Za-z]+)\3")


class EinsumDense(KernelLayer):
    """activation(einsum(equation, inputs, kernel) + bias).

    Each letter of the equation is an axis; those that the outputs lack are summed over. The sizes of the kernel follow from
    the inputs and from `output_shape`.

    Args:
        equation: "inputs,kernel->outputs", for example "abc,cd->abd"; three dots before or after both the inputs' and the
            outputs' letters stand for any further axes.
        output_shape: the sizes of the outputs' last letters; None for those that the inputs have. An integer stands
            for one size.
        activation: a name or a function; None is linear.
        bias_axes: the letters of the outputs that the bias has; None for no bias.
        kernel_initializer: makes the first kernel.
        bias_initializer: makes the first bias.
        kernel_regularizer: its penalty on the kernel is one of the losses.
        bias_regularizer: likewise for the bias.
        kernel_constraint: applied to the kernel after each update.
        bias_constraint: likewise for the bias.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for an equation of another form, letters that do not fit together, or, when it is built, a size that is
            unknown or contradicts the inputs.

    >>> layer = lamina.layers.EinsumDense("btf,fhd->bthd", output_shape=(None, 4, 8), bias_axes="hd")
    >>> layer(np.ones((2, 5, 3))).shape, layer.kernel.shape, layer.bias.shape
    ((2, 5, 4, 8), (3, 4, 8), (4, 8))
    """

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None] | None,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        WeightSettings(kernel_initializer, kernel_regularizer, kernel_constraint).keep(self, "kernel")
        WeightSettings(bias_initializer, bias_regularizer, bias_constraint).keep(self, "bias")
        self.partial_output_shape = tuple(output_shape) if isinstance(output_shape, (tuple, list)) else (output_shape,)
        self.equation = equation
        if not all(size is None or (is_integer(size) and size > 0) for size in self.partial_output_shape):
            raise ValueError(f"output_shape of EinsumDense must hold positive integers and None, not {output_shape!r}.")
        if bias_axes is not None and not isinstance(bias_axes, str):
            raise ValueError(f"bias_axes of EinsumDense must be letters of the outputs, or None, not {bias_axes!r}.")
        self.bias_axes = bias_axes
        self._equation = _read(equation, self.partial_output_shape, bias_axes or "")

    def build(self, input_shape: Any) -> None:
        """Creates the kernel and the bias."""
        _, inputs, after, kernel, outputs = self._equation
        sizes = self._sizes(input_shape)
        initializer = _along_axes(self.kernel_initializer, kernel, outputs)
        self.kernel = add_weight(self, "kernel", [self._known(axis, sizes) for axis in kernel], initializer)
        self.bias = None
        if self.bias_axes:
            first = min(outputs.index(axis) for axis in self.bias_axes)
            shape = [self._known(axis, sizes) if axis in self.bias_axes else 1 for axis in outputs[first:]]
            shape += [1] * (len(input_shape) - len(inputs)) if after else []
            self.bias = add_weight(self, "bias", shape)
        self.input_spec = InputSpec(ndim=len(input_shape))

    def call(self, inputs: Array) -> Array:
        outputs = _einsum(inputs, self.kernel.value, None if self.bias is None else self.bias.value, self.equation)
        return self.activation(outputs)

    def _sizes(self, input_shape: Sequence[int | None]) -> dict[str, int | None]:
        """Returns the size of each axis that the inputs' shape or `output_shape` gives."""
        before, inputs, after, _, outputs = self._equation
        further = len(input_shape) - len(inputs)
        if further < 0 or (further > 0 and not (before or after)):
            raise ValueError(f"The equation {self.equation!r} does not fit inputs of shape {show_shape(input_shape)}.")
        sizes = dict(zip(inputs, input_shape[further:] if before else input_shape, strict=False))
        for axis, size in zip(reversed(outputs), reversed(self.partial_output_shape), strict=False):
            if isinstance(sizes.get(axis), int) and size not in (None, sizes[axis]):
                raise ValueError(
                    f"In the layer {self.path!r} axis {axis!r} of {self.equation!r} has size {size} by output_shape, but "
                    f"size {sizes[axis]} in inputs of shape {show_shape(input_shape)}."
                )
            if size is not None:
                sizes[axis] = size
        return sizes

    def _known(self, axis: str, sizes: dict[str, int | None]) -> int:
        size = sizes.get(axis)
        if not isinstance(size, int):
            raise ValueError(
                f"The layer {self.path!r} cannot be built: the size of axis {axis!r} of {self.equation!r} is unknown. Give "
                "it in output_shape, in lamina.Input or in build(input_shape)."
            )
        return size


@compiled("equation")
def _einsum(inputs: Array, kernel: Array, bias: Array | None, equation: str) -> Array:
    outputs = jnp.einsum(equation, inputs, kernel)
    return outputs if bias is None else outputs + bias


class _Equation(NamedTuple):
    """The letters of inputs, kernel and outputs, and the three dots before or after the inputs', or nothing."""

    before: str
    inputs: str
    after: str
    kernel: str
    outputs: str


def _read(text: str, output_shape: Sequence[int | None], bias_axes: str) -> _Equation:
    """Returns the parts of an equation; raises ValueError for letters or an output shape that do not fit together."""
    match = _EQUATION.fullmatch(text.replace(" ", "")) if isinstance(text, str) else None
    if match is None or (match[1] and match[3]):
        raise ValueError(
            f"The equation of EinsumDense looks like 'ab,bc->ac', '...b,bc->...c' or 'ab...,bc->ac...', but not {text!r}."
        )
    equation = _Equation(*match.groups())
    for what, letters, others in (
        ("The outputs", equation.outputs, equation.inputs + equation.kernel),
        ("The kernel", equation.kernel, equation.inputs + equation.outputs),
        ("The bias_axes", bias_axes, equation.outputs),
    ):
        if lone := sorted(set(letters) - set(others)):
            raise ValueError(f"{what} of {text!r} have the axes {lone}, which are not among {sorted(set(others))}.")
    if len(output_shape) > len(equation.outputs):
        raise ValueError(f"The output_shape {show_shape(output_shape)} has more sizes than {text!r} has letters of outputs.")
    return equation


def _along_axes(initializer: Any, kernel: str, outputs: str) -> Any:
    """Returns an initializer that scales by fan-in and fan-out along the kernel's axes; others as they are."""
    if not isinstance(initializer, initializers.VarianceScaling) or initializer.input_axes is not None:
        return initializer
    axes = {
        "input_axes": [i for i, axis in enumerate(kernel) if axis not in outputs],
        "output_axes": [i for i, axis in enumerate(kernel) if axis in outputs],
    }
    return remade(initializer, **axes)
