"""The attacks' page and tables: everything that was found, escaped, from nowhere else."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from simulations.attacks.results import AttackResults
from simulations.reporting.attack_page import render_attack_page
from simulations.reporting.attack_tables import (
    inversion_tables,
    membership_tables,
    promotion_tables,
)
from simulations.reporting.attack_terminal import render_attacks
from simulations.reporting.attack_wording import headline
from tests.simulations.reporting.runs import console, flat, printed

HALF = {"mean": 0.5, "low": 0.4, "high": 0.6}


def _inversion(setting: str, view: str, users: int) -> dict[str, object]:
    return {
        "setting": setting, "view": view, "batch_users": users, "steps": 1, "trials": 3,
        "items": 9.0, "recall": {"mean": 0.91, "low": 0.88, "high": 0.94}, "chance": 0.03,
        "auc": HALF,
    }  # fmt: skip


def _membership(claim: float | None, bound: float) -> dict[str, object]:
    return {
        "setting": "plain" if claim is None else "dp", "view": "update", "group": "canaries",
        "claimed_epsilon": claim, "delta": 1e-5, "coins": 100, "auc": HALF, "tpr": HALF,
        "epsilon_bound": bound, "largest_bound": 5.0,
    }  # fmt: skip


def _promotion(conduct: str, shift: float | None) -> dict[str, object]:
    interval = None if shift is None else {"mean": shift, "low": shift - 9, "high": shift + 9}
    return {
        "conduct": conduct, "norm_bound": 0.0, "update_norm": 8.0, "items": 2,
        "refused_sums": 2 if shift is None else 0, "refused_releases": 1, "unweighted_releases": 0,
        "catalogue": 339.0, "released_rank": interval, "released_shift": interval,
        "served_rank": interval, "served_shift": interval, "served_top_10": None,
        "refused_alone": 1, "quality": None,
    }  # fmt: skip


def _results(bound: float = 0.2, recipe: str = "quickstart") -> AttackResults:
    return AttackResults.model_validate(
        {
            "schema": 1, "recipe": recipe, "seed": 0, "git": "", "victim": "action",
            "partners": 3, "epsilon": 8.0,
            "inversion": [_inversion("plain", "update", n) for n in (1, 4)],
            "membership": [_membership(None, 4.5), _membership(1.0, bound)],
            "promotion": [_promotion("honest", 0), _promotion("boosted", 120),
                          _promotion("over_the_norm", None)],
        }
    )  # fmt: skip


def test_the_page_needs_nothing_from_anywhere_and_escapes_what_it_shows() -> None:
    page = render_attack_page(_results(recipe="<script>alert(1)</script>"))
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "default-src 'none'" in page


def test_tables_have_a_cell_for_every_column() -> None:
    results = _results()
    views = (*inversion_tables(results), *membership_tables(results), *promotion_tables(results))
    for view in views:
        assert {len(row.cells) + 1 for row in view.rows} <= {len(view.columns)}
    recall = inversion_tables(results)[0]
    assert [row.head for row in recall.rows] == ["no protection: the node's update", "guessing"]
    assert recall.rows[0].cells[0].text == ".91 (.88–.94)"


@pytest.mark.parametrize(("bound", "refuted"), [(0.2, False), (1.7, True)])
def test_a_refuted_claim_is_said_loudly(bound: float, refuted: bool) -> None:
    results = _results(bound)
    assert ("THE CLAIM IS REFUTED" in " ".join(headline(results))) is refuted
    assert ('class="loss">1.70' in render_attack_page(results)) is refuted


def test_the_terminal_shows_every_attack() -> None:
    target: Console = console(160)
    render_attacks(_results(), target)
    text = flat(printed(target))
    for part in ("guessing", "crafted users", "update scaled to the range", "+120", "2 of 2"):
        assert part in text


def test_what_was_not_attacked_is_not_shown() -> None:
    bare = _results().model_copy(update={"membership": [], "promotion": []})
    page = render_attack_page(bare)
    assert 'id="inversion"' in page
    assert 'id="membership"' not in page
    assert 'id="promotion"' not in page
    assert len(headline(bare)) == 1
