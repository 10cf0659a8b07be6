"""An operation has the form of the platform that a program is lowered for: itself, and its derivatives and maps of any kind."""

import functools
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from lamina.ops.by_platform import Operation

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
X, Y = jnp.linspace(0.3, 1.2, 6).reshape(2, 3), jnp.linspace(-1, 1, 3)


def marked(factor, marker):
    """Returns a form that can be told from others: by its numbers, and by a function that its programs call."""

    def form(x, pair, *, power=2):
        y, _ = pair
        return factor * jnp.sum(marker(x) ** power * jnp.sin(y), -1), x * y

    return form


@jax.custom_vjp
def by_rule(x, y):
    return 2 * jnp.sum(jnp.tanh(x) ** 2 * jnp.sin(y), -1), x * y


def forward(x, y):
    return by_rule(x, y), (x, y)


def backward(kept, cotangents):
    return jax.vjp(lambda x, y: (2 * jnp.sum(jnp.tanh(x) ** 2 * jnp.sin(y), -1), x * y), *kept)[1](cotangents)


by_rule.defvjp(forward, backward)

MARKERS = {"cpu": "tanh", "cuda": "atan2", "tpu": "cbrt", "rocm": "exponential_minus_one"}  # rocm takes the default form
blend = Operation(
    "blend",
    marked(1, jnp.expm1),
    cpu=marked(2, jnp.tanh),
    cuda=marked(3, lambda x: jnp.arctan2(x, 2.0)),
    tpu=marked(4, jnp.cbrt),
)


def total(operation):
    def run(x, y):
        a, b = operation(x, (y, None))
        return jnp.sum(jnp.sin(a)) + jnp.sum(a[:, None] * b)

    return run


TRANSFORMED = {
    "call": lambda f: f,
    "gradient": lambda f: jax.grad(f, (0, 1)),
    "gradient of one": lambda f: jax.grad(f, 1),
    "forward": lambda f: lambda x, y: jax.jvp(f, (x, y), (jnp.cos(x), y)),
    "forward of one": lambda f: lambda x, y: jax.jvp(lambda x: f(x, y), (x,), (x,)),
    "hessian": lambda f: jax.hessian(f, (0, 1)),
    "forward of forward": lambda f: jax.jacfwd(jax.jacfwd(f, 1), 1),
    "gradient of gradient": lambda f: jax.grad(lambda x, y: jnp.sum(jax.grad(f)(x, y) ** 2), (0, 1)),
    "third derivative": lambda f: jax.grad(lambda x, y: jnp.sum(jnp.cos(jax.hessian(f, 1)(x, y)))),
    "mapped": lambda f: lambda x, y: jax.vmap(f, (0, None))(jnp.stack([x, 2 * x]), y),
    "gradient of mapped": lambda f: jax.grad(lambda x, y: jnp.sum(jax.vmap(f, (None, 1))(x, jnp.stack([y, -y], 1))), (0, 1)),
    "mapped gradient": lambda f: lambda x, y: jax.vmap(jax.grad(f, (0, 1)), (0, None))(jnp.stack([x, -x]), y),
    "mapped hessian of mapped": lambda f: (
        lambda x, y: jax.vmap(jax.hessian(lambda y: jnp.sum(jax.vmap(f, (None, 0))(x, y[None]))))(jnp.stack([y, 2 * y]))
    ),
    "recomputed": lambda f: jax.grad(jax.checkpoint(f), (0, 1)),
    "in a loop": lambda f: jax.grad(lambda x, y: jax.lax.scan(lambda c, s: (c + f(x * s, y + c), c), 0.0, jnp.ones(3))[0], (0, 1)),
    "linearized": lambda f: lambda x, y: jax.linearize(f, x, y)[1](x, y),
    "in a branch": lambda f: jax.grad(lambda x, y: jax.lax.cond(x[0, 0] > 0, f, lambda x, y: jnp.sum(y), x, y), (0, 1)),
}


