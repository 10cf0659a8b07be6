"""Attention: Keras's numbers with all options and masks, gradients too; masks that do not fit are refused."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.core.masks import mask_of, with_mask
from lamina.ops import attention_forms
from properties import examples


def real(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype("float32")


def bits(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).random(shape) < 0.6


def both(make, *shapes):
    """Returns our layer and that of Keras, built and with the same random weights."""
    ours, theirs = make(layers), make(keras.layers)
    ours.build(*shapes), theirs.build(*shapes)
    weights = [real(*w.shape, seed=i) / 2 for i, w in enumerate(theirs.weights)]
    assert [w.shape for w in ours.weights] == [w.shape for w in weights]
    ours.set_weights(weights), theirs.set_weights(weights)
    return ours, theirs


def assert_same(ours, theirs, tolerance=1e-5):
    ours, theirs = jax.tree.leaves(ours), jax.tree.leaves(theirs)
    assert [(a.shape, a.dtype) for a in ours] == [(b.shape, b.dtype) for b in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.float64(a), np.float64(b), rtol=tolerance, atol=tolerance)


def value_and_gradients(layer, arrays, **options):
    """Returns the outputs, and the gradients of a sum of them with respect to the inputs; compiled."""

    def total(arrays):
        outputs = layer(*arrays, **options)
        return jnp.sum(jnp.sin(jax.tree.leaves(outputs)[0])), outputs

    gradients, outputs = jax.jit(jax.grad(total, has_aux=True))(arrays)
    return outputs, gradients


def drawn(data, names, shapes):
    """Returns some of the masks, of the given shapes."""
    chosen = data.draw(st.sets(st.sampled_from(names)))
    return {name: jnp.asarray(bits(*shapes[name], seed=names.index(name))) for name in names if name in chosen}


def draw_options(data, batch, time, places, heads):
    """Masks and arguments of the call; a mask that tells heads apart comes alone, which Keras joins to others wrongly."""
    shapes = {"value_mask": (batch, places), "key_mask": (batch, places)}
    options = drawn(data, list(shapes), shapes)
    forms = [None, (time, places), (batch, time, places), (1, 1, places)]
    forms += [] if options else [(batch, heads, time, places), (batch, 1, 1, places)]
    if (form := data.draw(st.sampled_from(forms))) is not None:
        options["attention_mask"] = jnp.asarray(bits(*form))
    options["use_causal_mask"] = data.draw(st.booleans())
    options["return_attention_scores"] = data.draw(st.booleans())
    return options


@examples(5)
@given(data=st.data(), use_gate=st.booleans(), use_bias=st.booleans(), dropout=st.sampled_from([0.0, 0.2]))
def test_many_heads_give_the_numbers_and_gradients_of_keras(data, use_gate, use_bias, dropout):
    time, places = data.draw(st.sampled_from([(4, 4), (5, 3), (1, 6)]))
    window, shape = data.draw(st.sampled_from([None, 2])), data.draw(st.sampled_from([None, 4, (2, 3)]))

    def make(k):
        return k.MultiHeadAttention(2, 3, None, dropout, use_bias, shape, sliding_window=window, use_gate=use_gate)

    ours, theirs = both(make, (2, time, 4), (2, places, 3), (2, places, 2))
    options = draw_options(data, 2, time, places, 2)
    arrays = tuple(map(jnp.asarray, (real(2, time, 4), real(2, places, 3), real(2, places, 2))))
    assert_same(value_and_gradients(ours, arrays, **options), value_and_gradients(theirs, arrays, **options))


@examples(5)
@given(data=st.data(), key_heads=st.sampled_from([1, 2, 4]), dropout=st.sampled_from([0.0, 0.2]), use_gate=st.booleans())
def test_grouped_queries_give_the_numbers_and_gradients_of_keras(data, key_heads, dropout, use_gate):
    ours, theirs = both(
        lambda k: k.GroupQueryAttention(3, 4, key_heads, dropout, use_gate=use_gate), (2, 5, 4), (2, 3, 4), (2, 3, 2)
    )
    options = draw_options(data, 2, 5, 3, 4)
    arrays = tuple(map(jnp.asarray, (real(2, 5, 4), real(2, 3, 4), real(2, 3, 2))))
    assert_same(value_and_gradients(ours, arrays, **options), value_and_gradients(theirs, arrays, **options))


@examples(5)
@given(data=st.data(), use_scale=st.booleans(), mode=st.sampled_from(["dot", "concat", "additive"]), keyed=st.booleans())
def test_attention_without_projections_gives_the_numbers_and_gradients_of_keras(data, use_scale, mode, keyed):
    def make(k):
        return k.AdditiveAttention(use_scale) if mode == "additive" else k.Attention(use_scale, mode)

    arrays = [real(2, 3, 4), real(2, 5, 4), real(2, 5, 4, seed=1)][: 2 + keyed]
    ours, theirs = both(make, [a.shape for a in arrays])
    masks = drawn(data, ["query", "value"], {"query": (2, 3), "value": (2, 5)})
    options = {"use_causal_mask": data.draw(st.booleans()), "return_attention_scores": data.draw(st.booleans())}
    if masks:
        options["mask"] = [masks.get("query"), masks.get("value")]
    arrays = ([jnp.asarray(a) for a in arrays],)
    assert_same(value_and_gradients(ours, arrays, **options), value_and_gradients(theirs, arrays, **options))


@pytest.mark.parametrize(
    "axes, shape", [((1, 2), (2, 3, 2, 4)), (2, (2, 3, 4, 5)), ((-1 - 1,), (2, 3, 4, 5)), ((2, 1), (2, 3, 2, 4))]
)
def test_attention_over_any_axes_is_that_of_keras(axes, shape):
    ours, theirs = both(lambda k: k.MultiHeadAttention(2, 3, attention_axes=axes), shape, shape)
    x = jnp.asarray(real(*shape))
    assert_same(ours(x, x, return_attention_scores=True), theirs(x, x, return_attention_scores=True))
    assert_same(ours(x, x), theirs(x, x))


@pytest.mark.parametrize("most", [60, 5])
def test_tiles_of_any_size_give_the_same_numbers(monkeypatch, most):
    """Parts of the batch, or of the heads and of the queries, each with a rest; and forward derivatives of gradients."""
    q, k, v = (jnp.asarray(real(5, 3, n, 2, seed=n)) for n in (4, 3, 3))
    bias, mask, keep = jnp.asarray(real(1, 3, 4, 3)), jnp.asarray(bits(5, 1, 4, 3)), jnp.asarray(bits(5, 3, 4, 3))

    def total(*x):
        outputs = attention_forms.in_tiles(*x, mask, keep, None, scale=0.7, is_causal=False, flash_attention=None)
        return jnp.sum(jnp.sin(outputs))

    def gradients(q, k, v, bias):
        return jax.grad(total, (0, 1, 2, 3))(q, k, v, bias)

    def numbers():
        return jax.jit(lambda *x: jax.jvp(gradients, x, x))(q, k, v, bias)

    whole = numbers()
    monkeypatch.setattr(attention_forms, "_MOST_SCORES", most)
    assert_same(numbers(), whole)


def test_a_mask_of_heads_is_joined_with_those_of_places():
    x, layer = real(2, 3, 4), layers.MultiHeadAttention(2, 3)
    heads, places = bits(2, 2, 3, 3) | np.eye(3, dtype=bool), np.array([[True, False, True], [True, True, False]])
    _, joined = layer(x, x, attention_mask=heads, value_mask=places, return_attention_scores=True)
    _, alone = layer(x, x, attention_mask=heads & places[:, None, None], return_attention_scores=True)
    np.testing.assert_array_equal(joined, alone)


def test_dropout_leaves_out_weights_in_training_alone_and_its_mean_is_the_output():
    layer = layers.MultiHeadAttention(2, 4, dropout=0.4, seed=3)
    x = real(1, 6, 4)
    quiet = layer(x, x)
    noisy = np.mean([layer(x, x, training=True) for _ in range(200)], 0)
    np.testing.assert_allclose(noisy, quiet, atol=0.15)
    again = layers.MultiHeadAttention(2, 4, dropout=0.4, seed=3)
    again.build(x.shape, x.shape)
    again.set_weights(layer.get_weights())
    fresh = layers.MultiHeadAttention.from_config(layer.get_config())
    fresh.build(x.shape, x.shape)
    fresh.set_weights(layer.get_weights())
    scored, _ = fresh(x, x, training=True, return_attention_scores=True)
    assert_same(again(x, x, training=True), scored)  # the same draws, whether the scores are wanted or not
    assert not np.allclose(scored, quiet)


def test_masks_travel_with_the_arrays():
    words = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    x = layers.Embedding(5, 6, mask_zero=True)(words)
    for layer, call in [
        (layers.MultiHeadAttention(2, 3), lambda layer, x, **masks: layer(x, x, **masks)),
        (layers.GroupedQueryAttention(3, 2, 1), lambda layer, x, **masks: layer(x, x, **masks)),
        (layers.Attention(), lambda layer, x, **masks: layer([x, x], **({"mask": list(masks.values())} if masks else {}))),
    ]:
        outputs = call(layer, x)
        np.testing.assert_array_equal(mask_of(outputs), words != 0)
        bare = call(layer, jnp.copy(x), query_mask=words != 0, value_mask=words != 0)
        assert_same(outputs, bare)
        changed = with_mask(x.at[0, 3].set(9.0), words != 0)
        np.testing.assert_allclose(call(layer, changed)[0, :2], outputs[0, :2], atol=1e-6)
    outputs, scores = layers.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True)
    assert mask_of(outputs) is not None and mask_of(scores) is None


def test_models_with_unknown_sizes_give_what_the_layer_gives():
    queries, values = lamina.Input((None, 4)), lamina.Input(("places", 3))
    layer = layers.MultiHeadAttention(2, 3)
    outputs, scores = layer(queries, values, return_attention_scores=True)
    assert outputs.shape == (None, None, 4) and scores.shape == (None, 2, None, "places")
    model = lamina.Model([queries, values], [outputs, scores])
    again = lamina.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    x, y = real(2, 5, 4), real(2, 3, 3)
    assert_same(again([x, y]), layer(x, y, return_attention_scores=True))


def test_half_precision_is_near_the_whole():
    x = real(2, 5, 8)
    for make in (
        lambda dtype: layers.MultiHeadAttention(2, 4, dtype=dtype),
        lambda dtype: layers.GroupedQueryAttention(4, 2, 1, dtype=dtype),
    ):
        full, half = make("float32"), make("mixed_bfloat16")
        full(x, x), half(x, x)
        half.set_weights(full.get_weights())
        outputs = half(x, x)
        assert outputs.dtype == jnp.bfloat16 and half.query_dense.kernel.dtype == "float32"
        np.testing.assert_allclose(np.float32(outputs), full(x, x), atol=0.05)


def test_what_does_not_fit_is_refused():
    x, y = real(2, 5, 4), real(2, 3, 4)
    layer = layers.MultiHeadAttention(2, 3)
    for masks, words in [
        ({"query_mask": bits(2, 3)}, r"query_mask must have shape \(2, 5\)"),
        ({"value_mask": bits(2, 1)}, r"value_mask must have shape \(2, 3\)"),
        ({"key_mask": bits(1, 3)}, r"key_mask must have shape \(2, 3\)"),
        ({"attention_mask": bits(2, 5, 5)}, r"attention_mask of shape \(2, 5, 5\) does not fit weights of shape \(2, 2, 5, 3\)"),
        ({"attention_mask": bits(3)}, "does not fit"),
    ]:
        with pytest.raises(ValueError, match=words):
            layer(x, y, **masks)
    with pytest.raises(ValueError, match="Each key needs one value"):
        layer(x, y, x)
    with pytest.raises(ValueError, match="cannot look at keys"):
        layer(x, y[:1])
    with pytest.raises(ValueError, match="attention_axes"):
        layers.MultiHeadAttention(2, 3, attention_axes=3)(x, x)
    with pytest.raises(ValueError, match="no dropout"):
        layers.MultiHeadAttention(2, 3, dropout=0.1, flash_attention=True)
    with pytest.raises(ValueError, match="return_attention_scores"):
        layers.MultiHeadAttention(2, 3, flash_attention=True)(x, x, return_attention_scores=True)
    with pytest.raises(ValueError, match="must divide num_query_heads"):
        layers.GroupedQueryAttention(3, 4, 3)
    with pytest.raises(ValueError, match="value's mask"):
        layers.Attention()([x, y], mask=[None, bits(2, 1)])
    with pytest.raises(ValueError, match=r"a list \[query, value\]"):
        layers.Attention()(x)
    with pytest.raises(ValueError, match="score_mode"):
        layers.Attention(score_mode="sum")


# --- positions --------------------------------------------------------------------------------------------------------


def test_rotation_is_a_product_of_complex_numbers():
    x, positions = real(2, 5, 3, 8), np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    frequencies = 50.0 ** -(np.arange(4) / 4)
    for given_positions, places in [
        ({}, np.arange(5)),
        ({"start_index": 7}, 7 + np.arange(5)),
        ({"positions": positions}, positions),
    ]:
        angles = np.broadcast_to(places, (2, 5))[..., None, None] / 2 * frequencies
        turned = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * angles)
        outputs = layers.RotaryEmbedding(50, 2.0)(x, **given_positions)
        np.testing.assert_allclose(outputs, np.concatenate([turned.real, turned.imag], -1), atol=1e-5)
    moved = layers.RotaryEmbedding(50, 2.0, sequence_axis=-1, feature_axis=1)(x.transpose(0, 3, 2, 1))
    np.testing.assert_allclose(moved.transpose(0, 3, 2, 1), layers.RotaryEmbedding(50, 2.0)(x), atol=1e-6)
    with pytest.raises(ValueError, match="pairs of features"):
        layers.RotaryEmbedding()(real(2, 5, 3))
    with pytest.raises(ValueError, match=r"must have shape \(5,\) or \(2, 5\)"):
        layers.RotaryEmbedding()(x, positions=np.arange(4))


def test_waves_are_sines_and_cosines_in_turn():
    waves = layers.SinePositionEncoding(100)(np.zeros((2, 5, 6)), start_index=2)
    angles = (2 + np.arange(5))[:, None] / 100 ** (np.arange(0, 6, 2) / 6)
    np.testing.assert_allclose(waves[0, :, ::2], np.sin(angles), atol=1e-6)
    np.testing.assert_allclose(waves[1, :, 1::2], np.cos(angles), atol=1e-6)


@pytest.mark.parametrize("make", [layers.RotaryEmbedding, layers.SinePositionEncoding])
def test_positions_keep_shapes_dtypes_and_configs(make):
    x = real(2, 5, 8)
    layer = make(20, dtype="mixed_bfloat16")
    again = make.from_config(layer.get_config())
    assert again(x).dtype == jnp.bfloat16
    np.testing.assert_allclose(np.float32(again(x)), make(20)(x), atol=0.05)
    assert make()(lamina.Input((None, 8))).shape == (None, None, 8)
    assert_same(lamina.jit(layer)(x), layer(x), 0.01)
