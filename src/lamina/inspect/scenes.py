"""A story in words: a tree that reads like an explanation."""

import os
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lamina.core.events import Event, in_words

NOTEWORTHY = 1e-3  # seconds
ABOUT_TRACES = "A trace runs `call` once, without numbers, to make a program; from then on the program runs, and `call` does not."
_WIDTH = 120  # characters
_NAMES = 5  # of compiled programs, in one line


@dataclass
class Scene:
    """An event, or several that are alike, with what happened inside.

    Attributes:
        events: those that are alike.
        inside: what happened inside each of them.
    """

    events: list[Event]
    inside: "list[Scene]" = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long they took together."""
        return sum(event.seconds or 0.0 for event in self.events)

    @property
    def like(self) -> Any:
        """What is equal for scenes that are told as one."""
        event = self.events[0]
        if event.kind == "compile":
            return event.kind, event.where
        if event.kind == "run":
            return event.kind, event.name, event.where, event.failed, id(event) if self.inside else None
        inside = tuple(scene.like for scene in self.inside)
        return event.kind, event.path, event.reason, event.because, event.given, event.where, event.failed, inside


def scenes(events: Sequence[Event]) -> list[Scene]:
    """Returns events as a tree; siblings that are alike become one scene. What was only tried is left out, unless it failed."""
    inside: dict[int, list[Event]] = {}
    known = {id(event) for event in events}
    for event in events:
        parent = event.parent
        hidden = event.undone and not (parent is not None and parent.failed)
        if not hidden:
            inside.setdefault(id(parent) if id(parent) in known else 0, []).append(event)

    def of(key: int) -> list[Scene]:
        merged: dict[Any, Scene] = {}
        for event in inside.get(key, ()):
            scene = Scene([event], of(id(event)))
            if (like := scene.like) in merged:
                merged[like].events.append(event)
            else:
                merged[like] = scene
        return list(merged.values())

    return of(0)


def as_text(story: Any) -> str:
    """Returns a story in words: how long things took, what happened, inside what, and the lines of code that caused it."""
    lines = [textwrap.fill(summary(story.events), _WIDTH)]
    if story.failed:
        lines.append(f"It ended with {story.failed}" + (f"\n  raised at {short(story.failed_at)}" if story.failed_at else ""))
    if any(event.kind == "trace" for event in story.events):
        lines.append(ABOUT_TRACES)
    if story.events:
        lines.append("")
    rows = list(_rows(scenes(story.events), "", None))
    column = max((len(text) for _, text, where in rows if where and len(text) <= _WIDTH), default=0)
    lines += [f"{seconds:>9}  {text:<{column if where else 0}}{'   ' + where if where else ''}" for seconds, text, where in rows]
    if story.left_out:
        lines.append(f"... and {count(story.left_out, 'more event')}, beyond the limit.")
    return "\n".join(lines)


def summary(events: Sequence[Event]) -> str:
    """Returns how much of what happened, and how long it took, in one sentence."""
    if not events:
        return "Nothing happened."
    counts = Counter(event.kind for event in events if not event.undone)
    compiled = [event for event in events if event.kind == "compile"]
    steps: Counter[str] = Counter()
    for event in events:
        if event.kind == "run":
            steps[event.name] += event.steps
    parts = [
        f"{count(counts['construct'], 'layer')} made" if counts["construct"] else "",
        f"{count(counts['build'], 'layer')} built" if counts["build"] else "",
        f"{count(counts['call'], 'run')} of call" if counts["call"] else "",
        count(counts["trace"], "trace") if counts["trace"] else "",
        f"{count(len(compiled), 'program')} compiled in {duration(sum(e.seconds or 0 for e in compiled))}" if compiled else "",
        *(
            f"{count(number, name)} run" if name.endswith("step") else f"{name} run {count(number, 'time')}"
            for name, number in steps.items()
        ),
    ]
    return f"The story of {duration(lasted(events))}: " + ", ".join(part for part in parts if part) + "."


def lasted(events: Sequence[Event]) -> float:
    """Returns how long it took from the first event to the end of the last, in seconds."""
    return max((event.start + (event.seconds or 0.0) for event in events), default=0.0) - min(
        (event.start for event in events), default=0.0
    )


def count(number: int, what: str) -> str:
    """Returns a number of things.

    >>> count(1, "layer"), count(2000, "layer")
    ('1 layer', '2,000 layers')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _rows(siblings: Sequence[Scene], indent: str, around: str | None) -> Iterator[tuple[str, str, str]]:
    for i, scene in enumerate(siblings):
        where, last = scene.events[0].where, i == len(siblings) - 1
        branch, below = ("", "") if around is None else ("└─ ", "   ") if last else ("├─ ", "│  ")
        took = duration(scene.seconds) if scene.seconds >= NOTEWORTHY else ""
        yield took, f"{indent}{branch}{sentence(scene)}", short(where) if where and where != around else ""
        yield from _rows(scene.inside, indent + below, where or "")


