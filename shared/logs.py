"""Logs of the services: lines for people, or one JSON object a line for machines.

``ISTHMUS_LOG=json`` in the environment chooses the latter, for a service and all its children.
What happened stands in the message, which is constant; figures and codes are facts beside it::

    logger.info("stage ended", extra=facts(round=3, stage="train.mask", replies=3))
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

VARIABLE: Final = "ISTHMUS_LOG"
_FACTS: Final = "isthmus_facts"


def facts(**values: Any) -> dict[str, Any]:
    """Figures and codes beside a message, for `extra`; values as JSON knows them."""
    return {_FACTS: values}


def set_up_logs(environment: Mapping[str, str] = os.environ) -> None:
    """Send this process's logs to standard error in the form that the environment asks for."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if environment.get(VARIABLE) == "json" else PlainLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("flwr").propagate = False  # it has a handler of its own


class PlainLines(logging.Formatter):
    """Time, level, logger, message, facts."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """The line without a traceback."""
        shown = "".join(f" {name}={value}" for name, value in _facts(record).items())
        return super().formatMessage(record) + shown


class JsonLines(logging.Formatter):
    """One object a line: ``time``, ``level``, ``logger``, ``message``, facts, ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return dict(getattr(record, _FACTS, {}))
