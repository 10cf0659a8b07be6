"""`lamina demo`: LeNet-5 twice, a comparison, a picture."""

import re

import numpy as np
import pytest
from matplotlib.image import imread

from lamina import cli, demo


@pytest.mark.parametrize("epochs, status", [pytest.param(5, 0, marks=pytest.mark.slow), (1, 1)])
def test_the_demo_compares_both_models_draws_what_they_read_and_exits_by_their_accuracy(tmp_path, capsys, epochs, status):
    path = tmp_path / "digits.png"
    assert cli.main(["demo", "--epochs", str(epochs), "--picture", str(path)]) == status
    printed = capsys.readouterr().out
    assert printed.count(f"Epoch {epochs}/{epochs} - ") == 2 and str(path) in printed
    shares = [float(line.split("=")[1].strip("% ")) for line in printed.splitlines() if " of 397 =" in line]
    assert len(shares) == 2 and (min(shares) > 95) == (status == 0)
    assert ("Give it more --epochs" in printed) == (status == 1)
    height, width, _ = imread(path).shape
    assert path.read_bytes().startswith(b"\x89PNG\r\n") and 1000 < width < 2500 and 400 < height < 1500


def test_the_picture_marks_what_is_misread_and_only_that(tmp_path):
    images, labels = np.ones((50, 28, 28, 1), "float32") / 2, np.arange(50) % 10
    red = []
    for misread in (0, 1, 30):
        guesses = np.where(np.arange(50) < misread, (labels + 1) % 10, labels)
        results = [demo.Result(name, 1, 1.0, read, 0.5) for name, read in (("right", labels), ("other", guesses))]
        demo.draw(tmp_path / "digits.png", images, labels, results)
        pixels = imread(tmp_path / "digits.png")
        reddish = (pixels[..., 0] > 0.6) & (pixels[..., 1] < 0.3)
        assert not reddish[:, : pixels.shape[1] // 2].any()
        red.append(reddish.sum())
    assert red[0] == 0 < red[1] and red[2] > 15 * red[1]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--epochs", "0"], "at least 1"),
        (["--epochs", "many"], "'many'"),
        (["--picture", "digits.jpg"], r"\.png"),
        (["--picture", "no/such/folder/digits.png"], "folder"),
    ],
)
def test_what_the_demo_cannot_do_is_said_before_it_begins(arguments, said, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo", *arguments])
    assert stop.value.code == 2 and re.search(said, capsys.readouterr().err)
