"""A history as a table and as curves."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib import pyplot

import lamina

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")


def fitted(epochs=3, **options):
    model = lamina.Sequential([lamina.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model.fit(X, Y, epochs=epochs, verbose=0, **options)


def made(epochs, names=("loss",)):
    history = lamina.callbacks.History()
    for epoch in range(epochs):
        history.on_epoch_end(epoch, dict.fromkeys(names, 1 / (epoch + 1)))
    return history


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_it_reads_as_a_table_of_epochs():
    assert str(made(3, ("loss", "accuracy"))).splitlines() == [
        "History of 3 epochs",
        "epoch     loss   accuracy",
        "    1   1.0000     1.0000",
        "    2   0.5000     0.5000",
        "    3   0.3333     0.3333",
    ]
    assert repr(lamina.callbacks.History()) == "History of 0 epochs"


def test_long_runs_are_folded_in_the_middle():
    lines = str(made(1000)).splitlines()
    assert len(lines) == 13 and lines[7].split() == ["(990", "more)", "..."] and lines[-1].split() == ["1000", "0.0010"]


def test_validation_stands_beside_the_epochs_that_had_it():
    history = fitted(4, validation_data=(X, Y), validation_freq=2)
    rows = [line.split() for line in str(history).splitlines()[2:]]
    assert [len(row) for row in rows] == [3, 5, 3, 5]
    assert history.plot("loss").axes[0].lines[1].get_xdata().tolist() == [2, 4]


def test_in_a_notebook_it_is_html_with_names_escaped():
    page = made(2, ("<loss>",))._repr_html_()
    assert "&lt;loss&gt;" in page and "<loss>" not in page and "0.5000" in page


def test_each_metric_has_an_axes_with_training_and_validation():
    history = fitted(validation_data=(X, Y))
    figure = history.plot()
    assert [axes.get_title() for axes in figure.axes] == ["loss", "mae"]
    for axes in figure.axes:
        name = axes.get_title()
        curves = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
        assert curves == {"training": history.history[name], "validation": history.history[f"val_{name}"]}
    assert [axes.get_title() for axes in history.plot(["mae"]).axes] == ["mae"]
    assert len(history.plot("val_loss").axes) == 1


def test_what_there_is_not_is_refused_with_the_nearest_name():
    for metrics, message in (("los", "Did you mean 'loss'"), ([], "empty")):
        with pytest.raises(ValueError, match=message):
            made(2).plot(metrics)
    with pytest.raises(ValueError, match="no epochs"):
        lamina.callbacks.History().plot()
    assert not pyplot.get_fignums()


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install lamina\[plot\]"):
        made(2).plot()


def test_it_draws_without_a_display(tmp_path):
    code = "import lamina, sys; h = lamina.callbacks.History(); h.on_epoch_end(0, {'loss': 1.0}); h.plot().savefig(sys.argv[1])"
    environment = {"PYTHONPATH": ":".join(sys.path), "MPLCONFIGDIR": str(tmp_path), "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "h.png")], check=True, env=environment)
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")
