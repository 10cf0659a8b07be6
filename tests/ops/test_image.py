"""Images and Fourier transforms: what the comparison with Keras does not show."""

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import ops
from lamina.ops import image

X = np.random.default_rng(0).uniform(0, 1, (2, 6, 8, 3)).astype("float32")


def test_models_of_images_come_back_from_their_configs():
    inputs = lamina.Input((6, 8, 3))
    turned = image.affine_transform(image.resize(inputs, (5, 4)), np.array([1.0, 0, 1, 0, 1, 0, 0, 0]))
    model = lamina.Model(inputs, [image.sobel_edges(turned), ops.rfft(image.rgb_to_grayscale(turned))[0]])
    assert [output.shape for output in model.outputs] == [(None, 5, 4, 3, 2), (None, 5, 4, 1)]
    again = lamina.Model.from_config(model.get_config())
    for a, b in zip(again(X), model(X), strict=True):
        np.testing.assert_array_equal(a, b)


def test_elastic_transforms_move_pixels_by_smooth_noise_of_their_seed():
    ramp = np.broadcast_to(np.arange(40, dtype="float32")[None, None, :, None], (1, 40, 40, 1))
    np.testing.assert_array_equal(image.elastic_transform(X, alpha=0.0, seed=1), X)
    moved = image.elastic_transform(ramp, 5.0, 4.0, seed=1)
    np.testing.assert_array_equal(moved, image.elastic_transform(ramp, 5.0, 4.0, seed=1))
    first = np.moveaxis(np.asarray(ramp), -1, 1)
    np.testing.assert_allclose(image.elastic_transform(first, 5.0, 4.0, seed=1, data_format="channels_first")[:, 0], moved[..., 0])
    inner = np.asarray(moved - ramp)[0, 12:-12, 12:-12, 0]
    assert 0.3 < inner.std() < 10 and np.abs(np.diff(inner, axis=0)).max() < inner.std()


def test_a_transform_with_a_quotient_is_a_perspective():
    start, end = np.array([[0, 0], [7, 0], [0, 5], [7, 5.0]]), np.array([[1, 0], [6, 1], [0, 5], [7, 4.0]])
    corners = image.perspective_transform(X, start, end)
    for (x, y), (u, v) in zip(end.astype(int), start.astype(int), strict=True):
        np.testing.assert_allclose(corners[:, y, x], X[:, v, u], atol=1e-4)


def test_what_is_no_image_is_refused():
    for call, words in [
        (lambda: image.resize(X[0, 0], (2, 2)), r"Images have 3 axes, a batch of them 4, but these have shape \(8, 3\)"),
        (lambda: image.extract_patches_3d(X[0], 2), "Volumes have 4 axes"),
        (lambda: image.resize(X, (2, 2), "cubic"), "interpolation must be one of"),
        (lambda: image.resize(X, (2, 2), data_format="last"), "data_format must be"),
        (lambda: image.resize(X, (2, 2), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), "not both"),
        (lambda: image.rgb_to_hsv((X * 255).astype("uint8")), "Divide by 255"),
        (lambda: image.rgb_to_grayscale(X[..., :2]), "these have 2"),
        (lambda: image.pad_images(X, 1, 2), "Two of the padding"),
        (lambda: image.crop_images(X, 4, 0, 3, 0), "cannot be"),
        (lambda: image.pad_images(X, 1, 1, target_height=5, target_width=9), "cannot be"),
        (lambda: image.affine_transform(X, np.zeros(6)), "8 numbers"),
        (lambda: image.affine_transform(X, np.zeros(8), fill_mode="edge"), "fill_mode must be one of"),
        (lambda: image.perspective_transform(X, np.zeros((4, 2)), np.zeros((3, 2))), "start_points and end_points"),
        (lambda: image.map_coordinates(X, np.zeros((3, 2)), 1), r"have shape \(4, \.\.\.\)"),
        (lambda: image.map_coordinates(np.ones(3), np.zeros((1, 2)), 3), "order must be 0 or 1"),
        (lambda: image.ssim(X, X[:1]), "images of one shape"),
        (lambda: ops.fft(np.ones(3)), "a pair"),
        (lambda: ops.stft(np.ones(9), 5, 2, 4), "at least sequence_length"),
        (lambda: ops.stft(np.ones(9), 4, 2, 4, "bartlett"), "window must be"),
        (lambda: ops.stft(np.ones(9), 4, 2, 4, np.ones(3)), r"window must have shape \(4,\)"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()


def test_a_signal_comes_back_from_its_short_transforms():
    signal = jnp.asarray(X.reshape(2, -1))
    for options in ({}, {"window": "hamming"}, {"center": False, "length": 140, "window": np.ones(8)}):
        options, length = dict(options), options.get("length")
        forward = {name: value for name, value in options.items() if name != "length"}
        again = ops.istft(ops.stft(signal, 8, 2, 10, **forward), 8, 2, 10, **options)
        np.testing.assert_allclose(again[:, 8:130], signal[:, 8:130], atol=1e-5)
        assert length is None or again.shape[-1] == length
