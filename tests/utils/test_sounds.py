"""Sounds are read from folders, whatever their depth, rate and length."""

import wave

import numpy as np
import pytest

from lamina import utils

RATE = 8000


def tone(seconds, rate=RATE):
    """A tone whose waves fit into its length, so that it has one frequency."""
    return 0.5 * np.sin(2 * np.pi * 500 * np.arange(round(seconds * rate)) / rate)


def write(path, sound, width=2, rate=RATE, channels=1):
    path.parent.mkdir(exist_ok=True)
    whole = np.round(sound * (2.0 ** (8 * width - 1) - 1)).astype("int64") + (128 if width == 1 else 0)
    frames = np.stack([whole, *[0 * whole] * (channels - 1)], axis=1).astype("<i8")[..., None].view("uint8")[..., :width]
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(frames.tobytes())


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_sounds_of_any_depth_are_the_same(tmp_path, width, channels):
    write(tmp_path / "a" / "tone.wav", tone(0.05), width, channels=channels)
    (sounds,) = utils.audio_dataset_from_directory(tmp_path, labels=None)
    assert sounds.dtype == "float32" and sounds.shape == (1, 400, 1)
    np.testing.assert_allclose(sounds[0, :, 0], tone(0.05), atol=2.0 ** (1 - 8 * width) + 1e-6)


def test_samples_of_sixteen_bits_are_divided_as_tensorflow_does(tmp_path):
    write(tmp_path / "a" / "tone.wav", np.array([-1, 0, 1.0]))
    (sounds,) = utils.audio_dataset_from_directory(tmp_path, labels=None)
    assert (sounds[0, :, 0] * 2**15).tolist() == [-(2**15) + 1, 0, 2**15 - 1]


@pytest.mark.parametrize("rate", [4000, 11025, 16000])
def test_sounds_are_brought_to_one_rate(tmp_path, rate):
    write(tmp_path / "a" / "tone.wav", tone(0.2, rate), rate=rate)
    (sounds,) = utils.audio_dataset_from_directory(tmp_path, labels=None, sampling_rate=RATE)
    np.testing.assert_allclose(sounds[0, :, 0], tone(0.2), atol=1e-3)


def test_sounds_of_a_batch_have_one_length_and_labels(tmp_path):
    for name, seconds in {"high/a.wav": 0.01, "high/b.wav": 0.02, "low/a.wav": 0.03}.items():
        write(tmp_path / name, tone(seconds))
    dataset = utils.audio_dataset_from_directory(tmp_path, shuffle=False, batch_size=2)
    (x, y), (x_last, y_last) = dataset
    assert dataset.class_names == ["high", "low"] and y.tolist() == [0, 0] and y_last.tolist() == [1]
    assert x.shape == (2, 160, 1) and x_last.shape == (1, 240, 1)
    assert not x[0, 80:].any() and x[1, 80:].any()
    ((x, _),) = utils.audio_dataset_from_directory(tmp_path, shuffle=False, output_sequence_length=100)
    assert x.shape == (3, 100, 1)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"ragged": True}, "no ragged=True"),
        ({"sampling_rate": 0}, "sampling_rate must be a positive integer or None"),
        ({"output_sequence_length": 1.5}, "output_sequence_length must be a positive integer or None"),
        ({"labels": None}, r"bad\.wav cannot be read: .* It must be a sound of PCM"),
    ],
)
def test_what_is_no_sound_is_refused(tmp_path, arguments, said):
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=said):
        list(utils.audio_dataset_from_directory(tmp_path, **arguments))
