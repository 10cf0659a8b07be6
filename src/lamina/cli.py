"""The command `lamina`."""

import argparse
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    parser = argparse.ArgumentParser(prog="lamina", description="Lamina, a deep-learning library on JAX.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="train LeNet-5 on handwritten digits")
    demo.add_argument("--epochs", type=int, default=12, help="how often to go through the digits (default: 12)")
    options = parser.parse_args(argv)

    from lamina import demo as lenet5

    return lenet5.run(options.epochs)
