from simulations.reporting.curves import curves
from simulations.results import CurvePoint, SystemName
from tests.simulations.sample_results import platform


def points(system: SystemName, *numbers: int) -> list[CurvePoint]:
    return [
        CurvePoint.model_validate({"round": n, "ndcg@10": n / 10, "system": system})
        for n in numbers
    ]


def test_numbers_that_start_again_are_local_training_after_the_rounds() -> None:
    found = platform(0.04, (0.0, 0.0, 0.0))
    found.curves[:] = [*points("federated_dp_lstm", 0, 1, 2), *points("federated_dp_lstm", 0, 1)]
    (rounds,), (looks,) = curves(found, "rounds"), curves(found, "looks")
    assert rounds.points == ((0, 0.0), (1, 0.1), (2, 0.2))
    assert looks.points == ((0, 0.0), (1, 0.1))


def test_a_system_without_federation_has_no_rounds() -> None:
    found = platform(0.04, (0.0, 0.0, 0.0))
    found.curves[:] = points("local_lstm", 0, 1)
    assert curves(found, "rounds") == []
    assert [line.system for line in curves(found, "looks")] == ["local_lstm"]


def test_systems_may_alternate_in_the_list_and_come_in_the_order_of_tables() -> None:
    found = platform(0.04, (0.0, 0.0, 0.0))
    pairs = zip(points("federated_dp_lstm", 1, 2), points("federated_lstm", 1, 2), strict=True)
    found.curves[:] = [point for pair in pairs for point in pair]
    lines = curves(found, "rounds")
    assert [line.system for line in lines] == ["federated_lstm", "federated_dp_lstm"]
    assert all(len(line.points) == 2 for line in lines)
