"""FlaxLayer: modules of Flax as layers, with the outputs that Flax gives."""

import jax
import numpy as np
import pytest

import lamina
from comparing import assert_close

pytestmark = pytest.mark.loaders

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def modules():
    import flax.linen as nn

    class Plain(nn.Module):
        @nn.compact
        def __call__(self, inputs):
            return nn.Dense(3)(inputs)

        @nn.compact
        def doubled(self, inputs):
            return 2 * nn.Dense(3)(inputs)

    class Trained(nn.Module):
        @nn.compact
        def __call__(self, inputs, training=False):
            x = nn.BatchNorm(use_running_average=not training, momentum=0.5)(inputs)
            return nn.Dropout(0.5, deterministic=not training)(nn.Dense(3)(x))

    return Plain(), Trained()


def test_outputs_are_those_of_flax():
    for module in modules():
        layer = lamina.layers.FlaxLayer(module, name="flax")
        variables = jax.tree.map(np.asarray, module.init(jax.random.key(3), X))
        given = lamina.layers.FlaxLayer(module, variables=variables)
        assert layer(X).shape == (6, 3) and given.built
        assert_close(given(X), module.apply(variables, X))
        assert [w.path.split("/", 1)[1] for w in layer.weights] == [w.path.split("/", 1)[1] for w in given.weights]


def test_statistics_move_in_training_and_are_not_trained():
    _, module = modules()
    layer = lamina.layers.FlaxLayer(module, seed=1)
    layer(X)
    mean = layer.state["batch_stats"]["BatchNorm_0"]["mean"]
    lamina.jit(lambda x: layer(x, training=True))(X)
    np.testing.assert_allclose(mean.value, 0.5 * X.mean(0), rtol=1e-4, atol=1e-6)
    assert not mean.trainable and len(layer.trainable_weights) == 4
    assert not np.array_equal(layer(X, training=True), layer(X, training=True))
    np.testing.assert_array_equal(layer(X), layer(X))


def test_a_method_may_be_named_and_a_config_brings_the_module_back():
    module, _ = modules()
    layer = lamina.layers.FlaxLayer(module, method=type(module).doubled)
    plain = lamina.layers.FlaxLayer(module)
    layer(X), plain(X)
    plain.set_weights(layer.get_weights())
    assert_close(layer(X), 2 * plain(X))
    again = lamina.layers.FlaxLayer.from_config(layer.get_config())
    again(X)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(X), layer(X))


def test_a_model_of_it_learns():
    _, module = modules()
    lamina.random.set_seed(1)
    model = lamina.Sequential([lamina.layers.FlaxLayer(module)])
    model.compile(lamina.optimizers.SGD(0.05), "mse")
    model.build((None, 4))
    before = model.evaluate(X, X[:, :3], verbose=0)
    model.fit(X, X[:, :3], epochs=200, verbose=0)
    assert model.evaluate(X, X[:, :3], verbose=0) < 0.7 * before
