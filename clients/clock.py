"""Is this machine's clock right enough? Flower signs requests with the time: five minutes at most.

A node whose clock is further off is turned away with an error that says nothing of clocks, and its
SuperNode ends itself. So the node asks the coordinator for its time first and says what is wrong.
"""

from __future__ import annotations

import logging
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from clients.network_home import NetworkHome
from shared.errors import FederationError

MOST_SECONDS: Final = 240.0
logger = logging.getLogger(__name__)


class ClockError(FederationError):
    """The clocks of this machine and of the coordinator are too far apart to work together."""

    code = "FED-118"
    default_remedy = "set the clock (NTP), or tell the coordinator's operator that theirs is wrong"


def check_clock(network: NetworkHome, port: int) -> None:
    """Compare clocks with the coordinator, through the connector on `port`.

    Nothing is said while the coordinator cannot be reached.

    Raises
    ------
    ClockError
    """
    offset = clock_offset(network, port)
    if offset is not None and abs(offset) > MOST_SECONDS:
        direction = "ahead of" if offset > 0 else "behind"
        raise ClockError(f"the clock is {abs(offset):.0f} s {direction} the coordinator's")


def clock_offset(network: NetworkHome, port: int) -> float | None:
    """Seconds by which this clock is ahead of the coordinator's; None if it does not answer."""
    context = ssl.create_default_context(cafile=str(network.local_certificate))
    url = f"https://127.0.0.1:{port}/health"
    try:
        answer = httpx.get(url, verify=context, timeout=10.0, trust_env=False)
        told = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError, TypeError) as error:
        logger.debug("no time from the coordinator: %s", type(error).__name__)
        return None
    return time.time() - told
