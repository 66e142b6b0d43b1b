"""Training from a federated release, with the answer to whether joining was worth it.

The same training runs twice on the same data, once from the release and once from the public first
weights, which is what the node could do alone. The gate compares both on the node's own hold-out.
If the release makes the recommendations worse, the node serves what it made alone and the release
is out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.approvals import Approvals
from clients.bundle import Bundle
from clients.content_file import ContentPart
from clients.data.dataset import Catalogue, Histories
from clients.data.features import Features
from clients.gate import GateDecision, gate
from clients.home import NodeHome
from clients.releases import Release, ReleaseShelf
from clients.retrieval.index import INDEX_FROM
from clients.training.config import TrainingConfig
from clients.training.node_training import NodeTraining, Start
from shared.errors import ServiceError
from shared.models.config import EncoderChoice
from shared.models.encoders import TextEncoder
from shared.progress import Reporter

LoadEncoder = Callable[[EncoderChoice], TextEncoder]


class NoReleaseError(ServiceError):
    """No global model is in use at this node."""

    code = "SRV-124"
    default_remedy = "isthmus-node train --local, or isthmus-node releases accept FILE first"


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedTraining:
    """What came of it.

    Attributes
    ----------
    path, bundle
        What is served from now on: from the release, or made alone if that is better.
    release
        The release that was tried.
    decision
        The gate's figures: `new` started from the release, `served` was made alone.
    """

    path: Path
    bundle: Bundle
    release: Release
    decision: GateDecision


def train_from_release(
    home: NodeHome,
    catalogue: Catalogue,
    histories: Histories,
    config: TrainingConfig,
    key: Ed25519PrivateKey,
    load_encoder: LoadEncoder,
    report: Reporter,
    features: Sequence[Features] = (),
    index_from: int = INDEX_FROM,
) -> JoinedTraining:
    """Train from the current release and alone, publish the better one.

    Parameters
    ----------
    config
        The node's training; shape of the model and encoder come from the release's plan.
    load_encoder
        Loads the plan's encoder, its weights checked.
    features
        Feature columns, for plans that name modalities.
    index_from
        See `NodeTraining`.

    Raises
    ------
    NoReleaseError, DamagedReleaseError, NothingToLearnError, NoHoldOutError
    NoSuchFeatureError, OtherFeatureEncoderError
    """
    shelf = ReleaseShelf(home)
    release = shelf.current()
    if release is None:
        raise NoReleaseError("no release is in use", where=str(home.root))
    plan = Approvals(home.approvals).find(release.card.plan).plan
    behaviour, content = plan.split(shelf.model(release))
    shaped = config.model_copy(update={"model": plan.model})
    common = (home, catalogue, histories, load_encoder(plan.encoder), shaped)
    start = Start(name=release.name, parameters=behaviour)
    joined = NodeTraining(*common, start, features)
    alone = NodeTraining(*common, features=features, index_from=index_from)
    ours, theirs = alone.bundle(report), joined.bundle(report)
    new, served = joined.on_hold_out(theirs), alone.on_hold_out(ours)
    decision = gate(new, served, joined.hold_out(), seed=config.seed)
    chosen = theirs if decision.accepted else ours
    if decision.accepted and plan.content is not None:
        chosen = replace(chosen, content=ContentPart(plan.content.model, content))
    path = alone.publish(chosen, key)
    if not decision.accepted:
        shelf.put_out(release.name, f"gate: {decision.reason}")
    return JoinedTraining(path=path, bundle=chosen, release=release, decision=decision)
