"""`fit` and `evaluate` with everything that they take: the numbers are Keras's."""

import keras
import numpy as np
import pytest

import lamina
from comparing import assert_close
from lamina import layers, ops


def data(samples=50, classes=3):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 4)).astype("float32"), rng.integers(0, classes, samples)


def classifier(library, **compiled):
    model = library.Sequential([library.Input((4,)), library.layers.Dense(8, activation="tanh"), library.layers.Dense(3)])
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(library.optimizers.SGD(0.1), loss, **{"metrics": ["accuracy"], **compiled})
    return model


def both(**compiled):
    ours, theirs = classifier(lamina, **compiled), classifier(keras, **compiled)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


def same(ours, theirs, *args, **kwargs):
    histories = [model.fit(*args, shuffle=False, verbose=0, **kwargs).history for model in (ours, theirs)]
    assert set(histories[0]) == set(histories[1])
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, rtol=2e-4, atol=1e-6, err_msg=name)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    return histories[0]


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 16, "epochs": 2},
        {"batch_size": 16, "epochs": 3, "initial_epoch": 1},
        {"epochs": 2, "validation_split": 0.2},
        {"epochs": 4, "validation_split": 0.2, "validation_freq": 2},
        {"epochs": 4, "validation_split": 0.2, "validation_freq": [1, 4]},
        {"batch_size": 10, "epochs": 2, "class_weight": {0: 1.0, 2: 5.0}},
        {"batch_size": 10, "epochs": 2, "sample_weight": np.linspace(0, 2, 50).astype("float32")},
    ],
    ids=lambda options: ",".join(options),
)
def test_a_run_with_options_equals_that_of_keras(options):
    x, y = data()
    same(*both(weighted_metrics=["accuracy"]), x, y, **options)


def test_weights_of_classes_and_of_samples_are_multiplied():
    x, y = data()
    weights = np.linspace(0, 2, 50).astype("float32")
    a, b = classifier(lamina), classifier(lamina)
    b.set_weights(a.get_weights())
    a.fit(x, y, sample_weight=weights, class_weight={1: 3.0}, shuffle=False, verbose=0)
    b.fit(x, y, sample_weight=np.where(y == 1, 3 * weights, weights), shuffle=False, verbose=0)
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        assert_close(one, other, rtol=1e-6)


def test_validation_data_may_be_weighted_and_have_batches_of_their_own():
    x, y = data()
    held_out = (x[:20], y[:20], np.linspace(0, 1, 20).astype("float32"))
    logs = same(*both(), x, y, epochs=2, validation_data=held_out, validation_batch_size=8)
    assert {"val_loss", "val_accuracy"} <= set(logs)


