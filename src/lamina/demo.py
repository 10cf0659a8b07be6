"""The demo: LeNet-5 learns the handwritten digits that scikit-learn ships, from built-in layers and from custom ones."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import lamina
from lamina import layers

Digits = tuple[np.ndarray, np.ndarray]

_ENOUGH = 0.95
_RIGHT, _WRONG = "#57606a", "#d1242f"


# --- LeNet-5 (LeCun et al., Gradient-based learning applied to document recognition, 1998), twice --------------------------


def built_in() -> lamina.Model:
    """Returns LeNet-5 from layers that Lamina has."""
    return lamina.Sequential(
        [
            layers.Conv2D(6, 5, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10),
        ]
    )


class ConvBNReLU(layers.Layer):
    """Convolution, batch normalisation and ReLU as one layer."""

    def __init__(self, filters: int, kernel_size: int, padding: str = "valid", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(filters, kernel_size, padding=padding)
        self.bn = layers.BatchNormalization(momentum=0.9)
        self.relu = layers.ReLU()

    def call(self, inputs: jax.Array) -> jax.Array:
        """Computes relu(bn(conv(inputs)))."""
        outputs: jax.Array = self.relu(self.bn(self.conv(inputs)))
        return outputs


class LeNet5(lamina.Model):
    """LeNet-5 as a model of one's own: two such layers with pooling, then three dense ones."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ConvBNReLU(6, 5, padding="same")
        self.second = ConvBNReLU(16, 5)
        self.pool = layers.MaxPooling2D(2)
        self.flatten = layers.Flatten()
        self.classify = [layers.Dense(120, "relu"), layers.Dense(84, "relu"), layers.Dense(10)]

    def call(self, images: jax.Array) -> jax.Array:
        """Returns the logits of the ten digits for images of shape (batch, 28, 28, 1)."""
        x: jax.Array = self.pool(self.first(images))
        x = self.flatten(self.pool(self.second(x)))
        for layer in self.classify:
            x = layer(x)
        return x


# --- what it does ----------------------------------------------------------------------------------------------------------


def digits() -> tuple[Digits, Digits]:
    """Returns (images, labels) to train on and to test on: 1,797 digits of 8 by 8 pixels, enlarged to 28 by 28."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    small = pixels.reshape(-1, 8, 8, 1).astype("float32") / 16
    images = np.clip(jax.image.resize(small, (len(small), 28, 28, 1), "cubic"), 0, 1)
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:1400], order[1400:]
    return (images[train], labels[train]), (images[test], labels[test])


@dataclass(frozen=True)
class Result:
    """What a model has learned.

    Args:
        name: what the model is made of.
        parameters: how many numbers it has learned.
        seconds: how long that took.
        guesses: what it reads in each of the held-out images.
        accuracy: which share of these is right.
    """

    name: str
    parameters: int
    seconds: float
    guesses: np.ndarray
    accuracy: float


def learn(name: str, model: lamina.Model, train: Digits, test: Digits, epochs: int) -> Result:
    """Trains a model and tests it."""
    model.compile(lamina.optimizers.Adam(2e-3), lamina.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    start = time.perf_counter()
    model.fit(*train, batch_size=70, epochs=epochs)
    seconds = time.perf_counter() - start
    guesses = np.argmax(model.predict(test[0], verbose=0), axis=-1)
    return Result(name, model.count_params(), seconds, guesses, float(np.mean(guesses == test[1])))


def run(epochs: int = 12, picture: Path = Path("lamina-demo.png")) -> int:
    """Trains both, compares and pictures what they read; returns 0 if each reads more than 95 % of the held-out digits right."""
    lamina.random.set_seed(0)
    train, test = digits()
    print(f"LeNet-5 learns to read handwritten digits: {len(train[0])} to learn from, {len(test[0])} to test on.")
    print("\nFrom built-in layers, as a Sequential:")
    results = [learn("built-in layers", built_in(), train, test, epochs)]
    print("\nFrom custom layers, as a Model with a call of its own:")
    results.append(learn("custom layers", LeNet5(), train, test, epochs))
    print("\n                   parameters   trained in   held-out digits read right")
    for result in results:
        right = f"{np.sum(result.guesses == test[1])} of {len(test[1])}"
        print(f"{result.name:<16}{result.parameters:>13,}{result.seconds:>11.1f} s   {right:<10} = {result.accuracy:.1%}")
    draw(picture, *test, results)
    print(f"\nWhat they read in some of these, misread ones first: {picture}")
    weak = [result.name for result in results if result.accuracy <= _ENOUGH]
    if weak:
        print(f"LeNet-5 from {' and from '.join(weak)} should read more than {_ENOUGH:.0%} right. Give it more --epochs.")
    return 1 if weak else 0


def draw(path: Path, images: np.ndarray, labels: np.ndarray, results: Sequence[Result], rows: int = 5, columns: int = 8) -> None:
    """Writes a picture: for each model the same digits, and below each what the model reads in it."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    misread = np.any([result.guesses != labels for result in results], axis=0)
    count = rows * columns
    shown = np.concatenate([np.flatnonzero(misread)[: count // 2], np.flatnonzero(~misread)])[:count]
    height, width = images.shape[1:3]
    down, right, edge = height + 15, width + 14, 6  # pixels from one digit to the next, and around the page
    figure = Figure(figsize=(14, 5.5), dpi=110, layout="constrained")
    figure.suptitle("What LeNet-5 reads in digits that it has not seen before", fontsize=15)
    for axes, result in zip(figure.subplots(1, len(results)), results, strict=True):
        page = np.zeros((rows * down + edge, columns * right + 2 * edge))
        for place, index in enumerate(shown):
            top, left = edge + place // columns * down, edge + place % columns * right + (right - width) // 2
            page[top : top + height, left : left + width] = images[index, :, :, 0]
            text, style = f"{result.guesses[index]}", {"color": _RIGHT}
            if result.guesses[index] != labels[index]:
                text, style = f"{text}, not {labels[index]}", {"color": _WRONG, "weight": "bold"}
                axes.add_patch(Rectangle((left - 2, top - 2), width + 3, height + 3, fill=False, edgecolor=_WRONG, linewidth=2))
            axes.text(left + width / 2, top + height + 7, text, ha="center", va="center", fontsize=12, **style)
        axes.imshow(page, cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(f"{result.name}: {result.accuracy:.1%} of {len(labels)} read right", fontsize=13)
        axes.axis("off")
    figure.savefig(path)
