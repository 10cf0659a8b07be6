"""A story as a page: one file that needs nothing else."""

import heapq
import linecache
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from importlib import resources
from string import Template
from typing import Any

from lamina.core.events import Event
from lamina.inspect.layer_tree import layer_tree
from lamina.inspect.markup import escaped, script_data, table
from lamina.inspect.scenes import (
    ABOUT_TRACES,
    NOTEWORTHY,
    Scene,
    cause,
    count,
    duration,
    lasted,
    on_disk,
    scenes,
    sentence,
    short,
)

_BARS = 20_000  # of the timeline: the longest events
_SCENES, _SIBLINGS, _ROWS = 4_000, 300, 300  # shown of the story, of each scene in it, of each table
_KINDS = ("task", "construct", "build", "weight", "call", "trace", "compile", "run")
_WHY = {
    "eager": "An ordinary call on data: it ran once, there and then.",
    "shapes": "To find shapes, before there are numbers: it ran on shapes alone, and nothing was computed.",
    "train step": "As part of a train step. A compiled step runs call once per trace, not once per batch.",
    "test step": "As part of a test step, of evaluate or of validation; once per trace, where the step is compiled.",
    "predict step": "As part of a predict step; once per trace, where the step is compiled.",
    "jit": "A function that was being compiled called it: once per trace, not once per run.",
    "gradient": "A gradient was taken through it.",
}


def story_page(story: Any) -> str:
    """Returns a story as an HTML page that holds all it needs: its style, its script, its data.

    A page of a long story shows the longest events on the timeline, folds what is too much to read, and says so.
    """
    events = story.events
    parts = {name: resources.files(__package__).joinpath(f"story_page.{name}").read_text("utf-8") for name in ("html", "css", "js")}
    sections = _sections(events)
    notes = [] if events else ["<p>Nothing happened while it was watched.</p>"]
    if story.left_out:
        notes.append(f"<p>{count(story.left_out, 'more event')} came after the limit of this story, and were only counted.</p>")
    return Template(parts["html"]).substitute(
        title=f"The story of {duration(lasted(events))}" if events else "An empty story",
        style=parts["css"],
        script=parts["js"],
        failure=_failure(story),
        numbers=_numbers(events),
        links=_links(sections),
        sections="\n".join([*notes, *(f'<section id="{_anchor(t)}"><h2>{t}</h2>{body}</section>' for t, body in sections.items())]),
        data=script_data(_bars(events)),
    )


def _sections(events: Sequence[Event]) -> dict[str, str]:
    """Returns the parts of a page that have something to show, by title."""
    start = min((event.start for event in events), default=0.0)
    parts = {
        "Timeline": _timeline(events),
        "Layers": _about("What was made and built, by which line, with which weights, and why call ran.", layer_tree(events)),
        "The story": _story(events),
        "Why call ran": _about("Every run of call, of every layer, by its reason.", _calls(events)),
        "Traces": _about(ABOUT_TRACES.replace("`call`", "call"), _traces(events, start)),
        "Compiled programs": _about("A program that is found on disk was compiled by an earlier run.", _compiles(events, start)),
        "Runs": _about("What the compiled programs did.", _runs(events)),
    }
    return {title: body for title, body in parts.items() if body}


def _about(text: str, body: str) -> str:
    return f"<p>{text}</p>{body}" if body else ""


# --- the head ----------------------------------------------------------------------------------------------------------


def _failure(story: Any) -> str:
    """Returns what comes first in the story of a run that failed: how, at which line, and inside what."""
    if not story.failed:
        return ""
    text = f'<section class="failure"><h2>It ended with an error</h2><p><strong>{escaped(story.failed)}</strong></p>'
    if story.failed_at:
        file, _, line = story.failed_at.partition(", in ")[0].rpartition(":")
        code = linecache.getline(file, int(line)).strip() if line.isdecimal() else ""
        text += f'<p>raised at <span class="where">{escaped(short(story.failed_at))}</span></p>'
        text += f"<pre><code>{escaped(code)}</code></pre>" if code else ""
    inside: list[Event] = []
    event = next((event for event in reversed(story.events) if event.failed == story.failed), None)
    while event is not None:
        inside.append(event)
        event = event.parent
    if inside:
        text += "<p>It happened inside:</p><ol>"
        for event in reversed(inside):
            what = sentence(Scene([event])).partition("  ←")[0]
            text += f'<li>{escaped(what)} <span class="where">{escaped(short(event.where or ""))}</span></li>'
        text += "</ol>"
    return f"{text}</section>"


