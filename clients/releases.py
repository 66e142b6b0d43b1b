"""Releases at a node: which global model its own recommender may start from.

A release counts here when the coordinator's card is signed, its plan was approved here, and the
model and the statistics that this node has from verified sums have the digests on the card. A
release that turns out worse on the platform's own hold-out (`clients.gate`), that a person rolls
back or that the coordinator withdraws is out, and the one before it is in again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from clients.approvals import Approvals
from clients.articles import as_rows
from clients.counting import ArticleFile
from clients.global_model import GlobalModel, LastSum
from clients.home import NodeHome
from clients.policy import read_policy
from clients.released_statistics import ReleasedStatistics
from shared.documents import check_signature, read_document, read_values
from shared.errors import FederationError, in_words
from shared.files import write_atomically, write_json
from shared.plan import TrainingPlan
from shared.release_card import (
    ReleaseCard,
    Withdrawal,
    code_digest,
    contract_digest,
    model_digest,
    plan_facts,
    statistics_digest,
)
from shared.released_counts import empty_counts


class ReleaseRefusedError(FederationError):
    """A card that does not fit what this node approved and computed."""

    code = "FED-230"
    default_remedy = "ask the coordinator which run the card is for; the model in use stays"


class UnknownReleaseError(FederationError):
    """There is no such release at this node, or none to roll back from."""

    code = "FED-231"
    default_remedy = "isthmus-node releases lists them"


class DamagedReleaseError(FederationError):
    """The kept model or statistics of a release do not have the digest on its card."""

    code = "FED-232"
    default_remedy = "accept the card again: the node computed the model, and checks it anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release at this node.

    Attributes
    ----------
    card
        The coordinator's card.
    out
        Why it is not used; empty while it may be.
    """

    card: ReleaseCard
    out: str

    @property
    def name(self) -> str:
        """What it is called here: the run's id."""
        return self.card.run_id


class ReleaseShelf:
    """The releases of one node.

    Parameters
    ----------
    home
        The node.
    """

    def __init__(self, home: NodeHome) -> None:
        self._home, self._directory = home, home.root / "releases"

    def accept(self, document: Path) -> str:
        """Take in a card or a withdrawal; returns what happened, in a sentence.

        Raises
        ------
        DocumentError, ReleaseRefusedError, UnknownReleaseError
        """
        if "reason" in read_values(document, ReleaseCard.max_bytes):
            return self._withdraw(read_document(Withdrawal, document))
        return self._take(read_document(ReleaseCard, document))

    def all(self) -> tuple[Release, ...]:
        """All releases, in the order in which they came."""
        return tuple(
            Release(card=read_document(ReleaseCard, self._card(name)), out=reason)
            for name, reason in self._states().items()
        )

    def current(self) -> Release | None:
        """The newest release that is not out."""
        return next((r for r in reversed(self.all()) if not r.out), None)

    def model(self, release: Release) -> NDArray[np.float32]:
        """The parameters (P,) of a release.

        Raises
        ------
        DamagedReleaseError
        """
        path = self._model(release.name)
        try:
            model = load_file(path)["model"]
        except (OSError, KeyError, SafetensorError) as error:
            raise DamagedReleaseError(in_words(error, "is damaged"), where=str(path)) from error
        if model.dtype != np.float32 or model_digest(model) != release.card.model:
            raise DamagedReleaseError("another model", where=str(path))
        return model

    def statistics(self, release: Release) -> ReleasedStatistics:
        """The private statistics that were released before a release's rounds; maybe none.

        Raises
        ------
        DamagedReleaseError
        """
        path, plan = self._model(release.name), self._plan(release.card)
        try:
            kept = load_file(path)
        except (OSError, SafetensorError) as error:
            raise DamagedReleaseError(in_words(error, "is damaged"), where=str(path)) from error
        counts = kept.get("counts", empty_counts(plan))
        if counts.shape != empty_counts(plan).shape or not _names(release.card, plan, counts):
            raise DamagedReleaseError("other statistics", where=str(path))
        return ReleasedStatistics(plan=plan, counts=counts, articles=_articles(kept))

    def put_out(self, name: str, reason: str) -> Release | None:
        """Stop using a release; returns the one that is used now.

        Raises
        ------
        UnknownReleaseError
        """
        states = self._states()
        if name not in states or not reason:
            raise UnknownReleaseError(f"no release {name!r}")
        self._write({**states, name: reason})
        return self.current()

    def roll_back(self, reason: str) -> tuple[Release, Release | None]:
        """Stop using the current release; returns it and the one that is used now.

        Raises
        ------
        UnknownReleaseError
        """
        current = self.current()
        if current is None:
            raise UnknownReleaseError("no release is in use")
        return current, self.put_out(current.name, reason)

    def _take(self, card: ReleaseCard) -> str:
        check_signature(card, bytes.fromhex(read_policy(self._home).coordinator))
        if self._states().get(card.run_id):
            raise ReleaseRefusedError(
                f"release {card.run_id} is out: {self._states()[card.run_id]}",
                remedy="a release that is out stays out; the next run makes another",
            )
        own, seen = self._own_model(card)
        write_atomically(self._model(card.run_id), save(own), private=True)
        kept = card.model_dump_json(indent=1).encode()
        write_atomically(self._card(card.run_id), kept, private=True)
        self._write({**self._states(), card.run_id: ""})
        return f"release {card.run_id} is in use: the model is the one at this node{seen}"

    def _own_model(self, card: ReleaseCard) -> tuple[dict[str, NDArray[Any]], str]:
        """Released model and statistics as this node has them; what was compared, in words."""
        known = Approvals(self._home.approvals).find(card.plan)
        if known.state not in ("by-hand", "by-policy") or known.plan.run_id != card.run_id:
            raise ReleaseRefusedError("the plan on the card is not approved here")
        if card.contract != contract_digest():
            raise ReleaseRefusedError("the card is for another data contract")
        _check_plan(card, known.plan)
        path = self._home.run(card.run_id) / "state.safetensors"
        own = GlobalModel(known.plan, path, self._home.initial)
        if own.round != card.round:
            problem = f"the card is for round {card.round}, this node knows round {own.round}"
            raise ReleaseRefusedError(problem, where=f"run {card.run_id}")
        model = own.state.released(known.plan)
        if model_digest(model) != card.model:
            raise ReleaseRefusedError(
                "the card names another model than this node computed",
                where=f"run {card.run_id}",
                remedy="tell the other partners: the coordinator shows different models",
            )
        if not _names(card, known.plan, own.state.counts):
            raise ReleaseRefusedError(
                "the card names other statistics than this node has",
                where=f"run {card.run_id}",
                remedy="tell the other partners: the coordinator shows different statistics",
            )
        seen = _checked_sum(card, own.verified) + _code(card)
        kept: dict[str, NDArray[Any]] = {"model": np.ascontiguousarray(model, dtype=np.float32)}
        if len(own.state.counts):
            articles = ArticleFile(known.plan, self._home.run(card.run_id)).read()
            kept |= {"counts": own.state.counts, "articles": as_rows(articles)}
        return kept, seen

    def _plan(self, card: ReleaseCard) -> TrainingPlan:
        return Approvals(self._home.approvals).find(card.plan).plan

    def _withdraw(self, notice: Withdrawal) -> str:
        check_signature(notice, bytes.fromhex(read_policy(self._home).coordinator))
        known = {release.name: release for release in self.all()}
        if notice.run_id not in known or known[notice.run_id].card.model != notice.model:
            raise UnknownReleaseError(f"no release {notice.run_id} with this model")
        now = self.put_out(notice.run_id, f"withdrawn: {notice.reason}")
        return f"release {notice.run_id} is withdrawn; in use now: {now.name if now else 'none'}"

    def _states(self) -> dict[str, str]:
        path = self._directory / "states.json"
        return dict(json.loads(path.read_bytes())["releases"]) if path.exists() else {}

    def _write(self, states: dict[str, str]) -> None:
        # A list, since JSON objects are written with sorted keys and the order counts.
        value: dict[str, Any] = {"format": 1, "releases": list(states.items())}
        write_json(self._directory / "states.json", value, private=True)

    def _card(self, name: str) -> Path:
        return self._directory / f"{name}.card.json"

    def _model(self, name: str) -> Path:
        return self._directory / f"{name}.safetensors"


