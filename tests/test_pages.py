"""The checks of pages find what they look for."""

import pytest

from pages import faults

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><title>page</title><link rel="icon" href="data:,">'
PHONES = '<meta name="viewport" content="width=device-width, initial-scale=1">'


@pytest.mark.parametrize(
    "body, said",
    [
        ("<p>Hello</p>", ""),
        ("<p style='color:#767676'>just enough</p>", ""),
        ("<p style='color:#777'>nearly enough</p>", "contrast of 4.48"),
        ("<h1 style='color:#777'>large</h1>", ""),
        ("<details>more<p style='color:#0008;background:#888'>folded", "contrast"),
        ("<p style='opacity:.4'>pale", "contrast of 2.8"),
        ("<div style='background:#000'><p style='background:#ffffff18;color:#fff'>white on black", ""),
        ("<svg><rect width=90 height=30 fill='#222'></rect><text y=20 fill='#eee'>drawn</text></svg>", ""),
        ("<svg><rect width=90 height=30 fill='#222'></rect><text y=20>drawn</text></svg>", "contrast of 1.3"),
        ("<input value='name' style='background:#fff;color:#ccc'>", "contrast"),
        ("<style>::placeholder{color:#ccc}</style><input placeholder='name'>", "contrast"),
        ("<p style='width:400px'>wide", "reaches to"),
        ("<div style='overflow-x:auto'><p style='width:4000px'>wide</div>", ""),
        ("<style>body{overflow-x:hidden}</style><p style='width:4000px'>wide", "reaches to"),
        ("<script>console.error('no such luck')</script>", "no such luck"),
        ("<script>none()</script>", "none is not defined"),
        ("<img src='none.png' alt='a picture'>", "not found"),
        ("<img src='http://localhost:1/none.png' alt='a picture'>", "from elsewhere"),
    ],
)
def test_a_fault_is_found_where_there_is_one(browser, tmp_path, body, said):
    page = tmp_path / "page.html"
    page.write_text(f"{HEAD}{PHONES}<body>{body}")
    found = faults(browser, page)
    assert any(said in fault for fault in found) if said else not found


def test_a_page_says_that_it_fits_phones(browser, tmp_path):
    (tmp_path / "page.html").write_text(f"{HEAD}<body>Hello")
    assert ["viewport" in fault for fault in faults(browser, tmp_path / "page.html")] == [True, True]


def test_dark_is_judged_as_dark(browser, tmp_path):
    (tmp_path / "page.html").write_text(f"{HEAD}{PHONES}<style>:root{{color-scheme:light dark}} p{{color:#333}}</style><p>Hello")
    found = faults(browser, tmp_path / "page.html")
    assert len(found) == 2 and all("dark: contrast" in fault for fault in found)
