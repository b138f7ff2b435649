"""Runs and checks give the results of the program, for files and for every kind of frame."""

from __future__ import annotations

import json
import pickle
import re
import resource
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rollshare
from rollshare import quality

FRAMES = {
    "pandas": pd.read_parquet,
    "polars": pl.read_parquet,
    "polars lazy": pl.scan_parquet,
    "pyarrow": pq.read_table,
    "pyarrow reader": lambda path: pq.read_table(path).to_reader(),
    "duckdb": lambda path: duckdb.sql(f"from '{path}'"),
}


def without_files(results: rollshare.CheckResults) -> list[dict[str, Any]]:
    """The outcomes without the names of files, which sentences have too."""
    outcomes = json.loads(json.dumps(results.outcomes))
    for outcome in outcomes:
        outcome["finding"] = re.sub(r"[^ (]*(\.parquet|frame), row", "FILE, row", outcome["finding"])
    for offender in (offender for outcome in outcomes for offender in outcome["offenders"]):
        offender.pop("file", None)
    return outcomes


def damaged(sample: str) -> pl.DataFrame:
    """A frame with three faults: a wrong label, a negative value, a duplicate row."""
    frame = pl.read_parquet(sample)
    row = pl.int_range(pl.len())
    frame = frame.with_columns(
        year_week=pl.when(row == 7).then(pl.lit("2021_54")).otherwise("year_week"),
        value=pl.when(row == 9).then(pl.lit(-1)).otherwise("value").cast(frame.schema["value"]),
    )
    return pl.concat([frame, frame[4000:4001]])


def test_a_run_publishes_what_is_computed(sample: str, tmp_path: Path) -> None:
    target = tmp_path / "share.parquet"
    result = rollshare.run(sample, target, windows=[4, 13])
    assert (result.state, result.ok, result.verdict) == ("published", True, "pass")
    table = rollshare.read_parquet(sample, windows=[4, 13])
    assert pl.read_parquet(target).equals(table.to_polars())
    assert result.account is not None and result.account["rows"] == 9000
    page = Path(str(result.places["page"])).read_text()
    assert page == result.to_html() and page.startswith("<!DOCTYPE html>")
    assert result.run in str(result.places["page"]) and "Published" in repr(result)


def test_a_history_that_cannot_be_written_is_a_warning(sample: str, tmp_path: Path) -> None:
    target = tmp_path / "share.csv"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The table is smaller than 4 KiB; history and report are not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.warns(UserWarning, match="published, but history could not be written"):
            result = rollshare.run(sample, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.state == "published" and target.exists()
    assert result.not_kept[0]["what"] == "history"
    assert result.exit_code == 7
    assert result.places["history"] is None


def test_a_run_that_is_blocked_leaves_the_target(sample: str, tmp_path: Path) -> None:
    target = tmp_path / "share.csv"
    rollshare.run(sample, target)
    before = target.read_bytes()
    source = tmp_path / "damaged.parquet"
    damaged(sample).write_parquet(source)
    with pytest.raises(rollshare.BlockedError, match="label_week") as raised:
        rollshare.run(source, target)
    assert target.read_bytes() == before
    error = raised.value
    assert (error.exit_code, error.results.verdict, error.results.state) == (4, "fail", "blocked")
    failed = {outcome["check"] for outcome in error.results if outcome["status"] == "fail"}
    assert failed >= {"label_week", "value_negative", "duplicate_rows"}
    assert pickle.loads(pickle.dumps(error)).results["duplicate_rows"] == error.results["duplicate_rows"]


def test_checks_may_only_warn_or_be_off(sample: str, tmp_path: Path) -> None:
    options = {"organic": "No such channel"}
    warned = rollshare.run(sample, tmp_path / "a.csv", warn_only=True, **options)
    assert (warned.state, warned.verdict, warned.ok) == ("published", "fail", False)
    with pytest.raises(rollshare.BlockedError):
        warned.raise_for_status()
    with pytest.raises(rollshare.DataError, match="no row is organic.*'Organic'"):
        rollshare.run(sample, tmp_path / "b.csv", no_checks=True, **options)
    off = rollshare.run(sample, tmp_path / "b.csv", no_checks=True)
    assert (off.state, off.verdict, len(off)) == ("published", None, 0)
    rollshare.read_parquet(sample).write_csv(tmp_path / "c.csv")
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "c.csv").read_bytes()
    with pytest.raises(rollshare.ArgumentError, match="one of the two"):
        rollshare.run(sample, warn_only=True, no_checks=True)
    with pytest.raises(rollshare.ArgumentError, match="2021_60"):
        rollshare.run(sample, allow_restatement="2021_01..2021_60")


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_is_checked_as_the_file(kind: str, sample: str, tmp_path: Path) -> None:
    for source, label in ((sample, "clean"), (str(tmp_path / "damaged.parquet"), "damaged")):
        if label == "damaged":
            damaged(sample).write_parquet(source)
        frame = FRAMES[kind](source)
        of_frame, of_file = rollshare.check(frame), rollshare.check(source)
        assert without_files(of_frame) == without_files(of_file)
        assert of_frame.ok == (label == "clean")
    assert of_frame["label_week"]["offenders"] == [
        {"file": "frame", "row": 7, "value": "'2021_54' on 2020-10-26, which is in 2020_44"}
    ]
    assert of_frame["value_negative"]["observed"] == 1
    sentence = (
        "1 of 9,001 rows has a week label that is no ISO week, "
        "first '2021_54' on 2020-10-26, which is in 2020_44 (frame, row 7)"
    )
    assert of_frame["label_week"]["finding"] == sentence and sentence in repr(of_frame)
    assert [o["row"] for o in of_frame["duplicate_rows"]["offenders"]] == [9000]


