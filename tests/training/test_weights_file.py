"""Weights in a file: what is loaded is what was saved, or nothing is changed."""

import resource
import zipfile

import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.training.weights_file import load_weights, save_weights


class Nest(lamina.Model):
    """Layers in lists, dicts and models, a weight by the name of an argument of np.savez, state, and dtypes that NumPy lacks."""

    def __init__(self, name=None):
        super().__init__(name=name)
        self.steps = [layers.Dense(3), layers.Dense(3, dtype="bfloat16"), layers.BatchNormalization()]
        self.heads = {"a": lamina.Sequential([layers.Dense(2), layers.Dense(2, name="last")])}
        self.again = self.steps[0]
        self.file = self.add_weight((2,), initializer="normal")
        self.seen = self.add_weight((), dtype="int32", initializer="zeros", trainable=False)

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return self.heads["a"](x) + self.file


def nest(seed, **named):
    lamina.random.set_seed(seed)
    model = Nest(**named)
    model.build((None, 3))
    model.seen.assign(seed)
    return model


def same(model, values):
    return all(np.array_equal(weight, value) for weight, value in zip(model.get_weights(), values, strict=True))


def test_weights_come_back_by_their_paths(tmp_path):
    model, other = nest(1, name="one"), nest(2, name="two")
    assert not same(other, model.get_weights())
    save_weights(model, tmp_path / "made" / "w.npz")
    with np.load(tmp_path / "made" / "w.npz", allow_pickle=False) as arrays:
        assert len(arrays.files) == len(model.weights) == 14
        assert {"file", "steps/1/kernel", "heads/a/dense/kernel", "heads/a/last/bias"} < set(arrays.files)
    load_weights(other, tmp_path / "made" / "w.npz")  # whose automatic names have other numbers
    assert same(other, model.get_weights()) and other.steps[1].kernel.dtype == "bfloat16"
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["w.npz"]


def test_a_part_that_two_models_share_goes_by_its_place_in_each(tmp_path):
    x = lamina.Input((2,))
    hidden = layers.Dense(3, name="hidden")(x)
    encoder = lamina.Model(x, hidden, name="encoder")
    whole = lamina.Model(x, layers.Dense(1, name="out")(hidden))
    for model in (encoder, whole):
        save_weights(model, tmp_path / f"{model.name}.npz")
        before = model.get_weights()
        model.set_weights([value + 1 for value in before])
        load_weights(model, tmp_path / f"{model.name}.npz")
        assert same(model, before)
    assert sorted(np.load(tmp_path / "encoder.npz").files) == ["hidden/bias", "hidden/kernel"]
    assert "hidden/kernel" in np.load(tmp_path / f"{whole.name}.npz").files


def chain(*made):
    model = lamina.Sequential([lamina.Input((2,)), *made])
    return model, model.get_weights()


def test_automatic_names_may_have_other_numbers_and_given_names_may_not(tmp_path):
    model, values = chain(layers.Dense(2), layers.Dense(2), layers.Dense(2, name="last"))
    save_weights(model, tmp_path / "w.npz")
    fresh, before = chain(layers.Dense(2), layers.Dense(2), layers.Dense(2, name="last"))
    assert fresh.layers[0].name == "dense_2" and not same(fresh, values)
    load_weights(fresh, tmp_path / "w.npz")
    assert same(fresh, values)
    others = [
        (layers.Dense(2), layers.Dense(2), layers.Dense(2, name="last_1")),
        (layers.Dense(2), layers.Dense(2)),
        (layers.Dense(2), layers.EinsumDense("ab,bc->ac", 2, bias_axes="c"), layers.Dense(2, name="last")),
    ]
    for made in others:
        other, before = chain(*made)
        with pytest.raises(ValueError, match=r"are not those of .* The file lacks .* besides, it has .*No weight was set"):
            load_weights(other, tmp_path / "w.npz")
        assert same(other, before)


@pytest.mark.parametrize(
    "kernel, message",
    [
        (np.zeros((3, 2), "float32"), r"has shape \(2, 2\), but the value given for it has shape \(3, 2\)"),
        (np.zeros((2, 2), "complex64"), "takes numbers"),
        (np.full((2, 2), "x"), "takes numbers"),
        (np.full((2, 2), None), "cannot be read"),
    ],
)
def test_nothing_is_set_where_one_value_does_not_fit(tmp_path, kernel, message):
    model, before = chain(layers.Dense(2, name="dense"))
    np.savez(tmp_path / "w.npz", **{"dense/bias": np.ones(2, "float32"), "dense/kernel": kernel})
    with pytest.raises(ValueError, match=message) as failure:
        load_weights(model, tmp_path / "w.npz")
    assert str(tmp_path / "w.npz") in str(failure.value) + "".join(getattr(failure.value, "__notes__", []))
    assert same(model, before)


def test_damaged_files_are_refused(tmp_path):
    model, before = chain(layers.Dense(50, name="dense"))
    file = tmp_path / "w.npz"
    save_weights(model, file)
    whole = file.read_bytes()
    at = whole.index(before[0].tobytes()[:16])
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    for damaged, message in [(whole[:-40], "not a whole .npz"), (b"hello", "not a whole .npz"), (flipped, "Bad CRC-32")]:
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=message):
            load_weights(model, file)
        assert same(model, before)
    with pytest.raises(FileNotFoundError):
        load_weights(model, tmp_path / "none.npz")


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path):
    model, before = chain(layers.Dense(50, name="dense"))
    file = tmp_path / "w.npz"
    save_weights(model, file)
    model.set_weights([value + 1 for value in before])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            save_weights(model, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [found.name for found in tmp_path.iterdir()] == ["w.npz"]
    load_weights(model, file)
    assert same(model, before)


def test_a_link_stays_a_link_and_a_folder_a_folder(tmp_path):
    model, _ = chain(layers.Dense(2, name="dense"))
    (tmp_path / "far").mkdir()
    (tmp_path / "near.npz").symlink_to(tmp_path / "far" / "w.npz")
    save_weights(model, tmp_path / "near.npz")
    assert (tmp_path / "near.npz").is_symlink() and zipfile.is_zipfile(tmp_path / "far" / "w.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(IsADirectoryError, match="that is a folder"):
        save_weights(model, tmp_path / "folder.npz")


def test_a_model_that_is_not_built_is_refused(tmp_path):
    model = lamina.Sequential([layers.Dense(2, name="dense")])
    with pytest.raises(ValueError, match="is not built yet, so it has no weights to save"):
        save_weights(model, tmp_path / "w.npz")
    save_weights(chain(layers.Dense(2, name="dense"))[0], tmp_path / "w.npz")
    with pytest.raises(ValueError, match="The model is not built yet"):
        load_weights(model, tmp_path / "w.npz")
