"""A federation's data in the lab: every platform's data, and who is who across platforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clients.data.dataset import PlatformData
from clients.data.report import ValidationReport

UNKNOWN_PERSON = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationData:
    """All platforms of one experiment.

    Attributes
    ----------
    name
        Name of the data set.
    platforms
        The platforms in the order of their names in the source.
    reports
        Validation report of each platform, by its name.
    persons
        By platform, (U,) int64 in the order of ``histories.users``: pseudonyms with the same number
        are the same person, -1 is unknown. Ground truth that exists in the lab only: no platform
        can compute it, and no system under test may read it.
    source, licence
        Where the data come from and on what terms.
    """

    name: str
    platforms: tuple[PlatformData, ...]
    reports: Mapping[str, ValidationReport]
    persons: Mapping[str, NDArray[np.int64]]
    source: str = field(default="")
    licence: str = field(default="")

    def platform(self, name: str) -> PlatformData:
        """The platform called `name`.

        Raises
        ------
        KeyError
            No platform has this name.
        """
        return {platform.name: platform for platform in self.platforms}[name]

    def restricted(self, users: Mapping[str, NDArray[np.int64]]) -> FederationData:
        """The federation of some platforms with some of their users; catalogues stay whole.

        Parameters
        ----------
        users
            By platform, the rows of its users that stay.
        """
        platforms = tuple(
            replace(p, histories=p.histories.take(users[p.name]))
            for p in self.platforms
            if p.name in users
        )
        persons = {p.name: self.persons[p.name][users[p.name]] for p in platforms}
        return replace(self, platforms=platforms, persons=persons)

    def elsewhere(self, platform: PlatformData) -> frozenset[str]:
        """Pseudonyms at `platform` of the persons who are on another platform as well."""
        others = [p for name, p in self.persons.items() if name != platform.name]
        known = np.concatenate(others) if others else np.zeros(0, dtype=np.int64)
        mine = self.persons[platform.name]
        there = np.isin(mine, known[known != UNKNOWN_PERSON])
        return frozenset(u for u, t in zip(platform.histories.users, there, strict=True) if t)
