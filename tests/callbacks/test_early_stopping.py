"""EarlyStopping ends training where Keras's does, with the same weights."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import lamina
from callbacks.twins import LIBRARIES, replay, train
from properties import examples

quarters = st.integers(-8, 8).map(lambda n: n / 4)  # exact in float32, in which Keras compares


@examples(60)
@given(
    st.lists(quarters, min_size=1, max_size=9),
    st.fixed_dictionaries(
        {
            "min_delta": st.sampled_from([0, 0.25, -0.5]),
            "patience": st.integers(0, 3),
            "mode": st.sampled_from(["auto", "min", "max"]),
            "baseline": st.none() | quarters,
            "restore_best_weights": st.booleans(),
            "start_from_epoch": st.integers(0, 3),
        }
    ),
)
def test_equals_keras_for_any_course_of_the_loss(values, arguments):
    stops = [library.callbacks.EarlyStopping(**arguments) for library in LIBRARIES]
    (ours, epochs, _), (theirs, expected, _) = map(replay, LIBRARIES, stops, [values] * 2)
    assert epochs == expected
    for name in ("stopped_epoch", "best_epoch", "best", "wait"):
        assert getattr(stops[0], name) == getattr(stops[1], name), name
    np.testing.assert_array_equal(ours.get_weights()[0], theirs.get_weights()[0])


def test_training_equals_keras(capsys):
    stops = {}

    def callbacks(of):
        stops[of.__name__.split(".")[0]] = stop = of.EarlyStopping(patience=3, restore_best_weights=True, verbose=1)
        return [stop]

    (ours, history), (theirs, expected) = (train(library, callbacks, epochs=20) for library in LIBRARIES)
    assert 4 < len(history.epoch) == len(expected.epoch) < 20
    assert stops["lamina"].best_epoch == stops["keras"].best_epoch == np.argmin(history.history["val_loss"])
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    said = capsys.readouterr().out
    assert f"Epoch {len(history.epoch)}: training ends" in said
    assert f"best epoch, {stops['lamina'].best_epoch + 1}." in said


def test_the_first_epoch_is_the_best_where_nothing_is_learned():
    x = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
    model = lamina.Sequential([lamina.layers.Dense(1)])
    model.compile(lamina.optimizers.SGD(1e-9), "mse")
    stop = lamina.callbacks.EarlyStopping("loss", min_delta=1.0, patience=2, restore_best_weights=True)
    history = model.fit(x, x[:, :1], epochs=50, verbose=0, callbacks=[stop])
    assert len(history.epoch) == 3 and stop.stopped_epoch == 2
