"""A platform's privacy budget, written down before it is spent.

::

    ledger = Ledger(path, node="alpha", lifetime=Budget(epsilon=8, delta=default_delta(20_000)))
    reservation = ledger.reserve(Release(plan=run_id, round=3, model="behaviour"), [mechanism],
                                 plan_budget=Budget(epsilon=4, delta=1e-5))    # refused or durable
    update = train(...)                                                        # may crash
    ledger.commit(reservation, update)                                         # durable
    send(update)                                                               # may crash, resend

Invariants
----------
* Nothing is trained before its whole cost is on disk, and nothing is sent before its commit is.
* A reservation is never given back: a crash between the two can only over-count.
* Sending the same bytes again is no new release (`is_released`); new noise is a new reservation.
* Neither the plan's cap nor the lifetime cap is ever exceeded, whatever anybody asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import PrivacyError
from shared.privacy.accounting import Budget, Cost, epsilon
from shared.privacy.errors import (
    InvalidMechanismError,
    LedgerMismatchError,
    LifetimeBudgetError,
    PlanBudgetError,
    UnknownReservationError,
)
from shared.privacy.journal import Entry, Journal
from shared.privacy.spends import (
    Release,
    Spend,
    commit_line,
    history_of,
    read_spends,
    reservation_line,
)

_FORMAT = 1
_REMEDIES = {
    "epsilon": "a cap is changed on the record: isthmus-node privacy --lifetime-epsilon N",
    "delta": "put max_declared_users in policy.json back: delta was fixed by its first value",
}
_TERMS = ("kind", "format", "node", "delta", "unit", "neighbours")


class Ledger:
    """The one ledger of one platform.

    Parameters
    ----------
    path
        File of JSON lines; created when missing.
    node
        Public name of the platform.
    lifetime
        Cap over all plans, rounds and models; its delta holds for the whole ledger.

    Raises
    ------
    LedgerMismatchError
        The file belongs to another node, or stands under another lifetime budget.
    LedgerCorruptError
        The file was altered or cut short.
    """

    def __init__(self, path: Path, *, node: str, lifetime: Budget) -> None:
        self.node, self.lifetime = node, lifetime
        self._journal = Journal(path)
        with self._journal.locked() as entries:
            if not entries:
                self._journal.append({**self._opening(), "time": _now()})
            self._check_terms(entries)

    @property
    def head(self) -> str:
        """Hash of the last line (hex); whoever is told it can detect a shortened ledger."""
        return self._journal.head

    def reserve(
        self, release: Release, mechanisms: Sequence[Cost], *, plan_budget: Budget
    ) -> Spend:
        """Write down what a round will cost, durably, before it is trained.

        Parameters
        ----------
        release
            What is going to be released.
        mechanisms
            All its noisy steps.
        plan_budget
            Cap of the plan that the release belongs to.

        Raises
        ------
        PlanBudgetError, LifetimeBudgetError
            It would cost more than is left; nothing is written.
        """
        if not mechanisms:
            raise InvalidMechanismError("a release without a mechanism")
        with self._journal.locked() as entries:
            self._check_terms(entries)
            spends = read_spends(entries)
            of_plan = history_of(spends, release.plan)
            _refuse_above(plan_budget, of_plan, mechanisms, PlanBudgetError, release)
            _refuse_above(
                self.lifetime, history_of(spends), mechanisms, LifetimeBudgetError, release
            )
            line = reservation_line(release, mechanisms, plan_budget, _now())
            return read_spends([self._journal.append(line)])[0]

    def reserve_once(
        self, release: Release, mechanisms: Sequence[Cost], *, plan_budget: Budget
    ) -> Spend:
        """The reservation of `release` for these mechanisms that is there, or a new one.

        Whoever died after it was written goes on under it. Arguments and errors as for `reserve`.
        """
        wanted = tuple(mechanisms)
        for spend in self.spends():
            if spend.release == release and spend.mechanisms == wanted:
                return spend
        return self.reserve(release, wanted, plan_budget=plan_budget)

    def commit(self, reservation: Spend, update: bytes) -> None:
        """Write down, durably, that `update` is about to leave; again with the same bytes is fine.

        Raises
        ------
        UnknownReservationError
            Nothing of the kind was reserved, or other bytes were committed for it.
        """
        digest = hashlib.sha256(update).hexdigest()
        with self._journal.locked() as entries:
            known = {spend.number: spend for spend in read_spends(entries)}
            found = known.get(reservation.number)
            if found is None or found.release != reservation.release:
                raise UnknownReservationError(f"no reservation {reservation.number}")
            if found.update not in (None, digest):
                raise UnknownReservationError(
                    f"another update was committed for reservation {reservation.number}"
                )
            if found.update is None:
                self._journal.append(commit_line(found.number, digest, _now()))

    def is_released(self, release: Release, update: bytes) -> bool:
        """Whether these very bytes were committed for `release`: sending them again is free."""
        digest = hashlib.sha256(update).hexdigest()
        return any(s.release == release and s.update == digest for s in self.spends())

    def spends(self) -> tuple[Spend, ...]:
        """Every reservation, oldest first."""
        with self._journal.locked() as entries:
            return tuple(read_spends(entries))

    def history(self, plan: str | None = None) -> tuple[Cost, ...]:
        """Everything charged so far, of one plan or of all."""
        return history_of(self.spends(), plan)

    def spent(self) -> float:
        """Epsilon of everything charged, at the lifetime delta."""
        return epsilon(self.history(), self.lifetime.delta)

    def amend_lifetime(self, cap: float) -> None:
        """Change the lifetime epsilon from now on: a decision of the platform, on the record."""
        amended = Budget(epsilon=cap, delta=self.lifetime.delta)
        with self._journal.locked() as entries:
            self._check_terms(entries)
            self._journal.append({"kind": "lifetime", "epsilon": cap, "time": _now()})
        self.lifetime = amended

    def _opening(self) -> Entry:
        return {
            "kind": "open",
            "format": _FORMAT,
            "node": self.node,
            "delta": self.lifetime.delta,
            "epsilon": self.lifetime.epsilon,
            "unit": "one user at one platform",
            "neighbours": "add or remove one user",
        }

    def _check_terms(self, entries: Sequence[Entry]) -> None:
        """The ledger stands under the terms that this object was made with."""
        ours, opening = self._opening(), entries[0]
        stated = {**{key: opening.get(key) for key in _TERMS}, "epsilon": _cap(entries)}
        for key, value in stated.items():
            if value != ours[key]:
                raise LedgerMismatchError(
                    f"the ledger says {key} = {value!r}, not {ours[key]!r}",
                    where=str(self._journal.path),
                    remedy=_REMEDIES.get(key, "keep the ledger with the node that it belongs to"),
                )


def _refuse_above(
    budget: Budget,
    history: Sequence[Cost],
    mechanisms: Sequence[Cost],
    refusal: type[PrivacyError],
    release: Release,
) -> None:
    after = epsilon([*history, *mechanisms], budget.delta)
    if after > budget.epsilon:
        spent = epsilon(history, budget.delta)
        raise refusal(
            f"epsilon would be {after:.4g} of {budget.epsilon:g} at delta {budget.delta:.3g}; "
            f"spent {spent:.4g}, left {max(0.0, budget.epsilon - spent):.4g}",
            where=f"plan {release.plan}, round {release.round}, {release.model}",
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def stated_lifetime(path: Path) -> float:
    """The lifetime epsilon under which the ledger at `path` stands.

    Raises
    ------
    LedgerCorruptError
    """
    with Journal(path).locked() as entries:
        return _cap(entries)


def _cap(entries: Sequence[Entry]) -> float:
    """The newest cap on the record."""
    caps = [entry["epsilon"] for entry in entries if entry["kind"] in ("open", "lifetime")]
    return float(caps[-1])
