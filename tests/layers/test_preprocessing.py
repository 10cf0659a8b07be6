"""Layers that turn what people have (words, texts, categories, numbers of any range) into what models take."""

import json

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from comparing import assert_close
from lamina import layers
from lamina.layers.fingerprint import combined, fingerprint, keyed
from properties import examples

TEXTS = np.array(["The cat sat, on the mat!", "the dog ran", "", "A  cat\tran. Ran?"])


@given(
    x=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=20),
    mode=st.sampled_from(["int", "one_hot", "multi_hot", "count"]),
    boundaries=st.lists(st.integers(-4, 4), min_size=1, unique=True).map(sorted),
)
@examples(30)
def test_discretization_is_that_of_keras(x, mode, boundaries):
    x, edges = np.array([x], "float32"), [float(b) for b in boundaries]
    ours = layers.Discretization(edges, output_mode=mode)(x)
    np.testing.assert_array_equal(ours, keras.layers.Discretization(edges, output_mode=mode)(x))


def test_bins_of_batches_hold_about_equal_shares():
    x = np.random.default_rng(0).normal(size=5000)
    layer = layers.Discretization(num_bins=4)
    layer.adapt([x[:1000], x[1000:4000], x[4000:]])
    counts = np.bincount(np.asarray(layer(x)))
    assert np.abs(counts - 1250).max() < 50


@given(
    x=st.lists(st.integers(0, 5), min_size=1, max_size=6).map(lambda row: [row, row[::-1]]),
    mode=st.sampled_from(["one_hot", "multi_hot", "count"]),
)
@examples(20)
def test_category_encoding_is_that_of_keras(x, mode):
    x = np.array(x)
    np.testing.assert_array_equal(layers.CategoryEncoding(6, mode)(x), keras.layers.CategoryEncoding(6, mode)(x))
    if mode == "count":
        weights = np.random.default_rng(0).normal(size=x.shape).astype("float32")
        ours = layers.CategoryEncoding(6, mode)(x, count_weights=weights)
        np.testing.assert_allclose(ours, keras.layers.CategoryEncoding(6, mode)(x, count_weights=weights), rtol=1e-6, atol=1e-6)


