"""A run of `isthmus-lab`: every system on every platform, a table, ``results.json``, a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from safetensors.numpy import load_file, save

from clients.evaluation.ranking import Scorer
from clients.personal_file import kept, load
from clients.recommenders.behaviour import BehaviourScorer
from clients.recommenders.distributions import Part
from clients.recommenders.fusion import FusionWeights, learn_weights
from clients.recommenders.local_parts import (
    CONTENT_PART,
    FEDERATED_CONTENT_PART,
    MODEL_PART,
    RELEASED_PART,
    UNTRAINED_PART,
)
from clients.training.personalise import PersonalModel, personalise
from clients.training.tune_content import ContentModel
from shared.files import write_atomically
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import EncoderChoice
from shared.models.content_parameters import initial_content
from shared.models.encoders import load_encoder
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from shared.plan import PrivacyTerms
from shared.progress import Reporter, Step, reporter
from simulations.baselines import (
    BASELINES,
    JOINED,
    PERSONAL_PART,
    fitted,
    fusion_parts,
)
from simulations.centralised import train_centralised
from simulations.content_models import CONTENT, content_systems, kept_content, load_content
from simulations.federated import FederatedLab, FederatedResult, FederatedTask
from simulations.lab_device import lab_compute, use_threads
from simulations.measured import Measured
from simulations.model_notes import (
    discriminator_note,
    fusion_notes,
    health_notes,
    without_discriminator,
)
from simulations.outcome import LOCAL_FUSION, Outcome, write_validation
from simulations.platforms import LabPlatform, data_folder, load_data, names, prepare
from simulations.recipe import ContentRecipe, Recipe
from simulations.reporting import render_table, write_report
from simulations.results import SystemName, read_results, write_results
from simulations.workdir import WorkDirectory

Engine = Literal["grid", "ray"]
LEARNED: tuple[SystemName, ...] = (
    "local_lstm",
    "federated_lstm",
    "federated_dp_lstm",
    "centralised_lstm",
)
RELEASED: dict[SystemName, SystemName] = {
    "released_dp_lstm": "federated_dp_lstm",
    "released_lstm": "federated_lstm",
}
"""The federation's model as it is released → the federated run that it comes from."""


