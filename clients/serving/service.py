"""A running service: what is durable, what is in memory, and one model after the other.

Four threads of one worker each. *Scoring* owns the engine: requests that wait are answered
together. *Writing* puts events and reactions on the disk; only then does the engine hear of them
and the caller get an answer, so that kill -9 loses nothing that was acknowledged. *Loading* reads
and checks the next model while the present one serves; whatever is wrong with it, the present one
stays. *Texting* waits for the language model, so that nobody else does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clients.advice import Adviser
from clients.bundle import load_bundle
from clients.bundle_shelf import BundleShelf
from clients.data.dataset import Catalogue, Histories
from clients.data.store import LiveEvent, NodeStore, Reaction
from clients.explaining.wording import Language
from clients.home import NodeHome
from clients.ranking.config import RankingConfig
from clients.serving.config import ServingConfig
from clients.serving.engine import Answered, Engine, Prepared, Wanted
from clients.serving.errors import OverloadedError
from clients.serving.model import ServedModel
from clients.text.writer import Sentence, TextWriter
from shared.errors import IsthmusError

P = ParamSpec("P")
R = TypeVar("R")
MISSED: Final = 100_000
"""News kept while data and model are read again; older ones were read from the store."""
PAUSE, LONGEST_PAUSE = 0.1, 0.002
"""Share of the time of the last portion, and seconds, for which the next one waits for company."""
THREADS: Final = ("scoring", "writing", "loading", "texting")
Waiting = tuple[Wanted, "asyncio.Future[Prepared | Answered]"]


class Service:
    """The service of one node.

    Parameters
    ----------
    home, store
        The node and its data.
    signer
        The node's public identity: only bundles that it signed are served.
    serving, ranking
        Configuration.
    writer
        Of texts.

    Raises
    ------
    NoSnapshotError
        Nothing was ingested yet.
    """

    def __init__(
        self,
        home: NodeHome,
        store: NodeStore,
        signer: Ed25519PublicKey,
        serving: ServingConfig,
        ranking: RankingConfig,
        writer: TextWriter,
    ) -> None:
        self.store, self.config = store, serving
        self._shelf, self._signer = BundleShelf(home.models), signer
        self._ranking, self._writer = ranking, writer
        self.problem: IsthmusError | None = None
        """Why the model on the shelf is not served, if so."""
        self._missed: list[Callable[[Engine], object]] = []
        self._waiting: list[Waiting] = []
        self._busy: asyncio.Task[None] | None = None
        self._took = 0.0
        self._threads = {name: ThreadPoolExecutor(1, thread_name_prefix=name) for name in THREADS}
        self.engine = self._started()

    async def recommend(self, wanted: Wanted) -> Answered:
        """Answer one request, together with others that wait.

        Raises
        ------
        OverloadedError
        UnknownAttributeError
        """
        if len(self._waiting) >= self.config.waiting:
            raise OverloadedError(f"{len(self._waiting)} requests are waiting")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Prepared | Answered] = loop.create_future()
        self._waiting.append((wanted, future))
        if self._busy is None or self._busy.done():
            self._busy = loop.create_task(self._work_off())
        found = await future
        return found if isinstance(found, Answered) else await self._on("texting", found.answer)

    async def with_engine(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a method of the engine on its own thread."""
        return await self._on("scoring", lambda: call(*args, **kwargs))

    async def summary(self, user: str, language: Language) -> AsyncIterator[Sentence]:
        """A user's interests in words, each sentence as soon as it is written and checked."""
        engine = self.engine
        facts = await self.with_engine(engine.interests, user)
        written = engine.adviser.writer.stream(facts, language)
        while (sentence := await self._on("texting", lambda: next(written, None))) is not None:
            yield sentence

    async def take_in(self, events: Sequence[LiveEvent]) -> int:
        """Keep events, then let the engine know; how many were on items of the catalogue.

        Raises
        ------
        LiveRowError, StateError
        """
        await self._on("writing", lambda: self.store.append_events(events))
        allowed = [e for e in events if not self.store.has_opted_out(e.user)]
        return await self._tell(lambda engine: engine.take_in(allowed))

    async def react(self, reactions: Sequence[Reaction]) -> None:
        """Keep reactions, then let the engine know.

        Raises
        ------
        LiveRowError, StateError
        """
        await self._on("writing", lambda: self.store.append_feedback(reactions))
        allowed = [r for r in reactions if not self.store.has_opted_out(r.user)]
        await self._tell(lambda engine: engine.react(allowed))

    async def forget(self, user: str, erase: Callable[[], R]) -> R:
        """Erase a user (pseudonym) from the disk by `erase`, then from memory."""
        found = await self._on("writing", erase)
        await self._tell(lambda engine: engine.forget(user))
        return found

    async def swap(self) -> str:
        """Read data and model again and serve them; the name of the bundle.

        What arrives while they are read is told to the new engine as well.

        Raises
        ------
        IsthmusError
            They cannot be served; the former ones go on.
        """
        self._missed.clear()
        name = self._shelf.current.name
        engine = await self._on("loading", self._loaded)
        await self._on("scoring", lambda: self._use(engine))
        self.problem = None
        return name

    def close(self) -> None:
        """Let running calls end."""
        for thread in self._threads.values():
            thread.shutdown(wait=True)

    async def _on(self, thread: str, call: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads[thread], call)

    async def _work_off(self) -> None:
        """Answer what waits, in portions, until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            # The catalogue is read once for all: those just arriving come along.
            await asyncio.sleep(min(PAUSE * self._took, LONGEST_PAUSE))
            began = loop.time()
            portion = self._waiting[: self.config.batch]
            del self._waiting[: self.config.batch]
            answers = await self._on("scoring", lambda p=portion: self._answers(p))  # type: ignore[misc]
            self._took = loop.time() - began
            for (_, future), answer in zip(portion, answers, strict=True):
                _settle(future, answer)

    def _answers(self, portion: Sequence[Waiting]) -> list[Prepared | Answered | Exception]:
        """On the thread of the engine: answers, or what went wrong with each."""
        try:
            prepared = self.engine.prepare([wanted for wanted, _ in portion])
        except Exception as error:
            return [error] * len(portion)
        return [_advised(one) for one in prepared]

    async def _tell(self, news: Callable[[Engine], R]) -> R:
        """Tell the engine, and the one that may be loading."""

        def told() -> R:
            self._missed.append(news)
            del self._missed[:-MISSED]
            return news(self.engine)

        return await self._on("scoring", told)

    def _use(self, engine: Engine) -> None:
        for news in self._missed:
            news(engine)
        self._missed.clear()
        self.engine = engine

    def _started(self) -> Engine:
        """An engine without a model where there is none that can be served."""
        catalogue, histories = self.store.load()
        try:
            return self._engine(catalogue, histories, self._model(catalogue))
        except IsthmusError as error:
            self.problem = error
        return self._engine(catalogue, histories, None)

    def _loaded(self) -> Engine:
        catalogue, histories = self.store.load()
        return self._engine(catalogue, histories, self._model(catalogue))

    def _model(self, catalogue: Catalogue) -> ServedModel:
        return ServedModel(load_bundle(self._shelf.current, self._signer, catalogue), self.config)

    def _engine(
        self, catalogue: Catalogue, histories: Histories, model: ServedModel | None
    ) -> Engine:
        none = np.zeros((len(catalogue), 1), dtype=np.float32)
        vectors = none if model is None else model.vectors
        columns = dict(self.store.item_columns())
        adviser = Adviser(catalogue, histories, vectors, self._ranking, self._writer, columns)
        return Engine(histories, self.store.feedback(), adviser, model)


def _advised(prepared: Prepared) -> Prepared | Answered | Exception:
    """The answer, unless it has to wait for a language model."""
    if prepared.wanted.wish.text is not None:
        return prepared
    try:
        return prepared.answer()
    except Exception as error:
        return error


def _settle(
    future: asyncio.Future[Prepared | Answered], answer: Prepared | Answered | Exception
) -> None:
    if future.done():  # the caller has gone
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
