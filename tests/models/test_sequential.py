"""Sequential models: growing and shrinking, with the input known and not, models in models."""

import keras
import numpy as np
import pytest

import lamina
from comparing import assert_close
from lamina import layers

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def shapes(model):
    return [weight.shape for weight in model.weights]


@pytest.mark.parametrize("first", [
    lambda library: library.Input((3,)), lambda library: library.layers.Input((3,)),
    lambda library: library.layers.InputLayer((3,)), lambda library: library.layers.InputLayer(batch_shape=(None, 3)),
    lambda library: library.layers.InputLayer(input_shape=(3,)),
])  # fmt: skip
def test_with_an_input_every_layer_is_built_as_it_is_added(first):
    for library in (lamina, keras):
        model = library.Sequential([first(library)])
        counts = []
        for units in (4, 2):
            model.add(library.layers.Dense(units))
            counts.append((model.built, model.count_params(), model.output_shape, len(model.layers)))
        assert counts == [(True, 16, (None, 4), 1), (True, 26, (None, 2), 2)]
        assert model.input_shape == (None, 3) and [t.shape for t in model.inputs] == [(None, 3)]
        model.pop()
        assert (model.built, model.count_params(), model.output_shape) == (True, 16, (None, 4))
        assert model(X).shape == (4, 4)


def test_without_an_input_it_is_built_by_the_first_call_or_by_a_shape():
    for library in (lamina, keras):
        for build in (lambda model: model(X), lambda model: model.build((None, 3))):
            model = library.Sequential([library.layers.Dense(4), library.layers.Dense(2)])
            assert not model.built and not any(
                hasattr(model, name) for name in ("inputs", "outputs", "input_shape", "output_shape")
            )
            with pytest.raises(ValueError, match=r"not built|isn't built"):
                model.count_params()
            build(model)
            assert model.built and [tuple(shape) for shape in shapes(model)] == [(3, 4), (4,), (4, 2), (2,)]
            assert (model.input_shape[1:], model.output_shape[1:]) == ((3,), (2,))
            model.add(library.layers.Dense(5))
            assert (model.built, len(model.weights), model.output_shape[1:]) == (True, 6, (5,))
            model.pop(), model.pop()
            assert (model.built, len(model.weights), model.output_shape[1:]) == (True, 2, (4,))
            assert model(X).shape == (4, 4)


def test_names_and_paths_are_those_of_the_layers_whatever_was_added_between():
    model = lamina.Sequential([layers.Dense(2), layers.Dense(2, name="mine"), layers.Dropout(0.1)], name="net")
    model.add(layers.Dense(1))
    model(X)
    model.pop(), model.pop()
    model.add(layers.Dense(3))
    assert [layer.name for layer in model.layers] == ["dense", "mine", "dense_2"]
    assert [w.path for w in model.weights][::2] == ["net/dense/kernel", "net/mine/kernel", "net/dense_2/kernel"]
    assert model.get_layer("mine") is model.get_layer(index=1) is model.layers[1]


