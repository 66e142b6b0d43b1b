"""Write one file of each format as this version writes it: `python -m tests.formats.make`.

Run it once when a version is released; the files stay for good, and later versions must read them.
"""

from __future__ import annotations

from pathlib import Path

from clients.approvals import Approvals
from clients.receipts import ReceiptLog, Sent
from shared import __version__
from shared.documents import signed, write_document
from shared.files import write_atomically, write_json
from shared.optimiser import ServerState
from shared.plan import PrivacyTerms
from shared.privacy.accounting import Budget, Mechanism
from shared.privacy.ledger import Ledger
from shared.privacy.spends import Release
from shared.release_card import Withdrawal, make_card, model_digest
from tests.federation import MODEL, policy
from tests.plans import KEY, identity, make_plan

ISSUED = "2026-01-02T03:04:05+00:00"
PLAN = make_plan(privacy=PrivacyTerms(epsilon=1.0), model=MODEL)
LIFETIME = Budget(epsilon=8.0, delta=0.01)


def main() -> None:
    """Write the files of this version."""
    folder = Path(__file__).parent / __version__
    folder.mkdir()  # files of a version are never written over
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
    card = make_card(PLAN, model, round_number=3, smallest_cohort=3, issued=ISSUED)
    write_document(signed(card, KEY), folder / "release.json")
    notice = Withdrawal(
        run_id=PLAN.run_id, model=model_digest(model), reason="a bug", issued=ISSUED
    )
    write_document(signed(notice, KEY), folder / "withdrawal.json")


if __name__ == "__main__":
    main()
