"""The partners' lists of articles at the coordinator, and which articles enough of them carry.

The hashes are keyed with what only the partners know. From them the coordinator learns how large
each catalogue is and how far any two overlap; a partner that gives it the key gives it the names of
all articles in the lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from server.home import CoordinatorHome
from server.partners import AdmittedPartner, UnknownPartnerError, read_partners
from shared.article_list import ArticleList
from shared.config import parse
from shared.documents import check_signature, read_document, write_document
from shared.errors import FederationError
from shared.plan import TrainingPlan
from shared.statistics import StatisticsTerms, articles_digest, shared_articles


class NothingSharedError(FederationError):
    """The plan asks for statistics, but too few lists of articles were handed in, or none fit."""

    code = "FED-119"
    default_remedy = (
        "each partner: isthmus-node articles export FILE; then isthmus-coordinator articles "
        "FILE...; partners that share no articles: [statistics] clusters = 100"
    )


def take_list(home: CoordinatorHome, path: Path) -> tuple[AdmittedPartner, int]:
    """Take in a partner's list, in place of its former one; returns the partner and its length.

    Raises
    ------
    DocumentError, UnknownPartnerError
    """
    found = read_document(ArticleList, path)
    check_signature(found, bytes.fromhex(found.identity))
    active = read_partners(home).active()
    partner = next((p for p in active if p.identity == found.identity), None)
    if partner is None:
        raise UnknownPartnerError("the list is of no partner of this federation", where=str(path))
    articles = found.articles()
    write_document(found, _path(home, partner.number))
    return partner, len(articles)


def read_lists(home: CoordinatorHome) -> Mapping[str, tuple[bytes, ...]]:
    """Name of each active partner that handed in a list → its hashes."""
    found = {}
    for partner in read_partners(home).active():
        path = _path(home, partner.number)
        if path.exists():
            document = read_document(ArticleList, path)
            check_signature(document, bytes.fromhex(partner.identity))
            found[partner.name] = document.articles()
    return found


def with_articles(
    home: CoordinatorHome, plan: TrainingPlan
) -> tuple[TrainingPlan, tuple[bytes, ...]]:
    """`plan` with the articles that c + 2 of its partners carry fixed in it, and these articles.

    Raises
    ------
    NothingSharedError
    ConfigError
        More articles are shared than a plan may count.
    """
    terms = plan.statistics
    if terms is None or terms.clusters:
        return plan, ()
    if terms.articles or terms.article_count:
        raise NothingSharedError(
            "the plan fixes a list of articles", remedy="leave articles and article_count out"
        )
    known, needed = read_lists(home), plan.colluders + 2
    lists = [known[partner.name] for partner in plan.partners if partner.name in known]
    articles = shared_articles(lists, plan.colluders)
    if not articles:
        raise NothingSharedError(
            f"no article is in {needed} of {len(lists)} lists, of {len(plan.partners)} partners"
        )
    facts = {"articles": articles_digest(articles), "article_count": len(articles)}
    fixed = parse(StatisticsTerms, {**terms.model_dump(), **facts}, where="plan.statistics")
    return plan.model_copy(update={"statistics": fixed}), articles


def _path(home: CoordinatorHome, number: int) -> Path:
    return home.article_lists / f"{number}.json"
