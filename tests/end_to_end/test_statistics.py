"""Statistics before the first round: the same messages, faults and promises as in a round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from clients.articles import places_of
from clients.global_model import GlobalModel
from clients.receipts import ReceiptLog, check_signatures
from server.articles import ArticleListError, store_articles
from server.coordinator import RunFailedError
from shared.models.clusters import item_clusters
from shared.optimiser import ServerState
from shared.plan import LocalSteps, TrainingPlan
from shared.privacy.accounting import epsilon
from shared.privacy.spends import history_of
from shared.released_counts import Released, frequent_places, released
from shared.statistics import StatisticsTerms, cluster_pair_sum, pair_sum, popularity_sum
from shared.statistics_session import noise_deviation
from shared.wire import MASK, SHARE, START, SURVIVORS, UNMASK, Parcel
from tests.counted import CountedFederation, common_articles, counted_terms, own_articles
from tests.end_to_end.test_kills import _Killed, _Killer
from tests.federation import MODEL, Federation
from tests.plans import distributed_plan, make_plan

PARTNERS = (1, 2, 3, 4)
HASHES = own_articles(len(PARTNERS))
ARTICLES = common_articles(len(PARTNERS))
TERMS = counted_terms(len(PARTNERS))


def _plan(kind: str = "own", terms: StatisticsTerms = TERMS) -> TrainingPlan:
    users = (64, 64, 64, 64)
    if kind == "shared":
        plan = distributed_plan(users, rounds=1, model=MODEL)
        return plan.model_copy(update={"statistics": terms})
    local = LocalSteps(steps=1, batch_users=16)
    return make_plan(users, rounds=1, statistics=terms, model=MODEL, local=local)


class _Counted(CountedFederation):
    """With what the tests ask of it."""

    def __init__(self, root: Path, plan: TrainingPlan | None = None, **changes: object) -> None:
        super().__init__(plan or _plan(), root, **changes)

    def kept(self, number: int) -> GlobalModel:
        """What a node knows."""
        directory = self.nodes[number].home.run(self.plan.run_id)
        return GlobalModel(self.plan, directory / "state.safetensors")

    def exact(self, partners: tuple[int, ...] = PARTNERS) -> np.ndarray:
        """The popularity without noise."""
        total = np.zeros(len(ARTICLES))
        for number in partners:
            parts = self.nodes[number].data.histories
            places = places_of(HASHES[number], ARTICLES)[parts.items]
            total += popularity_sum(parts.offsets, places, len(ARTICLES), TERMS.half_life)
        return total

    def exact_pairs(self, frequent: np.ndarray) -> np.ndarray:
        """The pairs without noise."""
        rank = np.full(len(ARTICLES) + 1, -1, dtype=np.int64)
        rank[frequent] = np.arange(len(frequent))
        total = np.zeros(len(frequent) * (len(frequent) - 1) // 2)
        for number in PARTNERS:
            parts = self.nodes[number].data.histories
            places = rank[places_of(HASHES[number], ARTICLES)[parts.items]]
            total += pair_sum(parts.offsets, places, len(frequent))
        return total

    def charges(self, number: int) -> list[tuple[str, int]]:
        """What a node was charged for."""
        spends = self.nodes[number].ledger().spends()
        assert all(spend.update for spend in spends)
        return [(spend.release.model, spend.release.round) for spend in spends]


CHARGED = [("popularity", 0), ("pairs", 0), ("behaviour", 1)]


def _found(plan: TrainingPlan, state: ServerState, name: str) -> Released:
    found = released(plan, state.counts, name)  # type: ignore[arg-type]
    assert found is not None
    return found


def _receipts(federation: Federation, number: int) -> tuple[dict[str, Any], ...]:
    node = federation.nodes[number]
    entries = ReceiptLog(node.home.receipts, node.identity).entries()
    assert check_signatures(entries) is None
    return entries


def _masked(federation: Federation, number: int) -> list[int]:
    """Steps for which a node sent a masked vector."""
    entries = [entry for entry in _receipts(federation, number) if entry.get("stage") == MASK]
    return [entry["round"] for entry in entries if entry["refusal"] is None]


@pytest.mark.parametrize("kind", ["own", "shared"])
def test_the_opened_sums_are_the_exact_ones_plus_the_stated_noise(
    kind: str, tmp_path: Path
) -> None:
    plan = _plan(kind)
    federation = _Counted(tmp_path, plan)
    final = federation.run()
    popularity = _found(plan, final, "popularity")
    error = popularity.vector - federation.exact()
    deviation = noise_deviation(plan, popularity.survivors, "popularity")
    assert popularity.survivors == PARTNERS
    assert 0.5 < error.std() / deviation < 1.7
    assert np.abs(error).max() < 5 * deviation
    frequent = frequent_places(plan, final.counts)
    pairs = _found(plan, final, "pairs")
    assert (len(frequent), len(pairs.vector)) == (6, 15)
    error = pairs.vector - federation.exact_pairs(frequent)
    assert np.abs(error).max() < 5 * noise_deviation(plan, PARTNERS, "pairs")
    for number in PARTNERS:
        np.testing.assert_array_equal(federation.kept(number).state.flat(), final.flat())
    assert [report.round for report in federation.reports] == [-1, 0, 1]


@pytest.mark.parametrize("kind", ["own", "shared"])
def test_every_node_charges_all_steps_once_and_keeps_no_exact_counts(
    kind: str, tmp_path: Path
) -> None:
    plan = _plan(kind)
    federation = _Counted(tmp_path, plan)
    federation.run()
    _Counted(tmp_path, plan).run()  # again: nothing is left to do
    for number, node in federation.nodes.items():
        assert federation.charges(number) == CHARGED
        assert 0 < epsilon(history_of(node.ledger().spends()), 64**-1.1) <= 8
        kept = list(node.home.run(plan.run_id).glob("statistics-*"))
        assert bool(kept) == (kind == "own")


def test_a_node_that_missed_a_sum_keeps_no_exact_counts_either(tmp_path: Path) -> None:
    federation = _Counted(tmp_path, _plan("shared"))

    def fault(node: int, message: Message) -> Message | None:
        step, stage = message.metadata.group_id.rsplit(".", 1)[0], message.metadata.message_type
        return None if (node, step, stage) == (4, "0", MASK) else message

    federation.grid._fault = fault
    federation.run()
    assert federation.charges(4) == CHARGED
    directory = federation.nodes[4].home.run(federation.plan.run_id)
    assert not list(directory.glob("statistics-*"))


def test_receipts_name_the_statistics_and_their_cost(tmp_path: Path) -> None:
    federation = _Counted(tmp_path)
    federation.run()
    assert _masked(federation, 1) == [-1, 0, 1]
    spent = [entry["epsilon"] for entry in _receipts(federation, 1) if entry.get("stage") == MASK]
    assert 0 < spent[0] < spent[1] < spent[2] <= 8


def test_clusters_are_counted_where_nothing_is_shared(tmp_path: Path) -> None:
    terms = StatisticsTerms(clusters=5, noise_multiplier=3.0)
    plan = _plan(terms=terms)
    federation = _Counted(tmp_path, plan, hashes={})
    final = federation.run()
    exact = np.zeros(15)
    for node in federation.nodes.values():
        parts, places = node.data.histories, item_clusters(node.data.vectors, 5)
        exact += cluster_pair_sum(parts.offsets, parts.items.astype(np.int64), places, 5)
    pairs = _found(plan, final, "pairs")
    assert np.abs(pairs.vector - exact).max() < 5 * noise_deviation(plan, PARTNERS, "pairs")


@pytest.mark.parametrize("stage", [START, SHARE, MASK, SURVIVORS, UNMASK])
@pytest.mark.parametrize("step", [-1, 0])
def test_a_killed_coordinator_goes_on_and_nothing_is_charged_twice(
    stage: str, step: int, tmp_path: Path
) -> None:
    federation = _Counted(tmp_path)
    killer = _Killer(stage, 3)

    def fault(node: int, message: Message) -> Message:
        of_step = message.metadata.group_id.rsplit(".", 1)[0] == str(step)
        return killer(node, message) if of_step else message

    federation.grid._fault = fault
    with pytest.raises(_Killed):
        federation.run()
    federation.grid._fault = lambda _node, message: message
    final = federation.run()
    for number in PARTNERS:
        assert federation.charges(number) == CHARGED
        np.testing.assert_array_equal(federation.kept(number).state.flat(), final.flat())


@pytest.mark.parametrize("stage", [START, SHARE, MASK, SURVIVORS, UNMASK])
def test_processes_of_nodes_that_end_between_any_two_messages_change_nothing(
    stage: str, tmp_path: Path
) -> None:
    federation = _Counted(tmp_path, fresh=True)
    lost = [stage]

    def fault(node: int, message: Message) -> Message | None:
        if node == 2 and lost and message.metadata.message_type == stage:
            lost.clear()
            return None
        return message

    federation.grid._fault = fault
    final = federation.run()
    for number in PARTNERS:
        charged = federation.charges(number)
        assert charged == CHARGED or (number == 2 and charged == CHARGED[1:])
        np.testing.assert_array_equal(federation.kept(number).state.flat(), final.flat())


@pytest.mark.parametrize("step", [-1, 0])
def test_a_node_that_was_away_is_not_in_the_noise_and_gets_the_sums_later(
    step: int, tmp_path: Path
) -> None:
    federation = _Counted(tmp_path)

    def fault(node: int, message: Message) -> Message | None:
        away = message.metadata.group_id.rsplit(".", 1)[0] == str(step)
        return None if node == 4 and away else message

    federation.grid._fault = fault
    final, plan = federation.run(), federation.plan
    name = "popularity" if step == -1 else "pairs"
    assert _found(plan, final, name).survivors == (1, 2, 3)
    assert noise_deviation(plan, (1, 2, 3), name) == pytest.approx(3.0 * 3**0.5)  # type: ignore[arg-type]
    assert (name, 0) not in federation.charges(4)
    np.testing.assert_array_equal(federation.kept(4).state.flat(), final.flat())
    assert (federation.nodes[4].home.run(plan.run_id) / "articles.bin").exists()


def test_a_node_without_public_ids_trains_but_counts_nothing(tmp_path: Path) -> None:
    hashes = {number: own for number, own in HASHES.items() if number != 3}
    federation = _Counted(tmp_path, hashes=hashes)
    final = federation.run()
    assert _found(federation.plan, final, "popularity").survivors == (1, 2, 4)
    assert federation.reports[0].failures[START] == {3: "PRIV-304"}
    assert federation.charges(3) == [("behaviour", 1)]


def test_another_list_than_the_plans_is_refused_by_coordinator_and_nodes(tmp_path: Path) -> None:
    federation = _Counted(tmp_path)
    other = ARTICLES[:-1]
    store_articles(tmp_path / "coordinator", other)
    with pytest.raises(ArticleListError):
        federation.run()
    store_articles(tmp_path / "coordinator", ARTICLES)

    def forge(_node: int, message: Message) -> Message:
        parcel = Parcel.from_record(message.content)
        if parcel.vector is not None and parcel.vector.dtype == np.uint64:
            message.content = Parcel(parcel.body, parcel.vector[:-2]).to_record()
        return message

    federation.grid._fault = forge
    with pytest.raises(RunFailedError):
        federation.run()
    assert set(federation.reports[0].failures[START].values()) == {"PRIV-301"}
    for node in federation.nodes.values():
        assert not node.home.ledger.exists() or not node.ledger().spends()


def test_a_node_that_does_not_allow_statistics_refuses_the_plan(tmp_path: Path) -> None:
    federation = _Counted(tmp_path, allow_statistics=False)
    with pytest.raises(RunFailedError):
        federation.run()
    assert set(federation.reports[0].failures[START].values()) == {"FED-030"}


def test_another_popularity_shown_to_one_node_keeps_it_out_of_the_pairs(tmp_path: Path) -> None:
    """A node that was away is told a sum; if it is not the others' own, no signature fits."""
    federation = _Counted(tmp_path)

    def fault(node: int, message: Message) -> Message | None:
        if node != 4:
            return message
        if message.metadata.group_id.startswith("-1."):
            return None
        parcel = Parcel.from_record(message.content)
        if parcel.vector is not None and parcel.vector.dtype == np.float32:
            forged = parcel.vector.copy()
            forged[-20:] += 1.0
            message.content = Parcel(parcel.body, forged).to_record()
        return message

    federation.grid._fault = fault
    final = federation.run()
    assert _found(federation.plan, final, "pairs").survivors == (1, 2, 3)
    assert _masked(federation, 4) == []
    assert _masked(federation, 1) == [-1, 0, 1]
