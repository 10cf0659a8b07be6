"""ProgbarLogger and CallbackList: progress and callbacks for loops of one's own; in fit nothing is shown twice."""

import re

import lamina
from callbacks.twins import data, line
from lamina.callbacks import Callback, CallbackList, History, ProgbarLogger


def shown(capsys):
    return [re.sub(r"[\d.]+ m?s", "TIME", line) for line in capsys.readouterr().out.splitlines()]


def test_a_loop_of_ones_own_shows_what_fit_shows(capsys):
    model = line(lamina)
    callbacks = CallbackList(None, True, True, model, epochs=2, steps=3, verbose=2)
    assert [type(callback) for callback in callbacks] == [History, ProgbarLogger]
    callbacks.on_train_begin()
    for epoch in range(2):
        callbacks.on_epoch_begin(epoch)
        for step in range(3):
            callbacks.on_train_batch_begin(step)
            callbacks.on_train_batch_end(step, logs={"loss": 0.5})
        callbacks.on_test_begin()
        callbacks.on_test_batch_end(0, {})
        callbacks.on_test_end({})
        callbacks.on_epoch_end(epoch, logs={"loss": 0.5, "val_loss": 0.25})
    callbacks.on_train_end()
    callbacks.on_predict_begin()
    callbacks.on_predict_batch_end(0, {"outputs": 1})
    callbacks.on_predict_end()
    lines = [f"Epoch {n}/2 - TIME - loss 0.5000 - val_loss 0.2500" for n in (1, 2)]
    assert shown(capsys) == [*lines, "Predict - TIME"]
    assert model.history.history == {"loss": [0.5, 0.5], "val_loss": [0.25, 0.25]}


def test_in_fit_it_shows_nothing_besides_and_holds_nothing_up(capsys):
    (x, y), held_out = data()
    model = line(lamina)
    group = CallbackList(ProgbarLogger())
    assert not group._sees_batches("train")
    model.fit(x, y, validation_data=held_out, verbose=2, callbacks=[ProgbarLogger()])
    model.evaluate(x, y, verbose=2, callbacks=[ProgbarLogger()])
    model.predict(x, verbose=0, callbacks=[ProgbarLogger()])
    assert [text.split(" - ")[0] for text in shown(capsys)] == ["Epoch 1/1", "Evaluate"]


def test_what_is_there_is_not_added_again():
    history, own = History(), Callback()
    model = line(lamina)
    group = CallbackList([own, [history]], add_history=True, model=model)
    assert list(group) == [own, history] and model.history is history and own.model is model
    assert CallbackList([own], epochs=4).callbacks[0].params == {"epochs": 4}
