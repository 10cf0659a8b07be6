"""The table of kernels: programs for a platform have its forms in them, and all forms give the same numbers and derivatives."""

import collections
import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from comparing import assert_close
from lamina import layers, ops
from lamina.ops import kernels
from lamina.ops.by_platform import Operation
from ops.cases import bits, real
from properties import examples

OTHERS = ("cuda", "rocm", "tpu")
PLATFORMS = ("cpu", *OTHERS)
TABLE = {name: operation for name, operation in vars(kernels).items() if isinstance(operation, Operation)}


class Case(NamedTuple):
    operation: Operation
    arrays: tuple[Any, ...]
    settings: dict[str, Any]

    def of(self, function):
        """Returns the function, of those arguments alone that have a gradient."""
        moving = [array is not None and jnp.issubdtype(array.dtype, jnp.floating) for array in self.arrays]

        def run(*given):
            remaining = iter(given)
            args = [next(remaining) if moves else array for moves, array in zip(moving, self.arrays, strict=True)]
            return function(*args, **self.settings)

        return run, [array for moves, array in zip(moving, self.arrays, strict=True) if moves]


def convolved(images, kernel, strides=1, padding="SAME", dilation=1, dtype="float32", **more):
    axes = len(images) - 2
    window = dict(strides=(strides,) * axes, padding=padding, dilation=(dilation,) * axes)
    return Case(kernels.convolution, (jnp.asarray(real(*images), dtype), jnp.asarray(real(*kernel), dtype)), {**window, **more})


def pooled(sizes, window, steps, padding="VALID", dtype="float32"):
    x = jnp.asarray(np.random.default_rng(0).permutation(np.prod(sizes)).reshape(sizes), dtype) / 7
    return Case(kernels.max_pooling, (x,), dict(window=window, steps=steps, padding=padding))


def attended(batch, heads, key_heads, time, places, depth, value_depth, without=(), is_causal=False, dtype="float32", flash=None):
    q, k, v = (
        jnp.asarray(real(batch, *sizes), dtype) for sizes in attention_sizes(heads, key_heads, time, places, depth, value_depth)
    )
    mask = bits(batch, 1, time, places) | (np.arange(places) == 0)
    given = dict(
        bias=jnp.asarray(real(heads, time, places), dtype), mask=mask, keep=bits(batch, heads, time, places), factor=np.float32(0.9)
    )
    given = {name: None if name in without else jnp.asarray(array) for name, array in given.items()}
    return Case(kernels.attention, (q, k, v, *given.values()), dict(scale=0.7, is_causal=is_causal, flash_attention=flash))


def attention_sizes(heads, key_heads, time, places, depth, value_depth):
    return (heads, time, depth), (key_heads, places, depth), (key_heads, places, value_depth)


ALL = ("bias", "mask", "keep", "factor")
CASES = {
    "signal": convolved((2, 9, 3), (3, 3, 4), 2),
    "image, few channels": convolved((2, 8, 9, 1), (5, 5, 1, 6)),
    "image, many channels": convolved((1, 6, 7, 20), (3, 3, 20, 24), padding="VALID"),
    "image, channels first": convolved((2, 3, 8, 7), (3, 3, 3, 4), 2, data_format="channels_first"),
    "volume": convolved((1, 5, 6, 5, 2), (3, 2, 3, 2, 3)),
    "groups": convolved((2, 6, 6, 4), (3, 3, 2, 6), dilation=2, groups=2),
    "each channel by itself": convolved((2, 6, 6, 3), (3, 3, 1, 6), groups=3),
    "transposed": convolved((2, 4, 4, 3), (3, 3, 3, 5), padding=((1, 2), (1, 2)), spread=(2, 2)),
    "image in half precision": convolved((2, 8, 8, 3), (3, 3, 3, 4), dtype="bfloat16"),
    "windows side by side": pooled((2, 6, 7, 3), (1, 2, 2, 1), (1, 2, 2, 1)),
    "windows that overlap": pooled((2, 3, 7, 8), (1, 1, 3, 2), (1, 1, 2, 1), "SAME"),
    "windows of a volume": pooled((1, 4, 5, 6, 2), (1, 2, 2, 3, 1), (1, 2, 1, 3, 1)),
    "attention": attended(2, 2, 2, 5, 4, 8, 8, without=ALL),
    "causal attention": attended(2, 4, 2, 6, 6, 8, 8, without=("mask", "keep"), is_causal=True),
    "attention with a mask": attended(2, 2, 2, 5, 4, 8, 8, without=("keep", "factor")),
    "attention with dropout": attended(2, 4, 1, 5, 4, 8, 8),
    "attention of other depth": attended(2, 2, 1, 5, 6, 8, 6, without=("keep",), is_causal=True),
    "LSTM": Case(kernels.lstm_step, (jnp.asarray(real(3, 16)), jnp.asarray(real(3, 4))), {}),
}


