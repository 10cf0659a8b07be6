"""Threads: who trains, who asks and who builds at the same time see whole states, and change nothing for one another."""

import threading
import time

import jax
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.core.context import context


def together(*works):
    """Runs works in threads that begin at once; raises what any of them raised."""
    barrier, errors = threading.Barrier(len(works)), []

    def run(work):
        barrier.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


X = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(256, 1)).astype("float32")


def model():
    lamina.random.set_seed(1)
    made = lamina.Sequential([lamina.Input((4,)), layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dense(1)])
    made.compile("adam", "mse", metrics=["mae"])
    return made


def train(made, epochs):
    made.fit(X, Y, batch_size=32, epochs=epochs, shuffle=False, verbose=0)


# --- while a model is trained ----------------------------------------------------------------------------------------


def answers(made, learns):
    """Asks a model in every way until it has learned; each answer comes from one state."""
    same = np.ones((2000, 4), "float32")
    lines = made.compute_output_shape((2000, 4))
    while learns():
        for output in (made.predict(same, batch_size=1, verbose=0), np.asarray(made(same))):
            assert output.shape == lines
            np.testing.assert_allclose(output, np.broadcast_to(output[0], output.shape), rtol=1e-4, atol=1e-5)
        for value in (*made.get_weights(), *lamina.state_of(made).values(), *made.evaluate(X[:32], Y[:32], verbose=0)):
            assert not isinstance(value, (float, np.ndarray)) or np.isfinite(value).all()


def check_that_readers_change_nothing(readers, epochs, goes_on):
    alone, asked = model(), model()
    train(alone, epochs)
    lamina.random.set_seed(1)
    left = [True]

    def learn():
        try:
            train(asked, epochs)
            while goes_on():
                train(asked, epochs)
        finally:
            left.clear()

    together(learn, *[lambda: answers(asked, lambda: left) for _ in range(readers)])
    return alone, asked


def test_a_model_that_is_asked_while_it_learns_gives_whole_answers_and_learns_the_same():
    alone, asked = check_that_readers_change_nothing(2, 100, lambda: False)
    for one, other in zip(alone.get_weights(), asked.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_eight_threads_ask_for_a_minute():
    """What is learned in rounds of epochs, while others ask, is what is learned in as many rounds alone."""
    end = time.monotonic() + 60
    rounds = [1]

    def goes_on():
        rounds[0] += time.monotonic() < end
        return time.monotonic() < end

    alone, asked = check_that_readers_change_nothing(7, 20, goes_on)
    lamina.random.set_seed(1)
    again = model()
    for _ in range(rounds[0]):
        train(again, 20)
    assert rounds[0] > 1 and alone.optimizer.iterations == 160
    for one, other in zip(again.get_weights(), asked.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_second_fit_is_refused_at_once_and_the_first_goes_on():
    made, began, ended = model(), threading.Event(), threading.Event()

    class Waits(lamina.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            began.set()
            assert ended.wait(60)

    def second():
        try:
            assert began.wait(60)
            with pytest.raises(RuntimeError, match="is being trained already: it is at step 1 of epoch 1"):
                train(made, 1)
            assert made.predict(X[:2], verbose=0).shape == (2, 1)
        finally:
            ended.set()

    together(lambda: made.fit(X, Y, epochs=2, verbose=0, callbacks=[Waits()]), second)
    assert made.optimizer.iterations == 16
    train(made, 1)


def test_a_state_that_is_set_while_others_read_is_seen_whole():
    made, states = model(), []
    for _ in range(2):
        train(made, 1)
        states.append(lamina.state_of(made))
    kinds = [np.concatenate([value.ravel() for key, value in state.items() if "variables/" in key]).tobytes() for state in states]
    left = [True]

    def change():
        try:
            for i in range(60):
                lamina.set_state(made, states[i % 2])
        finally:
            left.clear()

    def look():
        while left:
            state = lamina.state_of(made)
            assert np.concatenate([value.ravel() for key, value in state.items() if "variables/" in key]).tobytes() in kinds

    together(change, look, look)


# --- building and drawing --------------------------------------------------------------------------------------------


def test_what_a_thread_builds_hangs_on_no_other_thread():
    def initial():
        return np.concatenate([weight.ravel() for weight in model_of_its_own().get_weights()])

    def model_of_its_own():
        made = lamina.Sequential([layers.Dense(3), layers.Dense(2)])
        made.build((None, 4))
        return made

    lamina.random.set_seed(3)
    alone = [initial() for _ in range(5)]
    lamina.random.set_seed(3)
    found = [initial()]  # this thread is the first to draw
    together(*[lambda: [initial() for _ in range(5)]] * 3)
    found += [initial() for _ in range(4)]
    np.testing.assert_array_equal(found, alone)
    others = []
    together(*[lambda: others.append(initial().tobytes()) for _ in range(6)])
    assert len(set(others)) == 6  # no two threads draw the same


def test_each_thread_has_a_context_of_its_own():
    seen = []

    def look():
        seen.append((context.frames, context.autocast, context.concrete))

    layer = layers.Dense(2, dtype="mixed_bfloat16")

    class Asks(layers.Layer):
        def call(self, x):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
            return layer(x)

    Asks()(X)
    jax.jit(Asks().__call__)(X)
    assert seen == [([], None, False)] * len(seen) and len(seen) >= 2


def test_updates_of_threads_are_all_kept():
    count, table = lamina.Variable(0, name="count"), lamina.Variable(np.zeros(3), name="table")

    @lamina.jit
    def compiled():
        table.assign_add(np.ones(3, "float32"))

    layer = layers.Dropout(0.5, seed=1)
    masks = []

    def work():
        for _ in range(40):
            count.assign_add(1)
            compiled()
            masks.append(np.asarray(layer(np.ones(64, "float32"), training=True)).tobytes())

    together(*[work] * 4)
    assert int(count) == 160 and table.numpy().tolist() == [160.0] * 3 and len(set(masks)) == 160


@pytest.mark.parametrize(
    "step",
    [
        lambda f: lamina.value_and_grad(lambda x: (f(x) ** 2).sum())(X),
        lambda f: lamina.remat(f)(X),
        lambda f: lamina.scan(lambda carry, x: (carry, f(x)), 0, X[:2]),
        lambda f: lamina.cond(True, f, lambda x: x, X),
        lambda f: lamina.vmap(f)(X),
    ],
    ids=["value_and_grad", "remat", "scan", "cond", "vmap"],
)
def test_updates_inside_of_gradients_and_control_flow_are_kept_too(step):
    count = lamina.Variable(0, name="count")

    def once(x):
        count.assign_add(1)
        return x * 2

    step(once)
    each = int(count)
    count.assign(0)
    together(*[lambda: [step(once) for _ in range(12)]] * 2)
    assert int(count) == 24 * each


def test_a_program_that_calls_back_may_read_what_it_does_not_write():
    kept, written = lamina.Variable(3.0, name="kept"), lamina.Variable(0.0, name="written")

    @lamina.jit
    def step(x):
        written.assign_add(1.0)
        read = jax.pure_callback(lambda _: np.float32(kept.numpy()), jax.ShapeDtypeStruct((), "float32"), x.sum())
        return x @ x + read

    for _ in range(20):
        value = step(np.ones((200, 200), "float32"))
    assert float(value[0, 0]) == 203 and written == 20
