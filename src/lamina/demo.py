"""The demo: LeNet-5, written as custom layers, learns the handwritten digits that scikit-learn ships."""

import time
from typing import Any

import jax
import numpy as np

import lamina
from lamina import layers

Digits = tuple[np.ndarray, np.ndarray]


class ConvBNReLU(layers.Layer):
    """Convolution, batch normalisation and ReLU as one layer."""

    def __init__(self, filters: int, kernel_size: int, padding: str = "valid", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(filters, kernel_size, padding=padding)
        self.bn = layers.BatchNormalization(momentum=0.9)
        self.relu = layers.ReLU()

    def call(self, inputs: jax.Array) -> jax.Array:
        """Computes relu(bn(conv(inputs)))."""
        return self.relu(self.bn(self.conv(inputs)))


class LeNet5(lamina.Model):
    """Two convolutions with pooling, then three dense layers (LeCun et al., Gradient-based learning, 1998)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = lamina.Sequential(
            [
                ConvBNReLU(6, 5, padding="same", name="first"),
                layers.MaxPooling2D(2),
                ConvBNReLU(16, 5, name="second"),
                layers.MaxPooling2D(2),
            ],
            name="features",
        )
        self.flatten = layers.Flatten()
        self.classify = [layers.Dense(120, "relu"), layers.Dense(84, "relu"), layers.Dense(10)]

    def call(self, images: jax.Array) -> jax.Array:
        """Returns the logits of the ten digits for images of shape (batch, 28, 28, 1)."""
        x = self.flatten(self.features(images))
        for layer in self.classify:
            x = layer(x)
        return x


def digits() -> tuple[Digits, Digits]:
    """Returns (images, labels) to train on and to test on: 1,797 digits of 8 by 8 pixels, enlarged to 28 by 28."""
    from sklearn.datasets import load_digits

    small, labels = load_digits(return_X_y=True)
    large = np.kron(small.reshape(-1, 8, 8) / 16, np.ones((3, 3)))
    images = np.pad(large, ((0, 0), (2, 2), (2, 2)))[..., None].astype("float32")
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:1400], order[1400:]
    return (images[train], labels[train]), (images[test], labels[test])


def run(epochs: int = 12) -> int:
    """Trains and tests, says what it does, and returns 0 if more than 95 % of the held-out digits are read right."""
    lamina.random.set_seed(0)
    (x, y), (x_test, y_test) = digits()
    model = LeNet5()
    model.compile(lamina.optimizers.Adam(2e-3), lamina.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    print(f"LeNet-5 from custom layers: {len(x)} digits to learn from, {len(x_test)} held out.")
    start = time.perf_counter()
    model.fit(x, y, batch_size=70, epochs=epochs, validation_split=0.1)
    print(f"{model.count_params()} parameters trained in {time.perf_counter() - start:.1f} s.")
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    guesses = np.argmax(model.predict(x_test[:10], verbose=0), axis=-1)
    print("The first held-out digits:", *y_test[:10])
    print("read as:                  ", *guesses)
    print(f"Accuracy on the held-out digits: {accuracy:.1%}")
    return 0 if accuracy > 0.95 else 1
