"""StringLookup and IntegerLookup: the number that each word of a vocabulary has."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import jax.numpy as jnp
import numpy as np

from lamina.core.checks import is_integer
from lamina.core.jax_internals import is_tracer
from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import hash_key, one_of, positive
from lamina.layers.encoding import MODES, encoded, no_sparse
from lamina.layers.fingerprint import hashed
from lamina.layers.hashing import text
from lamina.layers.host_inputs import host_array, host_batches, per_value

_UNKNOWN = "Unknown words have no number here, for num_oov_indices is 0"


class Lookup(Layer):
    """What both lookups share: a vocabulary, on the host, and the ways to give numbers.

    Numbers begin with 0 for the mask token, where there is one and the mode is "int"; then come those of unknown words, then
    the vocabulary, commonest words first.

    Args:
        max_tokens: how many numbers there are at most; None is any.
        num_oov_indices: how many numbers unknown words share.
        mask_token: a word that stands for no word, or None.
        oov_token: what unknown words are called.
        vocabulary: the words in order, or the path of a text file with one in each line; None to take them from data, by `adapt`.
        idf_weights: for the mode "tf_idf", the inverse document frequency of each word.
        invert: whether to give words for numbers instead.
        output_mode: "int": a number for each word. "one_hot", "multi_hot", "count": vectors, see `CategoryEncoding`. "tf_idf": as
            "count", each count multiplied with the word's inverse document frequency log(1 + documents / (1 + documents with it)).
        pad_to_max_tokens: whether vectors have max_tokens positions also where the vocabulary is smaller.
        sparse: taken as Keras has it; only False is possible.
        kwargs: what `lamina.Layer` takes.
    """

    _casts_inputs = False
    _words_are: type = str

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        pad_to_max_tokens: bool,
        sparse: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.num_oov_indices = positive(num_oov_indices, "num_oov_indices", self) if num_oov_indices != 0 else 0
        self.output_mode = one_of((*MODES, "tf_idf"), output_mode, "output_mode", self)
        for name, token in (("mask_token", mask_token), ("oov_token", oov_token)):
            if token is not None and not (isinstance(token, str) if self._words_are is str else is_integer(token)):
                word = "a string" if self._words_are is str else "an integer"
                raise TypeError(f"{name} of {kind} must be {word}, or None, not {token!r}.")
        self.mask_token, self.oov_token, self.invert = mask_token, oov_token, bool(invert)
        if invert and output_mode != "int":
            raise ValueError(f"{kind} with invert=True gives words, so output_mode must be 'int', not {output_mode!r}.")
        self.max_tokens = None if max_tokens is None else positive(max_tokens, "max_tokens", self)
        if self.max_tokens is not None and self.max_tokens <= self._first:
            raise ValueError(
                f"max_tokens of {kind} must be more than {self._first}, the numbers of what are not words, not {max_tokens}."
            )
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(f"pad_to_max_tokens of {kind} needs max_tokens.")
        if idf_weights is not None and (output_mode != "tf_idf" or vocabulary is None):
            raise ValueError(f"idf_weights of {kind} are for output_mode='tf_idf' and a vocabulary beside them.")
        self.pad_to_max_tokens = bool(pad_to_max_tokens)
        no_sparse(sparse, self)
        self._words: list[Any] = []
        self._idf: np.ndarray | None = None
        self._numbers: dict[Any, int] | None = None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    @property
    def _masked(self) -> int:
        return int(self.mask_token is not None and self.output_mode == "int")

    @property
    def _first(self) -> int:
        """The number of the first word."""
        return self._masked + self.num_oov_indices

    # --- the vocabulary ----------------------------------------------------------------------------------------------

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the words, instead of those it had.

        Args:
            vocabulary: the words in order, with or without those that stand for no word and for unknown words at the beginning;
                or the path of a text file with one in each line.
            idf_weights: the inverse document frequency of each word, for the mode "tf_idf".

        Raises:
            ValueError: for words that come twice, too many of them, or weights that are not as many.
        """
        given = _lines(vocabulary) if isinstance(vocabulary, (str, os.PathLike)) else vocabulary
        if not isinstance(given, Iterable):
            raise TypeError(f"The vocabulary of the layer {self.path!r} must be words or the path of a file, not {vocabulary!r}.")
        words = [self._words_are(word) for word in given]
        special = self._get_special()
        if special and words[: len(special)] == special:
            words = words[len(special) :]
        twice = [word for word, count in Counter(words).items() if count > 1]
        reserved = [word for word in words if word in (self.mask_token, self.oov_token)]
        if twice or reserved:
            wrong = f"the words {twice[:5]} twice" if twice else f"{reserved[:5]}, which it has anyway, in another place than first"
            raise ValueError(f"The vocabulary of the layer {self.path!r} has {wrong}.")
        if self.max_tokens is not None and len(words) + self._first > self.max_tokens:
            raise ValueError(
                f"The vocabulary of the layer {self.path!r} has {len(words)} words, and there are {self._first} numbers for what "
                f"are not words: more than max_tokens={self.max_tokens}."
            )
        weights = None if idf_weights is None else np.asarray(idf_weights, "float32")
        if (self.output_mode == "tf_idf") != (weights is not None) or (weights is not None and weights.shape != (len(words),)):
            raise ValueError(
                f"The layer {self.path!r}, with output_mode={self.output_mode!r}, takes idf_weights "
                + (f"for each of its {len(words)} words." if self.output_mode == "tf_idf" else "in the mode 'tf_idf' only.")
            )
        self._words, self._idf = words, weights
        self._numbers = {word: i + self._first for i, word in enumerate(words)}

    def _host_state(self) -> dict[str, Any]:
        return {"vocabulary": None if self._numbers is None else list(self._words), "idf_weights": self._idf}

    def _set_host_state(self, state: dict[str, Any]) -> None:
        if state["vocabulary"] is None:
            self._words, self._idf, self._numbers = [], None, None
        else:
            self.set_vocabulary(state["vocabulary"], state["idf_weights"])

    def _get_special(self) -> list[Any]:
        """Returns the tokens before the words: those for no word and for unknown words."""
        return [self.mask_token] * self._masked + [self.oov_token] * self.num_oov_indices

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Returns the words, in the order of their numbers.

        Args:
            include_special_tokens: whether to begin with what stands for no word and for unknown words.
        """
        return [*(self._get_special() if include_special_tokens else ()), *self._words]

    def vocabulary_size(self) -> int:
        """Returns how many numbers there are."""
        return self._first + len(self._words)

    def adapt(self, data: Any) -> None:
        """Takes the vocabulary from data, and forgets the one it had: commonest words first, equals in reverse order.

        Args:
            data: words, in an array or nested lists, each row a document; or batches: anything that yields arrays, or tuples that
                begin with one.

        Raises:
            ValueError: if there are no data.
        """
        self._adapt_to(row for batch in host_batches(data, self) for row in (batch.reshape(-1, 1) if batch.ndim < 2 else batch))

    def _adapt_to(self, documents: Iterable[Any]) -> None:
        """Takes the vocabulary from documents: iterables of words."""
        counts: Counter[Any] = Counter()
        documents_with: Counter[Any] = Counter()
        number = 0
        for document in documents:
            words = [self._words_are(word) for word in np.ravel(document)]
            counts.update(words)
            documents_with.update(set(words))
            number += 1
        if not number:
            raise ValueError(f"The layer {self.path!r} was given no data to adapt to.")
        for special in (self.mask_token, self.oov_token):
            counts.pop(special, None)
        words = sorted(counts, key=lambda word: (counts[word], word), reverse=True)
        words = words[: None if self.max_tokens is None else self.max_tokens - self._first]
        weights = [np.log1p(number / (1 + documents_with[word])) for word in words] if self.output_mode == "tf_idf" else None
        self.set_vocabulary(words, weights)

    # --- the call ----------------------------------------------------------------------------------------------------

    def call(self, inputs: Any) -> Any:
        """Returns the numbers of words, encoded; or the words, as a NumPy array, with `invert`."""
        if self._numbers is None:
            raise ValueError(f"The layer {self.path!r} has no vocabulary yet: call adapt(data), or set_vocabulary(words).")
        if self.invert:
            return self._inverted(host_array(inputs, self))
        return self._encode(self._lookup(inputs))

    def _lookup(self, inputs: Any) -> Array:
        """Returns the number of each word; -1 for what has none."""
        return jnp.asarray(per_value(host_array(inputs, self), self._number), "int32")

    def _number(self, word: Any) -> int:
        """Returns the number of one word; -1 if it has none."""
        assert self._numbers is not None
        word = self._words_are(word)
        number = self._numbers.get(word)
        if number is not None:
            return number
        if word == self.mask_token:
            return 0 if self._masked else -1
        if self.num_oov_indices:
            return self._masked + (self._unknown(word) if self.num_oov_indices > 1 else 0)
        if self.output_mode == "int":
            raise ValueError(f"The layer {self.path!r} was given {word!r}, which is not in its vocabulary. {_UNKNOWN}.")
        return -1

    def _unknown(self, word: Any) -> Any:
        """Returns which of the numbers of unknown words a word is given, counted from 0."""
        raise NotImplementedError

    def _inverted(self, numbers: np.ndarray) -> np.ndarray:
        words = self.get_vocabulary()
        found = [words[n] if 0 <= n < len(words) else self.oov_token for n in map(int, numbers.flat)]
        return np.array(found, "str" if self._words_are is str else "int64").reshape(numbers.shape)

    def _encode(self, numbers: Array) -> Array:
        """Returns numbers in the layer's mode."""
        depth = self.max_tokens if self.pad_to_max_tokens and self.max_tokens is not None else self.vocabulary_size()
        if self.output_mode != "tf_idf":
            return encoded(numbers, self.output_mode, depth, "int32")
        assert self._idf is not None
        mean = self._idf.mean() if self._idf.size else 0.0
        weights = np.zeros(depth, "float32")
        weights[: self.vocabulary_size()] = [*[mean] * self.num_oov_indices, *self._idf]
        return encoded(numbers, "count", depth, self.compute_dtype) * weights

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, with the vocabulary that it has now."""
        config = super().get_config()
        if self._numbers is not None:
            config["vocabulary"] = list(self._words)
            config["idf_weights"] = None if self._idf is None else [float(weight) for weight in self._idf]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Returns a new layer from what `get_config` returned. Raises ValueError if that names a file of words."""
        refuse_file(config, cls)
        return super().from_config(config, custom_objects)


