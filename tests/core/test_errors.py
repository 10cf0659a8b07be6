"""Errors as they leave Lamina: the user's frames, one note, one cure."""

import os
import subprocess
import sys
import traceback

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers, ops
from lamina.core.errors import HIDDEN, INTERNAL, filter_traceback

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")


class Bad(layers.Layer):
    def call(self, x):
        return x @ np.ones((7, 2), "float32")


class Net(lamina.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)


def raised(function, *kinds):
    with pytest.raises(kinds or Exception) as error:
        function()
    return error.value


def frames(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)[1:]]  # without that of `raised`


def foreign(error):
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(INTERNAL)]


def fit(model, **kwargs):
    model.compile("sgd", "mse", **{key: kwargs.pop(key) for key in ("run_eagerly", "loss") if key in kwargs})
    model.fit(X, Y, verbose=0, **kwargs)


def sequential():
    return lamina.Sequential([layers.Dense(4), Bad(name="bad")], name="net")


def body(carry, x):
    return carry + np.ones((5, 2)), x


class Scanning(layers.Layer):
    def call(self, x):
        return lamina.scan(body, x, x)


class BadBuild(layers.Layer):
    def build(self, input_shape):
        self.kernel = self.add_weight((self.no_such_attribute, 2))

    def call(self, x):
        return x


class BadMetric(lamina.metrics.Metric):
    def update_state(self, y_true, y_pred, sample_weight=None):
        ops.matmul(y_true, np.ones((7, 2), "float32"))

    def result(self):
        return 0.0


class BadStep(Net):
    def train_step(self, data):
        return {"loss": data[0] @ np.ones((7, 2), "float32")}


@pytest.mark.parametrize(
    "function, within, last",
    [
        (lambda: sequential()(X), "the layer 'net/bad' (Bad), called on float32(8, 4)", "call"),
        (lambda: fit(sequential()), "the layer 'net/bad' (Bad)", "call"),
        (lambda: fit(sequential(), run_eagerly=True), "the layer 'net/bad' (Bad)", "call"),
        (lambda: sequential().predict(X, verbose=0), "the layer 'net/bad' (Bad)", "call"),
        (lambda: sequential()(lamina.Input((3,))), "the layer 'net/bad' (Bad), called on float32(None, 4)", "call"),
        (lambda: Scanning(name="scanning")(X), "the layer 'scanning' (Scanning)", "body"),
        (lambda: lamina.scan(body, X, X), "lamina.scan, called on body", "body"),
        (lambda: BadBuild(name="bad")(X), "the layer 'bad' (BadBuild), called on float32(8, 3)", "build"),
        (lambda: BadBuild(name="bad").build((None, 3)), "build of the layer 'bad' (BadBuild), called on (None, 3)", "build"),
        (lambda: fit(BadStep()), "the train step, called on (float32(8, 3), float32(8, 1))", "train_step"),
        (lambda: fit(BadStep(), run_eagerly=True), "the train step, called on (float32(8, 3), float32(8, 1))", "train_step"),
        (lambda: BadMetric()(Y, Y), "the metric 'bad_metric' (BadMetric)", "update_state"),
        (
            lambda: ops.matmul(lamina.Input((3,)), Y),
            "the operation 'matmul', called on float32(None, 3), float32(8, 1)",
            "<lambda>",
        ),
        (
            lambda: lamina.Input((3,)) + np.ones((8, 5)),
            "the operation 'add', called on float32(None, 3), float64(8, 5)",
            "<lambda>",
        ),
        (lambda: lamina.jit(lambda x: Bad(name="bad")(x))(X), "the layer 'bad' (Bad)", "call"),
        (lambda: lamina.grad(lambda x: ops.sum(x @ Y))(X), "a gradient of '<lambda>', called on float32(8, 3)", "<lambda>"),
    ],
)
def test_errors_are_explained_once_and_show_the_frames_of_the_user_alone(function, within, last):
    error = raised(function)
    notes = "\n".join(error.__notes__)
    assert f"In {within}" in notes and notes.count("called on") == 1
    assert notes.count(f"called at {__file__}") == 1
    assert (f"raised at {__file__}" in notes) == (not notes.startswith("In the operation"))
    assert not foreign(error) and frames(error)[-1] == last
    assert error.__notes__[-1] == HIDDEN and notes.count(HIDDEN) == 1 and "JAX has removed" not in notes


def test_a_metric_of_compile_is_named():
    model = Net()
    model.compile("sgd", "mse", metrics=[BadMetric("mine")])
    assert "In the metric 'mine' (BadMetric)" in raised(lambda: model.fit(X, Y, verbose=0)).__notes__[0]


