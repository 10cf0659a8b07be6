"""Projector: the tables of embeddings, for TensorBoard's projector page."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core.errors import warn
from lamina.core.text import suggest
from lamina.core.tree import modules_of
from lamina.layers.embedding import Embedding


class Projector:
    """The tables of a model's Embedding layers, and what says to TensorBoard where they are.

    A table is a file of text in the run's folder, which stands for the last time that it was written.

    Args:
        model: the model.
        folder: the run's folder.
        metadata: the path, from the folder around the run's, of a file with a line for each row of a table; or such paths by the
            names of the layers.

    Raises:
        ValueError: if metadata names something that is not an Embedding layer of the model.
    """

    def __init__(self, model: Any, folder: Path, metadata: str | Mapping[str, str] | None) -> None:
        self._folder = folder
        self._layers = [layer for layer in modules_of(model) if isinstance(layer, Embedding)]
        names = [layer.name for layer in self._layers]
        if not names:
            warn(f"TensorBoard writes no embeddings: the model {model.name!r} has no Embedding layer.")
        if isinstance(metadata, Mapping):
            for name in metadata:
                if name not in names:
                    raise ValueError(
                        f"embeddings_metadata of TensorBoard names {name!r}, which is not an Embedding layer of the model "
                        f"{model.name!r}. {suggest(name, names)}"
                    )
            self._metadata = dict(metadata)
        else:
            self._metadata = {} if metadata is None else dict.fromkeys(names, metadata)

    def write(self) -> None:
        """Writes the tables as they are now."""
        from google.protobuf import text_format
        from tensorboard.plugins.projector import ProjectorConfig

        config = ProjectorConfig()
        for layer in self._layers:
            if not layer.built:
                continue
            weight = layer.embeddings
            file = Path("embeddings", f"{weight.path}.tsv")
            (self._folder / file).parent.mkdir(parents=True, exist_ok=True)
            np.savetxt(self._folder / file, np.asarray(weight.value).astype("float32"), "%.8g", "\t")
            about = config.embeddings.add(tensor_name=weight.path, tensor_path=str(file))
            if layer.name in self._metadata:
                about.metadata_path = os.path.join("..", self._metadata[layer.name])
        (self._folder / "projector_config.pbtxt").write_text(text_format.MessageToString(config), encoding="utf-8")
