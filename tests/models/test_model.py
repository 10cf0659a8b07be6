"""Models in their plainest form: compile, fit, evaluate, predict; three ways to make one; what is refused."""

import keras
import numpy as np
import optax
import pytest

import lamina
from comparing import assert_close
from lamina import layers, ops


def digits(samples=64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 12, 12, 1)).astype("float32"), rng.integers(0, 3, samples)


def convolutional(library):
    return library.Sequential(
        [
            library.Input((12, 12, 1)),
            library.layers.Conv2D(4, 3, activation="tanh"),
            library.layers.BatchNormalization(),
            library.layers.AveragePooling2D(2),
            library.layers.Flatten(),
            library.layers.Dense(8, activation="relu"),
            library.layers.Dense(3),
        ]
    )


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
def test_a_training_run_equals_that_of_keras(optimizer):
    def make(library):
        if optimizer == "adam":
            return library.optimizers.Adam(3e-3)
        return library.optimizers.SGD(0.05, momentum=0.9 * (optimizer != "sgd"), nesterov=optimizer == "nesterov")

    x, y = digits()
    ours, theirs = convolutional(lamina), convolutional(keras)
    ours.set_weights(theirs.get_weights())
    histories = []
    for library, model in ((lamina, ours), (keras, theirs)):
        model.compile(make(library), library.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        histories.append(model.fit(x, y, batch_size=24, epochs=5, shuffle=False, verbose=0).history)
    for name in ("loss", "accuracy"):
        assert_close(histories[0][name], histories[1][name], rtol=1e-3)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=2e-4)
    assert_close(ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), rtol=1e-3)
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    "name, options",
    [
        ("MeanSquaredError", {}),
        ("MeanAbsoluteError", {}),
        ("BinaryCrossentropy", {}),
        ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}),
        ("CategoricalCrossentropy", {}),
        ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}),
        ("SparseCategoricalCrossentropy", {}),
        ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ],
)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_equal_keras(name, options, reduction, weighted):
    rng = np.random.default_rng(2)
    y_pred = rng.uniform(0.05, 0.95, size=(6, 4)).astype("float32")
    y_true = rng.integers(0, 4, 6) if name.startswith("Sparse") else np.eye(4, dtype="float32")[rng.integers(0, 4, 6)]
    weights = rng.uniform(size=6).astype("float32") if weighted else None
    ours, theirs = (getattr(library.losses, name)(reduction=reduction, **options) for library in (lamina, keras))
    np.testing.assert_allclose(ours(y_true, y_pred, weights), theirs(y_true, y_pred, weights), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["SparseCategoricalAccuracy", "CategoricalAccuracy", "BinaryAccuracy", "Mean"])
def test_metrics_equal_keras_over_batches(name):
    rng = np.random.default_rng(3)
    ours, theirs = (getattr(library.metrics, name)() for library in (lamina, keras))
    for _ in range(3):
        y_pred = rng.uniform(size=(5, 4)).astype("float32")
        y_true = {"SparseCategoricalAccuracy": rng.integers(0, 4, 5)}.get(name, rng.integers(0, 2, (5, 4)))
        weights = rng.uniform(size=5).astype("float32")
        values = (y_pred,) if name == "Mean" else (y_true, y_pred)
        ours.update_state(*values, sample_weight=weights)
        theirs.update_state(*values, sample_weight=weights[:, None] if name == "Mean" else weights)
    assert_close(ours.result(), theirs.result())
    ours.reset_state()
    assert float(ours.result()) == 0.0


