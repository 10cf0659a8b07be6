"""SwapEMAWeights: evaluated with the averages, as in Keras; trained with the weights, however training ends."""

import keras
import numpy as np
import pytest

import lamina
from callbacks.twins import data, line
from comparing import assert_close
from lamina.callbacks import LambdaCallback, SwapEMAWeights


def model_of(library, optimizer=None):
    model = line(library)
    chosen = optimizer or library.optimizers.SGD(0.02, use_ema=True, ema_momentum=0.8)
    model.compile(chosen, "mse")
    return model


def train(library, swap, epochs=3, optimizer=None, callbacks=()):
    model, seen = model_of(library, optimizer), []
    note = library.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()[0]))
    (x, y), held_out = data()
    given = dict(batch_size=8, shuffle=False, verbose=0, validation_data=held_out)
    history = model.fit(x, y, epochs=epochs, callbacks=[swap, note, *callbacks], **given)
    return model, history.history["val_loss"], seen


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_it_sees_what_keras_sees(swap_on_epoch):
    ours, theirs = (train(library, library.callbacks.SwapEMAWeights(swap_on_epoch)) for library in (lamina, keras))
    assert_close(ours[1], theirs[1], rtol=1e-4)
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours[0].get_weights()[0], theirs[0].get_weights()[0], rtol=1e-4, atol=1e-6)


def test_the_averages_stay_also_where_training_is_stopped():
    stop = LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1))
    model = model_of(lamina)
    (x, y), _ = data()
    model.fit(x, y, epochs=9, verbose=0, callbacks=[SwapEMAWeights(True), stop])
    for weight in model.trainable_weights:
        np.testing.assert_array_equal(weight.value, model.optimizer.state_of(weight)["average"])


def test_weights_are_put_back_after_evaluation_prediction_and_failure():
    model = model_of(lamina)
    (x, y), held_out = data()
    model.train_on_batch(x, y), model.train_on_batch(x, y)
    weights, averages = model.get_weights(), [model.optimizer.state_of(w)["average"] for w in model.trainable_weights]
    swap = SwapEMAWeights()
    np.testing.assert_allclose(model.predict(x, verbose=0, callbacks=[swap]), x @ averages[0] + averages[1], rtol=1e-4, atol=1e-5)
    model.evaluate(x, y, verbose=0, callbacks=[swap])
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])

    def fail(logs):
        trained.append(model.optimizer.state_of(model.trainable_weights[0])["average"])
        raise OSError("the power failed")

    trained = []
    with pytest.raises(OSError, match="power"):
        model.fit(x, y, verbose=0, validation_data=held_out, callbacks=[swap, LambdaCallback(on_test_begin=fail)])
    assert not np.array_equal(model.get_weights()[0], trained[0])


def test_several_optimizers_may_keep_averages_and_one_has_to():
    sgd = lamina.optimizers.SGD
    chosen = lamina.optimizers.OptimizerMap(sgd(0.02), {".*kernel": sgd(0.02, use_ema=True, ema_momentum=0.8)})
    model, losses, _ = train(lamina, SwapEMAWeights(), optimizer=lamina.optimizers.MultiOptimizer(chosen))
    assert set(model.optimizer.state_of(model.trainable_weights[0])) == {"average"} and len(losses) == 3
    scaled = lamina.optimizers.LossScaleOptimizer(sgd(0.02, use_ema=True))
    train(lamina, SwapEMAWeights(), optimizer=scaled)
    with pytest.raises(ValueError, match="use_ema=True"):
        train(lamina, SwapEMAWeights(), optimizer=sgd(0.02))