def test_errors_of_the_users_callbacks_keep_their_type_and_their_lines():
    class Stops(lamina.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyError("mine")

    error = raised(lambda: fit(Net(), callbacks=[Stops()]), KeyError)
    assert error.args == ("mine",) and not foreign(error) and frames(error)[-1] == "on_epoch_end"


def test_an_interrupt_is_left_alone():
    class Interrupts(lamina.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    error = raised(lambda: fit(Net(), callbacks=[Interrupts()]), KeyboardInterrupt)
    assert foreign(error) and not hasattr(error, "__notes__")


def test_errors_that_others_were_raised_from_show_the_users_frames_too():
    class Wrapping(layers.Layer):
        def call(self, x):
            try:
                return ops.matmul(x, np.ones((7, 2)))
            except TypeError as error:
                raise ValueError("no") from error

    error = raised(lambda: Wrapping()(X), ValueError)
    assert isinstance(error.__cause__, TypeError) and not foreign(error) and not foreign(error.__cause__)


def test_what_cannot_be_shown_hides_no_error():
    class Shy:
        def __repr__(self):
            raise KeyError("shy")

    class Takes(layers.Layer):
        def call(self, x, other):
            raise ValueError("mine")

    error = raised(lambda: Takes()(jax.random.key(0), Shy()), ValueError)
    assert str(error) == "mine" and "called on key<fry>(), <Shy>" in error.__notes__[0]


def test_an_error_without_frames_of_the_user_can_be_raised_again():
    error = ValueError("plain")
    filter_traceback(error)
    assert error.__traceback__ is None and not hasattr(error, "__notes__")
    assert frames(raised(lambda: layers.Dense(1)(np.ones(3)))) == ["<lambda>"]


def test_all_frames_can_be_seen():
    assert lamina.config.is_traceback_filtering_enabled()
    lamina.config.disable_traceback_filtering()
    try:
        error = raised(lambda: sequential()(X))
        assert len(foreign(error)) > 5 and HIDDEN not in error.__notes__ and any("jax" in name for name in foreign(error))
        assert sum("called on" in note for note in error.__notes__) == 1
    finally:
        lamina.config.enable_traceback_filtering()
    assert not foreign(raised(lambda: sequential()(X)))


def test_the_environment_shows_all_frames():
    code = "import lamina, jax; print(lamina.config.is_traceback_filtering_enabled(), jax.config.jax_traceback_filtering)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "LAMINA_TRACEBACK": "full"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "off"]


def kept_outside():
    kept = []
    lamina.jit(lambda x: kept.append(x * 2))(X)
    return layers.Dense(1)(kept[-1])


def deleted():
    x = jnp.ones((2, 3))
    jax.jit(lambda x: x + 1, donate_argnums=0)(x)
    return ops.add(x, 1)


@pytest.mark.parametrize(
    "function, kind, cure",
    [
        (lambda: lamina.jit(lambda x, n: [x for _ in range(n)])(X, 3), TypeError, "lamina.fori_loop"),
        (lambda: lamina.jit(lambda x: [0, 1][x])(1), TypeError, "lamina.ops.take"),
        (lambda: lamina.jit(lambda x: np.asarray(x))(X), TypeError, "function of the same name of lamina.ops"),
        (lambda: lamina.jit(lambda x: x[x > 0])(X), IndexError, "lamina.ops.where"),
        (lambda: lamina.jit(lambda x: x.item())(1.0), TypeError, "x.astype"),
        (lambda: lamina.jit(lambda x: x + np.ones((5, 2)))(X), (TypeError, ValueError), "x[..., None]"),
        (lambda: ops.concatenate([X, np.ones((2, 2))]), TypeError, "must have equal sizes"),
        (lambda: ops.reshape(X, (7, 7)), (TypeError, ValueError), "keeps the number of elements"),
        (kept_outside, TypeError, "was kept (on an attribute"),
        (deleted, (RuntimeError, ValueError), "donate_argnums of jax.jit"),
    ],
)
def test_messages_of_jax_are_met_with_what_to_do(function, kind, cure):
    notes = "\n".join(raised(function, *(kind if isinstance(kind, tuple) else (kind,))).__notes__)
    assert notes.count(cure) == 1


def test_the_story_of_a_failed_run_says_where(tmp_path):
    with pytest.raises(TypeError), lamina.watch(save=tmp_path / "story.txt") as story:  # noqa: PT012
        model = sequential()
        fit(model)
    assert (
        story.failed.startswith("TypeError: dot_general")
        and story.failed_at.startswith(__file__)
        and story.failed_at.endswith("in call")
    )
    text = (tmp_path / "story.txt").read_text()
    assert (
        "It ended with TypeError: dot_general" in text
        and "call net/bad on shapes alone: float32(8, 4)" in text
        and "raised at" in text
    )
    with pytest.raises(ValueError, match="samples"), lamina.watch() as story:
        Net().compile("sgd", "mse") or fit_one()
    assert story.failed_at.endswith("in fit_one")


def fit_one():
    model = Net()
    model.compile("sgd", "mse")
    model.fit(X[0], Y[0], verbose=0)
