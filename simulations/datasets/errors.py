"""Errors of the lab's data sets.

::

    DataError
    ├── DatasetNotInstalledError   DATA-020
    ├── UnexpectedDatasetError     DATA-021
    └── FolderInUseError           DATA-022
"""

from __future__ import annotations

from shared.errors import DataError


class DatasetNotInstalledError(DataError):
    """A data set that comes with a package which is not installed."""

    code = "DATA-020"


class UnexpectedDatasetError(DataError):
    """A data set whose content is not the one that results are stated for."""

    code = "DATA-021"


class FolderInUseError(DataError):
    """A folder to write a data set into that already holds files."""

    code = "DATA-022"
    default_remedy = "name a new folder"
