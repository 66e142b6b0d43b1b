"""The writer: model, gate and template behind one call that always returns a sentence."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from clients.explaining.wording import Language
from clients.text.config import TextConfig
from clients.text.endpoint import EndpointModel
from clients.text.errors import TextFailedError, TextTooLateError
from clients.text.facts import Facts, cleaned, fingerprint
from clients.text.gate import Refusal, refusal
from clients.text.model import Assignment, TextModel
from clients.text.slots import sentences, template

Reason = Literal["", "no model", "language", "late", "failed"] | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence and who wrote it.

    Attributes
    ----------
    text
        What is shown.
    source
        ``"model"`` or ``"template"``.
    reason
        Why the template was used; empty for the model's own sentence.
    """

    text: str
    source: Literal["model", "template"]
    reason: Reason = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A whole text.

    Attributes
    ----------
    sentences
        In order.
    model
        The configured model, empty if there is none.
    cached
        It was written earlier.
    """

    sentences: tuple[Sentence, ...]
    language: Language
    model: str
    cached: bool

    @property
    def text(self) -> str:
        """All sentences."""
        return ("" if self.language == "zh" else " ").join(one.text for one in self.sentences)

    @property
    def source(self) -> Literal["model", "template", "mixed"]:
        """Who wrote it."""
        sources = {one.source for one in self.sentences}
        return sources.pop() if len(sources) == 1 else "mixed" if sources else "template"


class TextWriter:
    """Writes texts within their time; safe to call from several threads.

    Parameters
    ----------
    model
        None: templates only.
    seconds
        Longest time for one text.
    cached
        Texts kept in memory, the least recently used go first.
    """

    def __init__(
        self, model: TextModel | None, *, seconds: float = 4.0, cached: int = 2000
    ) -> None:
        self._model, self._seconds, self._size = model, seconds, cached
        self._cache: OrderedDict[bytes, tuple[Sentence, ...]] = OrderedDict()
        self._lock = threading.Lock()
        self.counts: Counter[tuple[str, str]] = Counter()
        """(source, reason) → sentences written so far, for metrics."""

    def deadline(self) -> float:
        """When a text that is asked for now must be written (`time.monotonic`)."""
        return time.monotonic() + self._seconds

    def write(
        self, facts: Facts, language: Language = "en", deadline: float | None = None
    ) -> Written:
        """Write a whole text, until `deadline` where several texts share their time."""
        facts = cleaned(facts, language)
        key = fingerprint(facts, language, self._name)
        found = self._kept(key)
        written = found
        if written is None:
            until = self.deadline() if deadline is None else deadline
            written = tuple(self._write(facts, language, key, until))
        return Written(
            sentences=written, language=language, model=self._name, cached=found is not None
        )

    def stream(self, facts: Facts, language: Language = "en") -> Iterator[Sentence]:
        """Sentence by sentence, each as soon as it has passed the gate."""
        facts = cleaned(facts, language)
        key = fingerprint(facts, language, self._name)
        found = self._kept(key)
        if found is None:
            yield from self._write(facts, language, key, self.deadline())
        else:
            yield from found

    def clear(self) -> None:
        """Forget every text: a user was erased, or the catalogue changed."""
        with self._lock:
            self._cache.clear()

    @property
    def _name(self) -> str:
        return self._model.name if self._model else ""

    def _write(
        self, facts: Facts, language: Language, key: bytes, deadline: float
    ) -> Iterator[Sentence]:
        done = []
        for place, slots in enumerate(sentences(facts, language)):
            assignment = Assignment(facts=facts, place=place, slots=slots, language=language)
            sentence = self._sentence(assignment, deadline)
            self.counts[sentence.source, sentence.reason] += 1
            done.append(sentence)
            yield sentence
        if all(one.reason not in ("late", "failed") for one in done):  # those may go better later
            self._keep(key, tuple(done))

    def _sentence(self, assignment: Assignment, deadline: float) -> Sentence:
        reason: Reason = "no model"
        if self._model is not None:
            text, reason = self._asked(self._model, assignment, deadline)
            if not reason:
                return Sentence(text=text, source="model")
        return Sentence(text=template(assignment.slots), source="template", reason=reason)

    def _asked(
        self, model: TextModel, assignment: Assignment, deadline: float
    ) -> tuple[str, Reason]:
        """The model's sentence, or why there is none."""
        left = deadline - time.monotonic()
        if assignment.language not in model.languages:
            return "", "language"
        if left <= 0:
            return "", "late"
        try:
            text = model.sentence(assignment, left)
        except TextTooLateError:
            return "", "late"
        except TextFailedError:
            return "", "failed"
        return text, refusal(text, assignment.facts, assignment.language) or ""

    def _kept(self, key: bytes) -> tuple[Sentence, ...] | None:
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
            return self._cache.get(key)

    def _keep(self, key: bytes, written: tuple[Sentence, ...]) -> None:
        with self._lock:
            self._cache[key] = written
            while len(self._cache) > self._size:
                self._cache.popitem(last=False)


def make_writer(config: TextConfig) -> TextWriter:
    """The writer that node.toml asks for.

    Raises
    ------
    TextModelMissingError, TextModelHashError
        A local model cannot be used.
    EndpointNotAllowedError
        Prompts may not go to the endpoint.
    """
    return TextWriter(_model(config), seconds=config.seconds, cached=config.cached)


def _model(config: TextConfig) -> TextModel | None:
    if config.backend == "local":
        from clients.text.local import LocalModel

        return LocalModel(config.local)
    return EndpointModel(config.endpoint) if config.backend == "endpoint" else None
