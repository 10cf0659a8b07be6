"""Texts as lists of numbers: words by how often they occur, with a few numbers kept for signs."""

import json
from pathlib import Path
from typing import Any

import numpy as np

Texts = tuple[np.ndarray, np.ndarray]


def shuffled(texts: Any, labels: Any, draws: np.random.RandomState) -> tuple[list[list[int]], np.ndarray]:
    """Returns texts and their labels in a random order."""
    order = np.arange(len(texts))
    draws.shuffle(order)
    return [texts[i] for i in order], np.asarray(labels)[order]


def shifted(
    texts: list[list[int]], labels: np.ndarray, start_char: int | None, index_from: int | None, maxlen: int | None
) -> tuple[list[list[int]], np.ndarray]:
    """Returns texts whose words count from `index_from`, after a sign for the start; those of `maxlen` and more are left out."""
    start = [] if start_char is None else [start_char]
    by = index_from or 0
    made = [start + [word + by for word in text] for text in texts]
    if not maxlen:
        return made, labels
    kept = [i for i, text in enumerate(made) if len(text) < maxlen]
    if not kept:
        raise ValueError(f"No text has fewer than maxlen={maxlen} words. Give a greater maxlen.")
    return [made[i] for i in kept], labels[kept]


def limited(texts: list[list[int]], num_words: int | None, skip_top: int, oov_char: int | None) -> np.ndarray:
    """Returns texts with words from `skip_top` up to `num_words`; others become `oov_char`, or are left out where it is None."""
    end = num_words or max(map(max, filter(None, texts)), default=0) + 1
    made = np.empty(len(texts), object)
    for number, text in enumerate(texts):
        if oov_char is None:
            made[number] = [word for word in text if skip_top <= word < end]
        else:
            made[number] = [word if skip_top <= word < end else oov_char for word in text]
    return made


def read_index(path: Path) -> dict[str, int]:
    """Returns the number of each word, from a file of JSON."""
    numbers: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    return numbers
