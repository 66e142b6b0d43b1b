"""The training plan: everything that a round does is fixed in it, before training starts.

The coordinator signs the canonical bytes of a plan; a node checks the signature against the key
that it pinned, holds the plan against its own policy, and binds the plan's digest into every key,
mask and signature of the run. A plan holds public numbers only.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, model_validator

from shared.config import StrictModel, parse
from shared.errors import FederationError
from shared.hashing import digest
from shared.initial_weights import InitialWeights, InitialWeightsError
from shared.models.behaviour_parameters import behaviour_schema, initial_parameters
from shared.models.config import BehaviourConfig, ContentConfig, EncoderChoice
from shared.models.content_parameters import content_schema, initial_content
from shared.models.errors import ParameterVectorError
from shared.models.parameters import Float32s, ParameterSchema
from shared.secagg.errors import DistributedNoiseError
from shared.secagg.policy import default_colluders
from shared.secagg.suites import Suite
from shared.statistics import StatisticsTerms

PLAN_VERSION = 1
MAX_PLAN_BYTES = 1 << 20
HexKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
ModelName = Literal["behaviour", "content"]
CipherSuite = Literal["x25519-aes256", "x25519-chacha20", "hybrid-aes256", "hybrid-chacha20"]


_OPTIONAL = ("content", "initial_weights", "statistics")
"""Sections that a plan need not have; `privacy` must say so when there is none."""


class PlanSignatureError(FederationError):
    """The plan is not signed by the coordinator whose key this node pinned."""

    code = "FED-001"
    default_remedy = "compare the coordinator's fingerprint with the one received out of band"


class PlanFormatError(FederationError):
    """The bytes received are not the canonical form of a plan."""

    code = "FED-002"


class Partner(StrictModel):
    """One platform in the plan."""

    id: Annotated[int, Field(ge=1, le=65535)]
    """Number of the partner in messages and masks."""
    name: Annotated[str, Field(min_length=1, max_length=64)]
    """Name shown to people."""
    identity: HexKey
    """Ed25519 public key, hex; every partner compares it with the one it pinned."""
    declared_users: Annotated[int, Field(ge=1)]
    """Public lower bound on the platform's users: fixes sample rate, delta and weight."""


class PrivacyTerms(StrictModel):
    """User-level differential privacy that each partner guarantees for its own users.

    Unit: one user at one platform, add-or-remove. The partner adds the whole noise itself, so the
    guarantee trusts nobody else, unless `noise` says that partners share it. The noise multiplier
    follows at each node from these numbers and its declared users.
    """

    epsilon: Annotated[float, Field(gt=0, le=100)]
    """Total epsilon of one partner over all rounds of this plan."""
    delta_exponent: Annotated[float, Field(ge=1.1)] = 1.1
    """delta = declared_users ** -delta_exponent."""
    clipping_norm: Annotated[float, Field(gt=0)] = 0.5
    """L2 bound on one user's contribution to one step."""
    noise: Literal["local", "distributed"] = "local"
    """Who adds the noise: each partner all that its guarantee needs; or each a share, so that only
    the sum is private and epsilon trusts secure aggregation and all partners but the colluders
    (see `shared.distributed`). The latter is for small partners: one step a round, equal
    weights, at least one colluder to withstand."""
    bands: Annotated[int, Field(ge=1, le=64)] = 1
    """1: independent Gaussian noise. More: banded noise, of which later steps take part back; for
    partners with 20,000 users or more. Must divide the steps of a round."""

    def delta(self, declared_users: int) -> float:
        """Delta of a partner that declares `declared_users`."""
        return float(declared_users**-self.delta_exponent)


class LocalSteps(StrictModel):
    """What a node does between receiving the global model and sending its update."""

    steps: Annotated[int, Field(ge=1)] = 10
    """Optimiser steps a round."""
    batch_users: Annotated[int, Field(ge=1)] = 1024
    """Expected users in a Poisson batch (at most half of the declared users)."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    """Learning rate of the node's Adam."""

    def sample_rate(self, declared_users: int) -> float:
        """Probability with which each user enters a batch: a public number."""
        return min(0.5, self.batch_users / declared_users)

    def group_rate(self, declared_users: int, bands: int) -> float:
        """The same within the group whose turn it is, of `bands` groups."""
        return min(1.0, bands * self.sample_rate(declared_users))


