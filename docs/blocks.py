"""Runs the code of a page, and compares what it prints with what the page says it prints.

    python docs/blocks.py docs/*.md        # pastes what the code prints into the pages, where they say something else

The ```python blocks of a page run in their order, as one script in a fresh Python. What a block prints stands in a ```text block
right after it. A block that begins with `# raises SomeError` must raise that; its output ends with the error and its notes. Line
numbers in stories and errors are those of the page.
"""

import contextlib
import io
import json
import linecache
import math
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIES = re.compile(r"(, )?\b\d[\d,]*(\.\d+)? ?(µs|ms|s|min \d+ s)\b|, in \d+ (dispatches|runs)\b")
NUMBER = r"-?\d+(?:\.\d+(?:e[+-]?\d+)?|(?=%))"


@dataclass
class Block:
    """A piece of a page's code.

    Attributes:
        line: the line of the page on which it begins, counted from 1.
        code: what it says.
        end: how many lines of the page come before the place of its output.
        promised: the lines that it is said to print, or None where the page does not say.
    """

    line: int
    code: str
    end: int
    promised: list[str] | None

    @property
    def raises(self) -> str:
        """The name of the error that it must raise, or ""."""
        found = re.match(r"# raises (\w+)", self.code)
        return found[1] if found else ""


def blocks_of(text: str) -> list[Block]:
    """Returns the blocks of a page."""
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if line.startswith("```")]
    opened, closed = fences[::2], fences[1::2]
    blocks: list[Block] = []
    for start, stop in zip(opened, closed, strict=True):
        kind, content = lines[start][3:].strip(), lines[start + 1 : stop]
        if kind == "python":
            blocks.append(Block(start + 2, "\n".join(content) + "\n", stop + 1, None))
        elif kind == "text" and blocks and not any(line.strip() for line in lines[blocks[-1].end : start]):
            blocks[-1].promised = content
    return blocks


def run(page: Path) -> list[list[str]]:
    """Runs the code of a page in a Python of its own; returns the lines that each block printed.

    Raises:
        RuntimeError: if a block raises, or does not, against what it says.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "LAMINA_", "XLA_"))}
    environment |= {"LAMINA_COMPILE_CACHE": "0", "JAX_PLATFORMS": "cpu", "COLUMNS": "100", "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), "--run", str(page.resolve())]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=folder, env=environment)
    if done.returncode:
        raise RuntimeError(f"The code of {page.name} failed.\n{done.stderr}")
    outputs: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return outputs


def run_here(page: Path) -> list[list[str]]:
    """Runs the code of a page in this Python."""
    text = page.read_text(encoding="utf-8")
    linecache.cache[page.name] = (len(text), None, text.splitlines(keepends=True), page.name)
    space: dict[str, Any] = {"__name__": page.stem}
    warnings.simplefilter("always", UserWarning)
    warnings.showwarning = lambda message, category, *_: print(f"{category.__name__}: {message}")
    return [_run_block(block, page.name, space) for block in blocks_of(text)]


def _run_block(block: Block, name: str, space: dict[str, Any]) -> list[str]:
    code = compile("\n" * (block.line - 1) + block.code, name, "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            exec(code, space)
        except Exception as error:
            if block.raises not in [kind.__name__ for kind in type(error).__mro__]:
                raise
            notes = [note for note in getattr(error, "__notes__", ()) if "JAX has removed its internal frames" not in note]
            print("\n".join([f"{type(error).__name__}: {error}", *notes]))
        else:
            if block.raises:
                raise AssertionError(f"The block at {name}:{block.line} does not raise {block.raises}.")
        if "jax" in sys.modules:
            sys.modules["jax"].effects_barrier()  # what compiled code prints arrives by itself
    return [line.rstrip() for line in printed.getvalue().rstrip().splitlines()]


def same(promised: Sequence[str], printed: Sequence[str]) -> bool:
    """Tells whether what was printed is what was promised.

    `...` stands for anything within a line, and alone on a line for any lines. Durations, and what hangs on them, are passed over;
    decimal numbers and percentages may differ by a fiftieth; lines may be broken elsewhere, and spaces be wider.
    """
    promised, printed = ([VARIES.sub("", line).strip() for line in lines] for lines in (promised, printed))
    pattern = "".join("(?s:.*)" if line == "..." else _line_pattern(line) for line in promised if line)
    found = re.fullmatch(pattern, "".join(line + "\n" for line in printed if line))
    if found is None:
        return False
    numbers = [number for line in promised for number in re.findall(NUMBER, line)]
    return all(math.isclose(float(a), float(b), rel_tol=0.02, abs_tol=1e-3) for a, b in zip(numbers, found.groups(), strict=True))


def _line_pattern(line: str) -> str:
    return "".join(_word_pattern(word) + r"\s+" for word in line.split())


def _word_pattern(word: str) -> str:
    pieces = re.split(f"({NUMBER})", word)
    literal = [".*".join(re.escape(part) for part in piece.split("...")) for piece in pieces[::2]]
    return f"({NUMBER})".join(literal)


def paste(page: Path) -> bool:
    """Writes what the code of a page prints into the page, wherever the page says something else; tells whether it did."""
    text = page.read_text(encoding="utf-8")
    lines, changed = text.split("\n"), False
    for block, printed in reversed(list(zip(blocks_of(text), run(page), strict=True))):
        if same(block.promised or [], printed):
            continue
        changed = True
        after = block.end
        if block.promised is not None:
            after = lines.index("```text", block.end) + len(block.promised) + 2
        lines[block.end : after] = ["", "```text", *printed, "```"] if printed else []
    if changed:
        page.write_text("\n".join(lines), encoding="utf-8")
    return changed


def main(arguments: Sequence[str]) -> None:
    """Pastes into the pages that are given."""
    if arguments[:1] == ["--run"]:
        print(json.dumps(run_here(Path(arguments[1]))))
        return
    for argument in arguments:
        if "```python" in Path(argument).read_text(encoding="utf-8") and paste(Path(argument)):
            paste(Path(argument))  # once more: lines have moved, and some outputs name lines
            print(f"{argument}: what its code prints has changed")


if __name__ == "__main__":
    main(sys.argv[1:])
