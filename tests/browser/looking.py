"""One page in a browser, with everything that it complained about or asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, NARROW = (1280, 900), (360, 740)

_UNNAMED: Final = """() => [...document.querySelectorAll('svg, table, img')].filter(e => {
    const words = [e.getAttribute('aria-label'), e.getAttribute('alt'),
        ...(e.getAttribute('aria-labelledby') || '').split(' ')
            .map(id => id && document.getElementById(id)?.textContent),
        e.querySelector(':scope > title, :scope > caption')?.textContent];
    return !words.some(text => text && text.trim().length > 5);
}).map(e => e.outerHTML.slice(0, 120))"""

_WIDE: Final = """() => {
    document.querySelectorAll('details').forEach(e => e.open = true);
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    return [...document.body.querySelectorAll('*')]
        .filter(e => e.getBoundingClientRect().right > root.clientWidth + 1)
        .map(e => e.outerHTML.slice(0, 80));
}"""

# WCAG 2.2, 1.4.3: relative luminance of a text and of the first background behind it.
_PALE: Final = """() => {
    const parts = text => (text.match(/[\\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = e => {
        for (; e; e = e.parentElement) {
            const c = parts(getComputedStyle(e).backgroundColor);
            if (c.length === 3 || c[3] > 0) return c;
        }
        return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
    };
    const found = [];
    document.querySelectorAll('details').forEach(e => e.open = true);
    for (const e of document.body.querySelectorAll('*:not(svg *)')) {
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
        const [a, b] = [light(parts(getComputedStyle(e).color)), light(behind(e))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.outerHTML.slice(0, 80)}`);
    }
    return found;
}"""


@dataclass(slots=True)
class Looked:
    """A page that is open.

    Attributes
    ----------
    page
        Playwright's page.
    complaints
        Console messages that are no mere logs, errors of scripts, dialogs.
    requests
        Addresses that the page asked for, besides its own.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def unnamed(self) -> list[str]:
        """Plots, tables and pictures that say nothing to those who cannot see them."""
        return self._list(_UNNAMED)

    def overflowing(self) -> list[str]:
        """Elements that make the page scroll sideways."""
        return self._list(_WIDE)

    def pale(self) -> list[str]:
        """Texts with less contrast than WCAG's level AA asks for."""
        return self._list(_PALE)

    def _list(self, script: str) -> list[str]:
        found: Any = self.page.evaluate(script)
        return [str(item) for item in found]


@contextmanager
def looking(
    browser: Browser,
    file: Path,
    size: tuple[int, int] = WIDE,
    scheme: Literal["light", "dark"] = "light",
) -> Iterator[Looked]:
    """Open a file of this machine."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
    )
    address = file.resolve().as_uri()
    found = Looked(context.new_page())
    page, complaints = found.page, found.complaints
    page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
    page.on("request", lambda r: found.requests.append(r.url) if r.url != address else None)
    page.goto(address)
    try:
        yield found
    finally:
        context.close()
