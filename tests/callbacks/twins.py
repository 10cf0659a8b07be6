"""One model and one training, in Lamina and in Keras."""

import keras
import numpy as np

import lamina

LIBRARIES = (lamina, keras)


def data(samples=24):
    """Returns a problem so noisy that a line which is fitted to its first half becomes better, then worse, on the other."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * samples, 8)).astype("float32")
    y = (2 * x[:, :1] + rng.normal(size=(2 * samples, 1))).astype("float32")
    return (x[:samples], y[:samples]), (x[samples:], y[samples:])


def line(library, rate=0.1, size=8):
    """Returns a compiled model of one Dense that is built and starts from zeros."""
    model = library.Sequential([library.Input((size,)), library.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(library.optimizers.SGD(rate), "mse", metrics=["mae"])
    return model


def train(library, callbacks, rate=0.02, epochs=12, **more):
    """Returns a model after training with callbacks(library.callbacks), and its history."""
    fitted, held_out = data()
    model = line(library, rate)
    given = dict(batch_size=8, shuffle=False, verbose=0, validation_data=held_out) | more
    return model, model.fit(*fitted, epochs=epochs, callbacks=callbacks(library.callbacks), **given)


def replay(library, callback, values, name="val_loss"):
    """Calls a callback's hooks as a training does whose epochs end with these values, and whose weights are the epoch's number.

    Returns the model, how many epochs there were, and the learning rate of each.
    """
    model = line(library, rate=1.0, size=1)
    callback.set_model(model)
    callback.on_train_begin({})
    model.stop_training = False
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch, {})
        rates.append(float(model.optimizer.learning_rate))
        model.set_weights([np.full((1, 1), epoch, "float32"), np.zeros(1, "float32")])
        callback.on_epoch_end(epoch, {name: value})
        if model.stop_training:
            break
    callback.on_train_end({})
    return model, len(rates), rates
