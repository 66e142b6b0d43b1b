"""``python -m benchmarks.text --data DIR``: writes ``runs/bench/text.json``, prints the goals."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.text.tasks import tasks
from clients.explaining.wording import Language
from clients.text.config import LocalModelConfig
from clients.text.facts import Facts
from clients.text.local import LocalModel
from clients.text.model import Assignment, TextModel
from clients.text.prompts import completion
from clients.text.writer import TextWriter

Row = dict[str, Any]


class Free:
    """The same model and prompt without the grammar: up to the end of the line."""

    def __init__(self, model: LocalModel) -> None:
        self._model, self.name = model, f"{model.name}, free"
        self.languages: frozenset[Language] = model.languages

    def sentence(self, assignment: Assignment, seconds: float) -> str:
        """What the model says of itself."""
        prompt = completion(assignment.facts, assignment.place)
        text = self._model.complete(prompt, "", 60, threading.Event())
        return text.strip().split("\n")[0]


def main() -> None:
    """Write every text with the grammar and without."""
    options = _options()
    users = 3 if options.small else options.users
    work = list(tasks(options.data, options.platform, users))
    local = LocalModel(LocalModelConfig())
    rows = [
        _row(name, model, kind, [facts for k, facts in work if k == kind])
        for name, model in (("slot grammar", local), ("free, few-shot", Free(local)))
        for kind in ("blurb", "explanation", "interests")
    ]
    local.close()
    _write(options.out, rows)


def _row(name: str, model: TextModel, kind: str, facts: list[Facts]) -> Row:
    writer, cpu, wall = TextWriter(model, seconds=60, cached=0), [], []
    for one in facts:
        start, before = time.perf_counter(), time.process_time()
        count = max(len(writer.write(one).sentences), 1)
        cpu.append((time.process_time() - before) / count)
        wall.append((time.perf_counter() - start) / count)
    sentences = writer.counts.total()
    refused = Counter({why: n for (source, why), n in writer.counts.items() if why})
    row = {
        "mode": name,
        "kind": kind,
        "sentences": sentences,
        "accepted": round(writer.counts["model", ""] / max(sentences, 1), 3),
        "refused": dict(refused),
        "cpu_s_a_sentence": round(statistics.median(cpu), 2),
        "wall_s_a_sentence": round(statistics.median(wall), 2),
    }
    print(json.dumps(row), file=sys.stderr)
    return row


def _write(path: Path, rows: list[Row]) -> None:
    slots = [row for row in rows if row["mode"] == "slot grammar"]
    accepted = min(row["accepted"] for row in slots)
    slowest = max(row["cpu_s_a_sentence"] for row in slots)
    goals = [
        {"name": "accepted, slot grammar", "value": accepted, "goal": 1.0, "met": accepted >= 1.0},
        {"name": "CPU-s a sentence", "value": slowest, "goal": 1.5, "met": slowest <= 1.5},
    ]
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = {"processor": platform.processor(), "cores": os.cpu_count(), "load": os.getloadavg()}
    report = {"schema": 1, "git": commit, "machine": machine, "rows": rows, "goals": goals}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for goal in goals:
        print(f"{goal['name']:28} {goal['value']:8.2f}  goal {goal['goal']:5.2f}  {goal['met']}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.text", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder data set")
    parser.add_argument("--platform", default="beauty")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="three users")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/text.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
