"""The pages of the documentation in a real browser. `make docs` builds them first."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import reference
from pages import PHONE, faults, opened

SITE = Path(__file__).parent.parent / "build" / "docs"
PAGES = sorted(SITE.rglob("*.html"))

pytestmark = pytest.mark.browser


class Addresses(HTMLParser):
    """Collects where a page's links lead, and the places in it that links may lead to."""

    def __init__(self, page):
        super().__init__()
        self.links, self.places = [], {""}
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.links += [given[name] for name in ("href", "src") if given.get(name)]
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}


@pytest.fixture(scope="module")
def found():
    assert PAGES, "The documentation is not built: make docs."
    return {page: Addresses(page) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SITE)))
def test_a_page_is_readable_everywhere(browser, page):
    assert faults(browser, page) == []


def test_every_link_leads_somewhere(found):
    broken = []
    for page, addresses in found.items():
        for link in addresses.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            place = unquote(parts.fragment)
            if not target.exists() or (target in found and place not in found[target].places):
                broken.append(f"{page.relative_to(SITE)}: {link}")
    assert broken == []


def test_every_public_name_is_in_the_reference(found):
    for room in reference.rooms():
        places = found[SITE / "reference" / f"{room}.html"].places
        assert [name for name in reference.public_names(room) if f"{room}.{name}" not in places] == []


def test_search_finds_a_layer_without_a_server(browser):
    with opened(browser, f"{(SITE / 'search.html').as_uri()}?q=BatchNormalization", width=PHONE) as tab:
        tab.wait_for_selector("#search-results li")
        assert "lamina.layers" in tab.inner_text("#search-results")
