"""A story in words: a tree that reads like an explanation."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lamina.core.events import Event

_NOTEWORTHY = 1e-3  # seconds


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
        told = "" if event.kind == "run" else event.given
        inside = tuple(scene.like for scene in self.inside)
        return event.kind, event.path, event.reason, event.because, told, event.where, event.failed, inside


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


def told(story: Any) -> str:
    """Returns a story in words."""
    lines = [_summary(story.events)]
    if story.failed:
        lines.append(f"It ended with {story.failed}" + (f"\n  raised at {short(story.failed_at)}" if story.failed_at else ""))
    if story.events:
        lines.append("")
    _tell(scenes(story.events), "", None, lines)
    if story.left_out:
        lines.append(f"... and {story.left_out:,} more events, beyond the limit.")
    return "\n".join(lines)


def _summary(events: Sequence[Event]) -> str:
    if not events:
        return "Nothing happened."
    counts = Counter(event.kind for event in events if not event.undone)
    compiled = [event for event in events if event.kind == "compile"]
    steps: Counter[str] = Counter()
    for event in events:
        if event.kind == "run":
            steps[event.name] += event.steps
    parts = [
        f"{_count(counts['construct'], 'layer')} made" if counts["construct"] else "",
        f"{_count(counts['build'], 'layer')} built" if counts["build"] else "",
        f"{_count(counts['call'], 'run')} of call" if counts["call"] else "",
        f"{_count(counts['trace'], 'trace')}" if counts["trace"] else "",
        f"{_count(len(compiled), 'program')} compiled in {duration(sum(e.seconds or 0 for e in compiled))}" if compiled else "",
        *(f"{_count(number, name)} run" for name, number in steps.items()),
    ]
    seconds = max(event.start + (event.seconds or 0.0) for event in events) - events[0].start
    return f"The story of {duration(seconds)}: " + ", ".join(part for part in parts if part) + "."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _tell(siblings: Sequence[Scene], indent: str, around: str | None, lines: list[str]) -> None:
    for i, scene in enumerate(siblings):
        event, last = scene.events[0], i == len(siblings) - 1
        branch, below = ("", "") if around is None else ("└─ ", "   ") if last else ("├─ ", "│  ")
        text = sentence(scene)
        if event.where and event.where != around:
            text += f"   {short(event.where)}"
        lines.append(f"{indent}{branch}{text}")
        _tell(scene.inside, indent + below, event.where or "", lines)


def sentence(scene: Scene) -> str:
    """Returns what happened in a scene, in one line."""
    event, number = scene.events[0], len(scene.events)
    steps = sum(e.steps for e in scene.events)
    text = {
        "task": lambda: f"{event.name} of {event.path}",
        "construct": lambda: f"construct {event.path} ({event.name})",
        "build": lambda: f"build {event.path} for {event.given}, because of {event.because}",
        "weight": lambda: f"weight {event.path}, {event.given}",
        "call": lambda: f"call {event.path} on {event.given}, reason: {event.reason}",
        "trace": lambda: f"trace {event.name}, because: {event.because}",
        "compile": lambda: f"compile {event.name}, {event.because}",
        "run": lambda: f"run {event.name}, {_count(steps, 'step')}" if event.name.endswith("step") else f"run {event.name}",
    }[event.kind]()
    if number > 1:
        text += f", in {number} runs" if event.kind == "run" and event.name.endswith("step") else f" ({number} times)"
    if scene.seconds >= _NOTEWORTHY:
        text += f", {duration(scene.seconds)}"
    if event.failed:
        text += f"  ← {event.failed}"
    return text


def duration(seconds: float) -> str:
    """Returns a duration as people read it.

    >>> duration(0.0123), duration(75.0)
    ('12 ms', '1 min 15 s')
    """
    if seconds >= 60:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.0f} ms" if seconds >= 0.01 else f"{seconds * 1e3:.1f} ms"


def short(where: str) -> str:
    """Returns a line of code, `file:line, in function`, with the file as it is called from here."""
    path, colon, rest = where.rpartition(":")
    near = (
        os.path.relpath(path) if os.path.isabs(path) and os.path.splitdrive(path)[0] == os.path.splitdrive(os.getcwd())[0] else path
    )
    return f"{near if len(near) < len(path) and not near.startswith('..') else path}{colon}{rest}"
