"""The story as a page: what every page has, and, in a real browser, how it shows."""

import html
import re
from collections import Counter

import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.core.events import Event
from lamina.inspect.story import Story
from lamina.inspect.story_page import story_page
from pages import DESK, PHONE, faults, opened

X, Y = np.ones((96, 3), "float32"), np.ones((96, 1), "float32")
NASTY = "</script><script>alert(1)</script><b onclick=alert(1)>&\"' http://example.org/x"


class Net(lamina.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(4)
        self.out = layers.Dense(1)

    def call(self, x):
        return self.out(self.hidden(x))


def story_of_a_fit():
    with lamina.watch() as story:
        model = Net(name="net")
        model.compile("sgd", "mse")
        model.fit(X, Y, batch_size=40, epochs=2, verbose=0)
        model.hidden(X)
    return story


def story_of_a_failure():
    class Bad(layers.Layer):
        def call(self, x):
            raise ValueError(NASTY)

    model = lamina.Sequential([layers.Dense(4), Bad(name="bad")], name="net")
    with pytest.raises(ValueError, match="script"), lamina.watch() as story:
        model(X)
    return story


def long_story(number=60_000):
    """A story of a day, with events of a microsecond."""
    story = Story(limit=number)
    task = Event("task", "fit", where=f"{__file__}:1, in main", start=100.0, seconds=86_400.0, thread="MainThread")
    story._take(task)
    step = 86_400.0 / number
    made = [layers.Layer(name=f"layer_{i}") for i in range(2000)]
    for i in range(1, number):
        call = Event(
            "call", "Layer", made[i % 2000], reason="eager", given=f"float32({i % 7919},)", parent=task, thread="MainThread"
        )
        call.start, call.seconds = 100.0 + i * step, 1e-6 * (1 + i % 50)
        story._take(call)
    story.left_out = 1234
    return story


def test_a_page_needs_nothing_else_and_has_what_the_story_has():
    story = story_of_a_fit()
    page = story_page(story)
    assert "http://" not in page and "https://" not in page and not re.search(r"(src|href)=[\"'](?!#|data:,)", page)
    text = html.unescape(re.sub(r"<[^>]*>", "", page))
    for weight in ("net/hidden/kernel", "net/hidden/bias", "net/out/kernel", "net/out/bias"):
        assert weight in text
    assert "float32(3, 4) from GlorotUniform" in text and "12" in text and "48 B" in text
    assert "4 weights: 21 numbers, 84 B" in text
    line = Net.call.__code__.co_firstlineno + 1
    assert "because of its first call, on shapes alone" in text and f"test_story_page.py:{line}, in call" in text
    reasons = Counter(call.reason for call in story.calls())
    for reason, number in reasons.items():
        assert re.search(rf"{reason}</td><td class=\"number\">{number}</td>", page)
    for trace in story.traces():
        assert trace.because == "first time" or all(change in text for change in trace.because.split("; ")[:2])
    assert len(story.of("compile")) == len(re.findall(r"<td>(compiled|found on disk)</td>", page))


def test_what_users_write_stays_text():
    page = story_page(story_of_a_failure())
    assert NASTY not in page and "<b onclick" not in page and "http://" not in page and page.count("<script") == 2
    assert "alert(1)" in page


def test_notebooks_show_the_page_in_a_frame():
    with lamina.watch() as story:
        pass
    frame = re.fullmatch(r'<iframe [^>]*srcdoc="([^"]*)"[^>]*></iframe>', story._repr_html_())
    assert html.unescape(frame[1]) == story_page(story)


def test_a_long_story_is_a_page_of_some_size_and_says_what_it_folds():
    page = story_page(long_story())
    assert len(page) < 4e6
    for said in (
        "20,000 longest of 60,000 events",
        "59,699 more events, folded",
        "1,234 more events",
        "1,000 more layers, folded",
    ):
        assert said in page


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """Pages of real stories, by name."""
    folder = tmp_path_factory.mktemp("pages")
    with lamina.watch() as empty:
        pass
    found = {"fit": story_of_a_fit(), "failure": story_of_a_failure(), "empty": empty, "long": long_story(20_000)}
    for name, story in found.items():
        story.save(folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in found}


@pytest.mark.browser
@pytest.mark.parametrize("name", ["fit", "failure", "empty", "long"])
def test_pages_show_without_faults(browser, stories, name):
    assert faults(browser, stories[name]) == []


@pytest.mark.browser
def test_a_failure_comes_first(browser, stories):
    with opened(browser, stories["failure"], width=PHONE) as tab:
        first = tab.locator("section").first
        assert f"ValueError: {NASTY}" in first.inner_text() and "in call" in first.inner_text()
        assert "raise ValueError(NASTY)" in first.inner_text()
        assert [item.split(" on ")[0] for item in first.locator("li").all_inner_texts()][-1] == "call net/bad"
        assert first.bounding_box()["y"] < 200
        assert "ValueError" in tab.locator("ul.story .wrong:visible").first.inner_text()


@pytest.mark.browser
def test_the_filter_keeps_what_holds_the_word_and_what_that_is_inside_of(browser, stories):
    with opened(browser, stories["fit"]) as tab:
        everything = tab.locator(".row:visible").count()
        tab.get_by_label("Show only").fill("Net/Hidden")
        shown = tab.locator("ul.story .row:visible").all_inner_texts()
        assert shown and all("net/out" not in row for row in shown)
        assert any(row.startswith("fit") for row in shown) and any("hidden/kernel" in row for row in shown)
        assert "found" in tab.locator("#matches").inner_text()
        tab.get_by_label("Show only").fill("")
        assert tab.locator(".row:visible").count() >= everything and tab.complaints == []


@pytest.mark.browser
def test_the_timeline_is_drawn_zooms_and_says_what_an_event_was(browser, stories):
    with opened(browser, stories["fit"]) as tab:
        canvas, about = tab.locator("canvas"), tab.locator("#about")
        colours = "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
        assert canvas.evaluate(colours) > 10
        before = canvas.evaluate("c => c.toDataURL()")
        canvas.focus()
        tab.keyboard.press("+")
        tab.wait_for_function("before => document.querySelector('canvas').toDataURL() !== before", arg=before)
        tab.get_by_role("button", name="All", exact=True).click()
        tab.wait_for_function("before => document.querySelector('canvas').toDataURL() === before", arg=before)
        box = canvas.bounding_box()
        canvas.click(position={"x": box["width"] * 0.5, "y": 34})
        assert re.search(r"fit of net · [\d.]+ m?s, from", about.inner_text())


@pytest.mark.browser
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_page_reads_without_javascript(browser, stories, width):
    with opened(browser, stories["fit"], width=width, script=False) as tab:
        assert "JavaScript draws the timeline" in tab.locator("main").inner_text()
        assert not tab.get_by_label("Show only").is_visible() and not tab.get_by_role("button").first.is_visible()
        row = tab.locator("ul.story summary").filter(has_text="trace train_step").first
        inside = row.locator("xpath=..").locator("ul .row").first
        assert not inside.is_visible()
        row.focus()
        tab.keyboard.press("Enter")
        assert inside.is_visible() and "call net" in inside.inner_text()
