"""Write one file of each format as this version writes it: `python -m tests.formats.make`.

Run it once when a version is released; the files stay for good, and later versions must read them.
Formats that changed or came after 0.1.0 was written stand in ``since-0.1.0``:
`... make since-0.1.0` adds what is not there yet.
"""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from clients.approvals import Approvals
from clients.articles import hashed_articles, listed
from clients.bundle import save_bundle
from clients.data.state import NodeState
from clients.home import NodeHome
from clients.receipts import ReceiptLog, Sent
from server.app import store_plan
from server.attempts import Attempts
from server.checkpoint import Checkpoints
from server.exchange import StageReplies
from server.home import CoordinatorHome
from server.journal import Journal
from server.partners import AdmittedPartner, IssuedCertificate, PartnersFile, write_partners
from server.run_state import RunState, write_state
from shared import __version__
from shared.article_list import ArticleList
from shared.documents import SignedDocument, signed, write_document
from shared.files import write_atomically, write_json
from shared.optimiser import ServerState
from shared.plan import PrivacyTerms
from shared.privacy.accounting import Budget, Mechanism
from shared.privacy.ledger import Ledger
from shared.privacy.spends import Release
from shared.release_card import Withdrawal, make_card, model_digest
from shared.statistics import StatisticsTerms
from shared.wire import MASK, Parcel
from tests.clients.released import released
from tests.clients.small_node import node_training, quiet
from tests.federation import MODEL, policy
from tests.plans import KEY, identity, make_plan, public

ISSUED = "2026-01-02T03:04:05+00:00"
PLAN = make_plan(privacy=PrivacyTerms(epsilon=1.0), model=MODEL)
COUNTING = PLAN.model_copy(update={"statistics": StatisticsTerms(clusters=5, frequent=5)})
ARTICLES = listed(hashed_articles(bytes(32), ["4006381333931", "9780262033848", ""]))
LIFETIME = Budget(epsilon=8.0, delta=0.01)
USER = b"a" * 16


def main() -> None:
    """Write the files of this version, or those whose formats it has changed."""
    name = sys.argv[1] if len(sys.argv) > 1 else __version__
    folder = Path(__file__).parent / name
    folder.mkdir(exist_ok=name != __version__)  # files of a version are never written over
    make_changed_files(folder)
    if name == __version__:
        make_node_files(folder)
        make_bundle(folder / "bundle")
        make_coordinator_files(folder / "coordinator")


def make_changed_files(folder: Path) -> None:
    """Release card, list of articles, signed checkpoint; what is there stays."""
    state = ServerState.start(COUNTING)
    card = make_card(
        COUNTING,
        state.model,
        round_number=3,
        smallest_cohort=3,
        counts=state.counts,
        verified_sum="ab" * 32,
        issued=ISSUED,
    )
    _write_new(signed(card, KEY), folder / f"release-{card.version}.json")
    hashes = ArticleList.packed(ARTICLES)
    articles = ArticleList(identity=public(identity(1)).hex(), hashes=hashes)
    _write_new(signed(articles, identity(1)), folder / f"articles-{articles.version}.json")
    checkpoints = Checkpoints(folder / "checkpoints", PLAN.digest(), KEY)
    if not checkpoints.path(3).exists():
        checkpoints.save(3, ServerState.start(PLAN))


def _write_new(document: SignedDocument, path: Path) -> None:
    if not path.exists():
        write_document(document, path)


def make_node_files(folder: Path) -> None:
    """What a node keeps, and the documents that travel."""
    ledger = Ledger(folder / "ledger.jsonl", node="alpha", lifetime=LIFETIME)
    mechanism = Mechanism(noise_multiplier=4.0, sample_rate=0.1, steps=2)
    release = Release(plan=PLAN.run_id, round=1, model="behaviour")
    ledger.commit(
        ledger.reserve(release, [mechanism], plan_budget=Budget(epsilon=1.0, delta=0.01)), b"update"
    )
    log = ReceiptLog(folder / "receipts.jsonl", identity(1))
    log.record(
        Sent(
            run=PLAN.run_id, round=1, attempt=1, stage="train.mask", size=9, sha256="ab" * 32,
            epsilon=ledger.spent(),
        )
    )  # fmt: skip
    write_atomically(folder / "plan.json", PLAN.canonical())
    write_atomically(folder / "plan.sig", PLAN.sign(KEY))
    write_json(folder / "policy.json", policy(PLAN).model_dump(mode="json"))
    Approvals(folder / "approvals").approve(Approvals(folder / "approvals").keep(PLAN))
    model = ServerState.start(PLAN).model
    notice = Withdrawal(
        run_id=PLAN.run_id, model=model_digest(model), reason="a bug", issued=ISSUED
    )
    write_document(signed(notice, KEY), folder / "withdrawal.json")
    with closing(NodeState(folder / "state.db")) as live:
        live.insert_events([(USER, "i1", 0, 1e9)])
        live.insert_feedback([(USER, "i1", "liked", 1e9)])
        live.erase(b"b" * 16, 1e9)


def make_bundle(path: Path) -> None:
    """What a node serves from, with the models of a release."""
    with TemporaryDirectory() as folder:
        bundle = node_training(NodeHome(Path(folder))).bundle(quiet(), released())
    save_bundle(path, bundle, identity(1))


def make_coordinator_files(root: Path) -> None:
    """What a coordinator keeps of its partners and of a run that was cut off in a round."""
    home = CoordinatorHome(root)
    certificate = IssuedCertificate(
        serial="ab", transport="", expires=datetime.fromisoformat(ISSUED)
    )
    partner = AdmittedPartner(
        name="alpha",
        number=1,
        identity=public(identity(1)).hex(),
        declared_users=64,
        certificates=(certificate,),
    )
    write_partners(home, PartnersFile(partners=(partner,)))
    store_plan(home.run(PLAN.run_id), PLAN, PLAN.sign(KEY))
    write_state(home, RunState(run_id=PLAN.run_id, state="running", flower_run=7))
    write_json(home.current, {"run_id": PLAN.run_id})
    checkpoints = Checkpoints(home.run(PLAN.run_id) / "checkpoints", PLAN.digest(), KEY)
    checkpoints.save(0, ServerState.start(PLAN))
    Attempts(home.run(PLAN.run_id) / "attempts.json").begin(1)
    vector = np.arange(4, dtype=np.uint32)
    replies = StageReplies({5: Parcel(b"upload", vector)}, {6: "FED-210"})
    Journal(home.run(PLAN.run_id) / "journal").store(1, 0, MASK, replies)


if __name__ == "__main__":
    main()
