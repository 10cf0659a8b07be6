"""Datasets of sounds, in one folder for each class."""

import os
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamina.utils.folders import Files


def audio_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Returns the sounds (`.wav`) in the folders of a directory, float32 from -1 to 1, of shape (batch, samples, 1).

    Of several channels the first is taken.

    Args:
        directory: has a folder for each class.
        labels: see `image_dataset_from_directory`, as are all that are not explained here.
        label_mode: "int", "categorical", "binary" or None.
        class_names: the folders, in the order of their numbers.
        batch_size: sounds a batch; None is one at a time.
        sampling_rate: samples a second that all are brought to, with the frequencies that fit; None leaves them as they are.
        output_sequence_length: samples of each: longer sounds are cut, shorter ones followed by silence. None: of the longest in a
            batch.
        ragged: taken as Keras has it; only False is possible, for arrays have one length.
        shuffle: whether their order is random.
        seed: of that order, and of the split.
        validation_split: which share of the files is kept apart.
        subset: "training", "validation" or "both".
        follow_links: whether to look into folders that are links.
        verbose: taken as Keras has it; nothing is printed.

    Raises:
        ValueError: for options that do not go together, if there are no sounds, or for a file that is not PCM.
    """
    del verbose
    if ragged:
        raise ValueError("audio_dataset_from_directory takes no ragged=True. Give output_sequence_length, or batch_size=None.")
    for name, value in {"sampling_rate": sampling_rate, "output_sequence_length": output_sequence_length}.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} must be a positive integer or None, not {value!r}.")

    def take(paths: Sequence[Path]) -> np.ndarray:
        sounds = [read_wav(path, sampling_rate) for path in paths]
        length = output_sequence_length or max(map(len, sounds))
        return np.stack([np.pad(sound[:length], (0, length - len(sound[:length])))[:, None] for sound in sounds])

    files = Files(Path(directory), (".wav",), class_names, labels, label_mode, follow_links)
    return files.parts(take, batch_size, shuffle, seed, validation_split, subset)


def read_wav(path: Path, sampling_rate: int | None = None) -> np.ndarray:
    """Returns the first channel of a sound, float32 from -1 to 1, of shape (samples,).

    Args:
        path: a file of PCM, of 8, 16, 24 or 32 bits.
        sampling_rate: samples a second to bring it to; None leaves it.
    """
    try:
        with wave.open(str(path)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            content = np.frombuffer(file.readframes(file.getnframes()), np.uint8)
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} cannot be read: {error}. It must be a sound of PCM, of 8, 16, 24 or 32 bits.") from error
    samples = content.reshape(-1, channels, width)[:, 0]
    if width == 1:
        sound = samples[:, 0] / np.float32(128) - 1  # the only ones without a sign
    else:
        bits = np.pad(samples, [(0, 0), (4 - width, 0)])  # as the upper bytes of 32 bits
        sound = np.ascontiguousarray(bits).view("<i4")[:, 0] / 2.0**31
    return _resampled(sound, rate, sampling_rate or rate).astype("float32")


def _resampled(sound: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Returns a sound at another rate: the inverse Fourier transform of its spectrum, cut or continued by zeros."""
    if wanted == rate or not len(sound):
        return sound
    length = max(1, round(len(sound) * wanted / rate))
    spectrum = np.fft.rfft(sound)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * (length / len(sound))