def everything(operation, names=tuple(TRANSFORMED)):
    return lambda x, y: {name: TRANSFORMED[name](total(operation))(x, y) for name in names}


def assert_close(actual, desired, note=""):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(desired), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype, note
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=note)


QUICK = ("call", "gradient", "forward of one", "gradient of gradient", "mapped gradient", "in a loop")


@functools.cache
def numbers_of_the_form(names):
    return jax.jit(everything(blend.form("cpu"), names))(X, Y)


def assert_on_this_machine_it_is_the_form_of_the_cpu(names):
    ours = jax.jit(everything(blend, names))(X, Y)
    for name, numbers in numbers_of_the_form(names).items():
        assert_close(ours[name], numbers, name)


def test_on_this_machine_it_is_the_form_of_the_cpu():
    assert_on_this_machine_it_is_the_form_of_the_cpu(QUICK)


@pytest.mark.slow
def test_it_is_so_whatever_is_done_with_it():
    assert_on_this_machine_it_is_the_form_of_the_cpu(tuple(TRANSFORMED))


@pytest.mark.parametrize("name", ["call", "gradient", "mapped gradient"])
def test_it_is_so_outside_of_compiled_code_and_as_a_compiled_function(name):
    for operation in (blend, jax.jit(blend)):
        assert_close(TRANSFORMED[name](total(operation))(X, Y), numbers_of_the_form(QUICK)[name])


def program(function, *platforms):
    specs = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in (X, Y)]
    return jax.export.export(jax.jit(function), platforms=platforms)(*specs).mlir_module()


def forms_in(text):
    calls = set(re.findall(r"@blend\w*?_(cpu|cuda|tpu|default)\b", text))
    marks = {platform for platform, marker in MARKERS.items() if re.search(rf"\b(stablehlo|chlo)\.{marker}\b", text)}
    assert {"rocm" if call == "default" else call for call in calls} == marks
    return marks


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_program_for_a_platform_has_its_form_alone_whatever_is_done_with_it(platform):
    assert forms_in(program(everything(blend), platform)) == {platform}
    assert forms_in(program(TRANSFORMED["mapped hessian of mapped"](total(blend)), platform)) == {platform}


@pytest.mark.parametrize("platforms", [("cpu", "cuda"), ("rocm", "tpu"), PLATFORMS])
def test_a_program_for_several_platforms_has_the_form_of_each_and_runs_it(platforms):
    function = TRANSFORMED["gradient"](total(blend))
    exported = jax.export.export(jax.jit(function), platforms=platforms)(X, Y)
    assert forms_in(exported.mlir_module()) == set(platforms)
    if "cpu" in platforms:
        for a, b in zip(exported.call(X, Y), function(X, Y), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)


def test_only_the_form_that_is_lowered_is_traced():
    traced = []

    def form(name):
        return lambda x: (traced.append(name), x * 2)[1]

    operation = Operation("noted", form("default"), cpu=form("cpu"), cuda=form("cuda"), tpu=form("tpu"))
    lowering = jax.jit(jax.grad(lambda x: jnp.sum(operation(x)))).trace(X)
    assert set(traced) == {"default"}  # which says what the outputs are like
    for platform in ("cpu", "tpu"):
        traced.clear()
        lowering.lower(lowering_platforms=(platform,))
        assert set(traced) == {platform}


def test_a_form_with_a_rule_for_its_gradient_alone_is_differentiated_by_it():
    operation = Operation("ruled", blend.default, cpu=lambda x, pair: by_rule(x, pair[0]))
    for name in ("gradient", "gradient of mapped", "in a loop"):
        assert_close(*(jax.jit(TRANSFORMED[name](total(form)))(X, Y) for form in (operation, blend.form("cpu"))), name)
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(total(operation), (X, Y), (X, Y))


