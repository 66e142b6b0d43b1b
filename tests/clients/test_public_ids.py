"""Nothing of a catalogue leaves without key, permission and receipt; then keyed hashes alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from clients.articles import ArticleKeyError, NoPublicIdsError, hashed_articles
from clients.cli import app
from clients.home import NodeHome
from clients.identity import load_identity
from clients.node_data import TrainingData
from clients.policy import NodePolicy, PolicyRefusalError
from clients.preparation import refresh_training
from clients.public_ids import STAGE, export_articles, new_article_key, own_hashes, take_article_key
from clients.receipts import ReceiptLog
from shared.article_list import ArticleList
from shared.documents import check_signature, read_document
from shared.files import write_json
from shared.models.config import EncoderChoice
from shared.models.encoders import load_encoder
from shared.statistics import StatisticsTerms
from shared.wire import Parcel
from tests.clients.small_shop import ingest, shop
from tests.plans import KEY, identity, make_plan, public

GTINS = ["4006381333931", "", "4006381333948", "4006381333931", "x1", "x2", "x3"]


def _shop(tmp_path: Path, *, allowed: bool = True, mapped: bool = True) -> NodeHome:
    extra = {"public_id": "gtin"} if mapped else {}
    home = shop(tmp_path, items={"path": "items.csv", "extra": extra})
    text = home.config.read_text().replace('"use-multilingual"', '"hashed-words"')
    home.config.write_text(text)
    lines = [f"i{n},Thing {n},A|B,{gtin}" for n, gtin in enumerate(GTINS)]
    (home.root / "items.csv").write_text("\n".join(["item_id,title,categories,gtin", *lines]))
    ingest(home)
    policy = NodePolicy(
        coordinator=public(KEY).hex(),
        partners={"shop": public(identity(1)).hex()},
        max_declared_users=64,
        allow_statistics=allowed,
    )
    write_json(home.policy, policy.model_dump(mode="json"))
    return home


def test_the_list_holds_each_article_once_signed_and_with_a_receipt(tmp_path: Path) -> None:
    home, target = _shop(tmp_path), tmp_path / "list.json"
    key = new_article_key(home).read_bytes()
    assert export_articles(home, target) == 5
    document = read_document(ArticleList, target)
    check_signature(document, bytes.fromhex(document.identity))
    hashed = {row.tobytes() for row in hashed_articles(key, [g for g in GTINS if g])}
    assert set(document.articles()) == hashed
    assert not any(gtin.encode() in target.read_bytes() for gtin in GTINS if len(gtin) > 2)
    (line,) = [e for e in _receipts(home) if e["kind"] == "sent"]
    data = target.read_bytes()
    assert (line["stage"], line["bytes"]) == (STAGE, len(data))
    assert line["sha256"] == Parcel(data).digest()


def _receipts(home: NodeHome) -> tuple[dict[str, object], ...]:
    return ReceiptLog(home.receipts, load_identity(home.identity)).entries()


def test_without_permission_nothing_is_written(tmp_path: Path) -> None:
    home, target = _shop(tmp_path, allowed=False), tmp_path / "list.json"
    new_article_key(home)
    with pytest.raises(PolicyRefusalError):
        export_articles(home, target)
    assert not target.exists()


@pytest.mark.parametrize("mapped", [True, False])
def test_without_key_or_public_ids_there_is_no_list(mapped: bool, tmp_path: Path) -> None:
    home, target = _shop(tmp_path, mapped=mapped), tmp_path / "list.json"
    if not mapped:
        new_article_key(home)
    with pytest.raises(NoPublicIdsError):
        export_articles(home, target)
    assert not target.exists()


def test_the_key_is_handed_over_and_never_replaced_by_accident(tmp_path: Path) -> None:
    first, second = NodeHome(tmp_path / "one"), NodeHome(tmp_path / "two")
    key = new_article_key(first)
    take_article_key(second, key)
    take_article_key(second, key)
    assert second.article_key.read_bytes() == key.read_bytes()
    with pytest.raises(ArticleKeyError, match="already"):
        new_article_key(second)
    other = new_article_key(NodeHome(tmp_path / "three"))
    with pytest.raises(ArticleKeyError, match="already"):
        take_article_key(second, other)


def test_what_is_trained_on_names_articles_only_for_plans_that_count_them(tmp_path: Path) -> None:
    home = _shop(tmp_path)
    new_article_key(home)
    counts = StatisticsTerms(articles="0" * 64, article_count=3)
    installed = load_encoder("hashed-words").fingerprint
    encoder = EncoderChoice(name="hashed-words", fingerprint=installed)
    plans = (make_plan(encoder=encoder), make_plan(encoder=encoder, statistics=counts), None)
    found = []
    for plan in plans:
        assert refresh_training(home, plan)
        found.append(TrainingData.load(home.training).hashes)
    assert [one is None for one in found] == [True, False, True]
    own = own_hashes(home)
    assert own is not None
    assert found[1] is not None
    assert (found[1] == own).all()


def test_the_commands_make_a_key_and_a_list(tmp_path: Path) -> None:
    home, target = _shop(tmp_path), tmp_path / "list.json"
    runner = CliRunner()
    for arguments in (["key"], ["export", str(target)]):
        result = runner.invoke(app, ["articles", *arguments, "--home", str(home.root)])
        assert result.exit_code == 0, result.output
    assert target.exists()
