"""The load generator, in a process of its own: requests at fixed moments, or as many as go.

``python -m benchmarks.serving.load HOST PORT KEY RATE SECONDS USERS`` prints one JSON line. With a
rate, time counts from the moment at which a request was due, so that a stall is not hidden
(coordinated omission); without (0), sixteen connections ask one request after the other.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

CONNECTIONS = 16


class Client:
    """One connection that is kept open."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._host, self._port, self._key = host, port, key
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, body: bytes) -> int:
        """Status of one request for recommendations."""
        async with self._lock:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._host, self._port)
            reader, writer = self._streams
            writer.write(
                b"POST /v1/recommendations HTTP/1.1\r\nHost: bench\r\n"
                b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
                % (self._key.encode(), len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            await reader.readexactly(length)
            return int(head.split(b" ", 2)[1])


def body_of(users: int) -> bytes:
    """A request of a user drawn uniformly."""
    return json.dumps({"user": f"user-{random.randrange(users)}", "k": 10}).encode()


async def at_rate(clients: list[Client], rate: float, seconds: float, users: int) -> None:
    """Ask at fixed moments."""
    begin, times, errors, tasks = time.perf_counter() + 0.2, [], 0, []

    async def one(number: int) -> None:
        nonlocal errors
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        try:
            status = await clients[number % len(clients)].ask(body_of(users))
        except (OSError, asyncio.IncompleteReadError):
            status = 0
        errors += status != 200
        times.append(time.perf_counter() - due)

    tasks = [asyncio.create_task(one(n)) for n in range(int(rate * seconds))]
    await asyncio.gather(*tasks)
    times.sort()
    print(json.dumps(_figures(times, errors, seconds)))


async def as_many_as_go(clients: list[Client], seconds: float, users: int) -> None:
    """Ask one request after the other on every connection."""
    end, times, errors = time.perf_counter() + seconds, [], 0

    async def one(client: Client) -> None:
        nonlocal errors
        while time.perf_counter() < end:
            began = time.perf_counter()
            errors += await client.ask(body_of(users)) != 200
            times.append(time.perf_counter() - began)

    await asyncio.gather(*map(one, clients))
    times.sort()
    print(json.dumps(_figures(times, errors, seconds)))


def _figures(times: list[float], errors: int, seconds: float) -> dict[str, float]:
    return {
        "requests": len(times),
        "errors": errors,
        "per_second": len(times) / seconds,
        "p50_ms": 1e3 * times[len(times) // 2],
        "p99_ms": 1e3 * times[int(0.99 * (len(times) - 1))],
    }


def main() -> None:
    """See the module."""
    host, port, key, rate, seconds, users = sys.argv[1:]
    clients = [Client(host, int(port), key) for _ in range(CONNECTIONS)]
    if float(rate):
        asyncio.run(at_rate(clients, float(rate), float(seconds), int(users)))
    else:
        asyncio.run(as_many_as_go(clients, float(seconds), int(users)))


if __name__ == "__main__":
    main()
