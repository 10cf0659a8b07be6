"""STFTSpectrogram and MelSpectrogram: which frequencies sound when."""

from typing import Any

import jax.numpy as jnp
import numpy as np

import lamina.initializers as initializers
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import channels_axis, not_negative, number, one_of, positive
from lamina.ops.convolution import conv
from lamina.ops.fourier import stft
from lamina.ops.wrap import compiled

_SMALLEST = 1e-7  # magnitudes are taken of at least this power, and logarithms of at least this magnitude
_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class STFTSpectrogram(Layer):
    """Fourier transforms of short parts of a signal, as a convolution whose kernels can be trained.

    z[k, f] = sum over t of inputs[step k + t] window[t] e^(-2πi f t / fft_length) / scale, for f from 0 to fft_length // 2, each
    channel by itself. Inputs have shape (batch, time, channels). Outputs have shape (batch, parts, channels · frequencies), or
    (batch, parts, frequencies, channels) with `expand_dims`; with "channels_first", (batch, channels · frequencies, parts) and
    (batch, channels, parts, frequencies).

    Args:
        mode: the outputs: "log" of the magnitude, "magnitude" |z|, "psd", the power |z|², doubled but for the first and the
            last frequency, "real", "imag", "angle", or "stft": the real parts and then the imaginary ones, as more frequencies.
        frame_length: how many samples a part has.
        frame_step: how far one part starts after the other; by default half a part.
        fft_length: twice the number of frequencies, less 2; by default the power of 2 that is at least frame_length.
        window: see `lamina.initializers.STFT`, as for the two that follow.
        periodic: whether the window is one turn of something that goes on.
        scaling: "density", "spectrum" or None.
        padding: "valid", or "same" to have a part for each step.
        expand_dims: whether frequencies and channels are two axes, as in images.
        data_format: "channels_last" or "channels_first".
        kwargs: what `lamina.Layer` takes; with `trainable=False` the kernels stay as they are.

    Raises:
        ValueError: for an unknown name, a step that is longer than a part, or a transform that is shorter.

    >>> lamina.layers.STFTSpectrogram(frame_length=8, expand_dims=True)(np.ones((2, 20, 1))).shape
    (2, 4, 5, 1)
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mode = one_of(_MODES, mode, "mode", self)
        self.frame_length = positive(frame_length, "frame_length", self)
        self.frame_step = max(1, self.frame_length // 2) if frame_step is None else positive(frame_step, "frame_step", self)
        self.fft_length = _power_of_two(self.frame_length) if fft_length is None else positive(fft_length, "fft_length", self)
        if not self.frame_step <= self.frame_length <= self.fft_length:
            raise ValueError(
                "STFTSpectrogram takes steps that are no longer than a part, and transforms that are no shorter: not "
                f"frame_step={self.frame_step}, frame_length={self.frame_length}, fft_length={self.fft_length}."
            )
        self.window, self.periodic, self.scaling, self.expand_dims = window, bool(periodic), scaling, bool(expand_dims)
        self._initializers = {side: initializers.STFT(side, window, scaling, periodic) for side in ("real", "imag")}
        self.padding = one_of(("valid", "same"), padding, "padding", self)
        self._channels_axis = channels_axis(data_format, self)
        self.data_format = data_format or "channels_last"
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape: Any) -> None:
        """Creates the kernels, one for the real part and one for the imaginary one, as the mode needs them."""
        shape = (self.frame_length, 1, self.fft_length // 2 + 1)
        if self.mode != "imag":
            self.real_kernel = self.add_weight(shape, self._initializers["real"])
        if self.mode != "real":
            self.imag_kernel = self.add_weight(shape, self._initializers["imag"])

    def call(self, inputs: Array) -> Array:
        """Computes z, and its outputs by the mode."""
        signals = jnp.moveaxis(inputs, self._channels_axis, 1)
        if self.mode in ("real", "imag"):
            return self._arranged(self._transformed(signals, self.real_kernel if self.mode == "real" else self.imag_kernel))
        real, imaginary = (self._transformed(signals, kernel) for kernel in (self.real_kernel, self.imag_kernel))
        return self._arranged(_told(real, imaginary, self.mode))

    def _transformed(self, signals: Array, kernel: Any) -> Array:
        """Returns one part of z for signals of shape (batch, channels, time): (batch, channels, parts, frequencies)."""
        batch, channels, time = signals.shape
        found = conv(signals.reshape(batch * channels, time, 1), kernel.value, self.frame_step, self.padding)
        return found.reshape(batch, channels, *found.shape[1:])

    def _arranged(self, outputs: Array) -> Array:
        """Returns outputs of shape (batch, channels, parts, frequencies) with their axes as they were asked for."""
        batch, channels, parts, frequencies = outputs.shape
        last = self.data_format == "channels_last"
        if self.expand_dims:
            return jnp.moveaxis(outputs, 1, -1) if last else outputs
        if last:
            return jnp.moveaxis(outputs, 1, 2).reshape(batch, parts, channels * frequencies)
        return jnp.moveaxis(outputs, 3, 2).reshape(batch, channels * frequencies, parts)


def _told(real: Array, imaginary: Array, mode: str) -> Array:
    """Returns the outputs of a mode for complex numbers, whose last axis are the frequencies."""
    if mode == "angle":
        return jnp.arctan2(imaginary, real)
    if mode == "stft":
        return jnp.concatenate([real, imaginary], -1)
    power = real**2 + imaginary**2
    if mode == "psd":
        return power.at[..., 1:-1].multiply(2)
    magnitude = jnp.sqrt(jnp.maximum(power, _SMALLEST))
    return magnitude if mode == "magnitude" else jnp.log(jnp.maximum(magnitude, _SMALLEST))


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


class MelSpectrogram(Layer):
    """The loudness of a signal, by pitch and time: its spectrogram on the mel scale, by which people hear.

    10 log10(max(|z|^mag_exp · weights, min_power) / ref_power), where z is `lamina.ops.stft` of the signal, and each column of the
    weights is a triangle over the frequencies of one pitch: m = 1127 ln(1 + f / 700). Inputs have shape (..., time), outputs
    (..., num_mel_bins, 1 + time // sequence_stride).

    Args:
        fft_length: how many samples a part has.
        sequence_stride: how far one part starts after the other, in samples.
        sequence_length: how long the window is; by default fft_length.
        window: "hann", "hamming", an array, or None; see `lamina.ops.stft`.
        sampling_rate: samples in a second.
        num_mel_bins: how many pitches there are.
        min_freq: the lowest frequency, in Hz.
        max_freq: the highest; by default half the sampling rate.
        power_to_db: whether the loudness is in decibels.
        top_db: what is more decibels than this below the loudest of all inputs of the call is raised to that; as in Keras,
            inputs of one batch share it.
        mag_exp: 2 for power, 1 for magnitude.
        min_power: the least power of which the logarithm is taken.
        ref_power: the power that is called 0 decibels.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a number out of its range, or a window that is longer than a part.

    Source: Stevens, Volkmann and Newman, A scale for the measurement of the psychological magnitude pitch, 1937.

    >>> tone = np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
    >>> layer = lamina.layers.MelSpectrogram(256, 128, sampling_rate=8000, num_mel_bins=20, min_freq=0)
    >>> layer(tone).shape, int(layer(tone)[:, 9].argmax())
    ((20, 32), 4)
    """

    _casts_inputs = False  # in half precision the transform is not known

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fft_length = positive(fft_length, "fft_length", self)
        self.sequence_stride = positive(sequence_stride, "sequence_stride", self)
        self.sequence_length = self.fft_length if sequence_length is None else positive(sequence_length, "sequence_length", self)
        if self.fft_length < self.sequence_length:
            raise ValueError(
                f"fft_length of MelSpectrogram must be at least sequence_length, {self.sequence_length}, not {self.fft_length}."
            )
        self.window = one_of(("hann", "hamming"), window, "window", self) if isinstance(window, str) else window
        self.sampling_rate = positive(sampling_rate, "sampling_rate", self)
        self.num_mel_bins = positive(num_mel_bins, "num_mel_bins", self)
        self.min_freq = not_negative(min_freq, "min_freq", self)
        self.max_freq = not_negative(int(sampling_rate / 2) if max_freq is None else max_freq, "max_freq", self)
        if self.min_freq >= self.max_freq:
            raise ValueError(f"min_freq of MelSpectrogram must be below max_freq, {self.max_freq}, not {self.min_freq}.")
        self.power_to_db = bool(power_to_db)
        self.top_db, self.mag_exp = not_negative(top_db, "top_db", self), float(number(mag_exp, "mag_exp", self))
        self.min_power, self.ref_power = not_negative(min_power, "min_power", self), float(number(ref_power, "ref_power", self))

    def call(self, inputs: Array) -> Array:
        """Computes the formula."""
        signals = jnp.asarray(inputs, "float64" if self.compute_dtype == "float64" else "float32")
        real, imaginary = stft(signals, self.sequence_length, self.sequence_stride, self.fft_length, self.window)
        power = real**2 + imaginary**2
        spectrum = power if self.mag_exp == 2 else power ** (self.mag_exp / 2)  # the square root has no gradient at silence
        weights = self.linear_to_mel_weight_matrix(
            self.num_mel_bins, spectrum.shape[-1], self.sampling_rate, self.min_freq, self.max_freq, str(signals.dtype)
        )
        loudness = spectrum @ weights
        if self.power_to_db:
            loudness = _decibels(loudness, self.min_power) - _decibels(jnp.abs(jnp.float32(self.ref_power)), self.min_power)
            loudness = jnp.maximum(loudness, jnp.max(loudness) - self.top_db)
        return jnp.swapaxes(loudness, -1, -2).astype(self.compute_dtype)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: float = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: Any = "float32",
    ) -> np.ndarray:
        """Returns what each frequency adds to each pitch: triangles that rise to 1 and fall, as columns.

        Args:
            num_mel_bins: how many pitches there are.
            num_spectrogram_bins: how many frequencies, from 0 to half the sampling rate; the first counts nowhere.
            sampling_rate: samples in a second.
            lower_edge_hertz: where the first triangle begins.
            upper_edge_hertz: where the last one ends.
            dtype: the dtype of the result.
        """
        pitches = _mel(np.linspace(0, sampling_rate / 2, num_spectrogram_bins))[1:, None]
        edges = np.linspace(_mel(lower_edge_hertz), _mel(upper_edge_hertz), num_mel_bins + 2)
        lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
        triangles = np.minimum((pitches - lower) / (center - lower), (upper - pitches) / (upper - center))
        return np.pad(np.maximum(triangles, 0), [(1, 0), (0, 0)]).astype(dtype)


def _mel(hertz: Any) -> Any:
    return 1127 * np.log(1 + hertz / 700)


@compiled()
def _decibels(power: Array, least: float) -> Array:
    return 10 * jnp.log10(jnp.maximum(power, least))
