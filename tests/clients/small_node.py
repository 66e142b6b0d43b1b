"""A platform of thirty items on which a whole model is trained in a second."""

from __future__ import annotations

import io
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from clients.bundle import Bundle
from clients.data.dataset import Catalogue, Histories
from clients.home import NodeHome
from clients.identity import create_identity, load_identity
from clients.training.config import PersonalisationConfig, TrainingConfig
from clients.training.node_training import NodeTraining
from shared.models.config import BehaviourConfig
from shared.models.encoders import load_encoder
from shared.progress import LogReporter, Reporter
from tests.clients.training.worlds import cyclic_platform

ITEMS = 30
KINDS = ("tea", "coffee", "cup")
CONFIG = TrainingConfig(
    model=BehaviourConfig(item_dim=16, adapter_dim=8, input_dim=8, hidden_dim=8, history_length=6),
    personalisation=PersonalisationConfig(max_steps=6, check_every=3, batch_users=32),
    own_content=True,
)


def catalogue_of(items: int = ITEMS) -> Catalogue:
    return Catalogue(
        item_ids=tuple(f"i{n}" for n in range(items)),
        titles=tuple(f"{KINDS[n % 3]} number {n}" for n in range(items)),
        categories=tuple(KINDS[n % 3] for n in range(items)),
        descriptions=tuple(f"a {KINDS[n % 3]} for every day" for n in range(items)),
    )


def quiet() -> Reporter:
    return LogReporter(Console(file=io.StringIO()))


def node_training(
    home: NodeHome, histories: Histories | None = None, catalogue: Catalogue | None = None
) -> NodeTraining:
    return NodeTraining(
        home,
        catalogue or catalogue_of(),
        cyclic_platform() if histories is None else histories,
        load_encoder("hashed-words"),
        CONFIG,
    )


def identity_of(home: NodeHome) -> Ed25519PrivateKey:
    return (
        load_identity(home.identity) if home.identity.exists() else create_identity(home.identity)
    )


def trained(home: NodeHome) -> tuple[Path, Bundle]:
    return node_training(home).run(identity_of(home), quiet())
