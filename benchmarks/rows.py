"""What is measured: the rows of the table."""

from dataclasses import dataclass

import data


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Args:
        title: what it says.
        unit: what figures are given in.
        scale: units in one second, or in one byte.
        function: what the program is asked for, and its arguments; none where a new process is what is measured.
        per: by how much the time of one run is divided.
        only: the one peer that can do it, if it is not for all.
        beside: the row that it is compared with, in whose turns it is measured.
    """

    title: str
    unit: str
    scale: float
    function: tuple[str | int, ...] = ()
    per: int = 1
    only: str | None = None
    beside: str | None = None


ROWS = {
    "wide_and_deep": Row("wide & deep, an epoch of 363 steps with validation", "ms", 1e3, ("wide_and_deep",)),
    "watched": Row("the same, inside `lamina.watch()`", "ms", 1e3, ("watched",), only="lamina", beside="wide_and_deep"),
    "lenet_32": Row("LeNet-5, batch 32, a training step", "ms", 1e3, ("lenet", 32), data.DIGITS // 32),
    "lenet_128": Row("LeNet-5, batch 128, a training step", "ms", 1e3, ("lenet", 128), data.DIGITS // 128),
    "transformer": Row("transformer, batch 32, a training step", "ms", 1e3, ("transformer",), data.SENTENCES // data.BATCH),
    "lstm": Row("LSTM, forward, gradient and update, a step", "ms", 1e3, ("lstm",), data.SERIES // data.SERIES_BATCH),
    "lstm_forward": Row("LSTM, forward, a batch", "ms", 1e3, ("lstm_forward",), data.SERIES // data.SERIES_BATCH),
    "attention": Row(
        "multi-head attention, forward, gradient and update, a step", "ms", 1e3, ("attention",), data.TEXTS // data.TEXTS_BATCH
    ),
    "attention_forward": Row(
        "multi-head attention, forward, a batch", "ms", 1e3, ("attention_forward",), data.TEXTS // data.TEXTS_BATCH
    ),
    "predict_one": Row("`predict` of one sample", "ms", 1e3, ("predict", 1)),
    "call_one": Row("`model(x)` of one sample, eager", "ms", 1e3, ("call",)),
    "predict_many": Row(f"`predict` of {data.MANY:,} samples", "ms", 1e3, ("predict", data.MANY)),
    "import": Row("import", "s", 1.0),
    "first_cold": Row("new process to the end of its first epoch of wide & deep", "s", 1.0),
    "first_warm": Row("the same, with the compiled programs of an earlier process", "s", 1.0),
    "memory": Row("most memory of that process (cold)", "MiB", 2.0**-20),
}
