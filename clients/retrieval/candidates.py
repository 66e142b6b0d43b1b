"""Scores for a catalogue too large to be scored: candidates first, then the fusion of these alone.

Candidates of a user are the items that the index finds for the query of each LSTM and of content
models, those for which other parts have most evidence together, and the most popular ones. The
summands are what the fusion of the whole catalogue would give, but for one constant a user and
model: the probabilities of models are normalised over the candidates. Of a model that weighs warm
and cold items differently, a sample of the rest is normalised over as well: the constant is then
close to that of the whole catalogue, and both kinds stay comparable. The index holds the item
vectors of the node's own model; other models find what is near in these and are then exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from clients.advice import Scores
from clients.data.dataset import Histories, Int64s
from clients.recommenders.base import Float32s
from clients.recommenders.distributions import log_sum_exp
from clients.recommenders.fusion import Fusion
from clients.recommenders.local_parts import MODEL_PART
from clients.recommenders.lookup import Lookup, Querying, Retrieving, distinct, summed
from clients.retrieval.errors import UnusableIndexError
from clients.retrieval.index import VectorIndex
from clients.serving.config import ServingConfig
from clients.serving.states import ServedBehaviour

POPULAR: Final = 1000
"""Most popular items that are candidates for everybody."""
SAMPLE: Final = 512
"""Items drawn at random, the same for everybody, that stand for all that are no candidates."""
PORTION: Final = 1 << 14
"""Item vectors gathered at a time."""


class IndexedScoring:
    """Scores the candidates of users; used from one thread.

    Parameters
    ----------
    fusion
        Its parts can all be asked about some items.
    behaviour
        The node's own behaviour model, by which candidates are found where no model has a weight.
    index
        Over its item vectors.
    config
        How much is looked at.

    Raises
    ------
    UnusableIndexError
        A part of the fusion cannot be asked about some items.
    """

    def __init__(
        self, fusion: Fusion, behaviour: ServedBehaviour, index: VectorIndex, config: ServingConfig
    ) -> None:
        self._fusion, self._index, self._config = fusion, index, config
        self._parts: dict[str, Retrieving] = {}
        self._models: dict[str, Querying] = {}
        for name, (part, _) in fusion.parts.items():
            if isinstance(part.scorer, Querying):
                self._models[name] = part.scorer
            elif isinstance(part.scorer, Retrieving):
                self._parts[name] = part.scorer
            else:
                raise UnusableIndexError(f"{name} cannot be asked about some items")
        self._finding = self._models or {MODEL_PART: behaviour}
        self._popular = self._most_popular()
        self._apart = frozenset(n for n in self._models if fusion.parts[n][1].differ)
        self._sample = _sample(len(index)) if self._apart else _NOTHING

    def score(self, histories: Histories) -> list[Scores]:
        """Candidates for each of B users, none of whom has an empty history."""
        queries = {name: model.queries(histories) for name, model in self._finding.items()}
        most, probes = self._config.candidates, self._config.index_probes
        found = [self._index.search(rows, most, probes) for rows in queries.values()]
        return [
            self._of_one(
                histories.take([row]),
                {name: rows[row] for name, rows in queries.items()},
                np.concatenate(near),
            )
            for row, near in enumerate(zip(*found, strict=True))
        ]

    def _of_one(self, history: Histories, queries: Mapping[str, Float32s], near: Int64s) -> Scores:
        lookups = {name: part.lookup(history) for name, part in self._parts.items()}
        spoken_for = self._strongest(lookups)
        items = distinct(np.concatenate([near, spoken_for, self._popular]))
        models = {name: (model, queries[name]) for name, model in self._models.items()}
        user = _User(self._fusion, len(self._index), lookups, models)
        logits = {name: model.logits_of(query, items) for name, (model, query) in models.items()}
        rest = np.setdiff1d(self._sample, items, assume_unique=True)
        user.constants = {
            name: self._normaliser(
                logits[name], model.logits_of(query, rest) if name in self._apart else _NO_VALUES
            )
            for name, (model, query) in models.items()
        }
        return Scores(items, self._fusion.parts, user.summands(items, logits), user.summands)

    def _normaliser(self, found: Float32s, rest: Float32s) -> float:
        """Logarithm of the sum over the candidates; with some others, about the catalogue's."""
        known, others = float(log_sum_exp(found[None])[0]), len(self._index) - len(found)
        if not len(rest):
            return known
        stand_for = np.log(others / len(rest))
        return float(np.logaddexp(known, log_sum_exp(rest[None])[0] + stand_for))

    def _strongest(self, lookups: Mapping[str, Lookup]) -> Int64s:
        """The items for which the parts that read the history have most evidence together."""
        most = self._config.candidates
        rows, silent = [(_NOTHING, _NO_VALUES)], []
        for name, lookup in lookups.items():
            own, values = lookup.strongest()
            if len(own):
                rows.append((own, self._gained(name, lookup, own, values)))
            else:
                silent.append(name)
        items, gains = summed(*(np.concatenate(column) for column in zip(*rows, strict=True)))
        if len(items) <= most:
            return items
        for name in silent:  # popularity: the same for all, but it tips the balance
            lookup = lookups[name]
            gains += self._gained(name, lookup, items, lookup.at(items))
        return items[np.argpartition(-gains, most)[:most]]

    def _gained(self, name: str, lookup: Lookup, items: Int64s, values: Float32s) -> Float32s:
        """By how much a part's scores of `items` raise their sums, above no evidence at all."""
        part, weight = self._fusion.parts[name]
        return weight.at(items) * part.gained(values, lookup.total, len(self._index))

    def _most_popular(self) -> Int64s:
        """The items that those parts like best that read nothing of a history."""
        nobody = _nobody()
        everything = np.arange(len(self._index))
        scores = np.zeros(len(self._index))
        for name, scorer in self._parts.items():
            part, weight = self._fusion.parts[name]
            if part.kind != "offset":  # what holds of half a catalogue finds nothing in it
                scores += weight.at(everything) * scorer.lookup(nobody).at(everything)
        most = min(POPULAR, len(scores))
        return np.sort(np.argpartition(-scores, most - 1)[:most])


