"""However a convolution is computed, it and its derivatives are those of `jax.lax`."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.ops.kernels import convolution
from ops.cases import real
from properties import examples


@pytest.fixture(autouse=True)
def on_the_cpu():
    with jax.default_device(jax.devices("cpu")[0]):
        yield


LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}


def ours(x, kernel, strides, padding, dilation, groups=1, spread=None):
    padding = padding if isinstance(padding, str) else tuple(padding)
    return convolution(x, kernel, strides=strides, padding=padding, dilation=dilation, groups=groups, spread=spread)


def direct(x, kernel, strides, padding, dilation, groups=1, spread=None):
    options = dict(lhs_dilation=spread, rhs_dilation=dilation, feature_group_count=groups)
    return jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=LAYOUTS[len(strides)], **options)


def derivatives(function):
    """Returns the outputs, the gradients, a forward derivative and a derivative of the gradients, of a wavy sum."""

    def total(x, kernel):
        return jnp.sum(jnp.sin(function(x, kernel)))

    def along(x, kernel):
        gradients = jax.grad(total, (0, 1))(x, kernel)
        return sum(jnp.sum(jnp.cos(gradient)) for gradient in gradients)

    def run(x, kernel):
        gradients = jax.grad(total, (0, 1))(x, kernel)
        forward = jax.jvp(function, (x, kernel), (jnp.cos(x), jnp.sin(kernel)))[1]
        return function(x, kernel), gradients, forward, jax.grad(along, (0, 1))(x, kernel)

    return jax.jit(run)


@examples(9)
@given(
    axes=st.integers(1, 3),
    channels=st.sampled_from(
        [(1, 1, 6), (1, 3, 4), (1, 3, 18), (1, 4, 18), (1, 17, 2), (2, 4, 6), (2, 36, 4), (4, 4, 8), (3, 3, 3)]
    ),
    padding=st.sampled_from(["SAME", "VALID", "explicit"]),
    data=st.data(),
)
def test_numbers_and_derivatives_are_those_of_the_plain_convolution(axes, channels, padding, data):
    groups, count, filters = channels
    kernel_size, strides, dilation, spread = (
        data.draw(st.tuples(*[st.integers(1, most)] * axes)) for most in (3, 3, 2, 2 if padding == "explicit" else 1)
    )
    sizes = data.draw(st.tuples(*[st.integers(5, 9 if axes < 3 else 6)] * axes))
    pads = [(1, 2), (-1, 1), (0, 3)][:axes] if padding == "explicit" else padding
    x, kernel = real(2, *sizes, count), real(*kernel_size, count // groups, filters)
    arguments = (strides, pads, dilation, groups, spread)
    actual = derivatives(lambda x, kernel: ours(x, kernel, *arguments))(x, kernel)
    desired = derivatives(lambda x, kernel: direct(x, kernel, *arguments))(x, kernel)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(desired), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("channels", [(3, 4), (4, 20)])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_each_dtype_is_as_exact_as_the_plain_convolution(dtype, channels):
    with jax.enable_x64(dtype == "float64"):
        rounding = float(jnp.finfo(dtype).eps)
        x, kernel = jnp.asarray(real(2, 6, 7, channels[0]), dtype), jnp.asarray(real(3, 3, *channels), dtype)

        def gradients(function):
            y, back = jax.vjp(lambda x, kernel: function(x, kernel, (1, 1), "SAME", (1, 1)), x, kernel)
            return y, *back(jnp.ones_like(y))

        exact = gradients(lambda x, kernel, *rest: direct(x.astype(float), kernel.astype(float), *rest))
        for a, b in zip(gradients(ours), exact, strict=True):
            assert b.dtype == a.dtype or dtype in ("float16", "bfloat16")
            np.testing.assert_allclose(np.float64(a), np.float64(b), rtol=2 * rounding, atol=40 * float(jnp.finfo(b.dtype).eps))


@pytest.mark.parametrize("axes, strides", [(1, 2), (2, 1), (2, 2), (3, 1)])
def test_in_a_loop_all_convolutions_have_the_order_of_axes_that_is_fast(axes, strides):
    x, kernel = real(2, *[6] * axes, 20), real(*[3] * axes, 20, 24)

    def step(_, weights):
        def loss(x, kernel):
            return jnp.sum(jnp.sin(ours(x, kernel, (strides,) * axes, "SAME", (1,) * axes)))

        return jax.tree.map(jnp.subtract, weights, jax.grad(loss, (0, 1))(*weights))

    program = jax.jit(lambda n, *weights: jax.lax.fori_loop(0, n, step, weights)).lower(2, x, kernel).compile().as_text()
    orders = re.findall(r"convolution\(.*dim_labels=([^,\s]+)", program)
    assert len(orders) >= 3 and set(orders) == {"b01f_01io->b01f"}


def test_it_is_so_where_a_convolution_is_transposed_as_the_linear_function_that_it_is():
    """As in the gradient of a recurrent layer, whose tangents are convolved with the kernel as it is."""
    x, kernel = real(2, 6, 6, 20), real(3, 3, 20, 20)

    def back(_, g):
        return jax.linear_transpose(lambda x: ours(x, kernel, (1, 1), "SAME", (1, 1)), g)(g)[0]

    program = jax.jit(lambda n, g: jax.lax.fori_loop(0, n, back, g)).lower(2, x).compile().as_text()
    assert re.findall(r"convolution\(.*dim_labels=([^,\s]+)", program) == ["b01f_01io->b01f"]


def test_the_gradient_for_inputs_that_nobody_asks_for_is_not_computed():
    x, kernel = real(4, 8, 8, 20), real(3, 3, 20, 24)

    def loss(kernel):
        return jnp.sum(jnp.sin(ours(x, kernel, (1, 1), "SAME", (1, 1))))

    program = jax.jit(jax.grad(loss)).lower(kernel).compile().as_text()
    assert len(re.findall(r"= \S+ convolution\(", program)) == 2
