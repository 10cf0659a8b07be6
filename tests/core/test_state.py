"""The state of things: whole, by paths that are the same in each session, and given back all at once or not at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.core.npz import read_npz, write_npz


def texts():
    return np.array(["the cat sat", "the dog ran"])


def adapted_vectors():
    layer = layers.TextVectorization(output_mode="tf_idf")
    layer.adapt(texts())
    return layer


def adapted_lookup():
    layer = layers.IntegerLookup(num_oov_indices=2)
    layer.adapt(np.array([7, 3, 3, 9]))
    return layer


def adapted_bins():
    layer = layers.Discretization(num_bins=3)
    layer.adapt(np.arange(30.0))
    return layer


def adapted_features():
    layer = layers.Normalization()
    layer.adapt(np.arange(6.0).reshape(3, 2))
    return layer


def fresh_features():
    layer = layers.Normalization()
    layer.build((None, 2))
    return layer


ADAPTED = {
    "TextVectorization": (adapted_vectors, lambda: layers.TextVectorization(output_mode="tf_idf"), texts()),
    "IntegerLookup": (adapted_lookup, lambda: layers.IntegerLookup(num_oov_indices=2), np.array([3, 4, 9, 11])),
    "Discretization": (adapted_bins, lambda: layers.Discretization(num_bins=3), np.array([-1.0, 5.0, 15.0, 90.0])),
    "Normalization": (adapted_features, fresh_features, np.array([[1.0, 2.0]])),
}


@pytest.mark.parametrize("name", ADAPTED)
def test_what_a_layer_took_from_data_is_in_its_state(name, tmp_path):
    adapted, fresh, x = ADAPTED[name]
    one, other = adapted(), fresh()
    empty = lamina.state_of(other)
    write_npz(tmp_path / "state.npz", lamina.state_of(one))
    lamina.set_state(other, read_npz(tmp_path / "state.npz"))
    np.testing.assert_array_equal(other(x), one(x))
    lamina.set_state(other, empty)
    np.testing.assert_equal(lamina.state_of(other), empty)


class Part(lamina.Model):
    """Layers in a model of names, in attributes and in a list, a layer with words, and a weight of its own."""

    def __init__(self):
        super().__init__()
        self.words = layers.StringLookup(vocabulary=["a", "b"])
        self.body = lamina.Sequential([layers.Dense(2), layers.Dropout(0.5), layers.Dense(2), layers.Dense(2, name="last")])
        self.more = [layers.BatchNormalization()]
        self.scale = self.add_weight((), initializer="ones")

    def call(self, x):
        return self.more[0](self.body(x)) * self.scale


def part():
    model = Part()
    model.compile("adam", "mse")
    model.build((None, 2))
    return model


def trained():
    model = part()
    model.fit(np.eye(2, dtype="float32"), np.ones((2, 2), "float32"), verbose=0)
    return model


def test_the_paths_of_a_state_are_the_same_whatever_was_made_before():
    states = [lamina.state_of(trained()) for _ in range(2)]
    assert list(states[0]) == list(states[1])
    assert {"variables/body/dense/kernel", "variables/body/dense_1/kernel", "variables/body/last/kernel"} <= set(states[0])
    assert {"host/words/vocabulary", "variables/more/0/gamma", "optimizer/scale/momentum"} <= set(states[0])


def test_a_twin_that_was_given_a_state_goes_on_like_the_model_that_it_was_taken_from():
    one = trained()
    other = part()
    lamina.set_state(other, lamina.state_of(one))
    for model in (one, other):
        lamina.random.set_seed(4)
        model.fit(np.eye(2, dtype="float32"), np.ones((2, 2), "float32"), epochs=2, verbose=0)
    for a, b in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a, b)


BAD = {
    "a key is missing": lambda state: state.pop("variables/scale"),
    "there is a key too many": lambda state: state.update({"variables/other": np.ones(2)}),
    "another shape": lambda state: state.update({"variables/scale": np.ones(2)}),
    "not a number": lambda state: state.update({"variables/scale": np.array("x")}),
    "a word twice": lambda state: state.update({"host/words/vocabulary": ["a", "a"]}),
}


@pytest.mark.parametrize("what", BAD)
def test_a_state_of_something_else_changes_nothing(what):
    model, other = part(), part()
    state = lamina.state_of(model)
    state["host/words/vocabulary"] = ["c"]
    BAD[what](state)
    before = lamina.state_of(other)
    with pytest.raises((ValueError, TypeError)):
        lamina.set_state(other, state)
    np.testing.assert_equal(lamina.state_of(other), before)


def test_a_state_is_the_callers_own():
    layer = adapted_vectors()
    before, after = (lamina.state_of(layer) for _ in range(2))
    for value in after.values():
        if isinstance(value, np.ndarray):
            value += 1
    np.testing.assert_equal(lamina.state_of(layer), before)


def test_what_has_no_state_says_so():
    with pytest.raises(TypeError, match="has no state"):
        lamina.state_of(3)


def test_what_a_callback_remembers_comes_back_as_it_was():
    class Remembers(lamina.callbacks.Callback):
        pass

    one, other = Remembers(), Remembers()
    one.told = {"x/y": np.ones(2), "x": {"y": np.zeros(2)}, 1: "a", "1": [True, None, (2, 3.5)], (1, 2.5): {3, "b"}}
    one.best, one.array = np.float32(0.1), np.arange(3)
    one.file = open(__file__)  # noqa: SIM115
    state = lamina.state_of(one)
    one.file.close()
    lamina.set_state(other, state)
    np.testing.assert_equal(other.told, one.told)
    assert other.best == one.best and type(other.told[1, 2.5]) is set and not hasattr(other, "file")
    other.array[0] = 7  # its own
    assert one.array[0] == state["array"][0] == 0


def test_arrays_of_jax_and_of_numpy_come_back_to_a_callback_as_what_they_were():
    class Remembers(lamina.callbacks.Callback):
        pass

    one, other = Remembers(), Remembers()
    one.alone, one.host, one.half = jnp.arange(3), np.arange(3), jnp.ones(2, jnp.bfloat16)
    one.several = {"a": [jnp.float32(2.5), np.ones(2)], "b": (jnp.zeros((0, 2), "int8"),)}
    one.key = jax.random.key(0)  # has no numbers to write down
    state = lamina.state_of(one)
    assert not any(isinstance(value, jax.Array) for value in state.values())
    lamina.set_state(other, state)
    for before, after in zip(*(jax.tree.leaves([c.alone, c.host, c.half, c.several]) for c in (one, other)), strict=True):
        assert isinstance(after, jax.Array) == isinstance(before, jax.Array) and after.dtype == before.dtype
        np.testing.assert_array_equal(np.asarray(before, "float32"), np.asarray(after, "float32"))
    assert not hasattr(other, "key")
