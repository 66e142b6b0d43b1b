"""The real process: kill -9 loses nothing acknowledged, a swap drops nothing, SIGTERM is polite."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.serving.keys import ApiKeys, key_file
from tests.clients.serving.world import make_node, train, user

pytestmark = pytest.mark.slow


@contextmanager
def server(home: NodeHome) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "clients.cli", "serve", "--home", str(home.root)]
    process = subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    stdout = process.stdout
    assert stdout is not None
    try:
        yield process, next(line for line in stdout if line.startswith("serving")).split()[-1]
    finally:
        process.kill()
        process.wait()
        stdout.close()


@pytest.fixture
def home(tmp_path: Path) -> NodeHome:
    home = make_node(tmp_path)
    train(home)
    return home


def key(home: NodeHome) -> dict[str, str]:
    secret = ApiKeys(key_file(home)).add("admin", "admin")
    return {"Authorization": f"Bearer {secret}"}


def test_kill_9_loses_no_acknowledged_event_or_reaction(home: NodeHome) -> None:
    header, random_ = key(home), random.Random(0)
    events, reactions = [], []
    for attempt in range(4):
        with server(home) as (process, address), httpx.Client(headers=header) as client:
            timer = threading.Timer(random_.uniform(0.2, 0.8), process.kill)
            timer.start()
            for number in range(100_000):
                name, moment = f"new-{attempt}-{number}", 1_800_000_000.0 + number
                event = {"user": name, "item": "i3", "time": moment}
                reaction = {"user": name, "item": "i4", "kind": "shown", "time": moment}
                if number == 20:
                    process.send_signal(signal.SIGHUP)
                try:
                    client.post(f"{address}/v1/events", json={"events": [event]})
                    events.append(name)
                    client.post(f"{address}/v1/feedback", json={"reactions": [reaction]})
                    reactions.append(name)
                except httpx.TransportError:
                    break
            timer.cancel()
    store = NodeStore(home)
    kept = {event.user for event in store.events()}
    assert events
    assert {store.pseudonym(name) for name in events} <= kept
    assert {store.pseudonym(name) for name in reactions} <= {r.user for r in store.feedback()}


def test_a_swap_under_traffic_drops_no_request(home: NodeHome) -> None:
    header = key(home)
    with server(home) as (process, address):
        statuses, done = [], threading.Event()

        def ask() -> None:
            with httpx.Client(headers=header) as client:
                while not done.is_set():
                    body = {"user": user(len(statuses) % 40)}
                    statuses.append(
                        client.post(f"{address}/v1/recommendations", json=body).status_code
                    )

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            train(home)
            process.send_signal(signal.SIGHUP)
        done.wait(1.0)
        done.set()
        for thread in threads:
            thread.join()
    assert len(statuses) > 10
    assert set(statuses) == {200}


def test_sigterm_ends_the_process_without_an_error(home: NodeHome) -> None:
    with server(home) as (process, address):
        assert httpx.get(f"{address}/health").status_code == 200
        process.terminate()
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)