def test_validation_data_may_be_a_list_and_weights_of_losses_numpy_numbers():
    x, y = data()
    model = classifier(lamina, loss_weights=[np.float32(0.5)])
    logs = model.fit(x, y, validation_data=[x, y], verbose=0).history
    plain = classifier(lamina)
    plain.set_weights(model.get_weights())
    assert logs["val_loss"][0] == pytest.approx(0.5 * plain.evaluate(x, y, verbose=0)[0], rel=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_evaluation_equals_that_of_keras(weighted):
    x, y = data()
    ours, theirs = both()
    options = {"sample_weight": np.linspace(0, 2, 50).astype("float32")} if weighted else {}
    results = [model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True, **options) for model in (ours, theirs)]
    assert list(results[0]) == ["loss", "accuracy"]
    for name, value in results[1].items():
        assert_close(results[0][name], value, rtol=1e-4)
    np.testing.assert_allclose(ours.predict(x, batch_size=16, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def test_steps_per_epoch_goes_on_where_the_last_epoch_ended():
    class Recorder(lamina.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)
            self.last = lamina.Variable(0.0, trainable=False)

        def call(self, x):
            return self.dense(x)

        def train_step(self, batch):
            self.last.assign(batch[-1, 0])
            return {"last": self.last.value}

    model = Recorder()
    model.compile()
    x = np.arange(20, dtype="float32")[:, None]
    history = model.fit(x, batch_size=2, steps_per_epoch=4, epochs=4, shuffle=False, verbose=0)
    assert history.history["last"] == [7.0, 15.0, 3.0, 11.0]


def test_samples_stay_together_when_whole_batches_are_shuffled():
    seen = []

    class Look(lamina.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def train_step(self, batch):
            seen.append(np.asarray(batch)[:, 0].astype(int).tolist())
            return {}

    model = Look()
    model.compile(run_eagerly=True)
    model.fit(np.arange(42, dtype="float32")[:, None], batch_size=4, epochs=2, shuffle="batch", verbose=0)
    first, second = seen[:11], seen[11:]
    assert sorted(np.concatenate(first)) == sorted(np.concatenate(second)) == list(range(42)) and first != second
    assert all(batch == list(range(batch[0], batch[0] + len(batch))) for batch in seen) and first[-1] == [40, 41]


# --- several outputs -----------------------------------------------------------------------------------------------------


def branches(library, **compiled):
    a = library.Input((4,), name="a")
    h = library.layers.Dense(5, activation="tanh", name="h")(a)
    outputs = [library.layers.Dense(1, name="main")(h), library.layers.Dense(3, name="kind", activation="softmax")(h)]
    model = library.Model(a, outputs)
    model.compile(library.optimizers.SGD(0.05), **compiled)
    return model


@pytest.mark.parametrize(
    "compiled",
    [
        {"loss": ["mse", "sparse_categorical_crossentropy"]},
        {"loss": {"main": "mse", "kind": "sparse_categorical_crossentropy"}, "loss_weights": {"main": 0.5, "kind": 2.0}},
        {"loss": ["mse", "sparse_categorical_crossentropy"], "loss_weights": [0.2, 0.8], "metrics": [["mae"], ["accuracy"]]},
        {"loss": ["mse", "sparse_categorical_crossentropy"], "metrics": {"main": ["mae", "mse"], "kind": "accuracy"}},
        {"loss": ["mse", "sparse_categorical_crossentropy"], "weighted_metrics": {"kind": ["accuracy"]}},
        {"loss": ["mse", None]},
    ],
    ids=str,
)
def test_losses_and_metrics_of_several_outputs_are_those_of_keras(compiled):
    x, y = data()
    ours, theirs = branches(lamina, **compiled), branches(keras, **compiled)
    ours.set_weights(theirs.get_weights())
    targets = [x[:, :1] * 2, y]
    same(ours, theirs, x, targets, batch_size=16, epochs=2)
    by_name = ours.evaluate(x, {"main": targets[0], "kind": targets[1]}, verbose=0, return_dict=True)
    assert by_name == pytest.approx(ours.evaluate(x, targets, verbose=0, return_dict=True))


def test_outputs_in_a_dict_go_by_their_keys_and_one_loss_serves_all():
    class Two(lamina.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = layers.Dense(1), layers.Dense(1)

        def call(self, x):
            return {"b": self.b(x), "a": self.a(x)}

    x, _ = data()
    model = Two()
    model.compile("sgd", "mse", metrics=["mae"])
    logs = model.fit(x, {"a": x[:, :1], "b": x[:, 1:2]}, verbose=0).history
    assert set(logs) == {"loss", "a_loss", "b_loss", "a_mae", "b_mae"}
    assert_close(logs["loss"][0], logs["a_loss"][0] + logs["b_loss"][0])


def test_weights_of_samples_may_differ_between_outputs():
    x, y = data()
    model = branches(lamina, loss=["mse", "sparse_categorical_crossentropy"])
    weights = {"main": np.zeros(50, "float32"), "kind": np.ones(50, "float32")}
    logs = model.evaluate(x, [x[:, :1], y], sample_weight=weights, verbose=0, return_dict=True)
    assert logs["main_loss"] == 0.0 and logs["kind_loss"] > 0.0 and logs["loss"] == pytest.approx(logs["kind_loss"])


@pytest.mark.parametrize(
    "compiled, targets, word",
    [
        ({"loss": ["mse"]}, 2, "1 entries for 2 outputs"),
        ({"loss": {"mian": "mse"}}, 2, "main"),
        ({"loss": ["mse", "mse"], "loss_weights": [1.0]}, 2, "loss_weights"),
        ({"loss": "mse", "metrics": {"knd": "mae"}}, 2, "kind"),
        ({"loss": "mse", "metrics": [["mae"], [], []]}, 2, "3 entries"),
        ({"loss": "mse"}, 1, "2 outputs"),
        ({"loss": ["mse", "sparse_categorical_crossentropy"]}, 2, "label 3"),
    ],
)
def test_what_does_not_match_the_outputs_is_refused_before_the_first_step(compiled, targets, word):
    x, y = data(classes=4)
    y[7] = 3
    model = branches(lamina, **compiled)
    kept = model.get_weights()
    with pytest.raises(ValueError, match=word):
        model.fit(x, [x[:, :1], y][:targets], verbose=0)
    for a, b in zip(kept, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations.numpy()) == 0


def test_a_name_in_a_dict_of_targets_that_is_no_output_is_refused():
    x, y = data()
    model = branches(lamina, loss="mse")
    with pytest.raises(ValueError, match="main"):
        model.fit(x, {"main": y, "mainn": y}, verbose=0)


# --- what layers add -----------------------------------------------------------------------------------------------------


class Adding(layers.Layer):
    def call(self, x):
        self.add_loss(0.01 * ops.sum(x**2))
        self.add_metric(ops.max(x), name="most")
        return x


def test_losses_and_metrics_of_layers_are_in_the_logs():
    x, _ = data(8)
    kernel = {"kernel_initializer": "zeros", "kernel_regularizer": lamina.regularizers.L2(0.5)}
    model = lamina.Sequential([Adding(), layers.Dense(1, **kernel)])
    model.compile(lamina.optimizers.SGD(0.0), "mse")
    logs = model.fit(x, x[:, :1], verbose=0).history
    assert_close(logs["loss"][0], np.mean(x[:, 0] ** 2) + 0.01 * np.sum(x**2))
    assert_close(logs["most"][0], x.max(), rtol=1e-6)


def test_masked_positions_count_neither_in_the_loss_nor_in_metrics():
    x = np.array([[[1.0], [2.0], [0.0]], [[3.0], [0.0], [0.0]]], "float32")
    y = np.ones((2, 3, 1), "float32")
    results = []
    for library in (lamina, keras):
        parts = [library.layers.Masking(), library.layers.Dense(1, kernel_initializer="ones")]
        model = library.Sequential([library.Input((3, 1)), *parts])
        model.compile("sgd", "mse", weighted_metrics=["mae"])
        results.append(model.evaluate(x, y, verbose=0, return_dict=True))
    assert_close(results[0]["loss"], results[1]["loss"], rtol=1e-6)
    assert_close(results[0]["loss"], (0 + 1 + 4) / 3, rtol=1e-6)
    assert_close(results[0]["mae"], 1.0, rtol=1e-6)


def test_compute_loss_and_compute_metrics_may_be_overridden():
    class Own(lamina.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1, kernel_initializer="zeros")
            self.seen = lamina.metrics.Mean("seen")

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return 10.0 * super().compute_loss(x, y, y_pred, sample_weight, training)

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            self.seen.update_state(ops.mean(y))
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "double": 2 * self.seen.result()}

    x, y = np.ones((6, 2), "float32"), np.full((6, 1), 3.0, "float32")
    model = Own()
    model.compile(lamina.optimizers.SGD(0.0), "mse")
    assert model.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx({"loss": 90.0, "seen": 3.0, "double": 6.0})


# --- one batch at a time ---------------------------------------------------------------------------------------------------


def test_batch_methods_give_the_numbers_of_keras():
    x, y = data(16)
    ours, theirs = both()
    for _ in range(3):
        options = {"sample_weight": np.linspace(0, 1, 16).astype("float32"), "return_dict": True}
        a, b = (model.train_on_batch(x, y, **options) for model in (ours, theirs))
        assert a == pytest.approx({name: float(value) for name, value in b.items()}, rel=1e-4)
    ours.reset_metrics(), theirs.reset_metrics()
    assert_close(ours.test_on_batch(x, y), theirs.test_on_batch(x, y), rtol=1e-4)
    np.testing.assert_allclose(ours.predict_on_batch(x), theirs.predict_on_batch(x), rtol=1e-4, atol=1e-6)
    weighted = [model.train_on_batch(x, y, class_weight={0: 2.0, 1: 0.0}) for model in (ours, theirs)]
    assert_close(*weighted, rtol=1e-4)


def test_what_is_trained_may_change_between_fits():
    x, y = data()
    model = classifier(lamina)
    model.fit(x, y, verbose=0)
    model.layers[0].trainable = False
    model.compile("sgd", lamina.losses.SparseCategoricalCrossentropy(from_logits=True))
    frozen, free = model.layers[0].get_weights()[0], model.layers[1].get_weights()[0]
    model.fit(x, y, verbose=0)
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], frozen)
    assert (model.layers[1].get_weights()[0] != free).any()


@pytest.mark.parametrize(
    "options, word",
    [
        ({"epochs": 1.5}, "epochs"),
        ({"epochs": -1}, "epochs"),
        ({"initial_epoch": None}, "initial_epoch"),
        ({"steps_per_epoch": 0}, "steps_per_epoch"),
        ({"batch_size": 0}, "batch_size"),
        ({"validation_split": 1.0}, "validation_split"),
        ({"validation_split": 0.1, "validation_freq": 0}, "validation_freq"),
        ({"validation_data": (np.ones((3, 4)), np.ones(2))}, r"\[2, 3\]"),
        ({"sample_weight": np.ones(7)}, r"\[7, 50\]"),
        ({"class_weight": {0: 2.0}, "y": None}, "class_weight"),
        ({"verbose": 3}, "verbose"),
    ],
    ids=lambda case: str(case)[:40],
)
def test_bad_options_are_refused_by_name(options, word):
    x, y = data()
    model = classifier(lamina)
    with pytest.raises(ValueError, match=word):
        model.fit(x, **{"y": y, "verbose": 0, **options})
    assert int(model.optimizer.iterations.numpy()) == 0


def test_another_layer_that_is_frozen_takes_effect_however_alike_they_are():
    x, y = np.ones((8, 3), "float32"), np.ones((8, 3), "float32")
    model = lamina.Sequential([lamina.layers.Dense(3), lamina.layers.Dense(3)])
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    for trained, frozen in (model.layers, model.layers[::-1]):
        trained.trainable, frozen.trainable = True, False
        before = [layer.get_weights()[0] for layer in (trained, frozen)]
        model.fit(x, y, verbose=0)
        after = [layer.get_weights()[0] for layer in (trained, frozen)]
        assert [bool((a == b).all()) for a, b in zip(after, before, strict=True)] == [False, True]
