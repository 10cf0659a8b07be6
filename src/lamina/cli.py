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
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="train LeNet-5 on handwritten digits, from built-in and from custom layers")
    demo.add_argument("--epochs", type=_epochs, default=12, help="how often to go through the digits (default: 12)")
    demo.add_argument(
        "--picture", type=_picture, default="lamina-demo.png", metavar="PATH", help="the picture (default: %(default)s)"
    )
    options = parser.parse_args(argv)

    missing = [name for name, module in (("scikit-learn", "sklearn"), ("matplotlib", "matplotlib")) if find_spec(module) is None]
    if missing:
        print(f"The demo needs {' and '.join(missing)}: pip install {' '.join(missing)}", file=sys.stderr)
        return 2

    from lamina import demo as lenet5

    try:
        return lenet5.run(options.epochs, options.picture)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


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
