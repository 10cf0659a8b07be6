"""Normalization: it adapts to data as Keras does, however they come."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from comparing import assert_close
from lamina import layers
from properties import examples


def data(seed=0, mean=3.0):
    return np.random.default_rng(seed).normal(mean, 2, (24, 5, 3)).astype("float32")


@given(axis=st.sampled_from([-1, 1, (1, 2), (2, 1), None]), invert=st.booleans(), seed=st.integers(0, 99))
@examples(8)
def test_adapted_numbers_are_those_of_keras(axis, invert, seed):
    ours, theirs = (k.Normalization(axis, invert=invert) for k in (layers, keras.layers))
    x, y = data(seed), data(seed + 1)
    ours.adapt(x), theirs.adapt(x)
    np.testing.assert_allclose(ours(y), theirs(y), rtol=1e-4, atol=1e-5)


def test_batches_of_any_kind_and_size_are_as_the_whole():
    x = data(mean=1000)
    pairs = [(x[:5], 1), (x[5:6], 1), (x[6:], 1)]
    for batches in (x, [x[:20], x[20:]], pairs, iter(pairs), np.split(x, 4)):
        layer = layers.Normalization()
        layer.adapt(batches)
        assert_close(layer.adapt_mean, x.astype("float64").mean((0, 1)), rtol=1e-6)
        assert_close(layer.adapt_variance, x.astype("float64").var((0, 1)), rtol=1e-6)


def test_a_compiled_model_uses_what_the_layer_adapts_to_later():
    layer = layers.Normalization()
    inputs = lamina.Input((5, 3))
    model = lamina.Model(inputs, layer(inputs))
    run = lamina.jit(lambda x: model(x))
    x = data()
    assert_close(run(x), x, rtol=1e-6)
    layer.adapt(x)
    assert_close(np.std(run(x), axis=(0, 1)), 1)


def test_given_numbers_pass_through_a_config_and_undo_each_other():
    numbers = {"mean": np.array([1.0, 2.0, 3.0]), "variance": np.array([4.0, 5.0, 6.0])}
    forth, back = layers.Normalization(**numbers), layers.Normalization(**numbers, invert=True)
    again = layers.Normalization.from_config(json.loads(json.dumps(forth.get_config())))
    np.testing.assert_array_equal(again(data()), forth(data()))
    assert_close(back(forth(data())), data())
    assert not forth.weights


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: layers.Normalization(mean=1.0), ValueError, "alone"),
        (lambda: layers.Normalization(mean=[1.0], variance=2.0), ValueError, "one shape"),
        (lambda: layers.Normalization(mean=[[1.0]], variance=[[2.0]]), ValueError, "at most 1"),
        (lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 1.0])(data()), ValueError, r"mean of shape \(2,\)"),
        (lambda: layers.Normalization(mean=1.0, variance=1.0).adapt(data()), ValueError, "given its mean"),
        (lambda: layers.Normalization().adapt([]), ValueError, "no data"),
        (lambda: layers.Normalization().adapt([[1.0, 2.0]]), TypeError, "one of the batches"),
        (lambda: layers.Normalization().adapt([data(), data()[..., :2]]), ValueError, "last axis|axis 2"),
        (lambda: layers.Normalization(5).adapt(data()), ValueError, "axis 5"),
        (lambda: layers.Normalization("last"), TypeError, "last"),
    ],
)
def test_errors_say_what_was_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_data_that_do_not_fit_change_nothing():
    layer = layers.Normalization()
    layer.adapt(data())
    before = layer.get_weights()
    with pytest.raises(ValueError, match="cannot adapt"):
        layer.adapt([data(1), data()[..., :2]])
    for weight, value in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)
