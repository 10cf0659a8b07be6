"""Normalisation: the numbers, statistics and gradients of Keras, with masks, over mapped axes, and twice differentiable."""

import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.core.masks import mask_of
from lamina.ops.normalization import group_normalization, normalize_batch
from properties import examples

# How to make the layer, the shape of its inputs, and which of their sizes it need not know.
LAYERS = {
    "batch": (lambda k, **options: k.BatchNormalization(**options), (6, 5, 3), (0, 1)),
    "batch of axis 1": (lambda k, **options: k.BatchNormalization(axis=1, **options), (4, 3, 5, 2), (0, 2, 3)),
    "layer": (lambda k, **options: k.LayerNormalization(**options), (4, 5, 3), (0, 1)),
    "layer of two axes": (lambda k, **options: k.LayerNormalization(axis=[1, 3], **options), (4, 5, 2, 3), (0, 2)),
    "group": (lambda k, **options: k.GroupNormalization(2, **options), (4, 5, 6), (0, 1)),
    "group of axis 1": (lambda k, **options: k.GroupNormalization(2, axis=1, **options), (4, 6, 5), (0, 2)),
    "root mean square": (lambda k, epsilon=1e-6, center=0, scale=0: k.RMSNormalization(epsilon=epsilon), (4, 5, 3), (0, 1)),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def inputs(shape, seed=0, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 2, shape).astype("float32")


def random_weights(layer, seed=1):
    """Sets all weights to random numbers that a variance may be too, and returns them."""
    random = np.random.default_rng(seed)
    weights = [random.uniform(0.5, 1.5, w.shape).astype("float32") for w in layer.weights]
    layer.set_weights(weights)
    return weights


def both(name, **options):
    make, shape, _ = LAYERS[name]
    ours, theirs = make(layers, **options), make(keras.layers, **options)
    ours.build(shape)
    theirs.build(shape)
    theirs.set_weights(random_weights(ours))
    return ours, theirs, shape


def close(actual, desired, tolerance=1e-5):
    np.testing.assert_allclose(np.float64(actual), np.float64(desired), rtol=tolerance, atol=tolerance)


def outputs_and_state(layer, *args, **kwargs):
    """Calls a layer of Lamina or Keras purely, as a function of its trained weights and its inputs."""

    def function(trained, x):
        others = [v.value for v in layer.non_trainable_variables]
        return layer.stateless_call(trained, others, x, *args, **kwargs)

    return function, [v.value for v in layer.trainable_variables]


# --- numbers ---------------------------------------------------------------------------------------------------------


@every_layer
@given(
    center=st.booleans(),
    scale=st.booleans(),
    epsilon=st.sampled_from([1e-3, 0.5]),
    mean=st.sampled_from([0, 7]),
    seed=st.integers(0, 99),
)
@examples(2)
def test_training_has_the_outputs_statistics_and_gradients_of_keras(name, center, scale, epsilon, mean, seed):
    ours, theirs, shape = both(name, center=center, scale=scale, epsilon=epsilon)
    x, w = inputs(shape, seed, mean), inputs(shape, seed + 1)

    def run(layer):
        function, trained = outputs_and_state(layer, **({"training": True} if "batch" in name else {}))

        def loss(trained, x):
            outputs, state = function(trained, x)
            return jnp.sum(jnp.sin(outputs) * w), (outputs, state)

        return jax.jit(jax.grad(loss, (0, 1), has_aux=True))(trained, x)

    (ours_gradients, (ours_outputs, ours_state)), (gradients, (outputs, state)) = run(ours), run(theirs)
    close(ours_outputs, outputs, 2e-5)
    for actual, desired in zip(jax.tree.leaves((ours_state, ours_gradients)), jax.tree.leaves((state, gradients)), strict=True):
        close(actual, desired, 1e-4)


def test_moving_averages_and_inference_follow_keras_over_several_batches():
    ours, theirs = layers.BatchNormalization(momentum=0.6), keras.layers.BatchNormalization(momentum=0.6)
    for seed in range(4):
        x = inputs((5, 4, 3), seed, mean=seed)
        close(ours(x, training=True), theirs(x, training=True))
    for actual, desired in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        close(actual, desired)
    close(ours(x), theirs(x))


def test_a_frozen_batch_normalization_keeps_its_averages_and_uses_them():
    layer = layers.BatchNormalization(trainable=False)
    x = inputs((5, 3), mean=3)
    close(layer(x, training=True), x / np.sqrt(1.001))
    close(layer.moving_mean, np.zeros(3))


@pytest.mark.parametrize("rms_scaling", [False, True])
def test_layer_normalization_by_the_deviation_alone_is_that_of_keras(rms_scaling):
    x = inputs((4, 6))
    ours = layers.LayerNormalization(rms_scaling=rms_scaling)
    theirs = keras.layers.LayerNormalization(rms_scaling=rms_scaling)
    ours.build(x.shape), theirs.build(x.shape)
    theirs.set_weights(random_weights(ours))
    close(ours(x), theirs(x))


def test_the_axes_of_a_layer_normalization_may_come_in_any_order():
    x = inputs((2, 3, 4, 5))
    one, other = layers.LayerNormalization([-1, 1]), layers.LayerNormalization((1, 3))
    one.build(x.shape), other.build(x.shape)
    other.set_weights(random_weights(one))
    assert one.gamma.shape == (3, 5)
    np.testing.assert_array_equal(one(x), other(x))


def test_one_group_is_layer_normalization_of_all_but_the_samples_and_a_group_a_channel_is_each_channel_by_itself():
    x = inputs((3, 4, 5, 6))
    whole = layers.LayerNormalization([1, 2, 3], center=False, scale=False)
    each = layers.LayerNormalization([1, 2], center=False, scale=False)
    close(layers.GroupNormalization(1)(x), whole(x))
    close(layers.GroupNormalization(-1)(x), each(x))


def test_unit_normalization_has_length_one_and_a_finite_gradient_at_zero():
    x = inputs((3, 4, 5))
    layer = layers.UnitNormalization((1, 2))
    close(np.square(layer(x)).sum((1, 2)), np.ones(3))
    gradient = jax.grad(lambda x: jnp.sum(layer(x)))
    assert np.isfinite(gradient(jnp.zeros_like(x))).all()
    close(gradient(x), jax.grad(lambda x: jnp.sum(keras.layers.UnitNormalization((1, 2))(x)))(jnp.asarray(x)))


# --- dtypes and shapes -----------------------------------------------------------------------------------------------


@every_layer
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_computed_in_float32(name, dtype):
    make, shape, _ = LAYERS[name]
    full = make(layers)
    half = type(full).from_config({**full.get_config(), "dtype": dtype})
    x = inputs(shape, mean=300)  # whose squares float16 does not hold
    actual, desired = half(x, training=True), full(x, training=True)
    assert actual.dtype == half.compute_dtype
    close(actual, desired, 2**-10 if dtype == "mixed_float16" else 2**-7)
    assert all(weight.dtype == "float32" for weight in half.weights)
    for mine, other in zip(half.weights, full.weights, strict=True):
        close(mine, other)


@every_layer
def test_unknown_sizes_are_taken_where_no_weight_needs_them(name):
    make, shape, unknown = LAYERS[name]
    sizes = [None if axis in unknown else size for axis, size in enumerate(shape)]
    x = lamina.Input(tuple(sizes[1:]))
    model = lamina.Model(x, make(layers)(x))
    assert model(inputs(shape), training=True).shape == shape


def test_integers_are_normalized_as_the_numbers_they_are():
    x = np.arange(12).reshape(4, 3)
    for layer in (layers.BatchNormalization(), layers.LayerNormalization(), layers.RMSNormalization()):
        np.testing.assert_array_equal(layer(x, training=True), layer(x.astype("float32"), training=True))


# --- masks -----------------------------------------------------------------------------------------------------------


@given(kind=st.sampled_from(["some", "all", "none"]), seed=st.integers(0, 99))
@examples(6)
def test_masked_statistics_and_gradients_are_those_of_keras(kind, seed):
    x, w = inputs((4, 5, 3), seed), inputs((4, 5, 3), seed + 1)
    mask = {"some": x[..., 0] > 0, "all": np.ones((4, 5), bool), "none": np.zeros((4, 5), bool)}[kind]
    ours, theirs, _ = both("batch")

    def run(layer):
        function, trained = outputs_and_state(layer, training=True, mask=mask)
        return function(trained, x), jax.grad(lambda x: jnp.sum(function(trained, x)[0] * w))(jnp.asarray(x))

    for actual, desired in zip(jax.tree.leaves(run(ours)), jax.tree.leaves(run(theirs)), strict=True):
        close(actual, desired, 1e-3 if kind == "none" else 2e-5)


def test_masked_positions_do_not_count_and_the_mask_comes_from_the_inputs_and_goes_on():
    x = inputs((4, 6, 3))
    x[:, 4:] = 0
    padded = x.copy()
    layer, shorter = layers.BatchNormalization(), layers.BatchNormalization()
    outputs = layer(layers.Masking()(padded), training=True)
    np.testing.assert_allclose(outputs[:, :4], shorter(x[:, :4], training=True), rtol=1e-5, atol=1e-6)
    close(layer.moving_variance, shorter.moving_variance)
    np.testing.assert_array_equal(mask_of(outputs), np.arange(6) < 4 + np.zeros((4, 1)))
    x[:, 4:] = np.nan
    again = layers.BatchNormalization()
    again(x, training=True, mask=np.arange(6) < 4 + np.zeros((4, 1)))
    close(again.moving_variance, shorter.moving_variance)


# --- derivatives -----------------------------------------------------------------------------------------------------


def plain(x, axes, epsilon):
    mean = jnp.mean(x, axes, keepdims=True)
    return (x - mean) / jnp.sqrt(jnp.var(x, axes, keepdims=True) + epsilon)


def by_batch(x):
    y, mean, variance = normalize_batch(x, x[0], x[1], -1, 0.1)
    return y * variance + mean


def plain_by_batch(x):
    return (plain(x, 0, 0.1) * x[0] + x[1]) * jnp.var(x, 0) + jnp.mean(x, 0)


def by_group(x):
    return group_normalization(x.reshape(2, 2, 3), 1, None, None, -1, 0.1).reshape(4, 3)


def plain_by_group(x):
    return plain(x.reshape(2, 2, 3), (1, 2), 0.1).reshape(4, 3)


RULES = {
    "layer": (lambda x: lamina.ops.layer_normalization(x, epsilon=0.1), lambda x: plain(x, -1, 0.1)),
    "batch": (by_batch, plain_by_batch),
    "group": (by_group, plain_by_group),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_of_our_own_differentiate_forwards_backwards_and_twice(name):
    function, reference = RULES[name]
    x, v = inputs((4, 3)), inputs((4, 3), 1)

    def everything(f):
        def loss(x):
            return jnp.sum(jnp.sin(f(x)) * v)

        forward = jax.jvp(f, (x,), (v,))
        return forward, jax.grad(loss)(x), jax.hessian(loss)(x), jax.jacrev(jax.jacrev(loss))(x), jax.vmap(jax.grad(loss))(x[None])

    def pure(x):
        return everything(function), everything(reference)

    ours, theirs = lamina.jit(pure)(jnp.asarray(x))
    for actual, desired in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        close(actual, desired, 2e-5)


def test_the_gradient_of_epsilon_is_not_forgotten():
    x = jnp.asarray(inputs((4, 3)))
    close(
        jax.grad(lambda e: jnp.sum(jnp.sin(lamina.ops.layer_normalization(x, epsilon=e))))(0.3),
        jax.grad(lambda e: jnp.sum(jnp.sin(plain(x, -1, e))))(0.3),
    )


# --- mapped axes -----------------------------------------------------------------------------------------------------


def test_lanes_share_their_statistics_where_they_are_synchronized():
    x, w = inputs((2, 4, 3)), inputs((2, 4, 3), 1)
    mask = x[..., 0] > -1
    together, apart = layers.BatchNormalization(synchronized=True), layers.BatchNormalization()
    together.build((4, 3)), apart.build((8, 3))
    for options in ({}, {"mask": mask}):

        def mapped(x, options=options):
            return lamina.vmap(lambda x, options: together(x, training=True, **options))(x, options)

        def whole(x, options=options):
            flat = {key: value.reshape(8) for key, value in options.items()}
            return apart(x.reshape(8, 3), training=True, **flat).reshape(x.shape)

        close(mapped(x), whole(x))
        close(together.moving_variance, apart.moving_variance)
        ours, theirs = (lamina.grad(lambda x, f=f: jnp.sum(f(x) * w))(jnp.asarray(x)) for f in (mapped, whole))
        close(ours, theirs)


def test_lanes_that_are_not_synchronized_may_not_write_different_averages():
    layer = layers.BatchNormalization()
    with pytest.raises(lamina.StateError, match="moving_mean"):
        lamina.vmap(lambda x: layer(x, training=True))(inputs((2, 4, 3)))


def test_devices_share_their_statistics_where_they_are_synchronized():
    program = """
        import jax, jax.numpy as jnp, numpy as np
        from jax.sharding import PartitionSpec as P
        from lamina import layers
        x, w = np.random.default_rng(0).normal(1, 2, (2, 8, 3)).astype("float32")
        together, apart = layers.BatchNormalization(synchronized=True), layers.BatchNormalization()
        together.build(x.shape), apart.build(x.shape)
        def run(layer, trained, state, x):
            return layer.stateless_call(trained, state, x, training=True)
        values = [[v.value for v in vs] for vs in (apart.trainable_variables, apart.non_trainable_variables)]
        mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        data = P("data")
        sharded = jax.shard_map(
            lambda *args: run(together, *args), mesh=mesh, in_specs=(P(), P(), data), out_specs=(data, P())
        )
        one_program = jax.jit(lambda *args: run(apart, *args), in_shardings=(None, None, jax.NamedSharding(mesh, data)))
        def everything(f):
            def loss(trained, x):
                out, state = f(trained, values[1], x)
                return jnp.sum(out * w), (out, state)
            return jax.jit(jax.grad(loss, (0, 1), has_aux=True))(values[0], x)
        expected = everything(lambda *args: run(apart, *args))
        for f in (sharded, one_program):
            for a, b in zip(jax.tree.leaves(everything(f)), jax.tree.leaves(expected), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
        print(len(jax.devices()), "devices agree")
    """
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True, text=True)
    assert done.stdout == "2 devices agree\n", done.stderr


# --- spectral normalisation ------------------------------------------------------------------------------------------

WRAPPED = {
    "Dense": (lambda k: k.Dense(4), (3, 5)),
    "Conv2D": (lambda k: k.Conv2D(4, 2), (2, 5, 4, 3)),
    "Embedding": (lambda k: k.Embedding(7, 3), (2, 4)),
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("iterations", [1, 3])
def test_spectral_normalization_changes_kernels_as_keras_does(name, iterations):
    make, shape = WRAPPED[name]
    ours = layers.SpectralNormalization(make(layers), iterations)
    theirs = keras.layers.SpectralNormalization(make(keras.layers), iterations)
    x = np.random.default_rng(0).integers(0, 7, shape) if name == "Embedding" else inputs(shape)
    ours.build(shape), theirs.build(shape)
    theirs.set_weights(random_weights(ours))
    for _ in range(2):
        actual, desired = ours(x, training=True), theirs(x, training=True)
        if name != "Embedding":  # Keras casts the outputs to the integers of the inputs
            close(actual, desired)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        close(mine, other)
    if name != "Embedding":
        close(ours(x), theirs(x))


def test_the_spectral_norm_is_one_after_training_steps_and_gradients_flow_through_the_division():
    model = lamina.Sequential([lamina.Input((5,)), layers.SpectralNormalization(layers.Dense(4), 3), layers.Dense(1)])
    model.compile("sgd", "mse")
    wrapper = model.layers[0]
    before = wrapper.kernel.numpy()
    x = inputs((32, 5))
    model.fit(x, x[:, :1], epochs=3, verbose=0)
    assert not np.allclose(before, wrapper.kernel)
    wrapper(x, training=True)
    close(np.linalg.norm(wrapper.kernel, 2), 1, 0.05)

    layer = layers.SpectralNormalization(layers.Dense(4, use_bias=False), 50)
    layer.build((None, 5))
    # What the division leaves is as long as before along the kernel: a larger kernel changes nothing.
    kernel = layer.kernel.value
    _, gradient = lamina.value_and_grad(lambda: jnp.sum(layer(x, training=True) ** 2), layer.kernel)()
    assert abs(float(jnp.sum(gradient * kernel))) < 1e-3 * float(jnp.linalg.norm(gradient) * jnp.linalg.norm(kernel))


def test_a_kernel_of_zeros_and_a_frozen_one_stay_as_they_are():
    layer = layers.SpectralNormalization(layers.Dense(4, kernel_initializer="zeros"))
    assert not layer(inputs((2, 3)), training=True).any()
    assert layer.vector_u.numpy().any()
    layer.kernel.assign(np.ones((3, 4)))
    layer.trainable = False
    layer(inputs((2, 3)), training=True)
    np.testing.assert_array_equal(layer.kernel, 1)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x: layers.BatchNormalization(axis=3)(x), ValueError, "axis 3"),
        (lambda x: layers.BatchNormalization(momentum=2), ValueError, "momentum"),
        (lambda x: layers.BatchNormalization()(x, training=True, mask=x > 0), ValueError, None),
        (lambda x: layers.BatchNormalization()(x, training=True, mask=x[:1, :2, 0] > 0), ValueError, r"mask .* has shape \(1, 2\)"),
        (lambda x: layers.LayerNormalization(axis=(1, 5))(x), ValueError, "axis 5"),
        (lambda x: layers.LayerNormalization(axis=(2, -1))(x), ValueError, "twice"),
        (lambda x: layers.LayerNormalization(axis="last"), TypeError, "last"),
        (lambda x: layers.RMSNormalization(axis=None), TypeError, "None"),
        (lambda x: layers.UnitNormalization(axis=3)(x), ValueError, "axis 3"),
        (lambda x: layers.GroupNormalization(0), ValueError, "not 0"),
        (lambda x: layers.GroupNormalization(2)(x), ValueError, "3 channels"),
        (lambda x: layers.GroupNormalization(1, axis=0)(x), ValueError, "samples"),
        (lambda x: layers.SpectralNormalization(layers.Dense(2), 0), ValueError, "power_iterations"),
        (lambda x: layers.SpectralNormalization(layers.Flatten())(x), ValueError, "kernel or embeddings"),
    ],
)
def test_errors_say_what_was_wrong(call, error, message):
    if message is None:
        call(inputs((4, 5, 3)))
    else:
        with pytest.raises(error, match=message):
            call(inputs((4, 5, 3)))


