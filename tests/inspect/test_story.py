"""The story of a run."""

import json
import threading

import jax
import numpy as np
import pytest

import lamina
from lamina import layers

X, Y = np.ones((96, 3), "float32"), np.ones((96, 1), "float32")


class Net(lamina.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(4)
        self.out = layers.Dense(1)

    def call(self, x):
        return self.out(self.hidden(x))


def compiled_net(**kwargs):
    model = Net(name="net")
    model.compile("sgd", "mse", **kwargs)
    return model


def reasons(run):
    layer = layers.Dense(2)
    layer.build((None, 3))
    with lamina.watch() as story:
        run(layer)
    return [call.reason for call in story.calls(layer)]


def test_each_way_to_run_call_has_its_reason():
    x = np.ones((4, 3), "float32")
    assert reasons(lambda layer: layer(x)) == ["eager"]
    assert set(reasons(lambda layer: layer.compute_output_shape((None, 3)))) == {"shapes"}
    assert set(reasons(lambda layer: layer(lamina.Input((3,))))) == {"shapes"}
    assert set(reasons(lambda layer: lamina.jit(lambda x: layer(x))(x))) == {"jit"}
    assert reasons(lambda layer: jax.jit(lambda x: layer(x))(x)) == ["jit"]
    assert reasons(lambda layer: lamina.grad(lambda: layer(x).sum(), layer.kernel)()) == ["gradient"]
    assert reasons(lambda layer: jax.grad(lambda x: layer(x).sum())(x)) == ["gradient"]


def test_each_step_is_a_reason_compiled_or_not():
    for eager in (False, True):
        model = compiled_net(run_eagerly=eager)
        model.build((None, 3))
        with lamina.watch() as story:
            model.fit(X, Y, verbose=0)
            model.evaluate(X, Y, verbose=0)
            model.predict(X, verbose=0)
        found = {call.reason for call in story.calls(model)} - {"shapes", "eager" if eager else "shapes"}
        assert found == {"train step", "test step", "predict step"}
        assert [task.name for task in story.of("task")] == ["fit", "evaluate", "predict"]


def test_a_story_tells_what_caused_a_build_and_what_it_made():
    with lamina.watch() as story:
        model = Net(name="net")
        model(X)
    hidden = story.builds("net/hidden")[0]
    assert hidden.given == "(96, 3)" and "first call" in hidden.because and "data" in hidden.because
    assert hidden.parent.subject is model and hidden.where.startswith(__file__)
    kernel = story.of("weight")[0]
    assert (kernel.path, kernel.given) == ("net/hidden/kernel", "float32(3, 4) from GlorotUniform")
    assert kernel.parent is hidden
    with lamina.watch() as story:
        layers.Dense(2, name="dense").build((None, 3))
    assert story.builds()[0].because == "build() was called"


def test_a_layer_is_made_where_the_user_made_it():
    class Scaled(layers.Dense):
        def __init__(self, units):
            super().__init__(units)

    with lamina.watch() as story:
        Scaled(3)
    (made,) = story.of("construct")
    assert "test_a_layer_is_made_where_the_user_made_it" in made.where and made.name == "Scaled"


def test_traces_say_what_changed():
    @lamina.jit
    def double(x, times=2):
        return x * times

    def because(*args, **kwargs):
        with lamina.watch() as story:
            double(*args, **kwargs)
        return [trace.because for trace in story.traces()]

    assert because(np.ones(3, "float32")) == ["first time"]
    assert because(np.ones(3, "float32")) == []
    (text,) = because(np.ones(3, "int32"))
    assert text == "x was float32(3,), is int32(3,)"
    (text,) = because(np.ones(3, "int32"), times=np.float32(3))
    assert text == "times was not given, is float32()"


def test_new_loops_say_why():
    model = compiled_net()
    model.fit(X, Y, verbose=0)
    with lamina.watch() as story:
        model.hidden.trainable = False
        model.fit(X, Y, verbose=0)
        model.compile("adam", "mse")
        model.fit(X, Y, verbose=0)
    found = [trace.because for trace in story.traces()]
    assert found == ["which weights are trained has changed", "compile() was called again"]


def test_runs_say_how_many_steps_and_compiles_how_long():
    model = compiled_net()
    with lamina.watch() as story:
        model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    assert sum(run.steps for run in story.of("run")) == 24
    compiled = [event for event in story.of("compile") if event.name == "train_step_loop"]
    assert len(compiled) == 1 and compiled[0].seconds > 0 and compiled[0].parent.kind == "run"


def test_a_story_of_a_failed_run_is_complete_up_to_the_failure(tmp_path):
    class Bad(layers.Layer):
        def call(self, x):
            raise ValueError("no such luck")

    model = lamina.Sequential([layers.Dense(4), Bad(name="bad")], name="net")
    with pytest.raises(ValueError, match="no such luck"), lamina.watch(save=tmp_path / "story.txt") as story:
        model(X)
    assert story.failed == "ValueError: no such luck" and "in call" in story.failed_at
    failed = story.calls("net/bad")[-1]
    assert failed.failed == "ValueError: no such luck" and failed.seconds is not None
    text = str(story)
    assert "It ended with ValueError: no such luck" in text and "call net/bad" in text and "call net/dense" in text
    assert (tmp_path / "story.txt").read_text() == text


def test_a_printed_story_explains():
    with lamina.watch() as story:
        compiled_net().fit(X, Y, batch_size=40, epochs=4, verbose=0)
    lines = str(story).splitlines()
    assert "A trace runs `call` once" in str(story)
    for said in (
        "construct net/hidden (Dense)",
        "build net/hidden for (40, 3), because of its first call, on shapes alone",
        "weight net/hidden/kernel, float32(3, 4) from GlorotUniform",
        "trace train_step for the first time",
        "trace train_step again, because data[0] was float32(40, 3), is float32(16, 3)",
        "call net in a train step: float32(16, 3)",
    ):
        assert sum(said in line for line in lines) == 1, said
    told = [index for index, line in enumerate(lines) if "─ run " in line or "─ trace " in line]
    assert " trace " in lines[told[0]] and " run " in lines[told[1]] and "compile" in lines[told[1] + 1]
    columns = {line.index("tests/inspect") for line in lines if "tests/inspect" in line}
    assert len(columns) == 1 and not any(line != line.rstrip() for line in lines)


def test_an_error_is_told_once_where_it_was_raised():
    class Bad(layers.Layer):
        def call(self, x):
            raise ValueError("no such luck")

    model = lamina.Sequential([layers.Dense(4), Bad(name="bad")], name="net")
    with pytest.raises(ValueError, match="no such luck"), lamina.watch() as story:
        model(X)
    (line,) = [line for line in str(story).splitlines() if "← " in line]
    assert "call net/bad" in line and line.endswith("← ValueError: no such luck")
    assert "weight net/dense/(thrown away), float32(3, 4)" in str(story)


def test_what_was_only_tried_is_no_build():
    class Even(layers.Layer):
        def call(self, x):
            return x.reshape(2, -1) if x.shape[1] % 2 == 0 else x

    model = lamina.Sequential([Even(), layers.Dense(2, name="dense")], name="net")
    with lamina.watch() as story:
        model.build((None, None, 4))
    assert [build.path for build in story.builds()].count("net/dense") <= 1


def test_equal_calls_are_told_once_and_counted():
    layer = layers.Dense(2, name="dense")
    layer(X)
    with lamina.watch() as story:
        for _ in range(7):
            layer(X)
    assert len(story.calls(layer)) == 7
    assert "(7 times)" in str(story) and str(story).count("call dense") == 1


def test_a_story_keeps_no_more_than_its_limit_and_says_so():
    layer = layers.Dense(2)
    layer(X)
    with lamina.watch(limit=3) as story:
        for _ in range(5):
            layer(X)
    assert len(story.events) == 3 and story.left_out == 2 and "2 more events" in str(story)


def test_stories_nest_and_see_other_threads():
    layer = layers.Dense(2, name="dense")
    with lamina.watch() as outer:
        layer(X)
        with lamina.watch() as inner:
            thread = threading.Thread(target=lambda: layer(X), name="another")
            thread.start()
            thread.join()
    assert len(outer.calls(layer)) == 2 and [call.thread for call in inner.calls(layer)] == ["another"]


@pytest.mark.parametrize("name", ["story.json", "story.html", "story.txt"])
def test_a_story_that_cannot_be_written_is_refused_before_the_run(tmp_path, name):
    ran = []
    with pytest.raises(FileNotFoundError), lamina.watch(save=tmp_path / "no such folder" / name):
        ran.append(True)
    with pytest.raises(ValueError, match=r"\.json, \.html or \.txt"), lamina.watch(save=tmp_path / "story.pdf"):
        ran.append(True)
    assert not ran and not list(tmp_path.iterdir())


def test_a_timeline_has_each_event_with_its_time_and_cause(tmp_path):
    with lamina.watch(save=tmp_path / "story.json") as story:
        compiled_net().fit(X, Y, verbose=0)
    entries = [entry for entry in json.loads((tmp_path / "story.json").read_text())["traceEvents"] if entry["ph"] == "X"]
    assert len(entries) == len(story.events)
    for event, entry in zip(story.events, entries, strict=True):
        assert entry["cat"] == event.kind and event.path in entry["name"]
        assert entry["dur"] == pytest.approx(1e6 * event.seconds) and entry["ts"] >= 0
    build = next(entry for entry in entries if entry["cat"] == "build")
    assert "first call" in build["args"]["because"] and "test_story.py" in build["args"]["where"]


def test_a_step_may_have_any_name():
    def learn(data):
        return {"mean": model(data).mean()}

    model = lamina.Sequential([layers.Dense(2)], name="net")
    model.compile()
    model.train_step = learn
    with lamina.watch() as story:
        model.fit(X, verbose=0)
    assert "net/dense" in [build.path for build in story.builds()] and "call net" in str(story)


def test_an_empty_story_says_so():
    with lamina.watch() as story:
        pass
    assert str(story) == "Nothing happened." and repr(story) == "<Story nothing happened>"
