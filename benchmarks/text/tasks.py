"""Blurbs, explanations and summaries for real users of a folder data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from clients.explaining.wording import plain_title
from clients.text.facts import Facts, Interest, InterestsText, ItemText


def tasks(folder: Path, platform: str, users: int) -> Iterator[tuple[str, Facts]]:
    """Three texts a user about the user's last item: kind and facts."""
    items = pd.read_csv(folder / "items.csv.gz", dtype=str, keep_default_na=False)
    events = pd.read_csv(folder / "interactions.csv.gz", dtype={"user_id": str, "item_id": str})
    items = items[items["platform"] == platform].set_index("item_id")
    events = events[events["platform"] == platform]
    for _, history in list(events.groupby("user_id", sort=True))[:users]:
        *earlier, last = history["item_id"]
        rows = items.loc[earlier]
        labels = Counter(_label(text) for text in rows["categories"])
        strongest = [label for label, _ in labels.most_common(3) if label]
        item = items.loc[last]
        about = partial(ItemText, title=str(item["title"]), category=_label(item["categories"]))
        deeds = tuple(f"bought {plain_title(title)}" for title in rows["title"][-2:])
        yield "blurb", about(interests=tuple(strongest[:2]))
        yield "explanation", about(deeds=deeds)
        yield (
            "interests",
            InterestsText(
                tuple(
                    Interest(
                        label,
                        tuple(rows["title"][[_label(c) == label for c in rows["categories"]]][-2:]),
                    )
                    for label in strongest
                )
            ),
        )


def _label(categories: str) -> str:
    return categories.split("|")[-1].strip()