def _articles(kept: dict[str, NDArray[Any]]) -> tuple[bytes, ...]:
    return tuple(row.tobytes() for row in kept.get("articles", ()))


def _names(card: ReleaseCard, plan: TrainingPlan, counts: NDArray[np.float32]) -> bool:
    """Whether a card names these statistics; cards before version 3 name none."""
    return card.version < 3 or card.statistics == statistics_digest(plan, counts)


def _check_plan(card: ReleaseCard, plan: TrainingPlan) -> None:
    """Refuse a card that says of the approved plan what the plan does not say."""
    expected = {**plan_facts(plan), "parameters": plan.parameters, "round": plan.rounds}
    for name, value in expected.items():
        found = getattr(card, name)
        if found != value:
            raise ReleaseRefusedError(
                f"the card says {name} {found!r}, the approved plan {value!r}",
                where=f"run {card.run_id}",
            )
    if card.smallest_cohort > card.partners:
        problem = f"a smallest cohort of {card.smallest_cohort} among {card.partners} partners"
        raise ReleaseRefusedError(problem, where=f"run {card.run_id}")


def _checked_sum(card: ReleaseCard, own: LastSum | None) -> str:
    """Compare the last sum and its cohort with what this node verified by the keyed tag."""
    if own is None:
        return "; it was received, for this node took no part in the last round"
    if card.verified_sum not in (None, own.digest):
        raise ReleaseRefusedError(
            "the card names another sum than this node verified", where=f"run {card.run_id}"
        )
    if card.smallest_cohort > own.cohort:
        problem = f"a smallest cohort of {card.smallest_cohort}, but {own.cohort} in the last round"
        raise ReleaseRefusedError(problem, where=f"run {card.run_id}")
    return ", computed from a sum that it verified" if card.verified_sum else ""


def _code(card: ReleaseCard) -> str:
    """Whether the coordinator runs the code that runs here; a difference is told, not refused."""
    if card.code is None or card.code == code_digest():
        return ""
    return f"; the coordinator's code is {card.code[:16]}, here {code_digest()[:16]}"
