"""Datasets of files, in one folder for each class."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core.text import suggest
from lamina.utils.arrays import to_categorical
from lamina.utils.batches import Samples
from lamina.utils.images import MODES

_PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
_LABELS = ("int", "categorical", "binary")


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
) -> Any:
    """Returns the pictures in the folders of a directory, float32 from 0 to 255, of shape (batch, height, width, channels).

    Needs Pillow: pip install "lamina[images]".

    Args:
        directory: has a folder for each class.
        labels: "inferred": the folders' numbers. None: there are none. Or a list, one for each file in the order of their paths.
        label_mode: "int"; "categorical": vectors of zeros and a 1; "binary": 0.0 or 1.0, of shape (batch, 1); None: no labels.
        class_names: the folders, in the order of their numbers; by default sorted.
        color_mode: "grayscale", "rgb" or "rgba".
        batch_size: pictures a batch; None is one at a time.
        image_size: height and width that they are brought to.
        shuffle: whether their order is random, another one in each pass.
        seed: of that order, and of the split.
        validation_split: which share of the files is kept apart.
        subset: which part to return: "training", "validation", or "both" for a tuple.
        interpolation: "nearest", "bilinear", "bicubic" or "lanczos".
        follow_links: whether to look into folders that are links.
        crop_to_aspect_ratio: whether to cut pictures to the wanted shape instead of stretching them.

    Raises:
        ValueError: for options that do not go together, or if there are no pictures.
    """
    from PIL import Image, ImageOps

    if color_mode not in MODES:
        raise ValueError(f"Unknown color_mode {color_mode!r}. {suggest(color_mode, MODES)}")
    way = getattr(Image.Resampling, interpolation.upper(), None)
    if way is None:
        raise ValueError(
            f"Unknown interpolation {interpolation!r}. {suggest(interpolation, [r.name.lower() for r in Image.Resampling])}"
        )
    height, width = image_size

    def read(path: Path) -> np.ndarray:
        with Image.open(path) as picture:
            shown = picture.convert(MODES[color_mode])
        fitted = ImageOps.fit(shown, (width, height), way) if crop_to_aspect_ratio else shown.resize((width, height), way)
        return np.asarray(fitted, "float32").reshape(height, width, -1)

    files = Files(Path(directory), _PICTURES, class_names, labels, label_mode, follow_links)
    return files.parts(lambda paths: np.stack([read(path) for path in paths]), batch_size, shuffle, seed, validation_split, subset)


def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
) -> Any:
    """Returns the texts (`.txt`) in the folders of a directory, as arrays of strings.

    Turn them into numbers before `fit`: `dataset.map(lambda texts, labels: (vectorize(texts), labels))`.

    Args:
        directory: has a folder for each class.
        labels: see `image_dataset_from_directory`, as are all that follow.
        label_mode: "int", "categorical", "binary" or None.
        class_names: the folders, in the order of their numbers.
        batch_size: texts a batch; None is one at a time.
        max_length: how many characters to keep of each.
        shuffle: whether their order is random.
        seed: of that order, and of the split.
        validation_split: which share of the files is kept apart.
        subset: "training", "validation" or "both".
        follow_links: whether to look into folders that are links.

    Raises:
        ValueError: for options that do not go together, or if there are no texts.
    """
    files = Files(Path(directory), (".txt",), class_names, labels, label_mode, follow_links)

    def take(paths: Sequence[Path]) -> np.ndarray:
        return np.array([path.read_text(encoding="utf-8")[:max_length] for path in paths])

    return files.parts(take, batch_size, shuffle, seed, validation_split, subset)


class Files:
    """The files of a directory and their labels, in the order of their paths."""

    def __init__(
        self, directory: Path, endings: Sequence[str], names: Sequence[str] | None, labels: Any, label_mode: str | None, links: bool
    ) -> None:
        if not directory.is_dir():
            raise ValueError(f"There is no folder {directory}.")
        if label_mode not in (*_LABELS, None):
            raise ValueError(f"label_mode must be {', '.join(map(repr, _LABELS))} or None, not {label_mode!r}.")
        folders = sorted(path.name for path in directory.iterdir() if path.is_dir())
        if names is not None and sorted(names) != folders:
            raise ValueError(f"class_names are {list(names)}, but the folders in {directory} are {folders}.")
        self.class_names = list(names or folders)
        self.mode = None if labels is None else label_mode
        found = directory if labels is None or not folders else None
        roots = [found] if found is not None else [directory / name for name in self.class_names]
        self.paths: list[Path] = []
        numbers: list[int] = []
        for number, root in enumerate(roots):
            inside = sorted(
                Path(folder) / file
                for folder, _, names_in in os.walk(root, followlinks=links)
                for file in names_in
                if file.lower().endswith(tuple(endings))
            )
            self.paths += inside
            numbers += [number] * len(inside)
        if not self.paths:
            raise ValueError(f"There are no files that end in {', '.join(endings)} in {directory}.")
        if labels is not None and not isinstance(labels, str):
            if len(labels) != len(self.paths):
                raise ValueError(f"There are {len(labels)} labels for {len(self.paths)} files in {directory}.")
            numbers = list(labels)
        if self.mode == "binary" and len(set(numbers)) > 2:
            raise ValueError(f"label_mode='binary' is for two classes; {directory} has {self.class_names}.")
        self.numbers = np.array(numbers)

    def _labels(self, numbers: np.ndarray) -> np.ndarray:
        if self.mode == "categorical":
            return to_categorical(self.numbers[numbers], max(len(self.class_names), int(self.numbers.max()) + 1))
        labels: np.ndarray = self.numbers[numbers]
        return labels.astype("float32")[:, None] if self.mode == "binary" else labels.astype("int32")

    def parts(
        self,
        read: Callable[[Sequence[Path]], np.ndarray],
        batch_size: int | None,
        shuffle: bool,
        seed: int | None,
        validation_split: float | None,
        subset: str | None,
    ) -> Any:
        """Returns the dataset, or that part of it, or both parts."""
        if (validation_split is None) != (subset is None) or subset not in (None, "training", "validation", "both"):
            raise ValueError(
                f"subset={subset!r} must be 'training', 'validation' or 'both', and validation_split be given with it."
            )
        if validation_split is not None and not 0 < validation_split < 1:
            raise ValueError(f"validation_split must be between 0 and 1, not {validation_split!r}.")
        if validation_split is not None and shuffle and seed is None:
            raise ValueError("A validation_split of shuffled files needs a seed, so that the parts have no file in common.")
        order = np.arange(len(self.paths))
        if validation_split is None:
            return self._dataset(read, order, batch_size, shuffle, seed)
        if shuffle:
            order = np.random.default_rng(seed).permutation(order)
        kept = len(order) - int(len(order) * validation_split)
        both = order[:kept], order[kept:]
        made = tuple(self._dataset(read, part, batch_size, shuffle, seed) for part in both)
        return made if subset == "both" else made[subset == "validation"]

    def _dataset(self, read: Any, part: np.ndarray, batch_size: int | None, shuffle: bool, seed: int | None) -> Samples:
        def take(numbers: np.ndarray) -> Any:
            x = read([self.paths[i] for i in part[numbers]])
            return x if self.mode is None else (x, self._labels(part[numbers]))

        dataset = Samples(take, len(part), batch_size, shuffle, seed)
        dataset.class_names = self.class_names  # type: ignore[attr-defined]
        return dataset
