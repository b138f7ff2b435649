"""Runs and checks on the cluster have the results of one machine."""

from __future__ import annotations

import csv
import functools
import json
import logging
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rollshare
from conftest import COLUMNS, REPOSITORY
from rollshare import spark as on_spark

# The files are small: by themselves runs would take the driver.
check, run = (functools.partial(call, run_on="cluster") for call in (on_spark.check, on_spark.run))

FIELD = REPOSITORY / "tests/field"
#: What differs from run to run, and what only a cluster has.
OF_ONE_RUN = (
    "run",
    "started",
    "finished",
    "seconds",
    "phases",
    "places",
    "published",
    "driver_bytes",
    "cluster",
    "target",
)


def report(result) -> dict:
    found = result.to_dict()
    # A second scan by channel, which a cluster does not make.
    found["charts"].pop("why", None)
    return {name: value for name, value in found.items() if name not in OF_ONE_RUN}


def damaged(small, folder: Path, change) -> str:
    """The rows in four files, after a change to their columns."""
    rows = pq.read_table(small).to_pydict()
    change(rows)
    table = pa.table(rows, schema=pq.read_table(small).schema)
    folder.mkdir()
    for at in range(4):
        pq.write_table(table.slice(at * 7500, 7500), folder / f"{at}.parquet")
    return str(folder)


def negative(rows):
    rows["value"][12] = rows["value"][20_000] = -1.0


def wrong_labels(rows):
    for at in range(5, 30_000, 1000):
        rows["year_week"][at] = "2019_01"
    rows["country"][3] = "XX"
    rows["country"][29_000] = None


def twice(rows):
    for column in rows.values():
        column[29_000:29_500] = column[100:600]


def fractions(rows):
    for at in range(0, 30_000, 7):
        rows["value"][at] = 0.1 * at


FAULTS = [negative, wrong_labels, twice, fractions]


@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change.__name__)
@pytest.mark.parametrize("splits", [1, 3])
def test_faults_have_the_outcomes_of_one_machine(spark, small, tmp_path, change, splits):
    source = damaged(small, tmp_path / "rows", change)
    found = check(spark, source, splits=splits)
    assert report(found) == report(rollshare.check(source))
    assert not found.ok or found.verdict == "warn"


def field_cases():
    """A third of the cases, or all of them."""
    manifest = json.loads((FIELD / "manifest.json").read_text())
    return manifest[:: 1 if os.environ.get("ROLLSHARE_SPARK_ALL") == "1" else 3]


def options(case) -> dict:
    """The keywords of a case's arguments."""
    given: dict = {"profile": str(FIELD / case["profile"])} if case.get("profile") else {}
    left = list(case["arguments"])
    while left:
        name = left.pop(0)
        if name == "--with-total":
            given["with_total"] = True
            continue
        value = left.pop(0)
        if name == "--window":
            given["windows"] = [int(length) for length in value.split(",")]
        elif name == "--by":
            given["by"] = value.split(",")
        else:
            given[{"--grain": "grain", "--share-of": "share_of"}[name]] = value
    return given


@pytest.mark.parametrize("case", field_cases(), ids=lambda case: case["id"])
def test_exports_of_the_field_have_the_outcomes_of_one_machine(spark, case):
    source = str(FIELD / case["input"])
    given = options(case)
    try:
        expected = report(rollshare.check(source, **given))
    except rollshare.RollshareError as error:
        with pytest.raises(type(error)):
            check(spark, source, splits=3, **given)
        return
    if not (source.endswith(".parquet") or any(Path(source).rglob("*.parquet"))):
        with pytest.raises(rollshare.UnsupportedError, match="is text"):
            check(spark, source, **given)
        # The driver reads it.
        assert report(on_spark.check(spark, source, **given)) == expected
        return
    assert report(check(spark, source, splits=3, **given)) == expected


