"""The report of a run: one page that needs nothing but itself."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from shared.files import read_json, write_atomically
from simulations.reporting import privacy, sections, system_sections
from simulations.reporting.errors import UnreadableValidationError
from simulations.reporting.headline import headline
from simulations.results import Results, read_results

REPORT_FILE: Final = "report.html"
VALIDATION_FILE: Final = "validation.json"


def write_report(run_dir: Path) -> Path:
    """Write ``report.html`` from the results in `run_dir`; returns its path.

    Parameters
    ----------
    run_dir
        Holds ``results.json`` and, if the data were validated, ``validation.json``: platform →
        fragment of HTML as `clients.data.report_views.as_html` makes it, with every value escaped.

    Raises
    ------
    simulations.results.UnreadableResultsError, OtherSchemaError, InvalidResultsError
        There are no results that can be read.
    UnreadableValidationError
        ``validation.json`` is there and cannot be read.
    """
    page = render_page(read_results(run_dir), _read_validation(run_dir / VALIDATION_FILE))
    path = run_dir / REPORT_FILE
    write_atomically(path, page.encode("utf-8", errors="replace"))
    return path


def render_page(results: Results, validation: dict[str, str]) -> str:
    """The page; every value of `results` is escaped, `validation` holds finished HTML."""
    template = page_environment().get_template("report.html.j2")
    return template.render(_content(results, validation))


def page_environment() -> Environment:
    """Templates of pages, which escape every value and miss none."""
    return Environment(
        loader=PackageLoader("simulations.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def reproduce_command(results: Results) -> str:
    """The call that made the results, as far as they tell."""
    return f"isthmus-lab run {shlex.quote(results.recipe)} --seed {results.seed}"


def _content(results: Results, validation: dict[str, str]) -> dict[str, Any]:
    joining, joining_plot = sections.uplift_view(results)
    return {
        "results": results,
        "headline": headline(results),
        "system_tables": system_sections.system_tables(results),
        "system_plots": system_sections.system_plots(results),
        "detail_tables": system_sections.detail_tables(results),
        "joining": joining,
        "joining_plot": joining_plot,
        "uplift_table": sections.uplift_table(results),
        "rounds": sections.curve_plots(results, "rounds"),
        "looks": sections.curve_plots(results, "looks"),
        "privacy": privacy,
        "privacy_table": sections.privacy_table(results),
        "privacy_plots": sections.privacy_plots(results),
        "weights": sections.weights_table(results),
        "notes": [f"{name}: {s}" for name, p in results.platforms.items() for s in p.notes],
        "slices": sections.slice_tables(results),
        "data": sections.data_table(results),
        # Made by our own renderer, which escapes every value.
        "validation": {name: Markup(html) for name, html in validation.items()},  # noqa: S704
        "costs": sections.cost_tables(results),
        "command": reproduce_command(results),
    }


def _read_validation(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise UnreadableValidationError(f"not JSON: {error}", where=str(path)) from error
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise UnreadableValidationError("not a table of platforms", where=str(path))
    return found
