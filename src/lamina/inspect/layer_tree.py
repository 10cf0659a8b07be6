"""The layers of a story as a tree: what was built, when and by what, with which weights, and why `call` ran."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.core.events import Event, in_words
from lamina.inspect.markup import escaped, table
from lamina.inspect.scenes import NOTEWORTHY, cause, count, duration, shapes, short, weight_path

_LAYERS, _OPEN, _LINES = 1000, 40, 10  # how many layers are shown; up to how many are unfolded; lines of one kind in a layer


@dataclass
class Place:
    """What happened to the layers of one path, and those inside.

    Attributes:
        path: the path.
        events: what happened, by kind.
        inside: the places below, by path.
    """

    path: str
    events: dict[str, list[Event]] = field(default_factory=dict)
    inside: "dict[str, Place]" = field(default_factory=dict)

    def of(self, kind: str) -> list[Event]:
        """Returns the events of a kind."""
        return self.events.get(kind, [])

    def weights(self) -> dict[int, Any]:
        """Returns the weights here and below, by identity."""
        own = {id(event.subject): event.subject for event in self.of("weight")}
        for place in self.inside.values():
            own.update(place.weights())
        return own


def places(events: Sequence[Event]) -> list[Place]:
    """Returns the layers that events are about, as trees by their paths."""
    known: dict[str, Place] = {}
    top: dict[str, Place] = {}

    def place(path: str) -> Place:
        if path not in known:
            above, slash, _ = path.rpartition("/")
            known[path] = Place(path)
            (place(above).inside if slash else top)[path] = known[path]
        return known[path]

    for event in events:
        if event.subject is None or event.kind == "task" or (event.undone and event.kind != "call"):
            continue
        path = weight_path(event).rpartition("/")[0] if event.kind == "weight" else event.path
        place(path).events.setdefault(event.kind, []).append(event)
    return list(top.values())


def layer_tree(events: Sequence[Event]) -> str:
    """Returns the layers of a story as nested lists, in HTML."""
    start = min((event.start for event in events), default=0.0)
    top = places(events)
    left = [_LAYERS]
    unfolded = sum(map(_size, top)) <= _OPEN
    return f'<ul class="layers">{_items(top, start, unfolded, left)}</ul>' if top else ""


def _size(place: Place) -> int:
    return 1 + sum(map(_size, place.inside.values()))


def _items(found: Sequence[Place], start: float, unfolded: bool, left: list[int]) -> str:
    """Returns list items, as long as any are left to show; counts them down."""
    items: list[str] = []
    for place in found:
        if left[0] <= 0:
            items.append(f'<li><span class="leaf folded">{count(len(found) - len(items), "more layer")}, folded</span></li>')
            break
        left[0] -= 1
        items.append(_item(place, start, unfolded, left))
    return "\n".join(items)


def _item(place: Place, start: float, unfolded: bool, left: list[int]) -> str:
    about = next((event for kind in ("construct", "build", "call") for event in place.of(kind)), None)
    kind = f' <span class="kind">{escaped(about.name)}</span>' if about else ""
    weights = place.weights().values()
    size = f' <span class="quiet">{_sizes(list(weights))}</span>' if weights else ""
    inside = _items(list(place.inside.values()), start, unfolded, left)
    below = f"<ul>{inside}</ul>" if inside else ""
    return (
        f"<li><details{' open' if unfolded and place.inside else ''}>"
        f'<summary><span><span class="path">{escaped(place.path)}</span>{kind}{size}</span></summary>\n'
        f"{_facts(place, start)}{_weights(place)}{below}</details></li>"
    )


def _facts(place: Place, start: float) -> str:
    facts = [
        *(("made", f"{_when(event, start)}{_where(event)}") for event in place.of("construct")[:_LINES]),
        *(
            ("built", f"for {escaped(event.given)}, {escaped(cause(event))}, {_when(event, start)}{_took(event)}{_where(event)}")
            for event in place.of("build")[:_LINES]
        ),
    ]
    by_reason: dict[str, list[Event]] = {}
    for event in place.of("call"):
        by_reason.setdefault(event.reason, []).append(event)
    for reason, calls in by_reason.items():
        text = f"{count(len(calls), 'time')} {in_words(reason)}, {'first ' if len(calls) > 1 else ''}with "
        facts.append(("call ran", f"{text}{escaped(shapes(calls[0].given))}{_where(calls[0])}"))
    shown = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in facts)
    return f"<dl>{shown}</dl>" if facts else ""


def _weights(place: Place) -> str:
    made = place.of("weight")
    if not made:
        return ""
    times = Counter((weight_path(event), event.given) for event in made)
    last = {(weight_path(event), event.given): event for event in made}
    rows = [
        (
            f"<code>{escaped(path)}</code>" + (f" ({count(times[path, given], 'time')})" if times[path, given] > 1 else ""),
            escaped(given),
            f"{_numbers(event.subject):,}",
            memory(_bytes(event.subject)),
            f'<span class="where">{escaped(short(event.where or ""))}</span>',
        )
        for (path, given), event in last.items()
    ]
    return table(f"Weights of {place.path}", ("weight", "made as", "numbers", "memory", "by"), rows[: 10 * _LINES], (2, 3))


def _sizes(weights: Sequence[Any]) -> str:
    held = f"{count(sum(map(_numbers, weights)), 'number')}, {memory(sum(map(_bytes, weights)))}"
    return f"{count(len(weights), 'weight')}: {held}"


def _numbers(weight: Any) -> int:
    return math.prod(weight.shape)


def _bytes(weight: Any) -> int:
    size: int = np.dtype(weight.dtype).itemsize
    return _numbers(weight) * size


def memory(size: int) -> str:
    """Returns a number of bytes as people read it.

    >>> memory(80), memory(4096), memory(1 << 30)
    ('80 B', '4.1 kB', '1.1 GB')
    """
    power = min(len(str(size)) - 1, 12) // 3
    return f"{size} B" if power == 0 else f"{size / 1000**power:.1f} {' kMGT'[power]}B"


def _when(event: Event, start: float) -> str:
    return f"after {duration(event.start - start)}"


def _took(event: Event) -> str:
    return f", in {duration(event.seconds)}" if event.seconds and event.seconds >= NOTEWORTHY else ""


def _where(event: Event) -> str:
    return f' <span class="where">{escaped(short(event.where))}</span>' if event.where else ""
