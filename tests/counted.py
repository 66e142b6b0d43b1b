"""A federation in memory whose partners sell some of the same articles, for tests."""

from __future__ import annotations

from pathlib import Path

from clients.articles import Hashes, hashed_articles, listed
from server.articles import store_articles
from shared.plan import TrainingPlan
from shared.statistics import StatisticsTerms, articles_digest, shared_articles
from tests.federation import Federation


def own_articles(partners: int) -> dict[int, Hashes]:
    """Partner number → (30, 16) keyed hashes of its items; neighbours share 25 of them."""
    return {
        i: hashed_articles(bytes(32), [f"gtin-{n}" for n in range(5 * i, 5 * i + 30)])
        for i in range(1, partners + 1)
    }


def common_articles(partners: int) -> tuple[bytes, ...]:
    """The list that `partners` such partners count."""
    return shared_articles(map(listed, own_articles(partners).values()), colluders=1)


def counted_terms(partners: int, *, frequent: int = 6, noise: float = 3.0) -> StatisticsTerms:
    """Statistics of these articles."""
    articles = common_articles(partners)
    return StatisticsTerms(
        frequent=frequent,
        articles=articles_digest(articles),
        article_count=len(articles),
        noise_multiplier=noise,
    )


class CountedFederation(Federation):
    """Partners whose items have public ids, and a coordinator that has the list."""

    def __init__(self, plan: TrainingPlan, root: Path, **changes: object) -> None:
        partners = len(plan.partners)
        allowed = {"allow_statistics": True, "allow_distributed_noise": True}
        changes = {"hashes": own_articles(partners), **allowed, **changes}
        super().__init__(plan, root, **changes)  # type: ignore[arg-type]
        store_articles(root / "coordinator", common_articles(partners))
