"""What the programs learn from: arrays of the real data's shapes, drawn with fixed seeds, so that no files are needed."""

import numpy as np

BATCH = 32
TRAIN, VALIDATION = 11_610, 3_870
DIGITS = 4_096
SENTENCES, TIME, WORDS = 512, 64, 1_000
MANY = 100_000
SERIES, SERIES_BATCH, SERIES_TIME, UNITS = 512, 64, 128, 64
TEXTS, TEXTS_BATCH, TEXTS_TIME, HEADS, HEAD_SIZE = 128, 16, 256, 8, 32

Samples = tuple[np.ndarray, ...]


def housing() -> tuple[Samples, Samples]:
    """Returns (wide, deep, value) to train on and to validate on: 5 and 6 of 8 features, as in the housing data."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(TRAIN + VALIDATION, 8))
    y = 2 + x @ rng.normal(scale=0.3, size=(8, 1)) + np.tanh(x[:, :1] * x[:, 1:2]) + rng.normal(scale=0.3, size=(len(x), 1))
    arrays = [a.astype("float32") for a in (x[:, :5], x[:, 2:], y)]
    return tuple(a[:TRAIN] for a in arrays), tuple(a[TRAIN:] for a in arrays)


def blocks(count: int) -> Samples:
    """Returns (wide, deep) of that many samples to predict for."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(count, 5)).astype("float32"), rng.normal(size=(count, 6)).astype("float32")


def digits() -> Samples:
    """Returns (images, labels): 28 by 28 pixels, ten classes, each a pattern under noise."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 10, DIGITS)
    images = rng.uniform(size=(10, 28, 28, 1))[labels] + rng.normal(scale=0.3, size=(DIGITS, 28, 28, 1))
    return images.astype("float32"), labels.astype("int32")


def sentences() -> Samples:
    """Returns (words, next words): each word follows from the one before, but for a little chance."""
    rng = np.random.default_rng(3)
    words = rng.integers(0, WORDS, (SENTENCES, TIME + 1))
    for i in range(TIME):
        words[:, i + 1] = (7 * words[:, i] + rng.integers(0, 3, SENTENCES)) % WORDS
    return words[:, :-1].astype("int32"), words[:, 1:].astype("int32")


def series() -> Samples:
    """Returns (signals, targets): as many features and targets as an LSTM has units."""
    return _sequences(SERIES, SERIES_TIME, UNITS)


def texts() -> Samples:
    """Returns (vectors, targets): as wide as all heads together."""
    return _sequences(TEXTS, TEXTS_TIME, HEADS * HEAD_SIZE)


def _sequences(samples: int, time: int, width: int) -> Samples:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(samples, time, width)).astype("float32")
    return x, np.tanh(x[:, -8:].mean(1))
