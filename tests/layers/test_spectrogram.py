"""Spectrograms: the numbers of Keras in every mode, gradients at silence, and what they ask of their arguments."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina


def signal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("mode", ["log", "magnitude", "psd", "real", "imag", "angle", "stft"])
def test_every_mode_tells_what_it_tells_in_keras(mode):
    arguments = dict(mode=mode, frame_length=6, frame_step=4, expand_dims=mode > "m")
    ours, theirs = (np.asarray(library.layers.STFTSpectrogram(**arguments)(signal(3, 20, 2))) for library in (lamina, keras))
    if mode == "angle":
        ours, theirs = (np.exp(1j * angles) for angles in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_axes_are_where_the_data_format_says():
    x = signal(3, 20, 2)

    def outputs(expand, data_format):
        layer = lamina.layers.STFTSpectrogram("real", 6, expand_dims=expand, data_format=data_format)
        return np.asarray(layer(x if data_format == "channels_last" else np.moveaxis(x, 1, 2)))

    image = outputs(True, "channels_last")
    np.testing.assert_array_equal(outputs(True, "channels_first"), np.moveaxis(image, -1, 1))
    np.testing.assert_array_equal(outputs(False, "channels_last"), np.concatenate([image[..., 0], image[..., 1]], -1))
    np.testing.assert_array_equal(outputs(False, "channels_first"), np.moveaxis(outputs(False, "channels_last"), 1, 2))


@pytest.mark.parametrize("window, scaling", [("hann", "density"), ("hamming", "spectrum"), ("kaiser", None), (None, "density")])
def test_a_kernel_is_that_of_keras(window, scaling):
    values = np.kaiser(12, 3.0) if window == "kaiser" else window
    for side in ("real", "imag"):
        for periodic in (False, True):
            ours = lamina.initializers.STFT(side, values, scaling, periodic)((12, 1, 9))
            theirs = keras.initializers.STFT(side, values, scaling, periodic)((12, 1, 9))
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_spectrogram_is_the_transform_of_its_parts():
    x = signal(2, 32)
    layer = lamina.layers.STFTSpectrogram("stft", 8, 4, window=None)
    real, imaginary = lamina.ops.stft(x, 8, 4, 8, window=None, center=False)
    np.testing.assert_allclose(layer(x[..., None]), np.concatenate([real, imaginary], -1), atol=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [
        dict(sequence_length=40, window=np.hanning(40)),
        dict(mag_exp=1.0, ref_power=2.0, top_db=20.0, window="hamming"),
        dict(power_to_db=False, mag_exp=1.5, min_freq=0.0, max_freq=900.0, window=None),
    ],
    ids=str,
)
def test_a_mel_spectrogram_is_that_of_keras(arguments):
    arguments = dict(fft_length=64, sequence_stride=20, sampling_rate=2000, num_mel_bins=8) | arguments
    x = signal(700) if "mag_exp" in arguments else signal(2, 301)
    ours, theirs = (library.layers.MelSpectrogram(**arguments)(x) for library in (lamina, keras))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def test_the_mel_scale_is_that_of_keras():
    ours, theirs = (library.layers.MelSpectrogram().linear_to_mel_weight_matrix() for library in (lamina, keras))
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_silence_has_gradients():
    x = jnp.zeros((1, 16))
    for layer in (lamina.layers.MelSpectrogram(8, 4, sampling_rate=100, num_mel_bins=3), lamina.layers.STFTSpectrogram("log", 4)):
        silence = x if isinstance(layer, lamina.layers.MelSpectrogram) else x[..., None]
        gradient = jax.jit(jax.grad(lambda x, layer=layer: jnp.sum(layer(x))))(silence)
        assert np.all(np.isfinite(gradient))


def test_kernels_learn_unless_they_are_told_not_to():
    x = signal(1, 16, 1)
    for trainable in (True, False):
        layer = lamina.layers.STFTSpectrogram("real", 4, trainable=trainable)
        layer(x)
        assert [weight.path for weight in layer.weights] == [f"{layer.name}/real_kernel"]
        assert len(layer.trainable_variables) == trainable


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(mode="loud"), "mode"),
        (dict(frame_length=4, frame_step=5), "frame_step=5"),
        (dict(frame_length=4, fft_length=3), "fft_length=3"),
        (dict(scaling="none"), "scaling"),
        (dict(padding="causal"), "padding"),
        (dict(window="glass"), "window"),
        (dict(frame_length=0), "frame_length"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        lamina.layers.STFTSpectrogram(**arguments)


def test_bad_arguments_of_the_mel_scale_and_of_kernels_are_refused():
    for arguments, words in [
        (dict(fft_length=4, sequence_length=5), "fft_length"),
        (dict(min_freq=50.0, sampling_rate=80), "min_freq"),
        (dict(num_mel_bins=0), "num_mel_bins"),
    ]:
        with pytest.raises(ValueError, match=words):
            lamina.layers.MelSpectrogram(**arguments)
    for shape, window, words in [((4, 2, 3), "hann", "length, 1"), ((4, 1, 3), [1.0, 2.0], r"\(4,\)")]:
        with pytest.raises(ValueError, match=words):
            lamina.initializers.STFT("real", window)(shape)
    with pytest.raises(ValueError, match="side"):
        lamina.initializers.STFT("left")
