"""Which package is this text from? A model learns to tell the documentation of Python, NumPy and JAX apart.

    python examples/text_classifier.py

The texts are real, and every installation has them: paragraphs from the docstrings of the standard library, of NumPy and of JAX.
The names of the packages are taken out, and the paragraphs to test on come from files that the model has seen nothing of.
`TextVectorization` learns the words; an embedding and a convolution over five of them find the phrases that give a package away
(Kim, Convolutional neural networks for sentence classification, 2014).
"""

import argparse
import ast
import importlib.util
import re
import textwrap
import warnings
from pathlib import Path

import numpy as np

import lamina
from lamina import layers

PACKAGES = {"Python": "json", "NumPy": "numpy", "JAX": "jax"}  # and a module whose file lies in the package's folder
OTHERS = {"site-packages", "dist-packages", "test", "tests"}  # folders that are left out
NAMES = re.compile(r"\b(python|numpy|np|jax|jnp|lax|xla|pallas|scipy)\b", re.IGNORECASE)


def folder(module):
    """Returns the folder of NumPy's files, of JAX's, or of the standard library's."""
    place = Path(importlib.util.find_spec(module).origin).parent
    return place.parent if module == "json" else place


def paragraphs(file):
    """Returns the paragraphs in the docstrings of a file of Python, without the names of packages."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return []
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    found = [" ".join(text.split()) for node in nodes for text in (ast.get_docstring(node) or "").split("\n\n")]
    prose = [text for text in found if text[:1].isupper() and text.endswith(".") and len(text.split()) >= 12]
    return [NAMES.sub(" ", text) for text in prose]


def corpus(count):
    """Returns the paragraphs to learn from and those to test on, each a list of (text, number of the package)."""
    order, parts, seen = np.random.default_rng(0), ([], []), set()
    for number, module in enumerate(PACKAGES.values()):
        root = folder(module)
        found = sorted(file for file in root.rglob("*.py") if not OTHERS & set(file.relative_to(root).parts))
        wanted = [count * 4 // 5, count // 5]
        for place, index in enumerate(order.permutation(len(found))):
            part = place % 5 == 4
            new = [text for text in dict.fromkeys(paragraphs(found[index])) if text not in seen][: wanted[part]]
            seen.update(new)
            parts[part].extend((text, number) for text in new)
            wanted[part] -= len(new)
            if not any(wanted):
                break
    return parts


def main(count=2500, epochs=4):
    lamina.random.set_seed(0)
    (texts, labels), (test_texts, test_labels) = (map(np.array, zip(*part, strict=True)) for part in corpus(count))
    most = np.bincount(test_labels).max() / len(test_labels)
    print(f"{len(texts)} paragraphs to learn from, {len(test_texts)} to test on")

    words = layers.TextVectorization(max_tokens=8000, output_sequence_length=80)
    words.adapt(texts)
    model = lamina.Sequential(
        [
            lamina.Input((80,), dtype="int32"),
            layers.Embedding(words.vocabulary_size(), 64),
            layers.Dropout(0.5),
            layers.Conv1D(128, 5, padding="same", activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dropout(0.5),
            layers.Dense(len(PACKAGES), activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(words(texts), labels, batch_size=64, epochs=epochs)
    guesses = model.predict(words(test_texts), verbose=0)
    accuracy = np.mean(guesses.argmax(axis=-1) == test_labels)
    print(f"on the paragraphs to test on: {accuracy:.1%} right; who always names the commonest package has {most:.1%}")

    for number, package in enumerate(PACKAGES):
        surest = guesses[:, number].argmax()
        print(f"surest of {package}: {textwrap.shorten(test_texts[surest], 100)} ({[*PACKAGES][test_labels[surest]]})")
    return accuracy, most


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2500, help="paragraphs of each package (default: 2500)")
    parser.add_argument("--epochs", type=int, default=4)
    main(**vars(parser.parse_args()))
