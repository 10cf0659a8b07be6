"""TextVectorization: texts as the numbers of their words."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import jax.numpy as jnp
import numpy as np

from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import one_of, positive
from lamina.layers.host_inputs import host_array, host_batches
from lamina.layers.lookup import StringLookup, refuse_file

_PUNCTUATION = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")
_STANDARDS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "strip_punctuation": lambda text: _PUNCTUATION.sub("", text),
    "lower_and_strip_punctuation": lambda text: _PUNCTUATION.sub("", text.lower()),
}
_SPLITS: dict[str, Callable[[str], list[str]]] = {"whitespace": str.split, "character": list}


class TextVectorization(Layer):
    """Texts as the numbers of their words, or as vectors of counts. It runs on the host, not in compiled code.

    A text is standardised, split into words, these are joined to n-grams, and each is looked up. Number 0 stands for no word and
    fills the shorter texts of a batch; 1 is for unknown words; then comes the vocabulary, commonest words first.

    Args:
        max_tokens: how many numbers there are at most; None is any.
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation", a function of a text, or None.
        split: "whitespace", "character", a function that returns a text's words, or None: a text is one word.
        ngrams: n for all runs of up to n words, or a tuple of the lengths wanted; None is single words.
        output_mode: "int": numbers, of shape (texts, words of the longest). "multi_hot", "count", "tf_idf": a vector for each text;
            see `StringLookup`.
        output_sequence_length: how many numbers a text is given in the mode "int": cut, or filled with 0.
        pad_to_max_tokens: whether vectors have max_tokens positions also where the vocabulary is smaller.
        vocabulary: the words in order, or the path of a text file with one in each line; None to take them from data, by `adapt`.
        idf_weights: for the mode "tf_idf", the inverse document frequency of each word.
        sparse: taken as Keras has it; only False is possible, and so with `ragged`.
        ragged: see `sparse`.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for arguments that do not go together.
        TypeError: when called, for what are not strings, and inside compiled code.

    >>> layer = lamina.layers.TextVectorization()
    >>> layer.adapt(["The cat sat.", "The dog ran!"])
    >>> print(layer(["the cat ran", "a dog"]))
    [[2 6 4]
     [1 5 0]]
    """

    _casts_inputs = False

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | Callable[[str], str] | None = "lower_and_strip_punctuation",
        split: str | Callable[[str], Sequence[str]] | None = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_mode = one_of(("int", "multi_hot", "count", "tf_idf"), output_mode, "output_mode", self)
        if ragged or (output_sequence_length is not None and output_mode != "int"):
            raise ValueError("TextVectorization takes output_sequence_length in the mode 'int' only, and no ragged=True.")
        self.standardize = self._function(standardize, _STANDARDS, "standardize")
        self.split = self._function(split, _SPLITS, "split")
        lengths: Any = () if ngrams is None else ngrams
        if not isinstance(lengths, (tuple, list)):
            lengths = range(1, positive(ngrams, "ngrams", self) + 1)
        self.ngrams = tuple(positive(length, "ngrams", self) for length in lengths)
        self.output_sequence_length = (
            None if output_sequence_length is None else positive(output_sequence_length, "output_sequence_length", self)
        )
        self.lookup = StringLookup(
            max_tokens,
            mask_token="",
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            sparse=sparse,
        )

    def _function(self, given: Any, known: dict[str, Callable[[str], Any]], name: str) -> Callable[[str], Any] | None:
        return given if given is None or callable(given) else known[one_of(tuple(known), given, name, self)]

    def _words(self, text: str) -> list[str]:
        """Returns the words, or n-grams, of a text."""
        text = text if self.standardize is None else self.standardize(text)
        words = [text] if self.split is None else list(self.split(text))
        if not self.ngrams:
            return words
        return [" ".join(words[i : i + n]) for n in self.ngrams for i in range(len(words) - n + 1)]

    def _documents(self, texts: Any) -> list[list[str]]:
        array = host_array(texts, self)
        if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1) or array.dtype != object:
            raise ValueError(f"The layer {self.path!r} takes texts, of shape (batch,) or (batch, 1), not of shape {array.shape}.")
        return [self._words(text) for text in array.flat]

    def adapt(self, data: Any) -> None:
        """Takes the vocabulary from texts, and forgets the one it had.

        Args:
            data: texts, in an array or a list; or batches: anything that yields arrays of texts, or tuples that begin with one.

        Raises:
            ValueError: if there are none.
        """
        self.lookup._adapt_to(document for batch in host_batches(data, self) for document in self._documents(batch))

    def call(self, inputs: Any) -> Array:
        """Returns the numbers of the words of each text, or a vector for each."""
        if not self.lookup.get_vocabulary(include_special_tokens=False):
            raise ValueError(f"The layer {self.path!r} has no vocabulary yet: call adapt(data), or set_vocabulary(words).")
        alone = isinstance(inputs, (str, bytes)) or np.ndim(inputs) == 0
        documents = self._documents(inputs)
        numbers = {word: self.lookup._number(word) for word in set(itertools.chain.from_iterable(documents))}
        length = self.output_sequence_length or max(map(len, documents), default=0)
        table = np.full((len(documents), length), 0 if self.output_mode == "int" else -1, "int32")
        for row, words in zip(table, documents, strict=True):
            row[: len(words)] = [numbers[word] for word in words[:length]]
        return self.lookup._encode(jnp.asarray(table[0] if alone else table))

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """Returns the words, in the order of their numbers."""
        return self.lookup.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Returns how many numbers there are."""
        return self.lookup.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the words, instead of those it had; see `StringLookup.set_vocabulary`."""
        self.lookup.set_vocabulary(vocabulary, idf_weights)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, with the vocabulary that it has now."""
        found = {key: value for key, value in self.lookup.get_config().items() if key in ("vocabulary", "idf_weights")}
        return {**super().get_config(), **found}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Returns a new layer from what `get_config` returned. Raises ValueError if that names a file of words."""
        refuse_file(config, cls)
        return super().from_config(config, custom_objects)
