"""What every page of ours must be in a browser: silent, whole, within its window, legible, and usable by keyboard."""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from chromium import Chromium, Page

__all__ = ["check_page"]

WINDOWS = (1200, 768, 360)
PAPER = 718
"""The width of A4 less Chromium's margins of 1 cm, in CSS pixels."""


def check_page(browser: Chromium, path: Path) -> None:
    """Look at a page of more than three sections as its readers do; `AssertionError` says what would trouble them."""
    page = browser.open(path)
    for width in WINDOWS:
        page.show(width)
        _check_window(page)
    _check_keyboard(page)
    for dark in (False, True):
        page.show(WINDOWS[0], dark=dark)
        _check_contrast(page)
    _check_structure(page)
    page.show(PAPER, paper=True)
    _check_paper(page)
    assert page.complaints() == []
    assert page.requests() == [path.resolve().as_uri()]
    page.close()


def _check_window(page: Page) -> None:
    """The page never moves sideways: what is too wide does so in its own frame."""
    assert page.ask("document.documentElement.scrollWidth <= innerWidth")
    assert page.ask(f"{TOO_WIDE}.filter(part => !part.closest('.scroll *, .chart *, .skip')).map(named)") == []


def _check_paper(page: Page) -> None:
    """Nothing reaches over the sheet, no row is cut by its end, and the colours that say something are printed."""
    assert page.ask(f"{TOO_WIDE}.map(named)") == []
    assert page.ask(f"{STYLES}('tr, .pictures figure').every(style => style.breakInside == 'avoid')")
    assert page.ask(
        f"{STYLES}('.track, .confusion td[style], .heat i').every(style => style.printColorAdjust == 'exact')"
    )
    assert page.printed().startswith(b"%PDF")


def _check_contrast(page: Page) -> None:
    """Every text stands out from what is behind it as WCAG 2.1 asks: 4.5 to 1, large ones 3 to 1."""
    assert page.ask(FAINT) == []


def _check_keyboard(page: Page) -> None:
    """The first stop skips to the results; each frame can be reached, and moved with the arrow keys."""
    page.press("Tab")
    assert page.ask("document.activeElement.className") == "skip"
    assert page.ask("document.activeElement.getBoundingClientRect().width > 100")
    page.press("Enter")
    assert page.ask("location.hash") == "#results"
    stops, wide = page.ask("""[[...document.querySelectorAll('main a, main summary, main .scroll, main .chart > div')]
        .filter(part => part.checkVisibility()).map((part, place) => { part.place = place; return place }),
        [...document.querySelectorAll('.scroll')].findIndex(part => part.scrollWidth > part.clientWidth)]""")
    reached = []
    for _ in stops:
        page.press("Tab")
        reached.append(page.ask("document.activeElement.place"))
    assert reached == stops
    if wide >= 0:
        page.ask(f"(window.wide = document.querySelectorAll('.scroll')[{wide}]).focus()")
        page.press("ArrowRight")
        assert _in_time(lambda: page.ask("window.wide.scrollLeft > 0"))


def _check_structure(page: Page) -> None:
    """What a screen reader is told: language, landmarks, headings in order, names of all pictures and frames."""
    assert page.ask("document.documentElement.lang") == "en"
    nodes = [node for node in page.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    roles = [node["role"]["value"] for node in nodes]
    assert {"main", "navigation", "banner"} <= set(roles)
    levels = [_property(node, "level") for node in nodes if node["role"]["value"] == "heading"]
    assert levels[0] == 1
    assert all(1 < level <= before + 1 for before, level in pairwise(levels))
    nameless = [node for node in nodes if node["role"]["value"] in ("image", "link", "columnheader", "rowheader")]
    assert [node["role"]["value"] for node in nameless if not node["name"]["value"].strip()] == []
    assert page.ask("[...document.querySelectorAll('img')].every(image => image.hasAttribute('alt'))")
    assert page.ask("[...document.querySelectorAll('[tabindex]')].every(frame => frame.ariaLabel)")
    assert page.ask("[...document.querySelectorAll('th')].every(head => head.scope)")
    assert page.ask("""[...document.querySelectorAll('table')].every(table => table.querySelector('th[scope=col]')
        && [...table.rows].every(row => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0)
            == [...table.rows[0].cells].reduce((sum, cell) => sum + cell.colSpan, 0)))""")


def _property(node: dict[str, Any], name: str) -> Any:
    return next(item["value"]["value"] for item in node["properties"] if item["name"] == name)


def _in_time(done: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


TOO_WIDE = """(window.named = part => `${part.tagName} ${part.className}: ${part.textContent.slice(0, 80)}`,
    [...document.querySelectorAll('body *')].filter(part => part.checkVisibility())
        .filter(part => part.getBoundingClientRect().right > innerWidth + 1))"""

STYLES = "(selector => [...document.querySelectorAll(selector)].map(part => getComputedStyle(part)))"

FAINT = """(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
    const over = (colours) => {
        canvas.clearRect(0, 0, 1, 1)
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1) }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
    }
    const luminance = (colour) => colour.map(value => value / 255)
        .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0)
    const faint = []
    for (const part of document.querySelectorAll('body *')) {
        const words = [...part.childNodes].some(node => node.nodeType == 3 && node.data.trim())
        if (!words || !part.checkVisibility() || part.matches('.skip')) continue
        const style = getComputedStyle(part), behind = []
        for (let at = part; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor)
        const ground = over(behind), ink = over([...behind, part.closest('svg') ? style.fill : style.color])
        const [low, high] = [luminance(ground), luminance(ink)].sort((a, b) => a - b)
        const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700)
        const ratio = (high + 0.05) / (low + 0.05)
        if (ratio < (large ? 3 : 4.5)) faint.push([part.textContent.trim().slice(0, 60), ratio, ground, ink])
    }
    return faint
})()"""