class ContentTerms(StrictModel):
    """The content VAE-GAN, trained in the same rounds and sent in the same masked vector.

    Its steps draw batches and noise of their own and are charged as mechanisms of their own, inside
    the one epsilon of the plan. It has the plan's clipping norm; its noise is independent between
    steps, whatever `privacy.bands` says of the behaviour model's.
    """

    model: ContentConfig = ContentConfig()
    """Shape and loss weights; items as wide as the behaviour model's."""
    local: LocalSteps = LocalSteps(steps=5, learning_rate=3e-3)
    """Its local training."""
    relative_noise: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Its noise multiplier in units of the behaviour model's: the larger, the smaller the share of
    the privacy budget that content takes."""


class Aggregation(StrictModel):
    """How updates become the next global model."""

    weights: Literal["equal", "declared"] = "declared"
    """Public weights: all the same, or in proportion to declared users."""
    update_range: Annotated[float, Field(gt=0)] = 1.0
    """Largest coordinate of an update that the fixed-point ring represents; larger is clipped."""
    colluders: Annotated[int, Field(ge=0)] | None = None
    """Partners that may collude with the coordinator without learning more than the sum; None for
    a third of the others, rounded down."""
    server_learning_rate: Annotated[float, Field(gt=0)] = 1.0
    """Step of the server on the mean update."""
    server_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Momentum of the server on the mean update (FedAvgM, Hsu et al. 2019)."""
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the exponential average of global models that is released; 0 = the last one."""
    ring_bits: Literal[16, 32] = 32
    """Bits of a masked coordinate; 16 halves the traffic, and is refused where a step of the ring
    would exceed a third of the noise."""
    update_norm: Annotated[float, Field(ge=0)] = 0.0
    """L2 norm to which every node scales its update down and against which all hold the sum, so
    that a poisoning partner cannot move the model further than so many honest ones; 0 = off."""
    suite: CipherSuite = "x25519-aes256"
    """Ciphers of secure aggregation; the hybrids add ML-KEM-768 against later quantum computers."""

    def colluders_among(self, partners: int) -> int:
        """How many of so many `partners` may collude: as stated, or ⌊(N - 1) / 3⌋."""
        return default_colluders(partners) if self.colluders is None else self.colluders


class TrainingPlan(StrictModel):
    """One federated training run."""

    version: Literal[1] = 1
    """Version of this format."""
    run_id: RunId
    """16 random bytes, hex."""
    purpose: Annotated[str, Field(max_length=500)]
    """Why this run takes place, for the people who approve it."""
    rounds: Annotated[int, Field(ge=1, le=10_000)]
    """Rounds in all."""
    partners: Annotated[tuple[Partner, ...], Field(min_length=2, max_length=256)]
    """The cohort; only these keys take part."""
    encoder: EncoderChoice
    """Text encoder that spans the shared item space."""
    model: BehaviourConfig
    """Shape of the behaviour model."""
    content: ContentTerms | None = None
    """The content model trained beside it; None = behaviour alone."""
    initial_seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    """Public seed of the first global model; every node computes it for itself."""
    initial_weights: InitialWeights | None = None
    """Pre-trained weights of the behaviour model instead; every party holds the file."""
    local: LocalSteps
    """Local training."""
    aggregation: Aggregation
    """Aggregation."""
    privacy: PrivacyTerms | None
    """User-level guarantee; None only for research without privacy, which nodes refuse unless
    their own policy allows it."""
    statistics: StatisticsTerms | None = None
    """One-shot statistics before the first round, charged inside the same epsilon; None = none."""

    @model_validator(mode="after")
    def _partners_differ(self) -> Self:
        ids = [p.id for p in self.partners]
        keys = [p.identity for p in self.partners]
        if len(set(ids)) < len(ids) or len(set(keys)) < len(keys):
            raise ValueError("partner ids and identity keys must be unique")
        if ids != sorted(ids):
            raise ValueError("partners must be sorted by id")
        return self

    @model_validator(mode="after")
    def _distributed_noise_is_valid(self) -> Self:
        if not self.distributed:
            return self
        if self.local.steps != 1:
            raise DistributedNoiseError(f"local.steps = {self.local.steps}, not 1")
        if self.aggregation.weights != "equal":
            raise DistributedNoiseError(f'weights = "{self.aggregation.weights}", not "equal"')
        if self.colluders < 1:
            raise DistributedNoiseError("colluders = 0, but partners see the sum as well")
        if self.content is not None:
            raise DistributedNoiseError("a content model, but one round is one step of one model")
        return self

    @model_validator(mode="after")
    def _statistics_are_private(self) -> Self:
        if self.statistics is not None and self.privacy is None:
            raise ValueError("statistics need privacy: counts leave no platform without noise")
        return self

    @model_validator(mode="after")
    def _item_spaces_agree(self) -> Self:
        if self.content is not None and self.content.model.item_dim != self.model.item_dim:
            raise ValueError("content.model.item_dim must be that of the behaviour model")
        return self

    @model_validator(mode="after")
    def _turns_are_whole(self) -> Self:
        if self.privacy is not None and self.local.steps % self.privacy.bands:
            raise ValueError("privacy.bands must divide local.steps, or a round has broken turns")
        return self

    @property
    def colluders(self) -> int:
        """Partners that may collude with the coordinator."""
        return self.aggregation.colluders_among(len(self.partners))

    @property
    def distributed(self) -> bool:
        """Whether partners share the noise, so that only the sum is private."""
        return self.privacy is not None and self.privacy.noise == "distributed"

    @property
    def models(self) -> tuple[ModelName, ...]:
        """What is trained, in the order in which it lies in the vector."""
        return ("behaviour",) if self.content is None else ("behaviour", "content")

    @property
    def local_steps(self) -> tuple[LocalSteps, ...]:
        """Local training of each of the models."""
        return (self.local,) if self.content is None else (self.local, self.content.local)

    @property
    def parameters(self) -> int:
        """Length of the parameter vector, of all models."""
        return self.parameter_schema.size

    @property
    def parameter_schema(self) -> ParameterSchema:
        """Names and shapes in the one vector: the behaviour model's, then the content model's."""
        entries = behaviour_schema(self.model).entries
        if self.content is not None:
            content = content_schema(self.content.model).entries
            entries += tuple((f"content.{name}", shape) for name, shape in content)
        return ParameterSchema(entries)

    def initial_model(self, weights: Float32s | None = None) -> Float32s:
        """First global model (P,), the same for everybody who has the plan.

        Parameters
        ----------
        weights
            The behaviour model's, where the plan names pre-trained ones.

        Raises
        ------
        InitialWeightsError
            `weights` are not what the plan names.
        """
        if self.initial_weights is None:
            weights = initial_parameters(self.model, self.initial_seed)
        parts = [self.check_initial(weights)]
        if self.content is not None:
            parts.append(initial_content(self.content.model, self.initial_seed))
        return np.concatenate(parts)

    def check_initial(self, weights: Float32s | None) -> Float32s:
        """`weights` of the behaviour model, if they are those that the plan names.

        Raises
        ------
        InitialWeightsError
        """
        if weights is None:
            raise InitialWeightsError("the plan starts from pre-trained weights, none are given")
        schema, named = behaviour_schema(self.model), self.initial_weights
        if named is None:
            return weights
        try:
            found = schema.digest(weights).hex()
        except ParameterVectorError as error:
            raise InitialWeightsError(str(error)) from error
        if found != named.digest:
            raise InitialWeightsError(f"weights {found}, not {named.digest}")
        return weights

    def split(self, vector: Float32s) -> tuple[Float32s, Float32s]:
        """The behaviour model's part of a (P,) vector, and the content model's, maybe empty."""
        size = behaviour_schema(self.model).size
        return vector[:size], vector[size:]

    def canonical(self) -> bytes:
        """The one encoding of this plan: compact JSON, sorted keys, absent sections left out."""
        values = self.model_dump(mode="json")
        values = {k: v for k, v in values.items() if v is not None or k not in _OPTIONAL}
        return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes (32 bytes)."""
        return digest("isthmus plan 1", self.canonical())

    def partner(self, identity: bytes) -> Partner | None:
        """The partner that holds this Ed25519 public key, if any."""
        return next((p for p in self.partners if p.identity == identity.hex()), None)

    def weight(self, partner: Partner) -> float:
        """Public weight of a partner in the mean, in (0, 1]."""
        if self.aggregation.weights == "equal":
            return 1.0
        return partner.declared_users / max(p.declared_users for p in self.partners)

    def sign(self, key: Ed25519PrivateKey) -> bytes:
        """Signature of the coordinator over this plan (64 bytes)."""
        return key.sign(self.digest())


