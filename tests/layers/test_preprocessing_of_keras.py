"""Lookups, texts and hashes are those of Keras, which has them with TensorFlow only."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from comparing import assert_close
from properties import examples

pytestmark = pytest.mark.loaders

WORDS = np.array(["a", "b", "cat", "dog", "", "naïve", "[UNK]", "x" * 40, "y" * 200])
TEXTS = np.array(["The cat sat, on the mat!", "the dog ran", "a--b; don't", "Cat\tran.\n Ran?"])


def same(name, x, adapt=None, /, **kwargs):
    ours, theirs = (getattr(k, name)(**kwargs) for k in (lamina.layers, keras.layers))
    if adapt is not None:
        ours.adapt(adapt), theirs.adapt(adapt)
        if hasattr(ours, "get_vocabulary"):
            assert ours.get_vocabulary() == [str(w) if isinstance(w, str) else int(w) for w in theirs.get_vocabulary()]
    a, b = np.asarray(ours(x)), np.asarray(theirs(x))
    assert a.shape == b.shape
    assert_close(a, b)


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_hashes(mode):
    x = np.random.default_rng(0).choice(WORDS, (5, 4))
    for kwargs in ({}, {"salt": 133}, {"salt": [133, 137]}, {"mask_value": "cat"}):
        same("Hashing", x, num_bins=11, output_mode=mode, **kwargs)
    same("Hashing", np.arange(-10, 10).reshape(5, 4), num_bins=11, output_mode=mode)


def test_crossed_hashes():
    rng = np.random.default_rng(0)
    words, numbers = rng.choice(WORDS, 30), rng.integers(-5, 5, 30)
    same("HashedCrossing", (words, numbers), num_bins=13)
    same("HashedCrossing", (words, words[::-1].copy()), num_bins=13, output_mode="one_hot")


@pytest.mark.parametrize("mode", ["int", "multi_hot", "count", "tf_idf"])
def test_lookups_of_strings(mode):
    rng = np.random.default_rng(1)
    known, x = rng.choice(WORDS[:6], (20, 3)), rng.choice(WORDS, (8, 3))
    for kwargs in ({}, {"num_oov_indices": 3}, {"max_tokens": 4}, {"mask_token": ""}, {"num_oov_indices": 3, "salt": [7, 8]}):
        same("StringLookup", x, known, output_mode=mode, **kwargs)


@pytest.mark.parametrize("mode", ["int", "multi_hot", "count"])
def test_lookups_of_integers(mode):
    rng = np.random.default_rng(2)
    known, x = rng.integers(0, 9, (20, 3)), rng.integers(0, 15, (8, 3))
    hashed = {"num_oov_indices": 3, "oov_method": "farmhash"}
    for kwargs in ({}, {"num_oov_indices": 3}, {"max_tokens": 4}, {"mask_token": 0}, hashed, hashed | {"salt": 5}):
        same("IntegerLookup", x, known, output_mode=mode, **kwargs)


@pytest.mark.parametrize("mode", ["int", "multi_hot", "count", "tf_idf"])
def test_texts(mode):
    options = [{}, {"ngrams": 2}, {"ngrams": (1, 3)}, {"max_tokens": 6}, {"split": "character"}, {"standardize": None}]
    options += [{"standardize": "lower"}, {"standardize": "strip_punctuation"}]
    if mode == "int":
        options += [{"output_sequence_length": 3}, {"output_sequence_length": 9}]
    for kwargs in options:
        same("TextVectorization", TEXTS[::-1].copy(), TEXTS, output_mode=mode, **kwargs)


@given(size=st.integers(1, 300), bins=st.integers(2, 9), epsilon=st.sampled_from([0.01, 0.1]), seed=st.integers(0, 99))
@examples(30)
def test_discretization_adapts_as_in_keras(size, bins, epsilon, seed):
    x = np.random.default_rng(seed).normal(size=(size, 1)).astype("float32")
    ours, theirs = (k.Discretization(num_bins=bins, epsilon=epsilon) for k in (lamina.layers, keras.layers))
    ours.adapt(x), theirs.adapt(x)
    np.testing.assert_allclose(ours.bin_boundaries, theirs.bin_boundaries, rtol=1e-3, atol=1e-4)  # Keras counts in float32
