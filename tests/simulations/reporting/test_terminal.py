from pathlib import Path

import pytest
from rich.text import Text

from simulations.reporting import write_report
from simulations.reporting.terminal import render_table
from simulations.results import Results, macro, write_results
from tests.simulations.reporting.runs import bare, console, flat, of_platforms, printed
from tests.simulations.sample_results import platform, sample, sharing_noise, system_values


def rendered(results: Results, width: int = 100) -> str:
    target = console(width)
    render_table(results, target)
    return printed(target)


def test_every_system_stands_beside_its_figures_and_errors() -> None:
    text = rendered(sample())
    line = next(line for line in text.splitlines() if line.startswith("item kNN  "))
    figures = ".0360 ±.0071 .0240 games .0480 ±.0100 .0240 ±.0100"
    assert " ".join(line.split()) == f"item kNN {figures}"
    for heading in ("NDCG@10", "HR@10", "macro mean", "worst platform", "books", "games"):
        assert heading in text


def test_epsilon_stands_beside_every_private_row_and_no_other() -> None:
    private = [line for line in rendered(sample()).splitlines() if " 7.90 " in line]
    names = [line.split("  ")[0] for line in private if not line.startswith("books")]
    assert names == ["federated LSTM, DP", "fusion"] * 2


def test_epsilon_is_beside_private_rows_of_continued_tables_too() -> None:
    text = rendered(of_platforms(*"abcdefgh"), 80)
    tables = text.count("NDCG@10, continued") + text.count("HR@10, continued") + 2
    rows = [line for line in text.splitlines() if line.startswith("fusion  ")]
    assert len(rows) == tables
    assert all(" 7.90 " in row for row in rows)


def test_the_best_of_a_column_is_bold() -> None:
    target = console(styled=True)
    render_table(sample(), target)
    lines = [Text.from_ansi(line) for line in printed(target).splitlines()]
    (fusion, item_knn) = (
        next(line for line in lines if line.plain.startswith(name))
        for name in ("fusion ", "item kNN ")
    )
    bold = [fusion.plain[s.start : s.end].strip() for s in fusion.spans if "bold" in str(s.style)]
    assert bold == [".0570 ±.0071", ".0380 games", ".0760 ±.0100", ".0380 ±.0100"]
    assert not [s for s in item_knn.spans if "bold" in str(s.style)]


def test_each_platform_gets_one_sentence_on_joining() -> None:
    text = flat(rendered(sample()))
    assert (
        "books: fusion with the federation beats the fusion it could make alone by +22.7%" in text
    )
    assert "games: fusion with the federation falls behind" in text


def test_groups_of_users_without_a_difference_share_one_line() -> None:
    groups = {"history 3-4": (0.002, 0.001, 0.003), "rare": (0.0, -1.0, 1.0), "shared": (0, 0, 0)}
    found = {n: {"mean": m, "low": low, "high": high} for n, (m, low, high) in groups.items()}
    text = flat(rendered(sample(slice_uplift={"fusion_vs_local": found})))
    assert "all users, history 3-4: fusion with the federation beats" in text
    assert "no significant difference for all users, rare and all users, shared" in text


def test_privacy_is_told_with_unit_neighbours_adversary_and_accountant() -> None:
    text = flat(rendered(sample()))
    for words in ("ε = 7.90 at δ = 0.0001", "one user at one platform", "add or remove one user"):
        assert words in text
    assert "the coordinator included" in text
    assert "(PLD)" in text


def test_shared_noise_is_told_with_whom_it_trusts_and_what_holds_without() -> None:
    text = flat(rendered(sharing_noise()))
    assert "ε trusts secure aggregation and that at least 3 platforms" in text
    assert "trusting nobody, ε is 31.00" in text
    assert "discrete mechanism" in text
    assert "nobody else is trusted" not in text
    assert "nobody else is trusted" in flat(rendered(sample()))


def test_time_and_bytes_stand_in_one_line() -> None:
    assert "total 12.5 s · train 10.0 s · down 654.3 kB · up 123.5 kB" in rendered(sample())


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("count", [1, 3, 10])
def test_it_fits_and_loses_no_platform(width: int, count: int) -> None:
    names = [f"platform-{i}" for i in range(count)]
    text = rendered(of_platforms(*names), width)
    assert max(map(len, text.splitlines())) <= width
    headings = [line for line in text.splitlines() if line.startswith("system ")]
    assert [name for line in headings for name in line.split() if name in names] == names * 2
    assert "…" not in text


def test_names_are_never_taken_for_markup() -> None:
    text = rendered(of_platforms("[bold]x[/bold]", "[/nothing]"))
    assert "[bold]x[/bold]" in text
    assert "[/nothing]" in text


def test_a_system_missing_on_a_platform_is_a_dash() -> None:
    results = sample()
    del results.platforms["games"].systems["item_knn"]
    line = next(x for x in rendered(results).splitlines() if x.startswith("item kNN  "))
    assert line.rstrip().endswith("–")


def test_missing_parts_are_left_out() -> None:
    results = bare(sample(timings={}, bytes={}), "uplift", "epsilon", "delta", "privacy")
    text = rendered(results)
    for heading in ("Is joining", "Privacy spent", "Time and bytes"):
        assert heading not in text


def test_one_platform_needs_no_mean() -> None:
    alone = {"books": platform(0.04, (0.0, 0.0, 0.0))}
    text = rendered(sample(platforms=alone, macro=macro(alone)))
    assert "macro mean" not in text
    assert "1 platform " in text


def test_values_without_private_systems_have_no_epsilon_column() -> None:
    only = platform(0.04, (0.0, 0.0, 0.0)).model_dump(by_alias=True, exclude_none=True)
    only["systems"] = {"popularity": system_values(0.02)}
    assert "ε  " not in rendered(sample(platforms={"books": only}, macro={}))


def test_what_nodes_say_of_their_models_is_shown_on_terminal_and_page(tmp_path: Path) -> None:
    results = sample()
    results.platforms["books"].notes.append("posterior collapse: the latent <says> nothing")
    assert "books: posterior collapse: the latent <says> nothing" in rendered(results)
    write_results(results, tmp_path)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<li>books: posterior collapse: the latent &lt;says&gt; nothing</li>" in page
