"""LeNet-5 reads handwritten digits: a model of built-in layers, trained, tested and asked.

python examples/lenet5.py                  # the small digits that scikit-learn ships
python examples/lenet5.py --data FOLDER    # MNIST, from the files *images-idx3-ubyte* and *labels-idx1-ubyte*, gzipped or not
"""

import argparse
from pathlib import Path

import numpy as np

import lamina
from lamina import layers
from lamina.datasets import read_idx


def mnist(folder):
    images, labels = (sorted(Path(folder).glob(f"*{kind}-ubyte*"), reverse=True) for kind in ("images?idx3", "labels?idx1"))
    if not images or len(images) != len(labels):
        raise SystemExit(f"There are no files *images-idx3-ubyte* and *labels-idx1-ubyte* in {folder}.")
    sets = [(read_idx(x)[..., None] / np.float32(255), read_idx(y)) for x, y in zip(images, labels, strict=True)]
    return sets if len(sets) == 2 else split(*sets[0])  # "train-..." comes before "t10k-..."


def small_digits():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    enlarged = np.kron(pixels.reshape(-1, 8, 8) / 16, np.ones((3, 3)))  # to 24 by 24, with a border of 2
    return split(np.pad(enlarged, [(0, 0), (2, 2), (2, 2)])[..., None].astype("float32"), labels)


def split(images, labels):
    """Holds out a fifth, to test on."""
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[len(order) // 5 :], order[: len(order) // 5]
    return (images[train], labels[train]), (images[test], labels[test])


def main(data=None, epochs=10):
    lamina.random.set_seed(0)
    (x, y), (x_test, y_test) = mnist(data) if data else small_digits()
    print(f"{len(x)} digits to learn from, {len(x_test)} to test on")
    model = lamina.Sequential(
        [
            lamina.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=lamina.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=epochs, validation_split=0.1)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"on the digits to test on: loss {loss:.3f}, accuracy {accuracy:.1%}")

    guesses = model.predict(x_test, verbose=0).argmax(axis=-1)
    for digit in range(10):
        read = guesses[y_test == digit]
        wrong, times = np.unique(read[read != digit], return_counts=True)
        mistakes = ", ".join(f"{other} ({count}×)" for other, count in zip(wrong, times, strict=True))
        print(f"{digit}: {np.mean(read == digit):.1%} of {len(read)} right" + (f", others read as {mistakes}" if mistakes else ""))
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="FOLDER", help="where MNIST's files are")
    parser.add_argument("--epochs", type=int, default=10)
    main(**vars(parser.parse_args()))
