import pytest

from simulations.reporting.wording import (
    byte_count,
    byte_totals,
    count_of,
    deployable,
    epsilon_range,
    figure,
    in_order,
    listing,
    longest_first,
    seconds,
    system_label,
    with_error,
)
from simulations.results import SYSTEMS


def test_every_system_has_a_name_of_its_own() -> None:
    labels = [system_label(system) for system in SYSTEMS]
    assert len(set(labels)) == len(SYSTEMS)
    assert not any("_" in label for label in labels)


def test_a_system_of_a_later_version_is_shown_under_a_readable_name() -> None:
    assert system_label("new_model") == "new model"


def test_systems_that_show_data_to_others_cannot_be_had_in_practice() -> None:
    refused = [system for system in SYSTEMS if not deployable(system)]
    assert refused == ["federated_lstm", "released_lstm", "centralised_lstm", "federated_vae_gan"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0483, ".0483"), (1.0, "1.0000"), (-0.01, "-.0100"), (10.05, "10.0500")]
)
def test_a_figure_has_four_decimals_and_no_leading_zero(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_figure_without_a_standard_error_stands_alone() -> None:
    assert with_error(0.5, None) == ".5000"
    assert with_error(0.5, 0.01) == ".5000 ±.0100"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], ""),
        ([None], ""),
        ([7.9, None], "7.90"),
        ([7.9, 6.1], "6.10–7.90"),
        ([7.9001], "7.91"),
        ([8.0], "8.00"),
    ],
)
def test_epsilon_is_a_range_over_platforms_and_never_rounded_down(
    values: list[float | None], text: str
) -> None:
    assert epsilon_range(values) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (123_456, "123.5 kB"), (2 * 10**13, "20.0 TB")],
)
def test_bytes_are_told_in_decimal_units(count: int, text: str) -> None:
    assert byte_count(count) == text


def test_long_times_are_told_in_minutes() -> None:
    assert (seconds(12.54), seconds(200)) == ("12.5 s", "3 min 20 s")


def test_lists_and_counts_read_as_english() -> None:
    assert [listing(list(names)) for names in ("", "a", "ab", "abc")] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert (count_of(1, "run"), count_of(1200, "run")) == ("1 run", "1,200 runs")


def test_groups_and_parts_of_a_sorted_file_regain_their_order() -> None:
    names = ["zeta", "fusion", "history 10+", "history 3-4", "popularity", "history 5-9"]
    groups = ["history 3-4", "history 5-9", "history 10+"]
    assert in_order([*names, "zeta"]) == ["popularity", "fusion", *groups, "zeta"]


def test_the_longest_stage_comes_first() -> None:
    assert longest_first({"a": 1.0, "total": 12.54}) == [("total", "12.5 s"), ("a", "1.0 s")]


def test_bytes_of_a_part_are_not_told_beside_their_total() -> None:
    counts = {"a.up": 3, "a.up.masked": 2, "a.up.shares": 1, "a.down": 4, "b": 5}
    assert byte_totals(counts) == {"a.down": 4, "a.up": 3, "b": 5}
