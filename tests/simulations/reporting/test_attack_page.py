"""The attacks' page and tables: everything that was found, escaped, from nowhere else."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from simulations.reporting.attack_page import render_attack_page
from simulations.reporting.attack_tables import (
    inversion_tables,
    membership_tables,
    promotion_tables,
)
from simulations.reporting.attack_terminal import render_attacks
from simulations.reporting.attack_wording import headline
from tests.simulations.reporting.runs import console, flat, printed
from tests.simulations.sample_attacks import sample_attacks


def test_the_page_needs_nothing_from_anywhere_and_escapes_what_it_shows() -> None:
    page = render_attack_page(sample_attacks(recipe="<script>alert(1)</script>"))
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "default-src 'none'" in page


def test_tables_have_a_cell_for_every_column() -> None:
    results = sample_attacks()
    views = (*inversion_tables(results), *membership_tables(results), *promotion_tables(results))
    for view in views:
        assert {len(row.cells) + 1 for row in view.rows} <= {len(view.columns)}
    recall = inversion_tables(results)[0]
    assert [row.head for row in recall.rows] == ["no protection: the node's update", "guessing"]
    assert recall.rows[0].cells[0].text == ".91 (.88–.94)"


@pytest.mark.parametrize(("bound", "refuted"), [(0.2, False), (1.7, True)])
def test_a_refuted_claim_is_said_loudly(bound: float, refuted: bool) -> None:
    results = sample_attacks(bound)
    assert ("THE CLAIM IS REFUTED" in " ".join(headline(results))) is refuted
    assert ('class="loss">1.70' in render_attack_page(results)) is refuted


def test_the_terminal_shows_every_attack() -> None:
    target: Console = console(160)
    render_attacks(sample_attacks(), target)
    text = flat(printed(target))
    for part in ("guessing", "crafted users", "update scaled to the range", "+120", "2 of 2"):
        assert part in text


def test_what_was_not_attacked_is_not_shown() -> None:
    bare = sample_attacks().model_copy(update={"membership": [], "promotion": []})
    page = render_attack_page(bare)
    assert 'id="inversion"' in page
    assert 'id="membership"' not in page
    assert 'id="promotion"' not in page
    assert len(headline(bare)) == 1
