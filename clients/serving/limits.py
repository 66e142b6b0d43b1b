"""How often a key may ask: a token bucket each (leaky bucket as a meter, ITU-T I.371)."""

from __future__ import annotations

import time
from collections.abc import Callable


class RateLimit:
    """Tokens flow in at `rate` a second up to `burst`; a request takes one.

    Parameters
    ----------
    clock
        Seconds that never go back.
    """

    def __init__(
        self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, name: str) -> float:
        """Take a token for `name`: 0, or how many seconds to wait for one."""
        now = self._clock()
        tokens, last = self._buckets.get(name, (float(self._burst), now))
        tokens = min(self._burst, tokens + self._rate * (now - last))
        if tokens < 1.0:
            self._buckets[name] = (tokens, now)
            return (1.0 - tokens) / self._rate
        self._buckets[name] = (tokens - 1.0, now)
        return 0.0