def total(function):
    """Returns a wavy sum of a function's outputs, so that no derivative of it is constant."""
    return lambda *args: sum(jnp.sum(jnp.sin(output.astype("float32"))) for output in jax.tree.leaves(function(*args)))


def gradient_of(function, arrays):
    return jax.grad(total(function), tuple(range(len(arrays))))


def exported(function, arrays, *platforms):
    anywhere = [jax.export.DisabledSafetyCheck.platform()]
    return jax.export.export(jax.jit(function), platforms=platforms, disabled_checks=anywhere)(*arrays)


def lowered(function, arrays):
    """Returns how to lower a function for some platforms: it is traced once."""
    traced = jax.jit(function).trace(*arrays)
    return lambda *platforms: operations_in(traced.lower(lowering_platforms=platforms).as_text())


def operations_in(text):
    """Returns how often a program has which operation; but for constants and what only lays numbers out in another way."""
    counts = collections.Counter(re.findall(r"\b(?:stablehlo|chlo)\.(\w+)", text))
    for name in ("constant", "return", "broadcast_in_dim", "convert", "reshape"):
        counts.pop(name, None)
    return counts


# --- which form a program has ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_a_program_has_the_form_of_the_platform_that_it_is_lowered_for_and_its_gradient(name):
    case = CASES[name]
    ours, arrays = case.of(case.operation)
    forward, backward = lowered(ours, arrays), lowered(gradient_of(ours, arrays), arrays)
    expected = {}
    for platform in PLATFORMS:
        form = case.operation.form(platform)
        if form not in expected:
            alone, _ = case.of(form)
            expected[form] = lowered(alone, arrays)(platform), lowered(gradient_of(alone, arrays), arrays)(platform)
        assert forward(platform) == expected[form][0]
        gradient, by_jax = backward(platform), expected[form][1]
        assert gradient.keys() <= by_jax.keys()
        if platform != "cpu":
            for kind in ("convolution", "select_and_scatter", "reduce_window", "while", "optimization_barrier", "custom_call"):
                assert gradient[kind] == by_jax[kind], (platform, kind)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.operation is kernels.convolution])
def test_off_the_cpu_a_convolution_is_one_convolution_and_its_gradient_two(name):
    ours, arrays = CASES[name].of(kernels.convolution)
    forward, gradient = lowered(ours, arrays), lowered(gradient_of(ours, arrays), arrays)
    for platform in OTHERS:
        assert (
            forward(platform)["convolution"] == 1 and gradient(platform)["convolution"] == 3
        )  # the wave's slope needs the outputs
        assert forward(platform)["dot_general"] == gradient(platform)["dot_general"] == 0


def test_on_the_cpu_few_channels_are_a_matrix_product_and_each_by_itself_a_sum():
    for name, products in (("image, few channels", 1), ("each channel by itself", 0)):
        ours, arrays = CASES[name].of(kernels.convolution)
        forward, gradient = lowered(ours, arrays)("cpu"), lowered(gradient_of(ours, arrays), arrays)("cpu")
        assert forward["convolution"] == gradient["convolution"] == 0 and forward["dot_general"] == products


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.operation is kernels.max_pooling])
def test_windows_are_scattered_to_off_the_cpu_alone(name):
    ours, arrays = CASES[name].of(kernels.max_pooling)
    forward, gradient = lowered(ours, arrays), lowered(gradient_of(ours, arrays), arrays)
    for platform in PLATFORMS:
        assert forward(platform)["reduce_window"] == gradient(platform)["select_and_scatter"] == (platform != "cpu")


