"""What the core costs, side by side with plain JAX, or Keras, in one run: `make bench-core`.

Each row runs both sides in turn, many times; medians and their ratio are shown. The machine may be busy with other things, so
ratios say more than times.
"""

import cProfile
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina
from lamina import layers

X = np.ones((1, 8), "float32")


class WideAndDeep(lamina.Model):
    def __init__(self, units: int = 30) -> None:
        super().__init__()
        self.hidden1 = layers.Dense(units, activation="relu")
        self.hidden2 = layers.Dense(units, activation="relu")
        self.main_output = layers.Dense(1)
        self.aux_output = layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        wide, deep = inputs
        hidden = self.hidden2(self.hidden1(deep))
        return self.main_output(layers.concatenate([wide, hidden])), self.aux_output(hidden)


def interleaved(sides: list[Callable[[], Any]], rounds: int, inner: int) -> list[float]:
    """Returns each side's median time in seconds for one run; the sides take turns."""
    for side in sides:
        for _ in range(3):
            jax.block_until_ready(side())
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for own, side in zip(times, sides, strict=True):
            start = time.perf_counter()
            for _ in range(inner):
                out = side()
            jax.block_until_ready(out)
            own.append((time.perf_counter() - start) / inner)
    return [statistics.median(own) for own in times]


def row(name: str, ours: float, theirs: float | None, goal: str, reached: bool) -> None:
    unit, scale = ("µs", 1e6) if ours < 0.01 else ("s", 1.0)
    other = "" if theirs is None else f"{theirs * scale:9.3g} {unit}"
    ratio = "" if theirs is None else f"{ours / theirs:.2f}"
    print(f"| {name} | {ours * scale:9.3g} {unit} | {other} | {ratio} | {goal} | {'yes' if reached else 'NO'} |", flush=True)


def eager_call() -> None:
    model = WideAndDeep()
    wide, deep = jnp.ones((1, 5)), jnp.ones((1, 6))
    model((wide, deep))
    weights = [w.value for w in model.weights]

    def plain() -> Any:
        w1, b1, w2, b2, w3, b3, w4, b4 = weights
        hidden = jax.nn.relu(jax.nn.relu(deep @ w1 + b1) @ w2 + b2)
        return jnp.concatenate([wide, hidden], -1) @ w3 + b3, hidden @ w4 + b4

    def cheap() -> Any:
        w1, b1, w2, b2, w3, b3, w4, b4 = weights
        hidden = jnp.maximum(jnp.maximum(deep @ w1 + b1, 0) @ w2 + b2, 0)
        return jnp.concatenate([wide, hidden], -1) @ w3 + b3, hidden @ w4 + b4

    ours, theirs, lean = interleaved([lambda: model((wide, deep)), plain, cheap], 60, 30)
    row("eager call, wide and deep, one sample; jax.numpy with jax.nn.relu", ours, theirs, "≤ 1.4", ours <= 1.4 * theirs)
    row("the same; jax.numpy with jnp.maximum", ours, lean, "≤ 1.4", ours <= 1.4 * lean)


