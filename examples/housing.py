"""What are houses worth? Numbers, categories and places as the inputs of one model, compared with a linear fit.

    python examples/housing.py                # made-up blocks of houses
    python examples/housing.py --data FILE    # the Californian census of 1990: a path for lamina.datasets.california_housing

Numbers are normalised; ages fall into classes; the nearest city is looked up by its name; longitude and latitude fall into bins,
and the hash of both bins together is the number of a square on the map, for which the model learns a vector.
"""

import argparse

import numpy as np

import lamina
from lamina import layers

CITIES = {  # longitude, latitude
    "Los Angeles": (-118.24, 34.05),
    "San Diego": (-117.16, 32.72),
    "San Jose": (-121.89, 37.34),
    "San Francisco": (-122.42, 37.77),
    "Fresno": (-119.79, 36.74),
    "Sacramento": (-121.49, 38.58),
    "Bakersfield": (-119.02, 35.37),
    "Redding": (-122.39, 40.59),
}
SQUARES = 1000


def distances(x):
    """Returns how far each block is from each city, in degrees."""
    return np.linalg.norm(x[:, None, :2] - np.array([*CITIES.values()]), axis=-1)


def made_up(blocks=8000):
    """Makes up blocks whose value grows with the income, and falls with the distance from the next city that is dear."""
    rng = np.random.default_rng(0)
    places = np.array([*CITIES.values()])[rng.integers(0, len(CITIES), blocks)] + rng.normal(0, 0.5, (blocks, 2))
    age, households, income = rng.uniform(1, 52, blocks), rng.lognormal(6, 0.6, blocks), rng.lognormal(1.25, 0.45, blocks)
    rooms, bedrooms, people = (households * rng.lognormal(np.log(mean), 0.2, blocks) for mean in (5.2, 1.1, 2.9))
    x = np.stack([*places.T, age, rooms, bedrooms, people, households, income], axis=1).astype("float32")
    dear = np.exp(-2 * distances(x)[:, :4].min(axis=1))
    y = 60_000 * np.sqrt(income) * (1 + 1.5 * dear) + 30_000 * (np.abs(age - 25) > 15) + rng.normal(0, 20_000, blocks)
    rows = np.split(np.arange(blocks), [blocks * 8 // 10])
    return [(x[part], y[part].astype("float32")) for part in rows]


class Features:
    """What the model is given for each block; the layers learn from the blocks to train on."""

    def __init__(self, x):
        self.numbers = layers.Normalization()
        self.numbers.adapt(self.logarithms(x)[~np.isnan(x).any(axis=1)])
        self.age = layers.Discretization(num_bins=6)
        self.age.adapt(x[:, 2])
        self.classes = layers.CategoryEncoding(num_tokens=6, output_mode="one_hot")
        self.city = layers.StringLookup(vocabulary=[*CITIES], output_mode="one_hot", num_oov_indices=0)
        self.longitude, self.latitude = layers.Discretization(num_bins=24), layers.Discretization(num_bins=24)
        self.longitude.adapt(x[:, 0])
        self.latitude.adapt(x[:, 1])
        self.square = layers.HashedCrossing(SQUARES)

    @staticmethod
    def logarithms(x):
        """Returns the columns with counts and incomes by their logarithm."""
        return np.concatenate([x[:, :3], np.log(x[:, 3:])], axis=1)

    def __call__(self, x):
        numbers = np.nan_to_num(self.numbers(self.logarithms(x)))  # what lacks counts as the mean
        nearest = np.array([*CITIES])[distances(x).argmin(axis=1)]
        categories = np.concatenate([self.classes(self.age(x[:, 2])), self.city(nearest)], axis=1)
        square = self.square([np.asarray(self.longitude(x[:, 0])), np.asarray(self.latitude(x[:, 1]))])
        return {"numbers": numbers, "categories": categories, "square": np.asarray(square)}


def network():
    inputs = {
        "numbers": lamina.Input((8,), name="numbers"),
        "categories": lamina.Input((6 + len(CITIES),), name="categories"),
        "square": lamina.Input((), dtype="int32", name="square"),
    }
    place = layers.Embedding(SQUARES, 8)(inputs["square"])
    x = layers.concatenate([inputs["numbers"], inputs["categories"], place])
    for _ in range(2):
        x = layers.Dropout(0.1)(layers.Dense(96, "relu")(x))
    return lamina.Model(inputs, layers.Dense(1)(x))


def linear_fit(train, test, y):
    """Returns what the least squares give, from numbers and categories."""
    columns = [np.concatenate([part["numbers"], part["categories"]], axis=1) for part in (train, test)]
    return columns[1] @ np.linalg.lstsq(columns[0], y, rcond=None)[0]


def main(data=None, epochs=30):
    lamina.random.set_seed(0)
    (x, y), (x_test, y_test) = lamina.datasets.california_housing.load_data(path=data) if data else made_up()
    print(f"{len(x)} blocks to learn from, {len(x_test)} to test on")
    features = Features(x)
    train, test = features(x), features(x_test)
    y, y_test = y / 100_000, y_test / 100_000

    model = network()
    steps = epochs * -(-len(x) // 128)
    model.compile(lamina.optimizers.Adam(lamina.optimizers.schedules.CosineDecay(3e-3, steps)), "mse")
    model.fit(train, y, batch_size=128, epochs=epochs, verbose=0)

    errors = {}
    predictions = {"the linear fit": linear_fit(train, test, y), "the model": model.predict(test, verbose=0)[:, 0]}
    for name, predicted in predictions.items():
        errors[name] = np.sqrt(np.mean((predicted - y_test) ** 2)) * 100_000
        explained = 1 - np.mean((predicted - y_test) ** 2) / np.var(y_test)
        print(f"{name}: off by {errors[name]:,.0f} dollars (root mean square), explains {explained:.1%} of the variance")
    return errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="FILE", help="the census; california_housing.npz is downloaded")
    parser.add_argument("--epochs", type=int, default=30)
    main(**vars(parser.parse_args()))
