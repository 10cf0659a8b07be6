"""Texts of Keras's files are read as Keras reads them, without unpickling; houses too."""

import csv
import gzip
import io
import json
import pickle
import zipfile

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.datasets import california_housing, imdb, mnist, reuters
from lamina.datasets.npz import read_npz
from properties import examples

RNG = np.random.default_rng(0)
COLUMNS = [
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
]


def texts(number):
    made = np.empty(number, object)
    made[:] = [RNG.integers(1, 60, RNG.integers(1, 9)).tolist() for _ in range(number)]
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    labels = RNG.integers(0, 2, 40)
    np.savez(folder / "imdb.npz", x_train=texts(40), y_train=labels, x_test=texts(40), y_test=labels[::-1])
    np.savez(folder / "reuters.npz", x=texts(40), y=RNG.integers(0, 46, 40))
    return folder


# num_words is always given: without it, Keras replaces the word with the greatest number.
@given(
    st.sampled_from([imdb, reuters]),
    st.integers(10, 70),
    st.integers(0, 20),
    st.sampled_from([None, 5, 8]),
    st.sampled_from([None, 0, 1, 7]),
    st.sampled_from([None, 0, 2]),
    st.integers(0, 5),
    st.integers(0, 99),
)
@examples(30)
def test_texts_are_those_of_keras(files, module, num_words, skip_top, maxlen, start_char, oov_char, index_from, seed):
    name = module.__name__.split(".")[-1]
    arguments = dict(num_words=num_words, skip_top=skip_top, maxlen=maxlen, seed=seed)
    arguments |= dict(start_char=start_char, oov_char=oov_char, index_from=index_from)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"keras.src.datasets.{name}.get_file", lambda **_: str(files / f"{name}.npz"))  # the reference reads our file
        expected = getattr(keras.datasets, name).load_data(**arguments)
    found = module.load_data(files / f"{name}.npz", **arguments)
    for (x, y), (x_wanted, y_wanted) in zip(found, expected, strict=True):
        assert x.dtype == object and [*x] == [list(text) for text in x_wanted]
        assert y.dtype == y_wanted.dtype and y.tolist() == y_wanted.tolist()


def test_all_words_are_kept_unless_num_words_says_otherwise(files):
    (x, _), (x_test, _) = imdb.load_data(files / "imdb.npz", start_char=None, index_from=0)
    with np.load(files / "imdb.npz", allow_pickle=True) as arrays:
        assert sorted(x) == sorted(arrays["x_train"]) and sorted(x_test) == sorted(arrays["x_test"])


def test_no_text_is_short_enough(files):
    with pytest.raises(ValueError, match="No text has fewer than maxlen=1 words"):
        reuters.load_data(files / "reuters.npz", maxlen=1)
    with pytest.raises(ValueError, match="test_split must be from 0 to 1, not 2"):
        reuters.load_data(files / "reuters.npz", test_split=2)


class Gadget:
    """A pickle of this would run code."""

    def __reduce__(self):
        return print, ("executed",)


def object_array(*items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


@pytest.mark.parametrize(
    "array, said",
    [
        (object_array([1], Gadget()), "it names builtins.print, which no list of integers needs"),
        (object_array([1], "text"), "holds something else"),
        (object_array([1], [Gadget]), "it names .*Gadget, which no list"),
        (object_array([1], np.arange(3)), "holds something else"),
        (object_array([1], [np.float64(1)]), "it names numpy.*scalar, which no list"),
    ],
)
def test_pickles_of_anything_but_lists_of_integers_are_refused(tmp_path, capsys, array, said):
    np.savez(tmp_path / "a.npz", y=np.arange(2), x=array)
    with pytest.raises(ValueError, match=said):
        reuters.load_data(tmp_path / "a.npz")
    assert capsys.readouterr().out == ""


PYTHON_2 = (  # what NumPy wrote there for an array of the lists [1, 2**40] and []
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
    b"\x89](](K\x01\x8a\x06\x00\x00\x00\x00\x00\x01e]etb."
)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_lists_are_read_whichever_python_wrote_them(tmp_path, protocol):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": (2,)})
    content = PYTHON_2 if protocol == 2 else pickle.dumps(object_array([1, 2**40], []), protocol)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + content)
    assert read_npz(tmp_path / "a.npz", "x") == [[[1, 2**40], []]]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(10)])
def test_damaged_files_are_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz cannot be read"):
        imdb.load_data(tmp_path / "a.npz")


def test_a_damaged_array_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=RNG.normal(size=500), y=RNG.normal(size=500))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[1000:1100] = bytes(100)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz cannot be read: .* It must hold x, y"):
        california_housing.load_data(path=tmp_path / "a.npz")


def test_files_of_something_else_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.array(["a", "b", "c"], object))
    for load in (lambda path: california_housing.load_data(path=path), mnist.load_data):
        with pytest.raises(ValueError, match=r"a\.npz cannot be read: .* It must hold x"):
            load(tmp_path / "a.npz")


@pytest.mark.parametrize("module", [imdb, reuters])
def test_words_have_numbers(tmp_path, module):
    (tmp_path / "words.json").write_text(json.dumps({"the": 1, "café": 2}))
    assert module.get_word_index(tmp_path / "words.json") == {"the": 1, "café": 2}


def test_topics_are_those_of_keras():
    assert reuters.get_label_names() == keras.datasets.reuters.get_label_names()


@pytest.mark.parametrize("version, test_split", [("large", 0.2), ("small", 0.35), ("large", 0)])
def test_houses_are_those_of_keras(tmp_path, monkeypatch, version, test_split):
    x, y = RNG.normal(size=(700, 8)).astype("float32"), RNG.normal(size=700).astype("float32")
    np.savez(tmp_path / "houses.npz", x=x, y=y)
    monkeypatch.setattr("keras.src.datasets.california_housing.get_file", lambda *_, **__: str(tmp_path / "houses.npz"))
    expected = keras.datasets.california_housing.load_data(version, test_split=test_split, seed=3)
    with gzip.open(tmp_path / "houses.csv.gz", "wt") as file:
        writer = csv.writer(file)
        writer.writerow(["median_house_value", *COLUMNS, "ocean_proximity"])
        writer.writerows([value, *row, "INLAND"] for value, row in zip(y, x, strict=True))
    for name in ("houses.npz", "houses.csv.gz"):
        found = california_housing.load_data(version, tmp_path / name, test_split, seed=3)
        for part, wanted in zip(found, expected, strict=True):
            for array, other in zip(part, wanted, strict=True):
                assert array.dtype == other.dtype
                np.testing.assert_array_equal(array, other)


def test_tables_of_houses_may_have_gaps_but_lack_no_column(tmp_path):
    path = tmp_path / "houses.csv"
    path.write_text(",".join([*COLUMNS, "median_house_value"]) + "\n1,2,3,4,,6,7,8,9\n")
    (x, y), _ = california_housing.load_data(path=path, test_split=0)
    assert np.isnan(x[0, 4]) and np.delete(x, 4).tolist() == [1, 2, 3, 4, 6, 7, 8] and y.tolist() == [9]
    path.write_text("longitude,latitude\n1,2\n")
    with pytest.raises(ValueError, match="has no column 'housing_median_age', but longitude, latitude"):
        california_housing.load_data(path=path)
    for arguments, said in {("medium", 0.2): "Unknown version 'medium'", ("large", 1): "and not 1 itself"}.items():
        with pytest.raises(ValueError, match=said):
            california_housing.load_data(arguments[0], path, arguments[1])
