"""Datasets of images are read from files of one's own, in the formats that they are published in."""

import gzip
import io
import pickle
import tarfile

import keras
import numpy as np
import pytest

import lamina
from lamina.datasets import cifar10, cifar100, fashion_mnist, mnist, read_idx

RNG = np.random.default_rng(0)


def idx(array):
    codes = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
    big = array.astype(array.dtype.newbyteorder(">"))
    return bytes([0, 0, codes[array.dtype.name], array.ndim]) + np.array(array.shape, ">i4").tobytes() + big.tobytes()


def digits(number):
    return RNG.integers(0, 256, (number, 28, 28), dtype="uint8"), RNG.integers(0, 10, number, dtype="uint8")


def assert_equal(found, expected):
    for part, wanted in zip(found, expected, strict=True):
        for array, other in zip(part, wanted, strict=True):
            assert array.dtype == "uint8"  # Keras gives the labels of CIFAR-100 as int64
            np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
def test_idx_files_hold_any_array(tmp_path, dtype):
    array = RNG.integers(0, 100, (2, 3, 4)).astype(dtype)
    (tmp_path / "a").write_bytes(idx(array))
    (tmp_path / "b").write_bytes(gzip.compress(idx(array)))
    for name in "ab":
        found = read_idx(tmp_path / name)
        assert found.dtype == dtype and found.flags.writeable
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "content, said",
    [
        (b"\x93NUMPY", "not a file of the IDX format"),
        (b"", "not a file of the IDX format"),
        (idx(digits(2)[0])[:-1], "an array of shape .2, 28, 28. does not take 1,567 bytes"),
        (gzip.compress(idx(digits(2)[0]))[:-20], "is damaged"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, content, said):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_idx(tmp_path / "a")


@pytest.mark.parametrize("module, ending", [(mnist, "-ubyte"), (fashion_mnist, "-ubyte.gz")])
def test_digits_and_clothes_come_from_a_folder(tmp_path, module, ending):
    sets = digits(5), digits(3)
    for name, (images, labels) in zip(("train", "t10k"), sets, strict=True):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            (tmp_path / f"{name}-{kind}{ending}").write_bytes(gzip.compress(idx(array)) if ending.endswith("gz") else idx(array))
    assert_equal(module.load_data(tmp_path), sets)
    (tmp_path / f"train-labels-idx1{ending}").write_bytes(idx(digits(4)[1]))
    with pytest.raises(ValueError, match="5 images, but 4 labels"):
        module.load_data(tmp_path)
    (tmp_path / f"train-labels-idx1{ending}").unlink()
    with pytest.raises(FileNotFoundError, match=r"no file train-labels-idx1-ubyte or train-labels-idx1-ubyte\.gz"):
        module.load_data(str(tmp_path))


def test_digits_come_from_the_file_of_keras(tmp_path):
    sets = digits(5), digits(3)
    np.savez(tmp_path / "mnist.npz", x_train=sets[0][0], y_train=sets[0][1], x_test=sets[1][0], y_test=sets[1][1])
    assert_equal(mnist.load_data(tmp_path / "mnist.npz"), sets)


def archive(path, files):
    with tarfile.open(path, "w:gz") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("label_mode", ["fine", "coarse"])
def test_photographs_are_those_that_keras_reads_from_the_pickles(tmp_path, monkeypatch, label_mode):
    (tmp_path / "cifar-100-python").mkdir()
    binary = {}
    for name in ("train", "test"):
        pixels, (coarse, fine) = RNG.integers(0, 256, (4, 3072), dtype="uint8"), RNG.integers(0, 20, (2, 4), dtype="uint8")
        content = {b"data": pixels, b"coarse_labels": coarse.tolist(), b"fine_labels": fine.tolist()}
        (tmp_path / "cifar-100-python" / name).write_bytes(pickle.dumps(content))
        binary[f"cifar-100-binary/{name}.bin"] = np.hstack([coarse[:, None], fine[:, None], pixels]).tobytes()
    monkeypatch.setattr("keras.src.datasets.cifar100.get_file", lambda **_: str(tmp_path))  # the reference reads our files
    archive(tmp_path / "cifar.tar.gz", binary)
    found = cifar100.load_data(label_mode, tmp_path / "cifar.tar.gz")
    assert_equal(found, keras.datasets.cifar100.load_data(label_mode))
    assert found[0][0].shape == (4, 32, 32, 3) and found[0][1].shape == (4, 1)


def test_batches_of_photographs_are_one_array(tmp_path):
    images, labels = RNG.integers(0, 256, (12, 32, 32, 3), dtype="uint8"), np.arange(12, dtype="uint8")[:, None]
    records = np.hstack([labels, images.transpose(0, 3, 1, 2).reshape(12, -1)]).reshape(6, 2, -1)
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    contents = {f"cifar-10-batches-bin/{name}": batch.tobytes() for name, batch in zip(names, records, strict=True)}
    archive(tmp_path / "cifar.tar.gz", dict(reversed(contents.items())))
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for path in (tmp_path / "cifar.tar.gz", tmp_path):
        assert_equal(cifar10.load_data(path), ((images[:10], labels[:10]), (images[10:], labels[10:])))


def test_archives_that_are_not_the_dataset_are_refused(tmp_path):
    path = tmp_path / "cifar.tar.gz"
    with pytest.raises(FileNotFoundError, match="There is no file or folder"):
        cifar100.load_data(path=path)
    archive(path, {"cifar-100-python/train": b"a pickle"})
    with pytest.raises(ValueError, match=r"no train\.bin in .* the binary version of the dataset, not that for Python"):
        cifar100.load_data(path=path)
    archive(path, {"train.bin": bytes(3074), "test.bin": bytes(3073)})
    with pytest.raises(ValueError, match=r"test\.bin in .* is damaged: 3,073 bytes are not whole records of 3074"):
        cifar100.load_data(path=path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="not an archive of the dataset, or damaged"):
        cifar100.load_data(path=path)
    with pytest.raises(ValueError, match="Did you mean 'fine'"):
        cifar100.load_data("finer", path)


def test_boston_housing_is_left_out_and_said_why():
    with pytest.raises(AttributeError, match="scikit-learn has withdrawn it"):
        _ = lamina.datasets.boston_housing
