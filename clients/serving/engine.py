"""The service without HTTP: users, model, advice and reactions, behind a few plain calls.

An engine belongs to one thread. What is durable is written before the engine hears of it (see
`clients.serving.service`), so that a crash loses nothing that was acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from clients.advice import Advice, Adviser, Scores, Wish
from clients.data.dataset import Catalogue, Histories
from clients.data.store import LiveEvent, Reaction
from clients.profile import Portrait
from clients.ranking.rank import RankedItem
from clients.ranking.request import FEEDBACK_KINDS, Feedback, Filters, Situation
from clients.serving.errors import UnknownItemError
from clients.serving.model import ServedModel
from clients.serving.users import NewEvent, Users
from clients.text.assemble import interests_facts
from clients.text.facts import InterestsText
from shared.contract import EVENT_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request for recommendations; the user is a pseudonym."""

    user: str
    k: int
    filters: Filters = field(default_factory=Filters)
    diversity: float | None = None
    wish: Wish = field(default_factory=Wish)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer.

    Attributes
    ----------
    advice
        The list and what was asked for beside it.
    parts
        For each place: part of the fusion → its summand; empty in a fallback.
    catalogue
        What item indices refer to.
    model
        When the model was made; None if there is none.
    """

    advice: Advice
    parts: list[dict[str, float]]
    catalogue: Catalogue
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything that an answer is made of; making it needs the engine no more."""

    model: str | None
    adviser: Adviser
    scores: Scores | None
    history: Histories
    situation: Situation
    wanted: Wanted

    def answer(self) -> Answered:
        """The answer.

        Raises
        ------
        UnknownAttributeError
            A filter names a column that the items do not have.
        """
        k, wish = self.wanted.k, self.wanted.wish
        advice = self.adviser.advise(self.scores, self.history, self.situation, k, wish)
        return Answered(
            advice=advice,
            parts=self._parts(advice),
            catalogue=self.adviser.catalogue,
            model=self.model,
        )

    def _parts(self, advice: Advice) -> list[dict[str, float]]:
        if self.scores is None:
            return []
        targets = np.array([place.item for place in advice.answer.ranked.items], dtype=np.int64)
        found = {name: values.tolist() for name, values in self.scores.of(targets).items()}
        return [{name: found[name][row] for name in found} for row in range(len(targets))]


class Engine:
    """Everything that the service knows in memory.

    Parameters
    ----------
    histories
        Of all users, live events included.
    reactions
        All reactions so far.
    adviser
        Of the same data.
    model
        None: everything is answered by fallbacks.
    clock
        Seconds since 1970.
    """

    def __init__(
        self,
        histories: Histories,
        reactions: Sequence[Reaction],
        adviser: Adviser,
        model: ServedModel | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.adviser, self.model, self._clock = adviser, model, clock
        self.users = Users(histories)
        self._reactions: dict[str, list[tuple[int, int, float]]] = {}
        self.react(reactions)

    def prepare(self, wanted: Sequence[Wanted]) -> list[Prepared]:
        """Score several requests together."""
        histories = [self.users.history(one.user) for one in wanted]
        scored = self._scored(histories)
        return [
            Prepared(
                model=None if self.model is None else self.model.manifest.created,
                adviser=self.adviser,
                scores=scores,
                history=history,
                situation=self._situation(one, history),
                wanted=one,
            )
            for one, history, scores in zip(wanted, histories, scored, strict=True)
        ]

    def similar(
        self, item_id: str, k: int, filters: Filters
    ) -> tuple[tuple[RankedItem, ...], bool]:
        """Items like one item, and whether its text says enough to tell.

        Raises
        ------
        UnknownItemError
        """
        item = self.adviser.facts.index.get(item_id)
        if item is None:
            raise UnknownItemError("the catalogue has no item with this id")
        ranked, told = self.adviser.similar(item, Situation(now=self._clock(), filters=filters), k)
        return ranked.items, told

    def profile(self, user: str, zone: str) -> Portrait:
        """What the platform's data say about a user; empty for somebody who is not known."""
        return self.adviser.portrait(self.users.history(user), zone)

    def interests(self, user: str) -> InterestsText:
        """Facts for a summary of a user's interests; none for somebody who is not known."""
        return interests_facts(self.profile(user, "UTC"), self.adviser.catalogue)

    def take_in(self, events: Sequence[LiveEvent]) -> int:
        """Advance users by events that are on the disk; how many were on items of the catalogue."""
        taken = 0
        for event in events:
            item = self.adviser.facts.index.get(event.item)
            if item is not None:
                self._take_in(
                    event.user, NewEvent(item, EVENT_TYPES.index(event.event), event.time)
                )
                taken += 1
        return taken

    def react(self, reactions: Sequence[Reaction]) -> None:
        """Let reactions that are on the disk count from the next list on."""
        for one in reactions:
            item = self.adviser.facts.index.get(one.item)
            if item is not None:
                row = (item, FEEDBACK_KINDS.index(one.kind), one.time)
                rows = self._reactions.setdefault(one.user, [])
                if row not in rows:  # told twice, while data were read again
                    rows.append(row)

    def forget(self, user: str) -> None:
        """Nothing in memory refers to the user any more."""
        self.users.forget(user)
        self._reactions.pop(user, None)
        self.adviser.writer.clear()
        if self.model is not None:
            self.model.forget(user)

    def _take_in(self, user: str, new: NewEvent) -> None:
        latest = self.users.append(user, new)
        self.adviser.popularity[new.item] += 1.0
        if self.model is None:
            return
        if latest:
            self.model.advance(self.users.history(user))
        else:
            self.model.forget(user)

    def _scored(self, histories: Sequence[Histories]) -> list[Scores | None]:
        """Scores of those who have a history, in one go."""
        rows = [row for row, history in enumerate(histories) if len(history.items)]
        found: list[Scores | None] = [None] * len(histories)
        if self.model is not None and rows:
            scored = self.model.score(joined([histories[row] for row in rows]))
            for row, scores in zip(rows, scored, strict=True):
                found[row] = scores
        return found

    def _situation(self, wanted: Wanted, history: Histories) -> Situation:
        return self.adviser.situation(
            history,
            self._clock(),
            feedback=self._feedback(wanted.user),
            filters=wanted.filters,
            diversity=wanted.diversity,
        )

    def _feedback(self, user: str) -> Feedback:
        rows = self._reactions.get(user)
        if not rows:
            return Feedback()
        items, kinds, times = zip(*rows, strict=True)
        return Feedback(
            np.array(items, dtype=np.int64),
            np.array(kinds, dtype=np.int64),
            np.array(times, dtype=np.float64),
        )


def joined(histories: Sequence[Histories]) -> Histories:
    """Histories of one user each as one table."""
    lengths = [len(history.items) for history in histories]
    return Histories(
        users=tuple(history.users[0] for history in histories),
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        items=np.concatenate([history.items for history in histories]),
        events=np.concatenate([history.events for history in histories]),
        times=np.concatenate([history.times for history in histories]),
        ordinal=histories[0].ordinal,
    )