def test_the_three_ways_make_the_same_model():
    class Written(lamina.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = layers.Dense(4, activation="relu"), layers.Dense(2)

        def call(self, x):
            return self.b(self.a(x))

    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    inputs = lamina.Input((3,))
    functional = lamina.Model(inputs, layers.Dense(2)(layers.Dense(4, activation="relu")(inputs)))
    sequential = lamina.Sequential([layers.Dense(4, activation="relu"), layers.Dense(2)])
    written = Written()
    written(x), sequential(x)
    for model in (sequential, written):
        model.set_weights(functional.get_weights())
        assert_close(model(x), functional(x), rtol=1e-6)
        assert_close(model.predict(x, batch_size=2, verbose=0), functional(x), rtol=1e-6)


def test_a_functional_model_takes_inputs_by_position_and_by_name_and_gives_nested_outputs():
    a, b = lamina.Input((2,), name="a"), lamina.Input((2,), name="b")
    model = lamina.Model([a, b], {"sum": a + b, "parts": [ops.exp(a), b * 2]})
    x, y = np.ones((3, 2), "float32"), np.full((3, 2), 2.0, "float32")
    by_position, by_name = model([x, y]), model({"b": y, "a": x})
    np.testing.assert_allclose(by_position["sum"], 3.0)
    np.testing.assert_allclose(by_name["parts"][1], 4.0)
    with pytest.raises(ValueError, match="'b'"):
        model({"a": x})
    with pytest.raises(ValueError, match="2 inputs"):
        model([x])


def test_a_model_in_a_model_shares_its_weights_and_its_graph_can_be_cut():
    inputs = lamina.Input((3,))
    hidden = layers.Dense(4, name="hidden")(inputs)
    whole = lamina.Model(inputs, layers.Dense(1, name="out")(hidden))
    part = lamina.Model(inputs, hidden)
    outer = lamina.Sequential([whole])
    x = np.ones((2, 3), "float32")
    assert_close(outer(x), whole(x))
    assert outer.weights == whole.weights and part.weights == whole.weights[:2]
    assert part(x).shape == (2, 4)
    with pytest.raises(ValueError, match="not among the inputs"):
        lamina.Model(lamina.Input((3,)), hidden)


def test_a_model_in_a_model_keeps_its_own_metrics_out_of_the_logs():
    inner = lamina.Sequential([layers.Dense(1)], name="inner")
    outer = lamina.Sequential([inner])
    inner.compile("sgd", "mse", metrics=["mae"])
    outer.compile("sgd", "mse")
    x, y = np.ones((4, 2), "float32"), np.zeros((4, 1), "float32")
    logs = outer.evaluate(x, y, verbose=0, return_dict=True)
    assert logs == {"loss": pytest.approx(inner.evaluate(x, y, verbose=0)[0])} and logs["loss"] > 0


def test_a_graph_knows_named_axes():
    x = lamina.Input(("time", 3), name="x")
    y = layers.Dense(2)(x)
    assert y.shape == (None, "time", 2)
    assert ops.concatenate([y, y], axis=1).shape == (None, "2*time", 2)
    model = lamina.Model(x, ops.sum(y, axis=1))
    assert model(np.ones((4, 7, 3), "float32")).shape == (4, 2)


def test_evaluation_and_prediction_change_nothing():
    x, y = digits()
    model = convolutional(lamina)
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = model.get_weights()
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_regularisation_is_part_of_the_loss():
    x, y = np.ones((4, 2), "float32"), np.zeros((4, 1), "float32")
    model = lamina.Sequential([layers.Dense(1, kernel_initializer="zeros", kernel_regularizer=lamina.regularizers.L2(1.0))])
    model.compile(lamina.optimizers.SGD(0.1), "mse")
    model(x)
    model.layers[0].kernel.assign([[1.0], [-1.0]])
    assert_close(model.evaluate(x, y, verbose=0), 2.0, rtol=1e-6)


def test_a_constraint_holds_after_each_update():
    model = lamina.Sequential([layers.Dense(1, kernel_initializer="ones", kernel_constraint="non_neg", use_bias=False)])
    model.compile(lamina.optimizers.SGD(1.0), "mse")
    model.fit(np.ones((8, 2), "float32"), -np.ones((8, 1), "float32"), verbose=0)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), 0.0)


def test_weights_that_are_kept_by_the_user_outlive_training():
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((64, 2), "float32"), np.ones((64, 1), "float32")
    model.fit(x, y, verbose=0)
    kept = model.layers[0].kernel.value
    copy = np.array(kept)
    model.fit(x, y, epochs=2, verbose=0)
    np.testing.assert_array_equal(kept, copy)