@pytest.mark.parametrize("clipping", [None, {"rmin": 0.9, "rmax": 1.1, "dmax": 0.2}])
def test_renormalization_is_that_of_keras(clipping):
    arguments = dict(axis=1, momentum=0.8, renorm=True, renorm_clipping=clipping, renorm_momentum=0.7)
    ours, theirs = (library.layers.BatchNormalization(**arguments) for library in (lamina, keras))
    ours.build((4, 3, 5)), theirs.build((4, 3, 5))
    theirs.set_weights(random_weights(ours))
    assert [w.path.split("/")[-1] for w in ours.weights] == [w.path.split("/")[-1] for w in theirs.weights]
    for seed in range(3):
        x = inputs((4, 3, 5), seed, mean=0.5)
        close(ours(x, training=True), theirs(x, training=True))
        for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            close(mine, other)
    close(ours(x), theirs(x))

    def gradient(layer):
        weights = [[w.value for w in group] for group in (layer.trainable_variables, layer.non_trainable_variables)]
        return jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(layer.stateless_call(*weights, x, training=True)[0]))))(jnp.asarray(x))

    close(gradient(ours), gradient(theirs), 1e-4)


@pytest.mark.parametrize("clipping", [{"rmax": 1.0, "rmin": 2.0}, {"dmax": -1.0}, {"max": 1.0}])
def test_limits_of_renormalization_that_are_none_are_refused(clipping):
    with pytest.raises(ValueError, match="renorm_clipping"):
        layers.BatchNormalization(renorm=True, renorm_clipping=clipping)