def test_one_tanh_serves_all_gates_on_the_cpu_alone():
    forward = lowered(*CASES["LSTM"].of(kernels.lstm_step))
    for platform in PLATFORMS:
        counts = forward(platform)
        found = counts["tanh"], counts["exponential"], counts["optimization_barrier"]
        assert found == ((2, 0, 2) if platform == "cpu" else (2, 3, 0))


def test_a_program_for_two_platforms_has_both_forms_and_runs():
    for name in ("image, few channels", "windows that overlap", "LSTM"):
        ours, arrays = CASES[name].of(CASES[name].operation)
        function = gradient_of(ours, arrays)
        program, alone = exported(function, arrays, "cpu", "cuda"), lowered(function, arrays)
        assert operations_in(program.mlir_module()).keys() == alone("cpu").keys() | alone("cuda").keys() | {"case"}, name
        for a, b in zip(program.call(*arrays), jax.jit(function)(*arrays), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


# --- numbers --------------------------------------------------------------------------------------------------------------


def assert_forms_agree(case):
    """Outputs, gradients, forward derivatives and those of gradients are the same in all forms that run here."""
    _, arrays = case.of(case.operation)
    along = [jnp.cos(array) for array in arrays]

    def derivatives(operation):
        function, _ = case.of(operation)
        gradient = gradient_of(function, arrays)
        return lambda *args: (function(*args), jax.jvp(gradient, args, tuple(along)))

    ours = jax.jit(derivatives(case.operation))(*arrays)
    for form in {case.operation.form(platform) for platform in (None, *case.operation.forms)}:
        theirs = jax.jit(derivatives(form))(*arrays)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)


QUICK = ("attention with dropout", "windows that overlap", "LSTM")  # others are in test_lowering, too


@pytest.mark.parametrize("name", QUICK)
def test_all_forms_give_the_same_numbers_and_derivatives(name):
    assert_forms_agree(CASES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in QUICK and "half" not in name])
def test_it_is_so_in_all_cases(name):
    assert_forms_agree(CASES[name])


@pytest.mark.slow
@given(sizes=st.tuples(*[st.integers(4, 7)] * 2), padding=st.sampled_from(["SAME", "VALID"]), data=st.data())
@examples(4)
def test_it_is_so_for_windows_of_any_size(sizes, padding, data):
    window, steps = (data.draw(st.tuples(*[st.integers(1, 3)] * 2)) for _ in range(2))
    assert_forms_agree(pooled((2, *sizes, 2), (1, *window, 1), (1, *steps, 1), padding))


@pytest.mark.slow
@given(data=st.data())
@examples(4)
def test_it_is_so_for_attention_of_any_size(data):
    groups, key_heads, time, places, depth, value_depth = (data.draw(st.integers(1, most)) for most in (2, 2, 5, 5, 4, 4))
    without = data.draw(st.sets(st.sampled_from(ALL)))
    assert_forms_agree(
        attended(2, groups * key_heads, key_heads, time, places, depth, value_depth, without, data.draw(st.booleans()))
    )


@pytest.mark.parametrize("name", ["image, many channels", "attention with dropout", "attention", "LSTM"])
def test_double_precision_stays_double(name):
    with jax.enable_x64(True):
        case = CASES[name]
        wide = [x.astype("float64") if x is not None and jnp.issubdtype(x.dtype, jnp.floating) else x for x in case.arrays]
        ours, form = (case.operation.form(platform)(*wide, **case.settings) for platform in ("cpu", None))
        assert_all_close(case.operation(*wide, **case.settings), ours, 1e-13)
        assert_all_close(form, ours, 1e-12)


def assert_all_close(actual, desired, tolerance):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(desired), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(np.float64(a), np.float64(b), rtol=tolerance, atol=tolerance)


def test_where_both_passes_stand_in_one_program_nothing_is_computed_twice():
    """The gradient keeps the arguments alone and computes the rest again; XLA merges that with the forward pass."""
    jax.config.update("jax_disable_most_optimizations", False)  # as users compile
    case = CASES["attention with a mask"]
    products = []
    for operation in (
        kernels.attention.form(None),
        Operation("alone", kernels.attention.form(None), cpu=kernels.attention.form(None)),
    ):
        function, arrays = case.of(operation)
        step = jax.value_and_grad(total(function), tuple(range(len(arrays))))
        products.append(len(re.findall(r" dot\(", jax.jit(step).lower(*arrays).compile().as_text())))
    assert products[0] == products[1] == 6


