"""Goals of the quality benchmark follow from results; the dial trades accuracy for variety."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import curve, dial, tables
from benchmarks.quality.cases import full, small
from benchmarks.quality.goals import goals, rows
from benchmarks.quality.joining import LOCAL
from simulations.recipe import load_recipe
from simulations.results import Results
from tests.simulations.sample_results import sample


def _results(mean: float, low: float, recipe: str = "same-vertical") -> Results:
    interval = {"mean": mean, "low": low, "high": mean + 0.01}
    return sample(
        recipe=recipe,
        macro_uplift={"fusion_vs_local": {"ndcg@10": interval}},
        slice_uplift={"fusion_vs_local": {"never seen target": interval}},
    )


def _goal(name: str, *seeds: Results) -> dict[str, object]:
    found = goals({"same-vertical": seeds})
    return next(row for row in found if row["name"].startswith(name))


def test_the_gain_is_relative_to_the_local_fusion_and_averaged_over_seeds() -> None:
    row = _goal("same-vertical: fusion over local", _results(0.0033, 0.0), _results(0.0066, 0.0))
    assert row["value"] == pytest.approx(0.15)  # of .044 and .022, macro mean .033
    assert row["met"]


def test_an_interval_of_one_seed_below_zero_misses_the_goal() -> None:
    row = _goal("same-vertical: interval", _results(0.01, 0.002), _results(0.01, -0.001))
    assert not row["met"]


def test_beside_a_giant_only_the_small_shops_count() -> None:
    results = _results(0.01, 0.0, "giant-and-small")
    small = min(results.platforms.values(), key=lambda p: p.users)
    assert len(results.platforms) == 2
    assert small.local_fusion is not None
    found = goals({"giant-and-small": [results]})
    row = next(r for r in found if r["name"].startswith("giant-and-small: fusion over local"))
    gain = small.uplift["fusion_vs_local"]["ndcg@10"].mean / small.local_fusion.ndcg_10
    assert row["value"] == pytest.approx(gain)


def test_platforms_that_lose_are_counted() -> None:
    row = _goal("same-vertical: platforms", _results(0.01, 0.0))
    assert (row["value"], row["met"]) == (1, False)


def test_a_newcomer_is_the_smallest_shop_and_its_interval_must_lie_above_zero() -> None:
    platforms = dict(sample().platforms)
    platforms["games"] = platforms["games"].model_copy(update={"users": 100})
    found = goals({"new-shop": [sample(recipe="new-shop", platforms=platforms)]})
    row = next(r for r in found if "the newcomer" in r["name"])
    assert (row["value"], row["met"]) == (-0.009, False)


def test_targets_never_seen_must_gain_with_every_seed() -> None:
    row = _goal("same-vertical: never seen", _results(0.01, 0.002), _results(0.01, -0.001))
    assert (row["value"], row["met"]) == (-0.001, False)


def test_tables_say_what_joining_adds_and_whom_it_harms() -> None:
    runs = {"new-shop": [_results(0.0033, -0.0033, "new-shop")]}
    runs |= {"same-vertical": [_results(0.0033, -0.0033)]}
    _, _, beside, together = tables.scenarios(runs).strip().split("\n")
    assert "| +10.0% (-10.0% to +40.3%) | " in together  # of .033, the mean of .044 and .022
    assert together.endswith("| 1 of 2: games -22.7% |")
    assert "| .0440 | " in beside  # of the small shop without the giant
    assert tables.newcomers(runs).count("\n") == 3
    assert "+0.0033 (-0.0033 to +0.0133)" in tables.never_seen(runs)
    both = {"same-vertical": [_results(0.0, 0.0), _results(0.0, 0.0)]}
    row = f"| {LOCAL} | .0880 / .0440 | .0440 / .0220 | .0660 / .0330 |"
    assert row in tables.platforms(both)


def test_what_was_not_run_has_no_value_and_is_not_met_by_silence() -> None:
    row = next(r for r in goals({}) if r["name"].startswith("giant-and-small"))
    assert (row["value"], row["met"]) == (None, None)


def test_every_system_platform_and_difference_has_a_row() -> None:
    found = rows({"same-vertical": [_results(0.01, 0.0)]})
    assert {"fusion without the federation", "fusion", "tfidf"} <= {
        row.get("system") for row in found
    }
    assert {"books", "games", "macro mean", "all users"} == {row["platform"] for row in found}


def test_every_case_is_a_valid_recipe() -> None:
    for case in [*full(), *small()]:
        load_recipe(case.recipe, case.sets)


def test_the_dial_lowers_similarity_and_its_default_stays_within_the_loss() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = random.random((5, 60)).astype(np.float32)
    plain = dial._lists(scores, vectors, "mmr", 0.0)
    varied = dial._lists(scores, vectors, "mmr", 0.7)
    assert [row.tolist() for row in plain] == np.argsort(-scores, axis=1)[:, :10].tolist()
    targets = plain[:, 0]
    before, after = (dial._figures(lists, targets, vectors) for lists in (plain, varied))
    assert after["ild@10"] > before["ild@10"]
    found = [
        {"part": part, "method": "mmr", "dial": d, "ndcg@10": 0.1 - 0.008 * d, "ild@10": d}
        for part in ("validation", "test")
        for d in dial.DIALS
    ]
    assert dial.default_setting(found, "mmr") == 0.2
    assert dial.loss_at(found, "mmr", 0.2) == pytest.approx(0.016)


def test_the_curve_runs_from_the_most_private_to_no_privacy_over_all_seeds(tmp_path: Path) -> None:
    one, other = sample(seed=0), sample(seed=1)
    found = curve.rows({"epsilon-none": [one], "epsilon-1": [one], "giant-and-small": [one, other]})
    assert [row["epsilon"] for row in found] == ["1", "8", "none"]
    assert found[0]["local fusion"] == pytest.approx(0.033)
    curve.plot(found, tmp_path / "curve.svg")
    assert (tmp_path / "curve.svg").stat().st_size > 0
    curve.plot(found[:1], tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()


def test_a_lucky_setting_behind_a_lossy_one_is_not_the_default() -> None:
    figures = dict(zip(dial.DIALS, (0.1, 0.1, 0.099, 0.09, 0.1, 0.08, 0.07), strict=True))
    found = [
        {"part": "validation", "method": "mmr", "dial": d, "ndcg@10": value, "ild@10": d}
        for d, value in figures.items()
    ]
    assert dial.default_setting(found, "mmr") == 0.1


def test_the_fusion_is_held_against_the_baseline_on_the_worst_platform_too() -> None:
    found = goals({"cross-vertical": [_results(0.01, 0.0)]})
    macro, worst = (row for row in found if "over item kNN" in row["name"])
    assert macro["value"] is not None
    assert worst["value"] is not None
    assert worst["value"] <= macro["value"] + 1e-9
    missing = [row for row in goals({}) if "over item kNN" in row["name"]]
    assert [row["value"] for row in missing] == [None, None]
