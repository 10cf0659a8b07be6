"""Noise: its statistics, its seeds, and that it is only there in training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers

LAYERS = {
    "Dropout": lambda **options: layers.Dropout(0.3, **options),
    "Dropout of rows": lambda **options: layers.Dropout(0.3, noise_shape=(None, 1), **options),
    "SpatialDropout1D": lambda **options: layers.SpatialDropout1D(0.3, **options),
    "SpatialDropout2D": lambda **options: layers.SpatialDropout2D(0.3, **options),
    "SpatialDropout3D": lambda **options: layers.SpatialDropout3D(0.3, **options),
    "GaussianDropout": lambda **options: layers.GaussianDropout(0.3, **options),
    "GaussianNoise": lambda **options: layers.GaussianNoise(0.3, **options),
    "AlphaDropout": lambda **options: layers.AlphaDropout(0.3, **options),
}
SHAPES = {"Dropout of rows": (6, 4), "SpatialDropout1D": (6, 5, 4), "SpatialDropout2D": (6, 2, 5, 4)}
SHAPES |= {"SpatialDropout3D": (6, 2, 2, 2, 4)}
every = pytest.mark.parametrize("name", LAYERS)


def inputs(name):
    return jnp.asarray(np.random.default_rng(0).normal(size=SHAPES.get(name, (6, 5))), "float32")


@every
def test_outside_of_training_the_inputs_themselves_come_back(name):
    layer, x = LAYERS[name](), inputs(name)
    assert layer(x) is x
    assert layer(x, training=False) is x


@every
def test_each_call_draws_anew_and_a_seed_repeats_the_draws(name):
    x = inputs(name)
    layer, same, other = (LAYERS[name](seed=seed) for seed in (1, 1, 2))
    first, second = layer(x, training=True), layer(x, training=True)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(same(x, training=True), first)
    np.testing.assert_array_equal(same(x, training=True), second)
    assert not np.array_equal(other(x, training=True), first)
    assert type(layer).from_config(layer.get_config()).seed == 1


@every
def test_without_a_seed_set_seed_decides(name):
    def run():
        lamina.random.set_seed(5)
        return [layer(inputs(name), training=True) for layer in (LAYERS[name](), LAYERS[name]())]

    first, second = run()
    again, _ = run()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_the_share(rate, dtype):
    x = np.full((400, 500), 2.0, "float32")
    outputs = np.float32(layers.Dropout(rate, dtype=dtype, seed=1)(x, training=True))
    assert abs((outputs == 0).mean() - rate) < 0.005
    np.testing.assert_allclose(np.unique(outputs), [0, 2 / (1 - rate)], rtol=5e-3)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_gaussian_noise_has_its_mean_and_variance(dtype):
    x = np.full((400, 500), 2.0, "float32")
    dropped = np.float32(layers.GaussianDropout(0.2, dtype=dtype, seed=1)(x, training=True))
    noisy = np.float32(layers.GaussianNoise(0.7, dtype=dtype, seed=1)(x, training=True))
    assert abs(dropped.mean() - 2) < 0.01
    assert abs(dropped.var() - 4 * 0.2 / 0.8) < 0.02
    assert abs(noisy.mean() - 2) < 0.01
    assert abs(noisy.std() - 0.7) < 0.01


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_alpha_dropout_keeps_mean_and_variance(rate):
    x = lamina.random.normal((400, 500), seed=0)
    outputs = layers.AlphaDropout(rate, seed=1)(x, training=True)
    assert abs(outputs.mean()) < 0.01
    assert abs(outputs.var() - 1) < 0.02
    dropped = np.unique(np.float32(outputs).round(4), return_counts=True)[1].max()
    assert abs(dropped / x.size - rate) < 0.005


def test_noise_shape_lets_numbers_fall_together():
    outputs = np.asarray(layers.Dropout(0.5, noise_shape=(None, 1, 4), seed=1)(np.ones((50, 3, 4)), training=True))
    assert (outputs == outputs[:, :1]).all()
    assert 0 < (outputs[:, 0] == 0).mean() < 1
    first = layers.SpatialDropout2D(0.5, "channels_first", seed=1)(np.ones((50, 4, 2, 3)), training=True)
    assert (first == first[:, :, :1, :1]).all()
    assert len(np.unique(first)) == 2


def test_the_borders_of_the_rate():
    x = jnp.ones((3, 4))
    assert layers.Dropout(0)(x, training=True) is x
    assert layers.Dropout(0).variables == []
    assert len(layers.Dropout(0.5).variables) == 1
    assert layers.Dropout(0.5).weights == []
    value, gradient = jax.value_and_grad(lambda x: layers.Dropout(1.0)(x, training=True).sum())(x)
    assert value == 0
    assert (gradient == 0).all()


def test_the_gradient_of_dropout_is_its_mask():
    def of(seed):
        return lambda x: layers.Dropout(0.5, seed=seed)(x, training=True)

    x = jnp.arange(1.0, 9.0)
    np.testing.assert_array_equal(lamina.grad(lambda x: of(3)(x).sum())(x) * x, of(3)(x))


@pytest.mark.parametrize("layer", [layers.Dropout, layers.SpatialDropout1D, layers.GaussianNoise, layers.AlphaDropout])
@pytest.mark.parametrize("rate", [-0.1, 1.1, "0.5", None])
def test_rates_outside_of_0_and_1_are_refused(layer, rate):
    with pytest.raises(ValueError, match=f"of {layer.__name__} must be a number from 0 to 1, not {rate!r}"):
        layer(rate)


@pytest.mark.parametrize("layer", [layers.GaussianDropout, layers.AlphaDropout])
def test_rates_of_1_that_leave_nothing_are_refused(layer):
    with pytest.raises(ValueError, match="below 1"):
        layer(1.0)


def test_noise_shapes_that_do_not_fit_are_refused():
    for wrong in ("ab", 3, (0, 1), (1.5,)):
        with pytest.raises(ValueError, match="noise_shape of Dropout must hold a positive integer or None"):
            layers.Dropout(0.5, wrong)
    for wrong in ((1,), (2, None)):
        with pytest.raises(ValueError, match=r"does not broadcast to inputs of shape \(3, 4\)"):
            layers.Dropout(0.5, wrong)(np.ones((3, 4)), training=True)
    with pytest.raises(ValueError, match="data_format of SpatialDropout3D"):
        layers.SpatialDropout3D(0.5, "channels")
