"""TensorBoard: the course of training, for TensorBoard to show."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lamina.callbacks.callback import Callback, Logs, not_every_batch
from lamina.callbacks.checks import count
from lamina.callbacks.event_file import EventFile, require_tensorboard
from lamina.callbacks.profile import Profile
from lamina.callbacks.projector import Projector
from lamina.core.errors import warn

_MOST_PICTURES = 3  # of one weight, as in Keras


class TensorBoard(Callback):
    """Writes the course of training to files that TensorBoard shows: `tensorboard --logdir logs`.

    Numbers go by the tags that Keras gives them: `epoch_loss` and so on by the epoch, for training in the run `train` and for
    validation in the run `validation`; `epoch_learning_rate`; `evaluation_loss_vs_iterations`, by the optimizer's steps, for each
    evaluation. With an update_freq there are `batch_loss` and so on too, by the number of batches so far. That goes on from one
    fit to the next, and, where the optimizer's state is kept, from one program to the next.

    Weights go by their paths, so each has a tag of its own: `net/hidden/kernel/histogram`.

    Each event can be read as soon as it has happened, so nothing is lost when training fails. TensorFlow is never loaded.

    Args:
        log_dir: the folder. It is made if it is not there.
        histogram_freq: after how many epochs to write histograms of the weights; 0 writes none. NaN and infinity are not counted.
        write_graph: whether to write the model as a graph: the calls of functional models and Sequentials, and for other layers
            what they own.
        write_images: whether to write weights as pictures too, when their histograms are written. Black is the least number of
            a weight, white the greatest. A weight of three axes is a picture for each of the first three numbers of its last
            axis; a kernel of four is one picture of tiles, the inputs downwards and the outputs across.
        write_steps_per_second: whether to write how many steps a second training takes.
        update_freq: "epoch", or after how many batches to write losses and metrics; "batch" is 1. So many steps at most are then
            one program, so that low numbers slow small models down.
        profile_batch: the number, from 1, of a batch of each fit to profile, or the first and the last of several; 0 is none.
            TensorBoard shows the trace if the package `tensorboard-plugin-profile` is installed. These steps are dispatched one
            by one.
        embeddings_freq: after how many epochs to write the tables of Embedding layers for TensorBoard's projector, over those
            from before; 0 writes none.
        embeddings_metadata: a file in log_dir with a line about each row of a table, or a dict of such files by layers' names.

    Raises:
        ImportError: if the package `tensorboard` is not installed, which `lamina[tensorboard]` does.
        TypeError: if log_dir is not a path.
        ValueError: for an argument that is none of these; when training begins, if embeddings_metadata names what is no
            Embedding layer.
        OSError: when training or evaluation begins, if log_dir cannot be written to.

    >>> import tempfile, pathlib
    >>> logs = pathlib.Path(tempfile.mkdtemp())
    >>> model = lamina.Sequential([lamina.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> board = lamina.callbacks.TensorBoard(logs, histogram_freq=1)
    >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[board], validation_split=0.5)
    >>> sorted(run.name for run in logs.iterdir())
    ['train', 'validation']
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int | Sequence[int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | Mapping[str, str] | None = None,
    ) -> None:
        require_tensorboard("TensorBoard")
        if not isinstance(log_dir, (str, os.PathLike)):
            raise TypeError(f"log_dir of TensorBoard must be the path of a folder, not {log_dir!r}.")
        if "://" in os.fspath(log_dir):
            raise ValueError(f"log_dir of TensorBoard must be a folder of this machine, not {log_dir!r}.")
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = count(histogram_freq, "histogram_freq", self)
        self.write_graph, self.write_images, self.write_steps_per_second = write_graph, write_images, write_steps_per_second
        self.update_freq = _frequency(update_freq, self)
        first, last = _batches(profile_batch)
        if write_images and not self.histogram_freq:
            warn("TensorBoard writes no images: write_images goes with the histograms. Give a histogram_freq, too.")
        self._train, self._validation = (Path(self.log_dir, run) for run in ("train", "validation"))
        self._profile = Profile(self._train, first, last) if first else None
        self._files: dict[Path, EventFile] = {}
        self.embeddings_freq = count(embeddings_freq, "embeddings_freq", self)
        self.embeddings_metadata = embeddings_metadata
        self._projector: Projector | None = None
        self._graph_written = False
        self._before = self._batches = self._earlier = 0  # batches of earlier fits, of this one, and of its earlier epochs
        self._began = 0.0
        self._first: int | None = None  # the optimizer's steps when the epoch began
        self._written = 0, 0.0  # the batch that was written last in this epoch, and when

    def set_model(self, model: Any) -> None:
        """Takes the model, and begins new files."""
        if model is not self.model:
            self._graph_written, self._before, self._batches = False, 0, 0
        self.model = model
        self._files = {}

    def _file(self, run: Path) -> EventFile:
        return self._files.setdefault(run, EventFile(run))

    # --- training ----------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        """Training begins: makes the file, so that what cannot be written fails now; writes the graph."""
        self._file(self._train).make()
        self._file(self._validation).check()
        self._before, self._batches = max(self._before + self._batches, self._iterations() or 0), 0
        if self.embeddings_freq:
            self._projector = Projector(self.model, self._train, self.embeddings_metadata)
        if self.model.built:
            self._write_graph()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """An epoch begins: notes when."""
        self._began, self._first = time.perf_counter(), self._iterations()
        self._earlier, self._written = self._batches, (self._batches, self._began)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """An epoch is over: writes its numbers and weights."""
        logs = logs or {}
        numbers = {name: value for name, value in logs.items() if not name.startswith("val_")}
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        if rate is not None:
            numbers["learning_rate"] = float(rate)
        now = self._iterations()
        steps = self.params.get("steps") if now is None or self._first is None else now - self._first
        if self.write_steps_per_second and steps is not None:
            numbers["steps_per_second"] = steps / (time.perf_counter() - self._began)
        held_out = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        self._file(self._train).scalars(epoch, _tagged("epoch", numbers))
        self._file(self._validation).scalars(epoch, _tagged("epoch", held_out))
        self._write_graph()  # of a model that only its first step has built
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self._projector is not None and epoch % self.embeddings_freq == 0:
            self._projector.write()

    def _release(self) -> None:
        """Ends a trace that is running."""
        if self._profile is not None:
            self._profile.stop()

    def _iterations(self) -> int | None:
        """Returns how many steps the optimizer has taken, or None where the model has no one optimizer."""
        iterations = getattr(getattr(self.model, "optimizer", None), "iterations", None)
        return None if iterations is None else int(iterations)

    # --- batches -----------------------------------------------------------------------------------------------------

    def _until_batch(self) -> int | None:
        """Returns how many steps may run as one until a batch is to be written or profiled."""
        waits = [None if self._profile is None else self._profile.wait(self._batches)]
        if isinstance(self.update_freq, int):
            waits.append(self.update_freq - (self._before + self._batches) % self.update_freq)
        return min((wait for wait in waits if wait is not None), default=None)

    @not_every_batch
    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """A step of training begins: starts a trace, if it is to be profiled."""
        if self._profile is not None:
            self._profile.begin(self._earlier + batch + 1)

    @not_every_batch
    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """A step of training is done: ends a trace, and writes the running losses and metrics, if it is their turn."""
        self._batches = self._earlier + batch + 1
        if self._profile is not None:
            self._profile.end(self._batches)
        step = self._before + self._batches
        if isinstance(self.update_freq, int) and step % self.update_freq == 0:
            numbers, (last, then), now = dict(logs or {}), self._written, time.perf_counter()
            if self.write_steps_per_second:
                numbers["steps_per_second"] = (self._batches - last) / (now - then)
            self._written = self._batches, now
            self._file(self._train).scalars(step, _tagged("batch", numbers))

    # --- evaluation --------------------------------------------------------------------------------------------------

    def on_test_begin(self, logs: Logs = None) -> None:
        """Evaluation or validation begins: makes the file, so that what cannot be written fails now."""
        self._file(self._validation).make()

    def on_test_end(self, logs: Logs = None) -> None:
        """Evaluation or validation is over: writes its numbers."""
        iterations = self._iterations()
        if iterations is not None:
            values = {f"evaluation_{name}_vs_iterations": value for name, value in (logs or {}).items()}
            self._file(self._validation).scalars(iterations, values)

    # --- the model ---------------------------------------------------------------------------------------------------

    def _write_graph(self) -> None:
        if self.write_graph and not self._graph_written:
            from lamina.inspect.graph_def import graph_def

            self._graph_written = True
            self._file(self._train).graph(graph_def(self.model))

    def _write_weights(self, epoch: int) -> None:
        weights = self.model.weights
        values = jax.device_get([weight.value for weight in weights])
        arrays = {weight.path: np.asarray(value) for weight, value in zip(weights, values, strict=True)}
        self._file(self._train).histograms(epoch, {f"{path}/histogram": array for path, array in arrays.items()})
        if self.write_images:
            pictures = {f"{path}/image": _pictures(array) for path, array in arrays.items()}
            self._file(self._train).images(epoch, {tag: several for tag, several in pictures.items() if several})


def _tagged(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in values.items()}


def _frequency(value: Any, callback: Callback) -> str | int:
    if value == "batch":
        return 1
    return value if value == "epoch" else count(value, "update_freq", callback, 1, "'epoch', 'batch' or ")


def _batches(value: Any) -> tuple[int, int]:
    """Returns the first and the last batch to profile; raises ValueError for what is neither a number nor a pair of them."""
    pair = value.split(",") if isinstance(value, str) else value if isinstance(value, Sequence) else (value, value)
    try:
        first, last = (int(batch) for batch in pair)
        if isinstance(value, bool) or not (1 <= first <= last or value == 0):
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(
            "profile_batch of TensorBoard must be the number of a batch, counted from 1, a pair of the first and the last, or 0 "
            f"for none, not {value!r}."
        ) from None
    return first, last


def _pictures(array: np.ndarray) -> list[np.ndarray]:
    """Returns a weight as pictures in shades of grey, as arrays of bytes; none, if it has too many axes or nothing to show."""
    array = np.squeeze(array).astype("float32")
    finite = np.isfinite(array)
    if array.ndim > 4 or not finite.any():
        return []
    least, greatest = array[finite].min(), array[finite].max()
    shades = (np.nan_to_num(array, nan=least) - least) / max(greatest - least, np.finfo("float32").tiny)
    grey = (255 * np.clip(shades, 0, 1)).round().astype("uint8")
    if grey.ndim < 3:
        flat = np.atleast_2d(grey)
        return [flat.T if flat.shape[0] > flat.shape[1] else flat]
    if grey.ndim == 3:
        return list(np.moveaxis(grey, -1, 0)[:_MOST_PICTURES])
    height, width, inputs, outputs = grey.shape
    return [grey.transpose(2, 0, 3, 1).reshape(inputs * height, outputs * width)]
