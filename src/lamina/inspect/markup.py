"""Pieces of HTML for pages: what comes from users is escaped, and pages load nothing from elsewhere."""

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any


def escaped(text: Any) -> str:
    """Returns text as HTML shows it; addresses in it stay text.

    >>> escaped("<b> & http://example.org")
    '&lt;b&gt; &amp; http:&#47;/example.org'
    """
    return html.escape(str(text)).replace("://", ":&#47;/")


def script_data(value: Any) -> str:
    r"""Returns a value as JSON that may stand inside a <script>.

    >>> script_data(["</script>", "http://example.org"])
    '["\\u003c/script>","http:\\/\\/example.org"]'
    """
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c").replace("//", "\\/\\/")


def table(name: str, headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Returns a table that scrolls in a box of its own.

    Args:
        name: what it shows, for those who hear it.
        headings: of the columns, as HTML.
        rows: the cells, as HTML.
        numbers: the columns that hold numbers.
    """
    kinds = [' class="number"' if i in set(numbers) else "" for i in range(len(headings))]
    head = "".join(f'<th scope="col"{kind}>{text}</th>' for kind, text in zip(kinds, headings, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{text}</td>" for kind, text in zip(kinds, row, strict=True)) + "</tr>" for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{escaped(name)}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
