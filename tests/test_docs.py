"""The code of every page runs, and prints what the page says."""

from pathlib import Path

import pytest

import blocks

ROOT = Path(__file__).parent.parent
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if "```python" in page.read_text("utf-8")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_prints_what_the_page_says(page):
    for block, printed in zip(blocks.blocks_of(page.read_text("utf-8")), blocks.run(page), strict=True):
        promised = block.promised or []
        assert blocks.same(promised, printed), "\n".join(
            [f"{page.name}:{block.line} prints", *printed, "", "and not", *promised, "", "`make docs` pastes what it prints."]
        )


def page_with(tmp_path, *parts):
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n" + "\n\nSome words.\n\n".join(parts) + "\n")
    return page


def code(*lines):
    return "\n".join(["```python", *lines, "```"])


def output(*lines):
    return "\n".join(["", "", "```text", *lines, "```"])


RAISES = '# raises ValueError\nerror = ValueError("no")\nerror.add_note("but why")\nraise error'


def test_what_is_pasted_is_what_the_code_prints(tmp_path):
    page = page_with(
        tmp_path,
        code("import warnings", "x = 6") + output("nothing is printed here"),
        code("print(x * 7)") + output("41", "43"),
        code(RAISES),
        code("print([1, 2])", "warnings.warn('careful')"),
    )
    assert blocks.paste(page)
    found = blocks.blocks_of(page.read_text())
    assert [block.promised for block in found] == [None, ["42"], ["ValueError: no", "but why"], ["[1, 2]", "UserWarning: careful"]]
    assert not blocks.paste(page) and page.read_text().count("Some words.") == 3


def test_line_numbers_and_sources_are_those_of_the_page(tmp_path):
    lines = [
        "import inspect",
        "def f():",
        "    return inspect.currentframe().f_lineno",
        "print(f())",
        "print(inspect.getsource(f))",
    ]
    page = page_with(tmp_path, code(*lines))
    (printed,) = blocks.run(page)
    assert page.read_text().splitlines()[int(printed[0]) - 1] == lines[2] and printed[1:] == lines[1:3]


@pytest.mark.parametrize("lines", ["1 / 0", "# raises KeyError\n1 / 0", "# raises KeyError\npass"])
def test_an_error_must_be_the_one_that_is_promised(tmp_path, lines):
    with pytest.raises(RuntimeError, match=r"page\.md"):
        blocks.run(page_with(tmp_path, code(lines)))


def test_what_counts_as_the_same():
    same = blocks.same
    assert same(["fit of net, 40 ms   a.py:3", "loss 0.7183, 2.1 s"], ["  12 ms fit of net a.py:3", "loss 0.7180"])
    assert same(["run 499 steps, in 21 dispatches"], ["run 499 steps"]) and not same(["3 steps"], ["4 steps"])
    assert same(["a line that is", "", "broken"], ["a line", "that is broken"]) and not same(["a line"], ["aline"])
    assert same(["a ... z", "...", "end"], ["a b z", "whatever", "comes", "end"]) and same(["...", "end"], ["end"])
    assert same(["98% right"], ["97% right"]) and not same(["98% right"], ["77% right"])
    assert not same(["a ... z"], ["a b", "c", "z"]) and not same(["loss 0.7183"], ["loss 0.8183"])
    assert not same([], ["something"]) and not same(["something"], [])
