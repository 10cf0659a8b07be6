"""The story of a run: what was built, called, traced, compiled and run, when and why."""

import contextlib
import html
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import lamina.core.events as events
from lamina.core.errors import user_line
from lamina.core.events import Event
from lamina.core.text import ReprMixin
from lamina.inspect.scenes import as_text


class Story(ReprMixin, events.Listener):
    """What happened while it was watched; print it to read it.

    Attributes:
        events: all that happened, in the order in which it began.
        failed: the error that ended it, or "".
        failed_at: the line of the user's own code nearest to where that was raised.
        left_out: how many events there were beyond the limit.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.failed = ""
        self.failed_at = ""

    def of(self, kind: str, subject: Any = None) -> list[Event]:
        """Returns the events of one kind.

        Args:
            kind: "task", "construct", "build", "weight", "call", "trace", "compile" or "run".
            subject: a layer or weight, or the path of one; None is all.
        """
        found = [event for event in self.events if event.kind == kind]
        if subject is None:
            return found
        if isinstance(subject, str):
            return [event for event in found if event.path == subject]
        return [event for event in found if event.subject is subject]

    def calls(self, layer: Any = None) -> list[Event]:
        """Returns the runs of `call`, of one layer (itself or its path) or of all."""
        return self.of("call", layer)

    def builds(self, layer: Any = None) -> list[Event]:
        """Returns the builds, of one layer or of all; not those that were only tried."""
        return [event for event in self.of("build", layer) if not event.undone]

    def traces(self) -> list[Event]:
        """Returns the traces of compiled functions: the runs of their Python code."""
        return self.of("trace")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the story to a file.

        Args:
            path: `.json` opens in Perfetto and in Chrome's tracing page; `.html` is a page by itself; `.txt` is what `print` shows.

        Raises:
            ValueError: for another ending.
            OSError: if the file cannot be written.
        """
        path = Path(path)
        path.write_text(_writer(path)(self), encoding="utf-8")

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        """The page of the story in a frame of its own: what notebooks show."""
        from lamina.inspect.story_page import story_page

        page = html.escape(story_page(self))
        return (
            f'<iframe title="The story" srcdoc="{page}" sandbox="allow-scripts" style="width:100%;height:40rem;border:0"></iframe>'
        )

    def _facts(self) -> Iterable[str]:
        counts = Counter(event.kind for event in self.events)
        return [f"{count} {kind}" for kind, count in counts.items()] or ["nothing happened"]


def _writer(path: Path) -> Any:
    """Returns what makes the text of a file with this ending."""
    if path.suffix == ".json":
        from lamina.inspect.timeline import timeline

        return timeline
    if path.suffix == ".html":
        from lamina.inspect.story_page import story_page

        return story_page
    if path.suffix == ".txt":
        return str
    raise ValueError(f"A story is saved as .json, .html or .txt, not as {path.suffix or 'a file without an ending'}: {path}.")


@contextlib.contextmanager
def watch(save: str | os.PathLike[str] | None = None, limit: int = 200_000) -> Iterator[Story]:
    """Records the story of everything that happens inside: which layers are made, built and called, and why.

    Args:
        save: where to write the story when it ends, also if it ends by an error; see `Story.save`.
        limit: how many events to keep; further ones are only counted.

    Raises:
        ValueError, OSError: if the story cannot be saved there; at once, before anything has run.

    >>> layer = lamina.layers.Dense(2, name="dense")
    >>> with lamina.watch() as story:
    ...     _ = layer(np.ones((4, 3)))
    >>> [(build.path, build.given) for build in story.builds()], [call.reason for call in story.calls(layer)]
    ([('dense', '(4, 3)')], ['eager'])
    """
    if save is not None:
        check_writable(Path(save))
    story = Story(limit)
    try:
        with events.listening(story):
            yield story
    except BaseException as error:
        story.failed, story.failed_at = events.sentence(error), user_line(error) or ""
        raise
    finally:
        if save is not None:
            story.save(save)


def check_writable(path: Path) -> None:
    """Raises ValueError or OSError if a story cannot be written there; leaves what is there as it is."""
    _writer(path)
    there = path.exists()
    with path.open("a"):
        pass
    if not there:
        path.unlink()
