"""TimeDistributed and Wrapper: each step by itself, whatever the inner layer does."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from comparing import assert_close
from lamina import layers
from lamina.core.masks import mask_of, with_mask

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MASK = jnp.asarray(np.random.default_rng(1).random((3, 5)) < 0.6)


class Affine(layers.Layer):
    """An inner layer without a build of its own, of two outputs, that uses its mask and training."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(2)

    def call(self, inputs, mask=None, training=False):
        outputs = self.dense(inputs) * (3 if training else 1)
        return outputs if mask is None else jnp.where(mask[:, None], outputs, 0), inputs.sum(-1)


def test_each_step_goes_through_the_layer_by_itself():
    layer = layers.TimeDistributed(Affine())
    for training in (False, True):
        for mask in (None, MASK):
            outputs = layer(X, mask=mask, training=training)
            for step in range(5):
                alone = layer.layer(X[:, step], mask=None if mask is None else mask[:, step], training=training)
                for mine, expected in zip(outputs, alone, strict=True):
                    np.testing.assert_allclose(mine[:, step], expected, rtol=1e-5, atol=1e-6)


def test_the_mask_that_inputs_carry_reaches_the_layer_and_the_outputs():
    layer = layers.TimeDistributed(Affine())
    outputs, _ = layer(with_mask(jnp.asarray(X), MASK))
    np.testing.assert_array_equal((outputs == 0).all(-1), ~MASK)
    dense = layers.TimeDistributed(layers.Dense(2))
    np.testing.assert_array_equal(mask_of(dense(with_mask(jnp.asarray(X), MASK))), MASK)


def test_statistics_of_batches_are_of_one_step_each_as_in_keras():
    ours = layers.TimeDistributed(layers.BatchNormalization(momentum=0.7))
    theirs = keras.layers.TimeDistributed(keras.layers.BatchNormalization(momentum=0.7))
    for training in (True, True, False):
        np.testing.assert_allclose(ours(X, training=training), theirs(X, training=training), rtol=1e-4, atol=1e-5)
    for mine, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-6)
    compiled = layers.TimeDistributed(layers.BatchNormalization(momentum=0.7))
    run = lamina.jit(lambda x: compiled(x, training=True))
    np.testing.assert_allclose(run(X), layers.TimeDistributed(layers.BatchNormalization())(X, training=True), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("time", [None, 5])
def test_the_time_may_be_unknown(time):
    layer = layers.TimeDistributed(layers.Dense(7))
    assert layer(lamina.Input((time, 4))).shape == (None, time, 7)
    assert layer.compute_output_shape((None, time, 4)) == (None, time, 7)
    layer = layers.TimeDistributed(layers.Conv2D(2, 3))
    layer.build((None, time, 6, 6, 1))
    assert [weight.path for weight in layer.weights] == ["time_distributed_1/layer/kernel", "time_distributed_1/layer/bias"]


def test_losses_and_regularizers_of_the_layer_are_counted_once():
    layer = layers.TimeDistributed(layers.Dense(2, kernel_regularizer="l2", activity_regularizer="l2"))
    outputs = layer(X)
    activity, kernel = layer.losses
    assert_close(activity, 0.01 * np.sum(outputs**2) / 15)
    assert_close(kernel, 0.01 * np.sum(layer.layer.kernel.numpy() ** 2))


def test_dropout_differs_from_step_to_step():
    outputs = layers.TimeDistributed(layers.Dropout(0.5, seed=1))(np.ones((2, 30, 8)), training=True)
    assert len(np.unique(outputs, axis=1)[0]) > 10


def test_what_cannot_be_is_refused():
    for wrapper in (layers.TimeDistributed, layers.Wrapper):
        with pytest.raises(TypeError, match=f"{wrapper.__name__} wraps a layer, not 'Dense'"):
            wrapper("Dense")
    with pytest.raises(ValueError, match="expects at least 3 axes"):
        layers.TimeDistributed(layers.Dense(2))(X[0])
    for shape in ((3,), (3, 4), (5, 3)):
        with pytest.raises(ValueError, match=r"A mask of shape .* inputs of shape \(3, 5, 4\)"):
            layers.TimeDistributed(layers.Dense(2))(X, mask=np.ones(shape, "bool"))


def test_a_wrapper_owns_its_layer():
    class Twice(layers.Wrapper):
        def call(self, inputs):
            return self.layer(self.layer(inputs))

    layer = Twice(layers.Dense(4), name="twice")
    layer.build((None, 4))
    assert [weight.path for weight in layer.weights] == ["twice/layer/kernel", "twice/layer/bias"]
    again = Twice.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert_close(layer(X), layer.layer(layer.layer(X)), rtol=1e-6)


def test_sequences_of_sequences_are_read_as_far_as_their_masks_say():
    words = jnp.asarray(np.random.default_rng(2).integers(1, 9, (2, 3, 4)))
    words = words.at[0, 2].set(0).at[1, :, 2:].set(0)  # the first text has two sentences; those of the second have two words
    embedding, sentences, text = layers.Embedding(9, 3, mask_zero=True), layers.TimeDistributed(layers.LSTM(2)), layers.GRU(2)
    outputs = text(sentences(embedding(words)))
    for sample, expected in ((words[:1, :2], outputs[:1]), (words[1:, :, :2], outputs[1:])):
        np.testing.assert_allclose(text(sentences(embedding(sample))), expected, rtol=1e-5, atol=1e-6)
