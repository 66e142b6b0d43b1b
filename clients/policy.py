"""What this node accepts: its own limits, whatever the coordinator asks; deny is the default."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

from pydantic import Field

from clients.charge import charge_of
from clients.home import NodeHome
from shared.config import StrictModel, parse, read_json_object
from shared.errors import FederationError
from shared.files import write_json
from shared.plan import CipherSuite, HexKey, ModelName, Partner, TrainingPlan, suite_of
from shared.secagg import Suite


class PolicyRefusalError(FederationError):
    """The plan asks for something that this node's policy does not allow."""

    code = "FED-030"
    default_remedy = "change policy.json on this node if, and only if, the plan is acceptable"


class UnpinnedPartnerError(FederationError):
    """The plan names a partner whose identity key is not the one that this node has pinned."""

    code = "FED-031"


class NotInPlanError(FederationError):
    """The plan does not contain the identity of this node."""

    code = "FED-032"


class OutsideHoursError(FederationError):
    """A round may not begin at this time of the day."""

    code = "FED-214"
    default_remedy = "start the run within the hours of all partners"


class NotJoinedError(FederationError):
    """The node was not invited, or not admitted yet."""

    code = "FED-107"
    default_remedy = "run isthmus-node join with the coordinator's invitation, then its admission"


Hour = Annotated[int, Field(ge=0, le=24)]


