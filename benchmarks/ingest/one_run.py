"""One ingestion in a process of its own, so that its peak of memory is its own.

``python -m benchmarks.ingest.one_run isthmus|pandas|factorised FOLDER`` prints a JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

NOW = 1_750_000_000.0
MEMORY = "256MB"


def main() -> None:
    """Measure from the call to the data on the disk; imports are not counted in the time."""
    system, folder = sys.argv[1], Path(sys.argv[2])
    wall, cpu, kept = _isthmus(folder) if system == "isthmus" else _pandas(system, folder)
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "peak_gib": _peak_gib(), "kept": kept}))


def _peak_gib() -> float:
    """Peak of this process alone; `getrusage` would include the process that started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20


def _isthmus(folder: Path) -> tuple[float, float, int]:
    from clients.data.config import DataConfig
    from clients.data.node_ingest import NodeIngestion
    from clients.data.pseudonyms import PseudonymKey
    from clients.data.store import NodeStore
    from clients.home import NodeHome

    config = DataConfig.model_validate(
        {
            "events": _origin(folder) | {"event_names": {"add to basket": "cart"}},
            "items": {"path": str((folder / "items.parquet").resolve())},
            "limits": {"memory": MEMORY, "threads": 2, "folder": str(folder)},
        }
    )
    with TemporaryDirectory(dir=folder) as place:
        home = NodeHome(Path(place))
        key = PseudonymKey.generate()
        run = NodeIngestion(home=home, name="shop", config=config, key=key, now=NOW)
        started = time.perf_counter(), time.process_time()
        report = run.run(NodeStore(home))
        wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
    return wall, cpu, report.events.rows_kept


def _origin(folder: Path) -> dict[str, str]:
    if (folder / "events.db").exists():
        return {"url": f"sqlite:///{(folder / 'events.db').resolve()}", "table": "log"}
    names = ("events", "events.csv", "events.jsonl")
    return {"path": next(str(p.resolve()) for n in names if (p := folder / n).exists())}


def _pandas(system: str, folder: Path) -> tuple[float, float, int]:
    from benchmarks.ingest.plain_pandas import factorised, plain

    clean = factorised if system == "factorised" else plain
    started = time.perf_counter(), time.process_time()
    kept = clean(folder, b"k" * 32, NOW)
    return time.perf_counter() - started[0], time.process_time() - started[1], kept


if __name__ == "__main__":
    main()
