"""Feature columns on their way through a node: ingested, kept, trained on, held against a plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from clients.data.features import FeatureColumnError, NoSuchFeatureError, OtherFeatureEncoderError
from clients.data.snapshot import Snapshot
from clients.data.snapshot_edit import remove_users
from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.identity import create_identity, load_identity
from clients.node_data import TrainingData
from clients.policy import PolicyRefusalError
from clients.preparation import prepare_training, refresh_training
from clients.training.config import PersonalisationConfig, TrainingConfig
from clients.training.node_training import NodeTraining
from shared.models.config import BehaviourConfig, EncoderChoice, ModalityTerms
from shared.models.encoders import load_encoder
from tests.clients.small_node import quiet
from tests.clients.small_shop import ingest, shop
from tests.federation import MODEL, policy
from tests.plans import identity, make_plan, public

WORDS = EncoderChoice(name="hashed-words")
IMAGE = ModalityTerms(name="image", dim=4, encoder="eye 1")
SEEING = MODEL.model_copy(update={"modalities": (IMAGE,)})


def _write(path: Path, rows: dict[str, list[float] | None]) -> None:
    cells = pa.array(list(rows.values()), pa.list_(pa.float32()))
    parquet.write_table(pa.table({"item_id": list(rows), "image": cells}), path)


@pytest.fixture
def home(tmp_path: Path) -> NodeHome:
    features = {"path": "embeddings.parquet", "encoders": {"image": "eye 1"}}
    home = shop(tmp_path, features=features)
    random = np.random.default_rng(0)
    rows = {f"i{n}": random.standard_normal(4).tolist() for n in range(1, 7)}
    _write(home.root / "embeddings.parquet", {**rows, "i0": None, "unknown": [1.0] * 4})
    ingest(home)
    return home


def test_columns_are_kept_in_the_order_of_the_catalogue(home: NodeHome) -> None:
    store = NodeStore(home)
    (image,) = store.features()
    assert image.encoder == "eye 1"
    assert image.present.tolist() == [item != "i0" for item in store.load()[0].item_ids]
    (home.root / "embeddings.parquet").unlink()  # what was ingested stands in the store
    assert NodeStore(home).features()[0].vectors.tolist() == image.vectors.tolist()


def test_an_erasure_keeps_the_columns(home: NodeHome) -> None:
    before = NodeStore(home).features()[0].vectors
    snapshot = Snapshot(home.store)
    assert remove_users(home.store, snapshot, {snapshot.users()[0][0]})
    assert NodeStore(home).features()[0].vectors.tolist() == before.tolist()


def test_a_file_that_is_no_embedding_stops_the_ingestion(home: NodeHome) -> None:
    _write(home.root / "embeddings.parquet", {"i0": [1.0], "i1": [1.0, 2.0]})
    with pytest.raises(FeatureColumnError, match="image"):
        ingest(home)
    assert NodeStore(home).features()[0].vectors.shape == (7, 4)


def test_a_node_trains_on_texts_and_columns(home: NodeHome) -> None:
    create = home.identity
    key = load_identity(create) if create.exists() else create_identity(create)
    store, settings = NodeStore(home), PersonalisationConfig(max_steps=2, check_every=1)
    config = TrainingConfig(model=SEEING, personalisation=settings)
    data, encoder = store.load(), load_encoder("hashed-words")
    training = NodeTraining(home, *data, encoder, config, features=store.features())
    _, bundle = training.run(key, quiet())
    assert bundle.manifest.model.modalities == (IMAGE,)
    blind = bundle.personal.items.vectors[data[0].item_ids.index("i0"), 12:]
    assert blind.abs().max() < 0.02  # nothing but a residual where an item has no image
    with pytest.raises(NoSuchFeatureError, match="image"):
        NodeTraining(home, *data, encoder, config).bundle(quiet())


def test_a_plan_fixes_what_is_trained_on(home: NodeHome) -> None:
    text = home.config.read_text()
    home.config.write_text(text.replace('"use-multilingual"', '"hashed-words"'))
    refresh_training(home)
    assert TrainingData.load(home.training).vectors.shape == (7, 512)
    plan = make_plan(model=SEEING, encoder=WORDS)
    assert refresh_training(home, plan)
    assert TrainingData.load(home.training).vectors.shape == (7, 16)
    assert not refresh_training(home, plan)


def test_a_column_of_another_encoder_than_the_plan_s_is_refused(home: NodeHome) -> None:
    other = IMAGE.model_copy(update={"encoder": "eye 2"})
    model = MODEL.model_copy(update={"modalities": (other,)})
    with pytest.raises(OtherFeatureEncoderError, match=r"'eye 1', not 'eye 2'"):
        prepare_training(home, model, WORDS)


def test_a_policy_allows_columns_by_name_and_only_named_encoders() -> None:
    plan = make_plan(model=SEEING)
    own = policy(plan)
    with pytest.raises(PolicyRefusalError, match="modalities"):
        own.check(plan, public(identity(1)))
    allowing = own.model_copy(update={"modalities": ("image",)})
    allowing.check(plan, public(identity(1)))
    anonymous = IMAGE.model_copy(update={"encoder": ""})
    nameless = make_plan(model=MODEL.model_copy(update={"modalities": (anonymous,)}))
    with pytest.raises(PolicyRefusalError, match="what makes"):
        allowing.check(nameless, public(identity(1)))


def test_a_plan_without_columns_is_written_as_before() -> None:
    assert b"modalities" not in make_plan(model=MODEL).canonical()
    assert b'"modalities":[{"dim":4' in make_plan(model=SEEING).canonical()
    assert "modalities" not in BehaviourConfig().model_dump(mode="json")