def test_a_linear_operation_is_transposed():
    operation = Operation("sums", lambda x, y: jnp.cumsum(x * y, 0), cpu=lambda x, y: jnp.cumsum(x * y[None] * 3, 0))
    by_form = functools.partial(operation.form("cpu"), y=Y)
    ours = jax.linear_transpose(lambda x: operation(x, Y), X)(X)
    np.testing.assert_allclose(ours, jax.linear_transpose(lambda x: by_form(x), X)(X), rtol=1e-6)
    twice = jax.linear_transpose(lambda g: jax.linear_transpose(lambda x: operation(x, Y), X)(g)[0], X)(X)
    np.testing.assert_allclose(twice[0], by_form(X), rtol=1e-6)
    mapped = jax.linear_transpose(lambda x: jax.vmap(operation, (None, 0))(x, jnp.stack([Y, Y])), X)(jnp.stack([X, X]))
    np.testing.assert_allclose(mapped[0], 2 * ours[0], rtol=1e-6)


def test_integers_and_flags_among_the_arguments_have_no_tangents():
    def form(x, places, flags):
        return jnp.where(flags, jnp.take(x, places, -1), 0)

    operation = Operation("pick", form, cpu=lambda *args: form(*args) * 2)
    places, flags = jnp.array([2, 0]), jnp.array([True, False])
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(operation(x, places, flags) ** 2)))(X)
    np.testing.assert_allclose(gradient, jax.grad(lambda x: jnp.sum(4 * form(x, places, flags) ** 2))(X))
    tangent = jax.jvp(operation, (X, places, flags), (X, np.zeros(2, jax.dtypes.float0), np.zeros(2, jax.dtypes.float0)))[1]
    np.testing.assert_allclose(tangent, operation(X, places, flags))
    assert operation(X, places, flags).shape == (2, 2)


def test_outputs_that_nobody_asks_for_have_no_part_in_the_gradient():
    gradient = jax.grad(lambda x, y: jnp.sum(blend(x, (y, None))[1]))
    np.testing.assert_allclose(gradient(X, Y), jnp.broadcast_to(Y, X.shape))
    assert "tanh" not in program(gradient, "cpu")


def test_an_operation_of_one_form_is_that_form():
    operation = Operation("plain", lambda x, *, by: x * by)
    assert [str(equation.primitive) for equation in jax.make_jaxpr(lambda x: operation(x, by=2.0))(X).eqns] == ["mul"]


def test_settings_tell_programs_apart_and_calls_that_are_equal_share_one():
    traced = []

    def form(x, *, by):
        traced.append(by)
        return x * by

    operation = Operation("scaled", lambda x, *, by: x * by, cpu=form)
    for by in (2, 3, 2):
        for _ in range(2):
            np.testing.assert_allclose(jax.jit(lambda x: operation(operation(x, by=by), by=by))(X), X * by**2, rtol=1e-6)  # noqa: B023
    assert traced == [2, 3]


def test_a_form_that_returns_something_else_is_refused():
    operation = Operation("unlike", lambda x: x, cpu=lambda x: x[:1], tpu=lambda x: (x, x))
    with pytest.raises(TypeError, match=r"unlike for 'cpu' returns float32 of shape \(1, 3\), where .* float32 of shape \(2, 3\)"):
        operation(X)
    with pytest.raises(TypeError, match="the same shapes and dtypes"):
        jax.export.export(jax.jit(operation), platforms=["tpu"])(X)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_sizes_may_be_unknown(platform):
    (batch,) = jax.export.symbolic_shape("batch")
    specs = jax.ShapeDtypeStruct((batch, 3), X.dtype), jax.ShapeDtypeStruct(Y.shape, Y.dtype)
    assert [out.shape for out in jax.eval_shape(lambda x, y: blend(x, (y, None)), *specs)] == [(batch,), (batch, 3)]
    exported = jax.export.export(jax.jit(jax.grad(total(blend), (0, 1))), platforms=[platform])(*specs)
    assert forms_in(exported.mlir_module()) == {platform}
    if platform == "cpu":
        for a, b in zip(exported.call(X, Y), jax.grad(total(blend), (0, 1))(X, Y), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)


