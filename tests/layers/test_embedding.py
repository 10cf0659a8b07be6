"""Embedding: rows by index, padding, and indices that stay exact."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from comparing import assert_close
from lamina import layers
from lamina.core.masks import mask_of

TABLE = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16", "bfloat16"])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16", "float32"])
def test_indices_of_any_dtype_are_exact_and_outputs_of_the_compute_dtype(policy, dtype):
    indices = np.array([[0, 1001], [1999, 257]], dtype)
    layer = layers.Embedding(2000, 3, weights=TABLE, dtype=policy)
    outputs = layer(indices)
    assert outputs.dtype == layer.compute_dtype
    np.testing.assert_array_equal(outputs, jnp.asarray(TABLE[indices.astype(int)]).astype(layer.compute_dtype))


def test_zero_is_padding_where_it_is_said_to_be():
    indices = np.array([[3, 0, 1], [0, 0, 2]])
    assert mask_of(layers.Embedding(4, 2)(indices)) is None
    layer = layers.Embedding(4, 2, mask_zero=True)
    np.testing.assert_array_equal(mask_of(layer(indices)), indices != 0)
    np.testing.assert_array_equal(layer.compute_mask(indices), indices != 0)
    total = layers.Multiply()([layer(indices), layer(indices)])
    np.testing.assert_array_equal(total[indices == 0], 0)


def test_weights_may_be_given_and_are_no_part_of_the_config():
    layer = layers.Embedding(2000, 3, weights=[TABLE])
    assert layer.built
    np.testing.assert_array_equal(layer.embeddings.numpy(), TABLE)
    assert "weights" not in layer.get_config()
    again = layers.Embedding.from_config(layer.get_config())
    assert not np.array_equal(again(np.arange(2000)), TABLE)
    with pytest.raises(ValueError, match=r"has shape \(2, 3\), but the value given for it has shape \(2000, 3\)"):
        layers.Embedding(2, 3, weights=TABLE)


def test_an_index_out_of_range_is_seen():
    outputs = layers.Embedding(4, 2)(np.array([3, 4]))
    np.testing.assert_array_equal(np.isnan(outputs), [[False] * 2, [True] * 2])


def test_gradients_add_up_over_equal_indices_in_the_dtype_of_the_table():
    layer = layers.Embedding(4, 1, dtype="mixed_bfloat16")
    layer.build()
    gradient = lamina.grad(lambda: jnp.sum(layer(np.array([1] * 1001 + [3]))), layer.embeddings)()
    assert gradient.dtype == "float32"
    np.testing.assert_array_equal(gradient[:, 0], [0, 1001, 0, 1])


def test_constraints_and_regularizers_are_on_the_table():
    layer = layers.Embedding(4, 2, "ones", "l2", "non_neg")
    layer(np.array([0]))
    np.testing.assert_allclose(layer.losses, [8 * 0.01], rtol=1e-6)
    assert layer.embeddings.constraint is layer.embeddings_constraint


@pytest.mark.parametrize("sizes", [(0, 3), (3, -1), (3, True), (2.5, 3)])
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(ValueError, match="of Embedding must be a positive integer"):
        layers.Embedding(*sizes)


@pytest.mark.parametrize("tied", [True, False])
def test_in_reverse_vectors_become_scores_as_in_keras(tied):
    arguments = dict(input_dim=7, output_dim=3, tie_weights=tied, logit_soft_cap=2.0, mask_zero=True)
    ours, theirs = (library.layers.ReversibleEmbedding(**arguments) for library in (lamina, keras))
    ours.build(), theirs.build()
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=weight.shape) for weight in ours.weights]
    ours.set_weights(weights), theirs.set_weights(weights)
    indices = np.array([[1, 0, 6]])
    vectors = ours(indices)
    np.testing.assert_array_equal(vectors, theirs(indices))
    np.testing.assert_array_equal(mask_of(vectors), indices != 0)
    scores = ours(vectors, reverse=True)
    assert_close(scores, theirs(np.asarray(vectors), reverse=True))
    assert scores.shape == (1, 3, 7) and mask_of(scores) is None and mask_of(ours(vectors, True)) is None
    assert_close(lamina.jit(lambda x: ours(x, reverse=True))(vectors), scores)


def test_the_reverse_has_a_dtype_of_its_own_and_bad_caps_are_refused():
    layer = layers.ReversibleEmbedding(5, 2, dtype="mixed_bfloat16", reverse_dtype="float32")
    vectors = layer(np.array([1, 2]))
    assert (vectors.dtype, layer(vectors, reverse=True).dtype) == ("bfloat16", "float32")
    assert layers.ReversibleEmbedding(5, 2, dtype="mixed_bfloat16")(vectors, reverse=True).dtype == "bfloat16"
    graph = lamina.Input((4,), dtype="int32")
    assert layer(layer(graph), reverse=True).shape == (None, 4, 5)
    with pytest.raises(ValueError, match="logit_soft_cap"):
        layers.ReversibleEmbedding(5, 2, logit_soft_cap=0)
