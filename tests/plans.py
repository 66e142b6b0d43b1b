"""Small plans and policies for tests."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.models.config import BehaviourConfig, EncoderChoice
from shared.plan import Aggregation, ContentTerms, LocalSteps, Partner, PrivacyTerms, TrainingPlan
from shared.statistics import StatisticsTerms

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""The coordinator's signing key in tests."""


def identity(number: int) -> Ed25519PrivateKey:
    """The identity of partner `number` in tests."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(key: Ed25519PrivateKey) -> bytes:
    """Raw public key."""
    return key.public_key().public_bytes_raw()


def make_plan(
    users: tuple[int, ...] = (64, 64, 64),
    *,
    rounds: int = 3,
    privacy: PrivacyTerms | None = PrivacyTerms(epsilon=8.0),
    local: LocalSteps = LocalSteps(steps=2, batch_users=16),
    aggregation: Aggregation = Aggregation(),
    model: BehaviourConfig = BehaviourConfig(),
    content: ContentTerms | None = None,
    encoder: EncoderChoice = EncoderChoice(name="hashed-words", fingerprint="11" * 32),
    statistics: StatisticsTerms | None = None,
) -> TrainingPlan:
    """A plan for partners 1, 2, ... that declare `users`."""
    partners = tuple(
        Partner(id=i, name=f"p{i}", identity=public(identity(i)).hex(), declared_users=n)
        for i, n in enumerate(users, start=1)
    )
    return TrainingPlan(
        run_id="0f" * 16,
        purpose="test",
        rounds=rounds,
        partners=partners,
        encoder=encoder,
        model=model,
        content=content,
        local=local,
        aggregation=aggregation,
        privacy=privacy,
        statistics=statistics,
    )


def distributed_plan(
    users: tuple[int, ...] = (64, 64, 64),
    *,
    rounds: int = 3,
    epsilon: float = 8.0,
    model: BehaviourConfig = BehaviourConfig(),
    **aggregation: object,
) -> TrainingPlan:
    """A plan whose partners share the noise."""
    terms = {"weights": "equal", "colluders": 1, **aggregation}
    return make_plan(
        users,
        rounds=rounds,
        privacy=PrivacyTerms(epsilon=epsilon, noise="distributed"),
        local=LocalSteps(steps=1, batch_users=16, learning_rate=1.0),
        aggregation=Aggregation.model_validate(terms),
        model=model,
    )
