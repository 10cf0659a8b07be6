"""A layer from scratch: weights made for its inputs, state that training changes, a loss of its own, and a config to make it again.

    python examples/custom_layer.py

The layer is a dense one that is asked to be silent: it adds the mean size of its activations to the loss, so most of its units stay
at zero for any one digit. The digits are those that scikit-learn ships.
"""

import argparse

import numpy as np

import lamina
from lamina import layers, ops


class SparseDense(layers.Layer):
    """max(inputs @ kernel + bias, 0), with `sparsity` times the mean activation added to the loss."""

    def __init__(self, units, sparsity=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.sparsity = sparsity

    def build(self, input_shape):  # runs once, as soon as the shape of the inputs is known
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="he_normal")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")
        self.seen = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def call(self, inputs, training=False):
        outputs = ops.relu(ops.matmul(inputs, self.kernel) + self.bias)
        self.add_loss(self.sparsity * ops.mean(outputs))
        if training:  # state changes where it is assigned to, also in compiled code
            self.seen.assign_add(len(inputs))
        return outputs

    def get_config(self):  # what __init__ takes
        return {**super().get_config(), "units": self.units, "sparsity": self.sparsity}


def main(epochs=20):
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    x, y = (pixels[order] / 16).astype("float32"), labels[order]
    accuracies = {}
    for sparsity in (0.0, 1.0):
        lamina.random.set_seed(0)
        hidden = SparseDense(64, sparsity, name="hidden")
        model = lamina.Sequential([hidden, layers.Dense(10)], name="reader")
        model.compile("adam", lamina.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        model.fit(x[:1400], y[:1400], epochs=epochs, verbose=0)
        _, accuracies[sparsity] = model.evaluate(x[1400:], y[1400:], verbose=0)
        silent = np.mean(np.asarray(hidden(x[1400:])) == 0)
        print(f"sparsity {sparsity}: {accuracies[sparsity]:.1%} of the digits read right, {silent:.0%} of the hidden units silent")

    print("its weights:", ", ".join(f"{weight.path} {weight.shape}" for weight in hidden.weights))
    print(f"it has seen {int(hidden.seen.numpy())} digits: {epochs} epochs of 1400")
    again = SparseDense.from_config(hidden.get_config())
    print(f"made again from its config: {again.name}, {again.units} units, sparsity {again.sparsity}")
    return accuracies


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    main(**vars(parser.parse_args()))
