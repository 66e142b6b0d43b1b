"""What a ledger's lines say: releases, what they cost and what was sent for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from shared.errors import PrivacyError
from shared.privacy.accounting import Budget, Cost, Mechanism
from shared.privacy.distributed import DistributedGaussian
from shared.privacy.errors import LedgerCorruptError
from shared.privacy.journal import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a spend is for: the update of one model in one round of one plan.

    Attributes
    ----------
    plan
        Public name of the training plan or run.
    round
        Round number; training a round again is a new release under the same name.
    model
        Name of the model, for people.
    """

    plan: str
    round: int
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """A reservation as it stands in the ledger.

    Attributes
    ----------
    number
        Line number, from 0.
    release
        What it is for.
    mechanisms
        What it costs.
    plan_budget
        Cap of its plan.
    time
        When it was reserved, UTC, ISO 8601.
    update
        SHA-256 (hex) of the update that was released, None if none ever was.
    """

    number: int
    release: Release
    mechanisms: tuple[Cost, ...]
    plan_budget: Budget
    time: str
    update: str | None = None


def reservation_line(
    release: Release, mechanisms: Sequence[Cost], plan_budget: Budget, time: str
) -> Entry:
    """Fields of the line that reserves."""
    return {
        "kind": "reserve",
        **asdict(release),
        "mechanisms": [asdict(mechanism) for mechanism in mechanisms],
        "plan_budget": asdict(plan_budget),
        "time": time,
    }


def commit_line(reservation: int, update: str, time: str) -> Entry:
    """Fields of the line that commits."""
    return {"kind": "commit", "reservation": reservation, "update": update, "time": time}


def read_spends(entries: Sequence[Entry]) -> list[Spend]:
    """Reservations with what was committed for them, oldest first.

    Raises
    ------
    LedgerCorruptError
        A line whose fields do not fit.
    """
    spends: dict[int, Spend] = {}
    for entry in entries:
        try:
            if entry["kind"] == "reserve":
                spends[entry["seq"]] = _read_spend(entry)
            elif entry["kind"] == "commit":
                number = entry["reservation"]
                spends[number] = replace(spends[number], update=entry["update"])
        except (KeyError, TypeError, PrivacyError) as error:
            raise LedgerCorruptError(f"line {entry.get('seq')} cannot be read") from error
    return list(spends.values())


def history_of(spends: Sequence[Spend], plan: str | None = None) -> tuple[Cost, ...]:
    """Everything charged, of one plan or of all."""
    chosen = [spend for spend in spends if plan in (None, spend.release.plan)]
    return tuple(mechanism for spend in chosen for mechanism in spend.mechanisms)


def _read_spend(entry: Entry) -> Spend:
    return Spend(
        number=entry["seq"],
        release=Release(plan=entry["plan"], round=entry["round"], model=entry["model"]),
        mechanisms=tuple(_read_cost(fields) for fields in entry["mechanisms"]),
        plan_budget=Budget(**entry["plan_budget"]),
        time=entry["time"],
    )


def _read_cost(fields: Entry) -> Cost:
    """Shared noise is told by its field `honest`."""
    return DistributedGaussian(**fields) if "honest" in fields else Mechanism(**fields)