@dataclass(slots=True)
class _User:
    """One user's part of the fusion, for any items."""

    fusion: Fusion
    n_items: int
    lookups: Mapping[str, Lookup]
    models: Mapping[str, tuple[Querying, Float32s]]
    constants: Mapping[str, float] = field(default_factory=dict)

    def summands(
        self, items: Int64s, logits: Mapping[str, Float32s] | None = None
    ) -> dict[str, Float32s]:
        """Part → (K,) summand of each item's score."""
        found: dict[str, Float32s] = {}
        for name, (part, weight) in self.fusion.parts.items():
            if name in self.lookups:
                lookup = self.lookups[name]
                logs = part.logs_of(lookup.at(items), lookup.total, self.n_items)
            else:
                found_logits = self._logits(name, items) if logits is None else logits[name]
                logs = found_logits - np.float64(self.constants[name])
            found[name] = (weight.at(items) * logs).astype(np.float32)
        return found

    def _logits(self, name: str, items: Int64s) -> Float32s:
        model, query = self.models[name]
        starts = range(0, len(items), PORTION)
        rows: Sequence[Float32s] = [
            model.logits_of(query, items[start : start + PORTION]) for start in starts
        ]
        return np.concatenate([*rows, np.empty(0, dtype=np.float32)])


def _sample(size: int) -> Int64s:
    drawn = np.random.default_rng(0).choice(size, min(SAMPLE, size), replace=False)
    return np.sort(drawn).astype(np.int64)


def _nobody() -> Histories:
    return Histories(
        users=("",),
        offsets=np.zeros(2, dtype=np.int64),
        items=np.empty(0, dtype=np.int32),
        events=np.empty(0, dtype=np.int8),
        times=np.empty(0, dtype=np.float64),
    )


_NOTHING, _NO_VALUES = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
