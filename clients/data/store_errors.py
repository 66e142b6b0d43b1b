"""Errors of the node's store.

::

    DataError
    ├── NoSnapshotError        DATA-200
    ├── DamagedSnapshotError   DATA-201
    ├── StateError             DATA-202
    ├── NewerStateError        DATA-203
    ├── StoreBusyError         DATA-204
    ├── OtherKeyError          DATA-205
    ├── LiveRowError           DATA-206
    └── ServedError            DATA-209
"""

from __future__ import annotations

from shared.errors import DataError


class NoSnapshotError(DataError):
    """Nothing was ingested yet."""

    code = "DATA-200"
    default_remedy = "run isthmus-node ingest"


class DamagedSnapshotError(DataError):
    """A file of the store is missing, or is not what was written."""

    code = "DATA-201"
    default_remedy = "run isthmus-node ingest again; live events and feedback stand elsewhere"


class StateError(DataError):
    """The database of live events and feedback cannot be used."""

    code = "DATA-202"
    default_remedy = "check the disk; nothing that was acknowledged is lost"


class NewerStateError(DataError):
    """The database was written by a newer release."""

    code = "DATA-203"
    default_remedy = "use that release, or a newer one"


class StoreBusyError(DataError):
    """Another command is changing the store."""

    code = "DATA-204"
    default_remedy = "wait until it has ended, then run this again"


class OtherKeyError(DataError):
    """The store's pseudonyms were made with another key, or a change of the key is unfinished."""

    code = "DATA-205"
    default_remedy = "run isthmus-node rotate-key again, which goes on where it stopped"


class LiveRowError(DataError):
    """A live event or reaction that the contract does not allow."""

    code = "DATA-206"


class ServedError(DataError):
    """The pseudonym key cannot be changed while a service goes on with the present one."""

    code = "DATA-209"
    default_remedy = "stop isthmus-node serve, change the key, start it again"