def test_rescaling_is_that_of_keras_and_trains_in_a_model():
    x = np.arange(12, dtype="uint8").reshape(4, 3)
    for scale, offset in ((1 / 255, 0.0), ([1.0, 2.0, 3.0], -1)):
        assert_close(layers.Rescaling(scale, offset)(x), keras.layers.Rescaling(scale, offset)(x), rtol=1e-6)
    model = lamina.Sequential([layers.Rescaling(0.1), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert model.fit(x, np.ones((4, 1)), epochs=2, verbose=0).history["loss"][1] > 0


def test_words_are_numbered_commonest_first():
    layer = layers.StringLookup(mask_token="")
    layer.adapt(np.array([["a", "c", "d"], ["d", "z", ""]]))
    assert layer.get_vocabulary() == ["", "[UNK]", "d", "z", "c", "a"]
    assert layer.vocabulary_size() == 6
    np.testing.assert_array_equal(layer([["a", "nobody"], ["", "d"]]), [[5, 1], [0, 2]])
    back = layers.StringLookup(vocabulary=layer.get_vocabulary(), mask_token="", invert=True)
    assert back(layer([["a", "z"]])).tolist() == [["a", "z"]]


def test_vocabularies_are_cut_and_read_from_files(tmp_path):
    layer = layers.IntegerLookup(max_tokens=3)
    layer.adapt(iter([np.array([5, 5, 5, 3]), np.array([3, 9, 8])]))
    assert layer.get_vocabulary() == [-1, 5, 3]
    (tmp_path / "words.txt").write_text("sun\nmoon\n")
    assert layers.StringLookup(vocabulary=tmp_path / "words.txt").get_vocabulary(False) == ["sun", "moon"]


@pytest.mark.parametrize("kind", [layers.StringLookup, layers.IntegerLookup, layers.TextVectorization])
def test_a_file_that_a_config_names_is_not_opened(kind, tmp_path):
    (tmp_path / "words.txt").write_text("1\n2\n")
    layer = kind(vocabulary=str(tmp_path / "words.txt"))
    config = layers.serialize(layer)
    assert layers.deserialize(config).get_vocabulary() == layer.get_vocabulary()
    config["config"]["vocabulary"] = str(tmp_path / "words.txt")
    with pytest.raises(ValueError, match="is not opened"):
        layers.deserialize(config)


def test_vectors_of_words():
    x = [["a", "c"], ["b", "b"]]
    of = lambda mode, **kwargs: np.asarray(layers.StringLookup(vocabulary=["a", "b"], output_mode=mode, **kwargs)(x))  # noqa: E731
    assert of("multi_hot").tolist() == [[1, 1, 0], [0, 0, 1]]
    assert of("count", max_tokens=4, pad_to_max_tokens=True).tolist() == [[1, 1, 0, 0], [0, 0, 2, 0]]
    np.testing.assert_allclose(of("tf_idf", idf_weights=[0.5, 0.25]), [[0.375, 0.5, 0], [0, 0, 0.5]])
    assert of("one_hot").shape == (2, 2, 3)


def test_integers_are_looked_up_in_compiled_code_too():
    layer = layers.IntegerLookup(vocabulary=[5, 900, 7], num_oov_indices=3, mask_token=0)
    x = np.array([0, 5, 7, 900, 12, 13, 14, -1])
    np.testing.assert_array_equal(layer(x), [0, 4, 6, 5, 1, 2, 3, 3])
    np.testing.assert_array_equal(lamina.jit(lambda x: layer(x))(x), layer(x))
    model = lamina.Sequential([lamina.Input((1,), dtype="int32"), layers.IntegerLookup(vocabulary=[5, 7]), layers.Embedding(3, 2)])
    assert model.predict(np.array([[5], [6]]), verbose=0).shape == (2, 1, 2)


def test_unknown_integers_share_numbers_by_remainder_or_by_hash():
    far = 8 * np.arange(1, 9)
    given = dict(vocabulary=[1], num_oov_indices=4)
    assert set(np.asarray(layers.IntegerLookup(**given)(far)).tolist()) == {0}
    plain = layers.IntegerLookup(**given, oov_method="farmhash")
    salted = layers.IntegerLookup(**given, oov_method="farmhash", salt=3)
    numbers = [np.asarray(layer(far)).tolist() for layer in (plain, salted)]
    assert numbers[0] != numbers[1] and all(len(set(found)) > 1 and set(found) <= {0, 1, 2, 3} for found in numbers)
    with pytest.raises(TypeError, match="cannot hash"):
        lamina.jit(plain)(jnp.asarray(far))
    for arguments, words in [({"salt": 3}, "farmhash"), ({"oov_method": "md5"}, "oov_method"), ({"salt": "a"}, "salt")]:
        with pytest.raises(ValueError, match=words):
            layers.IntegerLookup(**given, **arguments)
    words = [np.asarray(layers.StringLookup(vocabulary=["a"], num_oov_indices=9, salt=s)(["b", "c", "d"])).tolist() for s in (1, 2)]
    assert words[0] != words[1]


def test_texts_become_numbers():
    layer = layers.TextVectorization()
    layer.adapt(TEXTS)
    assert layer.get_vocabulary()[:4] == ["", "[UNK]", "the", "ran"]
    table = np.asarray(layer(["The cat ran away", "dog", ""]))
    assert table.shape == (3, 4) and table[0, 3] == 1 and not table[2].any() and not table[1, 1:].any()
    words = layer.get_vocabulary()
    assert [words[n] for n in table[0, :3]] == ["the", "cat", "ran"]
    np.testing.assert_array_equal(layer("the cat"), layer(["the cat"])[0])


def test_a_classifier_of_texts_learns():
    rng = np.random.default_rng(0)
    good, bad = ["sunny", "lovely", "bright"], ["rainy", "awful", "dark"]
    draw = lambda words: " ".join(rng.choice([*words, "the", "day", "was"], 6)) + "!"  # noqa: E731
    texts = np.array([draw(good) if i % 2 else draw(bad) for i in range(200)])
    labels = np.arange(200) % 2
    vectorize = layers.TextVectorization(output_mode="multi_hot")
    vectorize.adapt(texts)
    lamina.random.set_seed(0)
    model = lamina.Sequential([layers.Dense(1, activation="sigmoid")])
    model.compile(lamina.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(vectorize(texts), labels, epochs=20, verbose=0).history
    assert history["accuracy"][-1] > 0.95


def test_layers_on_the_host_come_back_from_their_config_with_what_they_learned():
    adapted = layers.TextVectorization(output_mode="tf_idf", ngrams=(1, 2))
    adapted.adapt(TEXTS)
    lookup = layers.StringLookup(num_oov_indices=2)
    lookup.adapt(["a", "b", "a"])
    bins = layers.Discretization(num_bins=3)
    bins.adapt(np.arange(30.0))
    cases = [
        (adapted, TEXTS),
        (lookup, ["a", "q"]),
        (bins, np.arange(7.0)),
        (layers.Hashing(7, mask_value="", salt=3), ["a", ""]),
        (layers.HashedCrossing(5, "one_hot"), (["a"], [1])),
        (layers.IntegerLookup(vocabulary=[4, 2], output_mode="count"), [[4, 4]]),
        (layers.CategoryEncoding(3), [1]),
    ]
    for layer, x in cases:
        config = json.loads(json.dumps(layer.get_config()))
        np.testing.assert_array_equal(type(layer).from_config(config)(x), layer(x))


def test_hashes_are_known_ones():
    assert keyed(bytes(range(15)), (0x0706050403020100, 0x0F0E0D0C0B0A0908)) == 0xA129CA6149BE45E5  # SipHash's own test vector
    lengths = [*range(20), 31, 32, 33, 63, 64, 65, 128, 129, 500]
    assert len({fingerprint(b"x" * n) for n in lengths}) == len(lengths)
    assert combined(1, 2) != combined(2, 1)


@pytest.mark.parametrize(
    "act, error, says",
    [
        (lambda: layers.StringLookup().adapt([]), ValueError, "no data to adapt to"),
        (lambda: layers.TextVectorization().adapt(np.array([], "str")), ValueError, "no data to adapt to"),
        (lambda: layers.Discretization(num_bins=3).adapt(np.zeros(0)), ValueError, "no data to adapt to"),
        (lambda: layers.StringLookup()(["a"]), ValueError, "no vocabulary yet"),
        (lambda: layers.TextVectorization()(["a"]), ValueError, "no vocabulary yet"),
        (lambda: layers.Discretization(num_bins=3)(np.ones(2)), ValueError, "no boundaries yet"),
        (lambda: layers.Discretization([1.0, 0.0]), ValueError, "that increase"),
        (lambda: layers.Discretization(), ValueError, "either bin_boundaries, or num_bins"),
        (lambda: layers.StringLookup(vocabulary=["a", "b", "a"]), ValueError, r"\['a'\] twice"),
        (lambda: layers.StringLookup(vocabulary=["a", "[UNK]"]), ValueError, "has anyway"),
        (
            lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["b"]),
            ValueError,
            "'b', which is not in its vocabulary",
        ),
        (lambda: layers.StringLookup(max_tokens=1), ValueError, "more than 1"),
        (lambda: layers.StringLookup(max_tokens=2, vocabulary=["a", "b"]), ValueError, "more than max_tokens=2"),
        (lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf"), ValueError, "idf_weights for each of its 1 words"),
        (lambda: layers.StringLookup(vocabulary=["a"])(np.ones(2)), TypeError, "strings or integers, not float"),
        (lambda: layers.StringLookup(sparse=True), ValueError, "dense arrays only"),
        (lambda: layers.CategoryEncoding(3)([3]), ValueError, "from 0 to 2, but was given integers from 3 to 3"),
        (lambda: layers.CategoryEncoding(3)([1], count_weights=np.ones(1)), ValueError, "output_mode='count'"),
        (lambda: layers.Hashing(3, salt="pepper"), ValueError, "an integer or two of them"),
        (lambda: layers.HashedCrossing(3)((["a"], ["b", "c"])), ValueError, "features of one shape"),
        (lambda: layers.TextVectorization(vocabulary=["a"])(np.array([["a", "b"]])), ValueError, r"\(batch,\) or \(batch, 1\)"),
        (lambda: layers.Rescaling("twice"), TypeError, "scale of Rescaling"),
        (lambda: layers.StringLookup(vocabulary=["a"])(lamina.Input((1,))), TypeError, "works on the host"),
        (lambda: lamina.jit(layers.Hashing(3))(np.ones(2, "int32")), TypeError, "inside compiled code"),
        (lambda: lamina.Input((1,), dtype="string"), TypeError, "cannot be strings"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(act, error, says):
    with pytest.raises(error, match=says):
        act()


def test_training_on_strings_says_what_to_do():
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="Turn strings into numbers first"):
        model.fit(np.array(["a", "b"]), np.ones(2), verbose=0)
