"""Runs and checks of data frames have the results of one machine for the same rows."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rollshare
import slow
from conftest import COLUMNS
from rollshare.spark import _rows, check, run
from rollshare.spark._plan import parquet_files
from test_run import FAULTS, FIELD, damaged, field_cases, options, report


def arrow(df) -> pa.Table:
    """The rows of a frame, in the order of its partitions."""
    if hasattr(df, "toArrow"):
        return df.toArrow()
    from pyspark.sql.pandas.types import to_arrow_schema

    # A frame without rows has no batches.
    batches = df._collect_as_arrow()
    return pa.Table.from_batches(batches, None if batches else to_arrow_schema(df.schema))


@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change.__name__)
def test_faults_have_the_outcomes_of_one_machine(spark, small, tmp_path, change, monkeypatch):
    # Several pieces in a partition.
    monkeypatch.setattr(_rows, "PIECE_ROWS", 4000)
    df = spark.read.parquet(damaged(small, tmp_path / "rows", change)).coalesce(2)
    found = check(spark, df, files="never")
    assert report(found) == report(rollshare.check(arrow(df)))
    assert not found.ok or found.verdict == "warn"


@pytest.mark.parametrize("case", field_cases(), ids=lambda case: case["id"])
def test_exports_of_the_field_have_the_outcomes_of_one_machine(spark, case):
    source = FIELD / case["input"]
    if not source.is_file() or source.suffix != ".parquet":
        pytest.skip("NOT RUN: Spark lists folders, and reads text, in its own way")
    df, given = spark.read.parquet(str(source)), options(case)
    try:
        expected = report(rollshare.check(arrow(df), **given))
    except rollshare.RollshareError as error:
        with pytest.raises(type(error)):
            check(spark, df, files="never", **given)
    else:
        assert report(check(spark, df, files="never", **given)) == expected


def kept(spark):
    """How many RDDs the session keeps; other tests keep some."""
    return spark.sparkContext._jsc.sc().getPersistentRDDs().size()


def test_a_run_publishes_what_one_machine_publishes(spark, small, tmp_path):
    before = kept(spark)
    df = spark.read.parquet(small).where("value >= 0").repartition(3, "country")
    file = tmp_path / "rows.parquet"
    pq.write_table(arrow(df), file)
    here, there = str(tmp_path / "here") + "/", str(tmp_path / "there") + "/"
    # The second run is compared with the history of the first.
    for _ in range(2):
        expected = rollshare.run(file, here, warn_only=True)
        found = run(spark, df, there, warn_only=True)
        assert found.state == "published"
        assert report(found)["outcomes"] == renamed(report(expected)["outcomes"], str(file))
    tables = [next(Path(folder).glob("part-*")).read_bytes() for folder in (here, there)]
    assert tables[0] == tables[1]
    fields = found.to_dict()
    # Footers.
    assert 0 < fields["driver_bytes"] < 20_000
    assert fields["sources"] == ["frame"] and fields["cluster"]["splits"] >= 1
    assert fields["cluster"]["rows"] == 30_000
    # The frame is not kept after a run.
    assert kept(spark) == before
    assert run(spark, df, there, no_checks=True).account == found.account


def renamed(outcomes, file: str):
    return json.loads(json.dumps(outcomes).replace(json.dumps(file)[1:-1], "frame"))


def test_a_frame_that_is_computed_again_has_the_same_rows_or_fails(spark, small, monkeypatch):
    plan = _rows.Pieces.plan

    def lost(self, splits):
        # What an executor had is lost with it.
        self.pieces.unpersist(blocking=True)
        return plan(self, splits)

    df = spark.read.parquet(small).where("value >= 0")
    expected = report(check(spark, df))
    monkeypatch.setattr(_rows.Pieces, "plan", lost)
    assert report(check(spark, df)) == expected
    other = df.mapInArrow(slow.values_of_now, df.schema)
    with pytest.raises(rollshare.DataError, match="other rows when it was computed again"):
        check(spark, other)
    # Pieces that are missing, and some that are too many.
    for splits, pieces in (({0: [b"a", b"b"]}, [b"1"]), ({}, [b"1"])):
        with pytest.raises(rollshare.DataError, match="other rows"):
            list(_rows.piece_pairs(splits, 0, pieces))


def test_only_spark_s_own_parquet_is_read_as_files(spark, small, tmp_path, caplog):
    df = spark.read.parquet(small)
    df.write.orc(str(tmp_path / "orc"))
    columns = set(COLUMNS)
    assert len(parquet_files(df, columns)) == len(parquet_files(df, columns, whole=True)) == 12
    few = df.drop("token")
    assert (
        len(parquet_files(few, columns - {"token"})) == 12 and parquet_files(few, columns, whole=True) is None
    )
    orc = spark.read.orc(str(tmp_path / "orc"))
    spark.conf.set("spark.sql.sources.useV1SourceList", "")
    try:
        by_another_source = spark.read.parquet(small)
        others = [orc, by_another_source, df.where("value >= 0")]
        for other in others:
            assert parquet_files(other, columns) is None
        with caplog.at_level(logging.WARNING, "rollshare.spark"):
            results = [report(check(spark, other, files="auto")) for other in others[:2]]
        assert "plain read" not in caplog.text
    finally:
        spark.conf.unset("spark.sql.sources.useV1SourceList")
    for found, other in zip(results, others):
        assert found == report(rollshare.check(arrow(other)))
    with caplog.at_level(logging.WARNING, "rollshare.spark"):
        as_files = check(spark, spark.read.parquet(small), run_on="cluster").to_dict()
    assert "a plain read of 12 parquet files" in caplog.text
    assert as_files["files"] == 12


def test_frames_without_rows_and_without_columns(spark, small):
    df = spark.read.parquet(small)
    with pytest.raises(rollshare.DataError, match="no rows"):
        run(spark, df.where("value < -1"), no_checks=True)
    with pytest.raises(rollshare.BlockedError, match="no row of Organic"):
        run(spark, df.where("value < -1"))
    assert run(spark, df.where("value < -1"), allow_empty=True, warn_only=True).account["rows"] == 0
    with pytest.raises(rollshare.DataError, match="no column 'value'"):
        check(spark, df.drop("value"))
    # The values are those of the frame.
    with pytest.raises(rollshare.DataError, match="'Organic'"):
        run(spark, df.where("value >= 0"), organic=["organique"], no_checks=True)


def test_arguments_that_do_not_fit(spark, small):
    df = spark.read.parquet(small).where("value >= 0")
    for given, message in (
        ({"run_on": "driver"}, "run_on='driver' with a data frame"),
        ({"run_on": "executors"}, "expected 'auto', 'driver' or 'cluster'"),
        ({"splits": 3}, r"df.repartition\(3\)"),
        ({"files": "always"}, "expected 'auto' or 'never'"),
    ):
        source = small if "executors" in given.values() else df
        with pytest.raises(rollshare.ArgumentError, match=message):
            check(spark, source, **given)
    with pytest.raises(rollshare.ArgumentError, match="state='s'; expected no state"):
        run(spark, small, state="s", run_on="cluster")
