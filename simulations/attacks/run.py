"""All attacks on one recipe: stages that an interrupted run goes on from, then results and page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from shared.models.encoders import load_encoder
from shared.progress import Reporter, Step, reporter
from simulations.attacks.inversion_trials import Case, cases, measure_inversion
from simulations.attacks.membership_trials import MembershipTrials, Training
from simulations.attacks.promotion_trials import CONDUCTS, Outcome, Promotions, promotion_row
from simulations.attacks.results import (
    AttackResults,
    Conduct,
    InversionRow,
    MembershipRow,
    PromotionRow,
    read_attacks,
    write_attacks,
)
from simulations.attacks.world import World
from simulations.lab_device import use_threads
from simulations.platforms import data_folder, platforms_of
from simulations.recipe import Recipe
from simulations.reporting.attack_page import write_attack_report
from simulations.reporting.attack_terminal import render_attacks
from simulations.revision import revision
from simulations.workdir import WorkDirectory

Attack = Literal["inversion", "membership", "promotion"]
ATTACKS: tuple[Attack, ...] = ("inversion", "membership", "promotion")


class AttackRun:
    """The attacks on one recipe with one seed in one output directory.

    Parameters
    ----------
    recipe, name
        What is attacked, and under which name it is reported.
    out
        Output directory; an interrupted run there is continued.
    data
        Folder with data, for recipes that read one.
    seed
        Seed of everything that is not privacy.
    only
        Which attacks.
    restart
        Discard what `out` holds.

    Raises
    ------
    OtherRunError
        `out` holds another run.
    """

    def __init__(
        self,
        recipe: Recipe,
        name: str,
        out: Path,
        *,
        data: Path | None = None,
        seed: int = 0,
        only: Sequence[Attack] = ATTACKS,
        restart: bool = False,
    ) -> None:
        self._recipe, self._name, self._data, self._seed = recipe, name, data, seed
        self._only = only
        identity = {
            "attacks": list(only),
            "recipe": recipe.model_dump(mode="json"),
            "data": str(data.resolve()) if data else None,
            "seed": seed,
        }
        data_folder(recipe.data, data)  # before a directory is made that another try would not fit
        self._work = WorkDirectory(out, identity, restart=restart)

    def execute(self, console: Console) -> None:
        """Attack what is left to attack, then print tables and write results and page."""
        use_threads()
        if not self._work.finished():
            with reporter(console) as report:
                results = self._attack(report)
            write_attacks(results, self._work.out)
            self._work.finish()
        render_attacks(read_attacks(self._work.out), console)
        console.print(f"report:  {write_attack_report(self._work.out)}")

    def _attack(self, report: Reporter) -> AttackResults:
        world = self._world(report)
        inversion = self._inversion(world, report) if "inversion" in self._only else []
        membership = self._membership(world, report) if "membership" in self._only else []
        promotion = self._promotion(world, report) if "promotion" in self._only else []
        return AttackResults(
            schema=1,
            recipe=self._name,
            seed=self._seed,
            git=revision(),
            victim=world.platforms[0].name,
            partners=len(world.platforms),
            epsilon=self._recipe.federation.privacy.epsilon,
            inversion=inversion,
            membership=membership,
            promotion=promotion,
            timings=self._work.seconds(),
        )

    def _world(self, report: Reporter) -> World:
        with self._work.timed("data", report, "reading and encoding") as step:
            encoder = load_encoder(self._recipe.encoder)
            platforms = platforms_of(self._recipe, self._data, self._seed, encoder, step)
        return World(recipe=self._recipe, platforms=platforms, encoder=encoder, seed=self._seed)

    def _inversion(self, world: World, report: Reporter) -> list[InversionRow]:
        rows = list[InversionRow]()
        todo = cases(world.recipe.attack.inversion)
        with self._work.timed("inversion", report, "gradient inversion") as step:
            for done, case in enumerate(todo):
                step(done, len(todo), case.name)
                compute = partial(_dumped_inversion, world, case)
                found = self._work.stage(f"inversion.{case.name}", compute)
                rows += [InversionRow.model_validate(row) for row in found]
            step(len(todo), len(todo))
        return rows

    def _membership(self, world: World, report: Reporter) -> list[MembershipRow]:
        rows = list[MembershipRow]()
        for claim in (None, *world.recipe.attack.membership.epsilons):
            named = "no noise" if claim is None else f"epsilon {claim:g}"
            with self._work.timed("membership", report, f"membership inference, {named}") as step:
                trials = MembershipTrials(world, claim)
                rows += trials.rows(self._trainings(trials, named, step))
        return rows

    def _trainings(self, trials: MembershipTrials, named: str, step: Step) -> list[Training]:
        count, found = self._recipe.attack.membership.trainings, list[Training]()
        for number in range(count):
            step(number, count)
            compute = partial(_dumped_training, trials, number)
            kept = self._work.stage(f"membership.{named}.{number}", compute)
            found.append(Training.from_values(kept))
        step(count, count)
        return found

    def _promotion(self, world: World, report: Reporter) -> list[PromotionRow]:
        with self._work.timed(
            "promotion", report, "item promotion: the victims' own models"
        ) as step:
            promotions = Promotions(world, step)
        with self._work.timed("promotion", report, "item promotion") as step:
            norm = self._work.stage("promotion.norm", promotions.norm)
            todo = [(c, n) for n in range(len(promotions.items)) for c in CONDUCTS]
            found: dict[Conduct, list[Outcome]] = {conduct: [] for conduct in CONDUCTS}
            for done, (conduct, number) in enumerate(todo):
                step(done, len(todo), conduct)
                compute = partial(_dumped_promotion, promotions, conduct, number, norm)
                kept = self._work.stage(f"promotion.{conduct}.{number}", compute)
                found[conduct].append(Outcome(**kept))
            step(len(todo), len(todo))
        honest = found["honest"]
        return [promotion_row(c, found[c], honest) for c in CONDUCTS]


def _dumped_inversion(world: World, case: Case) -> list[dict[str, Any]]:
    return [row.model_dump() for row in measure_inversion(world, case)]


def _dumped_training(trials: MembershipTrials, number: int) -> dict[str, Any]:
    return trials.run(number).as_values()


def _dumped_promotion(
    promotions: Promotions, conduct: Conduct, number: int, norm: float
) -> dict[str, Any]:
    return asdict(promotions.run(conduct, number, norm))
