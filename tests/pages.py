"""Pages in a real browser: what each page that Lamina makes has to hold, in light and in dark, on a desk and on a phone.

`faults(browser, page)` opens a page and lists what is wrong with it: errors in the console, what it loads from elsewhere, what is
wider than the screen, text that is hard to tell from what is behind it.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
DESK, PHONE = 1280, 360


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.fail(f"These tests need Chromium: none of {', '.join(CHROMIUM)} is installed.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@contextlib.contextmanager
def opened(browser: Any, page: Path | str, *, width: int = DESK, dark: bool = False, script: bool = True) -> Iterator[Any]:
    """Opens a page, and closes it at the end.

    Args:
        browser: the fixture of that name.
        page: a file, or the address of a page.
        width: of the screen, in pixels; below 600 it is a phone's.
        dark: whether the reader prefers dark pages.
        script: whether JavaScript runs.

    Yields:
        Playwright's page; its attribute `complaints` is the list of what the browser complained of until now.
    """
    address = page.resolve().as_uri() if isinstance(page, Path) else page
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if dark else "light",
        is_mobile=width < 600,
        has_touch=width < 600,
        reduced_motion="reduce",
        java_script_enabled=script,
    )
    try:
        tab = context.new_page()
        complaints: list[str] = []
        tab.complaints = complaints
        tab.on("console", lambda said: complaints.append(f"in the console: {said.text}") if said.type == "error" else None)
        tab.on("pageerror", lambda error: complaints.append(f"in the script: {error}"))
        tab.on("requestfailed", lambda request: complaints.append(f"not found: {request.url}"))
        tab.on(
            "request", lambda request: complaints.append(f"from elsewhere: {request.url}") if away(request.url, address) else None
        )
        tab.goto(address, wait_until="load")
        yield tab
    finally:
        context.close()


def away(address: str, home: str) -> bool:
    """Returns whether an address is neither where the page is nor inside the page itself."""
    there, here = urlsplit(address), urlsplit(home)
    return there.scheme not in ("data", "blob") and (there.scheme, there.netloc) != (here.scheme, here.netloc)


def faults(browser: Any, page: Path | str) -> list[str]:
    """Returns what is wrong with a page, on a desk and on a phone, in light and in dark, with all that can be unfolded unfolded."""
    found = []
    for width in (DESK, PHONE):
        for dark in (False, True):
            with opened(browser, page, width=width, dark=dark) as tab:
                unfold(tab)
                wrong = [*tab.complaints, *overflow(tab), *low_contrast(tab)]
            found += [f"{width} pixels wide, {'dark' if dark else 'light'}: {fault}" for fault in wrong]
    return found


def unfold(tab: Any) -> None:
    """Opens every <details> of a page."""
    tab.evaluate("() => document.querySelectorAll('details').forEach(part => { part.open = true })")


def overflow(tab: Any) -> list[str]:
    """Returns what is wider than the screen without a box of its own to scroll in."""
    return tab.evaluate(OVERFLOW)


def low_contrast(tab: Any) -> list[str]:
    """Returns the texts whose contrast to what is behind them is below 4.5, or 3 for large ones (WCAG 2.2, level AA)."""
    return tab.evaluate(LOW_CONTRAST)


OVERFLOW = r"""
() => {
  const root = document.documentElement, screen = window.visualViewport.width * window.visualViewport.scale
  if (Math.abs(root.clientWidth - screen) > 1)
    return [`laid out for ${root.clientWidth} pixels on ${screen}: a <meta name="viewport"> is missing`]
  const width = root.clientWidth, kept = new WeakMap()
  const keeps = part => {  // whether a box scrolls or cuts what is wider than itself
    if (part === document.body || part === root) return false
    if (!kept.has(part)) {
      const parent = part.parentElement
      kept.set(part, getComputedStyle(part).overflowX !== 'visible' || (parent !== null && keeps(parent)))
    }
    return kept.get(part)
  }
  const found = []
  for (const part of document.body.querySelectorAll('*')) {
    const box = part.getBoundingClientRect()
    if (box.width === 0 || box.right <= width + 1 || !part.checkVisibility()) continue
    if (part.parentElement && keeps(part.parentElement)) continue
    const name = [part.tagName.toLowerCase(), ...part.classList].join('.')
    found.push(`<${name}> reaches to ${Math.round(box.right)} of ${width} pixels: ${part.textContent.trim().slice(0, 60)}`)
  }
  if (root.scrollWidth > width + 1 && !found.length) found.push(`the page is ${root.scrollWidth} pixels wide on ${width}`)
  return found.slice(0, 10)
}
"""

LOW_CONTRAST = r"""
() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true})
  const probe = document.createElement('i')
  probe.style.backgroundColor = 'Canvas'
  document.documentElement.append(probe)
  const paper = getComputedStyle(probe).backgroundColor
  probe.remove()

  const painted = new Map()
  const paint = layers => {  // colours, one over the other, each with its opacity
    const key = layers.join()
    if (!painted.has(key)) {
      for (const [colour, opacity] of layers) {
        canvas.globalAlpha = opacity
        canvas.fillStyle = colour
        canvas.fillRect(0, 0, 1, 1)
      }
      painted.set(key, [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3))
    }
    return painted.get(key)
  }
  const luminance = rgb => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const ratio = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y)
    return (light + 0.05) / (dark + 0.05)
  }

  const behind = part => {  // what is painted behind the text of a part, from the paper up, and how opaque the part is
    const layers = []
    let opacity = 1, image = false, solid = false
    for (let at = part; at; at = at.parentElement) {
      const style = getComputedStyle(at)
      if (!solid && !(at instanceof SVGElement && !(at instanceof SVGSVGElement))) {
        if (style.backgroundImage !== 'none') image = true
        layers.unshift([style.backgroundColor, 1])
        solid = /^rgb\(|^[a-z]+\([^/,]*\)$/.test(style.backgroundColor)
      }
      opacity *= parseFloat(style.opacity)
    }
    return {layers: [[paper, 1], ...layers], opacity, image}
  }
  const shapes = (part, box) => {  // the shapes of an SVG that lie under a text in it
    const svg = part.closest('svg'), x = box.x + box.width / 2, y = box.y + box.height / 2
    return [...svg.querySelectorAll('rect, path, circle, ellipse, polygon')].filter(shape => {
      const around = shape.getBoundingClientRect()
      return shape.compareDocumentPosition(part) & Node.DOCUMENT_POSITION_FOLLOWING
        && around.left <= x && x <= around.right && around.top <= y && y <= around.bottom
    }).map(shape => getComputedStyle(shape)).filter(style => style.fill !== 'none')
      .map(style => [style.fill, parseFloat(style.fillOpacity) * parseFloat(style.opacity)])
  }

  const found = new Set()
  const judge = (part, box, style, text) => {
    if (box.width <= 1 || box.height <= 1 || part.closest(':disabled, [aria-disabled=true]')) return
    if (!part.checkVisibility({visibilityProperty: true}) || style.visibility === 'hidden') return
    const drawn = part.closest('svg') !== null
    const {layers, opacity, image} = behind(part)
    if (opacity === 0) return
    if (drawn) layers.push(...shapes(part, box))
    const under = paint(layers), over = paint([...layers, [drawn ? style.fill : style.color, opacity]])
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700)
    const contrast = ratio(under, over)
    const where = `"${text.trim().slice(0, 40)}" in <${[part.tagName.toLowerCase(), ...part.classList].join('.')}>`
    if (image) found.add(`text over an image: ${where}`)
    else if (contrast < (large ? 3 : 4.5)) found.add(`contrast of ${contrast.toFixed(2)}, rgb(${over}) on rgb(${under}): ${where}`)
  }

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange()
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    if (!text.data.trim() || text.parentElement.closest('script, style, noscript, template, option')) continue
    range.selectNodeContents(text)
    judge(text.parentElement, range.getBoundingClientRect(), getComputedStyle(text.parentElement), text.data)
  }
  for (const control of document.querySelectorAll('input, select, textarea')) {
    const empty = control.placeholder && !control.value
    const style = getComputedStyle(control, empty ? '::placeholder' : null)
    judge(control, control.getBoundingClientRect(), style, empty ? control.placeholder : control.value || control.tagName)
  }
  return [...found].slice(0, 10)
}
"""
