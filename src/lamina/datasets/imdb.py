"""IMDB: reviews of films, and whether they praise or blame."""

import os

import numpy as np

from lamina.datasets.npz import read_npz
from lamina.datasets.source import KERAS, Source
from lamina.datasets.words import Texts, limited, read_index, shifted, shuffled

__all__ = ["get_word_index", "load_data"]

_SOURCE = Source(KERAS + "imdb.npz", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f")
_WORDS = Source(KERAS + "imdb_word_index.json", "bfafd718b763782e994055a2d397834f")  # no SHA-256 of it is published


def load_data(
    path: str | os.PathLike[str] = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[Texts, Texts]:
    """Returns 25,000 reviews of films to train on and 25,000 to test on: lists of the numbers of their words.

    Words are numbered by how often they occur, the most frequent one first. 0 is not a word: `lamina.utils.pad_sequences` fills up
    with it.

    ::

        (x_train, y_train), (x_test, y_test) = lamina.datasets.imdb.load_data(num_words=10000)

    Args:
        path: a name among Lamina's datasets; or, with a folder in it, a file of the same kind.
        num_words: words from this number on are replaced by `oov_char`. None keeps all. (Keras replaces the rarest one even then.)
        skip_top: words below this number are replaced likewise.
        maxlen: reviews as long or longer are left out. None keeps them all.
        seed: of the order.
        start_char: what each review begins with, or None.
        oov_char: what stands for a word that is replaced; None leaves such words out.
        index_from: what is added to the number of each word.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: arrays of lists, and of 1 (praise) and 0 (blame).

    Raises:
        FileNotFoundError: if there is nothing at `path`.
        ValueError: if it is not such a file, or no review is shorter than `maxlen`.
        OSError: if it cannot be downloaded; the message says where to put it by hand.

    Source: Maas et al., Learning word vectors for sentiment analysis (2011).
    """
    x_train, y_train, x_test, y_test = read_npz(_SOURCE.file(path), "x_train", "y_train", "x_test", "y_test")
    draws = np.random.RandomState(seed)  # the order that Keras gives them
    train = shifted(*shuffled(x_train, y_train, draws), start_char, index_from, maxlen)
    test = shifted(*shuffled(x_test, y_test, draws), start_char, index_from, maxlen)
    texts, count = limited(train[0] + test[0], num_words, skip_top, oov_char), len(train[0])
    return (texts[:count], train[1]), (texts[count:], test[1])


def get_word_index(path: str | os.PathLike[str] = "imdb_word_index.json") -> dict[str, int]:
    """Returns the number of each word, before `index_from` is added to it.

    ::

        words = {number + 3: word for word, number in lamina.datasets.imdb.get_word_index().items()}
        print(*(words.get(number, "?") for number in x_train[0]))

    Args:
        path: a name among Lamina's datasets; or, with a folder in it, a file of the same kind.
    """
    return read_index(_WORDS.file(path))
