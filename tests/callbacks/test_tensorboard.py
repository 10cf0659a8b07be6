"""TensorBoard writes what TensorBoard's own reader reads."""

import io
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import lamina
from callbacks.twins import data, line, train
from comparing import assert_close
from lamina import layers
from lamina.callbacks import LambdaCallback, TensorBoard
from lamina.inspect.graph_def import graph_def


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return events


def tensors(folder):
    """Returns, by tag, the step and the value of each event of a run."""
    events = read(folder)
    return {
        tag: [(event.step, make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]
    }


def scalars(folder):
    return {
        tag: [(step, float(value)) for step, value in values] for tag, values in tensors(folder).items() if values[0][1].ndim == 0
    }


def nodes(folder):
    return {node.name: node for node in read(folder).Graph().node}


# --- numbers -----------------------------------------------------------------------------------------------------------


def test_scalars_are_those_of_the_history_under_the_tags_of_keras(tmp_path):
    board = lambda of: [of.TensorBoard(tmp_path, write_steps_per_second=True)]  # noqa: E731
    _, history = train(lamina, board, epochs=3)
    fitted, held_out = scalars(tmp_path / "train"), scalars(tmp_path / "validation")
    assert fitted.keys() == {"epoch_loss", "epoch_mae", "epoch_learning_rate", "epoch_steps_per_second"}
    assert held_out.keys() == {"epoch_loss", "epoch_mae", "evaluation_loss_vs_iterations", "evaluation_mae_vs_iterations"}
    for name in ("loss", "mae"):
        assert fitted[f"epoch_{name}"] == list(enumerate(history.history[name]))
        validated = history.history[f"val_{name}"]
        assert held_out[f"epoch_{name}"] == list(enumerate(validated))
        assert held_out[f"evaluation_{name}_vs_iterations"] == list(zip((3, 6, 9), validated, strict=True))
    assert [rate for _, rate in fitted["epoch_learning_rate"]] == pytest.approx([0.02] * 3)
    assert all(speed > 0 for _, speed in fitted["epoch_steps_per_second"])
    assert "batch_loss" not in fitted


def test_evaluation_by_itself_is_written(tmp_path):
    (x, y), _ = data()
    value, _ = line(lamina).evaluate(x, y, verbose=0, callbacks=[TensorBoard(tmp_path)])
    assert scalars(tmp_path / "validation")["evaluation_loss_vs_iterations"] == [(0, value)]
    assert not (tmp_path / "train").exists()


@pytest.mark.parametrize("eagerly", [False, True])
def test_every_nth_batch_is_written_and_counted_from_fit_to_fit(tmp_path, eagerly):
    (x, y), _ = data()
    model, seen = line(lamina), []
    model.run_eagerly = eagerly
    note = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    board = TensorBoard(tmp_path, update_freq=2)
    fit = lambda board, **more: model.fit(x, y, batch_size=8, verbose=0, callbacks=[board, note], **more)  # noqa: E731
    fit(board, epochs=3)
    fit(board, epochs=5, initial_epoch=3)
    fit(
        TensorBoard(tmp_path, update_freq="batch"), epochs=6, initial_epoch=5
    )  # as another program does, with the optimizer's state
    written = scalars(tmp_path / "train")
    assert [step for step, _ in written["batch_loss"]] == [2, 4, 6, 8, 10, 12, 14, 16, 17, 18]
    assert all(value == pytest.approx(seen[step - 1]) for step, value in written["batch_loss"])
    assert [step for step, _ in written["epoch_loss"]] == list(range(6))


# --- speed -------------------------------------------------------------------------------------------------------------


def steps_of_dispatches(board, epochs=1):
    """Returns the steps of each run of the train step, in a model that has been trained before."""
    (x, y), _ = data(128)
    model = line(lamina)
    model.fit(x, y, batch_size=8, epochs=3, verbose=0)
    with lamina.watch() as story:
        model.fit(x, y, batch_size=8, epochs=epochs, verbose=0, callbacks=[board])
    return [run.steps for run in story.of("run") if run.name == "train step"]


def test_by_the_epoch_steps_are_not_dispatched_one_by_one(tmp_path):
    assert len(steps_of_dispatches(TensorBoard(tmp_path / "a", histogram_freq=1))) < 8
    assert steps_of_dispatches(TensorBoard(tmp_path / "b", update_freq="batch")) == [1] * 16


def test_every_nth_batch_is_the_last_of_a_dispatch(tmp_path):
    ends = np.cumsum(steps_of_dispatches(TensorBoard(tmp_path, update_freq=7), epochs=2))
    written = [step for step, _ in scalars(tmp_path / "train")["batch_loss"]]
    assert {step - 48 for step in written} <= set(ends.tolist()) and len(ends) < 20
    assert written == [49, 56, 63, 70, 77]


def test_only_what_is_profiled_is_dispatched_one_by_one(tmp_path):
    steps = steps_of_dispatches(TensorBoard(tmp_path, profile_batch=(19, 21)), epochs=3)
    ends = np.cumsum(steps).tolist()
    assert {18, 19, 20, 21} <= set(ends) and ends[-1] == 48 and len(steps) < 30
    assert len(list(tmp_path.glob("train/plugins/profile/*/*.xplane.pb"))) == 1


def test_hooks_of_ones_own_see_every_batch(tmp_path):
    class Mine(TensorBoard):
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            self.seen += 1

    board = Mine(tmp_path, update_freq=5)
    assert steps_of_dispatches(board, epochs=2) == [1] * 32 and board.seen == 32
    assert [step for step, _ in scalars(tmp_path / "train")["batch_loss"]] == [50, 55, 60, 65, 70, 75, 80]


def test_a_profiler_that_something_else_uses_is_left_alone(tmp_path):
    with jax.profiler.trace(str(tmp_path / "other")), pytest.warns(UserWarning, match="Batch 1 is not profiled: .*already"):
        train(lamina, lambda _: [TensorBoard(tmp_path, profile_batch=1)], epochs=1)
    assert [file.relative_to(tmp_path).parts[0] for file in tmp_path.rglob("*.xplane.pb")] == ["other"]


# --- the model ---------------------------------------------------------------------------------------------------------


def test_histograms_are_those_of_each_weight_under_its_path(tmp_path):
    (x, y), _ = data()
    model = lamina.Sequential([layers.Dense(5), layers.BatchNormalization(), layers.Dense(1)], name="net")
    model.compile("sgd", "mse")
    kept = {}

    def keep(epoch, logs):
        kept[epoch] = {weight.path: weight.numpy() for weight in model.weights}

    board = TensorBoard(tmp_path, histogram_freq=2)
    model.fit(x, y, epochs=4, verbose=0, callbacks=[LambdaCallback(on_epoch_end=keep), board])
    written = tensors(tmp_path / "train")
    assert {tag for tag in written if tag.endswith("/histogram")} == {f"{path}/histogram" for path in kept[0]}
    for path in kept[0]:
        assert [step for step, _ in written[f"{path}/histogram"]] == [0, 2]
        for step, (left, right, counts) in ((step, value.T) for step, value in written[f"{path}/histogram"]):
            weight = kept[step][path]
            assert counts.sum() == weight.size
            assert left[counts > 0].min() == weight.min() and right[counts > 0].max() == weight.max()
            width = right[0] - left[0]
            assert abs((counts * (left + right) / 2).sum() - weight.sum()) <= weight.size * width / 2 + 1e-6


def test_weights_that_are_no_numbers_or_all_one_are_written(tmp_path):
    (x, y), _ = data()
    model = line(lamina)
    model.fit(x * np.nan, y, verbose=0, callbacks=[TensorBoard(tmp_path, histogram_freq=1, write_images=True)])
    ((_, rows),) = tensors(tmp_path / "train")["sequential/dense/kernel/histogram"]
    assert rows.tolist() == np.zeros((30, 3)).tolist()
    flat = tmp_path / "flat"
    model.set_weights([np.full((8, 1), 2.0), [0.0]])
    model.compile(lamina.optimizers.SGD(0.0), "mse")
    model.fit(x, y, verbose=0, callbacks=[TensorBoard(flat, histogram_freq=1)])
    ((_, rows),) = tensors(flat / "train")["sequential/dense/kernel/histogram"]
    assert rows[-1].tolist() == [2, 2, 8] and rows[:, 2].sum() == 8


def test_images_show_weights_from_the_least_to_the_greatest(tmp_path):
    x = lamina.Input((6, 6, 2))
    h = layers.Conv2D(3, 2, name="conv")(x)
    y = layers.Dense(1, name="dense")(layers.Flatten()(h))
    model = lamina.Model(x, y, name="net")
    model.compile(lamina.optimizers.SGD(0.0), "mse")
    board = TensorBoard(tmp_path, histogram_freq=1, write_images=True)
    model.fit(np.ones((4, 6, 6, 2)), np.ones((4, 1)), verbose=0, callbacks=[board])
    written = tensors(tmp_path / "train")

    def picture(path):
        ((_, (width, height, png)),) = written[f"{path}/image"]
        pixels = np.asarray(Image.open(io.BytesIO(png)))
        assert (int(height), int(width)) == pixels.shape
        return pixels

    def shades(weight):
        return np.round(255 * (weight - weight.min()) / np.ptp(weight))

    kernel = model.get_layer("conv").kernel.numpy()
    tiles = picture("net/conv/kernel")
    assert tiles.shape == (4, 6)
    np.testing.assert_allclose(tiles[2:4, 0:2], shades(kernel)[:, :, 1, 0], atol=1)
    np.testing.assert_allclose(tiles[0:2, 4:6], shades(kernel)[:, :, 0, 2], atol=1)
    np.testing.assert_allclose(picture("net/dense/kernel"), shades(model.get_layer("dense").kernel.numpy()).T, atol=1)
    assert picture("net/conv/bias").tolist() == [[0, 0, 0]]
    with pytest.warns(UserWarning, match="write_images goes with the histograms"):
        TensorBoard(tmp_path, write_images=True)


def test_the_graph_has_the_calls_of_models_inside_models_and_each_weight(tmp_path):
    x = lamina.Input((3,), name="x")
    encoder = lamina.Sequential([lamina.Input((3,)), layers.Dense(4, name="a"), layers.Dense(3, name="b")], name="encoder")
    shared = layers.Dense(3, name="shared")
    y = layers.Dense(1, name="out")(shared(encoder(x)) + shared(x))
    model = lamina.Model(x, y, name="net")
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 3)), np.ones((2, 1)), epochs=2, verbose=0, callbacks=[TensorBoard(tmp_path)])
    drawn = nodes(tmp_path / "train")
    assert {name: node.op for name, node in drawn.items() if node.op != "Variable"} == {
        "net/x": "Input",
        "net/encoder/a": "Dense",
        "net/encoder/b": "Dense",
        "net/shared": "Dense",
        "net/shared_1": "Dense",
        "net/add": "add",
        "net/out": "Dense",
    }
    assert {name for name, node in drawn.items() if node.op == "Variable"} == {weight.path for weight in model.weights}
    assert list(drawn["net/encoder/a"].input) == ["net/x", "net/encoder/a/kernel", "net/encoder/a/bias"]
    assert list(drawn["net/encoder/b"].input) == ["net/encoder/a", "net/encoder/b/kernel", "net/encoder/b/bias"]
    assert sorted(drawn["net/add"].input) == ["net/shared", "net/shared_1"]
    assert all(source in drawn for node in drawn.values() for source in node.input)
    (shape,) = drawn["net/encoder/a"].attr["_output_shapes"].list.shape
    assert [dim.size for dim in shape.dim] == [-1, 4]