def _numbers(events: Sequence[Event]) -> str:
    counts = Counter(event.kind for event in events if not event.undone)
    compiled = [event for event in events if event.kind == "compile"]
    found = sum(map(on_disk, compiled))
    took = duration(sum(event.seconds or 0.0 for event in compiled))
    steps: Counter[str] = Counter()
    for event in events:
        if event.kind == "run" and event.name.endswith("step"):
            steps[event.name] += event.steps
    tiles = [
        ("layers made", counts["construct"], ""),
        ("layers built", counts["build"], ""),
        ("runs of call", counts["call"], ""),
        ("traces", counts["trace"], ""),
        ("programs", len(compiled), f"compiled in {took}" + (f", {found} found on disk" if found else "")),
        *((f"{name}s run", number, "") for name, number in steps.items()),
    ]
    shown = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{number:,}{f'<small>{note}</small>' if note else ''}</dd></div>"
        for name, number, note in tiles
        if number
    )
    return f'<dl class="numbers">{shown}</dl>' if shown else ""


def _links(titles: Iterable[str]) -> str:
    links = "".join(f'<a href="#{_anchor(title)}">{title}</a>' for title in titles)
    return f'<nav aria-label="Parts of this page">{links}</nav>' if links else ""


def _anchor(title: str) -> str:
    return title.lower().removeprefix("the ").replace(" ", "-")


# --- the timeline ------------------------------------------------------------------------------------------------------


def _bars(events: Sequence[Event]) -> dict[str, Any]:
    """Returns the bars of the timeline, as the page's script reads them: its longest events, times in microseconds."""
    depths: dict[int, int] = {}
    for event in events:
        depths[id(event)] = depths.get(id(event.parent), -1) + 1
    start = min((event.start for event in events), default=0.0)
    chosen = {id(event) for event in heapq.nlargest(_BARS, events, key=lambda event: event.seconds or 0.0)}
    lanes = list(dict.fromkeys(event.thread for event in events))
    texts: dict[str, int] = {}
    bars = [
        [
            round((event.start - start) * 1e6),
            round((event.seconds or 0.0) * 1e6),
            depths[id(event)],
            lanes.index(event.thread),
            _KINDS.index(event.kind),
            texts.setdefault(sentence(Scene([event])), len(texts)),
        ]
        for event in events
        if id(event) in chosen
    ]
    return {"lanes": lanes, "kinds": _KINDS, "texts": list(texts), "events": bars}


def _timeline(events: Sequence[Event]) -> str:
    if not events:
        return ""
    present = [kind for kind in _KINDS if any(event.kind == kind for event in events)]
    legend = "".join(f'<li><i style="background:var(--{kind})"></i>{kind}</li>' for kind in present)
    folded = f" It shows the {_BARS:,} longest of {len(events):,} events." if len(events) > _BARS else ""
    buttons = {"+": ("+", "Zoom in"), "-": ("−", "Zoom out"), "ArrowLeft": ("←", "Earlier"), "ArrowRight": ("→", "Later")}
    tools = " ".join(
        f'<button type="button" data-key="{key}" aria-label="{name}">{sign}</button>' for key, (sign, name) in buttons.items()
    )
    return (
        "<p>What happened when; what happened inside something stands below it. Drag to move, double-click an event to go to "
        f"it.{folded}</p>"
        "<noscript><p>JavaScript draws the timeline. The story has the same events, with their times.</p></noscript>"
        f'<div class="tools" hidden><span>{tools} <button type="button" data-key="0">All</button></span>'
        f'<ul class="legend">{legend}</ul></div>'
        '<div class="timeline"><canvas width="1" height="1" tabindex="0" role="img" aria-label="Timeline. Plus and minus zoom, the '
        'arrow keys move, zero shows all. The story has the same events."></canvas></div>'
        '<output id="about" aria-live="polite"></output>'
    )


# --- tables ------------------------------------------------------------------------------------------------------------


def _calls(events: Sequence[Event]) -> str:
    calls = [event for event in events if event.kind == "call"]
    layers = {reason: len({id(call.subject) for call in calls if call.reason == reason}) for reason in _WHY}
    rows = [
        (escaped(reason), f"{number:,}", f"{layers[reason]:,}", _WHY[reason])
        for reason, number in Counter(call.reason for call in calls).most_common()
    ]
    return table("Runs of call by reason", ("reason", "runs of call", "layers", "what that means"), rows, (1, 2)) if rows else ""


