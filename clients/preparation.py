"""From the node's store to what it trains on: histories without ids, and item vectors.

Made anew when the store has changed, at the latest before each round: whoever opted out before a
round begins is in no batch from that round on.
"""

from __future__ import annotations

from clients.data.store import NodeStore
from clients.evaluation.split import leave_one_out
from clients.home import NodeHome
from clients.node_config import NodeConfig, read_node_config
from clients.node_data import TrainingData
from shared.files import write_atomically
from shared.hashing import digest
from shared.models.config import BehaviourConfig
from shared.models.encoders import EncodingCache, load_encoder
from shared.models.item_space import item_vectors


def refresh_training(home: NodeHome) -> bool:
    """Prepare what the node trains on if its store has changed since; True if it was prepared.

    A node without a store (one whose training file was made elsewhere) is left alone.

    Raises
    ------
    IsthmusError
        The store, its configuration or the encoder cannot be used.
    """
    if not (home.store / "current.json").exists():
        return False
    made_from = home.training.with_suffix(".from")
    seen = _fingerprint(home)
    if home.training.exists() and made_from.exists() and made_from.read_text() == seen:
        return False
    prepare_training(home, read_node_config(home)).save(home.training)
    write_atomically(made_from, seen.encode(), private=True)
    return True


def prepare_training(home: NodeHome, config: NodeConfig) -> TrainingData:
    """Training part of all histories, and vectors of all items.

    Raises
    ------
    IsthmusError
        The store or the encoder cannot be used.
    """
    catalogue, histories = NodeStore(home).load()
    encoder = load_encoder(config.encoder.name, fingerprint=config.encoder.fingerprint or None)
    encoded = EncodingCache(encoder, home.root / "cache" / "encodings").encode(catalogue.texts())
    model = BehaviourConfig()
    vectors = item_vectors(encoded, dim=model.item_dim, shrinkage=model.whitening)
    return TrainingData.of(leave_one_out(histories).training, vectors)


def _fingerprint(home: NodeHome) -> str:
    """Changes with the snapshot, node.toml, live events and opt-outs."""
    state = NodeStore(home).state
    files = [path.read_bytes() for path in (home.config, home.store / "current.json")]
    out = b"".join(sorted(state.opted_out()))
    return digest("isthmus training data 1", *files, out, str(len(state.events())).encode()).hex()
