"""The platforms of a run: data, split and item vectors, ready for every system."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clients.data.dataset import Catalogue, Histories, PlatformData
from clients.data.features import read_features
from clients.evaluation.split import LeaveOneOut
from clients.item_space import catalogue_vectors
from clients.node_data import TrainingData
from shared.errors import LabError
from shared.models.config import BehaviourConfig
from shared.models.encoders import EncodingCache, TextEncoder
from shared.progress import Step
from simulations.datasets.federation import FederationData
from simulations.datasets.folder import load_folder
from simulations.datasets.generated import load_generated
from simulations.datasets.movielens import load_movielens
from simulations.datasets.shops import split_into_shops
from simulations.recipe import DataRecipe, Recipe

CACHE_VARIABLE = "ISTHMUS_CACHE"


class DataNeededError(LabError):
    """A recipe that reads a folder was given none, or another kind of recipe was given one."""

    code = "LAB-012"


class UnknownPlatformError(LabError):
    """A recipe names a platform that the data do not have."""

    code = "LAB-013"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPlatform:
    """One platform of a run.

    Attributes
    ----------
    data
        Its cleaned data.
    split
        Leave-one-out split of its histories.
    vectors
        (N, d) item vectors.
    elsewhere
        Pseudonyms of users who are on another platform as well. Known in the lab only; it groups
        figures and is read by no system.
    """

    data: PlatformData
    split: LeaveOneOut
    vectors: Tensor
    elsewhere: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Name of the platform."""
        return self.data.name

    @property
    def catalogue(self) -> Catalogue:
        """Its items."""
        return self.data.catalogue

    def training_data(self) -> TrainingData:
        """What its node trains on."""
        return TrainingData.of(self.split.training, self.vectors.numpy())


def load_data(recipe: DataRecipe, folder: Path | None, seed: int) -> FederationData:
    """The data of a recipe, its choice of platforms and users applied.

    Raises
    ------
    DataNeededError, UnknownPlatformError, DataError
    """
    federation = _read(recipe, folder, seed)
    known = [platform.name for platform in federation.platforms]
    for name in (*recipe.platforms, *recipe.keep_users):
        if name not in known:
            remedy = f"platforms there: {', '.join(known)}"
            raise UnknownPlatformError(f"no platform {name!r} in the data", remedy=remedy)
    chosen = recipe.platforms or tuple(known)
    kept = {
        platform.name: _kept_users(platform, recipe.keep_users.get(platform.name, 1.0), seed)
        for platform in federation.platforms
        if platform.name in chosen
    }
    chosen_data = federation.restricted(kept)
    return split_into_shops(chosen_data, recipe.split, seed) if recipe.split else chosen_data


def prepare(
    federation: FederationData,
    encoder: TextEncoder,
    model: BehaviourConfig,
    cut: Callable[[Histories], LeaveOneOut],
    step: Step,
    features: str = "",
) -> list[LabPlatform]:
    """Split and encode every platform; encodings are kept in the user's cache directory.

    Parameters
    ----------
    cut
        Cuts a platform's histories for training, tuning and testing.
    features
        Parquet file of the feature columns that the model's shape names.
    """
    cache = EncodingCache(encoder, cache_directory())
    platforms = []
    total = sum(len(platform.catalogue) for platform in federation.platforms)
    done = 0
    for platform in federation.platforms:
        texts = platform.catalogue.texts()
        before = done
        encoded = cache.encode(texts, lambda d, _all, b=before: step(b + d, total, "items"))  # type: ignore[misc]
        done += len(texts)
        step(done, total, "items")
        columns = read_features(Path(features), platform.catalogue) if features else ()
        vectors = catalogue_vectors(encoded, columns, model)
        platforms.append(
            LabPlatform(
                data=platform,
                split=cut(platform.histories),
                vectors=torch.from_numpy(vectors),
                elsewhere=federation.elsewhere(platform),
            )
        )
    return platforms


def platforms_of(
    recipe: Recipe, folder: Path | None, seed: int, encoder: TextEncoder, step: Step
) -> list[LabPlatform]:
    """The platforms of a recipe, read, split and encoded as its runs have them.

    Raises
    ------
    DataNeededError, UnknownPlatformError, DataError
    """
    federation = load_data(recipe.data, folder, seed)
    cut = partial(recipe.evaluation.split, seed=seed)
    return prepare(federation, encoder, recipe.model, cut, step, recipe.data.features)


def cache_directory() -> Path:
    """Where encodings are kept between runs: $ISTHMUS_CACHE, else the user's cache directory."""
    given = os.environ.get(CACHE_VARIABLE)
    base = Path(given) if given else Path.home() / ".cache" / "isthmus"
    return base / "encodings"


def data_folder(recipe: DataRecipe, given: Path | None) -> Path | None:
    """The folder that a recipe reads, `given` before its own; None where it reads none.

    Raises
    ------
    DataNeededError
        It needs one and none is given or there is none, or it reads none and one is given.
    """
    if recipe.source != "folder":
        if given is None:
            return None
        remedy = "leave --data out, or use the recipe `amazon`"
        raise DataNeededError(f"this recipe reads {recipe.source}, not a folder", remedy=remedy)
    folder = given or (Path(recipe.path) if recipe.path else None)
    if folder is None:
        raise DataNeededError("this recipe reads a folder", remedy="give it with --data DIR")
    if not folder.is_dir():
        remedy = "check the path of --data DIR"
        raise DataNeededError("no such folder", where=str(folder), remedy=remedy)
    return folder


def _read(recipe: DataRecipe, given: Path | None, seed: int) -> FederationData:
    folder = data_folder(recipe, given)
    if folder is not None:
        return load_folder(folder, seed=seed)
    if recipe.source == "movielens":
        return load_movielens(seed=seed)
    return load_generated(recipe.generated, seed=seed)


def _kept_users(platform: PlatformData, share: float, seed: int) -> NDArray[np.int64]:
    """Rows of a random share of the platform's users, in order."""
    users = len(platform.histories)
    if share == 1.0:
        return np.arange(users)
    count = max(1, round(share * users))
    return np.sort(np.random.default_rng(seed).choice(users, count, replace=False))


def names(platforms: Sequence[LabPlatform]) -> tuple[str, ...]:
    """Names in order."""
    return tuple(platform.name for platform in platforms)