def test_what_jax_was_set_to_where_it_was_called_holds_where_it_is_lowered():
    operation = Operation("product", lambda x, y: x @ y + jnp.arange(3.0).sum(), cpu=lambda x, y: jnp.arange(3.0).sum() + x @ y)

    def precisions(traced):
        return set(re.findall(r"precision = \[(\w+)", traced.lower(lowering_platforms=("cpu",)).as_text()))

    square = jax.ShapeDtypeStruct((3, 3), "float32")
    with jax.default_matmul_precision("highest"):
        careful = jax.jit(jax.grad(lambda x, y: jnp.sum(operation(x, y)))).trace(square, square)
    assert precisions(careful) == {"HIGHEST"}
    assert precisions(jax.jit(operation).trace(square, square)) == {"DEFAULT"}
    with jax.enable_x64(True):
        wide = jax.jit(operation).trace(*[jax.ShapeDtypeStruct((3, 3), "float64")] * 2)
    assert "tensor<3xf64>" in wide.lower().as_text()


def test_it_runs_without_compiled_functions_and_on_the_device_that_is_asked_for():
    with jax.disable_jit():
        np.testing.assert_allclose(total(blend)(X, Y), total(blend.form("cpu"))(X, Y), rtol=1e-6)
    with jax.default_device(jax.devices("cpu")[0]):
        np.testing.assert_allclose(jax.jit(total(blend))(X, Y), total(blend.form("cpu"))(X, Y), rtol=1e-6)


@pytest.mark.parametrize("checked", [True, False])
def test_it_is_differentiated_inside_and_through_a_map_over_devices(checked):
    """What is the same on all devices gets the sum of their gradients, which is asked for where JAX does not see that it is."""
    mesh = jax.make_mesh((1,), ("device",), axis_types=(jax.sharding.AxisType.Auto,), devices=jax.devices("cpu")[:1])
    along, same = PartitionSpec("device"), PartitionSpec()
    mapped = functools.partial(jax.shard_map, mesh=mesh, check_vma=checked)

    def inside(x, y):
        gradients = jax.grad(total(blend), (0, 1))(x, y)
        return gradients[0], gradients[1] if checked else jax.lax.psum(gradients[1], "device")

    def outside(x, y):
        return jax.lax.psum(total(blend)(x, y), "device")

    desired = jax.grad(total(blend.form("cpu")), (0, 1))(X, Y)
    through = jax.grad(mapped(outside, in_specs=(along, same), out_specs=same), (0, 1))
    for function in (mapped(inside, in_specs=(along, same), out_specs=(along, same)), through):
        for a, b in zip(jax.jit(function)(X, Y), desired, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_derivatives_to_all_kinds_of_arguments_are_independent():
    """The derivative along several directions is the sum of those along each."""
    function = total(jax.jit(blend))
    whole = jax.jvp(function, (X, Y), (X, Y))[1]
    parts = [jax.jvp(function, (X, Y), tangents)[1] for tangents in ((X, jnp.zeros_like(Y)), (jnp.zeros_like(X), Y))]
    np.testing.assert_allclose(whole, sum(parts), rtol=1e-5)
    by_gradient = sum(jnp.sum(g * t) for g, t in zip(jax.grad(function, (0, 1))(X, Y), (X, Y), strict=True))
    np.testing.assert_allclose(whole, by_gradient, rtol=1e-5)


def test_equal_calls_are_one_and_the_same_computation():
    def computations(power):
        gradient = jax.grad(lambda x, y: jnp.sum(blend(x, (y, None), power=power)[0]))
        return [
            equation.params["computation"] for equation in jax.make_jaxpr(gradient)(X, Y).eqns if "computation" in equation.params
        ]

    one, other = computations(2), computations(3)
    assert one == computations(2) and len(set(one)) == 2
    assert all(a != b for a, b in itertools.product(one, other))
