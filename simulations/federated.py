"""Federated training in the lab: real nodes, a real coordinator, one machine."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Message

from clients.app import make_app
from clients.counted_places import carried_share
from clients.home import NodeHome
from clients.identity import create_identity, load_identity, public_bytes
from clients.node_data import TrainingData
from clients.policy import NodePolicy, write_policy
from clients.recommenders.pooled import PooledCounts
from clients.rounds import Node, NodeRounds
from clients.situation import OwnData, situation
from server.app import PLAN, ReportFile, load_plan, store_plan
from server.articles import store_articles
from server.checkpoint import Checkpoints
from server.coordinator import Coordinator, RunSettings
from shared.errors import LabError
from shared.models.config import BehaviourConfig, EncoderChoice
from shared.models.parameters import Float32s
from shared.plan import Aggregation, ContentTerms, LocalSteps, Partner, PrivacyTerms, TrainingPlan
from shared.privacy.accounting import Cost, epsilon, trusting_nobody
from shared.progress import Step
from shared.released_counts import releases_of
from shared.start import session_policy
from shared.statistics import StatisticsTerms
from simulations.counting import Counting
from simulations.grid import LocalGrid
from simulations.lab_device import lab_compute
from simulations.ray_engine import run_on_ray

MESSAGES_A_ROUND = 5
"""Messages to each node: start, share, mask, survivors, unmask."""


class TooFewPlatformsError(LabError):
    """A federation of one platform."""

    code = "LAB-041"
    default_remedy = "use a data set with at least two platforms"


class UnfinishedFederationError(LabError):
    """The federated run ended before its last round."""

    code = "LAB-042"


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedTask:
    """What a federated run does.

    Attributes
    ----------
    names
        Platforms, in the order of their data.
    encoder, model, local, aggregation
        Sections of the plan.
    rounds
        Rounds in all.
    privacy
        None trains without privacy (secure aggregation stays on).
    seed
        Public seed of the first global model.
    statistics
        What is counted of shared articles before the first round; None counts nothing.
    content
        The content model trained in the same rounds; None trains the behaviour model alone.
    """

    names: tuple[str, ...]
    encoder: EncoderChoice
    model: BehaviourConfig
    local: LocalSteps
    aggregation: Aggregation
    rounds: int
    privacy: PrivacyTerms | None
    seed: int
    statistics: StatisticsTerms | None = None
    content: ContentTerms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedResult:
    """What came out of a federated run.

    Attributes
    ----------
    released
        (P,) the behaviour model that nodes serve.
    content
        The content model of the same rounds; empty where the plan has none.
    curve
        Round number and released behaviour model after it, round 0 included.
    epsilon
        By platform: epsilon after each round, from the node's own ledger; empty without privacy.
    alone
        By platform whose noise others complete: epsilon of its own part, trusting nobody.
    trusts
        Platforms of every sum that `epsilon` trusts to have added their part; 0 trusts nobody.
    delta
        By platform.
    reports
        The coordinator's reports, one for each attempt.
    statistics
        By platform, what its node learned from the statistics; empty where there were none.
    situations
        By platform, which scenario the federation looks like to its node.
    """

    released: Float32s
    content: Float32s
    curve: list[tuple[int, Float32s]]
    epsilon: dict[str, list[float]]
    alone: dict[str, float]
    trusts: int
    delta: dict[str, float]
    reports: list[dict[str, Any]]
    statistics: dict[str, PooledCounts]
    situations: dict[str, str]


class FederatedLab:
    """One federated run below one directory; continues where an interrupted one stopped.

    Parameters
    ----------
    directory
        Keys, ledgers and checkpoints of all parties.
    task
        What is trained.
    data
        Training part of each platform, in the order of ``task.names``.
    public_ids
        Public id of each item of each platform; needed where the task counts shared articles.
    """

    def __init__(
        self,
        directory: Path,
        task: FederatedTask,
        data: Sequence[TrainingData],
        public_ids: Sequence[Sequence[str]] = (),
    ) -> None:
        if len(data) < 2:
            raise TooFewPlatformsError(f"{len(data)} platform")
        self._coordinator, self._nodes = directory / "coordinator", directory / "nodes"
        self._task = task
        self._counting = self._counts_of(directory, data, public_ids)
        self._data = self._counting.data if self._counting else list(data)
        self._keys = [self._identity(index) for index in range(len(data))]
        self._plan, self._signature = self._signed_plan()

    def _counts_of(
        self,
        directory: Path,
        data: Sequence[TrainingData],
        public_ids: Sequence[Sequence[str]],
    ) -> Counting | None:
        terms = self._task.statistics
        if terms is None or self._task.privacy is None:
            return None
        colluders = self._task.aggregation.colluders_among(len(data))
        return Counting(directory, terms, data, public_ids, colluders)

    @property
    def plan(self) -> TrainingPlan:
        """The signed plan."""
        return self._plan

    def run(self, engine: Literal["grid", "ray"], step: Step) -> FederatedResult:
        """Run the rounds that are left.

        Raises
        ------
        UnfinishedFederationError, RunFailedError, RayEngineError
        """
        self._write_policies()
        if engine == "grid":
            self._run_on_grid(step)
        else:
            self._write_nodes()
            run_on_ray(self._coordinator, self._nodes, len(self._data))
        return self._result()

    def _run_on_grid(self, step: Step) -> None:
        nodes = [NodeRounds(self._node(index)) for index in range(len(self._data))]
        steps = self._task.rounds + len(releases_of(self._plan))
        total = steps * len(nodes) * MESSAGES_A_ROUND
        done = 0

        def watch(_node: int, message: Message) -> Message:
            nonlocal done
            done += 1
            step(min(done, total), total, f"round {message.metadata.group_id.split('.')[0]}")
            return message

        app = make_app(lambda context: nodes[context.node_id - 1])
        grid = LocalGrid(app, {i + 1: {} for i in range(len(nodes))}, fault=watch)
        settings = RunSettings(directory=self._coordinator, identity=self._identity_file)
        observe = ReportFile(self._coordinator)
        Coordinator(self._plan, self._signature, settings, observe=observe).run(grid)

    def _result(self) -> FederatedResult:
        key = load_identity(self._identity_file)
        checkpoints = Checkpoints(self._coordinator / "checkpoints", self._plan.digest(), key)
        rounds = checkpoints.rounds()
        if not rounds or rounds[-1] < self._plan.rounds:
            problem = f"{rounds[-1] if rounds else 0} of {self._plan.rounds} rounds are done"
            raise UnfinishedFederationError(problem, where=str(self._coordinator))
        policy, statistics = session_policy(self._plan), self._pooled(checkpoints)
        trained = [number for number in rounds if number >= 0]
        released = [(r, checkpoints.load(r).released(self._plan)) for r in trained]
        curve = [(r, self._plan.split(model)[0]) for r, model in released]
        return FederatedResult(
            released=curve[-1][1],
            content=self._plan.split(released[-1][1])[1],
            curve=curve,
            epsilon={p.name: self._epsilons(i) for i, p in enumerate(self._plan.partners)},
            alone={p.name: self._alone(i) for i, p in enumerate(self._plan.partners)}
            if self._plan.distributed
            else {},
            trusts=policy.survivor_floor - policy.colluders if self._plan.distributed else 0,
            delta=self._deltas(),
            reports=ReportFile(self._coordinator).read(),
            statistics=statistics,
            situations={partner.name: self._situation(partner) for partner in self._plan.partners},
        )

    def _pooled(self, checkpoints: Checkpoints) -> dict[str, PooledCounts]:
        """By platform, what its node makes of the released statistics."""
        if self._counting is None:
            return {}
        counts = checkpoints.load(self._plan.rounds).counts
        found = {
            partner.name: PooledCounts.of(self._plan, counts, self._counting.places(index))
            for index, partner in enumerate(self._plan.partners)
        }
        return {name: pooled for name, pooled in found.items() if pooled is not None}

    def _situation(self, partner: Partner) -> str:
        data, counting = self._data[partner.id - 1], self._counting
        articles = () if counting is None else counting.articles
        shared = carried_share(self._plan.statistics, articles, data.hashes)
        return situation(self._plan, partner, OwnData.of(data.histories, shared)).sentence()

    def _epsilons(self, index: int) -> list[float]:
        """Epsilon after each round, from the node's ledger; statistics count into the first."""
        if self._plan.privacy is None:
            return []
        delta = self._deltas()[self._plan.partners[index].name]
        history: list[Cost] = []
        spent = []
        for spend in self._node(index).ledger().spends():
            history.extend(spend.mechanisms)
            if spend.release.round > 0:
                spent.append(epsilon(history, delta))
        return spent

    def _alone(self, index: int) -> float:
        """Epsilon of everything in the node's ledger, of its own noise alone."""
        delta = self._deltas()[self._plan.partners[index].name]
        return epsilon(trusting_nobody(self._node(index).ledger().history()), delta)

    def _deltas(self) -> dict[str, float]:
        terms = self._plan.privacy
        if terms is None:
            return {}
        return {p.name: terms.delta(p.declared_users) for p in self._plan.partners}

    def _home(self, index: int) -> NodeHome:
        return NodeHome(self._nodes / str(index))

    def _identity(self, index: int) -> Ed25519PrivateKey:
        path = self._home(index).identity
        return load_identity(path) if path.exists() else create_identity(path)

    def _signed_plan(self) -> tuple[TrainingPlan, bytes]:
        if (self._coordinator / PLAN).exists():
            return load_plan(self._coordinator)
        key = create_identity(self._identity_file)
        plan = self._make_plan()
        signature = plan.sign(key)
        if self._counting:
            store_articles(self._coordinator, self._counting.articles)
        store_plan(self._coordinator, plan, signature)
        return plan, signature

    @property
    def _identity_file(self) -> Path:
        return self._coordinator / "identity.pem"

    def _make_plan(self) -> TrainingPlan:
        task = self._task
        partners = tuple(
            Partner(
                id=index + 1,
                name=name,
                identity=public_bytes(key).hex(),
                declared_users=declared_users(len(data.histories)),
            )
            for index, (name, key, data) in enumerate(
                zip(task.names, self._keys, self._data, strict=True)
            )
        )
        return TrainingPlan(
            run_id=secrets.token_hex(16),
            purpose="research on one machine",
            rounds=task.rounds,
            partners=partners,
            encoder=task.encoder,
            model=task.model,
            content=task.content,
            initial_seed=task.seed,
            local=task.local,
            aggregation=task.aggregation,
            privacy=task.privacy,
            statistics=self._counting.terms if self._counting else None,
        )

    def _policy(self, index: int) -> NodePolicy:
        """The policy of a node that agrees with this plan and with nothing beyond it."""
        plan, terms = self._plan, self._plan.privacy
        coordinator = load_identity(self._coordinator / "identity.pem")
        return NodePolicy(
            coordinator=public_bytes(coordinator).hex(),
            partners={p.name: p.identity for p in plan.partners},
            min_cohort=min(3, len(plan.partners)),
            max_epsilon=terms.epsilon if terms else 1.0,
            lifetime_epsilon=terms.epsilon if terms else 1.0,
            max_bands=terms.bands if terms else 1,
            max_rounds=plan.rounds,
            max_update_range=plan.aggregation.update_range,
            encoders=(plan.encoder.name,),
            modalities=tuple(m.name for m in plan.model.modalities),
            max_declared_users=plan.partners[index].declared_users,
            allow_distributed_noise=plan.distributed,
            approval="by-policy",
            allow_statistics=plan.statistics is not None,
            allow_unprotected=terms is None,
        )

    def _node(self, index: int) -> Node:
        return Node(
            home=self._home(index),
            identity=self._keys[index],
            policy=self._policy(index),
            data=self._data[index],
            compute=lab_compute(),
        )

    def _write_nodes(self) -> None:
        for index, data in enumerate(self._data):
            data.save(self._home(index).training)

    def _write_policies(self) -> None:
        for index in range(len(self._data)):
            write_policy(self._home(index), self._policy(index))


def declared_users(users: int) -> int:
    """The public lower bound that a platform of the lab declares: the power of two below."""
    return 1 << max(users, 2).bit_length() - 1
