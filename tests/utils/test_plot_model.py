"""Pictures of models."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

import lamina
from lamina import layers
from lamina.inspect.drawing import Line
from lamina.utils import plot_model

SVG = "{http://www.w3.org/2000/svg}"
# With `dot` and without, a picture is laid out in two ways.
WAYS = [pytest.param("with dot", marks=pytest.mark.graphviz), "without"]


def needs_dot(way):
    if way == "with dot" and shutil.which("dot") is None:
        pytest.fail("This test needs Graphviz: its program dot is not installed.")


class Net(lamina.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(4, activation="relu")
        self.stages = [lamina.Sequential([layers.Dense(3), layers.Dense(4)]) for _ in range(2)]

    def call(self, x):
        x = self.hidden(x)
        for stage in self.stages:
            x = stage(x)
        return x


def net():
    model = Net(name="net")
    model.build((None, 3))
    return model


def graph():
    x, late = lamina.Input((3,), name="features"), lamina.Input((2,), name='"<b>&late')
    hidden = layers.Dense(4, name="hidden", activation="relu")(x)
    a, b = lamina.Input((4,), name="a"), lamina.Input((3,), name="b")
    inner = lamina.Model(
        [a, b], [layers.Dense(2, name="of_a")(a) + layers.Dense(2, name="of_b")(b), layers.Dense(2, name="more")(b)], name="inner"
    )
    first, second = inner([hidden, x])
    return lamina.Model([x, late], [layers.Dense(2, name="left")(hidden) * first, second - late], name="model")


@pytest.fixture(params=WAYS)
def draw(request, tmp_path, monkeypatch):
    """Draws a model and returns the elements of the SVG."""
    needs_dot(request.param)
    if request.param == "without":
        monkeypatch.setenv("PATH", str(tmp_path))

    def drawn(model, **options):
        path = tmp_path / "model.svg"
        plot_model(model, path, **options)
        return ElementTree.fromstring(path.read_text())

    return drawn


def words(element):
    return [text.text for text in element.iter(f"{SVG}text")]


def boxes(picture):
    """The rectangles (left, top, right, bottom) by the first line of their text."""
    found = {}
    for group in picture.iter(f"{SVG}g"):
        x, y, width, height = (float(group.find(f"{SVG}rect").get(key)) for key in ("x", "y", "width", "height"))
        found[words(group)[0]] = (x, y, x + width, y + height)
    return found


def arrows(picture):
    """The pairs of points that lines lead from and to."""
    found = []
    for path in picture.iter(f"{SVG}path"):
        if path.get("class") == "line":
            numbers = [float(number) for number in re.findall(r"-?[\d.]+", path.get("d"))]
            found.append((numbers[:2], numbers[-2:]))
    return found


def touched(point, places):
    """The smallest box that has a point on it."""
    near = [name for name, (x, y, right, low) in places.items() if x - 2 < point[0] < right + 2 and y - 2 < point[1] < low + 2]
    return min(near, key=lambda name: places[name][2] - places[name][0])


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_a_graph_is_drawn_with_its_arrows_along_the_direction(draw, rankdir):
    picture = draw(graph(), rankdir=rankdir)
    places = boxes(picture)
    edges = {(touched(start, places), touched(end, places)) for start, end in arrows(picture)}
    assert edges == {
        ("features", "hidden"),
        ("features", "inner"),
        ("hidden", "inner"),
        ("hidden", "left"),
        ("inner", "mul"),
        ("left", "mul"),
        ("inner", "sub"),
        ('"<b>&late', "sub"),
    }
    axis = 0 if rankdir == "LR" else 1
    assert all(places[tail][axis + 2] < places[head][axis] for tail, head in edges)


@pytest.mark.parametrize("model", [graph, net])
@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_boxes_never_overlap_and_frames_hold_what_is_theirs(draw, model, rankdir):
    places = boxes(draw(model(), rankdir=rankdir, expand_nested=True, show_shapes=True, show_layer_names=True))
    frames = {"inner": ("a", "b", "of_a", "of_b", "more", "add"), "net": ("hidden", "stages/0", "stages/1")}

    def inside(a, b):
        return all(a[i] >= b[i] for i in (0, 1)) and all(a[i] <= b[i] for i in (2, 3))

    def apart(a, b):
        return a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]

    for name, a in places.items():
        for other, b in places.items():
            assert name == other or apart(a, b) or inside(a, b) or inside(b, a)
    for frame in frames.keys() & places.keys():
        assert all(inside(places[name], places[frame]) for name in frames[frame])


def test_nested_models_are_connected_to_what_is_around_them(draw):
    picture = draw(graph(), expand_nested=True)
    places = boxes(picture)
    edges = {(touched(start, places), touched(end, places)) for start, end in arrows(picture)}
    assert {("hidden", "a"), ("features", "b"), ("a", "of_a"), ("add", "mul"), ("more", "sub")} <= edges


def test_what_is_asked_for_is_written(draw):
    model = graph()
    model.get_layer("hidden").trainable = False
    told = words(draw(model, show_shapes=True, show_dtype=True, show_layer_activations=True, show_trainable=True))
    for text in ("(None, 3) → (None, 4)", "(None, 4), (None, 3) → [(None, 2), (None, 2)]", "float32", "relu", "not trainable"):
        assert text in told
    assert not {"relu", "float32", "trainable"} & set(words(draw(model)))


def test_names_that_were_made_up_are_shown_only_where_asked_for(draw):
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(4), layers.Dense(2, name="given")])
    assert words(draw(model)) == ["Dense", "given", "Dense"]
    assert words(draw(model, show_layer_names=True)) == ["dense", "Dense", "given", "Dense"]


def test_a_layer_that_is_called_on_what_comes_of_it_is_drawn_once(draw):
    cell, x = layers.Dense(4, name="cell"), lamina.Input((4,), name="x")
    picture = draw(lamina.Model(x, cell(lamina.ops.sin(cell(x)))))
    places = boxes(picture)
    assert {(touched(a, places), touched(b, places)) for a, b in arrows(picture)} == {
        ("x", "cell"),
        ("cell", "sin"),
        ("sin", "cell"),
    }


def test_pictures_suit_light_and_dark_pages(draw):
    assert "prefers-color-scheme:dark" in draw(net()).find(f"{SVG}style").text


def test_text_fits_into_its_box_in_the_widest_of_the_common_fonts():
    for strong, weight in ((False, "normal"), (True, "bold")):
        font = FT2Font(font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight)))
        letters = [*map(chr, range(32, 127)), *"äßΩЖ→×"]
        font.set_size(100, 72)
        for letter in letters:
            font.set_text(letter * 20)
            assert font.get_width_height()[0] / 64 / 100 <= Line(letter * 20, strong).width / Line("", strong).size + 0.1, letter


@pytest.mark.parametrize("way", WAYS)
def test_a_png_is_drawn_by_dot_or_refused_with_what_to_install(way, tmp_path, monkeypatch):
    needs_dot(way)
    path = tmp_path / "model.PNG"
    if way == "with dot":
        for model in (graph(), net()):
            plot_model(model, path, show_shapes=True, show_dtype=True, expand_nested=True, dpi=50)
            assert path.read_bytes().startswith(b"\x89PNG")
        return
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"(?s)PNG cannot.*Install Graphviz.*\.svg"):
        plot_model(graph(), path)
    assert not path.exists()


def test_a_dot_that_fails_is_no_silent_one(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho out of order >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    with pytest.warns(UserWarning, match="out of order"):
        plot_model(graph(), tmp_path / "model.svg")
    with pytest.raises(RuntimeError, match="out of order"):
        plot_model(graph(), tmp_path / "model.png")


def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(tmp_path):
    model, path = net(), tmp_path / "model.svg"
    for options, error in (
        ({"to_file": tmp_path / "model.jpg"}, ValueError),
        ({"to_file": tmp_path / "model"}, ValueError),
        ({"to_file": path, "rankdir": "UP"}, ValueError),
        ({"to_file": path, "dpi": 0}, ValueError),
        ({"to_file": path, "model": Net()}, ValueError),
        ({"to_file": tmp_path / "missing" / "model.svg"}, FileNotFoundError),
        ({"to_file": tmp_path}, ValueError),
    ):
        with pytest.raises(error):
            plot_model(**{"model": model, **options})
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(IsADirectoryError):
        plot_model(model, tmp_path / "folder.svg")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.svg"]


def test_models_with_many_layers_are_drawn(draw):
    x = lamina.Input((2,), name="x")
    y = x
    for i in range(150):
        y = y + layers.Identity(name=f"step_{i}")(y)
    assert len(boxes(draw(lamina.Model(x, y), show_layer_names=True))) == 301


def test_importing_lamina_needs_no_drawing():
    code = "import lamina, sys; print(any(name.startswith(('matplotlib', 'rich', 'IPython')) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
