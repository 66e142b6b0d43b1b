"""Figures of matplotlib as SVG that stands inside a page and follows its colours.

What matplotlib writes is a document of its own: namespaces, a style sheet for every element, fixed
colours, ids that repeat from plot to plot. Here it becomes one ``<svg>`` element without any of
these, named for those who cannot see it. The same figure always gives the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

THEME: Final = {
    "#0a0101": "var(--ink)",
    "#0a0102": "var(--muted)",
    "#0a0103": "var(--line)",
    "#0a0104": "var(--paper)",
    "#0a0105": "var(--own)",
    "#0a0106": "var(--private)",
    "#0a0107": "var(--open)",
    "#0a0108": "var(--pooled)",
    "#0a0109": "var(--gain)",
    "#0a010a": "var(--loss)",
}
"""Colours that plots are drawn in → those of the page, which differ by light and dark."""

INK, MUTED, LINE, PAPER, OWN, PRIVATE, OPEN, POOLED, GAIN, LOSS = THEME

_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": INK,
}
_NO_METADATA: Final[dict[str, Any]] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_LOCAL: Final = re.compile(r"url\(#([^)]+)\)")
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_FAMILY: Final = re.compile(r"font-family:[^;]*;?\s*")


def draw(
    key: str, title: str, description: str, size: tuple[float, float], plot: Callable[[Any], None]
) -> Markup:
    """One plot as an ``<svg>`` element.

    Parameters
    ----------
    key
        Unique on the page; begins every id.
    title, description
        What the plot is, and what it shows, for screen readers.
    size
        Width and height in inches; the element scales with the page.
    plot
        Draws on the axes that it is given.
    """
    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": key}), warnings.catch_warnings():
        # Widths of letters that the font lacks are a guess; the browser has a font for them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=size, layout="constrained")
        plot(figure.subplots())
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata=_NO_METADATA, transparent=True)
    return _inline(written.getvalue(), key, title, description)


def plain(text: str) -> str:
    """`text` without the characters that XML cannot hold."""
    return _CONTROL.sub("\ufffd", text)


def _inline(document: str, key: str, title: str, description: str) -> Markup:
    root = ElementTree.fromstring(document)  # noqa: S314 - written by matplotlib just now
    _drop_style_sheet(root)
    wanted = set(_referenced(root))
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = dict(_attributes(element, key, wanted))
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{key}-title {key}-desc",
    }
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        child = ElementTree.Element(tag, {"id": f"{key}-{tag}"})
        child.text = plain(text)
        root.insert(position, child)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - serialised XML


def _drop_style_sheet(root: ElementTree.Element) -> None:
    for parent in root.iter():
        for child in [c for c in parent if _local(c.tag) in ("style", "metadata")]:
            parent.remove(child)


def _referenced(root: ElementTree.Element) -> Iterator[str]:
    for element in root.iter():
        for name, value in element.attrib.items():
            if _local(name) == "href":
                yield value.removeprefix("#")
            yield from _LOCAL.findall(value)


def _attributes(
    element: ElementTree.Element, key: str, wanted: set[str]
) -> Iterator[tuple[str, str]]:
    for name, value in element.attrib.items():
        local = _local(name)
        if local == "id":
            if value in wanted:
                yield local, f"{key}-{value}"
        elif local == "href":
            yield local, f"#{key}-{value.removeprefix('#')}"
        else:
            yield local, _themed(_LOCAL.sub(rf"url(#{key}-\1)", value))


def _themed(value: str) -> str:
    return _COLOUR.sub(lambda found: THEME.get(found[0], found[0]), _FAMILY.sub("", value))


def _local(name: str) -> str:
    return name.rpartition("}")[2]
