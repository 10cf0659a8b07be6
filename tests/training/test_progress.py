"""What a person sees of training: a bar that stays on one line, and one clean line left for each pass."""

import io
import re
import sys
from typing import ClassVar

import numpy as np
import pytest
import rich

import lamina
from lamina import layers

X = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


class Terminal(io.StringIO):
    """Takes what a program writes as a terminal does, as far as rich needs one; any other control sequence is refused.

    Args:
        columns: its width.
    """

    def __init__(self, columns):
        super().__init__()
        self.columns = columns
        self.rows, self.row, self.column = [""], 0, 0
        self.seen = []  # every line that a row has held at the end of a write
        self.cursor_shown = True

    def isatty(self):
        return True

    def write(self, text):
        for control, line_or_return, plain in re.findall(r"\x1b\[([?0-9;]*[A-Za-z])|([\r\n])|([^\x1b\r\n]+)", text):
            self._control(control) if control else self._move(line_or_return) if line_or_return else self._put(plain)
        self.seen += [row for row in self.rows if row.strip()]
        return len(text)

    def _control(self, code):
        if code == "2K":
            self.rows[self.row] = ""
        elif code.endswith("A"):
            self.row -= int(code[:-1])
        elif code in ("?25l", "?25h"):
            self.cursor_shown = code.endswith("h")
        else:
            assert code.endswith("m"), code

    def _move(self, character):
        self.column = 0
        if character == "\n":
            self.row += 1
            self.rows += [""] * (self.row + 1 - len(self.rows))

    def _put(self, text):
        for character in text:
            if self.column == self.columns:
                self._move("\n")
            row = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = row[: self.column] + character + row[self.column + 1 :]
            self.column += 1

    def left(self):
        assert self.cursor_shown
        return [row.rstrip() for row in self.rows if row.strip()]


@pytest.fixture
def terminal(monkeypatch):
    """Returns what makes the output a terminal of so many columns."""

    def make(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setattr(sys, "stdout", Terminal(columns))
        rich.reconfigure()  # its one console has read the environment once and for all
        return sys.stdout

    yield make
    monkeypatch.undo()
    rich.reconfigure()


def model():
    net = lamina.Sequential([layers.Dense(1)])
    net.compile("sgd", "mse", metrics=["mae"])
    return net


class Drawing:
    """Stands for rich's thread that draws bars ten times a second: it draws when it is told to."""

    bars: ClassVar[list] = []

    def __init__(self, live, refresh_per_second):
        self.live = live

    def start(self):
        self.bars.append(self)

    def stop(self):
        self.bars.remove(self)

    def join(self):
        pass


@pytest.fixture(autouse=True)
def drawn_when_told(monkeypatch):
    monkeypatch.setattr("rich.live._RefreshThread", Drawing)


class Slow(lamina.callbacks.Callback):
    """Each step is slow enough to be seen."""

    def on_train_batch_end(self, batch, logs=None):
        Drawing.bars[-1].live.refresh()


@pytest.mark.parametrize("columns, known", [(110, True), (75, False), (40, True), (40, False), (12, True)])
def test_the_bar_stays_on_one_line_and_leaves_one_clean_line(terminal, columns, known):
    screen = terminal(columns)
    data = (X, Y) if known else ((pair for pair in zip(np.split(X, 6), np.split(Y, 6), strict=True)),)
    model().fit(*data, batch_size=10, verbose=1, callbacks=[Slow()])
    text = "".join(screen.left()).replace(" ", "")  # the terminal wraps the line that stays where it has to
    assert re.fullmatch(r"Epoch1/1-[\d.]+m?s-loss[\d.]+-mae[\d.]+", text) and not screen.rows[-1]
    bars = {row.rstrip() for row in screen.seen if "Epoch" in row and " - " not in row.split("loss")[0]}
    assert len(bars) >= 3 and all(len(bar) <= columns for bar in bars)
    assert columns < 40 or any(re.search(r"/6 " if known else r"\d/\? ", bar) for bar in bars)
    assert columns < 40 or any("loss" in bar for bar in bars)
    assert any("━" in bar for bar in bars) == (columns >= 72)


def test_each_epoch_leaves_a_line_and_what_is_over_at_once_shows_no_bar(terminal):
    screen = terminal(80)
    net = model()
    net.fit(X, Y, verbose=0)
    before = len(screen.seen)
    net.fit(X, Y, epochs=20, verbose="auto")
    assert [row.split(" - ")[0] for row in screen.left()] == [f"Epoch {number + 1}/20" for number in range(20)]
    assert before == 0 and len(set(screen.seen)) <= 2 * 20


def test_a_pass_inside_a_pass_and_prints_leave_their_lines_above_the_bar(terminal):
    class Speaks(Slow):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if batch % 3 == 1:
                print(f"after {batch}")
                self.model.predict(X, verbose=1)

    screen = terminal(80)
    model().fit(X, Y, batch_size=10, epochs=2, verbose=1, callbacks=[Speaks()])
    epoch = ["after 1", "Predict", "after 4", "Predict"]
    assert [row.split(" - ")[0] for row in screen.left()] == [*epoch, "Epoch 1/2", *epoch, "Epoch 2/2"]


def test_validation_is_announced(terminal):
    class SlowTest(lamina.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            Drawing.bars[-1].live.refresh()

    screen = terminal(80)
    model().fit(X, Y, batch_size=10, verbose=1, validation_split=0.5, callbacks=[SlowTest()])
    assert any("validating" in row for row in screen.seen) and "val_mae" in screen.left()[0]


def test_an_error_takes_the_bar_away(terminal):
    class Fails(Slow):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if batch == 3:
                raise RuntimeError("on purpose")

    screen = terminal(80)
    with pytest.raises(RuntimeError, match="on purpose"):
        model().fit(X, Y, batch_size=10, verbose=1, callbacks=[Fails()])
    assert screen.seen and screen.left() == []


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(terminal, monkeypatch):
    screen = terminal(80)
    monkeypatch.setenv("TERM", "dumb")
    model().fit(X, Y, batch_size=10, epochs=2, verbose=1)
    assert [row[:9] for row in screen.left()] == ["Epoch 1/2", "Epoch 2/2"] and not any("/6" in row for row in screen.seen)
