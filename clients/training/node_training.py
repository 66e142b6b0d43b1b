"""A node's own training: from its store to a signed bundle; nothing is sent.

Steps: encode the items' texts, map them and feature columns into the item space, train the node's
own behaviour model and, where it wants one, content model, fit the local parts and weigh the
fusion on validation items, fit the local parts again on everything, publish. Where a federated
release takes part, its LSTM joins the fusion as it was released and its content model fitted to the
platform; the node's own models stay what they are. Each expensive step leaves its result on disk
under a name that says what it was computed from, so that the same command goes on where it was
interrupted.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from torch import Tensor

from clients.bundle import (
    Bundle,
    BundleManifest,
    FusionFacts,
    catalogue_digest,
    contents,
    lstms,
    scorers,
)
from clients.bundle_shelf import BundleShelf
from clients.content_file import ContentPart
from clients.data.dataset import Catalogue, Histories
from clients.data.features import Features
from clients.evaluation.ranking import Scorer
from clients.evaluation.split import Fold, LeaveOneOut, leave_one_out
from clients.home import NodeHome
from clients.item_space import catalogue_vectors
from clients.personal_file import kept
from clients.recommenders.base import Storable
from clients.recommenders.fusion import Fusion, FusionWeights, learn_weights
from clients.recommenders.local_parts import (
    JOINED_PARTS,
    POOLED_PARTS,
    fit_local_parts,
    fusion_parts,
)
from clients.released_statistics import ReleasedStatistics
from clients.retrieval.index import INDEX_FROM, index_of
from clients.training.config import TrainingConfig
from clients.training.device import Compute
from clients.training.errors import NothingToLearnError
from clients.training.personalise import PersonalModel, personalise, untouched
from clients.training.tune_content import tune_content
from shared.files import read_json, write_json
from shared.hashing import digest
from shared.models.behaviour_parameters import initial_parameters
from shared.models.content_parameters import initial_content
from shared.models.encoders import EncodingCache, TextEncoder
from shared.models.parameters import Float32s
from shared.progress import Reporter, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The models of a federated release.

    Attributes
    ----------
    name
        Of the release.
    behaviour
        (P,) float32 parameters of its LSTM.
    content
        Its content model, if it has one, as it was released.
    counts
        The private statistics of its run.
    """

    name: str
    behaviour: Float32s
    content: ContentPart | None = None
    counts: ReleasedStatistics | None = None

    def key(self) -> str:
        """A name that stands for the parameters."""
        content = b"" if self.content is None else self.content.parameters.tobytes()
        counts = [] if self.counts is None else self.counts.parts()
        model = self.behaviour.tobytes()
        return digest("isthmus released models 1", model, content, *counts).hex()[:32]