def suite_of(name: CipherSuite) -> Suite:
    """The suite `name` as secure aggregation numbers it."""
    return Suite[name.replace("-", "_").upper()]


def read_plan(data: bytes, signature: bytes, coordinator: bytes) -> TrainingPlan:
    """Parse a received plan; the signature is checked over the received bytes first.

    Raises
    ------
    PlanSignatureError
        Not signed by `coordinator` (Ed25519 public key, 32 bytes).
    PlanFormatError
        Too long, not a plan, or not in canonical form.
    """
    if len(data) > MAX_PLAN_BYTES:
        raise PlanFormatError(f"plan of {len(data)} bytes is longer than {MAX_PLAN_BYTES}")
    try:
        key = Ed25519PublicKey.from_public_bytes(coordinator)
        key.verify(signature, digest("isthmus plan 1", data))
    except (InvalidSignature, ValueError) as error:
        raise PlanSignatureError("the plan's signature does not fit") from error
    try:
        values = json.loads(data)
    except ValueError as error:
        raise PlanFormatError("the plan is not JSON") from error
    if not isinstance(values, dict):
        raise PlanFormatError("the plan is not a JSON object")
    plan = parse(TrainingPlan, values, where="plan")
    if plan.canonical() != data:
        raise PlanFormatError("the plan is not in canonical form")
    return plan
