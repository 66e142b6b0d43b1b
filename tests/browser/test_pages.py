"""Every page that Isthmus writes, in a real browser: quiet, alone, readable by everybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import pytest

from clients.data.problems import Example, Kind, Problem
from clients.data.report import ValidationReport
from clients.data.report_views import as_html, as_page
from simulations.reporting.attack_page import render_attack_page
from simulations.reporting.page import render_page
from tests.browser.looking import NARROW, WIDE, looking
from tests.clients.data.test_report import problem, report
from tests.simulations.reporting.runs import bare, of_platforms
from tests.simulations.sample_attacks import sample_attacks
from tests.simulations.sample_results import sample

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

EVIL: Final = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}"


def every_problem() -> ValidationReport:
    """Each kind once, with values that are as long as they get."""
    return report(*(problem(kind, 12_345, 0.123) for kind in Kind))


def hostile_values() -> ValidationReport:
    examples = tuple(Example(row=row, value=EVIL, file=EVIL) for row in range(1, 6))
    return report(
        Problem(
            kind=Kind.UNKNOWN_EVENT,
            table="events",
            column="c" * 200 + EVIL,
            count=5,
            share=0.5,
            examples=examples,
        )
    )


def lab_page() -> str:
    fragments = {name: as_html(every_problem()) for name in sample().platforms}
    return render_page(sample(), fragments)


def hostile_lab_page() -> str:
    return render_page(of_platforms(EVIL, "p" * 60), {EVIL: as_html(hostile_values())})


PAGES: Final[dict[str, Callable[[], str]]] = {
    "validation": lambda: as_page(every_problem()),
    "validation without problems": lambda: as_page(report()),
    "validation of hostile values": lambda: as_page(hostile_values()),
    "lab": lab_page,
    "lab without curves": lambda: render_page(bare(sample(), "uplift", "curve"), {}),
    "lab with hostile names": hostile_lab_page,
    "attacks": lambda: render_attack_page(sample_attacks()),
    "attacks on a hostile name": lambda: render_attack_page(sample_attacks(recipe=EVIL)),
}


HOSTILE: Final = [name for name in PAGES if "hostile" in name]


@pytest.fixture(params=list(PAGES))
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(PAGES[request.param](), encoding="utf-8")
    return path


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_page_is_quiet_asks_for_nothing_and_fits(
    browser: Browser, page: Path, size: tuple[int, int]
) -> None:
    with looking(browser, page, size) as found:
        assert found.overflowing() == []
        assert found.complaints == []
        assert found.requests == []
        assert found.page.locator("h1").count() == 1
        assert found.page.title()


def test_plots_and_tables_have_words(browser: Browser, page: Path) -> None:
    with looking(browser, page) as found:
        assert found.unnamed() == []
        assert found.page.locator("th:not([scope])").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(browser: Browser, page: Path, scheme: Literal["light", "dark"]) -> None:
    with looking(browser, page, scheme=scheme) as found:
        assert found.pale() == []


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_are_shown_and_do_nothing(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "page.html"
    path.write_text(PAGES[name](), encoding="utf-8")
    with looking(browser, path) as found:
        assert "<script>alert(1)</script>" in str(found.page.locator("body").text_content())
        assert found.page.locator("script, img, iframe, object, embed, link").count() == 0
        assert found.complaints == []


def test_the_checks_see_what_they_look_for(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(
        "<!doctype html><title>bad</title><h1>bad</h1><img src='https://example.invalid/x.png'>"
        "<table><tr><th>a</th></tr></table><p style='width:3000px;color:#ccc'>pale</p>"
        "<script>console.error('no'); alert(1)</script>"
    )
    with looking(browser, path, NARROW) as found:
        found.page.wait_for_load_state("load")
        assert len(found.unnamed()) == 2
        assert found.overflowing()
        assert found.pale()
        assert {"no", "dialog"} <= set(found.complaints)
        assert found.requests == ["https://example.invalid/x.png"]
