"""A node refuses what its policy does not allow, whatever the coordinator signs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from clients.charge import charge_of
from clients.policy import (
    NodePolicy,
    NotInPlanError,
    OutsideHoursError,
    PolicyRefusalError,
    UnpinnedPartnerError,
)
from server.coordinator import RunFailedError
from shared.errors import FederationError
from shared.models.config import EncoderChoice
from shared.plan import Aggregation, ContentTerms, PrivacyTerms, TrainingPlan
from shared.wire import START
from tests.federation import MODEL, Federation
from tests.plans import KEY, distributed_plan, identity, make_plan, public

SELF = public(identity(1))


def _policy(**changes: object) -> NodePolicy:
    values: dict[str, object] = {
        "coordinator": public(KEY).hex(),
        "partners": {f"p{i}": public(identity(i)).hex() for i in (1, 2, 3)},
        "encoders": ("hashed-words",),
        "max_declared_users": 64,
    }
    return NodePolicy.model_validate({**values, **changes})


def test_a_plan_within_all_limits_is_accepted() -> None:
    assert _policy().check(make_plan(), SELF).id == 1


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        (make_plan(users=(64, 64)), PolicyRefusalError),
        (make_plan(rounds=5000), PolicyRefusalError),
        (make_plan(privacy=None), PolicyRefusalError),
        (make_plan(privacy=PrivacyTerms(epsilon=8.5)), PolicyRefusalError),
        (make_plan(privacy=PrivacyTerms(epsilon=8.0, bands=2)), PolicyRefusalError),
        (make_plan(aggregation=Aggregation(update_range=1e6)), PolicyRefusalError),
        (make_plan(users=(65, 64, 64)), PolicyRefusalError),
        (make_plan(encoder=EncoderChoice(name="other", fingerprint="11" * 32)), PolicyRefusalError),
        (make_plan(encoder=EncoderChoice(name="hashed-words")), PolicyRefusalError),
        (make_plan(users=(64, 64, 64, 64)), UnpinnedPartnerError),
        (distributed_plan(), PolicyRefusalError),
    ],
    ids=[
        "cohort too small",
        "too many rounds",
        "no privacy",
        "epsilon above the cap",
        "correlated noise",
        "huge range",
        "declares more users than there are",
        "unknown encoder",
        "encoder without fingerprint",
        "unknown partner",
        "epsilon that trusts the noise of others",
    ],
)
def test_a_plan_beyond_a_limit_is_refused(plan: TrainingPlan, error: type[FederationError]) -> None:
    with pytest.raises(error):
        _policy().check(plan, SELF)


def test_colluders_below_the_nodes_floor_are_refused() -> None:
    with pytest.raises(PolicyRefusalError, match="colluders"):
        _policy(min_colluders=1).check(make_plan(), SELF)


def test_noise_below_the_nodes_floor_is_refused() -> None:
    plan = make_plan(privacy=PrivacyTerms(epsilon=8.0))
    charge = charge_of(plan, plan.partners[0])
    assert charge is not None
    noise = charge.mechanisms[0].noise_multiplier
    _policy(min_noise=0.99 * noise).check_noise(plan, plan.partners[0])
    with pytest.raises(PolicyRefusalError, match="noise"):
        _policy(min_noise=1.01 * noise).check_noise(plan, plan.partners[0])


def test_a_node_holds_the_noise_of_a_plan_against_its_floor(tmp_path: Path) -> None:
    plan = make_plan(rounds=1, privacy=PrivacyTerms(epsilon=8.0), model=MODEL)
    federation = Federation(plan, tmp_path, min_noise=1e6)
    with pytest.raises(RunFailedError):
        federation.run()
    assert federation.reports
    assert {c for r in federation.reports for c in r.failures[START].values()} == {"FED-030"}
    assert not any(node.ledger().spends() for node in federation.nodes.values())


def test_a_plan_without_this_node_is_refused() -> None:
    with pytest.raises(NotInPlanError):
        _policy().check(make_plan(), public(identity(9)))


def test_shared_noise_is_accepted_where_the_policy_says_so() -> None:
    assert _policy(allow_distributed_noise=True).check(distributed_plan(), SELF).id == 1


def test_a_suite_that_the_node_does_not_list_is_refused() -> None:
    """No downgrade: a node that demands the hybrid refuses the plan without it."""
    demanding = _policy(suites=("hybrid-aes256",))
    with pytest.raises(PolicyRefusalError, match="suite"):
        demanding.check(make_plan(), SELF)
    hybrid = make_plan(aggregation=Aggregation(suite="hybrid-aes256"))
    assert demanding.check(hybrid, SELF).id == 1


@pytest.mark.parametrize(
    ("hours", "hour", "allowed"),
    [((0, 24), 0, True), ((8, 20), 8, True), ((8, 20), 20, False), ((22, 5), 23, True),
     ((22, 5), 4, True), ((22, 5), 5, False), ((22, 5), 12, False)],
)  # fmt: skip
def test_rounds_begin_only_within_the_hours(
    hours: tuple[int, int], hour: int, allowed: bool
) -> None:
    now = datetime(2026, 1, 2, hour, 30, tzinfo=UTC)
    if allowed:
        _policy(hours=hours).check_hour(now)
    else:
        with pytest.raises(OutsideHoursError):
            _policy(hours=hours).check_hour(now)


def test_a_model_that_the_platform_does_not_train_is_refused() -> None:
    plan = make_plan(content=ContentTerms())
    assert _policy().check(plan, SELF).id == 1
    with pytest.raises(PolicyRefusalError, match="models"):
        _policy(models=("behaviour",)).check(plan, SELF)
