"""Merging: masks as in Keras, functions that are cheap, and errors that name the shapes."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from comparing import assert_close
from lamina import layers
from lamina.core.graph import replay
from lamina.core.masks import mask_of, with_mask
from lamina.core.symbolic import SymbolicTensor
from properties import examples

ELEMENTWISE = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"]
NAMES = [*ELEMENTWISE, "Concatenate", "Dot"]


def merge(name, of=layers, **options):
    return getattr(of, name)(**({"axes": -1} if name == "Dot" else {}), **options)


def function(name):
    return getattr(layers, name.lower())


def random_inputs(shapes, masked, seed=0):
    """Arrays, and for each a mask or None."""
    random = np.random.default_rng(seed)
    return (
        [jnp.asarray(random.normal(size=shape), "float32") for shape in shapes],
        [jnp.asarray(random.random(shape[:-1]) < 0.6) if own else None for shape, own in zip(shapes, masked, strict=True)],
    )


def carrying(arrays, masks):
    return [with_mask(jnp.array(x), mask) for x, mask in zip(arrays, masks, strict=True)]


def keras_carrying(arrays, masks):
    copies = [jnp.array(x) for x in arrays]
    for x, mask in zip(copies, masks, strict=True):
        if mask is not None:
            keras.src.backend.set_keras_mask(x, mask)
    return copies


def assert_same_output_and_mask(actual, desired):
    assert_close(actual, desired, rtol=1e-6)
    mask = getattr(desired, "_keras_mask", None)
    assert (mask_of(actual) is None) == (mask is None)
    if mask is not None:
        np.testing.assert_array_equal(mask_of(actual), mask)


@pytest.mark.parametrize("name", [*ELEMENTWISE, "Concatenate", "Concatenate along time"])
@given(masked=st.lists(st.booleans(), min_size=2, max_size=3), seed=st.integers(0, 99))
@examples(4)
def test_values_and_masks_are_those_of_keras(name, masked, seed):
    masked = masked[:2] if name == "Subtract" else masked
    options = {"axis": 1} if "time" in name else {}
    name = name.split()[0]
    arrays, masks = random_inputs([(3, 4, 5)] * len(masked), masked, seed)
    desired = merge(name, keras.layers, **options)(keras_carrying(arrays, masks))
    inputs = carrying(arrays, masks)
    assert_same_output_and_mask(merge(name, **options)(inputs), desired)
    assert_same_output_and_mask(function(name)(inputs, **options), desired)


def test_what_is_masked_may_be_anything():
    x, y = jnp.ones((1, 2, 1)), jnp.full((1, 2, 1), jnp.nan)
    counts, does_not = jnp.array([[True, True]]), jnp.array([[False, False]])
    for name in ("Multiply", "Maximum", "Minimum"):
        for inputs, masks in (([x, y], [counts, does_not]), ([y, x], [does_not, counts]), ([x, y], [None, does_not])):
            layer = merge(name)
            value, gradients = jax.value_and_grad(lambda inputs, run=layer, masks=masks: run.call(inputs, masks).sum())(inputs)
            assert value == 2
            assert not any(np.isnan(gradient).any() for gradient in gradients)


def test_masks_of_inputs_of_unequal_rank_meet_at_the_batch():
    arrays, masks = random_inputs([(2, 3), (2, 4, 3)], [True, True])
    outputs = layers.Maximum()(carrying(arrays, masks))
    np.testing.assert_array_equal(mask_of(outputs), masks[0][:, None] | masks[1])
    for place in np.ndindex(2, 4):
        counted = [x for x, m in ((arrays[0][place[0]], masks[0][place[0]]), (arrays[1][place], masks[1][place])) if m]
        np.testing.assert_array_equal(outputs[place], np.max(counted or [arrays[0][place[0]]], axis=0))


@given(data=st.data())
@examples(25)
def test_dot_sums_over_any_two_axes(data):
    ranks = data.draw(st.tuples(st.integers(2, 4), st.integers(2, 4)))
    random = np.random.default_rng(0)
    axes = tuple(data.draw(st.sampled_from([*range(1, rank), *range(1 - rank, 0)])) for rank in ranks)
    xs = [random.normal(size=[2, *range(2, rank + 1)]).astype("float32") for rank in ranks]
    xs = [np.moveaxis(np.resize(x, (*x.shape[:-1], 4)), -1, axis) for x, axis in zip(xs, axes, strict=True)]
    first, second = (np.moveaxis(x, axis, -1) for x, axis in zip(xs, axes, strict=True))
    expected = np.stack([np.tensordot(a, b, (-1, -1)) for a, b in zip(first, second, strict=True)])
    assert_close(layers.dot(xs, axes), expected.reshape(2, -1) if expected.ndim < 2 else expected)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_vectors_of_length_zero_have_a_cosine_and_a_gradient(dtype):
    x = jnp.zeros((1, 3), dtype)
    value, gradient = jax.value_and_grad(lambda x: layers.dot([x, x + 1], axes=1, normalize=True).sum())(x)
    assert value == 0
    assert not np.isnan(gradient).any()


@pytest.mark.parametrize("name", NAMES)
def test_functions_make_no_layer_and_take_no_name(name, monkeypatch):
    arrays, _ = random_inputs([(3, 5)] * 2, [False] * 2)
    layer = merge(name)
    expected = layer(arrays)
    monkeypatch.setattr(layers.Layer, "__init__", lambda *_, **__: pytest.fail("a layer was made"))
    np.testing.assert_array_equal(function(name)(arrays), expected)
    symbols = [SymbolicTensor((None, 5)) for _ in arrays]
    output = function(name)(symbols)
    assert (output._node.function.__name__, output.shape[0]) == (name.lower(), None)
    np.testing.assert_array_equal(replay(output, dict(zip(symbols, arrays, strict=True))), expected)
    monkeypatch.undo()
    assert merge(name).name == f"{name.lower()}_1"


@pytest.mark.parametrize("name", NAMES)
def test_functions_with_options_of_a_layer_make_it(name):
    a = lamina.Input((5,))
    assert function(name)([a, a], name="mine")._node.function.name == "mine"


@pytest.mark.parametrize("name", NAMES)
def test_one_input_is_a_list_too_where_any_number_is_merged(name):
    x = jnp.array([[1.0, 2.0]])
    if name in ("Subtract", "Dot"):
        with pytest.raises(ValueError, match=r"Two inputs .* not 1: \[float32\(1, 2\)\]"):
            merge(name)([x])
    else:
        np.testing.assert_array_equal(merge(name)([x]), x)


@pytest.mark.parametrize("name", NAMES)
def test_bad_inputs_are_refused_with_their_shapes(name):
    for call in (merge(name), function(name)):
        with pytest.raises(ValueError, match=r"must be a list of inputs.*float32\(2, 3\)"):
            call(jnp.ones((2, 3)))
        with pytest.raises(ValueError, match=r"must be a list of inputs.*\[\]"):
            call([])
        with pytest.raises(ValueError, match=r"\(2, 3, 4\) and \(2, 5, 3\) cannot be merged"):
            call([jnp.ones((2, 3, 4)), jnp.ones((2, 5, 3))])


def test_axes_that_cannot_be():
    x = jnp.ones((2, 3))
    with pytest.raises(ValueError, match="axes of Dot must be an integer or two of them"):
        layers.Dot((1, 2, 3))
    for axes in (0, 2, -2, (1, -2)):
        with pytest.raises(ValueError, match="must be among those of the inputs, and not the batch"):
            layers.dot([x, x], axes)
    with pytest.raises(ValueError, match="and among them axis 2"):
        layers.concatenate([x, x], axis=2)
    with pytest.raises(ValueError, match="same number of axes"):
        layers.concatenate([x, x[None]])
