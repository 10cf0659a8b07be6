"""EventFile: what TensorBoard shows of one run, in the format of its files."""

import io
import itertools
import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_numbers = itertools.count()
_BUCKETS = 30  # as many as TensorBoard's own histograms have


def require_tensorboard(who: str) -> None:
    """Raises ImportError, saying what to install, if the package `tensorboard` is not there."""
    try:
        import tensorboard.summary.writer.record_writer  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{who} needs the package tensorboard, which is not installed or is incomplete ({error}). Install it with "
            'pip install "lamina[tensorboard]".'
        ) from error


class EventFile:
    """A file of events in a run's folder. It is made with the first event.

    The file is not held open: each event is readable at once, and nothing is lost or left open however training ends. Records
    go through TensorBoard's own `RecordWriter`, not its `EventFileWriter`: that one loads TensorFlow wherever it is installed.

    Args:
        folder: the run's folder. TensorBoard names the run by its path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path: Path | None = None

    def make(self) -> None:
        """Makes the file, if there is none yet. Raises OSError, saying what to do, if that is not possible."""
        if self._path is not None:
            return
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers):04d}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path = self.folder / name
            self._append({"file_version": "brain.Event:2"})
        except OSError as error:
            self._path = None
            raise _unwritable(self.folder, error) from error

    def check(self) -> None:
        """Raises OSError if the file could not be made later; makes nothing. The folder around the run's must be there."""
        if self.folder.exists() and not (self.folder.is_dir() and os.access(self.folder, os.W_OK)):
            raise _unwritable(self.folder, OSError("it is not a folder, or one that may not be written to"))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes numbers by their tags."""
        if values:
            from tensorboard.plugins.scalar.metadata import create_summary_metadata

            about = create_summary_metadata(display_name=None, description=None)
            self._summaries(step, ((tag, np.float32(value), about) for tag, value in values.items()))

    def histograms(self, step: int, arrays: Mapping[str, Any]) -> None:
        """Writes how the numbers of arrays are distributed. What is NaN or infinite is not counted."""
        from tensorboard.plugins.histogram.metadata import create_summary_metadata

        about = create_summary_metadata(display_name=None, description=None)
        self._summaries(step, ((tag, histogram(array), about) for tag, array in arrays.items()))

    def images(self, step: int, images: Mapping[str, list[np.ndarray]]) -> None:
        """Writes pictures in shades of grey, given as arrays of bytes with two axes; a tag may have several of one size."""
        from tensorboard.plugins.image.metadata import create_summary_metadata

        about = create_summary_metadata(display_name=None, description=None)
        self._summaries(step, ((tag, _as_png(pictures), about) for tag, pictures in images.items()))

    def graph(self, definition: Any) -> None:
        """Writes a graph: a `GraphDef`."""
        self.make()
        self._append({"graph_def": definition.SerializeToString()})

    def _summaries(self, step: int, values: Iterable[tuple[str, Any, Any]]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.util.tensor_util import make_tensor_proto

        self.make()
        summaries = (Summary.Value(tag=tag, tensor=make_tensor_proto(tensor), metadata=about) for tag, tensor, about in values)
        self._append(*({"step": step, "summary": Summary(value=[summary])} for summary in summaries))

    def _append(self, *events: dict[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        assert self._path is not None
        with open(self._path, "ab") as file:
            for event in events:
                RecordWriter(file).write(Event(wall_time=time.time(), **event).SerializeToString())


def histogram(array: Any) -> np.ndarray:
    """Returns rows of (left edge, right edge, count), as TensorBoard has them: the counts of equal numbers stand in the last row.

    >>> histogram([1.0, 2.0, 4.0, np.nan])[[0, 10, 29]].round(1).tolist()
    [[1.0, 1.1, 1.0], [2.0, 2.1, 1.0], [3.9, 4.0, 1.0]]
    """
    values = np.asarray(array).astype("float64").ravel()
    values = values[np.isfinite(values)]
    if not values.size:
        return np.zeros((_BUCKETS, 3))
    if values.min() == values.max():
        edges, counts = np.full(_BUCKETS + 1, values[0]), np.eye(_BUCKETS)[-1] * values.size
    else:
        counts, edges = np.histogram(values, _BUCKETS)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def _as_png(pictures: list[np.ndarray]) -> np.ndarray:
    """Returns what TensorBoard has for images: their width and height, then each as a PNG file."""
    from PIL import Image

    height, width = pictures[0].shape
    files = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "png")
        files.append(file.getvalue())
    return np.array([str(width).encode(), str(height).encode(), *files], dtype=object)


def _unwritable(folder: Path, error: OSError) -> OSError:
    return type(error)(f"TensorBoard cannot write to {str(folder)!r}: {error}. Give it another log_dir.")
