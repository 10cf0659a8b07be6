"""The command `lamina`, but for its demo."""

import json
import re
import sys

import pytest

import lamina
from lamina import cli

SCRIPT = """\
import os, sys, helper
import numpy as np, lamina
class Half(lamina.layers.Layer):
    def call(self, x):
        return x / 2
if __name__ == "__main__":
    print("given", sys.argv[1:], helper.word)
    Half(name="half")(np.ones((2, 3)))
"""


@pytest.fixture
def explain(tmp_path, monkeypatch, capsys):
    """Writes a script, runs it, and returns the exit status, what it printed, and the errors."""
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/helper.py").write_text("word = 'found beside the script'\n")

    def run(*arguments, end=""):
        (tmp_path / "scripts/script.py").write_text(SCRIPT + end)
        monkeypatch.delitem(sys.modules, "helper", raising=False)
        return cli.main(["explain", *arguments]), *capsys.readouterr()

    return run


def test_a_script_runs_as_python_runs_it_and_ends_with_its_story(explain):
    status, printed, errors = explain("scripts/script.py", "--save", "-x", "3")
    assert status == 0 and errors == ""
    assert printed.startswith("given ['--save', '-x', '3'] found beside the script\n")
    assert re.search(r"build half for \(2, 3\), because of its first call, on data +scripts/script.py:8, in <module>", printed)


@pytest.mark.parametrize("name", ["story.html", "story.json", "story.txt"])
def test_a_story_is_kept_where_the_reader_wants_it_wherever_the_script_goes(explain, tmp_path, name):
    status, printed, _ = explain("--save", name, "scripts/script.py", end="    os.chdir('scripts')\n")
    assert status == 0 and f"The story is in {name}." in printed
    text = (tmp_path / name).read_text()
    assert "half" in text and "call half" in (
        json.dumps(json.loads(text)) if name.endswith("json") else re.sub("<[^>]*>", "", text)
    )


def test_a_script_that_fails_keeps_its_traceback_and_status_and_has_its_story(explain, tmp_path):
    status, printed, errors = explain("--save", "story.txt", "scripts/script.py", end="    Half(name='late')(None.x)\n")
    assert status == 1
    assert errors.startswith('Traceback (most recent call last):\n  File "') and errors.count("File") == 1
    assert errors.endswith("AttributeError: 'NoneType' object has no attribute 'x'\n")
    assert "It ended with AttributeError" in printed and "script.py:9" in printed and "call half" in printed
    assert (tmp_path / "story.txt").read_text() in printed


@pytest.mark.parametrize("stop, status, said", [("", 0, ""), ("0", 0, ""), ("3", 3, ""), ("'no more'", 1, "no more\n")])
def test_a_script_that_exits_keeps_its_status(explain, stop, status, said):
    got, printed, errors = explain("scripts/script.py", end=f"    sys.exit({stop})\n")
    assert (got, errors) == (status, said) and "call half" in printed and "It ended" not in printed


def test_a_script_with_a_mistake_in_its_syntax_is_reported_as_such(explain):
    status, printed, errors = explain("scripts/script.py", end="    print(\n")
    assert status == 1 and "SyntaxError" in errors and "runpy" not in errors and "given" not in printed


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["none.py"], "there is no file 'none.py'"),
        (["--save", "none/story.html", "scripts/script.py"], "cannot be written"),
        (["--save", "story.pdf", "scripts/script.py"], r"\.json, \.html or \.txt"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_run(explain, capsys, arguments, said):
    with pytest.raises(SystemExit) as stop:
        explain(*arguments)
    printed, errors = capsys.readouterr()
    assert stop.value.code == 2 and re.search(said, errors) and printed == ""


def test_the_command_knows_its_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"lamina {lamina.__version__}\n" and lamina.__version__
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lamina.no_such_name


def test_a_command_is_asked_for(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([])
    assert stop.value.code == 2 and "demo or explain" in capsys.readouterr().err
