"""CSVLogger writes the rows that Keras's does, and none is lost."""

import csv

import pytest

import lamina
from callbacks.twins import LIBRARIES, train
from comparing import assert_close
from lamina.callbacks import CSVLogger, LambdaCallback


def rows(path, separator=","):
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_rows_equal_those_of_keras(tmp_path):
    files = {library.__name__: tmp_path / f"{library.__name__}.csv" for library in LIBRARIES}
    for library in LIBRARIES:
        file = files[library.__name__]
        train(library, lambda of, file=file: [of.CSVLogger(file, separator=";")], epochs=3, validation_freq=2)
    ours, theirs = (rows(file, ";") for file in files.values())
    assert ours[0] == theirs[0] == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert len(ours) == len(theirs) == 4 and ours[1][3:] == ours[3][3:] == ["NA", "NA"]
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        assert [cell == "NA" for cell in one] == [cell == "NA" for cell in other]
        numbers = [[float(cell) for cell in row if cell != "NA"] for row in (one, other)]
        assert_close(*numbers, rtol=1e-4)


def test_rows_are_there_when_training_fails_and_can_be_added_to(tmp_path):
    file = tmp_path / "new" / "log.csv"

    def fail(epoch, logs):
        if epoch == 2:
            raise OSError("the power failed")

    with pytest.raises(OSError, match="the power failed"):
        train(lamina, lambda _: [CSVLogger(file), LambdaCallback(on_epoch_begin=fail)], epochs=9)
    first = rows(file)
    assert [row[0] for row in first] == ["epoch", "0", "1"]
    more = [LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(rate=epoch)), CSVLogger(file, append=True)]
    with pytest.warns(UserWarning, match=r"leaves rate out: .*log\.csv' has no such columns") as warned:
        train(lamina, lambda _: more, epochs=4, initial_epoch=2, validation_data=None)
    both = rows(file)
    assert both[:3] == first and [row[0] for row in both[3:]] == ["2", "3"] and len(warned) == 1
    assert [row[3:] for row in both[3:]] == [["NA", "NA"]] * 2
    train(lamina, lambda _: [CSVLogger(file)], epochs=1)
    assert len(rows(file)) == 2


def test_what_is_no_log_is_not_added_to(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="its first column is 'a', not 'epoch'"):
        CSVLogger(file, append=True).on_train_begin()
    assert file.read_text() == "a,b\n1,2\n"


def test_bad_arguments_are_refused_by_name():
    with pytest.raises(ValueError, match="separator of CSVLogger"):
        CSVLogger("log.csv", separator="--")
    with pytest.raises(TypeError, match="filename of CSVLogger"):
        CSVLogger(None)
