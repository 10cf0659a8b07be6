"""The scripts in `examples/` run end to end, on their own data and on files in the formats that they read, and learn."""

import csv
import gzip
import importlib.util
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_idx(path, array):
    content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.astype("uint8").tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_housing(path, table, names):
    """Writes blocks as the census has them: a category at the end, and now and then no number of bedrooms."""
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "ocean_proximity"])
        for number, row in enumerate(table):
            cells = [f"{value:.4f}" for value in row]
            cells[4] = "" if number % 10 == 0 else cells[4]
            writer.writerow([*cells, "INLAND" if number % 2 else "NEAR BAY"])


def test_lenet5_learns_from_files_in_the_format_of_mnist(tmp_path, capsys, monkeypatch):
    images, labels = (np.concatenate(arrays) for arrays in zip(*example("lenet5").small_digits(), strict=True))
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", np.rint(images[..., 0] * 255))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", labels)
    monkeypatch.setattr(sys, "argv", ["lenet5.py", "--data", str(tmp_path), "--epochs", "3"])
    runpy.run_path(str(FOLDER / "lenet5.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "1438 digits to learn from, 359 to test on" in printed
    assert float(printed.split(", accuracy ")[-1].split("%")[0]) > 85


def test_lenet5_keeps_the_test_set_of_mnist_apart(tmp_path):
    lenet5 = example("lenet5")
    sets = lenet5.small_digits()
    for name, (images, labels) in zip(["train", "t10k"], sets, strict=True):
        write_idx(tmp_path / f"{name}-images.idx3-ubyte", np.rint(images[..., 0] * 255))
        write_idx(tmp_path / f"{name}-labels.idx1-ubyte", labels)
    for (images, labels), (images_back, labels_back) in zip(sets, lenet5.mnist(tmp_path), strict=True):
        np.testing.assert_allclose(images_back, images, atol=0.5 / 255)
        np.testing.assert_array_equal(labels_back, labels)
        assert images_back.dtype == "float32"


def test_wide_and_deep_explains_what_made_up_houses_are_worth():
    assert 0.6 < example("wide_and_deep").main(epochs=10) < 1


def test_wide_and_deep_learns_from_the_files_of_the_census(tmp_path, capsys):
    wide_and_deep = example("wide_and_deep")
    table = wide_and_deep.made_up(2000)
    for name in ("california-housing.csv.gz", "california-housing.csv"):
        write_housing(tmp_path / name, table, wide_and_deep.COLUMNS)
        np.testing.assert_allclose(wide_and_deep.census(tmp_path), np.delete(table, np.s_[::10], axis=0), rtol=1e-4)
    assert 0.5 < wide_and_deep.main(tmp_path, epochs=10) < 1
    assert "1080 blocks to learn from, 360 to validate on, 360 to test on" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["lenet5", "wide_and_deep"])
def test_a_folder_without_the_data_is_named(tmp_path, name):
    with pytest.raises(SystemExit, match=f"(?s)There (is|are) no .*{tmp_path}"):
        example(name).main(tmp_path)


def test_the_gan_draws_all_around_the_ring():
    drawn = example("gan").main(epochs=15)
    distance, angle = np.linalg.norm(drawn, axis=1), np.arctan2(drawn[:, 1], drawn[:, 0])
    assert abs(distance.mean() - 2) < 0.2 and distance.std() < 0.4
    assert np.histogram(angle, 8, (-np.pi, np.pi))[0].min() > len(drawn) / 8 / 3


@pytest.mark.slow
def test_rows_are_read_by_a_gru_and_by_a_transformer(capsys):
    assert min(example("read_rows").main().values()) > 0.95
    assert "7190 digits to learn from, 359 to test on, each of 8 rows of 8 pixels" in capsys.readouterr().out


@pytest.mark.slow
def test_rows_of_mnist_are_read(tmp_path, capsys):
    rng = np.random.default_rng(0)
    sets = {f"x_{part}": rng.integers(0, 256, (number, 28, 28), "uint8") for part, number in (("train", 64), ("test", 32))}
    np.savez(tmp_path / "mnist.npz", **sets, y_train=np.arange(64) % 10, y_test=np.arange(32) % 10)
    example("read_rows").main(tmp_path / "mnist.npz", epochs=1)
    assert "64 digits to learn from, 32 to test on, each of 28 rows of 28 pixels" in capsys.readouterr().out


@pytest.mark.slow
def test_texts_are_told_apart(capsys):
    accuracy, most = example("text_classifier").main(count=400)
    assert accuracy > most + 0.2 and most < 0.4
    assert "960 paragraphs to learn from, 240 to test on" in capsys.readouterr().out


def test_the_value_of_houses_is_told_better_than_by_a_linear_fit(tmp_path):
    housing = example("housing")
    (x, y), _ = housing.made_up()
    x[::10, 4] = np.nan  # as in the census, where some numbers of bedrooms lack
    np.savez(tmp_path / "houses.npz", x=x, y=y)
    errors = housing.main(tmp_path / "houses.npz", epochs=8)
    assert errors["the model"] < 0.9 * errors["the linear fit"]


@pytest.mark.slow
def test_the_custom_layer_is_silent_where_it_is_asked_to_be(capsys):
    accuracies = example("custom_layer").main(epochs=8)
    printed = capsys.readouterr().out
    silent = [int(line.split("right, ")[1].split("%")[0]) for line in printed.splitlines() if "hidden units silent" in line]
    assert min(accuracies.values()) > 0.85 and silent[1] > silent[0] + 15
    assert "it has seen 11200 digits" in printed and "64 units, sparsity 1.0" in printed
