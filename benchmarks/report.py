"""The page of results: medians, ratios, goals, and what was measured on what."""

import datetime
import math
import os
import platform
import statistics
import subprocess
from pathlib import Path
from typing import Any

from peers import PEERS
from rows import ROWS

PEERS_TO_BEAT = [name for name in PEERS if name not in ("lamina", "limit")]


class Results:
    """What has been measured so far.

    Attributes:
        samples: for each row and peer, its measurements in seconds or bytes.
        failures: for each row and peer that failed, why.
        losses: for each row and peer that trains, the mean loss of the first epoch.
        about: for each peer, its device and versions.
    """

    def __init__(self) -> None:
        self.samples: dict[tuple[str, str], list[float]] = {}
        self.failures: dict[tuple[str, str], str] = {}
        self.losses: dict[tuple[str, str], float] = {}
        self.about: dict[str, dict[str, Any]] = {}
        self.load = os.getloadavg()[0]

    def median(self, row: str, peer: str) -> float | None:
        """Returns the median in seconds or bytes; None where there is none."""
        samples = self.samples.get((row, peer))
        return statistics.median(samples) if samples and (row, peer) not in self.failures else None


def line(results: Results, row: str, peers: list[str]) -> str:
    """Returns a row of the table."""
    return _cells(f"{ROWS[row].title}, {ROWS[row].unit}", *(_cell(results, row, peer) for peer in peers))


def page(results: Results, rows: list[str], peers: list[str], command: str) -> str:
    """Returns the whole page as Markdown."""
    titles = [PEERS[peer].title for peer in peers]
    parts = [
        "# Benchmark results",
        f"{datetime.date.today():%d %B %Y}, by `{command}`. {_machine(results)}\n\nMedians; in brackets how many times Lamina's "
        "figure it is. `README.md` beside this file says what each row is and how it is measured.",
        "\n".join([_cells("", *titles), _cells("---", *["---:"] * len(peers)), *(line(results, row, peers) for row in rows)]),
    ]
    if results.failures:
        parts.append("Not measured:\n")
        parts[-1] += "".join(f"\n- {ROWS[r].title}, {PEERS[p].title}: {why}" for (r, p), why in results.failures.items())
    if goals := _goals(results):
        parts.append("## Goals\n\n" + "\n".join([_cells("goal", "figure", "reached"), "|---|---:|---|", *goals]))
    trained = [row for row in rows if any((row, peer) in results.losses for peer in peers)]
    if trained:
        losses = [_cells(ROWS[row].title, *(_loss(results.losses.get((row, peer))) for peer in peers)) for row in trained]
        parts.append(
            "## The same work\n\nThe mean training loss of each one's first epoch; they differ by their random starts alone.\n\n"
            + "\n".join([_cells("", *titles), _cells("---", *["---:"] * len(peers)), *losses])
        )
    versions = [
        _cells(PEERS[p].title, _versions(results.about[p]), results.about[p]["device"]) for p in peers if p in results.about
    ]
    parts.append("## Versions\n\n" + "\n".join([_cells("", "versions", "device"), "|---|---|---|", *versions]))
    return "\n\n".join(parts) + "\n"


def _goals(results: Results) -> list[str]:
    """Returns a line for each goal whose figures are there."""
    lines = []

    def goal(text: str, figure: float | None, bound: float, unit: str = "", at_most: bool = False) -> None:
        if figure is not None:
            reached = figure <= bound if at_most else figure >= bound
            lines.append(_cells(text, _show(figure) + unit, "yes" if reached else "**no**"))

    def ratio(row: str, peer: str, other: str = "lamina") -> float | None:
        ours, theirs = results.median(row, other), results.median(row, peer)
        return theirs / ours if ours and theirs else None

    def nearest(row: str) -> float | None:
        return min((r for peer in PEERS_TO_BEAT if (r := ratio(row, peer)) is not None), default=None)

    goal("wide & deep: at most 1.5 times the limit", ratio("wide_and_deep", "lamina", "limit"), 1.5, "×", at_most=True)
    goal("wide & deep: 12 times as fast as Keras 3 on JAX", ratio("wide_and_deep", "keras_jax"), 12, "×")
    goal("wide & deep: 60 times as fast as tf-keras", ratio("wide_and_deep", "tf_keras"), 60, "×")
    plain, watched = results.median("wide_and_deep", "lamina"), results.median("watched", "lamina")
    goal("wide & deep, watched: at most 1.2 times as long", plain and watched and watched / plain, 1.2, "×", at_most=True)
    goal("LeNet-5, batch 32: faster than every peer; the fastest of them", nearest("lenet_32"), 1, "×")
    goal("LeNet-5, batch 128: faster than every peer; the fastest of them", nearest("lenet_128"), 1, "×")
    goal("transformer: faster than every peer; the fastest of them", nearest("transformer"), 1, "×")
    for row, title in (("lstm", "LSTM"), ("attention", "multi-head attention")):
        goal(f"{title}: faster than every peer; the fastest of them", nearest(row), 1, "×")
        goal(f"{title}, forward: faster than every peer; the fastest of them", nearest(f"{row}_forward"), 1, "×")
    one = results.median("predict_one", "lamina")
    goal("`predict` of one sample: at most 0.15 ms", one and one * 1e3, 0.15, " ms", at_most=True)
    goal("`predict` of one sample: 4 times as fast as Keras 3 on JAX", ratio("predict_one", "keras_jax"), 4, "×")
    goal("first epoch in a new process: faster than every peer; the fastest of them", nearest("first_cold"), 1, "×")
    cold, warm = results.median("first_cold", "lamina"), results.median("first_warm", "lamina")
    goal(
        "first epoch with compiled programs kept: at most 60 % of that", warm and cold and 100 * warm / cold, 60, " %", at_most=True
    )
    return lines


def _cell(results: Results, row: str, peer: str) -> str:
    if (row, peer) in results.failures:
        return "failed"
    median, ours = results.median(row, peer), results.median(row, "lamina")
    if median is None:
        return ""
    shown = _show(median * ROWS[row].scale / ROWS[row].per)
    return shown if ours is None or peer == "lamina" else f"{shown} ({_show(median / ours, 2)}×)"


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _show(value: float, digits: int = 3) -> str:
    """Returns a number with so many digits that count, and all those before the point."""
    after = max(0, digits - 1 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{after}f}"


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.3f}"


def _versions(about: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in about["versions"].items())


def _machine(results: Results) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{platform.system()} on {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, Python {platform.python_version()}; "
        f"Lamina at commit {_commit()}. The machine's load before it began: {results.load:.2f}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
