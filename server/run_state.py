"""Which run the service works on, and how far it is: small JSON files that survive everything."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from server.app import store_plan
from server.article_lists import with_articles
from server.articles import store_articles
from server.home import CoordinatorHome
from server.partners import AdmittedPartner, UnknownPartnerError, read_partners
from shared.config import StrictModel, parse
from shared.errors import ConfigError, FederationError
from shared.files import read_json, write_json
from shared.initial_weights import read_initial, store_initial
from shared.keyfile import load_identity
from shared.models.behaviour_parameters import behaviour_schema
from shared.plan import TrainingPlan
from shared.protocol import agree

State = Literal["waiting", "running", "finished", "failed"]


class UnfinishedRunError(FederationError):
    """Another run is not finished yet."""

    code = "FED-110"
    default_remedy = "let it finish, or give it up with --replace"


class NoRunError(FederationError):
    """There is no run of this id, or none at all."""

    code = "FED-111"
    default_remedy = "propose a plan: isthmus-coordinator start --plan plan.toml"


class PlanFileError(ConfigError):
    """A plan file sets something that the coordinator sets itself, or names nobody."""

    code = "FED-112"


class RunState(StrictModel):
    """How far a run is."""

    run_id: str
    """The plan's run id."""
    state: State = "waiting"
    """Waiting to be started, running, finished, or failed until `resume`."""
    flower_run: int = 0
    """Flower's number of the run that carries it now."""
    problem: str = ""
    """Why it failed: an error code and its message."""


def propose(home: CoordinatorHome, terms: Mapping[str, Any], *, replace: bool) -> TrainingPlan:
    """Sign a plan and make it the current run.

    Parameters
    ----------
    terms
        The plan without run id and version; `partners` may list names, else all active ones.
    replace
        Give up an unfinished run.

    Raises
    ------
    UnfinishedRunError, PlanFileError, ProtocolMismatchError, ConfigError, InitialWeightsError
    NothingSharedError, DocumentError
    """
    current = read_current(home)
    if current is not None and current.state != "finished" and not replace:
        raise UnfinishedRunError(f"run {current.run_id} is {current.state}")
    reserved = sorted({"run_id", "version"} & set(terms))
    if reserved:
        raise PlanFileError(f"{reserved[0]!r} is set by the coordinator", remedy="remove it")
    partners = _chosen(home, terms.get("partners"))
    values = {**terms, "run_id": secrets.token_hex(16), "partners": partners}
    plan, articles = with_articles(home, parse(TrainingPlan, values, where="plan"))
    weights = read_initial(home.initial, plan)
    if weights is not None:
        schema = behaviour_schema(plan.model)
        store_initial(home.run(plan.run_id) / "initial", schema, weights)
    if articles:
        store_articles(home.run(plan.run_id), articles)
    store_plan(home.run(plan.run_id), plan, plan.sign(load_identity(home.identity)))
    write_state(home, RunState(run_id=plan.run_id))
    write_json(home.current, {"run_id": plan.run_id})
    return plan


def resume(home: CoordinatorHome, run_id: str) -> RunState:
    """Let the service go on with a run that failed; empty means the current one.

    Raises
    ------
    NoRunError
    """
    state = chosen_run(home, run_id)
    if state.state != "finished":
        state = state.model_copy(update={"state": "waiting", "problem": ""})
        write_state(home, state)
    write_json(home.current, {"run_id": state.run_id})
    return state


def chosen_run(home: CoordinatorHome, run_id: str) -> RunState:
    """The state of a run; empty means the current one.

    Raises
    ------
    NoRunError
    """
    state = read_state(home, run_id) if run_id else read_current(home)
    if state is None:
        raise NoRunError("there is no run", where=str(home.runs))
    return state


def read_current(home: CoordinatorHome) -> RunState | None:
    """The run that the service works on, if any."""
    return read_state(home, read_json(home.current)["run_id"]) if home.current.exists() else None


def read_state(home: CoordinatorHome, run_id: str) -> RunState:
    """The state of a run.

    Raises
    ------
    NoRunError
    """
    path = _path(home, run_id)
    if not path.exists():
        raise NoRunError(f"no run {run_id!r}", where=str(home.runs))
    return parse(RunState, read_json(path), where=str(path))


def write_state(home: CoordinatorHome, state: RunState) -> None:
    """Store the state of a run."""
    write_json(_path(home, state.run_id), state.model_dump(mode="json"))


def _path(home: CoordinatorHome, run_id: str) -> Path:
    return home.run(run_id) / "state.json"


def _chosen(home: CoordinatorHome, names: object) -> list[dict[str, Any]]:
    """Entries of the plan for the chosen partners, in the order of their numbers."""
    active = read_partners(home).active()
    if names is None:
        names = [p.name for p in active]
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise PlanFileError("'partners' must be a list of names", remedy='partners = ["a", "b"]')
    missing = sorted(set(names) - {p.name for p in active})
    if missing:
        raise UnknownPartnerError(f"no partner {missing[0]!r}")
    chosen = [p for p in active if p.name in names]
    if len(chosen) < 2:
        told = ", ".join(p.name for p in chosen) or "nobody"
        remedy = "invite and approve more; nodes ask for three unless their policies say otherwise"
        raise PlanFileError(f"a plan needs two partners at least, not {told} alone", remedy=remedy)
    for partner in chosen:
        agree(partner.protocols, who=f"partner {partner.name!r}")
    return [_entry(p) for p in chosen]


def _entry(partner: AdmittedPartner) -> dict[str, Any]:
    return {
        "id": partner.number,
        "name": partner.name,
        "identity": partner.identity,
        "declared_users": partner.declared_users,
    }
