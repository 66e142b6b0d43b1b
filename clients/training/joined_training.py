"""Training from a federated release, with the answer to whether joining was worth it.

The node's own model is trained once. Its fusion is weighed twice on the same validation items:
alone, and with what the federation adds beside it: the released LSTM as it is, the content model,
and what the partners counted together. A part that does not help gets no weight. The gate compares
both fusions on the node's own hold-out; if the release makes the recommendations worse all the
same, the node serves what it has alone and the release is out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.approvals import Approvals
from clients.articles import Hashes
from clients.bundle import Bundle
from clients.content_file import ContentPart
from clients.data.dataset import Catalogue, Histories
from clients.data.features import Features
from clients.evaluation.split import leave_one_out
from clients.gate import GateDecision, gate
from clients.home import NodeHome
from clients.identity import public_bytes
from clients.releases import Release, ReleaseShelf
from clients.retrieval.index import INDEX_FROM
from clients.situation import OwnData, Situation, situation
from clients.training.config import TrainingConfig
from clients.training.node_training import NodeTraining, Released
from shared.errors import ServiceError
from shared.models.config import BehaviourConfig, ContentConfig, EncoderChoice
from shared.models.encoders import TextEncoder
from shared.models.parameters import Float32s
from shared.plan import TrainingPlan
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
        What is served from now on: with the release's parts, or made alone if that is better.
    release
        The release that was tried.
    decision
        The gate's figures: `new` has the release's parts, `served` was made alone.
    situation
        Which of the lab's scenarios the federation looks like from here; None at a node that is no
        partner of the release's plan.
    """

    path: Path
    bundle: Bundle
    release: Release
    decision: GateDecision
    situation: Situation | None


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
    hashes: Hashes | None = None,
) -> JoinedTraining:
    """Train alone, weigh the current release beside it, publish the better one.

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
    hashes
        Keyed hash of each item's public id, for releases with statistics of shared articles.

    Raises
    ------
    NoReleaseError, DamagedReleaseError, OtherArticlesError, NothingToLearnError, NoHoldOutError
    NoSuchFeatureError, OtherFeatureEncoderError
    """
    shelf = ReleaseShelf(home)
    release = shelf.current()
    if release is None:
        raise NoReleaseError("no release is in use", where=str(home.root))
    plan = Approvals(home.approvals).find(release.card.plan).plan
    shaped = config.model_copy(update=_shapes(plan))
    encoder = load_encoder(plan.encoder)
    training = NodeTraining(home, catalogue, histories, encoder, shaped, features, index_from)
    ours = training.bundle(report)
    counts = replace(shelf.statistics(release), hashes=hashes)
    released = replace(_released(release, plan, shelf.model(release)), counts=counts)
    theirs = training.bundle(report, released)
    new, served = training.on_hold_out(theirs), training.on_hold_out(ours)
    decision = gate(new, served, training.hold_out(), seed=config.seed)
    chosen = theirs if decision.accepted else ours
    path = training.publish(chosen, key)
    if not decision.accepted:
        shelf.put_out(release.name, f"gate: {decision.reason}")
    return JoinedTraining(
        path=path,
        bundle=chosen,
        release=release,
        decision=decision,
        situation=_situation(plan, key, histories, counts.shared),
    )


def _situation(
    plan: TrainingPlan, key: Ed25519PrivateKey, histories: Histories, shared: float | None
) -> Situation | None:
    partner = plan.partner(public_bytes(key))
    if partner is None:
        return None
    return situation(plan, partner, OwnData.of(leave_one_out(histories).training, shared))


def _shapes(plan: TrainingPlan) -> dict[str, BehaviourConfig | ContentConfig]:
    """Shapes of the node's own models: the plan's, so that both kinds can be compared."""
    if plan.content is None:
        return {"model": plan.model}
    return {"model": plan.model, "content_model": plan.content.model}


def _released(release: Release, plan: TrainingPlan, model: Float32s) -> Released:
    """The models that a release's parameters (P,) hold."""
    behaviour, rest = plan.split(model)
    content = None if plan.content is None else ContentPart(plan.content.model, rest)
    return Released(name=release.name, behaviour=behaviour, content=content)
