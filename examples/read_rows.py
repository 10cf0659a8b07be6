"""A recurrent network and a transformer read handwritten digits row by row, as one reads a text word by word.

    python examples/read_rows.py                  # the small digits that scikit-learn ships: 8 rows of 8 pixels
    python examples/read_rows.py --data PATH      # MNIST, 28 rows of 28 pixels: what lamina.datasets.mnist.load_data takes

The GRU (Cho et al., 2014) has seen the rows above when it comes to a row; in the transformer (Vaswani et al., Attention is all you
need, 2017) each row looks at all of them.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import lamina
from lamina import layers


def small_digits():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = (pixels.reshape(-1, 8, 8) / 16).astype("float32")
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[len(order) // 5 :], order[: len(order) // 5]
    return (images[train], labels[train]), (images[test], labels[test])


def mnist(path):
    try:
        parts = lamina.datasets.mnist.load_data(path)
    except FileNotFoundError:  # a folder with the 10,000 digits to test on alone: the last fifth of them is held out
        files = [file for kind in ("images", "labels") for file in Path(path).glob(f"*t10k-{kind}*")]
        if len(files) != 2:
            raise
        images, labels = map(lamina.datasets.read_idx, files)
        held_out = len(images) // 5
        parts = (images[:-held_out], labels[:-held_out]), (images[-held_out:], labels[-held_out:])
    return [(images / np.float32(255), labels) for images, labels in parts]


def shifted(images):
    """Returns the images, and each moved by a pixel to the four sides."""
    moves = [np.roll(images, step, axis) for axis in (1, 2) for step in (-1, 1)]
    return np.concatenate([images, *moves])


class Rows(layers.Layer):
    """What stands in each row, and which row it is, as vectors."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.read = layers.Dense(size)
        self.size = size

    def build(self, shape):
        self.positions = self.add_weight(shape=(shape[1], self.size), initializer="random_normal")

    def call(self, rows):
        return self.read(rows) + self.positions


class Block(layers.Layer):
    """A block of a transformer: rows look at each other, then each thinks for itself."""

    def __init__(self, heads, size, **kwargs):
        super().__init__(**kwargs)
        self.look = layers.MultiHeadAttention(heads, size // heads, dropout=0.1)
        self.think = lamina.Sequential([layers.Dense(4 * size, "gelu"), layers.Dense(size), layers.Dropout(0.1)])
        self.norms = [layers.LayerNormalization(), layers.LayerNormalization()]

    def call(self, x):
        seen = self.norms[0](x)
        x = x + self.look(seen, seen)
        return x + self.think(self.norms[1](x))


def recurrent():
    return lamina.Sequential([layers.GRU(96), layers.Dropout(0.3), layers.Dense(10)])


def transformer(size=64, blocks=2):
    read = [Rows(size), *(Block(4, size) for _ in range(blocks))]
    return lamina.Sequential([*read, layers.LayerNormalization(), layers.Flatten(), layers.Dropout(0.3), layers.Dense(10)])


def main(data=None, epochs=15):
    lamina.random.set_seed(0)
    (x, y), (x_test, y_test) = mnist(data) if data else small_digits()
    if not data:
        x, y = shifted(x), np.tile(y, 5)
    print(f"{len(x)} digits to learn from, {len(x_test)} to test on, each of {x.shape[1]} rows of {x.shape[2]} pixels")
    accuracies = {}
    for name, model in {"GRU": recurrent(), "transformer": transformer()}.items():
        steps = epochs * -(-len(x) // 64)
        rate = lamina.optimizers.schedules.CosineDecay(2e-3, steps)
        loss = lamina.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(lamina.optimizers.Adam(rate), loss, metrics=["accuracy"])
        start = time.perf_counter()
        model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
        seconds = time.perf_counter() - start
        _, accuracies[name] = model.evaluate(x_test, y_test, verbose=0)
        share = f"{accuracies[name]:.1%} of the digits to test on read right"
        print(f"{name}: {share}; {model.count_params():,} weights, {seconds:.0f} s")
    return accuracies


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="PATH", help="MNIST's files; mnist.npz is downloaded")
    parser.add_argument("--epochs", type=int, default=15)
    main(**vars(parser.parse_args()))