@dataclass(frozen=True, slots=True)
class _Own:
    """What the node has alone: (N, d) item vectors, its own models, the one nobody trained."""

    vectors: Tensor
    model: PersonalModel
    untrained: PersonalModel
    content: ContentPart | None


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
    features
        Feature columns of the items; needed where the model names modalities.
    index_from
        Items from which on the published bundle gets an approximate index.

    Raises
    ------
    NothingToLearnError
        There are no items or no events.
    NoDeviceError
        The configuration names a device that torch does not see.
    """

    def __init__(
        self,
        home: NodeHome,
        catalogue: Catalogue,
        histories: Histories,
        encoder: TextEncoder,
        config: TrainingConfig,
        features: Sequence[Features] = (),
        index_from: int = INDEX_FROM,
    ) -> None:
        if not len(catalogue) or not len(histories.items):
            problem = f"{len(catalogue)} items and {len(histories.items)} events"
            raise NothingToLearnError(problem, remedy="ingest events first: isthmus-node ingest")
        self._home, self._encoder, self._config = home, encoder, config
        self._compute = Compute.named(config.device)
        self._catalogue, self._histories, self._features = catalogue, histories, features
        self._index_from = index_from
        self._known: _Own | None = None
        self._counts: ReleasedStatistics | None = None

    def run(self, key: Ed25519PrivateKey, report: Reporter) -> tuple[Path, Bundle]:
        """Train what is left to train, publish the bundle, signed with `key`.

        Raises
        ------
        NothingToLearnError
            No user has two training events.
        """
        bundle = self.bundle(report)
        return self.publish(bundle, key), bundle

    def bundle(self, report: Reporter, released: Released | None = None) -> Bundle:
        """Train what is left to train; nothing is published.

        Parameters
        ----------
        released
            Joins the fusion; without it the bundle is what the node makes alone. The node's own
            model is the same in both and trained once.

        Raises
        ------
        NothingToLearnError
            No user has two training events.
        ParameterVectorError
            A released model does not fit its shape.
        """
        own = self._own(report)
        lstm, content = None, None
        if released is not None:
            self._counts = released.counts
            lstm = untouched(self._config.model, released.behaviour, own.vectors)
            content = self._released_content(released, own.vectors, report)
        counts = None if released is None else released.counts
        learned = contents(own.content, content)
        models = scorers(lstms(own.model, own.untrained, lstm), learned)
        work = self._work if released is None else self._work / released.key()
        title = "fusion weights" + (" with the release" if released else "")
        weights = self._fuse(work / "weights.json", counts, models, report.step(title))
        local = self._local_of_all | self._pooled(counts, self._histories)
        start = "initial" if released is None else released.name
        manifest = self._manifest(start, weights, tuple(local))
        return Bundle(
            manifest=manifest,
            personal=own.model,
            local=local,
            untrained=own.untrained,
            released=lstm,
            content=content,
            own_content=own.content,
        )

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
        counts = self._counts if set(POOLED_PARTS) & set(bundle.local) else None
        local = self._local_of_training | self._pooled(counts, self._split.training)
        return replace(bundle, local=local).fusion()

    @cached_property
    def _split(self) -> LeaveOneOut:
        return leave_one_out(self._histories)

    @property
    def _first_weights(self) -> Float32s:
        return initial_parameters(self._config.model, self._config.seed)

    @cached_property
    def _local_of_training(self) -> dict[str, Storable]:
        return fit_local_parts(self._split.training, self._catalogue)

    @cached_property
    def _local_of_all(self) -> dict[str, Storable]:
        return fit_local_parts(self._histories, self._catalogue)

    def _pooled(
        self, counts: ReleasedStatistics | None, histories: Histories
    ) -> dict[str, Storable]:
        """What a release's statistics add to the local parts, fitted on `histories`."""
        if counts is None or self._known is None:
            return {}
        parts = counts.pooled(self._known.vectors.numpy())
        return {name: part.fit(histories, self._catalogue) for name, part in parts.items()}

    @cached_property
    def _work(self) -> Path:
        """Results of steps, under the digest of all that they were computed from."""
        facts = self._config.model_dump_json(exclude={"device"}) + self._encoder.fingerprint
        columns = (self._histories.offsets, self._histories.items, self._histories.events)
        data = [column.tobytes() for column in (*columns, self._histories.times)]
        catalogue = catalogue_digest(self._catalogue).encode()
        data += [part for f in self._features for part in (f.name.encode(), f.vectors.tobytes())]
        name = digest("isthmus local training 1", facts.encode(), catalogue, *data).hex()
        return self._home.local_training / name[:32]

    def _item_space(self, step: Step) -> Tensor:
        cache = EncodingCache(self._encoder, self._home.encodings)
        encoded = cache.encode(self._catalogue.texts(), lambda d, n: step(d, n, "items"))
        step(1, 1)
        return torch.from_numpy(catalogue_vectors(encoded, self._features, self._config.model))

    def _own(self, report: Reporter) -> _Own:
        if self._known is None:
            vectors = self._item_space(report.step("item space"))
            model = self._personal(vectors, report.step("behaviour model"))
            first = untouched(self._config.model, self._first_weights, vectors)
            content = self._own_content(vectors, report)
            self._known = _Own(vectors, model, first, content)
        return self._known

    def _personal(self, vectors: Tensor, step: Step) -> PersonalModel:
        def train() -> PersonalModel:
            return personalise(
                self._config.model,
                self._first_weights,
                vectors,
                self._split.training,
                self._split.validation,
                self._config.personalisation,
                seed=self._config.seed,
                progress=lambda done, most: step(done, most, "steps"),
                compute=self._compute,
            )

        model = kept(self._work / "personal.safetensors", self._config.model, train)
        step(1, 1)
        return model

    def _own_content(self, vectors: Tensor, report: Reporter) -> ContentPart | None:
        """The node's own content model, trained from public first weights."""
        if not self._config.own_content:
            return None
        shape = self._config.content_shape
        start = ContentPart(shape, initial_content(shape, self._config.seed))
        path = self._work / "content.safetensors"
        return self._content(path, start, vectors, report.step("content model"))

    def _released_content(
        self, released: Released, vectors: Tensor, report: Reporter
    ) -> ContentPart | None:
        """The release's content model, fitted to the platform."""
        if released.content is None:
            return None
        step = report.step("released content model")
        path = self._work / released.key() / "content.safetensors"
        return self._content(path, released.content, vectors, step)

    def _content(self, path: Path, start: ContentPart, vectors: Tensor, step: Step) -> ContentPart:
        """The content model in `path`; tuned from `start` and stored first if it is not there."""
        if not path.exists():
            settings = self._config.content
            if len(self._catalogue) >= self._index_from:  # candidates need one query a user
                settings = settings.model_copy(update={"draws": 0})
            model = tune_content(
                start.config,
                start.parameters,
                vectors,
                self._split.training,
                self._split.validation,
                settings,
                seed=self._config.seed,
                progress=lambda done, most: step(done, most, "steps"),
                compute=self._compute,
            )
            ContentPart(model.config, model.parameters, model.draws).store(path)
        step(1, 1)
        return ContentPart.load(path, start.config)

    def _fuse(
        self,
        path: Path,
        counts: ReleasedStatistics | None,
        models: Mapping[str, Scorer],
        step: Step,
    ) -> FusionWeights:
        if not path.exists():
            local = self._local_of_training | self._pooled(counts, self._split.training)
            parts = fusion_parts(local, models)
            validation, seed = self._split.validation, self._config.seed
            learned = learn_weights(parts, validation, joined=JOINED_PARTS, seed=seed)
            write_json(path, asdict(learned), private=True)
        step(1, 1)
        return FusionWeights(**read_json(path))

    def _manifest(
        self, start: str, weights: FusionWeights, local: tuple[str, ...]
    ) -> BundleManifest:
        return BundleManifest(
            format=1,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            start=start,
            encoder=self._encoder.name,
            encoder_fingerprint=self._encoder.fingerprint,
            catalogue=catalogue_digest(self._catalogue),
            items=len(self._catalogue),
            users=len(self._histories),
            events=len(self._histories.items),
            model=self._config.model,
            parts=local,
            fusion=FusionFacts(**asdict(weights)),
        )
