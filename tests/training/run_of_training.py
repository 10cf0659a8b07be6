"""A run of training, for a process of its own: one that goes through, one that stops at a step, or one that goes on from there.

Arguments: the kind of data, the step to stop after or 0, the file of the state to go on from or "", and the file to write to.
"""

import sys

import numpy as np

import lamina
from lamina import callbacks, layers
from lamina.core.npz import read_npz, write_npz

EPOCHS, STEPS = 6, 5

random = np.random.default_rng(0)
IMAGES, TARGETS = random.normal(size=(70, 6, 6, 1)).astype("float32"), random.normal(size=(70, 1)).astype("float32")


class Shuffled(lamina.utils.PyDataset):
    """Batches in an order of their own, which each epoch changes."""

    def __init__(self):
        super().__init__()
        self.order, self.random = np.arange(STEPS), np.random.default_rng(3)

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        rows = slice(14 * self.order[index], 14 * self.order[index] + 14)
        return IMAGES[rows], TARGETS[rows]

    def on_epoch_end(self):
        self.random.shuffle(self.order)


def grain_loader():
    import grain

    class Noise(grain.transforms.RandomMap):
        def random_map(self, element, rng):
            image, target = element
            return image + rng.normal(size=image.shape).astype("float32"), target

    samples = grain.MapDataset.source(list(zip(IMAGES, TARGETS, strict=True)))
    return samples.seed(7).shuffle().random_map(Noise()).batch(14).to_iter_dataset()


def data(kind):
    """Returns fit's arguments for data of a kind."""
    return {
        "arrays": lambda: {"x": IMAGES, "y": TARGETS, "batch_size": 14},
        "PyDataset": lambda: {"x": Shuffled()},
        "grain": lambda: {"x": grain_loader()},
        "generator": lambda: {"x": iter(batches_without_end()), "steps_per_epoch": STEPS},
    }[kind]()


def batches_without_end():
    """Yields batches without end."""
    order = np.random.default_rng(5)
    while True:
        rows = order.permutation(70)[:14]
        yield IMAGES[rows], TARGETS[rows]


class StopAfter(callbacks.Callback):
    """Writes the state after a step, and ends the process as if it had been killed there."""

    def __init__(self, step, file):
        super().__init__()
        self.left, self._file = step, file

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            write_npz(self._file, lamina.state_of(self.model))
            raise SystemExit


def main(kind, stop_after, taken_up, written):
    lamina.random.set_seed(99 if taken_up else 5)  # a state brings its own randomness
    model = lamina.Sequential(
        [
            lamina.Input((6, 6, 1)),
            layers.RandomFlip(),
            layers.RandomTranslation(0.2, 0.2),
            layers.GaussianNoise(0.1),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )
    model.compile(lamina.optimizers.Adam(0.02), "mse", metrics=["mae"])
    if taken_up:
        lamina.set_state(model, read_npz(taken_up))
    history = model.fit(
        **data(kind),
        epochs=EPOCHS,
        validation_data=(IMAGES[:20], TARGETS[:20]),
        callbacks=[
            callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True),
            callbacks.ReduceLROnPlateau("val_loss", patience=1, factor=0.5),
            StopAfter(int(stop_after), written),
        ],
        verbose=0,
    )
    write_npz(written, lamina.state_of(model) | {f"history/{name}": values for name, values in history.history.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
