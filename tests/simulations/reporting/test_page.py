import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from clients.data.report import TableSummary, ValidationReport
from clients.data.report_views import as_html
from shared.files import write_json
from simulations.reporting.errors import UnreadableValidationError
from simulations.reporting.page import render_page, reproduce_command, write_report
from simulations.results import Results, UnreadableResultsError, macro, write_results
from tests.simulations.reporting.runs import bare, flat, of_platforms
from tests.simulations.sample_results import platform, sample

VOID = {"meta", "br", "hr", "link", "img", "input"}
EVIL = "<script>alert(1)</script>\"'&$x^2$"


class Page(HTMLParser):
    """Elements of a page; fails on tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "h2":
            self.headings.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of the elements of one kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(results: Results, validation: dict[str, str] | None = None) -> str:
    return render_page(results, validation or {})


@pytest.fixture(scope="module")
def sample_page() -> str:
    return page_of(sample())


def test_the_report_is_written_beside_the_results(tmp_path: Path) -> None:
    write_results(sample(), tmp_path)
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "results.json"]
    assert Page(path.read_text(encoding="utf-8")).headings


def test_a_page_does_not_depend_on_the_order_of_the_file(tmp_path: Path, sample_page: str) -> None:
    write_results(sample(), tmp_path)
    assert write_report(tmp_path).read_text(encoding="utf-8") == sample_page


def test_every_section_is_there(sample_page: str) -> None:
    assert Page(sample_page).headings == [
        "Systems side by side",
        "Is joining worth it for each platform?",
        "Learning curves",
        "Privacy spent",
        "What the fusion leans on",
        "Groups of users",
        "Data",
        "Time and bytes",
        "How to reproduce",
    ]


def test_the_page_refers_to_nothing_outside_itself(sample_page: str) -> None:
    assert "//" not in sample_page.replace("<!--", "")
    assert "@import" not in sample_page
    page = Page(sample_page)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    ids = {a["id"] for _, a in page.elements if "id" in a}
    for _, attributes in page.elements:
        assert "src" not in attributes
        target = attributes.get("href")
        assert target is None or target.removeprefix("#") in ids
    for target in re.findall(r"url\(([^)]*)\)", sample_page):
        assert target.removeprefix("#") in ids


def test_the_page_forbids_the_browser_to_load_anything(sample_page: str) -> None:
    (policy,) = [a for a in Page(sample_page).all("meta") if "http-equiv" in a]
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_ids_are_unique(sample_page: str) -> None:
    ids = [a["id"] for _, a in Page(sample_page).elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_every_plot_has_a_name_and_a_description(sample_page: str) -> None:
    page = Page(sample_page)
    plots = page.all("svg")
    assert len(plots) == 2 + 1 + 2 + 2
    ids = {a["id"] for _, a in page.elements if "id" in a}
    for plot in plots:
        assert plot["role"] == "img"
        assert set((plot["aria-labelledby"] or "").split()) <= ids


def test_every_table_has_a_caption_and_scoped_headings(sample_page: str) -> None:
    page = Page(sample_page)
    assert len(page.all("table")) == len(page.all("caption")) > 5
    assert all(a.get("scope") in ("row", "col") for a in page.all("th"))


def test_colours_of_plots_are_those_of_the_page(sample_page: str) -> None:
    style, rest = sample_page.split("</style>")
    assert not re.findall(r"#[0-9a-f]{6}\b", rest)
    used = set(re.findall(r"var\((--\w+)\)", rest))
    assert used
    for name in used:
        assert style.count(f"{name}:") == 2, "once for light, once for dark"


def test_everything_from_the_results_is_escaped() -> None:
    platforms = {EVIL: platform(0.04, (0.01, 0.004, 0.017)), "b": platform(0.02, (0.0, -0.1, 0.1))}
    for found in platforms.values():
        found.slices[EVIL] = found.slices["history 3-4"]
        found.fusion_weights[EVIL] = 0.5
        found.uplift[EVIL] = found.uplift["fusion_vs_local"]
    page = page_of(
        sample(
            platforms=platforms,
            macro=macro(platforms),
            recipe=EVIL,
            git=EVIL,
            timings={EVIL: 1.0},
            bytes={EVIL: 1},
        )
    )
    assert "<script" not in page
    assert Page(page).all("script") == []
    assert page.count("&lt;script&gt;") > 10


@pytest.mark.parametrize("name", ["\x00\x1b[31m", "図書館", "a" * 300, "$\\frac{1}{2}$", ""])
def test_any_platform_name_can_be_drawn(name: str) -> None:
    Page(page_of(of_platforms(name, "other")))


@pytest.mark.parametrize(
    ("fields", "heading"),
    [
        (["uplift"], "Is joining worth it for each platform?"),
        (["curves"], "Learning curves"),
        (["privacy", "epsilon", "delta"], "Privacy spent"),
        (["fusion_weights"], "What the fusion leans on"),
        (["slices"], "Groups of users"),
    ],
)
def test_a_missing_part_leaves_out_its_section_alone(fields: list[str], heading: str) -> None:
    page = Page(page_of(bare(sample(), *fields)))
    assert heading not in page.headings
    assert len(page.headings) == 8
    targets = {a["href"] for a in page.all("a")}
    assert targets <= {f"#{a['id']}" for _, a in page.elements if "id" in a}


def test_one_platform_with_systems_alone_makes_a_page() -> None:
    alone = {"books": platform(0.04, (0.0, -0.1, 0.1))}
    everything = ("uplift", "local_fusion", "curves", "privacy", "epsilon", "delta", "slices")
    results = bare(
        sample(platforms=alone, macro={}, timings={}, bytes={}, git=""),
        *everything,
        "fusion_weights",
    )
    assert Page(page_of(results)).headings == ["Systems side by side", "Data", "How to reproduce"]


def test_a_run_without_platforms_makes_a_page() -> None:
    assert Page(page_of(sample(platforms={}, macro={}))).headings


def test_a_platform_without_points_on_its_curves_has_no_plot() -> None:
    results = sample()
    results.platforms["games"].curves.clear()
    assert len(Page(page_of(results)).all("svg")) == 6


def test_the_same_results_give_the_same_bytes(sample_page: str) -> None:
    assert page_of(sample()) == sample_page


def test_the_claim_says_unit_adversary_accountant_and_what_is_not_covered(sample_page: str) -> None:
    text = flat(sample_page)
    for words in (
        "one user at one platform",
        "add or remove one user",
        "the coordinator included",
        "(PLD)",
        "composition of their guarantees",
        "Not covered",
    ):
        assert words in text


def test_the_weights_of_a_fusion_are_told_as_shares() -> None:
    results = sample()
    weights = results.platforms["books"].fusion_weights
    weights.clear()
    weights.update(item_knn=3.0, popularity=1.0)
    text = page_of(results)
    assert ">75%<" in text
    assert ">25%<" in text


def test_the_command_names_recipe_and_seed() -> None:
    assert reproduce_command(sample()) == "isthmus-lab run quickstart --seed 1"
    assert reproduce_command(sample(recipe="a b")) == "isthmus-lab run 'a b' --seed 1"


def test_validation_of_the_data_is_shown(tmp_path: Path) -> None:
    table = TableSummary(source="events.csv", rows_read=10, rows_kept=9)
    report = ValidationReport(
        platform="<b>books",
        events=table,
        items=None,
        problems=(),
        users=3,
        catalogue_items=4,
        time_unit="s",
    )
    write_results(sample(), tmp_path)
    write_json(tmp_path / "validation.json", {"<b>books": as_html(report)})
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert '<section class="validation"><h3>&lt;b&gt;books: 9 of 10 events kept' in page
    assert "Validation of &lt;b&gt;books" in page
    Page(page)


@pytest.mark.parametrize("value", [["x"], {"books": 3}])
def test_another_validation_file_is_refused_and_nothing_written(tmp_path: Path, value: Any) -> None:
    write_results(sample(), tmp_path)
    write_json(tmp_path / "validation.json", value)
    with pytest.raises(UnreadableValidationError):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_broken_validation_file_is_refused(tmp_path: Path) -> None:
    write_results(sample(), tmp_path)
    (tmp_path / "validation.json").write_text("{", encoding="utf-8")
    with pytest.raises(UnreadableValidationError, match="not JSON"):
        write_report(tmp_path)


def test_a_directory_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableResultsError):
        write_report(tmp_path)