def test_weights_stay_when_layers_are_added_and_taken_away():
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(2)])
    kept = model.get_weights()
    model.add(layers.Dense(4))
    last = model.pop()
    for a, b in zip(kept, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.add(last)
    assert last.output is model.output and model.layers[0].output.shape == (None, 2)
    part = lamina.Model(model.inputs, model.layers[0].output)
    assert_close(last(part(X)), model(X), rtol=1e-6)


def test_models_may_stand_in_it_and_tell_it_their_inputs():
    x = lamina.Input((3,), name="x")
    functional = lamina.Model(x, layers.Dense(4)(x))
    inner = lamina.Sequential([lamina.Input((4,)), layers.Dense(5)])
    model = lamina.Sequential([functional, inner, lamina.Sequential([layers.Dense(1)])], name="outer")
    assert model.built and (model.input_shape, model.output_shape) == ((None, 3), (None, 1))
    assert len(model.layers) == 3 and all(layer.built for layer in model.layers)
    assert_close(model({"x": X}), model.layers[2](inner(functional(X))))
    assert {weight.path.split("/")[0] for weight in model.weights} == {"outer"}
    assert lamina.Sequential([lamina.Sequential([lamina.Input((3,))])]).built is False


def test_a_first_model_of_several_inputs_gives_it_several_inputs():
    x, y = lamina.Input((3,), name="x"), lamina.Input((3,), dtype="int32", name="y")
    model = lamina.Sequential([lamina.Model({"x": x, "y": y}, x * y), layers.Dense(2)])
    assert model.input_shape == [(None, 3), (None, 3)] and model.inputs[1].dtype == "int32"
    data = {"x": X, "y": np.full((4, 3), 2.9)}
    assert_close(model(data), model.layers[1](X * 2))
    model.pop(), model.pop()
    model.add(layers.Dense(1))
    assert not model.built and model(np.ones((2, 7), "float32")).shape == (2, 1)


def test_layers_may_take_and_give_structures():
    class Split(layers.Layer):
        def call(self, inputs):
            return {"left": inputs[0] * 2, "right": inputs[1]}

    class Join(layers.Layer):
        def call(self, inputs):
            return inputs["left"] + inputs["right"]

    model = lamina.Sequential([Split(), Join()])
    assert_close(model([X, X]), 3 * X, rtol=1e-6)
    assert model.input_shape == [(None, 3), (None, 3)] and model.compute_output_shape([(2, 3), (2, 3)]) == (2, 3)


def test_data_are_checked_against_the_input():
    model = lamina.Sequential([lamina.Input((3,), name="pixels"), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"'pixels'.*\(None, 3\).*\(4, 2\)"):
        model(X[:, :2])
    assert model(np.ones((4, 3), "uint8")).dtype == np.float32 and model(X[..., None]).shape == (4, 2)
    text = lamina.Sequential([lamina.Input((None,), dtype="int32"), layers.Embedding(7, 2)])
    assert text(np.array([[1.0, 6.0]])).shape == (1, 2, 2)


def test_what_it_cannot_hold_is_refused_and_it_stays_as_it_was():
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(2, name="a")])
    kept = model.get_config()
    for wrong, kind, words in [
        (layers.Dense(1, name="a"), ValueError, "'a'"), (lambda x: x, TypeError, "layers"), ({}, TypeError, "layers"),
        (lamina.Input((3,)), ValueError, "first"), (layers.InputLayer((3,)), ValueError, "first"),
        (layers.Conv2D(2, 3), ValueError, "conv2d"),
    ]:  # fmt: skip
        with pytest.raises(kind) as error:
            model.add(wrong)
        assert any(words in text for text in [str(error.value), *getattr(error.value, "__notes__", [])])
        assert model.get_config() == kept and model.built and model.output_shape == (None, 2)
    assert model(X).shape == (4, 2)
    with pytest.raises(ValueError, match=r"no layers.*add"):
        lamina.Sequential()(X)
    with pytest.raises(ValueError, match="no layers"):
        lamina.Sequential().pop()


def test_each_layer_of_a_long_stack_runs_once_while_it_is_built():
    runs = []

    class Counted(layers.Dense):
        def call(self, inputs):
            runs.append(1)
            return super().call(inputs)

    lamina.Sequential([lamina.Input((4,)), *(Counted(4) for _ in range(60))])
    assert len(runs) == 60


def test_a_layer_that_needs_numbers_leaves_it_to_be_built_by_data():
    class Branching(layers.Layer):
        def __init__(self):
            super().__init__(dynamic=True)

        def call(self, x):
            return x * 2 if float(x.sum()) > 0 else x

    model = lamina.Sequential([lamina.Input((3,)), Branching(), layers.Dense(1)])
    assert not model.built and model(X).shape == (4, 1) and model.built
    model.add(layers.Dense(2))
    assert not model.built and model(X).shape == (4, 2)


def test_a_subclass_may_have_a_constructor_of_its_own():
    class Tower(lamina.Sequential):
        def __init__(self, units, depth=2, **kwargs):
            super().__init__([layers.Dense(units) for _ in range(depth)], **kwargs)

    tower = Tower(4, depth=3, name="tower")
    assert tower(X).shape == (4, 4)
    twin = Tower.from_config(tower.get_config())
    twin.build((None, 3))
    assert (twin.name, shapes(twin)) == ("tower", shapes(tower))