class NodePolicy(StrictModel):
    """Limits enforced at the node."""

    coordinator: HexKey
    """Ed25519 public key of the coordinator, compared out of band."""
    partners: dict[str, HexKey]
    """Name → Ed25519 public key of every partner that may be in a cohort, compared out of band."""
    min_cohort: Annotated[int, Field(ge=2)] = 3
    """Fewest partners in a plan."""
    max_epsilon: Annotated[float, Field(gt=0)] = 8.0
    """Largest epsilon of one plan."""
    max_bands: Annotated[int, Field(ge=1)] = 1
    """Most bands of correlated noise in a plan; 1 = independent Gaussian noise only."""
    lifetime_epsilon: Annotated[float, Field(gt=0)] = 8.0
    """Largest epsilon over all plans that ever ran here."""
    min_noise: Annotated[float, Field(ge=0)] = 0.0
    """Smallest noise multiplier of a step (deviation of the noise in clipping norms), whatever
    epsilon a plan's sampling rates make of it; 0 leaves the noise to the caps on epsilon."""
    max_rounds: Annotated[int, Field(ge=1)] = 200
    """Most rounds in a plan."""
    max_update_range: Annotated[float, Field(gt=0)] = 16.0
    """Largest fixed-point range."""
    encoders: tuple[str, ...] = ("use-multilingual",)
    """Text encoders that may be used."""
    modalities: tuple[str, ...] = ()
    """Feature columns that item vectors may be made of, beside texts."""
    models: tuple[ModelName, ...] = get_args(ModelName)
    """Models that may be trained on this platform's users."""
    min_colluders: Annotated[int, Field(ge=0)] = 0
    """Colluding partners that the plan must at least withstand."""
    max_declared_users: Annotated[int, Field(ge=1)]
    """This platform's public lower bound on its users; a plan must not declare more."""
    suites: tuple[CipherSuite, ...] = get_args(CipherSuite)
    """Ciphers of secure aggregation that may be used; only the hybrids resist a quantum computer
    that reads recorded traffic later."""
    allow_distributed_noise: bool = False
    """Accept plans in which partners share the noise. Epsilon, and with it both caps, then trusts
    secure aggregation and all partners but the plan's colluders."""
    allow_statistics: bool = False
    """Accept plans with one-shot statistics of the articles that several partners carry."""
    approval: Literal["by-hand", "by-policy"] = "by-hand"
    """Who approves a plan that this policy allows: a person, each time; or the policy itself."""
    hours: tuple[Hour, Hour] = (0, 24)
    """Hours of the day, UTC, from and until which rounds may begin; (22, 5) is over midnight."""
    allow_unprotected: bool = False
    """Accept plans without differential privacy. For research on public data only."""

    @property
    def accepted_suites(self) -> frozenset[Suite]:
        """`suites` as secure aggregation numbers them."""
        return frozenset(suite_of(name) for name in self.suites)

    def check(self, plan: TrainingPlan, identity: bytes) -> Partner:
        """Hold `plan` against this policy; returns this node's own entry in the plan.

        Raises
        ------
        NotInPlanError, UnpinnedPartnerError, PolicyRefusalError
        """
        partner = plan.partner(identity)
        if partner is None:
            raise NotInPlanError("this node is not in the plan", where=f"run {plan.run_id}")
        self._check_partners(plan)
        self._check_limits(plan)
        self._check_privacy(plan)
        if partner.declared_users > self.max_declared_users:
            self._refuse("declared_users", partner.declared_users, self.max_declared_users)
        return partner

    def check_noise(self, plan: TrainingPlan, partner: Partner) -> None:
        """Hold the noise that `plan` makes this node add against this policy.

        Apart from `check`, because the noise takes seconds to compute.

        Raises
        ------
        PolicyRefusalError
        """
        charge = charge_of(plan, partner) if self.min_noise else None
        if charge is None:
            return
        smallest = min(cost.noise_multiplier for cost in charge.mechanisms)
        if smallest < self.min_noise:
            self._refuse("noise", round(smallest, 4), self.min_noise)

    def check_hour(self, now: datetime) -> None:
        """Whether a round may begin at `now`.

        Raises
        ------
        OutsideHoursError
        """
        first, until = self.hours
        hour = now.astimezone(UTC).hour
        inside = first <= hour < until if first <= until else hour >= first or hour < until
        if not inside:
            raise OutsideHoursError(f"{hour} o'clock UTC; rounds may begin from {first} to {until}")

    def _check_partners(self, plan: TrainingPlan) -> None:
        for partner in plan.partners:
            pinned = self.partners.get(partner.name)
            if pinned is None:
                raise UnpinnedPartnerError(
                    f"partner {partner.name!r} is not pinned",
                    remedy=f"let that partner tell its key: isthmus-node pin {partner.name} KEY",
                )
            if pinned != partner.identity:
                raise UnpinnedPartnerError(
                    f"the key of partner {partner.name!r} is not the pinned one",
                    remedy="compare fingerprints with that partner out of band, then pin the key",
                )

    def _check_limits(self, plan: TrainingPlan) -> None:
        terms = plan.aggregation
        if len(plan.partners) < self.min_cohort:
            self._refuse("partners", len(plan.partners), self.min_cohort)
        if plan.rounds > self.max_rounds:
            self._refuse("rounds", plan.rounds, self.max_rounds)
        if terms.update_range > self.max_update_range:
            self._refuse("update_range", terms.update_range, self.max_update_range)
        if plan.colluders < self.min_colluders:
            self._refuse("colluders", plan.colluders, self.min_colluders)
        if plan.encoder.name not in self.encoders:
            self._refuse("encoder", plan.encoder.name, self.encoders)
        columns = {modality.name for modality in plan.model.modalities}
        if not columns <= set(self.modalities):
            self._refuse("modalities", sorted(columns), self.modalities)
        if not all(modality.encoder for modality in plan.model.modalities):
            raise PolicyRefusalError("the plan does not say what makes its feature columns")
        if not set(plan.models) <= set(self.models):
            self._refuse("models", plan.models, self.models)
        if terms.suite not in self.suites:
            self._refuse("suite", terms.suite, self.suites)
        if not plan.encoder.fingerprint:
            raise PolicyRefusalError("the plan does not fix the encoder's fingerprint")

    def _check_privacy(self, plan: TrainingPlan) -> None:
        if plan.statistics is not None and not self.allow_statistics:
            raise PolicyRefusalError("the plan asks for statistics of shared articles")
        if plan.privacy is None:
            if not self.allow_unprotected:
                raise PolicyRefusalError("the plan trains without differential privacy")
        elif plan.distributed and not self.allow_distributed_noise:
            raise PolicyRefusalError("the plan's epsilon trusts the noise of other partners")
        elif plan.privacy.epsilon > self.max_epsilon:
            self._refuse("epsilon", plan.privacy.epsilon, self.max_epsilon)
        elif plan.privacy.bands > self.max_bands:
            self._refuse("bands", plan.privacy.bands, self.max_bands)

    def _refuse(self, what: str, asked: object, limit: object) -> None:
        raise PolicyRefusalError(f"{what} = {asked!r}, this node's limit is {limit!r}")


def read_policy(home: NodeHome) -> NodePolicy:
    """The node's own policy, which the first invitation brings.

    Raises
    ------
    NotJoinedError, ConfigError
    """
    if not home.policy.exists():
        raise NotJoinedError("no policy.json", where=str(home.root))
    return parse(NodePolicy, read_json_object(home.policy), where=str(home.policy))


def write_policy(home: NodeHome, policy: NodePolicy) -> None:
    """Make `policy` the node's own, readable by its owner alone: it names partners and limits."""
    write_json(home.policy, policy.model_dump(mode="json"), private=True)