def jit_call(count: int) -> None:
    variables = [lamina.Variable(np.ones(3, "float32")) for _ in range(count)]
    x = jnp.ones(3)

    def update(values: Any, x: Any) -> Any:
        return [value + x for value in values], x * 2

    def step(x: Any) -> Any:
        values, out = update(variables, x)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return out

    ours = lamina.jit(step)
    program = jax.jit(update, donate_argnums=0)
    held = [jnp.ones(3) + 0 for _ in range(count)]

    def theirs() -> Any:
        nonlocal held
        held, out = program(held, x)
        return out

    a, b = interleaved([lambda: ours(x), theirs], 40, max(5, 2000 // count))
    row(f"lamina.jit, {count} variables written; jax.jit", a, b, "≤ 15 µs more and ≤ 1.5", a - b <= 15e-6 and a <= 1.5 * b)

    values = [v.value for v in variables]
    touched = lamina.jit(lambda x: jnp.stack([v.value for v in variables]).sum(0) * x)
    plain = jax.jit(lambda values, x: jnp.stack(values).sum(0) * x)
    a, b = interleaved([lambda: touched(x), lambda: plain(values, x)], 40, max(5, 2000 // count))
    row(f"lamina.jit, {count} variables read; jax.jit", a, b, "≤ 15 µs more and ≤ 1.5", a - b <= 15e-6 and a <= 1.5 * b)


def build() -> None:
    times = []
    for _ in range(5):

        class Deep(lamina.Layer):
            def __init__(self) -> None:
                super().__init__()
                self.steps = [layers.Dense(64, activation="relu") for _ in range(100)]

            def call(self, x: Any) -> Any:
                for step in self.steps:
                    x = step(x)
                return x

        start = time.perf_counter()
        Deep().build((None, 64))
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    row("build 100 layers from shapes", median, None, "< 1 s", median < 1)


def making(count: int = 800) -> None:
    """Makes a model of many layers, in turns with Keras, in processor time: other work of the machine does not count."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    def seconds(library: Any) -> float:
        start = time.process_time()
        model = library.Sequential([library.Input((8,)), *(library.layers.Dense(8) for _ in range(count))])
        model.build((None, 8))
        return time.process_time() - start

    times = [(seconds(lamina), seconds(keras)) for _ in range(5)]
    ours, theirs = (statistics.median(own) for own in zip(*times, strict=True))
    row(f"make {count} Dense layers; Keras", ours, theirs, "faster", ours < theirs)


def python_calls() -> None:
    """Counts the Python calls that many layers take: to make, to call and to list them."""

    def calls(work: Callable[[], Any]) -> int:
        profile = cProfile.Profile()
        profile.runcall(work)
        return sum(entry.callcount for entry in profile.getstats())

    found: dict[str, list[float]] = {"make": [], "call": [], "list": []}
    for count in (100, 400, 1600):
        model = lamina.Sequential([lamina.Input((8,))])
        works = {
            "make": lambda: [model.add(layers.Dense(8)) for _ in range(count)],  # noqa: B023
            "call": lambda: model(X),  # noqa: B023
            "list": lambda: lamina.state_of(model),  # noqa: B023
        }
        for what, work in works.items():
            found[what].append(calls(work) / count)
    for what, a_layer in found.items():
        shown, even = ", ".join(f"{calls:,.0f}" for calls in a_layer), max(a_layer) <= 1.1 * a_layer[0]
        print(
            f"| {what} 100, 400, 1,600 layers: calls a layer | {shown} |  |  | the same | {'yes' if even else 'NO'} |", flush=True
        )


def eager_dense() -> None:
    layer, x = layers.Dense(64), np.ones((32, 64), "float32")
    layer(x)
    kernel, bias = layer.kernel.value, layer.bias.value
    product = jax.jit(lambda x, kernel, bias: x @ kernel + bias)
    for name, given in (("an array of JAX's", jnp.asarray(x)), ("an array of NumPy's", x)):
        ours, theirs = interleaved([lambda x=given: layer(x), lambda x=given: product(x, kernel, bias)], 60, 100)
        row(f"eager Dense(64) on {name}; jax.jit of the product", ours, theirs, "≤ 3", ours <= 3 * theirs)


def imports() -> None:
    def seconds(statement: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        return time.perf_counter() - start

    ours, theirs, nothing = [], [], []
    for _ in range(9):
        ours.append(seconds("import lamina"))
        theirs.append(seconds("import jax"))
        nothing.append(seconds("pass"))
    a, b, start = (statistics.median(times) for times in (ours, theirs, nothing))
    row("import lamina; import jax", a - start, b - start, "≤ 1.15", a - start <= 1.15 * (b - start))


def main() -> None:
    print(f"jax {jax.__version__}, Python {sys.version.split()[0]}, {jax.devices()[0].platform}\n")
    print("| what | Lamina | beside it | ratio | goal | reached |\n|---|---|---|---|---|---|")
    eager_call()
    for count in (10, 1000):
        jit_call(count)
    build()
    making()
    python_calls()
    eager_dense()
    imports()


if __name__ == "__main__":
    main()
