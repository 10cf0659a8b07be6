"""How convolutions and poolings are best computed on the CPU: `python benchmarks/convolution.py`.

Each row is one step, forward and both gradients, in milliseconds: XLA's own convolution, what `lamina.ops` takes (`lowering`),
and the two ways that it chooses from, forced. "in" is inside a loop on the device whose trip count is known at run time, as in
training; "out" is one dispatch a step. The sides of a row take turns; medians are shown. The machine may be busy with other
things, so ratios say more than times: `gain` is XLA's time over ours, `best` ours over the better of the two ways.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamina import ops
from lamina.ops import lowering

Step = Callable[..., Any]


class Case(NamedTuple):
    name: str
    images: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: int = 1
    padding: str = "SAME"
    dilation: int = 1
    groups: int = 1


CONVOLUTIONS = [
    Case("LeNet-5, first, batch 32", (32, 28, 28, 1), (5, 5, 1, 6)),
    Case("LeNet-5, first, batch 128", (128, 28, 28, 1), (5, 5, 1, 6)),
    Case("LeNet-5, second, batch 32", (32, 14, 14, 6), (5, 5, 6, 16), padding="VALID"),
    Case("LeNet-5, second, batch 128", (128, 14, 14, 6), (5, 5, 6, 16), padding="VALID"),
    Case("digits to 32", (32, 28, 28, 1), (3, 3, 1, 32)),
    Case("colours to 32", (32, 32, 32, 3), (3, 3, 3, 32)),
    Case("8 channels", (32, 32, 32, 8), (3, 3, 8, 8)),
    Case("16 channels", (32, 32, 32, 16), (3, 3, 16, 16)),
    Case("16 channels, batch 128", (128, 32, 32, 16), (3, 3, 16, 16)),
    Case("32 channels", (32, 16, 16, 32), (3, 3, 32, 32)),
    Case("64 channels", (32, 8, 8, 64), (3, 3, 64, 64)),
    Case("64 channels, large", (8, 56, 56, 64), (3, 3, 64, 64)),
    Case("16 to 32, stride 2", (32, 32, 32, 16), (3, 3, 16, 32), strides=2),
    Case("32 channels, dilation 2", (32, 16, 16, 32), (3, 3, 32, 32), dilation=2),
    Case("kernel of size 1", (32, 16, 16, 32), (1, 1, 32, 64)),
    Case("sequence", (32, 128, 16), (5, 16, 32)),
    Case("volume", (4, 16, 16, 16, 16), (3, 3, 3, 16, 16)),
    Case("4 groups", (32, 16, 16, 64), (3, 3, 16, 64), groups=4),
    Case("each channel by itself", (32, 16, 16, 64), (3, 3, 1, 64), groups=64),
    Case("the same, stride 2", (32, 16, 16, 64), (3, 3, 1, 64), strides=2, groups=64),
]


def arrays(*shapes: tuple[int, ...]) -> list[jax.Array]:
    random = np.random.default_rng(0)
    return [jnp.asarray(random.normal(0, 0.1, shape), "float32") for shape in shapes]


def sides(function: Step, args: list[jax.Array]) -> dict[str, Callable[[int], Any]]:
    """Returns how to run n steps, inside a loop and outside: the outputs are their own gradient, and each step moves the inputs."""

    def step(args: Any) -> Any:
        outputs, back = jax.vjp(function, *args)
        return jax.tree.map(lambda a, gradient: a - 1e-6 * gradient, args, list(back(outputs)))

    single = jax.jit(step)
    loop = jax.jit(lambda n, args: jax.lax.fori_loop(0, n, lambda _, args: step(args), args))

    def outside(n: int) -> None:
        out = args
        for _ in range(n):
            out = single(args)
        jax.block_until_ready(out)

    return {"in": lambda n: jax.block_until_ready(loop(n, args)), "out": outside}


def interleaved(runs: dict[Any, Callable[[int], Any]], rounds: int, seconds: float = 0.02) -> dict[Any, float]:
    """Returns each side's median time for one step; the sides take turns."""
    counts = {}
    for name, run in runs.items():
        run(1)
        start = time.perf_counter()
        run(1)
        counts[name] = max(1, min(200, int(seconds / (time.perf_counter() - start))))
    times: dict[Any, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run(counts[name])
            times[name].append((time.perf_counter() - start) / counts[name])
    return {name: statistics.median(own) * 1e3 for name, own in times.items()}


def ways(case: Case) -> dict[str, Step]:
    axes = len(case.images) - 2
    strides, padding, dilation = (case.strides,) * axes, case.padding, (case.dilation,) * axes
    layout = lowering._layout(axes)
    found: dict[str, Step] = {
        "xla": lambda x, kernel: jax.lax.conv_general_dilated(
            x, kernel, strides, padding, None, dilation, layout, feature_group_count=case.groups
        ),
        "ours": lambda x, kernel: lowering.by_shape(
            x, kernel, strides=strides, padding=padding, dilation=dilation, groups=case.groups
        ),
    }
    if case.groups == 1 and axes < 3:
        spans = [(size - 1) * case.dilation + 1 for size in case.kernel[:axes]]
        pads = tuple(jax.lax.padtype_to_pads(case.images[1:-1], spans, strides, padding))
        way = lowering.Geometry(strides, pads, (1,) * axes, dilation)
        found["images"] = lambda x, kernel: lowering._as_images(x, kernel, way)
        found["product"] = lambda x, kernel: lowering._as_matrix_product(x, kernel, way)
    return found


def row(name: str, found: dict[str, Step], args: list[jax.Array], rounds: int) -> None:
    runs = {(way, place): run for way, function in found.items() for place, run in sides(function, args).items()}
    times = interleaved(runs, rounds)
    for place in ("in", "out"):
        own = {way: times[way, place] for way in found}
        choices = [own[way] for way in ("images", "product") if way in own]
        cells = [f"{own[way]:8.3f}" if way in own else " " * 8 for way in ("xla", "ours", "images", "product")]
        best = f"{own['ours'] / min(choices):4.2f}" if choices else " " * 4
        print(f"| {name:30} | {place:3} | {' | '.join(cells)} | {own['xla'] / own['ours']:5.1f} | {best} |", flush=True)


def transposed(rounds: int) -> None:
    for name, images, kernel in [
        ("transposed, 64 to 32", (32, 8, 8, 64), (3, 3, 32, 64)),
        ("transposed, 32 to 1", (32, 14, 14, 32), (3, 3, 1, 32)),
    ]:
        found = {
            "xla": lambda x, k: jax.lax.conv_transpose(x, k, (2, 2), "SAME", transpose_kernel=True),
            "ours": lambda x, k: ops.conv_transpose(x, k, 2, "same"),
        }
        row(name, found, arrays(images, kernel), rounds)


def pooling(rounds: int) -> None:
    def windows(x: Any, start: Any, combine: Any, size: int, stride: int) -> Any:
        return jax.lax.reduce_window(x, start, combine, (1, size, size, 1), (1, stride, stride, 1), "VALID")

    for name, images, size, stride in [
        ("maximum of 2 by 2", (128, 28, 28, 6), 2, 2),
        ("maximum of 2 by 2, 32 channels", (32, 32, 32, 32), 2, 2),
        ("maximum of 3 by 3, stride 2", (8, 57, 57, 32), 3, 2),
    ]:
        found: dict[str, Step] = {
            "xla": lambda x, size=size, stride=stride: windows(x, -jnp.inf, jax.lax.max, size, stride),
            "ours": lambda x, size=size, stride=stride: ops.max_pool(x, size, stride),
        }
        row(name, found, arrays(images), rounds)
    found = {"xla": lambda x: windows(x, 0.0, jax.lax.add, 2, 2) / 4, "ours": lambda x: ops.average_pool(x, 2)}
    row("mean of 2 by 2", found, arrays((128, 28, 28, 6)), rounds)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print("| one step, ms                   |     |      XLA |     ours |   images |  product |  gain | best |")
    print("|---|---|---|---|---|---|---|---|")
    for case in CONVOLUTIONS:
        row(case.name, ways(case), arrays(case.images, case.kernel), rounds)
    transposed(rounds)
    pooling(rounds)


if __name__ == "__main__":
    main()
