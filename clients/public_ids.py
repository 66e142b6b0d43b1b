"""A node's public ids: the partners' key, keyed hashes of its own articles, and their export."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from clients.articles import (
    PUBLIC_ID,
    ArticleKeyError,
    Hashes,
    NoPublicIdsError,
    hashed_articles,
    listed,
    read_article_key,
)
from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.identity import load_identity, public_bytes
from clients.policy import PolicyRefusalError, read_policy
from clients.receipts import ReceiptLog, Sent
from shared.article_list import ArticleList
from shared.documents import signed
from shared.files import write_atomically
from shared.statistics import KEY_BYTES
from shared.wire import Parcel

STAGE: Final = "articles.export"
"""How the receipt log calls a list that is handed to the coordinator."""


def new_article_key(home: NodeHome) -> Path:
    """Draw the key that the partners will share; one of them does, and hands it to the others.

    Raises
    ------
    ArticleKeyError
        There is one already.
    """
    return _put_key(home, secrets.token_bytes(KEY_BYTES))


def take_article_key(home: NodeHome, source: Path) -> Path:
    """Put the key that another partner handed over in place.

    Raises
    ------
    ArticleKeyError
        It is no key, others may read the file, or there is another one already.
    """
    key = read_article_key(source)
    if home.article_key.exists() and read_article_key(home.article_key) == key:
        return home.article_key
    return _put_key(home, key)


def own_hashes(home: NodeHome) -> Hashes | None:
    """(N, 16) keyed hash of each item of the store; None without a key or a column of public ids.

    Raises
    ------
    ArticleKeyError, NoSnapshotError, DamagedSnapshotError, OtherKeyError
    """
    if not home.article_key.exists():
        return None
    key = read_article_key(home.article_key)
    public_ids = NodeStore(home).item_columns().get(PUBLIC_ID)
    return None if public_ids is None else hashed_articles(key, public_ids)


def export_articles(home: NodeHome, target: Path) -> int:
    """Write the signed list of this node's hashes for the coordinator; returns its length.

    The receipt log has it before the file is there.

    Raises
    ------
    PolicyRefusalError
        This node's policy does not allow statistics.
    NoPublicIdsError
        There is no key, no column of public ids, or no public id in it.
    ArticleKeyError, ReceiptLogError
    """
    if not read_policy(home).allow_statistics:
        remedy = 'set "allow_statistics": true in policy.json if the platform agrees to them'
        problem = "this node's policy does not allow statistics of shared articles"
        raise PolicyRefusalError(problem, where=str(home.policy), remedy=remedy)
    hashes = own_hashes(home)
    articles = () if hashes is None else listed(hashes)
    if not articles:
        raise NoPublicIdsError("there is nothing to compare", where=str(home.root))
    key = load_identity(home.identity)
    document = ArticleList(identity=public_bytes(key).hex(), hashes=ArticleList.packed(articles))
    data = signed(document, key).model_dump_json(indent=1).encode() + b"\n"
    sent = Sent(
        run="", round=0, attempt=0, stage=STAGE, size=len(data), sha256=Parcel(data).digest()
    )
    ReceiptLog(home.receipts, key).record(sent)
    write_atomically(target, data)
    return len(articles)


def _put_key(home: NodeHome, key: bytes) -> Path:
    if home.article_key.exists():
        raise ArticleKeyError(
            "there is an article key already",
            where=str(home.article_key),
            remedy="move it away first; lists made with it no longer fit then",
        )
    write_atomically(home.article_key, key, private=True)
    return home.article_key
