"""Where the time of one federated round goes: training, secure aggregation, everything else."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

from benchmarks.report import Row
from clients.node_data import TrainingData
from clients.rounds import NodeRounds
from shared.models.config import BehaviourConfig, EncoderChoice
from shared.plan import Aggregation, LocalSteps, PrivacyTerms
from shared.wire import START, Parcel
from simulations.federated import FederatedLab, FederatedTask
from simulations.platforms import LabPlatform, names


def row(
    platforms: Sequence[LabPlatform],
    encoder: EncoderChoice,
    model: BehaviourConfig,
    local: LocalSteps,
    directory: Path,
) -> Row:
    """Wall seconds of one private round of all nodes in this process, one after the other.

    Training is a node's answer to the start message (its advert is in it, a millisecond), masking
    its answers to all later ones; the rest is the coordinator, copying and disk.
    """
    spent = {"training": 0.0, "masking": 0.0}
    whole = time.perf_counter()
    with patch.object(NodeRounds, "answer", _timed(NodeRounds.answer, spent)):
        lab = FederatedLab(directory, _task(platforms, encoder, model, local), _data(platforms))
        began = time.perf_counter()
        lab.run("grid", lambda *_: None)
    seconds = time.perf_counter() - began
    shares = {f"{name} share": value / seconds for name, value in spent.items()}
    return {
        "what": "one federated round",
        "platforms": len(platforms),
        "users": sum(len(p.split.training) for p in platforms),
        "seconds": seconds,
        "set-up seconds": began - whole,
        **shares,
        "other share": 1 - sum(shares.values()),
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _timed(
    answer: Callable[[NodeRounds, str, Parcel], Parcel], spent: dict[str, float]
) -> Callable[[NodeRounds, str, Parcel], Parcel]:
    def timed(self: NodeRounds, stage: str, parcel: Parcel) -> Parcel:
        began = time.perf_counter()
        try:
            return answer(self, stage, parcel)
        finally:
            name = "training" if stage == START else "masking"
            spent[name] += time.perf_counter() - began

    return timed


def _task(
    platforms: Sequence[LabPlatform],
    encoder: EncoderChoice,
    model: BehaviourConfig,
    local: LocalSteps,
) -> FederatedTask:
    return FederatedTask(
        names=names(platforms),
        encoder=encoder,
        model=model,
        local=local,
        aggregation=Aggregation(),
        rounds=1,
        privacy=PrivacyTerms(epsilon=8.0),
        seed=0,
    )


def _data(platforms: Sequence[LabPlatform]) -> list[TrainingData]:
    return [platform.training_data() for platform in platforms]