# --- layers ---------------------------------------------------------------------------------------------------------------


def model():
    image = lamina.Input((12, 12, 2))
    x = layers.Conv2D(4, 3, padding="same", activation="gelu")(image)
    x = layers.BatchNormalization()(layers.MaxPooling2D()(x))
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Conv2DTranspose(3, 3, padding="same")(layers.SeparableConv2D(6, 3, padding="same")(x))
    x = layers.LayerNormalization()(layers.Reshape((6, 18))(x))
    x = x + layers.MultiHeadAttention(2, 9)(x, x, use_causal_mask=True)
    x = layers.Conv1D(5, 2)(x)
    x = layers.LSTM(4)(layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x))
    return lamina.Model(image, layers.Dense(2)(x))


def training_step():
    """Returns loss and gradients of the model as a function of its weights and data, and those."""
    net = model()
    trained, others = ([v.value for v in variables] for variables in (net.trainable_variables, net.non_trainable_variables))

    def loss(weights, x):
        return jnp.sum(net.stateless_call(weights, others, x, training=True)[0] ** 2)

    return jax.value_and_grad(loss), (trained, jnp.asarray(real(4, 12, 12, 2)))


def test_a_model_traced_here_has_the_operations_of_where_it_goes():
    program = lowered(*training_step())
    cpu = program("cpu")
    assert cpu["while"] and cpu["select_and_scatter"] == cpu["reduce_window"] == 0
    for platform in OTHERS:
        counts = program(platform)
        assert counts["convolution"] >= 12 and counts["select_and_scatter"] == counts["reduce_window"] == 1
        # The barriers that are left are GELU's, which is the same everywhere, and those around what is to be computed again.
        assert counts["optimization_barrier"] < cpu["optimization_barrier"]


