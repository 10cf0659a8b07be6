"""ModelCheckpoint saves when Keras's does, and what it saves are the weights of that moment."""

import numpy as np
import pytest

import lamina
from callbacks.twins import LIBRARIES, line, replay, train
from lamina.callbacks import CallbackList, LambdaCallback, ModelCheckpoint
from lamina.training.weights_file import load_weights


def saved(callback_of, folder, suffix, values):
    """Returns the weights, which are the numbers of epochs, in a folder that a callback saves in, by the names of files."""
    for library, end in zip(LIBRARIES, suffix, strict=True):
        replay(library, callback_of(library, str(folder / library.__name__ / f"{{epoch}}{end}")), values)
    ours, theirs = ({file.name.split(".")[0] for file in (folder / library.__name__).glob("*")} for library in LIBRARIES)
    return ours, theirs


@pytest.mark.parametrize(
    "arguments",
    [{}, {"save_best_only": True}, {"save_best_only": True, "mode": "max", "initial_value_threshold": 2.5}],
)
def test_saves_when_keras_does(tmp_path, arguments):
    def make(library, path):
        return library.callbacks.ModelCheckpoint(path, save_weights_only=True, **arguments)

    ours, theirs = saved(make, tmp_path, (".npz", ".weights.h5"), [3.0, 2.0, 2.0, 4.0, 1.0, 5.0])
    assert ours == theirs
    for name in ours:
        model = line(lamina, size=1)
        load_weights(model, tmp_path / "lamina" / f"{name}.npz")
        assert model.get_weights()[0] == int(name) - 1


def test_one_file_holds_the_best_and_is_replaced(tmp_path, capsys):
    save = ModelCheckpoint(tmp_path / "best.npz", save_best_only=True, verbose=1)
    replay(lamina, save, [2.0, 1.0, 3.0])
    assert [file.name for file in tmp_path.iterdir()] == ["best.npz"]
    assert np.load(tmp_path / "best.npz")["dense/kernel"] == 1
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 1: val_loss is 2.00000, an improvement.",
        f"Epoch 1: the weights are saved as {tmp_path / 'best.npz'}.",
        "Epoch 2: val_loss is 1.00000, an improvement from 2.00000.",
        f"Epoch 2: the weights are saved as {tmp_path / 'best.npz'}.",
        "Epoch 3: val_loss is 3.00000, no improvement on 1.00000.",
    ]
    replay(lamina, save, [1.5])
    assert save.best == 1.0 and np.load(tmp_path / "best.npz")["dense/kernel"] == 1


def test_every_so_many_batches_across_epochs(tmp_path):
    seen = {}

    def callbacks(of):
        keep = of.LambdaCallback(on_train_batch_end=lambda b, logs: seen.update({len(seen): (b + 1, save.model.get_weights()[0])}))
        save = of.ModelCheckpoint(tmp_path / "new" / "w-{epoch:02d}-{batch}-{loss:.2f}.npz", save_freq=2)
        return [save, keep]

    train(lamina, callbacks, epochs=3)  # of three batches each
    files = sorted((tmp_path / "new").iterdir())
    assert [file.name[:7] for file in files] == ["w-01-2-", "w-02-1-", "w-02-3-", "w-03-2-"]
    for file, step in zip(files, (1, 3, 5, 7), strict=True):
        np.testing.assert_array_equal(np.load(file)["dense/kernel"], seen[step][1])


def test_only_a_number_of_batches_makes_it_see_batches(tmp_path):
    assert not CallbackList([ModelCheckpoint("w.npz")])._sees_batches("train")
    assert CallbackList([ModelCheckpoint("w.npz", save_freq=3)])._sees_batches("train")
    assert not CallbackList([ModelCheckpoint("w.npz", save_freq=3)])._sees_batches("test")

    class Counting(ModelCheckpoint):
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            self.seen += 1

    save = Counting(tmp_path / "{epoch}-{batch}.npz", save_freq=2)
    train(lamina, lambda _: [save], epochs=1)
    assert save.seen == 3 and [file.name for file in tmp_path.iterdir()] == ["1-2.npz"]


def test_epochs_without_the_value_do_not_replace_the_best(tmp_path):
    save = ModelCheckpoint(tmp_path / "best.npz", save_best_only=True)
    epochs = []
    note = LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(np.load(tmp_path / "best.npz")["dense/kernel"]))
    with pytest.warns(UserWarning, match="ModelCheckpoint monitors 'val_loss', which is not in the logs") as warned:
        model, history = train(lamina, lambda _: [save, note], epochs=3, validation_freq=2)
    assert len(warned) == 1 and len(history.history["val_loss"]) == 1
    np.testing.assert_array_equal(epochs[2], epochs[1])
    assert np.abs(epochs[0] - epochs[1]).max() > 0 and np.abs(model.get_weights()[0] - epochs[2]).max() > 0


@pytest.mark.parametrize("name", ["w-{}.npz", "w-{0}.npz", "w-{epoch.npz", "w-{epoch:zz}.npz", "w-{loss:d}.npz"])
def test_a_name_that_cannot_be_filled_in_is_refused(name):
    with pytest.raises(ValueError, match="filepath of ModelCheckpoint must name what stands in it"):
        ModelCheckpoint(name)


def test_names_of_other_files_are_refused():
    for name in ("w.weights.h5", "model.keras", "w"):
        with pytest.raises(ValueError, match=r"end with '\.npz', not as"):
            ModelCheckpoint(name)
    with pytest.raises(TypeError, match="not 3"):
        ModelCheckpoint(3)


def test_a_value_that_the_logs_lack_cannot_name_a_file(tmp_path):
    save = ModelCheckpoint(tmp_path / "w-{acc:.2f}.npz")
    with pytest.raises(ValueError, match=r"'acc' stands in .* but there is only val_loss, epoch"):
        replay(lamina, save, [1.0])
    assert not list(tmp_path.iterdir())
