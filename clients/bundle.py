"""What a node serves from: one directory that holds the whole model, hashed and signed.

::

    manifest.json          what the model is, with the SHA-256 of each file; refers to one catalogue
    manifest.sig           Ed25519 signature of the node's own identity over the manifest
    personal.safetensors   behaviour model, item vectors with residuals, item biases
    parts.safetensors      fitted local parts of the fusion, and those of the partners' statistics
    index.faiss            where the catalogue is large: an approximate index over the item vectors
    untrained.safetensors  the behaviour model at its public first weights
    released.safetensors   where a federated release takes part: its LSTM as it was released
    content.safetensors    where that release has one: the content model
    own_content.safetensors  the node's own content model, where it trains one

A bundle is derived from private data: files have mode 0600 and it never leaves the node. Only what
this node signed is loaded, so that neither a damaged file nor somebody else's model is served.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from clients.content_file import ContentPart
from clients.data.dataset import Catalogue
from clients.evaluation.ranking import Scorer
from clients.personal_file import load as load_personal
from clients.personal_file import store as store_personal
from clients.recommenders.base import Arrays, Storable
from clients.recommenders.distributions import Part
from clients.recommenders.fusion import COLD_PART, Fusion, FusionWeights
from clients.recommenders.local_parts import (
    CONTENT_PART,
    FEDERATED_CONTENT_PART,
    LOCAL_PARTS,
    MODEL_PART,
    POOLED_PARTS,
    RELEASED_PART,
    UNTRAINED_PART,
    fusion_parts,
)
from clients.released_file import load as load_released
from clients.released_file import store as store_released
from clients.retrieval.index import VectorIndex
from clients.training.personalise import PersonalModel
from shared.config import StrictModel
from shared.errors import ServiceError
from shared.files import sync_directory, write_atomically
from shared.hashing import Digest, digest
from shared.models.config import BehaviourConfig, ContentConfig
from shared.models.encoders.base import file_sha256

FORMAT: Final = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
PERSONAL, PARTS, INDEX = "personal.safetensors", "parts.safetensors", "index.faiss"
UNTRAINED: Final = "untrained.safetensors"
RELEASED, CONTENT = "released.safetensors", "content.safetensors"
OWN_CONTENT: Final = "own_content.safetensors"
_NEEDS: Final = {
    UNTRAINED_PART: UNTRAINED,
    CONTENT_PART: OWN_CONTENT,
    RELEASED_PART: RELEASED,
    FEDERATED_CONTENT_PART: CONTENT,
}
"""Part of the fusion → the file that it stands in, where that is one of its own."""
BESIDE: Final = {CONTENT_PART: UNTRAINED_PART, FEDERATED_CONTENT_PART: RELEASED_PART}
"""Content model → the LSTM whose item vectors it reads: those without residuals."""
_STORED: Final = {**LOCAL_PARTS, **POOLED_PARTS}
"""Parts that stand in `PARTS`."""
_LABEL: Final = "isthmus model bundle 1"
_CATALOGUE_LABEL: Final = "isthmus catalogue 1"
_MANIFEST_BYTES: Final = 1 << 20


class MissingBundleError(ServiceError):
    """There is no model bundle to load."""

    code = "SRV-100"
    default_remedy = "train one: isthmus-node train --local"


class ForeignBundleError(ServiceError):
    """A model bundle that this node did not sign."""

    code = "SRV-101"
    default_remedy = "serve only what this node trained; train again if its identity was replaced"


class CorruptBundleError(ServiceError):
    """A model bundle whose files are incomplete, damaged or of another format."""

    code = "SRV-102"
    default_remedy = "go back to an earlier bundle or train again"


class OtherCatalogueError(ServiceError):
    """A model bundle that was trained on another catalogue than the node's present one."""

    code = "SRV-103"
    default_remedy = "train again: isthmus-node train --local"


class FusionFacts(StrictModel):
    """What was learned on validation items; see `FusionWeights`."""

    weights: dict[str, float]
    cold: dict[str, float] = Field(default_factory=dict)
    ndcg: float
    alone: dict[str, float]
    users: int


