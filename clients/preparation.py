"""From the node's store to what it trains on: histories without ids, and item vectors.

Made anew when the store has changed, at the latest before each round: whoever opted out before a
round begins is in no batch from that round on. A plan fixes the encoder and the item space, so the
vectors are made anew as well when another plan begins.
"""

from __future__ import annotations

from clients.articles import Hashes
from clients.data.store import NodeStore
from clients.evaluation.split import leave_one_out
from clients.home import NodeHome
from clients.identity import load_identity, public_bytes
from clients.item_space import catalogue_vectors
from clients.node_config import NodeConfig, read_node_config
from clients.node_data import TrainingData
from clients.policy import read_policy
from clients.public_ids import own_hashes
from shared.files import write_atomically
from shared.hashing import digest
from shared.models.config import BehaviourConfig, EncoderChoice
from shared.models.encoders import EncodingCache, load_encoder
from shared.plan import TrainingPlan, read_plan
from shared.start import RoundStart


def refresh_training(home: NodeHome, plan: TrainingPlan | None = None) -> bool:
    """Prepare what the node trains on if its store has changed since; True if it was prepared.

    A node without a store (one whose training file was made elsewhere) is left alone.

    Parameters
    ----------
    plan
        Fixes encoder and item space; node.toml does where there is none yet.

    Raises
    ------
    IsthmusError
        The store, its configuration, a feature column, the article key or the encoder cannot be
        used.
    """
    if not (home.store / "current.json").exists():
        return False
    config = read_node_config(home)
    model, encoder = (plan.model, plan.encoder) if plan else _own_choice(config)
    made_from = home.training.with_suffix(".from")
    counted = plan is not None and plan.statistics is not None and not plan.statistics.clusters
    hashes = own_hashes(home) if counted else None
    seen = _fingerprint(home, model, encoder, hashes)
    if home.training.exists() and made_from.exists() and made_from.read_text() == seen:
        return False
    prepare_training(home, model, encoder, hashes).save(home.training)
    write_atomically(made_from, seen.encode(), private=True)
    return True


def announced_plan(start: bytes, home: NodeHome) -> TrainingPlan:
    """The plan in a start message, signed by the coordinator and within this node's policy.

    Raises
    ------
    IsthmusError
        It is neither, or the message is none.
    """
    message, policy = RoundStart.decode(start), read_policy(home)
    plan = read_plan(message.plan, message.signature, bytes.fromhex(policy.coordinator))
    policy.check(plan, public_bytes(load_identity(home.identity)))
    return plan


def prepare_training(
    home: NodeHome, model: BehaviourConfig, encoder: EncoderChoice, hashes: Hashes | None = None
) -> TrainingData:
    """Training part of all histories, and vectors of all items.

    Parameters
    ----------
    hashes
        Keyed hash of each item's public id, for plans that count shared articles.

    Raises
    ------
    IsthmusError
        The store, a feature column or the encoder cannot be used.
    """
    store = NodeStore(home)
    catalogue, histories = store.load()
    loaded = load_encoder(encoder.name, fingerprint=encoder.fingerprint or None)
    encoded = EncodingCache(loaded, home.encodings).encode(catalogue.texts())
    vectors = catalogue_vectors(encoded, store.features(), model)
    return TrainingData.of(leave_one_out(histories).training, vectors, hashes)


def _own_choice(config: NodeConfig) -> tuple[BehaviourConfig, EncoderChoice]:
    own = config.encoder
    return config.training.model, EncoderChoice(name=own.name, fingerprint=own.fingerprint)


def _fingerprint(
    home: NodeHome, model: BehaviourConfig, encoder: EncoderChoice, hashes: Hashes | None
) -> str:
    """Changes with the store, node.toml, opt-outs, and what fixes item vectors and articles."""
    state = NodeStore(home).state
    files = [path.read_bytes() for path in (home.config, home.store / "current.json")]
    out = b"".join(sorted(state.opted_out()))
    space = (model.model_dump_json() + encoder.model_dump_json()).encode()
    live = str(len(state.events())).encode()
    named = [] if hashes is None else [hashes.tobytes()]
    return digest("isthmus training data 2", *files, out, live, space, *named).hex()
