"""The command `lamina`."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    parser = argparse.ArgumentParser(prog="lamina", description="Lamina, a deep-learning library on JAX.")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command")
    demo = commands.add_parser("demo", help="train LeNet-5 on handwritten digits, from built-in and from custom layers")
    demo.add_argument("--epochs", type=_epochs, default=12, help="how often to go through the digits (default: 12)")
    demo.add_argument(
        "--picture", type=_picture, default="lamina-demo.png", metavar="PATH", help="the picture (default: %(default)s)"
    )
    explain = commands.add_parser(
        "explain",
        usage="lamina explain [--save PATH] script.py [argument ...]",
        help="run a script, and tell when and why its layers were built, called, traced and compiled",
    )
    explain.add_argument(
        "--save",
        type=_story,
        metavar="PATH",
        help="where to write the story, too: .html is a page, .json a timeline, .txt its text",
    )
    explain.add_argument("script", type=_script, metavar="script.py", help="what to run, as `python script.py` does")
    explain.add_argument("arguments", nargs=argparse.REMAINDER, metavar="argument", help="what the script is given")
    options = parser.parse_args(argv)
    if options.version:
        import lamina

        print(f"lamina {lamina.__version__}")
        return 0
    if options.command == "explain":
        from lamina.inspect.explain import explain as run

        return run(options.script, options.arguments, options.save)
    if options.command == "demo":
        return _demo(options.epochs, options.picture)
    parser.error("say what to do: demo or explain")


def _demo(epochs: int, picture: Path) -> int:
    missing = [name for name, module in (("scikit-learn", "sklearn"), ("matplotlib", "matplotlib")) if find_spec(module) is None]
    if missing:
        print(f"The demo needs {' and '.join(missing)}: pip install {' '.join(missing)}", file=sys.stderr)
        return 2

    from lamina import demo as lenet5

    try:
        return lenet5.run(epochs, picture)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def _script(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r} to run")
    return path


def _story(text: str) -> Path:
    from lamina.inspect.story import check_writable

    try:
        check_writable(Path(text))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"the story cannot be written to {text!r}: {error}") from error
    return Path(text)


def _epochs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"give a number of at least 1, not {text!r}")
    return int(text)


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"the picture is a PNG, so its name has to end in .png: {text!r}")
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written; does its folder exist?")
    return path
