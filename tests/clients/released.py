"""Releases for tests: models as a federation publishes them for the platform of `small_node`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.numpy import save

from clients.approvals import Approvals
from clients.articles import as_rows
from clients.content_file import ContentPart
from clients.evaluation.split import leave_one_out
from clients.home import NodeHome
from clients.item_space import catalogue_vectors
from clients.training.config import PersonalisationConfig
from clients.training.node_training import Released
from clients.training.personalise import personalise
from shared.files import write_json
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import ContentConfig, EncoderChoice
from shared.models.content_parameters import initial_content
from shared.models.encoders import EncodingCache, load_encoder
from shared.models.parameters import Float32s
from shared.plan import ContentTerms, TrainingPlan
from shared.release_card import make_card
from shared.released_counts import empty_counts
from tests.clients.small_node import CONFIG, catalogue_of
from tests.clients.training.worlds import cyclic_platform
from tests.plans import make_plan

ENCODER = load_encoder("hashed-words")
CONTENT = ContentConfig(item_dim=CONFIG.model.item_dim, latent_dim=4, hidden_dim=8)
ISSUED = "2026-01-02T03:04:05+00:00"


def released(*, content: bool = True) -> Released:
    """Models that nothing was trained into."""
    part = ContentPart(CONTENT, initial_content(CONTENT, 1)) if content else None
    return Released(name="0f" * 16, behaviour=initial_parameters(CONFIG.model, 7), content=part)


@cache
def learned() -> Float32s:
    """(P,) of an LSTM that learned the order of `cyclic_platform` from many users' texts."""
    with TemporaryDirectory() as folder:
        encoded = EncodingCache(ENCODER, Path(folder)).encode(catalogue_of().texts())
    vectors = torch.from_numpy(catalogue_vectors(encoded, (), CONFIG.model))
    split, start = leave_one_out(cyclic_platform(users=300)), initial_parameters(CONFIG.model, 0)
    settings = PersonalisationConfig(text_learning_rate=1e-2, residual_rate=0, max_steps=200)
    model = personalise(CONFIG.model, start, vectors, split.training, split.validation, settings)
    return model.parameters


def plan_of(*, content: bool = False) -> TrainingPlan:
    choice = EncoderChoice(name=ENCODER.name, fingerprint=ENCODER.fingerprint)
    terms = ContentTerms(model=CONTENT) if content else None
    return make_plan(model=CONFIG.model, encoder=choice, content=terms)


def put_release(
    home: NodeHome,
    plan: TrainingPlan,
    behaviour: Float32s | None = None,
    counts: Float32s | None = None,
    articles: Sequence[bytes] = (),
) -> Float32s:
    """A release on the node's disk, as accepting its card leaves it; its parameters (P,)."""
    counts = empty_counts(plan) if counts is None else counts
    model = plan.initial_model() + np.float32(0.01)
    if behaviour is not None:
        model[: len(behaviour)] = behaviour
    approvals = Approvals(home.approvals)
    approvals.approve(approvals.keep(plan))
    card = make_card(
        plan,
        model,
        round_number=3,
        smallest_cohort=3,
        issued=ISSUED,
        counts=counts,
    )
    folder = home.root / "releases"
    folder.mkdir(parents=True)
    kept = {"model": model, "counts": counts, "articles": as_rows(articles)}
    (folder / f"{plan.run_id}.safetensors").write_bytes(save(kept))
    (folder / f"{plan.run_id}.card.json").write_text(card.model_dump_json())
    write_json(folder / "states.json", {"format": 1, "releases": [[plan.run_id, ""]]})
    return model
