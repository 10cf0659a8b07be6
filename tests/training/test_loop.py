"""The loop on the device: the result of a pass is that of its batches one by one, however it is dispatched."""

import contextlib
import itertools

import numpy as np
import pytest

import lamina
from comparing import assert_close
from fast_calls import slow_calls_refused
from lamina import layers
from lamina.training import dispatch_tuner
from lamina.training.data import ArrayData, pack, unpack


def regression(samples=100):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(samples, 4)).astype("float32")
    return x, (x @ np.array([[1.0], [-2.0], [0.5], [3.0]])).astype("float32")


def net(optimizer, **compiled):
    lamina.random.set_seed(3)
    lamina.clear_session()
    model = lamina.Sequential([layers.Dense(8, activation="tanh"), layers.BatchNormalization(), layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=["mae"], **compiled)
    model.build((None, 4))
    return model


@pytest.mark.parametrize("optimizer", [lambda: lamina.optimizers.SGD(0.05, momentum=0.9), lambda: lamina.optimizers.Adam(0.01)])
def test_looped_equals_plain_python(optimizer):
    x, y = regression()
    looped, plain = net(optimizer()), net(optimizer(), run_eagerly=True)
    a = looped.fit(x, y, batch_size=32, epochs=3, shuffle=False, verbose=0).history
    b = plain.fit(x, y, batch_size=32, epochs=3, shuffle=False, verbose=0).history
    assert list(a) == list(b) == ["loss", "mae"]
    for name in a:
        assert_close(a[name], b[name], rtol=1e-4)
    for one, other in zip(looped.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seconds", [1e-9, 10.0])
def test_the_number_of_steps_a_dispatch_does_not_change_the_numbers(monkeypatch, seconds):
    x, y = regression()
    expected = net("adam").fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    monkeypatch.setattr(dispatch_tuner, "_DISPATCH_SECONDS", seconds)
    found = net("adam").fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    assert_close(found["loss"], expected["loss"])


def test_every_sample_is_taken_once_an_epoch_in_a_new_order():
    seen = []

    class Recorder(lamina.Model):
        def __init__(self):
            super().__init__()
            self.taken = lamina.Variable(np.zeros(10, "float32"), trainable=False)
            self.last = lamina.Variable(np.zeros((), "float32"), trainable=False)

        def train_step(self, data):
            x = data[0] if isinstance(data, tuple) else data
            self.taken.assign_add(lamina.ops.sum(lamina.ops.one_hot(x, 10), axis=0))
            self.last.assign(lamina.ops.cast(x[-1], "float32"))
            return {"last": self.last.value}

        def call(self, x):
            return x

    model = Recorder()
    model.compile()
    for _ in range(6):
        seen.append(model.fit(np.arange(10), batch_size=3, verbose=0).history["last"][0])
    np.testing.assert_array_equal(model.taken.numpy(), np.full(10, 6.0))
    assert len(set(seen)) > 1


def test_call_is_traced_once_for_each_size_of_batch():
    class Counting(lamina.Model):
        def __init__(self):
            super().__init__()
            self.calls = 0
            self.dense = layers.Dense(1)

        def call(self, x):
            self.calls += 1
            return self.dense(x)

    x, y = regression(100)
    model = Counting()
    model.compile("sgd", "mse")
    model.fit(x, y, batch_size=32, verbose=0, validation_data=(x, y))
    assert model.calls == 5  # shapes; whole and last batch of training, and of validation
    before = model.calls
    model.fit(x, y, batch_size=32, epochs=3, verbose=0, validation_data=(x, y))
    assert model.calls == before


def test_once_an_epoch_has_run_the_others_call_their_programs_fast():
    class Second(lamina.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                refusing.enter_context(slow_calls_refused())

    model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(4), lamina.layers.Dropout(0.5), lamina.layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    x, y = np.ones((40, 3), "float32"), np.ones((40, 1), "float32")
    model.predict(x, verbose=0)
    with contextlib.ExitStack() as refusing:
        model.fit(x, y, epochs=5, batch_size=8, validation_data=(x, y), verbose=0, callbacks=[Second()])
        model.predict(x, verbose=0)


def test_an_interrupted_pass_leaves_the_state_of_the_last_finished_step():
    x, y = regression()
    model = net("sgd")
    model.fit(x, y, verbose=0)

    class Interrupt(lamina.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0, callbacks=[Interrupt()])
    assert all(np.isfinite(weight.numpy()).all() for weight in model.weights)
    model.fit(x, y, verbose=0)


def test_data_is_checked_at_the_door():
    with pytest.raises(ValueError, match=r"\[3, 4\]"):
        ArrayData((np.ones(3), np.ones(4)))
    with pytest.raises(ValueError, match="no samples"):
        ArrayData(np.ones((0, 2)))
    with pytest.raises(ValueError, match="batch_size"):
        ArrayData(np.ones(3), 0)
    with pytest.raises(TypeError, match="arrays"):
        ArrayData(np.array(["a", None], object))
    with pytest.raises(ValueError, match="validation_split"):
        ArrayData(np.ones(3)).split(0.99)


def test_what_is_packed_is_unpacked():
    assert unpack(pack(1, 2)) == (1, 2, None)
    assert unpack(pack(1, 2, 3)) == (1, 2, 3)
    assert unpack(pack(1)) == (1, None, None)
    assert unpack(pack([1, 2])) == ([1, 2], None, None)


def test_progress_speaks_in_lines_where_there_is_no_terminal(capsys):
    x, y = regression()
    net("sgd").fit(x, y, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2"] and all("loss" in line for line in lines)
    with pytest.raises(ValueError, match="verbose"):
        net("sgd").fit(x, y, verbose=7)


def test_random_draws_differ_from_step_to_step_and_come_again_from_the_same_seed():
    class Draws(lamina.Model):
        def __init__(self):
            super().__init__()
            self.seed = lamina.random.SeedGenerator(5)
            self.drawn = lamina.Variable(np.zeros(8, "float32"), trainable=False)
            self.step = lamina.Variable(0, trainable=False)

        def train_step(self, data):
            self.drawn.assign(self.drawn.value.at[self.step.value].set(lamina.random.normal((), seed=self.seed)))
            self.step.assign_add(1)
            return {"last": self.drawn[-1]}

        def call(self, x):
            return x

    runs = []
    for eagerly in (False, True):
        model = Draws()
        model.compile(run_eagerly=eagerly)
        model.fit(np.zeros((8, 1)), batch_size=1, verbose=0)
        runs.append(model.drawn.numpy())
    assert_close(runs[0], runs[1])
    assert len(set(runs[0].tolist())) == 8


def test_runs_that_are_not_waited_for_are_told_one_after_another():
    x, y = regression()
    model = net("sgd")
    with lamina.watch() as story:
        model.fit(x, y, batch_size=32, epochs=4, verbose=0, validation_data=(x, y))
    runs = story.of("run")
    assert sum(run.steps for run in runs) == 4 * (4 + 4)
    for one, following in itertools.pairwise(runs):
        assert one.seconds > 0
        assert one.start + one.seconds <= following.start + 1e-9


def test_logs_are_those_of_their_own_pass_however_late_they_are_read():
    x, y = regression()

    def passes(read):
        kept = []
        keep = lamina.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: kept.append(read(logs)))
        net("sgd").fit(x, y, batch_size=32, epochs=5, shuffle=False, verbose=0, callbacks=keep)
        return [{name: float(value) for name, value in logs.items()} for logs in kept]

    late, at_once = passes(lambda logs: logs), passes(dict)
    assert late == at_once and len({logs["loss"] for logs in late}) == 20
