from pathlib import Path

import pytest

from simulations.reporting.comparison import compare, labelled, seed_groups
from simulations.results import Results, UnreadableResultsError, macro, write_results
from tests.simulations.reporting.runs import console, flat, of_platforms, printed
from tests.simulations.sample_results import platform, sample


def better(**changes: object) -> Results:
    """The sample with all figures a fifth higher."""
    platforms = {
        "books": platform(0.048, (0.01, 0.004, 0.017)),
        "games": platform(0.024, (-0.005, -0.009, -0.001)),
    }
    return sample(platforms=platforms, macro=macro(platforms), **changes)


def directories(parent: Path, **runs: Results) -> list[Path]:
    for name, results in runs.items():
        write_results(results, parent / name)
    return [parent / name for name in runs]


def compared(paths: list[Path], width: int = 100) -> str:
    target = console(width)
    compare(paths, target)
    return printed(target)


def test_runs_stand_side_by_side_with_the_difference_from_the_first(tmp_path: Path) -> None:
    text = compared(directories(tmp_path, old=sample(), new=better()))
    row = next(line for line in text.splitlines() if line.startswith("fusion "))
    assert row.split() == ["fusion", ".0570", "±.0071", ".0684", "±.0071", "(+0.0114)"]
    assert "old: quickstart, seed 1, 2 platforms, 0123abc" in text


def test_runs_of_other_seeds_are_summed_up_with_their_standard_deviation(tmp_path: Path) -> None:
    text = compared(directories(tmp_path, one=sample(), two=better(seed=2)))
    assert "quickstart: mean ± standard deviation over 2 seeds (1, 2)" in text
    row = [line for line in text.splitlines() if line.startswith("fusion ")][-1]
    assert row.split() == ["fusion", "7.90", ".0627", "±.0081", ".1254", "±.0161"]


def test_spread_of_different_commits_is_marked(tmp_path: Path) -> None:
    text = compared(directories(tmp_path, one=sample(), two=better(seed=2, git="fff")))
    assert "of different commits" in text


def test_the_same_seed_twice_or_another_recipe_is_no_spread(tmp_path: Path) -> None:
    paths = directories(
        tmp_path, one=sample(), again=sample(), other=sample(seed=2, recipe="amazon")
    )
    assert seed_groups(labelled(paths)) == []


def test_different_platforms_are_pointed_out(tmp_path: Path) -> None:
    paths = directories(tmp_path, one=sample(), two=of_platforms("books", "shop"))
    assert "The runs have different platforms" in compared(paths)
    assert "over 2 seeds" not in compared(paths)


def test_many_runs_go_on_below(tmp_path: Path) -> None:
    runs = {f"run-{i}": sample(seed=i) for i in range(7)}
    text = compared(directories(tmp_path, **runs), 80)
    assert "continued" in text
    assert max(map(len, text.splitlines())) <= 80
    assert all(name in text for name in runs)


def test_directories_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [*directories(tmp_path / "a", run=sample()), *directories(tmp_path / "b", run=sample())]
    assert [run.label for run in labelled(paths)] == ["run (1)", "run (2)"]


def test_macro_means_are_worked_out_where_a_file_has_none(tmp_path: Path) -> None:
    text = compared(directories(tmp_path, one=sample(macro={})))
    assert ".0570 ±.0071" in flat(text)


def test_a_directory_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableResultsError):
        compared([tmp_path])