def test_the_graph_of_a_model_of_ones_own_is_the_tree_of_what_it_owns(tmp_path):
    class Net(lamina.Model):
        def __init__(self):
            super().__init__(name="net")
            self.blocks = [layers.Dense(3), layers.Dense(2)]
            self.head = lamina.Sequential([lamina.Input((2,), name="in"), layers.Dense(1, name="out")])
            self.scale = self.add_weight(())

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(x) * self.scale

    model = Net()
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 3)), np.ones((2, 1)), verbose=0, callbacks=[TensorBoard(tmp_path)])
    drawn = nodes(tmp_path / "train")
    assert list(drawn["net"].input) == ["net/blocks/0", "net/blocks/1", "net/head/out", "net/scale"]
    assert list(drawn["net/head/out"].input) == ["net/head/in", "net/head/out/kernel", "net/head/out/bias"]
    other = tmp_path / "other"
    model.fit(np.ones((2, 3)), np.ones((2, 1)), verbose=0, callbacks=[TensorBoard(other, write_graph=False)])
    assert not read(other / "train").Tags()["graph"]


def test_layers_that_know_their_owner_are_drawn_once():
    outer, inner = layers.Dense(1, name="outer"), layers.Dense(1, name="inner")
    outer.part, inner.whole = inner, outer
    assert sorted(node.op for node in graph_def(outer).node) == ["Dense", "Dense"]


