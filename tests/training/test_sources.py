"""Where data come from: arrays of any kind, iterables, generators, indexed sources, data that stay on the host."""

import os
import threading
import warnings

import jax.numpy as jnp
import numpy as np
import pandas
import polars
import pytest

import lamina
from comparing import assert_close
from lamina import layers
from lamina.training import data as sources
from lamina.training.data import ArrayData, BatchData, as_data
from lamina.training.gather import gather
from lamina.training.prefetch import Prefetch


def regression(samples=100):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(samples, 4)).astype("float32")
    return x, (x @ np.array([[1.0], [-2.0], [0.5], [3.0]])).astype("float32")


def line():
    lamina.random.set_seed(3)
    model = lamina.Sequential([layers.Dense(1)])
    model.compile(lamina.optimizers.SGD(0.05, momentum=0.5), "mse")
    return model


def batches(x, y, size=16):
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


def trained(*args, **kwargs):
    model = line()
    history = model.fit(*args, verbose=0, **{"epochs": 3, **kwargs})
    return history.history["loss"], model.get_weights()


def assert_same(found, expected):
    assert_close(found[0], expected[0])
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


class Indexed:
    """A source that is asked for batches by number, as Keras's PyDataset is."""

    def __init__(self, x, y):
        self.batches, self.epochs, self.asked = batches(x, y), 0, []

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        self.asked.append(i)
        return self.batches[i]

    def on_epoch_end(self):
        self.epochs += 1


def forever(x, y):
    while True:
        yield from batches(x, y)


