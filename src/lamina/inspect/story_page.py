"""A story as a page."""

import html
from typing import Any


def story_page(story: Any) -> str:
    """Returns a story as one self-contained page."""
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Lamina: a story</title>'
    return f"{head}<body><pre>{html.escape(str(story))}</pre></body></html>\n"
