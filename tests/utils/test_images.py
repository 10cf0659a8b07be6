"""Images go from files to arrays and back as in Keras."""

import io

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lamina import utils
from properties import examples

RNG = np.random.default_rng(0)


@given(
    st.sampled_from([1, 3, 4]),
    st.sampled_from([None, "channels_first", "channels_last"]),
    st.booleans(),
    st.sampled_from([200, 255, 1000]),
)
@examples(30)
def test_arrays_become_the_images_of_keras(channels, data_format, scale, most):
    if most > 255 and channels > 1:
        most = 255
    x = RNG.uniform(0, most, (5, 6, channels))
    x = x.transpose(2, 0, 1) if data_format == "channels_first" else x
    found, expected = (module.array_to_img(x, data_format, scale) for module in (utils, keras.utils))
    assert found.mode == expected.mode and found.size == expected.size == (6, 5)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    back = utils.img_to_array(found, data_format, "uint16")
    assert back.dtype == "uint16" and back.shape == x.shape
    np.testing.assert_array_equal(back, keras.utils.img_to_array(expected, data_format, "uint16"))


@given(
    st.sampled_from(["grayscale", "rgb", "rgba"]),
    st.sampled_from([None, (7, 9), (12, 4)]),
    st.sampled_from(["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"]),
    st.booleans(),
    st.sampled_from([1, 3, 4]),
)
@examples(40)
def test_files_become_the_images_of_keras(color_mode, target_size, interpolation, keep_aspect_ratio, channels):
    file = io.BytesIO()
    utils.save_img(file, RNG.uniform(size=(8, 9, channels)), file_format="png")
    options = dict(color_mode=color_mode, target_size=target_size, interpolation=interpolation)
    found, expected = (m.load_img(file, keep_aspect_ratio=keep_aspect_ratio, **options) for m in (utils, keras.utils))
    assert found.mode == expected.mode
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_images_are_saved_in_the_format_of_their_ending(tmp_path):
    x = RNG.uniform(size=(4, 5, 3))
    for name, form in {"a.png": "PNG", "a.JPG": "JPEG", "a.bmp": "BMP"}.items():
        utils.save_img(tmp_path / name, x)
        with Image.open(tmp_path / name) as image:
            assert image.format == form
    np.testing.assert_array_equal(utils.img_to_array(utils.load_img(str(tmp_path / "a.png"))), np.asarray(utils.array_to_img(x)))
    with pytest.warns(UserWarning, match="saved without its fourth channel"):
        utils.save_img(tmp_path / "b.jpg", RNG.uniform(size=(4, 5, 4)))
    deep = (RNG.uniform(size=(4, 5)) * 60000).astype("uint16")
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(np.asarray(utils.load_img(tmp_path / "deep.png", "grayscale")), deep)


@pytest.mark.parametrize(
    "act, said",
    [
        (lambda: utils.array_to_img(np.ones((2, 2))), "one image, an array of three axes"),
        (lambda: utils.array_to_img(np.ones((2, 2, 2))), "1, 3 or 4 channels, not 2"),
        (lambda: utils.img_to_array(np.ones(2)), "two or three axes"),
        (lambda: utils.img_to_array(np.ones((2, 2)), "channel_first"), "Did you mean 'channels_first'"),
        (lambda: utils.load_img("a.png", "rbg"), "Did you mean 'rgb'"),
        (lambda: utils.load_img("a.png", interpolation="cubic"), "Did you mean 'bicubic'"),
    ],
)
def test_what_is_no_image_is_refused(act, said):
    with pytest.raises(ValueError, match=said):
        act()