class BundleManifest(StrictModel):
    """What a bundle is."""

    format: Literal[1]
    created: str
    """UTC, ISO 8601."""
    start: str
    """`initial` for what a node made alone, or the name of the federated release in it.

    In bundles without a released model, which were written before there were any, the release is
    where the node's own model was trained from."""
    encoder: str
    encoder_fingerprint: Digest
    catalogue: Digest
    items: Annotated[int, Field(ge=1)]
    users: Annotated[int, Field(ge=0)]
    events: Annotated[int, Field(ge=0)]
    model: BehaviourConfig
    parts: tuple[str, ...]
    fusion: FusionFacts
    content: ContentConfig | None = None
    own_content: ContentConfig | None = None
    files: dict[str, Digest] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A platform's whole model.

    Attributes
    ----------
    manifest
        What it is; `files` is filled in when it is saved.
    personal
        The node's own behaviour model.
    local
        Name → fitted local part; where the release has statistics, the parts made of these too.
    index
        Over the item vectors, where the catalogue is large.
    untrained
        The behaviour model at its public first weights; older bundles have none.
    released
        The LSTM of the federated release that takes part, as it was released.
    content
        The content model of that release, if it has one, fitted to the platform.
    own_content
        The node's own content model, trained without any release; older bundles have none.
    """

    manifest: BundleManifest
    personal: PersonalModel
    local: dict[str, Storable]
    index: VectorIndex | None = None
    untrained: PersonalModel | None = None
    released: PersonalModel | None = None
    content: ContentPart | None = None
    own_content: ContentPart | None = None

    @property
    def weights(self) -> FusionWeights:
        """What the fusion weighs its parts with, and how it was judged."""
        return FusionWeights(**self.manifest.fusion.model_dump())

    def parts(self) -> dict[str, Part]:
        """All parts, those without a weight included."""
        return fusion_parts(self.local, scorers(self.lstms(), self.contents()))

    def lstms(self) -> dict[str, PersonalModel]:
        """Part → behaviour model."""
        return lstms(self.personal, self.untrained, self.released)

    def contents(self) -> dict[str, ContentPart]:
        """Part → content model."""
        return contents(self.own_content, self.content)

    def fusion(self) -> Fusion:
        """The ranking that users get."""
        return self.weights.fusion(self.parts())


def lstms(
    personal: PersonalModel, untrained: PersonalModel | None, released: PersonalModel | None
) -> dict[str, PersonalModel]:
    """Part → behaviour model, of those that there are."""
    named = {MODEL_PART: personal, UNTRAINED_PART: untrained, RELEASED_PART: released}
    return {part: model for part, model in named.items() if model is not None}


def contents(own: ContentPart | None, released: ContentPart | None) -> dict[str, ContentPart]:
    """Part → content model, of those that there are."""
    named = {CONTENT_PART: own, FEDERATED_CONTENT_PART: released}
    return {part: model for part, model in named.items() if model is not None}


def scorers(
    lstms: Mapping[str, PersonalModel], contents: Mapping[str, ContentPart]
) -> dict[str, Scorer]:
    """Part → model; a content model joins beside the LSTM that reads the same item vectors."""
    found: dict[str, Scorer] = {part: model.scorer() for part, model in lstms.items()}
    for part, content in contents.items():
        if BESIDE[part] in lstms:
            found[part] = content.scorer(lstms[BESIDE[part]].items.vectors)
    return found


def catalogue_digest(catalogue: Catalogue) -> str:
    """SHA-256 (hex) over ids and texts of all items in order: what an item index refers to."""
    columns = (
        catalogue.item_ids,
        catalogue.titles,
        catalogue.categories,
        catalogue.descriptions,
    )
    return digest(_CATALOGUE_LABEL, *("\0".join(c).encode() for c in columns)).hex()


def save_bundle(path: Path, bundle: Bundle, key: Ed25519PrivateKey) -> None:
    """Write `bundle` as the directory `path`: whole and signed, or not there at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True, mode=0o700)
    store_personal(beside / PERSONAL, bundle.personal)
    write_atomically(beside / PARTS, _packed(bundle.local), private=True)
    if bundle.index is not None:
        bundle.index.store(beside / INDEX)
        (beside / INDEX).chmod(0o600)
    given = bundle.personal.items
    if bundle.untrained is not None:
        store_released(beside / UNTRAINED, bundle.untrained, given)
        given = bundle.untrained.items
    if bundle.released is not None:
        store_released(beside / RELEASED, bundle.released, given)
    for part, content in bundle.contents().items():
        content.store(beside / _NEEDS[part])
    files = {name: file_sha256(beside / name) for name in sorted(p.name for p in beside.iterdir())}
    facts = {
        "files": files,
        "content": bundle.content.config if bundle.content else None,
        "own_content": bundle.own_content.config if bundle.own_content else None,
    }
    manifest = bundle.manifest.model_copy(update=facts).model_dump_json(indent=1)
    signature = key.sign(digest(_LABEL, manifest.encode()))
    write_atomically(beside / MANIFEST, manifest.encode(), private=True)
    write_atomically(beside / SIGNATURE, signature.hex().encode(), private=True)
    beside.replace(path)
    sync_directory(path.parent)