X, Y = regression()
WAYS = {
    "a list of batches": lambda: (batches(X, Y), {}),
    "batches as lists": lambda: (iter([list(b) for _ in range(3) for b in batches(X, Y)]), {"steps_per_epoch": 7}),
    "a generator": lambda: (forever(X, Y), {"steps_per_epoch": 7}),
    "an indexed source": lambda: (Indexed(X, Y), {"shuffle": False}),
    "JAX arrays": lambda: (jnp.asarray(X), {"y": jnp.asarray(Y), "batch_size": 16, "shuffle": False}),
    "lists of numbers": lambda: (X.tolist(), {"y": Y.tolist(), "batch_size": 16, "shuffle": False}),
    "pandas": lambda: (
        pandas.DataFrame(X, columns=list("abcd")),
        {"y": pandas.Series(Y[:, 0]), "batch_size": 16, "shuffle": False},
    ),
    "polars": lambda: (polars.DataFrame(X, schema=list("abcd")), {"y": polars.Series(Y[:, 0]), "batch_size": 16, "shuffle": False}),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_batches_train_the_same_model_whatever_they_come_from(way):
    source, options = WAYS[way]()
    assert_same(trained(source, **options), trained(X, Y, batch_size=16, shuffle=False))


def test_data_that_stay_on_the_host_train_the_same_model(monkeypatch, tmp_path):
    expected = trained(X, Y, batch_size=16)
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", "float32", X.shape)
    mapped[:] = X
    monkeypatch.setattr(sources, "room", lambda: 0)
    assert isinstance(ArrayData((mapped, Y)).leaves[0], np.memmap) and not ArrayData((mapped, Y)).resident
    assert_same(trained(mapped, Y, batch_size=16), expected)


def test_data_far_larger_than_memory_are_trained_on():
    x = np.broadcast_to(np.ones((1, 4), "float32"), (2**40, 4))  # 16 TiB, if it were written out
    y = np.broadcast_to(np.zeros((1, 1), "float32"), (2**40, 1))
    data = ArrayData((x, y), 16)
    assert not data.resident
    model = line()
    history = model.fit(x, y, batch_size=16, shuffle=False, steps_per_epoch=20, epochs=2, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]


def test_data_that_turn_out_not_to_fit_stay_on_the_host(monkeypatch):
    monkeypatch.setattr(sources, "room", lambda: float("inf"))
    x = np.broadcast_to(np.ones((1, 4), "float32"), (2**40, 4))
    model = line()
    options = {"batch_size": 16, "shuffle": False, "steps_per_epoch": 5, "verbose": 0}
    with pytest.warns(UserWarning, match=r"18,691,697,672,192 bytes\) stay on the host"):
        model.fit(x, np.broadcast_to(np.zeros(1, "bool"), (2**40,)), **options)
    assert int(model.optimizer.iterations.numpy()) == 5


def test_a_step_that_needs_too_much_memory_says_what_there_is():
    class Greedy(lamina.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            much = lamina.ops.sort(lamina.ops.broadcast_to(lamina.ops.sum(x), (2**36,)) * lamina.ops.arange(2**36))
            return self.dense(x) + much[-1]

    model = Greedy()
    model.compile("sgd", "mse")
    with pytest.raises(Exception, match="RESOURCE_EXHAUSTED") as caught:
        model.fit(X, Y, batch_size=16, verbose=0)
    assert any("batch of 16 samples" in note and "smaller batch_size" in note for note in caught.value.__notes__)
    assert all(np.isfinite(weight.numpy()).all() for weight in model.weights)


def test_an_indexed_source_is_shuffled_and_told_of_each_end():
    source = Indexed(X, Y)
    trained(source)
    assert source.epochs == 3 and [sorted(source.asked[i : i + 7]) for i in (0, 7, 14)] == [list(range(7))] * 3
    assert source.asked[:7] != source.asked[7:14]
    source.asked.clear()
    np.testing.assert_allclose(line().predict(source, verbose=0).shape, (100, 1))
    assert source.asked == list(range(7))


def test_evaluation_and_prediction_take_batches_too():
    model = line()
    model.fit(X, Y, verbose=0)
    assert model.evaluate(batches(X, Y), verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)
    assert_close(model.predict(batches(X, Y), verbose=0), model.predict(X, verbose=0))
    assert_close(model.predict(forever(X, Y), steps=2, verbose=0), model.predict(X[:32], verbose=0))
    history = model.fit(X, Y, validation_data=forever(X, Y), validation_steps=7, epochs=2, verbose=0)
    assert len(history.history["val_loss"]) == 2


def test_a_generator_that_ends_early_ends_training_with_what_was_learned():
    model = line()
    with pytest.warns(UserWarning, match="asked for 4 batches, but the data ended after 3") as caught:
        history = model.fit(iter(batches(X, Y)), steps_per_epoch=4, epochs=5, verbose=0)
    assert caught[0].filename == __file__
    assert len(history.epoch) == 2 and int(model.optimizer.iterations.numpy()) == 7
    with pytest.warns(UserWarning, match=r"asked for 7 batches"):
        assert len(model.fit(iter(batches(X, Y)), epochs=3, verbose=0).epoch) == 1
    with pytest.warns(UserWarning, match="9 batches were asked for, but the data ended after 7"):
        model.evaluate(iter(batches(X, Y)), steps=9, verbose=0)


def test_a_generator_is_asked_for_no_more_than_is_used():
    source = forever(X, Y)
    line().fit(source, steps_per_epoch=3, epochs=2, verbose=0)
    np.testing.assert_array_equal(next(source)[0], X[96:])


@pytest.mark.parametrize("source", [[], iter(()), np.ones((0, 4), "float32")], ids=["list", "iterator", "array"])
def test_empty_data_are_refused(source):
    with pytest.raises(ValueError, match=r"no (batches|samples)"):
        line().fit(source, np.ones((0, 1)) if isinstance(source, np.ndarray) else None, verbose=0)


def test_what_a_generator_raises_is_raised_and_what_was_learned_stays():
    def failing():
        yield from batches(X, Y)
        raise OSError("the disk is gone")

    model = line()
    with pytest.raises(OSError, match="the disk is gone"):
        model.fit(failing(), verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 7
    model.fit(X, Y, verbose=0)


def test_batches_are_checked_as_they_come():
    model = lamina.Sequential([layers.Dense(3)])
    model.compile("sgd", lamina.losses.SparseCategoricalCrossentropy(from_logits=True))
    labels = np.zeros(16, int)
    wrong = np.where(np.arange(16) == 3, 7, 0)
    with pytest.raises(ValueError, match="label 7"):
        model.fit([(X[:16], labels), (X[:16], wrong)], verbose=0)
    with pytest.raises(ValueError, match="same number of samples"):
        model.fit([(X[:16], labels[:5])], verbose=0)
    with pytest.raises(ValueError, match="y goes with arrays"):
        model.fit(batches(X, Y), Y, verbose=0)
    with pytest.raises(ValueError, match="validation_split needs arrays"):
        model.fit([(X[:16], labels)], validation_split=0.5, verbose=0)


def test_batches_of_many_shapes_are_taken_in_order():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 4, 60)
    given = [np.full((n, 2), i, "float32") for i, n in enumerate(lengths)]
    seen = []
    for block in gather(given, len(given)):
        seen += [np.asarray(block.batch(step)) for step in range(block.steps)]
    assert len(seen) == 60
    for a, b in zip(seen, given, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_generator_may_use_its_arrays_again():
    def one_array():
        x = np.empty((2, 3), "float32")
        for i in range(100):
            x[:] = i
            yield x

    blocks = list(gather(one_array()))
    found = [float(block.batch(step)[0, 0]) for block in blocks for step in range(block.steps)]
    assert found == list(range(100)) and len(blocks) < 10


def test_the_background_thread_ends_with_who_uses_it():
    def endless():
        i = 0
        while True:
            yield (i := i + 1)

    ahead = Prefetch(endless())
    assert [next(ahead), next(ahead)] == [1, 2]
    ahead.close()
    line().fit(forever(X, Y), steps_per_epoch=3, verbose=0)
    for thread in threading.enumerate():
        if thread.name == "lamina-data":
            thread.join(5)
            assert not thread.is_alive()


def test_no_warning_where_data_are_as_they_should_be():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        line().fit(batches(X, Y), epochs=2, verbose=0)


def test_what_is_data_and_what_is_not():
    assert isinstance(as_data([X, X]), ArrayData) and isinstance(as_data([(X, Y)]), BatchData)
    assert isinstance(as_data({"a": X}), ArrayData) and isinstance(as_data(iter([X])), BatchData)
    for nonsense in ("text", 5, np.array(["a"]), {"a": object()}, os):
        with pytest.raises((TypeError, ValueError)):
            as_data(nonsense)