@pytest.mark.slow
@pytest.mark.parametrize("platform", OTHERS)
def test_a_model_for_elsewhere_gives_the_numbers_that_it_gives_here(platform):
    step, arrays = training_step()
    for a, b in zip(
        jax.tree.leaves(exported(step, arrays, platform).call(*arrays)), jax.tree.leaves(jax.jit(step)(*arrays)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)


def test_shapes_of_images_of_unknown_size_are_known_and_their_program_is_exported():
    (batch,) = jax.export.symbolic_shape("batch")
    spec, kernel = jax.ShapeDtypeStruct((batch, 8, 8, 3), "float32"), real(3, 3, 3, 4)

    def function(x):
        return ops.max_pool(ops.conv(x, kernel, padding="same"), 2)

    assert jax.eval_shape(function, spec).shape == (batch, 4, 4, 4)
    for platform in ("cpu", "tpu"):
        program = exported(jax.grad(lambda x: jnp.sum(function(x))), (spec,), platform)
        assert operations_in(program.mlir_module())["convolution"] >= 1
    x = jnp.asarray(real(2, 8, 8, 3))
    np.testing.assert_allclose(program.call(x), jax.grad(lambda x: jnp.sum(function(x)))(x), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_gradients_of_what_devices_share_are_summed_over_them():
    """In programs that are written for one device and mapped over two, and in those that XLA shares out by itself."""
    code = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from lamina import ops
from properties import examples
mesh = jax.make_mesh((2,), ("device",), axis_types=(AxisType.Auto,))
random = np.random.default_rng(0)
x, kernel = (jnp.asarray(random.normal(size=sizes), "float32") for sizes in ((4, 8, 8, 3), (3, 3, 3, 4)))

def loss(kernel, x):
    y = ops.max_pool(ops.conv(x, kernel, padding="same"), 2).reshape(len(x), 8, 2, 4)
    return jnp.sum(jnp.sin(ops.dot_product_attention(y, y, y)))

def own(kernel, x):
    gradient = jax.grad(loss)(kernel, x)
    return gradient if checked else jax.lax.psum(gradient, "device")

desired = jax.grad(loss)(kernel, x)
for checked in (True, False):
    options = dict(mesh=mesh, in_specs=(P(), P("device")), out_specs=P(), check_vma=checked)
    through = jax.grad(jax.shard_map(lambda *args: jax.lax.psum(loss(*args), "device"), **options))
    for gradient in (jax.shard_map(own, **options), through):
        np.testing.assert_allclose(jax.jit(gradient)(kernel, x), desired, rtol=1e-3, atol=1e-4)
shared = jax.device_put(x, NamedSharding(mesh, P("device")))
np.testing.assert_allclose(jax.jit(jax.grad(loss))(kernel, shared), desired, rtol=1e-3, atol=1e-4)
"""
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]


# --- fused attention ------------------------------------------------------------------------------------------------------


@pytest.fixture
def lowered_with_cudnn(monkeypatch):
    """Lowers for a GPU with cuDNN on a machine that has none. JAX does so for a mesh of which each device has its own program."""
    found = SimpleNamespace(cudnn_get_version=lambda: 91200)
    monkeypatch.setattr("jax._src.cudnn.fused_attention_stablehlo.cuda_versions", found)
    mesh = jax.make_mesh((1,), ("device",), devices=jax.devices("cpu")[:1])
    same = jax.sharding.PartitionSpec()

    def lower(function, arrays):
        alone = jax.shard_map(function, mesh=mesh, in_specs=same, out_specs=same, check_vma=False)
        return jax.jit(alone).trace(*arrays).lower(lowering_platforms=("cuda",)).as_text()

    return lower


def fused(time=16, without=ALL, dtype="bfloat16", is_causal=False):
    case = attended(2, 4, 2, time, 16, 8, 8, without, is_causal, dtype, flash=True)
    return case.of(case.operation)


@pytest.mark.parametrize("without, is_causal", [(ALL, True), (ALL, False), (("keep",), True)])
def test_fused_attention_is_cudnns_and_both_passes_ask_it_for_the_same(lowered_with_cudnn, without, is_causal):
    function, arrays = fused(without=without, is_causal=is_causal)
    text = lowered_with_cudnn(jax.value_and_grad(total(function), tuple(range(len(arrays)))), arrays)
    calls = re.findall(r"custom_call @__cudnn\$fmha(\w+)\(.*?(backend_config = \".*?[^\\]\")", text)
    forward = [config for name, config in calls if not name.endswith("Backward")]
    assert len(calls) == 3 and len(forward) == 2 and len(set(forward)) == 1  # equal, so that XLA makes them one
    assert ("CAUSAL" in forward[0]) == is_causal


@pytest.mark.parametrize("wrong, message", [(dict(without=("bias",)), "no dropout"), (dict(dtype="float32"), "fp16")])
def test_fused_attention_is_asked_for_nothing_that_it_cannot_do(lowered_with_cudnn, wrong, message):
    with pytest.raises((ValueError, NotImplementedError), match=message):
        lowered_with_cudnn(*fused(**wrong))


def test_fused_attention_is_traced_anywhere_and_refused_where_it_cannot_be_lowered():
    function, arrays = fused(time=8)
    assert jax.jit(function)(*arrays).shape == (2, 4, 8, 8)  # in tiles
    traced = jax.jit(function).trace(*arrays)
    for platform in ("tpu", "rocm"):
        with pytest.raises(ValueError, match="flash_attention=True is cuDNN's"):
            traced.lower(lowering_platforms=(platform,))
    if jax.default_backend() == "cpu":
        with pytest.raises(RuntimeError, match="where JAX finds cuDNN"):
            traced.lower(lowering_platforms=("cuda",))


def test_a_scale_is_a_number_or_an_array():
    q = jnp.asarray(real(2, 3, 2, 4))
    number, array = (ops.dot_product_attention(q, q, q, scale=scale) for scale in (0.3, jnp.float32(0.3)))
    assert_close(array, number)
    slope = jax.grad(lambda scale: jnp.sum(ops.dot_product_attention(q, q, q, scale=scale) ** 2))(0.3)
    assert np.isfinite(slope) and slope != 0


def test_the_table_tells_what_has_which_form():
    assert {name: sorted(operation.forms) for name, operation in TABLE.items()} == {
        "convolution": ["cpu"],
        "max_pooling": ["cpu"],
        "attention": ["cpu", "cuda", "rocm", "tpu"],
        "lstm_step": ["cpu"],
        "standardization": [],
        "batch_standardization": [],
    }
    assert all(operation.name == name for name, operation in TABLE.items())
