"""TerminateOnNaN ends training at the batch where the loss is no number."""

import numpy as np
import pytest

import lamina
from callbacks.twins import LIBRARIES, data, line
from comparing import assert_close
from lamina.callbacks import CallbackList, LambdaCallback, TerminateOnNaN


@pytest.mark.parametrize("bad, value", [(np.nan, "nan"), (1e30, "inf")])
def test_ends_at_the_batch_as_keras_does(capsys, bad, value):
    (x, y), _ = data()
    y = y.copy()
    y[10] = bad
    weights, batches = [], []
    for library in LIBRARIES:
        seen = []
        note = library.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs, seen=seen: seen.append(batch))
        model = line(library)
        model.fit(x, y, batch_size=4, epochs=5, shuffle=False, verbose=0, callbacks=[library.callbacks.TerminateOnNaN(), note])
        batches.append(seen)
        weights.append(model.get_weights())
    assert batches[0] == batches[1] == [0, 1, 2]
    for one, other in zip(*weights, strict=True):
        assert_close(one, other, rtol=1e-4)
    assert f"Epoch 1, batch 3: the loss is {value}. Training ends here." in capsys.readouterr().out


def test_the_model_can_be_used_afterwards_and_the_epoch_is_named(capsys):
    (x, y), _ = data()
    model = line(lamina)
    spoil = LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch == 2 and model.set_weights([model.get_weights()[0] * np.nan, [0]])
    )
    history = model.fit(x, y, batch_size=8, epochs=5, verbose=0, callbacks=[spoil, TerminateOnNaN()])
    assert history.epoch == [0, 1, 2] and np.isnan(history.history["loss"]).tolist() == [False, False, True]
    assert capsys.readouterr().out == "Epoch 3, batch 1: the loss is nan. Training ends here.\n"
    assert np.isnan(model.predict(x, verbose=0)).all()
    model.set_weights([np.zeros((8, 1)), np.zeros(1)])
    assert np.isfinite(model.fit(x, y, epochs=1, verbose=0, callbacks=[TerminateOnNaN()]).history["loss"]).all()


def test_raises_where_it_is_told_to():
    (x, y), _ = data()
    ended = []
    callbacks = [TerminateOnNaN(raise_error=True), LambdaCallback(on_train_end=ended.append)]
    with pytest.raises(RuntimeError, match="Epoch 1, batch 1: the loss is nan"):
        line(lamina).fit(x * np.nan, y, epochs=2, verbose=0, callbacks=callbacks)
    assert not ended


def test_it_needs_every_batch_of_training_alone():
    group = CallbackList([TerminateOnNaN()])
    assert group._sees_batches("train") and not group._sees_batches("test") and not group._sees_batches("predict")
