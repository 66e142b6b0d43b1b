"""A node's own training: from its store to a signed bundle; nothing is sent.

Steps: encode the items' texts, map them and feature columns into the item space, fit the behaviour
model to the platform, fit the local parts and weigh the fusion on validation items, fit the local
parts again on everything, publish. Each expensive step leaves its result on disk under a name that
says what it was computed from, so that the same command goes on where it was interrupted.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from torch import Tensor

from clients.bundle import Bundle, BundleManifest, FusionFacts, catalogue_digest
from clients.bundle_shelf import BundleShelf
from clients.data.dataset import Catalogue, Histories
from clients.data.features import Features
from clients.evaluation.split import Fold, LeaveOneOut, leave_one_out
from clients.home import NodeHome
from clients.item_space import catalogue_vectors
from clients.personal_file import kept
from clients.recommenders.fusion import Fusion, FusionWeights, learn_weights
from clients.recommenders.local_parts import fit_local_parts, fusion_parts
from clients.retrieval.index import INDEX_FROM, index_of
from clients.training.config import TrainingConfig
from clients.training.errors import NothingToLearnError
from clients.training.personalise import PersonalModel, personalise
from shared.files import read_json, write_json
from shared.hashing import digest
from shared.models.behaviour_parameters import initial_parameters
from shared.models.encoders import EncodingCache, TextEncoder
from shared.models.parameters import Float32s
from shared.progress import Reporter, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Shared parameters from which a platform's own model starts.

    Attributes
    ----------
    name
        `initial` for the public first weights, else the name of a federated release.
    parameters
        (P,) float32.
    """

    name: str
    parameters: Float32s

    @classmethod
    def initial(cls, config: TrainingConfig) -> Start:
        """What every node can compute without having been told anything."""
        return cls(name="initial", parameters=initial_parameters(config.model, config.seed))


class NodeTraining:
    """One training of one node.

    Parameters
    ----------
    home
        Where encodings, intermediate results and bundles stand.
    catalogue, histories
        The node's data.
    encoder
        Text encoder, its weights checked.
    config
        What to do.
    start
        Where the behaviour model starts; the public first weights if not given.
    features
        Feature columns of the items; needed where the model names modalities.
    index_from
        Items from which on the published bundle gets an approximate index.

    Raises
    ------
    NothingToLearnError
        There are no items or no events.
    """

    def __init__(
        self,
        home: NodeHome,
        catalogue: Catalogue,
        histories: Histories,
        encoder: TextEncoder,
        config: TrainingConfig,
        start: Start | None = None,
        features: Sequence[Features] = (),
        index_from: int = INDEX_FROM,
    ) -> None:
        if not len(catalogue) or not len(histories.items):
            problem = f"{len(catalogue)} items and {len(histories.items)} events"
            raise NothingToLearnError(problem, remedy="ingest events first: isthmus-node ingest")
        self._home, self._encoder, self._config = home, encoder, config
        self._catalogue, self._histories, self._features = catalogue, histories, features
        self._start, self._index_from = start or Start.initial(config), index_from

    def run(self, key: Ed25519PrivateKey, report: Reporter) -> tuple[Path, Bundle]:
        """Train what is left to train, publish the bundle, signed with `key`.

        Raises
        ------
        NothingToLearnError
            No user has two training events.
        """
        bundle = self.bundle(report)
        return self.publish(bundle, key), bundle

    def bundle(self, report: Reporter) -> Bundle:
        """Train what is left to train; nothing is published.

        Raises
        ------
        NothingToLearnError
            No user has two training events.
        """
        vectors = self._item_space(report.step("item space"))
        personal = self._personal(vectors, report.step("behaviour model"))
        weights = self._fuse(personal, report.step("fusion weights"))
        return self._bundle(personal, weights, report.step("local parts on all events"))

    def publish(self, bundle: Bundle, key: Ed25519PrivateKey) -> Path:
        """Index a large catalogue, sign a bundle of this node and make it the one to serve."""
        if len(self._catalogue) >= self._index_from:
            bundle = replace(bundle, index=index_of(bundle.personal.items))
        path = BundleShelf(self._home.models).publish(bundle, key)
        shutil.rmtree(self._home.local_training, ignore_errors=True)
        return path

    def hold_out(self) -> Fold:
        """Each user's last new item, which nothing was trained on but the published local parts."""
        return self._split.test

    def on_hold_out(self, bundle: Bundle) -> Fusion:
        """The fusion of a bundle with its local parts fitted without the hold-out's items."""
        local = fit_local_parts(self._split.training, self._catalogue)
        return Fusion(fusion_parts(local, bundle.personal.scorer()), bundle.manifest.fusion.weights)

    @cached_property
    def _split(self) -> LeaveOneOut:
        return leave_one_out(self._histories)

    @cached_property
    def _work(self) -> Path:
        """Results of steps, under the digest of all that they were computed from."""
        facts = self._config.model_dump_json() + self._encoder.fingerprint
        columns = (self._histories.offsets, self._histories.items, self._histories.events)
        data = [column.tobytes() for column in (*columns, self._histories.times)]
        catalogue = catalogue_digest(self._catalogue).encode()
        start = self._start.parameters.tobytes()
        data += [part for f in self._features for part in (f.name.encode(), f.vectors.tobytes())]
        name = digest("isthmus local training 1", facts.encode(), catalogue, start, *data).hex()
        return self._home.local_training / name[:32]

    def _item_space(self, step: Step) -> Tensor:
        cache = EncodingCache(self._encoder, self._home.encodings)
        encoded = cache.encode(self._catalogue.texts(), lambda d, n: step(d, n, "items"))
        step(1, 1)
        return torch.from_numpy(catalogue_vectors(encoded, self._features, self._config.model))

    def _personal(self, vectors: Tensor, step: Step) -> PersonalModel:
        def train() -> PersonalModel:
            return personalise(
                self._config.model,
                self._start.parameters,
                vectors,
                self._split.training,
                self._split.validation,
                self._config.personalisation,
                seed=self._config.seed,
                progress=lambda done, most: step(done, most, "steps"),
            )

        model = kept(self._work / "personal.safetensors", self._config.model, train)
        step(1, 1)
        return model

    def _fuse(self, personal: PersonalModel, step: Step) -> FusionWeights:
        path = self._work / "weights.json"
        if not path.exists():
            local = fit_local_parts(self._split.training, self._catalogue)
            parts = fusion_parts(local, personal.scorer())
            learned = learn_weights(parts, self._split.validation, seed=self._config.seed)
            write_json(path, asdict(learned))
        step(1, 1)
        return FusionWeights(**read_json(path))

    def _bundle(self, personal: PersonalModel, weights: FusionWeights, step: Step) -> Bundle:
        local = fit_local_parts(self._histories, self._catalogue)
        step(1, 1)
        manifest = BundleManifest(
            format=1,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            start=self._start.name,
            encoder=self._encoder.name,
            encoder_fingerprint=self._encoder.fingerprint,
            catalogue=catalogue_digest(self._catalogue),
            items=len(self._catalogue),
            users=len(self._histories),
            events=len(self._histories.items),
            model=self._config.model,
            parts=tuple(local),
            fusion=FusionFacts(**asdict(weights)),
        )
        return Bundle(manifest=manifest, personal=personal, local=local)