def test_results_are_a_frame(sample: str) -> None:
    results = rollshare.check(sample)
    frames = [results.to_polars(), pl.from_pandas(results.to_pandas()), pl.from_arrow(pa.table(results))]
    for frame in frames:
        assert frame.columns == results.to_polars().columns
        assert frame["check"].to_list() == [outcome["check"] for outcome in results]
        assert frame["observed"].to_list() == [outcome["observed"] for outcome in results]
        assert frame["offenders"].to_list() == frames[0]["offenders"].to_list()
        assert frame["finding"].to_list() == [outcome["finding"] for outcome in results]
    assert len(results) == len(frames[0]) and set(frames[0]["stage"]) >= {"raw", "staging"}
    assert pickle.loads(pickle.dumps(results)).outcomes == results.outcomes
    with pytest.raises(KeyError):
        results["spelling"]


def test_pages_and_prompts_escape(sample: str, tmp_path: Path) -> None:
    frame = pl.read_parquet(sample).with_columns(
        country=pl.when(pl.col("country") == "FR").then(pl.lit("<script>x</script>")).otherwise("country")
    )
    results = rollshare.check(frame)
    for text in (results.to_html(), results._repr_html_()):
        assert "<script" not in text
    assert "&lt;script&gt;" in results.to_html() and "country_known" in repr(results)


def test_a_file_of_checks_is_read(sample: str, tmp_path: Path) -> None:
    checks = tmp_path / "checks.toml"
    checks.write_text(
        "[allow]\nchannels = ['Organic']\n"
        "[checks.freshness]\nseverity = 'off'\n[checks.channel_new]\nseverity = 'block'\n"
    )
    results = rollshare.check(sample, checks=checks)
    assert results["freshness"]["status"] == "not_run"
    assert (results["channel_new"]["status"], results.verdict) == ("fail", "fail")
    assert str(checks) in results["channel_new"]["bounds"]["origin"]
    with pytest.raises(rollshare.NotFoundError):
        rollshare.check(sample, checks=tmp_path / "nowhere.toml")


def test_objects_that_are_not_frames_are_refused() -> None:
    with pytest.raises(rollshare.FrameError, match="int"):
        rollshare.check(42)
    with pytest.raises(rollshare.NotFoundError):
        rollshare.check("nowhere.parquet")


def test_expectations_need_no_great_expectations() -> None:
    found = quality.expectations(rollshare.Job(columns={"value": "installs"}, os_total="any"))
    by_check: dict[str, list[dict[str, Any]]] = {}
    for expectation in found:
        by_check.setdefault(expectation["meta"]["rollshare"]["check"], []).append(expectation)
    assert by_check["value_nulls"][0]["kwargs"] == {"column": "installs"}
    assert by_check["system_known"][0]["kwargs"]["value_set"][0] == "any"
    assert json.loads(json.dumps(rollshare.quality.NOT_EXPRESSED)) == quality.NOT_EXPRESSED
    assert "channel_new" not in by_check  # no list of channels is configured
