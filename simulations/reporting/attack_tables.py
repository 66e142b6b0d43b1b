"""Tables of the attacks, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from simulations.attacks.results import (
    AttackResults,
    InversionRow,
    MembershipRow,
    PromotionRow,
)
from simulations.reporting.attack_wording import (
    CONDUCTS,
    GROUPS,
    claim,
    exceeded,
    places,
    seen,
    share,
)
from simulations.reporting.views import Cell, Row, TableView


def inversion_tables(results: AttackResults) -> list[TableView]:
    """For each number of local steps: recall, and AUC over the catalogue."""
    steps = sorted({row.steps for row in results.inversion})
    return [table for count in steps for table in _of_steps(results.inversion, count)]


def membership_tables(results: AttackResults) -> list[TableView]:
    """A table for each group of candidates."""
    return [
        _membership_table(name, [row for row in results.membership if row.group == group])
        for group, name in GROUPS.items()
        if results.membership
    ]


def promotion_tables(results: AttackResults) -> list[TableView]:
    """How far the item rises, and what stops it."""
    if not results.promotion:
        return []
    return [_ranks(results.promotion), _defences(results.promotion)]


def _of_steps(rows: list[InversionRow], steps: int) -> list[TableView]:
    mine = [row for row in rows if row.steps == steps]
    after = f"after {steps} local step{'s' * (steps > 1)}"
    recall = _by_batch(f"Share of the items recovered {after}", mine, lambda r: share(r.recall))
    guessing = {row.batch_users: f"{row.chance:.2f}" for row in mine}
    guessed = Row("guessing", [Cell(text) for text in guessing.values()])
    return [
        replace(recall, rows=[*recall.rows, guessed]),
        _by_batch(f"AUC over the catalogue {after}", mine, lambda r: share(r.auc)),
    ]


def _by_batch(
    caption: str, rows: list[InversionRow], text: Callable[[InversionRow], str]
) -> TableView:
    batches = list(dict.fromkeys(row.batch_users for row in rows))
    found = {(seen(row), row.batch_users): text(row) for row in rows}
    names = list(dict.fromkeys(seen(row) for row in rows))
    lines = [Row(name, [Cell(found[name, users]) for users in batches]) for name in names]
    columns = ["what is seen", *(f"{users} user{'s' * (users > 1)}" for users in batches)]
    return TableView(caption, columns, lines)


def _membership_table(name: str, rows: list[MembershipRow]) -> TableView:
    columns = ["what is seen", "ε claimed", "ε at least", "of at most", "AUC", "TPR at 1% FPR"]
    return TableView(
        f"Membership of {name}",
        columns,
        [Row(seen(row), _membership_cells(row)) for row in rows],
    )


def _membership_cells(row: MembershipRow) -> list[Cell]:
    bound = Cell(f"{row.epsilon_bound:.2f}", tone="loss" if exceeded(row) else "")
    most = Cell(f"{row.largest_bound:.2f}")
    return [Cell(claim(row)), bound, most, Cell(share(row.auc)), Cell(share(row.tpr))]


def _ranks(rows: list[PromotionRow]) -> TableView:
    columns = ["one partner's conduct", "rank, released", "rises by", "rank, served", "rises by"]
    lines = [
        Row(
            CONDUCTS[row.conduct],
            [
                Cell(places(value))
                for value in (
                    row.released_rank,
                    row.released_shift,
                    row.served_rank,
                    row.served_shift,
                )
            ],
        )
        for row in rows
    ]
    return TableView("Mean rank of the promoted item at the other partners", columns, lines)


def _defences(rows: list[PromotionRow]) -> TableView:
    columns = [
        "one partner's conduct",
        "its norm",
        "plan's norm",
        "sum refused",
        "gate refused",
        "fusion weight 0",
        "bare model refused",
        "NDCG@10 of the bare model",
    ]
    return TableView("What stops it", columns, [_defence(row) for row in rows])


def _defence(row: PromotionRow) -> Row:
    counts = (row.refused_sums, row.refused_releases, row.unweighted_releases, row.refused_alone)
    change = "–" if row.quality is None else f"{row.quality.mean:+.4f}"
    cells = [
        Cell(f"{row.update_norm:.1f}"),
        Cell(f"{row.norm_bound:.1f}" if row.norm_bound else "–"),
    ]
    cells += [Cell(f"{count} of {row.items}") for count in counts]
    return Row(CONDUCTS[row.conduct], [*cells, Cell(change)])
