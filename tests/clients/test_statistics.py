"""A node's statistics: charged once, kept until sent, refused where the plan does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from clients.articles import (
    ArticleKeyError,
    NoPublicIdsError,
    OtherArticlesError,
    hashed_articles,
    listed,
    places_of,
    read_article_key,
)
from clients.counted_places import carried_share, counted_places
from clients.policy import PolicyRefusalError
from clients.rounds import Node
from clients.statistics import KeptStatisticsError, NoStatisticsError, StatisticsContribution
from shared.errors import PrivacyError
from shared.models.clusters import item_clusters
from shared.plan import PrivacyTerms, TrainingPlan
from shared.privacy.accounting import epsilon
from shared.privacy.spends import history_of
from shared.statistics import StatisticsTerms, articles_digest
from tests.federation import node
from tests.plans import make_plan

HASHES = hashed_articles(bytes(32), [f"gtin-{n}" for n in range(30)])
ARTICLES = listed(HASHES[:20])
NO_VECTORS = np.zeros((30, 4), dtype=np.float32)
TERMS = StatisticsTerms(frequent=5, articles=articles_digest(ARTICLES), article_count=20)


def _plan(privacy: PrivacyTerms = PrivacyTerms(epsilon=8.0)) -> TrainingPlan:
    return make_plan(statistics=TERMS, privacy=privacy)


def _contribution(
    plan: TrainingPlan, one: Node, articles: Sequence[bytes]
) -> StatisticsContribution:
    directory = one.home.run(plan.run_id)
    directory.mkdir(parents=True, exist_ok=True)
    partner = plan.partners[0]
    vectors = one.data.vectors
    places = counted_places(plan.statistics or TERMS, articles, HASHES, vectors)
    return StatisticsContribution(plan, partner, one.data.histories, places, directory, one.ledger)


@pytest.fixture
def one(tmp_path: Path) -> Node:
    return node(_plan(), 1, tmp_path, allow_statistics=True)


def test_both_releases_are_charged_once_and_the_same_bytes_are_sent_again(one: Node) -> None:
    plan = _plan()
    first = _contribution(plan, one, ARTICLES)
    popularity, pairs = first.popularity(), first.pairs(np.arange(5))
    again = _contribution(plan, one, ARTICLES)
    assert np.array_equal(again.popularity(), popularity)
    assert np.array_equal(again.pairs(np.arange(5)), pairs)
    assert len(one.ledger().spends()) == 2
    assert (popularity.shape, pairs.shape) == ((20,), (10,))


@pytest.mark.slow
def test_noise_of_training_leaves_room_for_the_statistics_inside_the_plans_epsilon(
    one: Node,
) -> None:
    from clients.charge import charge_of

    plan, bare = _plan(), make_plan()
    charge, alone = (charge_of(p, p.partners[0]) for p in (plan, bare))
    assert charge is not None
    assert alone is not None
    contribution = _contribution(plan, one, ARTICLES)
    contribution.popularity()
    contribution.pairs(np.arange(5))
    spent = [*history_of(one.ledger().spends()), *charge.mechanisms * plan.rounds]
    assert charge.mechanisms[0].noise_multiplier > alone.mechanisms[0].noise_multiplier
    assert 7.5 < epsilon(spent, charge.budget.delta) <= 8


def test_a_release_beyond_the_plans_epsilon_is_refused_and_nothing_is_counted(
    tmp_path: Path,
) -> None:
    plan = _plan(privacy=PrivacyTerms(epsilon=0.3))
    one = node(plan, 1, tmp_path, allow_statistics=True)
    with pytest.raises(PrivacyError):
        _contribution(plan, one, ARTICLES).popularity()
    assert not list(one.home.run(plan.run_id).glob("statistics-*"))


def test_noise_has_the_deviation_of_the_plan(tmp_path: Path) -> None:
    articles = listed(hashed_articles(bytes(32), [f"other-{n}" for n in range(4000)]))
    terms = TERMS.model_copy(update={"articles": articles_digest(articles), "article_count": 4000})
    plan = make_plan(statistics=terms)
    one = node(plan, 1, tmp_path, allow_statistics=True)
    noise = _contribution(plan, one, articles).popularity()  # this node carries none of them
    assert 1.9 < noise.std() < 2.1


def test_another_list_of_articles_is_refused(one: Node) -> None:
    with pytest.raises(OtherArticlesError):
        _contribution(_plan(), one, ARTICLES[:-1])


def test_a_plan_without_statistics_or_with_fewer_pairs_is_refused(one: Node) -> None:
    with pytest.raises(NoStatisticsError):
        _contribution(make_plan(), one, ARTICLES)
    with pytest.raises(NoStatisticsError):
        _contribution(_plan(), one, ARTICLES).pairs(np.arange(6))


def test_a_damaged_vector_is_not_counted_again(one: Node) -> None:
    _contribution(_plan(), one, ARTICLES).popularity()
    path = next(one.home.run(_plan().run_id).glob("statistics-popularity*"))
    path.write_bytes(b"damaged")
    with pytest.raises(KeptStatisticsError):
        _contribution(_plan(), one, ARTICLES).popularity()


def test_pairs_that_were_counted_for_other_articles_are_not_sent(one: Node) -> None:
    _contribution(_plan(), one, ARTICLES).pairs(np.arange(5))
    with pytest.raises(KeptStatisticsError, match="other articles"):
        _contribution(_plan(), one, ARTICLES).pairs(np.arange(1, 6))


def test_a_node_refuses_statistics_unless_its_policy_allows_them(tmp_path: Path) -> None:
    plan = _plan()
    strict = node(plan, 1, tmp_path)
    with pytest.raises(PolicyRefusalError, match="statistics"):
        strict.policy.check(plan, bytes.fromhex(plan.partners[0].identity))


def test_a_key_that_is_missing_short_or_readable_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "article.key"
    with pytest.raises(ArticleKeyError):
        read_article_key(path)
    path.write_bytes(bytes(31))
    path.chmod(0o600)
    with pytest.raises(ArticleKeyError, match="31 bytes"):
        read_article_key(path)
    path.write_bytes(bytes(32))
    path.chmod(0o644)
    with pytest.raises(ArticleKeyError, match="others may read"):
        read_article_key(path)
    path.chmod(0o600)
    assert read_article_key(path) == bytes(32)


def test_a_plan_with_statistics_is_another_plan() -> None:
    assert _plan().digest() != make_plan().digest()


def test_an_item_without_a_public_id_is_no_article_whatever_the_list_says() -> None:
    hashes = hashed_articles(bytes(32), ["4006381333931", " ", ""])
    assert len(listed(hashes)) == 1
    assert places_of(hashes, [bytes(16), *listed(hashes)]).tolist() == [1, -1, -1]


def test_a_list_of_another_length_than_the_plans_is_refused() -> None:
    terms = TERMS.model_copy(update={"article_count": 19})
    with pytest.raises(OtherArticlesError):
        counted_places(terms, ARTICLES, HASHES, NO_VECTORS)


def test_articles_are_looked_up_by_hash_and_clusters_by_vector() -> None:
    places = counted_places(TERMS, ARTICLES, HASHES, NO_VECTORS)
    assert [ARTICLES[place] for place in places[:20]] == [row.tobytes() for row in HASHES[:20]]
    assert (places[20:] == -1).all()
    vectors = np.vstack([np.eye(4, dtype=np.float32), np.zeros((1, 4), np.float32)])
    found = counted_places(StatisticsTerms(clusters=3, frequent=3), (), None, vectors)
    assert found.tolist() == item_clusters(vectors, 3).tolist()
    assert found[-1] == -1


def test_the_share_that_others_carry_is_known_only_where_articles_were_compared() -> None:
    assert carried_share(TERMS, ARTICLES, HASHES) == pytest.approx(20 / 30)
    nothing = StatisticsTerms(articles=articles_digest(()), article_count=0)
    assert carried_share(nothing, (), HASHES) == 0.0
    clusters = StatisticsTerms(clusters=3, frequent=3)
    unknown = (
        (None, (), HASHES),
        (clusters, (), HASHES),
        (TERMS, (), HASHES),
        (TERMS, ARTICLES, None),
    )
    for terms, articles, hashes in unknown:
        assert carried_share(terms, articles, hashes) is None
    with pytest.raises(OtherArticlesError):
        carried_share(TERMS, ARTICLES[1:], HASHES)


def test_articles_without_public_ids_are_refused() -> None:
    with pytest.raises(NoPublicIdsError):
        counted_places(TERMS, ARTICLES, None, NO_VECTORS)