class Run:
    """One recipe with one seed in one output directory.

    Parameters
    ----------
    recipe, name
        What to do, and under which name it is reported.
    out
        Output directory; an interrupted run there is continued.
    data
        Folder with data, for recipes that read one.
    engine
        What carries the messages of the federated systems.
    seed
        Seed of everything that is not privacy.
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
        engine: Engine = "grid",
        seed: int = 0,
        restart: bool = False,
    ) -> None:
        self._recipe, self._name, self._seed = recipe, name, seed
        self._data, self._engine = data, engine
        identity = {
            "recipe": recipe.model_dump(mode="json", exclude={"attack"}),
            "data": str(data.resolve()) if data else None,
            "seed": seed,
            "engine": engine,
        }
        data_folder(recipe.data, data)  # before a directory is made that another try would not fit
        self._work = WorkDirectory(out, identity, restart=restart)
        self._outcome = Outcome(recipe, name, seed)
        self._runs: dict[SystemName, FederatedResult] = {}

    def execute(self, console: Console) -> None:
        """Run what is left, then print the table and write results and report."""
        use_threads()
        if not self._work.finished():
            with reporter(console) as report:
                self._systems(report)
            results = self._outcome.collect(self._work.seconds())
            write_results(results, self._work.out)
            self._work.finish()
        render_table(read_results(self._work.out), console)
        console.print(f"results: {self._work.out / 'results.json'}")
        console.print(f"report:  {write_report(self._work.out)}")

    def _systems(self, report: Reporter) -> None:
        self._prepare(report)
        self._baselines(report)
        for system in LEARNED:
            if system in self._recipe.systems:
                self._learned(system, report)
        for system, source in RELEASED.items():
            if system in self._recipe.systems:
                self._measure_released(system, source, report)
        for system in content_systems(self._recipe.systems, self._recipe.content):
            self._content(system, report)
        if "fusion" in self._recipe.systems:
            self._fuse(report)

    def _prepare(self, report: Reporter) -> None:
        with self._work.timed("data", report, "reading and checking data") as step:
            federation = load_data(self._recipe.data, self._data, self._seed)
            step(1, 1)
        write_validation(federation.reports, self._work.out)
        with self._work.timed("item_space", report, "encoding items") as step:
            self._encoder = load_encoder(self._recipe.encoder)
            cut = partial(self._recipe.evaluation.split, seed=self._seed)
            self._platforms = prepare(
                federation, self._encoder, self._recipe.model, cut, step, self._recipe.data.features
            )
        for platform in self._platforms:
            measured = Measured(platform, self._work.directory("measured"))
            self._outcome.add_platform(platform, measured)

    def _baselines(self, report: Reporter) -> None:
        wanted = [name for name in BASELINES if name in self._recipe.systems]
        total, done = len(wanted) * len(self._platforms), 0
        with self._work.timed("baselines", report, "local baselines") as step:
            for platform in self._platforms:
                for system in wanted:
                    step(done, total, f"{platform.name} {system}")
                    scorer = partial(fitted, system, platform)
                    self._outcome.measured[platform.name].measure(system, scorer)
                    done += 1
            step(done, total)

    def _learned(self, system: SystemName, report: Reporter) -> None:
        start = self._shared(system, report)
        with self._work.timed(f"{system}.personal", report, f"{system}: personal models") as step:
            for index, platform in enumerate(self._platforms):
                model = self._personal(system, platform, start, _part(step, index, self._platforms))
                self._outcome.measured[platform.name].measure(system, model.scorer)
                self._outcome.add_looks(system, platform.name, model)
                step(index + 1, len(self._platforms), platform.name)

    def _shared(self, system: SystemName, report: Reporter) -> Float32s:
        """The shared parameters from which a system's personal models start."""
        if system == "local_lstm":
            return initial_parameters(self._recipe.model, self._seed)
        if system == "centralised_lstm":
            return self._centralised(report)
        return self._trained(system, report).released

    def _trained(self, system: SystemName, report: Reporter) -> FederatedResult:
        """The federated run behind `system`, run once."""
        if system not in self._runs:
            private = system == "federated_dp_lstm"
            terms = self._recipe.federation.privacy if private else None
            self._runs[system] = self._federated(system, terms, report)
            self._outcome.add_federated(system, self._runs[system])
        return self._runs[system]

    def _measure_released(self, system: SystemName, source: SystemName, report: Reporter) -> None:
        self._trained(source, report)
        with self._work.timed(system, report, f"{system}: measuring") as step:
            for done, platform in enumerate(self._platforms, start=1):
                scorer = partial(self._released, source, platform)
                self._outcome.measured[platform.name].measure(system, scorer)
                step(done, len(self._platforms), platform.name)

    def _released(self, source: SystemName, platform: LabPlatform) -> BehaviourScorer:
        """The federation's model on a platform's catalogue, nothing of the platform's learned."""
        items = ItemMatrix(vectors=platform.vectors)
        return BehaviourScorer(self._recipe.model, self._runs[source].released, items)

    def _content(self, system: SystemName, report: Reporter) -> None:
        content, source = self._recipe.content, CONTENT[system]
        if content is None:
            return
        start = initial_content(content.terms.model, self._seed)
        if source is not None:
            start = self._trained(source, report).content
        with self._work.timed(f"{system}.personal", report, f"{system}: personal models") as step:
            for index, platform in enumerate(self._platforms):
                path, part = self._model_path(system, platform), _part(step, index, self._platforms)
                model = kept_content(path, content, start, platform, self._seed, part)
                scorer = partial(model.scorer, platform.vectors)
                self._outcome.measured[platform.name].measure(system, scorer)
                self._outcome.add_notes(platform.name, health_notes(system, model, platform))
                if source is None:
                    note = discriminator_note(model, self._plain(content, start, platform, part))
                    self._outcome.add_notes(platform.name, [note])
                step(index + 1, len(self._platforms), platform.name)

    def _plain(
        self, content: ContentRecipe, start: Float32s, platform: LabPlatform, step: Step
    ) -> ContentModel:
        """The local content model's own VAE, without the discriminator."""
        path, recipe = self._model_path("local_vae", platform), without_discriminator(content)
        return kept_content(path, recipe, start, platform, self._seed, step)

    def _centralised(self, report: Reporter) -> Float32s:
        path = self._work.root / "centralised.safetensors"
        if not path.exists():
            with self._work.timed("centralised_lstm", report, "centralised_lstm: training") as step:
                settings = self._recipe.centralised
                vector = train_centralised(
                    self._platforms, self._recipe.model, settings, self._seed, step
                )
            write_atomically(path, save({"parameters": vector}))
        return np.asarray(load_file(path)["parameters"], dtype=np.float32)

    def _federated(
        self, system: SystemName, privacy: PrivacyTerms | None, report: Reporter
    ) -> FederatedResult:
        terms = self._recipe.federation
        task = FederatedTask(
            names=names(self._platforms),
            encoder=EncoderChoice(name=self._recipe.encoder, fingerprint=self._encoder.fingerprint),
            model=self._recipe.model,
            local=terms.local if privacy else terms.unprotected_local,
            aggregation=terms.aggregation,
            rounds=terms.rounds if privacy else terms.unprotected_rounds,
            privacy=privacy,
            seed=self._seed,
            statistics=terms.statistics if privacy else None,
            content=self._recipe.content.terms if self._recipe.content else None,
        )
        data = [platform.training_data() for platform in self._platforms]
        ids = [platform.catalogue.item_ids for platform in self._platforms]
        lab = FederatedLab(self._work.directory(system), task, data, ids)
        with self._work.timed(system, report, f"{system}: rounds") as step:
            return lab.run(self._engine, step)

    def _personal(
        self, system: str, platform: LabPlatform, start: Float32s, step: Step
    ) -> PersonalModel:
        def train() -> PersonalModel:
            return personalise(
                self._recipe.model,
                start,
                platform.vectors,
                platform.split.training,
                platform.split.validation,
                self._recipe.personalisation,
                seed=self._seed,
                progress=lambda done, total: step(done, total),
                compute=lab_compute(),
            )

        return kept(self._model_path(system, platform), self._recipe.model, train)

    def _fuse(self, report: Reporter) -> None:
        sources = [source for source in RELEASED.values() if self._has(source)]
        with self._work.timed("fusion", report, "fusion") as step:
            for done, platform in enumerate(self._platforms, start=1):
                if sources:
                    self._trained(sources[0], report)
                    self._fuse_one("fusion", self._joined(sources[0], platform), platform)
                if self._has("local_lstm"):
                    self._fuse_one(LOCAL_FUSION, self._alone(platform), platform)
                step(done, len(self._platforms), platform.name)

    def _has(self, system: SystemName) -> bool:
        """Whether `system` was trained, or the release of a federated run was measured."""
        return any(s in self._recipe.systems for s in (system, *_releases_of(system)))

    def _alone(self, platform: LabPlatform) -> dict[str, Part]:
        """Parts that the platform has without the federation."""
        models = {MODEL_PART: self._personal_scorer("local_lstm", platform)}
        models |= self._untrained(platform)
        return fusion_parts(platform, models | self._contents(platform, None))

    def _joined(self, source: SystemName, platform: LabPlatform) -> dict[str, Part]:
        """The same and what the federation adds: learned models, private statistics."""
        systems, models = self._recipe.systems, dict[str, Scorer]()
        wanted = self._recipe.fusion_models
        if "local" in wanted and "local_lstm" in systems:
            models[MODEL_PART] = self._personal_scorer("local_lstm", platform)
        if "released" in wanted:
            models[RELEASED_PART] = self._released(source, platform)
            models |= self._untrained(platform)
        if "personal" in wanted and source in systems:
            models[PERSONAL_PART] = self._personal_scorer(source, platform)
        models |= self._contents(platform, source)
        counts = self._runs[source].statistics.get(platform.name)
        return fusion_parts(platform, models, counts.recommenders() if counts else {})

    def _untrained(self, platform: LabPlatform) -> dict[str, Scorer]:
        model, items = self._recipe.model, ItemMatrix(vectors=platform.vectors)
        return {
            UNTRAINED_PART: BehaviourScorer(model, initial_parameters(model, self._seed), items)
        }

    def _contents(self, platform: LabPlatform, joined: SystemName | None) -> dict[str, Scorer]:
        """Content models of a platform: its own, and that of the federated run `joined`."""
        content, found = self._recipe.content, dict[str, Scorer]()
        for system in content_systems(self._recipe.systems, content):
            if content is None or CONTENT[system] not in (None, joined):
                continue
            name = FEDERATED_CONTENT_PART if CONTENT[system] else CONTENT_PART
            model = load_content(self._model_path(system, platform), content)
            found[name] = model.scorer(platform.vectors)
        return found

    def _personal_scorer(self, system: SystemName, platform: LabPlatform) -> Scorer:
        return load(self._model_path(system, platform), self._recipe.model).scorer()

    def _fuse_one(self, system: str, parts: Mapping[str, Part], platform: LabPlatform) -> None:
        measured = self._outcome.measured[platform.name]

        def learn() -> dict[str, Any]:
            validation = platform.split.validation
            return asdict(learn_weights(parts, validation, joined=JOINED, seed=self._seed))

        learned = FusionWeights(**self._work.stage(f"weights.{system}.{platform.name}", learn))
        self._outcome.weights[platform.name, system] = learned
        self._outcome.add_notes(platform.name, fusion_notes(learned))
        measured.measure(system, lambda: learned.fusion(parts))

    def _model_path(self, system: str, platform: LabPlatform) -> Path:
        return self._work.directory("models") / f"{system}.{platform.name}.safetensors"


def _releases_of(source: SystemName) -> list[SystemName]:
    return [system for system, run in RELEASED.items() if run == source]


def _part(step: Step, index: int, platforms: Sequence[LabPlatform]) -> Step:
    """Progress within the work on platform number `index`."""
    name = platforms[index].name

    def report(done: int, total: int, note: str = "") -> None:
        step(index * total + done, len(platforms) * total, f"{name} {note}")

    return report