def read_manifest(path: Path, signer: Ed25519PublicKey) -> BundleManifest:
    """What the bundle in the directory `path` is, its signature checked.

    Raises
    ------
    MissingBundleError, ForeignBundleError, CorruptBundleError
    """
    manifest = _read(path / MANIFEST)
    try:
        signature = bytes.fromhex(_read(path / SIGNATURE).decode("ascii"))
        signer.verify(signature, digest(_LABEL, manifest))
    except InvalidSignature as error:
        raise ForeignBundleError("the signature is not this node's", where=str(path)) from error
    except ValueError as error:
        raise CorruptBundleError("the signature is not hexadecimal", where=str(path)) from error
    try:
        return BundleManifest.model_validate_json(manifest)
    except ValidationError as error:
        problem = f"the manifest does not fit format {FORMAT}: {error.error_count()} errors"
        raise CorruptBundleError(problem, where=str(path / MANIFEST)) from error


def load_bundle(path: Path, signer: Ed25519PublicKey, catalogue: Catalogue) -> Bundle:
    """Read and check the bundle in the directory `path`.

    Parameters
    ----------
    signer
        This node's public identity.
    catalogue
        The node's present catalogue.

    Raises
    ------
    MissingBundleError, ForeignBundleError, CorruptBundleError, OtherCatalogueError
    UnusableIndexError
    """
    manifest = read_manifest(path, signer)
    found = catalogue_digest(catalogue)
    if manifest.catalogue != found:
        problem = f"trained on {manifest.items} items of a catalogue that is not the present one"
        raise OtherCatalogueError(problem, where=str(path))
    _check_files(path, manifest)
    try:
        personal = load_personal(path / PERSONAL, manifest.model)
        local = _unpacked(load_file(path / PARTS), manifest.parts)
        index = _index(path / INDEX, manifest)
        untrained = _untouched(path / UNTRAINED, manifest, personal)
        released = _untouched(path / RELEASED, manifest, untrained or personal)
        content = _content(path / CONTENT, manifest.content)
        own_content = _content(path / OWN_CONTENT, manifest.own_content)
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise CorruptBundleError(str(error), where=str(path)) from error
    return Bundle(
        manifest=manifest,
        personal=personal,
        local=local,
        index=index,
        untrained=untrained,
        released=released,
        content=content,
        own_content=own_content,
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MANIFEST_BYTES + 1)
    except OSError as error:
        raise MissingBundleError(f"no model: {error.strerror}", where=str(path)) from error
    if len(data) > _MANIFEST_BYTES:
        raise CorruptBundleError(f"more than {_MANIFEST_BYTES} bytes", where=str(path))
    return data


def _check_files(path: Path, manifest: BundleManifest) -> None:
    known = set(manifest.files) - {INDEX, *_NEEDS.values()} == {PERSONAL, PARTS}
    known &= all(_NEEDS.get(part, PARTS) in manifest.files for part in manifest.fusion.weights)
    known &= not manifest.fusion.cold or COLD_PART in manifest.parts
    if not known or not set(manifest.parts) <= set(_STORED):
        problem = f"files {sorted(manifest.files)} and parts {sorted(manifest.parts)} are not known"
        raise CorruptBundleError(problem, where=str(path))
    for name, expected in manifest.files.items():
        try:
            found = file_sha256(path / name)
        except OSError as error:
            raise CorruptBundleError(str(error.strerror), where=str(path / name)) from error
        if found != expected:
            raise CorruptBundleError(f"SHA-256 {found}, not {expected}", where=str(path / name))


def _untouched(path: Path, manifest: BundleManifest, other: PersonalModel) -> PersonalModel | None:
    if path.name not in manifest.files:
        return None
    return load_released(path, manifest.model, other.items)


def _content(path: Path, shape: ContentConfig | None) -> ContentPart | None:
    return None if shape is None else ContentPart.load(path, shape)


def _index(path: Path, manifest: BundleManifest) -> VectorIndex | None:
    if INDEX not in manifest.files:
        return None
    return VectorIndex.load(path, manifest.items, manifest.model.item_dim)


def _packed(local: dict[str, Storable]) -> bytes:
    tensors = {
        f"{name}/{key}": np.ascontiguousarray(array)
        for name, recommender in local.items()
        for key, array in recommender.state().items()
    }
    return save(tensors)


def _unpacked(tensors: Arrays, names: tuple[str, ...]) -> dict[str, Storable]:
    states: dict[str, Arrays] = {name: {} for name in names}
    for full, array in tensors.items():
        name, _, key = full.partition("/")
        states[name][key] = array
    return {name: _STORED[name]().restore(state) for name, state in states.items()}


def bundle_name(manifest: BundleManifest) -> str:
    """A name for the directory: when it was made and a few digits of what it is."""
    stamp = "".join(c for c in manifest.created if c.isdigit())[:14]
    return f"{stamp}-{sha256(manifest.model_dump_json().encode()).hexdigest()[:8]}"