def sentence(scene: Scene) -> str:
    """Returns what happened in a scene, in one line."""
    event, number = scene.events[0], len(scene.events)
    text = {
        "task": lambda: f"{event.name} of {event.path}",
        "construct": lambda: f"construct {event.path} ({event.name})",
        "build": lambda: f"build {event.path} for {event.given}, {cause(event)}",
        "weight": lambda: f"weight {weight_path(event)}, {event.given}",
        "call": lambda: f"call {event.path} {in_words(event.reason)}: {shapes(event.given)}",
        "trace": lambda: f"trace {event.name} {cause(event)}",
        "compile": lambda: _compiled(scene.events),
        "run": lambda: _run(scene.events),
    }[event.kind]()
    if number > 1 and event.kind not in ("compile", "run"):
        text += f" ({number:,} times)"
    if event.failed and not any(inner.events[0].failed == event.failed for inner in scene.inside):
        text += f"  ← {event.failed}"
    return text


def weight_path(event: Event) -> str:
    """Returns the path of a weight; of one whose layer threw it away again, as a failed build does, that of its layer."""
    above = event.parent
    if "/" in event.path or above is None or above.kind != "build":
        return event.path
    return f"{above.path}/(thrown away)"


def cause(event: Event) -> str:
    """Returns why a layer was built or a function traced, as the end of a sentence."""
    if event.because == "first time":
        return "for the first time"
    if event.kind == "trace":
        changes = event.because.split("; ")
        more = f"; {len(changes) - 2} more changed, too" if len(changes) > 2 else ""
        return f"again, because {shapes('; '.join(changes[:2]))}{more}"
    return f"because {'of ' if event.because.startswith('its ') else ''}{event.because}"


def shapes(given: str) -> str:
    """Returns what something was given, with the sizes that are left open as `None`.

    >>> shapes("float32(_batch, 3)")
    'float32(None, 3)'
    """
    return re.sub(r"\b_(batch|axis\d+)\b", "None", given)


def _compiled(events: Sequence[Event]) -> str:
    names = list(dict.fromkeys(event.name for event in events))
    listed = ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")
    found = sum(on_disk(event) for event in events)
    from_disk = "" if not found else ", found on disk" if found == len(events) else f", {found} of them found on disk"
    return f"compile {listed}{from_disk}" if len(events) == 1 else f"compile {len(events):,} programs{from_disk}: {listed}"


def on_disk(event: Event) -> bool:
    """Returns whether a program was found among those kept on disk, and so did not have to be compiled."""
    return event.because.startswith("found")


def _run(events: Sequence[Event]) -> str:
    name, steps, number = events[0].name, sum(event.steps for event in events), len(events)
    if name.endswith("step"):
        return f"run {count(steps, name)}" + (f", in {number:,} dispatches" if 1 < number < steps else "")
    return f"run {name}" + (f" ({number:,} times)" if number > 1 else "")


def duration(seconds: float) -> str:
    """Returns a duration as people read it.

    >>> duration(0.0000123), duration(0.0123), duration(75.0), duration(86400.0)
    ('12 µs', '12 ms', '1 min 15 s', '24 h 0 min')
    """
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds // 60 % 60)} min"
    if seconds >= 60:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.{0 if seconds >= 0.01 else 1}f} ms"
    return f"{seconds * 1e6:.0f} µs"


def short(where: str) -> str:
    """Returns a line of code, `file:line, in function`, with the file as it is called from here."""
    path, colon, rest = where.rpartition(":")
    near = (
        os.path.relpath(path) if os.path.isabs(path) and os.path.splitdrive(path)[0] == os.path.splitdrive(os.getcwd())[0] else path
    )
    return f"{near if len(near) < len(path) and not near.startswith('..') else path}{colon}{rest}"
