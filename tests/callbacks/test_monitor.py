"""What monitoring means, for the three callbacks that do."""

import math

import pytest

import lamina
from callbacks.twins import replay
from lamina.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from lamina.callbacks.monitor import mode_of


def test_names_tell_the_mode():
    down = ["loss", "val_loss", "head_a_loss", "val_accuracy_loss", "mse", "mean_absolute_error", "categorical_crossentropy"]
    up = ["accuracy", "val_acc", "AUC", "auc_2", "top_5_accuracy", "f1_score", "precision_at_recall", "mean_io_u", "head/recall"]
    assert {mode_of(name) for name in down} == {"min"}
    assert {mode_of(name) for name in up} == {"max"}
    assert mode_of("score") is mode_of("learning_rate") is mode_of("lossy") is None


@pytest.mark.parametrize("make", [EarlyStopping, ReduceLROnPlateau, lambda *a, **k: ModelCheckpoint("w.npz", *a, **k)])
def test_bad_arguments_are_refused_by_name(make):
    with pytest.raises(ValueError, match="cannot tell whether more or less 'score' is better"):
        make("score")
    with pytest.raises(ValueError, match=r"mode of \w+ must be .*, not 'down'"):
        make("loss", mode="down")
    with pytest.raises(ValueError, match=r"monitor of \w+ must be the name .*, not 3"):
        make(3)
    assert make("score", mode="max").mode == "max"


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda: EarlyStopping(patience=-1), "patience of EarlyStopping"),
        (lambda: EarlyStopping(patience=1.5), "patience of EarlyStopping"),
        (lambda: EarlyStopping(start_from_epoch=None), "start_from_epoch of EarlyStopping"),
        (lambda: EarlyStopping(min_delta=math.nan), "min_delta of EarlyStopping"),
        (lambda: EarlyStopping(baseline="low"), "baseline of EarlyStopping"),
        (lambda: ReduceLROnPlateau(factor=1.0), "factor of ReduceLROnPlateau"),
        (lambda: ReduceLROnPlateau(factor=-0.1), "factor of ReduceLROnPlateau"),
        (lambda: ReduceLROnPlateau(patience="10"), "patience of ReduceLROnPlateau"),
        (lambda: ReduceLROnPlateau(cooldown=-1), "cooldown of ReduceLROnPlateau"),
        (lambda: ReduceLROnPlateau(min_lr=-1.0), "min_lr of ReduceLROnPlateau"),
        (lambda: ModelCheckpoint("w.npz", initial_value_threshold=math.nan), "initial_value_threshold of ModelCheckpoint"),
        (lambda: ModelCheckpoint("w.npz", save_freq=0), "save_freq of ModelCheckpoint must be 'epoch' or an integer"),
        (lambda: ModelCheckpoint("w.npz", save_freq="week"), "save_freq of ModelCheckpoint must be 'epoch' or an integer"),
    ],
)
def test_arguments_of_each_are_refused_by_name(make, name):
    with pytest.raises(ValueError, match=name):
        make()


def test_a_name_that_is_not_in_the_logs_is_warned_of_once_a_training():
    stop = EarlyStopping(patience=1)
    for _ in range(2):
        with pytest.warns(
            UserWarning, match=r"EarlyStopping monitors 'val_loss', which is not in the logs\. They hold loss"
        ) as seen:
            replay(lamina, stop, [1.0, 1.0, 1.0], name="loss")
        assert len(seen) == 1


def test_a_nan_is_no_obstacle_to_what_follows():
    stop = EarlyStopping(patience=2)
    _, epochs, _ = replay(lamina, stop, [math.nan, 3.0, 2.0, math.nan, 1.0, 4.0, math.nan])
    assert (epochs, stop.best, stop.best_epoch, stop.stopped_epoch) == (7, 1.0, 4, 6)