def test_tables_of_embeddings_are_written_for_the_projector(tmp_path):
    from google.protobuf import text_format
    from tensorboard.plugins.projector import ProjectorConfig

    model = lamina.Sequential([layers.Embedding(5, 3, name="words"), layers.Flatten(), layers.Dense(1)], name="net")
    model.compile("sgd", "mse")
    fit = lambda board: model.fit(np.ones((2, 4)), np.ones((2, 1)), epochs=2, verbose=0, callbacks=[board])  # noqa: E731
    fit(TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": "words.tsv"}))
    config = text_format.Parse((tmp_path / "train" / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (table,) = config.embeddings
    assert (table.tensor_name, table.metadata_path) == ("net/words/embeddings", "../words.tsv")
    written = np.loadtxt(tmp_path / "train" / table.tensor_path, delimiter="\t")
    assert_close(written, model.get_layer("words").embeddings.numpy(), rtol=1e-6)
    with pytest.raises(
        ValueError, match=r"names 'word', which is not an Embedding layer of the model 'net'\. Did you mean 'words'"
    ):
        fit(TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"word": "words.tsv"}))


# --- what goes wrong ---------------------------------------------------------------------------------------------------


def test_what_a_failed_run_wrote_can_be_read_and_its_trace_is_ended(tmp_path):
    def fail(batch, logs):
        if batch == 2:
            raise OSError("the power failed")

    boards = [
        TensorBoard(tmp_path, histogram_freq=1, update_freq=1, profile_batch=(2, 100)),
        LambdaCallback(on_train_batch_end=fail),
    ]
    with pytest.raises(OSError, match="the power failed"):
        train(lamina, lambda _: boards)
    assert [step for step, _ in scalars(tmp_path / "train")["batch_loss"]] == [1, 2, 3]
    assert len(list(tmp_path.glob("train/plugins/profile/*/*.xplane.pb"))) == 1
    train(lamina, lambda _: [TensorBoard(tmp_path / "again", profile_batch=2)], epochs=1)
    assert len(list(tmp_path.glob("again/train/plugins/profile/*/*.xplane.pb"))) == 1


@pytest.mark.parametrize("blocked", ["", "train", "validation"])
def test_a_folder_that_cannot_be_written_to_fails_before_the_first_step(tmp_path, blocked):
    logs = tmp_path / "logs"
    if blocked:
        logs.mkdir()
    (logs / blocked).write_text("in the way")
    (x, y), held_out = data()
    model = line(lamina)
    with pytest.raises(OSError, match=r"TensorBoard cannot write to .*Give it another log_dir"):
        model.fit(x, y, verbose=0, validation_data=held_out, callbacks=[TensorBoard(logs)])
    assert int(model.optimizer.iterations) == 0


def test_bad_arguments_are_refused_by_name(tmp_path):
    for name, value in [
        ("update_freq", 0),
        ("update_freq", "epochs"),
        ("histogram_freq", -1),
        ("embeddings_freq", 1.5),
        ("profile_batch", (5, 2)),
        ("profile_batch", -1),
        ("profile_batch", (1, 2, 3)),
        ("log_dir", "gs://bucket/logs"),
    ]:
        with pytest.raises(ValueError, match=f"{name} of TensorBoard must be"):
            TensorBoard(**{"log_dir": tmp_path, name: value})
    with pytest.raises(TypeError, match="log_dir of TensorBoard must be"):
        TensorBoard(None)


def test_tensorflow_is_not_loaded_where_it_is_installed(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow was loaded')")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import numpy as np, lamina
model = lamina.Sequential([lamina.layers.Embedding(4, 2), lamina.layers.Dense(1)])
model.compile("sgd", "mse")
board = lamina.callbacks.TensorBoard({str(tmp_path / "logs")!r}, histogram_freq=1, write_images=True, embeddings_freq=1)
model.fit(np.ones((2, 1)), np.ones((2, 1, 1)), verbose=0, callbacks=[board])
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert (tmp_path / "logs" / "train" / "embeddings").is_dir()


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    with pytest.raises(ImportError, match=r'pip install "lamina\[tensorboard\]"'):
        TensorBoard()
