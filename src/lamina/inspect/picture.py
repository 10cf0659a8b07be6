"""Pictures of models: `lamina.utils.plot_model`."""

import os
from pathlib import Path
from typing import Any

from lamina.core.errors import warn
from lamina.core.layer import Layer
from lamina.inspect.drawing import Drawing, Wanted, drawing
from lamina.inspect.graphviz import DotError, DotMissing, dot_layout, dot_text, run_dot
from lamina.inspect.layered import Placed, layered
from lamina.inspect.notebook import in_notebook
from lamina.inspect.outline import outline
from lamina.inspect.svg import svg


def plot_model(
    model: Layer,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:
    """Draws a model to a file: the graph of a functional or sequential model, of any other the tree of its layers.

    Graphviz's program `dot` lays the picture out, if it is installed. Without it an SVG has a simpler layout, and a PNG cannot be
    made. An SVG suits light and dark pages.

    Args:
        model: a built model.
        to_file: where to; the ending says as what, .png or .svg.
        show_shapes: whether to show the shapes of inputs and outputs.
        show_dtype: whether to show the dtype of outputs.
        show_layer_names: whether to show names that were made up too, such as `dense_1`; those that were given always are shown.
        rankdir: "TB", from top to bottom, or "LR", from left to right.
        expand_nested: whether models and layers inside of others are drawn as frames around what they are made of.
        dpi: dots an inch of a PNG.
        show_layer_activations: whether to show activations.
        show_trainable: whether to show which layers are trained.

    Returns:
        In a notebook, what shows the picture there; else None.

    Raises:
        ValueError: for a model that is not built, another ending or another direction.
        OSError: where the file cannot be written.
        RuntimeError: for a PNG, where `dot` is missing or fails; it says what to install.

    >>> import pathlib, tempfile
    >>> x = lamina.Input((3,), name="features")
    >>> model = lamina.Model(x, lamina.layers.Dense(2, name="scores")(x))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lamina.utils.plot_model(model, f"{folder}/model.svg", show_shapes=True)
    ...     "(None, 3) → (None, 2)" in pathlib.Path(folder, "model.svg").read_text()
    True
    """
    path = Path(to_file)
    kind = path.suffix.lower()
    if kind not in (".svg", ".png"):
        raise ValueError(f"A model is drawn to a file that ends in .svg or .png, not to {str(path)!r}.")
    if rankdir not in ("TB", "LR"):
        raise ValueError(f"rankdir is 'TB', from top to bottom, or 'LR', from left to right, not {rankdir!r}.")
    if isinstance(dpi, bool) or not isinstance(dpi, (int, float)) or not 0 < dpi < float("inf"):
        raise ValueError(f"dpi is a positive number of dots an inch, not {dpi!r}.")
    _check_writable(path)
    root, _ = outline(model)
    wanted = Wanted(show_shapes, show_dtype, show_layer_names, expand_nested, show_layer_activations, show_trainable)
    drawn = drawing(root, wanted, sideways=rankdir == "LR")
    if kind == ".png":
        try:
            content = run_dot(dot_text(drawn, dpi=dpi), "png")
        except DotError as error:
            raise RuntimeError(
                f"A PNG cannot be drawn. {error} An SVG, {path.with_suffix('.svg')}, needs no such program."
            ) from None
    else:
        content = svg(drawn, _placed(drawn)).encode()
    path.write_bytes(content)
    if not in_notebook():
        return None
    from IPython.display import SVG, Image

    return SVG(content) if kind == ".svg" else Image(content)


def _placed(drawn: Drawing) -> Placed:
    """Returns a drawing as it is laid out: by `dot`, or without it in a simpler way."""
    try:
        return dot_layout(drawn)
    except DotMissing:
        return layered(drawn)
    except DotError as error:
        warn(f"{error} This picture has a simpler layout.")
        return layered(drawn)


def _check_writable(path: Path) -> None:
    """Raises OSError if a file cannot be written there."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The picture {str(path)!r} cannot be written: there is no folder {str(path.parent)!r}.")
    if path.is_dir():
        raise IsADirectoryError(f"The picture {str(path)!r} cannot be written: that is a folder.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise PermissionError(f"The picture {str(path)!r} cannot be written: writing there is not allowed.")
