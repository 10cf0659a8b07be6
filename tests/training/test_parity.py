"""One training run equals that of Keras: the same initial weights, no shuffling, 50 steps, batch by batch."""

import keras
import numpy as np
import pytest

import lamina
from comparing import assert_close
from lamina import layers

OPTIMIZERS = {
    "momentum": lambda library: library.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda library: library.optimizers.Adam(1e-3),
    "rmsprop": lambda library: library.optimizers.RMSprop(1e-3),
}


def dense(library):
    parts = library.layers
    return [library.Input((8,)), parts.Dense(32, activation="tanh"), parts.Dense(16, activation="sigmoid"), parts.Dense(4)]


def normalised(library):
    parts = library.layers
    return [
        library.Input((8,)),
        parts.Dense(32),
        parts.BatchNormalization(),
        parts.Activation("tanh"),
        parts.Dense(4),
    ]


def lenet5(library):
    parts = library.layers
    return [
        library.Input((28, 28, 1)),
        parts.Conv2D(6, 5, padding="same", activation="tanh"),
        parts.AveragePooling2D(2),
        parts.Conv2D(16, 5, activation="tanh"),
        parts.AveragePooling2D(2),
        parts.Flatten(),
        parts.Dense(120, activation="tanh"),
        parts.Dense(84, activation="tanh"),
        parts.Dense(4),
    ]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("make", [dense, normalised, lenet5])
def test_fifty_steps_equal_those_of_keras(make, optimizer):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 50 * 8)
    shape = (28, 28, 1) if make is lenet5 else (8,)
    centres = rng.normal(size=(4, *shape))
    x = (centres[labels] + rng.normal(size=(len(labels), *shape))).astype("float32")
    runs = []
    models = [library.Sequential(make(library)) for library in (lamina, keras)]
    models[0].set_weights(models[1].get_weights())
    for library, model in zip((lamina, keras), models, strict=True):
        losses = []
        seen = library.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs, losses=losses: losses.append(logs["loss"]))
        loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(OPTIMIZERS[optimizer](library), loss)
        model.fit(x, labels, batch_size=8, shuffle=False, verbose=0, callbacks=[seen])
        runs.append(losses)
    assert len(runs[0]) == 50
    assert_close(*runs, rtol=1e-4)


def test_moving_averages_of_the_weights_are_in_place_after_training():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    models = []
    for library in (lamina, keras):
        model = library.Sequential([library.Input((3,)), library.layers.Dense(1, kernel_initializer="ones")])
        model.compile(library.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9, clipnorm=1.0), "mse")
        model.fit(x, x[:, :1], epochs=3, shuffle=False, verbose=0)
        models.append(model)
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_under_float16_the_loss_is_scaled_so_that_small_gradients_count():
    x, y = np.ones((32, 4), "float32"), np.zeros((32, 1), "float32")
    results = []
    for scaled in (True, False):
        model = lamina.Sequential([layers.Dense(1, kernel_initializer="zeros", dtype="mixed_float16")], dtype="mixed_float16")
        optimizer = lamina.optimizers.SGD(1e6)
        model.compile(optimizer, lambda y_true, y_pred: 1e-8 * (y_pred - y_true - 1.0), auto_scale_loss=scaled)
        assert isinstance(model.optimizer, lamina.optimizers.LossScaleOptimizer) is scaled
        model.fit(x, y, epochs=2, verbose=0)
        results.append(float(np.abs(model.get_weights()[0]).max()))
    assert results[0] == pytest.approx(2 * 1e6 * 1e-8, rel=0.01) and results[1] != pytest.approx(results[0], rel=0.01)


def test_a_step_whose_gradients_overflow_is_left_out():
    model = lamina.Sequential([layers.Dense(1, kernel_initializer="ones", dtype="mixed_float16")], dtype="mixed_float16")
    model.compile("sgd", "mse")
    history = model.fit(np.full((4, 2), 300.0), np.zeros((4, 1)), epochs=2, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], 1.0)
    assert float(model.optimizer.dynamic_scale.numpy()) == 2.0**13 and np.isfinite(history.history["loss"]).all()
