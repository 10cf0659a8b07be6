"""Wide & deep: what are houses worth? Two inputs, two outputs, two weighted losses, validation and early stopping.

    python examples/wide_and_deep.py                  # made-up blocks of houses
    python examples/wide_and_deep.py --data FOLDER    # the Californian census of 1990, from california-housing.csv or .csv.gz

A linear path sees the wide input as it is, a deep one passes through two hidden layers; the main output joins them, the auxiliary
one sees the deep path alone (Cheng et al., Wide & deep learning for recommender systems, 2016).
"""

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np

import lamina
from lamina import layers

COUNTS = ["total_rooms", "total_bedrooms", "population", "households"]
COLUMNS = ["longitude", "latitude", "housing_median_age", *COUNTS, "median_income", "median_house_value"]


def census(folder):
    """Reads the blocks of houses that lack nothing, one in each row."""
    for path in sorted(Path(folder).glob("california-housing.csv*")):
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            rows = [[row[name] for name in COLUMNS] for row in csv.DictReader(file)]
        return np.array([row for row in rows if all(row)], "float32")
    raise SystemExit(f"There is no california-housing.csv or california-housing.csv.gz in {folder}.")


def made_up(blocks=6000):
    """Makes up blocks whose value grows with the income, and falls with the distance from the coast and with crowding."""
    rng = np.random.default_rng(0)
    latitude, age = rng.uniform(32.5, 42, blocks), rng.uniform(1, 52, blocks)
    inland = rng.exponential(1.5, blocks)
    households = rng.lognormal(6, 0.6, blocks)
    people, rooms, bedrooms = (households * rng.lognormal(np.log(mean), 0.2, blocks) for mean in (2.9, 5.2, 1.1))
    income = rng.lognormal(1.25, 0.45, blocks)
    value = 100_000 * np.sqrt(income) - 20_000 * inland - 8_000 * people / households + rng.normal(0, 20_000, blocks)
    columns = [-124 + (42 - latitude) + inland, latitude, age, rooms, bedrooms, people, households, income, value]
    return np.stack(columns, axis=1).astype("float32")


class WideAndDeep(lamina.Model):
    def __init__(self, units=30, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.hidden1 = layers.Dense(units, activation=activation)
        self.hidden2 = layers.Dense(units, activation=activation)
        self.main_output = layers.Dense(1)
        self.aux_output = layers.Dense(1)

    def call(self, inputs):
        wide, deep = inputs
        hidden = self.hidden2(self.hidden1(deep))
        return self.main_output(layers.concatenate([wide, hidden])), self.aux_output(hidden)


def main(data=None, epochs=30):
    lamina.random.set_seed(0)
    table = np.random.default_rng(0).permutation(census(data) if data else made_up())
    x, y = table[:, :8], table[:, 8:] / 100_000
    x[:, 3:7] = np.log(x[:, 3:7])
    train, valid, test = np.split(np.arange(len(x)), [len(x) * 6 // 10, len(x) * 8 // 10])
    x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    print(f"{len(train)} blocks to learn from, {len(valid)} to validate on, {len(test)} to test on")

    def part(rows):
        return (x[rows, :5], x[rows, 2:]), (y[rows], y[rows])

    model = WideAndDeep()
    model.compile(optimizer="sgd", loss=["mse", "mse"], loss_weights=[0.9, 0.1])
    stop = lamina.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    history = model.fit(*part(train), epochs=epochs, validation_data=part(valid), callbacks=[stop])
    print(f"{len(history.epoch)} epochs; the weights are those of epoch {stop.best_epoch + 1}, with val_loss {stop.best:.4f}")

    explained = []
    for name, values in zip(("main", "auxiliary"), model.predict(part(test)[0], verbose=0), strict=True):
        error = values - y[test]
        explained.append(1 - np.mean(error**2) / np.var(y[test]))
        off = np.abs(error).mean() * 100_000
        print(f"{name} output: off by {off:,.0f} dollars on average, explains {explained[-1]:.1%} of the variance")
    return explained[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="FOLDER", help="where california-housing.csv is")
    parser.add_argument("--epochs", type=int, default=30, help="at most so many (default: 30)")
    main(**vars(parser.parse_args()))
