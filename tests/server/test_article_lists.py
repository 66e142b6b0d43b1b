"""Which articles a plan counts follows from the partners' signed lists, and from nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from clients.articles import hashed_articles, listed
from clients.home import NodeHome
from clients.identity import load_identity, public_bytes
from server.app import load_plan
from server.article_lists import NothingSharedError, read_lists, take_list
from server.articles import read_articles
from server.cli import app
from server.enrolment import revoke
from server.home import CoordinatorHome
from server.partners import UnknownPartnerError
from server.run_state import propose, read_current
from shared.article_list import MAX_ARTICLES, ArticleList
from shared.documents import DocumentError, signed, write_document
from shared.errors import ConfigError
from shared.statistics import StatisticsTerms, articles_digest, unpacked_articles
from tests.network import admitted_node, coordinator
from tests.plans import identity, make_plan

IDS = {"a": range(10), "b": range(5, 15), "c": range(8, 18)}


@pytest.fixture
def home(tmp_path: Path) -> CoordinatorHome:
    home = coordinator(tmp_path)
    for name in IDS:
        admitted_node(home, tmp_path, name)
    return home


def _articles(name: str) -> tuple[bytes, ...]:
    return listed(hashed_articles(bytes(32), [f"gtin-{n}" for n in IDS[name]]))


def _file(home: CoordinatorHome, name: str, articles: tuple[bytes, ...] | None = None) -> Path:
    key = load_identity(NodeHome(home.root.parent / name).identity)
    hashes = ArticleList.packed(_articles(name) if articles is None else articles)
    path = home.root.parent / f"{name}.articles.json"
    document = ArticleList(identity=public_bytes(key).hex(), hashes=hashes)
    write_document(signed(document, key), path)
    return path


def _terms(**statistics: object) -> dict[str, object]:
    plan = make_plan(statistics=StatisticsTerms(frequent=5))
    terms = plan.model_dump(mode="json", exclude={"run_id", "version", "partners"})
    return {**terms, "statistics": {"frequent": 5, **statistics}}


def test_a_plan_fixes_the_articles_that_enough_partners_carry(home: CoordinatorHome) -> None:
    for name in IDS:
        take_list(home, _file(home, name))
    plan = propose(home, _terms(), replace=False)
    directory = home.run(plan.run_id)
    stored = read_articles(directory, load_plan(directory)[0])
    expected = sorted(
        article
        for article in set(_articles("a")) | set(_articles("b")) | set(_articles("c"))
        if sum(article in _articles(name) for name in IDS) >= plan.colluders + 2
    )
    assert stored is not None
    assert unpacked_articles(stored) == expected
    assert plan.statistics is not None
    assert plan.statistics.articles == articles_digest(expected)
    assert plan.statistics.article_count == len(expected) == 10


def test_more_colluders_leave_fewer_articles(home: CoordinatorHome) -> None:
    for name in IDS:
        take_list(home, _file(home, name))
    terms = _terms()
    terms["aggregation"] = {"colluders": 1}
    plan = propose(home, terms, replace=False)
    assert plan.statistics is not None
    assert plan.statistics.article_count == 2  # 8 and 9, which all three carry


def test_without_enough_lists_or_common_articles_there_is_no_plan(home: CoordinatorHome) -> None:
    with pytest.raises(NothingSharedError):
        propose(home, _terms(), replace=False)
    take_list(home, _file(home, "a"))
    with pytest.raises(NothingSharedError, match="1 lists"):
        propose(home, _terms(), replace=False)
    clusters = propose(home, _terms(clusters=5), replace=False)
    assert clusters.statistics is not None
    assert clusters.statistics.article_count == 0


def test_a_plan_file_that_fixes_articles_itself_is_refused(home: CoordinatorHome) -> None:
    with pytest.raises(NothingSharedError, match="fixes"):
        propose(home, _terms(articles="0" * 64, article_count=3), replace=False)


def test_more_shared_articles_than_a_plan_may_count_are_refused_before_it_is_signed(
    home: CoordinatorHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each list may be short enough and what enough of them share still too long."""
    too_many = (bytes(16),) * (MAX_ARTICLES + 1)
    monkeypatch.setattr("server.article_lists.shared_articles", lambda *_: too_many)
    with pytest.raises(ConfigError, match="article_count"):
        propose(home, _terms(), replace=False)
    assert read_current(home) is None


def test_a_list_that_is_forged_foreign_or_of_a_revoked_partner_is_refused(
    home: CoordinatorHome,
) -> None:
    path = _file(home, "a")
    path.write_text(path.read_text().replace('"hashes": "', '"hashes": "AAAA'))
    with pytest.raises(DocumentError):
        take_list(home, path)
    stranger = identity(77)
    document = ArticleList(identity=public_bytes(stranger).hex(), hashes="")
    write_document(signed(document, stranger), path)
    with pytest.raises(UnknownPartnerError):
        take_list(home, path)
    take_list(home, _file(home, "b"))
    revoke(home, "b")
    assert not read_lists(home)


def test_a_later_list_takes_the_place_of_the_former(home: CoordinatorHome) -> None:
    take_list(home, _file(home, "a"))
    take_list(home, _file(home, "a", _articles("a")[:3]))
    assert len(read_lists(home)["a"]) == 3


def test_the_command_takes_lists_in_and_says_what_is_shared(home: CoordinatorHome) -> None:
    files = [str(_file(home, name)) for name in IDS]
    result = CliRunner().invoke(app, ["articles", *files, "--home", str(home.root)])
    assert result.exit_code == 0, result.output
    assert "in the lists of 2 partners at least: 10 articles" in result.output


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=8))
def test_what_is_packed_comes_back(articles: set[bytes]) -> None:
    hashes = ArticleList.packed(sorted(articles))
    assert ArticleList(identity="00" * 32, hashes=hashes).articles() == tuple(sorted(articles))


@pytest.mark.parametrize(
    "articles", [(b"\1" * 15,), (b"\2" * 16, b"\1" * 16), (b"\1" * 16, b"\1" * 16)]
)
def test_lists_that_are_not_whole_sorted_and_different_are_refused(
    articles: tuple[bytes, ...],
) -> None:
    with pytest.raises(DocumentError):
        ArticleList(identity="00" * 32, hashes=ArticleList.packed(articles)).articles()
    with pytest.raises(DocumentError):
        ArticleList(identity="00" * 32, hashes="!").articles()
