import json
from pathlib import Path
from typing import Any

import pytest

from simulations.results import (
    InvalidResultsError,
    OtherSchemaError,
    Results,
    UnreadableResultsError,
    macro,
    read_results,
    write_results,
)
from tests.simulations.sample_results import sample, system_values


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    results = sample()
    write_results(results, tmp_path)
    assert read_results(tmp_path) == results


def test_file_has_the_keys_that_outside_scripts_rely_on(tmp_path: Path) -> None:
    values = json.loads(write_results(sample(), tmp_path).read_text())
    assert {"schema", "recipe", "seed", "git", "platforms", "macro", "timings", "bytes"} <= set(
        values
    )
    assert values["schema"] == 1
    platform = values["platforms"]["books"]
    assert {"users", "items", "interactions", "epsilon", "delta", "systems", "uplift"} <= set(
        platform
    )
    assert set(platform["systems"]["tfidf"]) == {
        *("hr@10", "ndcg@10", "hr@20", "ndcg@20", "mrr", "coverage@10", "ild@10", "se")
    }
    assert set(platform["uplift"]["fusion_vs_local"]["ndcg@10"]) == {"mean", "low", "high"}


def test_macro_averages_platforms_alike_and_names_the_worst() -> None:
    found = macro(sample().platforms)["tfidf"]
    assert found.ndcg_10 == pytest.approx((0.04 + 0.02) / 2)
    assert found.worst.platform == "games"
    assert found.worst.ndcg_10 == pytest.approx(0.02)
    assert found.se.hr_10 == pytest.approx((0.01**2 + 0.01**2) ** 0.5 / 2)


def test_macro_leaves_out_systems_that_did_not_run_everywhere() -> None:
    platforms = dict(sample().platforms)
    values = platforms["games"].model_dump(by_alias=True)
    del values["systems"]["fusion"]
    platforms["games"] = type(platforms["games"]).model_validate(values)
    assert "fusion" not in macro(platforms)
    assert "tfidf" in macro(platforms)


def change(path: Path, *keys: str, value: Any) -> None:
    values = json.loads(path.read_text())
    target = values
    for key in keys[:-1]:
        target = target[key]
    target[keys[-1]] = value
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        (("seeds",), 3, "seeds"),
        (("platforms", "books", "systems", "magic"), system_values(0.1), "magic"),
        (("platforms", "books", "systems", "tfidf", "hr@10"), 1.5, "hr@10"),
        (("platforms", "books", "systems", "tfidf", "se"), {}, "hr@10"),
        (("platforms", "books", "users"), -1, "users"),
        (("platforms", "books", "epsilon"), float("nan"), "epsilon"),
        (("timings",), {"total": float("inf")}, "timings"),
    ],
)
def test_content_that_is_not_of_the_schema_is_refused_by_name(
    tmp_path: Path, keys: tuple[str, ...], value: Any, named: str
) -> None:
    change(write_results(sample(), tmp_path), *keys, value=value)
    with pytest.raises(InvalidResultsError, match=named):
        read_results(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1", "\udcff"])
def test_a_file_that_is_not_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UnreadableResultsError, match="is no JSON"):
        read_results(tmp_path)


def test_a_directory_without_results_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UnreadableResultsError, match=r"\] no such file or directory \("):
        read_results(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": 2}'])
def test_another_schema_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(OtherSchemaError):
        read_results(tmp_path)


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    values = sample().model_dump(by_alias=True)
    values["timings"] = {"total": float("nan")}
    with pytest.raises(ValueError, match="finite"):
        Results.model_validate(values)
