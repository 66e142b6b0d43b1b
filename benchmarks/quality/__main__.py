"""``python -m benchmarks.quality``: runs every scenario, writes ``runs/bench/quality.json``."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import torch

from benchmarks.quality import cost, curve, dial, tables
from benchmarks.quality.cases import Case, full, small
from benchmarks.quality.goals import goals, rows
from benchmarks.quality.runs import folder_of, recipe_of, run
from benchmarks.report import Row, goal, write_report
from shared.models.config import EncoderChoice
from shared.models.encoders import load_encoder
from simulations.platforms import platforms_of

TABLES: Final = (tables.scenarios, tables.newcomers, tables.never_seen, tables.platforms)


def main() -> None:
    """Run what is left of the chosen cases, then the dial and one round, and report."""
    options = _options()
    torch.set_num_threads(1)
    cases = [c for c in (small() if options.small else full()) if _wanted(c, options.only)]
    runs = run(cases, options.data, options.out, options.jobs)
    written = "\n".join(table(runs) for table in TABLES)
    (options.out / "tables.md").write_text(written, encoding="utf-8")
    shown = next(small()) if options.small else Case(name="", recipe="amazon", folder=options.shown)
    dial_rows, cost_row = _single(shown, options.data)
    dial.plot(dial_rows, options.out / "dial.svg")
    curve_rows = curve.rows(runs)
    curve.plot(curve_rows, options.out / "curve.svg")
    default = dial.default_setting(dial_rows, "mmr")
    loss = dial.loss_at(dial_rows, "mmr", default)
    chosen = [goal(f"dial: NDCG@10 lost at the default {default:g} (MMR)", loss, dial.LOSS)]
    everything = [*rows(runs), *curve_rows, *dial_rows, cost_row]
    write_report("quality", everything, [*goals(runs), *chosen])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.quality", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data sets")
    parser.add_argument("--out", type=Path, default=Path("runs/quality"), help="runs to continue")
    parser.add_argument("--only", nargs="*", default=[], help="scenarios; all where none is named")
    parser.add_argument("--jobs", type=_positive, default=1, help="runs at once, about 1 GB each")
    parser.add_argument("--shown", default="amazon_bst", help="data set of the dial and the round")
    parser.add_argument("--small", action="store_true", help="planted data, about a minute")
    return parser.parse_args()


def _positive(text: str) -> int:
    if (jobs := int(text)) < 1:
        raise ValueError(text)  # argparse names the option and the value
    return jobs


def _wanted(case: Case, only: Iterable[str]) -> bool:
    return not only or case.name in only


def _single(case: Case, data: Path) -> tuple[list[Row], Row]:
    """The dial on every platform of one data set, and the cost of a round on them."""
    recipe = recipe_of(case)
    encoder = load_encoder(recipe.encoder)
    platforms = platforms_of(recipe, folder_of(case, data), case.seed, encoder, lambda *_: None)
    choice = EncoderChoice(name=recipe.encoder, fingerprint=encoder.fingerprint)
    dial_rows = [row for platform in platforms for row in dial.rows(platform)]
    with tempfile.TemporaryDirectory() as directory:
        local = recipe.federation.local
        return dial_rows, cost.row(platforms, choice, recipe.model, local, Path(directory))


if __name__ == "__main__":
    main()
