from simulations.reporting.headline import headline
from simulations.results import Results, macro
from tests.simulations.reporting.runs import bare, of_platforms
from tests.simulations.sample_results import platform, sample, sharing_noise


def with_intervals(*intervals: tuple[float, float, float]) -> Results:
    platforms = {f"p{i}": platform(0.04, interval) for i, interval in enumerate(intervals)}
    return sample(platforms=platforms, macro=macro(platforms))


def test_it_says_who_gains_who_loses_and_what_it_costs() -> None:
    gains, others, cost = headline(sample())
    assert gains.startswith(
        "Joining the federation is worth it for 1 of 2 platforms: books (+22.7%"
    )
    assert others.startswith("It makes recommendations worse for games (-22.7%")
    assert "fusion" in cost
    assert "ε = 7.90" in cost


def test_the_cost_names_whom_it_trusts_where_noise_was_shared() -> None:
    assert "trusting secure aggregation" in headline(sharing_noise())[-1]
    assert "trusting" not in headline(sample())[-1]


def test_a_run_where_nobody_gains_says_so_first() -> None:
    first, second, _ = headline(with_intervals((0.001, -0.01, 0.02), (-0.01, -0.02, -0.005)))
    assert "not shown to be worth it for any platform" in first
    assert "worse for p1" in second
    assert "no significant difference for p0" in second


def test_platforms_whose_fusion_stays_the_same_are_told_apart() -> None:
    _, second, _ = headline(with_intervals((0.001, -0.01, 0.02), (0.0, 0.0, 0.0)))
    assert "no significant difference for p0" in second
    assert "it changes nothing for p1, whose fusion gives it no weight" in second


def test_a_run_where_all_gain_has_no_sentence_about_others() -> None:
    sentences = headline(with_intervals((0.01, 0.005, 0.02), (0.01, 0.005, 0.02)))
    assert sentences[0].startswith("Joining the federation is worth it for every platform:")
    assert len(sentences) == 2


def test_a_system_ahead_of_the_fusion_is_named_and_the_unprotected_never_is() -> None:
    results = sample()
    results.macro["item_knn"] = results.macro["fusion"].model_copy(update={"ndcg_10": 0.9})
    results.macro["centralised_lstm"] = results.macro["fusion"].model_copy(update={"ndcg_10": 1.0})
    last = headline(results)[-1]
    assert "is item kNN: .9000 NDCG@10" in last
    assert "ahead of the fusion with .0570" in last


def test_many_gains_are_told_without_their_intervals() -> None:
    assert "interval" not in headline(of_platforms("a", "b", "c", "d"))[0]


def test_without_comparison_and_privacy_only_quality_is_told() -> None:
    (only,) = headline(bare(sample(), "uplift", "epsilon", "delta"))
    assert "ε" not in only
    assert headline(sample(macro={}, platforms={})) == []