def refuse_file(config: Mapping[str, Any], cls: type) -> None:
    """Raises ValueError if a config names a file of words: configs may come from anybody, and open no files of this machine."""
    vocabulary = config.get("vocabulary")
    if isinstance(vocabulary, (str, os.PathLike)):
        raise ValueError(
            f"The config of {cls.__name__} names a file, {vocabulary!r}, and what a config names is not opened. A config holds the "
            "words themselves, as get_config() writes them; or make the layer without words, and call set_vocabulary(path)."
        )


class StringLookup(Lookup):
    """The number that each string has in a vocabulary. It runs on the host, not in compiled code.

    Numbers begin with 0 for the mask token, where there is one and the mode is "int"; then come those of unknown words, then
    the vocabulary, commonest words first.

    Args:
        max_tokens: how many numbers there are at most; None is any.
        num_oov_indices: how many numbers unknown words share, by their hash; 0 refuses them.
        mask_token: a word that stands for no word, or None.
        oov_token: what unknown words are called.
        vocabulary: the words in order, or the path of a text file with one in each line; None to take them from data, by `adapt`.
        idf_weights: for the mode "tf_idf", the inverse document frequency of each word.
        invert: whether to give words for numbers instead.
        output_mode: "int": a number for each word. "one_hot", "multi_hot", "count": vectors, see `CategoryEncoding`. "tf_idf": as
            "count", each count multiplied with the word's inverse document frequency log(1 + documents / (1 + documents with it)).
        pad_to_max_tokens: whether vectors have max_tokens positions also where the vocabulary is smaller.
        sparse: taken as Keras has it; only False is possible.
        salt: an integer, or two of them, that change which unknown words share a number.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for arguments that do not go together; when called, for unknown words where num_oov_indices is 0.
        TypeError: when called, for what are neither strings nor integers, and inside compiled code.

    >>> layer = lamina.layers.StringLookup()
    >>> layer.adapt(["red", "blue", "red"])
    >>> print(layer(["red", "green", "blue"]), layer.get_vocabulary())
    [1 0 2] ['[UNK]', 'red', 'blue']
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            pad_to_max_tokens,
            sparse,
            **kwargs,
        )
        self.salt = hash_key(salt, self)

    def _unknown(self, word: str) -> int:
        """Returns which of the numbers of unknown words a word is given: by its fingerprint."""
        return hashed(word.encode(), self.salt) % self.num_oov_indices


class IntegerLookup(Lookup):
    """The number that each integer has in a vocabulary of integers.

    As `StringLookup`, but for integers, and in compiled code too, where the mode is not "tf_idf" and unknown integers have numbers.

    Args:
        max_tokens: how many numbers there are at most; None is any.
        num_oov_indices: how many numbers unknown integers share, as `oov_method` says; 0 refuses them.
        mask_token: an integer that stands for none, or None.
        oov_token: what unknown integers are called.
        vocabulary: the integers in order, or the path of a text file with one in each line; None to take them from data.
        vocabulary_dtype: taken as Keras has it.
        idf_weights: see `StringLookup`, as are all that follow.
        invert: whether to give the vocabulary's integers for numbers instead.
        output_mode: "int", "one_hot", "multi_hot", "count" or "tf_idf".
        sparse: taken as Keras has it; only False is possible.
        pad_to_max_tokens: whether vectors have max_tokens positions also where the vocabulary is smaller.
        oov_method: "floormod": an unknown integer is given its remainder; "farmhash": that of its hash, which compiled code does
            not know.
        salt: an integer, or two of them, that change the hash.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for arguments that do not go together; when called, for unknown integers where num_oov_indices is 0.
        TypeError: inside compiled code, for a way to number unknown integers that is not known there.

    >>> print(lamina.layers.IntegerLookup(vocabulary=[12, 36])(np.array([36, 7, 12])))
    [2 0 1]
    """

    _words_are = int

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: Any = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        one_of(("int32", "int64"), vocabulary_dtype, "vocabulary_dtype", self)
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            pad_to_max_tokens,
            sparse,
            **kwargs,
        )
        self.oov_method = one_of(("floormod", "farmhash"), oov_method, "oov_method", self)
        self.salt = hash_key(salt, self)
        if self.salt is not None and self.oov_method != "farmhash":
            raise ValueError(f"salt of IntegerLookup is for oov_method='farmhash', not {oov_method!r}.")

    def _unknown(self, word: Any) -> Any:
        """Returns which of the numbers of unknown integers one is given: its remainder, or that of its hash."""
        return (hashed(text(word), self.salt) if self.oov_method == "farmhash" else word) % self.num_oov_indices

    def _lookup(self, inputs: Any) -> Array:
        """Returns the number of each integer; -1 for what has none."""
        if not is_tracer(inputs):
            return super()._lookup(inputs)
        if not self.num_oov_indices and self.output_mode == "int":
            raise TypeError(f"The layer {self.path!r} cannot tell inside compiled code which integers are unknown. {_UNKNOWN}.")
        if self.num_oov_indices > 1 and self.oov_method == "farmhash":
            raise TypeError(
                f"The layer {self.path!r} cannot hash integers inside compiled code. Call it on data before they go in."
            )
        assert self._numbers is not None
        special = {} if self.mask_token is None else {self.mask_token: 0 if self._masked else -1}
        known = sorted({**self._numbers, **special}.items())
        keys, numbers = (jnp.asarray(column, "int32") for column in zip(*known, strict=True)) if known else (jnp.zeros(1),) * 2
        place = jnp.minimum(jnp.searchsorted(keys, inputs), len(keys) - 1)
        others = self._masked + inputs % self.num_oov_indices if self.num_oov_indices else jnp.full_like(inputs, -1)
        return jnp.where(keys[place] == inputs, numbers[place], others).astype("int32")


def _lines(path: str | os.PathLike[str]) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()
