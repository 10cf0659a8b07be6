"""A story as a timeline that Perfetto and Chrome's tracing page open."""

import json
from typing import Any

from lamina.core.events import Event


def timeline(story: Any) -> str:
    """Returns a story in the trace event format: JSON, times in microseconds."""
    start = story.events[0].start if story.events else 0.0
    threads = {name: i for i, name in enumerate(dict.fromkeys(event.thread for event in story.events))}
    named = [
        {"name": "thread_name", "ph": "M", "ts": 0, "pid": 1, "tid": tid, "args": {"name": name}} for name, tid in threads.items()
    ]
    return json.dumps({"traceEvents": [*named, *(_entry(event, start, threads) for event in story.events)]})


def _entry(event: Event, start: float, threads: dict[str, int]) -> dict[str, Any]:
    about = {
        "reason": event.reason,
        "because": event.because,
        "given": event.given,
        "where": event.where,
        "failed": event.failed,
        "steps": event.steps if event.kind == "run" else None,
        "undone": event.undone or None,
    }
    return {
        "name": f"{event.kind} {event.path}",
        "cat": event.kind,
        "ph": "X",
        "ts": (event.start - start) * 1e6,
        "dur": (event.seconds or 0.0) * 1e6,
        "pid": 1,
        "tid": threads[event.thread],
        "args": {name: value for name, value in about.items() if value},
    }
