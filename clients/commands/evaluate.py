"""`isthmus-node evaluate`: how good the node's model is on its own hold-out."""

from __future__ import annotations

import json

import typer

from clients.commands.home import DEFAULT_HOME, AsJson, Home


def evaluate(home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Rank each user's last new item with every part and with the fusion, over all items.

    HR@10 and NDCG@10 with 95% intervals, and the fusion's gain over each part on the same users;
    then whether content models are well.
    """
    from dataclasses import replace

    from rich.console import Console
    from rich.table import Table

    from clients.bundle import load_bundle
    from clients.bundle_shelf import BundleShelf
    from clients.data.store import NodeStore
    from clients.evaluation.bootstrap import Interval
    from clients.evaluation.own_holdout import FUSION, evaluate_on_holdout
    from clients.evaluation.ranking import Scorer
    from clients.evaluation.split import leave_one_out
    from clients.home import NodeHome
    from clients.identity import load_identity
    from clients.recommenders.local_parts import fit_local_parts
    from clients.training.bundle_health import bundle_health
    from shared.progress import reporter

    node = NodeHome.existing(home)
    catalogue, histories = NodeStore(node).load()
    signer = load_identity(node.identity).public_key()
    bundle = load_bundle(BundleShelf(node.models).current, signer, catalogue)
    split = leave_one_out(histories)
    # Parts of the partners' statistics stay as they are: the node's events only break their ties.
    local = bundle.local | fit_local_parts(split.training, catalogue)
    bundle = replace(bundle, local=local)
    systems: dict[str, Scorer] = {
        name: part.scorer for name, part in bundle.parts().items() if part.kind != "offset"
    }
    systems[FUSION] = bundle.fusion()
    with reporter(Console(stderr=True)) as progress:
        report = evaluate_on_holdout(systems, split.test, progress.step("evaluation"))
    health = bundle_health(bundle, split.training)
    if as_json:
        told = {part: found.as_json() for part, found in health.items()}
        typer.echo(json.dumps(report.as_json() | {"content_models": told}, indent=1))
        return

    def shown(interval: Interval) -> str:
        return f"{interval.mean:.4f} [{interval.low:.4f}, {interval.high:.4f}]"

    table = Table(title=f"{report.users} users, whole catalogue, 95% intervals")
    for head in ("system", "HR@10", "NDCG@10", "NDCG@10 of the fusion minus it"):
        table.add_column(head)
    for name, figures in report.systems.items():
        gain = report.gain.get(name)
        last = shown(gain["ndcg@10"]) if gain else ""
        table.add_row(name, shown(figures["hr@10"]), shown(figures["ndcg@10"]), last)
    Console().print(table)
    for part, found in health.items():
        for sentence in found.sentences():
            typer.echo(f"{part}: {sentence}")
