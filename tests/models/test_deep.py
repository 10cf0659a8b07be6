"""Deep models, and layers that hold each other in circles: what is linear stays so, and what has a limit says it."""

import cProfile

import numpy as np
import pytest

import lamina
from lamina import layers

X = np.ones((2, 3), "float32")


class Nested(layers.Layer):
    """A layer in a layer in a layer."""

    def __init__(self, depth):
        super().__init__()
        self.inner = Nested(depth - 1) if depth else layers.Dense(3)

    def call(self, x):
        return self.inner(x)


def row(count):
    return lamina.Sequential([lamina.Input((3,)), *(layers.Dense(3) for _ in range(count))])


def calls(work):
    profile = cProfile.Profile()
    profile.runcall(work)
    return sum(entry.callcount for entry in profile.getstats())


class Row(layers.Layer):
    """Layers in a list."""

    def __init__(self, count):
        super().__init__()
        self.steps = [layers.Dense(3) for _ in range(count)]

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x


def built(depth):
    model = lamina.Sequential([Nested(depth)])
    model.build((None, 3))
    return model


def summary(model):
    model.summary(print_fn=lambda _: None)


WORKS = {
    "make": (int, row),
    "make in an attribute": (int, lambda count: Row(count).build((None, 3))),
    "weights": (row, lambda model: model.weights),
    "state": (row, lamina.state_of),
    "summary": (row, summary),
    "nested build": (int, built),
    "nested summary": (built, summary),
}


@pytest.mark.parametrize("what", WORKS)
def test_the_calls_that_many_layers_take_grow_as_their_number(what):
    prepare, work = WORKS[what]
    small, large = (20, 80) if "nested" in what else (50, 200)
    work(prepare(small))  # what is done once
    few, many = (calls(lambda given=prepare(count): work(given)) for count in (small, large))  # noqa: B008
    assert many <= 4.4 * few


def test_layers_nested_a_hundred_deep_are_built_called_shown_and_trained():
    model = built(100)
    assert model(X).shape == (2, 3)
    lines = []
    model.summary(print_fn=lines.append, expand_nested=True)
    assert "Total params: 12" in "\n".join(lines)
    model.compile("sgd", "mse")
    history = model.fit(X, X, epochs=2, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]
    assert len(model.weights) == 2 and model.weights[0].path.count("inner") == 101


def test_layers_nested_too_deep_say_what_limits_them():
    layer = Nested(250)
    with pytest.raises(RecursionError) as failure:
        layer(X)
    assert "recursion" in "".join([str(failure.value), *failure.value.__notes__])


@pytest.mark.slow
def test_three_thousand_layers_in_a_row():
    model = row(3000)
    assert model(X).shape == (2, 3) and len(model.weights) == 6000
    lines = []
    model.summary(print_fn=lines.append)
    assert "36,000" in "\n".join(lines)


def test_a_layer_that_holds_itself_or_its_parent_is_found_once():
    class Knot(layers.Layer):
        def __init__(self, parent=None):
            super().__init__()
            self.parent = parent
            self.itself = [self]
            self.child = Knot(self) if parent is None else None
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(self.child(x) if self.child is not None else x)

    knot = Knot()
    model = lamina.Sequential([knot])
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0)
    assert len(model.weights) == 4 and [w.path.split("/", 1)[1] for w in model.weights[:1]] == ["knot/child/dense/kernel"]
    assert len(lamina.state_of(model)) >= 4
    model.summary(print_fn=lambda _: None, expand_nested=True)