def test_a_run_publishes_what_one_machine_publishes(spark, sample, tmp_path, monkeypatch):
    monkeypatch.setattr("rollshare.spark._run.LEAST", 1)
    here, there = str(tmp_path / "here") + "/", str(tmp_path / "there") + "/"
    expected, found = rollshare.run(sample, here), run(spark, sample, there, splits=4)
    assert found.state == "published" and report(found) == report(expected)
    tables = [next(Path(folder).glob("part-*")).read_bytes() for folder in (here, there)]
    assert tables[0] == tables[1]
    # Spark 4.3 refuses pages that are padded in another way than parquet-format says.
    assert [row.asDict() for row in spark.read.parquet(there).collect()] == rollshare.read_parquet(
        sample
    ).to_dicts()
    histories = [Path(folder, "_rollshare/history/published.parquet") for folder in (here, there)]
    assert pq.read_table(histories[0]).num_rows == pq.read_table(histories[1]).num_rows
    # The second run is compared with the history of the first.
    again = run(spark, sample, there, splits=2)
    assert report(again) == report(rollshare.run(sample, here))
    part = found.to_dict()["cluster"]
    assert part["splits"] > 1 and (part["rows"], part["executors"]) == (1_000_000, 2)
    assert [stage["name"] for stage in part["stages"]] == ["sums and evidence", "cells by day"]
    assert part["tasks"] == sum(stage["tasks"] for stage in part["stages"]) and part["bytes"] > 0
    # The tail of the file, in which the footer is.
    assert 0 < found.to_dict()["driver_bytes"] < 200_000 < os.path.getsize(sample)
    assert "driver_bytes" not in expected.to_dict()


def test_a_run_that_blocks_and_one_without_checks(spark, small, tmp_path):
    source = damaged(small, tmp_path / "rows", lambda rows: rows.update(value=[-1.0] * 30_000))
    target = str(tmp_path / "out") + "/"
    with pytest.raises(rollshare.BlockedError) as blocked:
        run(spark, source, target)
    assert not list((tmp_path / "out").glob("part-*"))
    with pytest.raises(rollshare.BlockedError) as expected:
        rollshare.run(source, str(tmp_path / "local") + "/")
    assert str(blocked.value) == str(expected.value)
    done = run(spark, source, target, no_checks=True)
    assert done.state == "published" and done.account == rollshare.run(source, no_checks=True).account


def test_errors_are_those_of_one_machine(spark, small, tmp_path):
    for source, given in [(str(tmp_path / "nothing"), {}), (small, {"channel": "medium"})]:
        with pytest.raises(rollshare.RollshareError) as expected:
            rollshare.check(source, **given)
        with pytest.raises(type(expected.value)):
            check(spark, source, **given)
    text = tmp_path / "rows.csv"
    text.write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(rollshare.UnsupportedError, match="is text"):
        check(spark, str(text))
    file = tmp_path / "damaged.parquet"
    bytes_of = bytearray(Path(small, "05.parquet").read_bytes())
    bytes_of[4:68] = b"\xff" * 64
    file.write_bytes(bytes_of)
    with pytest.raises(rollshare.FormatError, match=r"damaged\.parquet"):
        check(spark, str(file))


def test_the_log_has_a_line_a_stage_and_says_who_reads(spark, small, caplog, monkeypatch):
    with caplog.at_level(logging.INFO, "rollshare.spark"):
        here = on_spark.check(spark, small)
    assert "rows are read on the driver: 30,000 rows with" in caplog.text
    assert "not over 3.0 GiB" in caplog.text
    assert "cluster" not in here.to_dict()
    caplog.clear()
    monkeypatch.setattr("rollshare.spark._run.ON_THE_DRIVER", 10)
    with caplog.at_level(logging.INFO, "rollshare.spark"):
        there = on_spark.check(spark, small, splits=3)
    lines = [record.getMessage() for record in caplog.records]
    assert "rows are read on the executors: 30,000 rows with" in lines[0] and "over 10 bytes" in lines[0]
    assert len(lines) == 1 + len(there.to_dict()["cluster"]["stages"])
    for line, name in zip(lines[1:], ("sums and evidence: 30,000 rows, ", "cells by day: 30,000 rows, ")):
        assert line.startswith(name) and " splits; " in line and " tasks, " in line
    assert report(here) == report(there)


def test_names_in_csv_are_those_of_one_machine(spark, small, tmp_path):
    def formulas(rows):
        rows["country"][:] = ["=1+1" if country == "FR" else country for country in rows["country"]]

    source = damaged(small, tmp_path / "rows", formulas)
    tables = []
    for target, call in (("here", rollshare.run), ("there", functools.partial(run, spark))):
        path = tmp_path / f"{target}.csv"
        call(source, str(path), csv_safe=True, warn_only=True)
        tables.append(path.read_bytes())
    assert tables[0] == tables[1] and b"'=1+1" in tables[0]
    with open(tmp_path / "there.csv", newline="") as file:
        assert not any(row["country"].startswith("=") for row in csv.DictReader(file))
