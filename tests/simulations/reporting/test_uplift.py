import pytest

from simulations.reporting.uplift import (
    comparison_label,
    comparisons,
    pooled_uplifts,
    uplifts,
)
from tests.simulations.reporting.runs import bare
from tests.simulations.sample_results import platform, sample


def test_a_gain_is_told_in_percent_of_the_fusion_made_alone() -> None:
    books = uplifts(sample())[0]
    assert (books.platform, books.outcome) == ("books", "gain")
    assert books.shown.mean == pytest.approx(0.01 / 0.044)
    assert books.sentence() == (
        "fusion with the federation beats the fusion it could make alone by +22.7% NDCG@10 "
        "(interval +9.1% to +38.6%)"
    )


def test_a_loss_is_called_one() -> None:
    games = uplifts(sample())[1]
    assert games.outcome == "loss"
    assert "falls behind the fusion it could make alone by -22.7%" in games.sentence()


@pytest.mark.parametrize("interval", [(0.001, -0.002, 0.004), (0.001, 0.0, 0.002)])
def test_an_interval_that_reaches_zero_is_no_difference(
    interval: tuple[float, float, float],
) -> None:
    (found,) = uplifts(sample(platforms={"books": platform(0.04, interval)}))
    assert found.outcome == "unclear"
    assert found.sentence().startswith("no significant difference")


def test_lists_that_are_the_same_are_told_with_their_reason() -> None:
    (found,) = uplifts(sample(platforms={"books": platform(0.04, (0.0, 0.0, 0.0))}))
    assert (found.outcome, found.unchanged) == ("unclear", True)
    assert found.sentence().startswith("joining changes nothing: what the federation adds has no")


def test_without_the_fusion_made_alone_the_difference_is_told_in_points() -> None:
    found = uplifts(bare(sample(), "local_fusion"))[0]
    assert not found.relative
    assert "+0.0100 NDCG@10 (interval +0.0040 to +0.0170)" in found.sentence()


def test_another_comparison_is_relative_to_the_system_it_names() -> None:
    results = sample()
    books = results.platforms["books"]
    books.uplift["fusion_vs_tfidf"] = books.uplift["fusion_vs_local"]
    assert comparisons(results) == ["fusion_vs_local", "fusion_vs_tfidf"]
    (found,) = uplifts(results, "fusion_vs_tfidf")
    assert found.base == books.systems["tfidf"].ndcg_10
    assert comparison_label("fusion_vs_tfidf") == "fusion, against TF-IDF"


def test_platforms_without_the_comparison_are_left_out() -> None:
    assert uplifts(bare(sample(), "uplift")) == []


def test_short_names_of_comparisons_are_told_in_full() -> None:
    results = sample()
    books = results.platforms["books"]
    books.uplift["federated_dp_vs_local"] = books.uplift["fusion_vs_local"]
    (found,) = uplifts(results, "federated_dp_vs_local")
    assert found.base == books.systems["local_lstm"].ndcg_10
    label = comparison_label("federated_dp_vs_local")
    assert label == "federated LSTM, DP, against local LSTM"


def test_the_macro_mean_is_told_in_percent_and_groups_of_users_in_points() -> None:
    interval = {"mean": 0.0033, "low": 0.001, "high": 0.005}
    results = sample(
        macro_uplift={"fusion_vs_local": {"ndcg@10": interval}},
        slice_uplift={"fusion_vs_local": {"never seen target": interval}},
    )
    whole, group = pooled_uplifts(results)
    assert (whole.platform, whole.outcome) == ("macro mean", "gain")
    assert whole.shown.mean == pytest.approx(0.0033 / 0.033)
    assert (group.platform, group.relative) == ("all users, never seen target", False)
