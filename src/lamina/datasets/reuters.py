"""Reuters: news, and what they are about."""

import os

import numpy as np

from lamina.datasets.npz import read_npz
from lamina.datasets.source import KERAS, Source
from lamina.datasets.words import Texts, limited, read_index, shifted, shuffled

__all__ = ["get_label_names", "get_word_index", "load_data"]

_SOURCE = Source(KERAS + "reuters.npz", "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916")
_WORDS = Source(KERAS + "reuters_word_index.json", "4d44cc38712099c9e383dc6e5f11a921")  # no SHA-256 of it is published
_TOPICS = """
    cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass crude nat-gas
    cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi iron-steel rubber heat jobs lei
    bop zinc orange pet-chem dlr gas silver wpi hog lead
"""


def load_data(
    path: str | os.PathLike[str] = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[Texts, Texts]:
    """Returns 11,228 news in two parts, to train and to test on: lists of the numbers of their words, and one of 46 topics each.

    ::

        (x_train, y_train), (x_test, y_test) = lamina.datasets.reuters.load_data(num_words=10000)

    Args:
        path: a name among Lamina's datasets; or, with a folder in it, a file of the same kind.
        num_words: words from this number on are replaced by `oov_char`. None keeps all. (Keras replaces the rarest one even then.)
        skip_top: words below this number are replaced likewise.
        maxlen: news as long or longer are left out. None keeps them all.
        test_split: which share of them is to test on.
        seed: of the order.
        start_char: what each begins with, or None.
        oov_char: what stands for a word that is replaced; None leaves such words out.
        index_from: what is added to the number of each word.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: arrays of lists, and of topics from 0 to 45 (`get_label_names`).

    Raises:
        FileNotFoundError: if there is nothing at `path`.
        ValueError: if it is not such a file, no text is shorter than `maxlen`, or for a `test_split` below 0 or above 1.
        OSError: if it cannot be downloaded; the message says where to put it by hand.

    Source: Lewis, Reuters-21578 text categorization test collection (1997).
    """
    if not 0 <= test_split <= 1:
        raise ValueError(f"test_split must be from 0 to 1, not {test_split!r}.")
    x, y = read_npz(_SOURCE.file(path), "x", "y")
    draws = np.random.RandomState(seed)  # the order that Keras gives them
    texts, labels = shifted(*shuffled(x, y, draws), start_char, index_from, maxlen)
    made, count = limited(texts, num_words, skip_top, oov_char), int(len(texts) * (1 - test_split))
    return (made[:count], labels[:count]), (made[count:], labels[count:])


def get_word_index(path: str | os.PathLike[str] = "reuters_word_index.json") -> dict[str, int]:
    """Returns the number of each word, before `index_from` is added to it.

    Args:
        path: a name among Lamina's datasets; or, with a folder in it, a file of the same kind.
    """
    return read_index(_WORDS.file(path))


def get_label_names() -> tuple[str, ...]:
    """Returns the names of the topics, in the order of their numbers.

    >>> lamina.datasets.reuters.get_label_names()[:4]
    ('cocoa', 'grain', 'veg-oil', 'earn')
    """
    return tuple(_TOPICS.split())
