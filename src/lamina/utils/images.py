"""Images of files, as Pillow has them and as arrays."""

import io
import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from lamina.core.errors import warn
from lamina.core.text import suggest

MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}  # Pillow's names
_FORMATS = ("channels_first", "channels_last")
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def load_img(
    path: str | os.PathLike[str] | bytes | io.BytesIO,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Returns the image in a file, as Pillow's `Image`.

    Needs Pillow: pip install "lamina[images]".

    Args:
        path: the file, or an `io.BytesIO` with what is in it.
        color_mode: "rgb", "rgba" or "grayscale".
        target_size: height and width to bring it to; None leaves it.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
        keep_aspect_ratio: whether to cut it to the wanted shape, around its middle, instead of stretching it.

    Raises:
        ValueError: for an unknown color_mode or interpolation.

    >>> import io
    >>> file = io.BytesIO()
    >>> lamina.utils.save_img(file, np.eye(2)[..., None], file_format="png")
    >>> lamina.utils.load_img(file, "grayscale", target_size=(4, 6)).size
    (6, 4)
    """
    from PIL import Image

    if color_mode not in MODES:
        raise ValueError(f"Unknown color_mode {color_mode!r}. {suggest(str(color_mode), MODES)}")
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"Unknown interpolation {interpolation!r}. {suggest(str(interpolation), _INTERPOLATIONS)}")
    with Image.open(path if isinstance(path, io.BytesIO) else os.fsdecode(path)) as opened:
        deep = color_mode == "grayscale" and opened.mode in ("I;16", "I")  # more than 256 greys stay as they are
        image = opened.copy() if deep else opened.convert(MODES[color_mode])
    if target_size is None or image.size == (target_size[1], target_size[0]):
        return image
    height, width = target_size
    way = Image.Resampling[interpolation.upper()]
    if not keep_aspect_ratio:
        return image.resize((width, height), way)
    kept_width, kept_height = min(image.width, image.height * width // height), min(image.height, image.width * height // width)
    left, top = (image.width - kept_width) // 2, (image.height - kept_height) // 2
    return image.resize((width, height), way, box=(left, top, left + kept_width, top + kept_height))


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """Returns an image of Pillow's as an array, of shape (height, width, channels), with values as they are there.

    Args:
        img: the image, or an array of two or three axes.
        data_format: "channels_last" (the default), or "channels_first" for (channels, height, width).
        dtype: of the array; float32 by default.

    Raises:
        ValueError: for another data_format, or what is not an image.

    >>> img_to_array(np.eye(2)).shape
    (2, 2, 1)
    """
    first = _channels_first(data_format)
    array = np.asarray(img, "float32" if dtype is None else dtype)
    if array.ndim not in (2, 3):
        raise ValueError(f"An image has two or three axes, not the shape {array.shape}.")
    array = array[..., None] if array.ndim == 2 else array
    return array.transpose(2, 0, 1) if first else array


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """Returns an array as an image of Pillow's.

    Needs Pillow: pip install "lamina[images]".

    Args:
        x: of shape (height, width, channels), with 1, 3 or 4 channels.
        data_format: "channels_last" (the default), or "channels_first" for (channels, height, width).
        scale: whether to stretch the values, so that the least is 0 and the greatest 255. Else they must be from 0 to 255.
        dtype: what to calculate in; float32 by default.

    Raises:
        ValueError: for another data_format, shape or number of channels.

    >>> lamina.utils.array_to_img(np.ones((2, 3, 4)), scale=False).mode
    'RGBA'
    """
    from PIL import Image

    first = _channels_first(data_format)
    array = np.asarray(x, "float32" if dtype is None else dtype)
    if array.ndim != 3:
        raise ValueError(f"array_to_img takes one image, an array of three axes, not of the shape {array.shape}.")
    array = array.transpose(1, 2, 0) if first else array
    if array.shape[2] not in (1, 3, 4):
        raise ValueError(f"An image has 1, 3 or 4 channels, not {array.shape[2]} as in an array of shape {np.shape(x)}.")
    if scale:
        array = array - array.min()
        array = array / (array.max() or 1) * 255
    if array.shape[2] > 1:
        return Image.fromarray(array.astype("uint8"))
    return Image.fromarray(array[..., 0].astype("int32" if array.max() > 255 else "uint8"))


def save_img(
    path: str | os.PathLike[str] | IO[bytes],
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Writes an array to a file, as an image.

    Needs Pillow: pip install "lamina[images]".

    Args:
        path: the file; its ending says the format.
        x: of shape (height, width, channels), with 1, 3 or 4 channels.
        data_format: "channels_last" (the default), or "channels_first" for (channels, height, width).
        file_format: the format, "png" or "jpeg" for example, where the ending does not say it.
        scale: see `array_to_img`.
        kwargs: what Pillow's `Image.save` takes.

    Raises:
        ValueError: for an array that is not an image, or an unknown format.
    """
    if file_format is None and isinstance(path, (str, os.PathLike)):
        file_format = Path(path).suffix[1:]
    form = {"jpg": "jpeg"}.get((file_format or "").lower(), file_format)
    image = array_to_img(x, data_format, scale)
    if image.mode == "RGBA" and form == "jpeg":
        warn("A JPEG has no transparency: the image is saved without its fourth channel.")
        image = image.convert("RGB")
    image.save(path, format=form, **kwargs)


def _channels_first(data_format: str | None) -> bool:
    if data_format not in (*_FORMATS, None):
        raise ValueError(f"Unknown data_format {data_format!r}. {suggest(str(data_format), _FORMATS)}")
    return data_format == "channels_first"