def test_what_cannot_be_trained_says_why_and_stays_as_it_was():
    x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
    model = lamina.Sequential([layers.Dense(1)])
    with pytest.raises(RuntimeError, match="compile"):
        model.fit(x, y, verbose=0)
    model.compile(None, loss="mse")
    with pytest.raises(ValueError, match="optimizer"):
        model.fit(x, y, verbose=0)
    model.compile("sgd")
    with pytest.raises(ValueError, match="no loss"):
        model.fit(x, y, verbose=0)
    for wrong, near in (("adm", "adam"), ("sgdd", "sgd")):
        with pytest.raises(ValueError, match=near):
            model.compile(wrong, "mse")
    with pytest.raises(ValueError, match="mse"):
        model.compile("sgd", "msee")
    with pytest.raises(ValueError, match="accuracy"):
        model.compile("sgd", "mse", metrics=["acuracy"])
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    kept = [*model.get_weights(), model.optimizer.iterations.numpy()]
    for bad_x, bad_y, word in ((x[:, :2], y, "size 3"), (x, y[:4], r"\[4, 8\]"), (x, np.ones((8, 2)), r"\(8, 2\)")):
        with pytest.raises(ValueError, match=word):
            model.fit(bad_x, bad_y, verbose=0)
    for a, b in zip(kept, [*model.get_weights(), model.optimizer.iterations.numpy()], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_sequential_refuses_what_does_not_fit_in():
    model = lamina.Sequential([layers.Dense(1, name="a")])
    with pytest.raises(ValueError, match="'a'"):
        model.add(layers.Dense(1, name="a"))
    with pytest.raises(TypeError, match="layers"):
        model.add(lambda x: x)
    with pytest.raises(ValueError, match="first"):
        model.add(lamina.Input((3,)))
    assert model.get_layer("a") is model.get_layer(index=0)
    with pytest.raises(ValueError, match="no layer 'b'"):
        model.get_layer("b")


def test_an_optimizer_refuses_gradients_that_do_not_fit():
    a, b = lamina.Variable(np.ones(2, "float32")), lamina.Variable(np.ones(3, "float32"))
    optimizer = lamina.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="1 gradients for 2"):
        optimizer.apply([np.ones(2, "float32")], [a, b])
    with pytest.raises(ValueError, match=r"float32\(3,\)"):
        optimizer.apply([np.ones(3, "float32")], [a])
    np.testing.assert_array_equal(a.numpy(), 1.0)
    optimizer.apply([np.ones(2, "float32")], [a])
    optimizer.apply([np.ones(3, "float32")], [b])
    np.testing.assert_allclose(a.numpy(), 0.9)
    np.testing.assert_allclose(b.numpy(), 0.9)
    with pytest.raises(ValueError, match="learning_rate"):
        lamina.optimizers.Adam(-1.0)


@pytest.mark.parametrize(
    "name, value",
    [
        ("loss", lamina.metrics.Mean("tracked")),
        ("loss", [lamina.metrics.Mean("tracked")]),
        ("loss", 0.5),
        ("loss", []),
        ("optimizer", optax.adam(0.1)),
        ("optimizer", "adam"),
        ("history", []),
        ("history", {}),
        ("stop_training", [3]),
        ("compiled", lamina.jit(abs)),
        ("run_eagerly", None),
    ],
)
@pytest.mark.parametrize("early", [False, True])
def test_what_compile_and_fit_would_put_something_else_in_place_of_is_refused_where_it_is_assigned(name, value, early):
    class Own(lamina.Model):
        def __init__(self):
            if not early:
                super().__init__()
            setattr(self, name, value)
            super().__init__()

    with pytest.raises(AttributeError, match=rf"self\.{name} = .* of Own, at .*test_model\.py:\d+.*self\.own_{name} = "):
        Own()


@pytest.mark.parametrize("method", [lambda self: 0, property(lambda self: 0), staticmethod(len)])
@pytest.mark.parametrize("name", ["optimizer", "history", "stop_training"])
def test_a_method_that_an_attribute_of_models_would_hide_is_refused_with_its_class(name, method):
    with pytest.raises(TypeError, match=rf"Own\.{name} would be hidden.*own_{name}"):
        type("Own", (lamina.Model,), {"__module__": __name__, name: method})


def test_a_method_loss_of_a_model_is_the_models_own():
    class Own(lamina.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def loss(self, x):
            return ((self(x) - 1.0) ** 2).mean()

    model, x, y = Own(), np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    loss = float(model.loss(x))
    model.compile("sgd", "mse")
    np.testing.assert_allclose(model.fit(x, y, verbose=0).history["loss"], [loss], rtol=1e-5)
    assert float(model.loss(x)) < loss


def test_attributes_that_code_for_keras_sets_may_be_set():
    class Own(lamina.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)
            self.optimizer, self.loss = lamina.optimizers.Adam(), lamina.losses.MeanSquaredError()
            self.stop_training, self.history = False, None

        def call(self, x):
            return self.dense(x)

    model, x, y = Own(), np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    model.compile("adam", "mse")
    before = model.optimizer
    model.optimizer = lamina.optimizers.SGD(0.1)
    model.loss, model.stop_training = "mae", True
    model.history = model.fit(x, y, verbose=0).history
    assert int(model.optimizer.iterations) == 1 and int(before.iterations) == 0 and "loss" in model.history


def test_a_learning_rate_can_be_changed_between_compiled_steps():
    model = lamina.Sequential([layers.Dense(1)])
    model.compile(lamina.optimizers.SGD(0.1), "mse")
    x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
    model.fit(x, y, verbose=0)
    model.optimizer.learning_rate = 0.0
    kept = model.get_weights()
    model.fit(x, y, epochs=2, verbose=0)
    for a, b in zip(kept, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