def _traces(events: Sequence[Event], start: float) -> str:
    rows = [
        (f"<code>{escaped(event.name)}</code>", escaped(_capital(cause(event))), *_times(event, start), _where(event))
        for event in events
        if event.kind == "trace"
    ]
    return _shortened("Traces", ("function", "why", "after", "took", "by"), rows, (2, 3))


def _compiles(events: Sequence[Event], start: float) -> str:
    rows = [
        (
            f"<code>{escaped(event.name)}</code>",
            "found on disk" if on_disk(event) else "compiled",
            *_times(event, start),
            _where(event),
        )
        for event in events
        if event.kind == "compile"
    ]
    return _shortened("Compiled programs", ("program", "how", "after", "took", "by"), rows, (2, 3))


def _runs(events: Sequence[Event]) -> str:
    by_name: dict[str, list[Event]] = {}
    for event in events:
        if event.kind == "run":
            by_name.setdefault(event.name, []).append(event)
    rows = []
    for name, runs in by_name.items():
        steps, seconds = sum(run.steps for run in runs), sum(run.seconds or 0.0 for run in runs)
        rows.append((f"<code>{escaped(name)}</code>", f"{len(runs):,}", f"{steps:,}", duration(seconds), duration(seconds / steps)))
    return _shortened("Runs", ("program", "dispatches", "steps", "took", "each step"), rows, (1, 2, 3, 4))


def _shortened(name: str, headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    if not rows:
        return ""
    more = f'<p class="folded">{len(rows) - _ROWS:,} more, not shown.</p>' if len(rows) > _ROWS else ""
    return table(name, headings, rows[:_ROWS], numbers) + more


def _times(event: Event, start: float) -> tuple[str, str]:
    return duration(event.start - start), duration(event.seconds or 0.0)


def _where(event: Event) -> str:
    return f'<span class="where">{escaped(short(event.where or ""))}</span>'


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- the story ---------------------------------------------------------------------------------------------------------


def _story(events: Sequence[Event]) -> str:
    top = scenes(events)
    if not top:
        return ""
    return (
        "<p>What happened, inside what, and by which line of code. What happened several times in the same way is told once.</p>"
        '<p class="tools" hidden><button type="button" data-fold="open">Unfold all</button> '
        '<button type="button" data-fold="close">Fold all</button></p>'
        f'<ul class="story">{_scenes(top, None, _chosen(top), 0)}</ul>'
    )


def _chosen(top: Sequence[Scene]) -> set[int]:
    """Returns which scenes are shown, by identity: as many as fit on a page, those further out and those that failed first."""
    shown: set[int] = set()
    waiting = deque([top])
    while waiting and len(shown) < _SCENES:
        siblings = waiting.popleft()
        failed = [scene for scene in siblings[_SIBLINGS:] if scene.events[0].failed][-_SIBLINGS:]
        for scene in [*failed, *siblings[:_SIBLINGS]][: _SCENES - len(shown)]:
            shown.add(id(scene))
            (waiting.appendleft if scene.events[0].failed else waiting.append)(scene.inside)
    return shown


def _scenes(siblings: Sequence[Scene], around: str | None, shown: set[int], depth: int) -> str:
    items, folded = [], 0
    for scene in siblings:
        if id(scene) in shown:
            items.append(_scene(scene, around, shown, depth))
        else:
            folded += len(scene.events)
    if folded:
        items.append(f'<li><span class="row folded">{count(folded, "more event")}, folded</span></li>')
    return "\n".join(items)


def _scene(scene: Scene, around: str | None, shown: set[int], depth: int) -> str:
    event = scene.events[0]
    what, _, failed = sentence(scene).partition("  ← ")
    verb, _, rest = what.partition(" ")
    took = f' <span class="took">{duration(scene.seconds)}</span>' if scene.seconds >= NOTEWORTHY else ""
    where = f' <span class="where">{escaped(short(event.where))}</span>' if event.where and event.where != around else ""
    wrong = f' <span class="wrong">{escaped(failed)}</span>' if failed else ""
    row = f'<span class="what"><b class="{event.kind}">{escaped(verb)}</b> {escaped(rest)}{wrong}{took}</span>{where}'
    if not scene.inside:
        return f'<li><span class="row">{row}</span></li>'
    unfolded = " open" if depth < 1 or event.failed else ""
    inside = _scenes(scene.inside, event.where or "", shown, depth + 1)
    return f'<li><details{unfolded}><summary><span class="row">{row}</span></summary><ul>{inside}</ul></details></li>'
