"""Both modes on a cluster of two workers give the same bytes as the kernel on the same rows."""

from __future__ import annotations

import datetime
import decimal
import logging
import random

import pytest
import rollshare
from rollshare.spark import partial, partial_parquet, read_parquet, rolling_share

INF = float("inf")
SCHEMA = "name string, value {}, year_week string, country string, os_name string, start_date date"


def rows_of(df):
    return [row.asDict() for row in df.collect()]


def test_file_mode_is_the_kernels_answer(spark, sample):
    want = rollshare.read_parquet(sample, windows=[4, 13], details=True)
    assert rows_of(read_parquet(spark, sample, windows=[4, 13], details=True)) == want.to_dicts()
    assert partial_parquet(spark, sample, windows=[4, 13], details=True, splits=3).finish() == want


@pytest.mark.parametrize("splits", [1, 5, 40])
def test_any_number_of_splits_gives_the_same(spark, small, splits):
    want = rollshare.read_parquet(small)
    got = partial_parquet(spark, small, splits=splits)
    assert got.finish() == want
    assert got.account == want.account


def test_a_plain_read_goes_by_file_mode_and_says_so(spark, small, caplog):
    want = rollshare.read_parquet(small).to_dicts()
    df = spark.read.parquet(small)
    with caplog.at_level(logging.WARNING, "rollshare.spark"):
        assert rows_of(rolling_share(df)) == want
    assert "12 parquet files: read by the kernel" in caplog.text
    caplog.clear()
    assert rows_of(rolling_share(df, files="never")) == want
    # More than a read: a filter, even one that keeps all rows.
    assert rows_of(rolling_share(df.where("value >= 0"))) == want
    assert not caplog.text


def test_after_window_operators_joins_unions_caching_and_repartitioning(spark, small):
    want = rollshare.read_parquet(small).to_dicts()
    df = spark.read.parquet(small)
    numbered = df.selectExpr("*", "row_number() over (partition by country order by start_date) as n")
    names = df.selectExpr("country").distinct().selectExpr("country", "length(country) as n")
    for frame in (
        numbered.where("n > 0"),
        df.join(names, "country"),
        df.where("os_name = 'all'").union(df.where("os_name <> 'all'")),
        df.repartition(7).cache(),
        df.repartition(3, "country"),
    ):
        for sums in ("spark", "kernel"):
            assert rows_of(rolling_share(frame, sums=sums)) == want, sums


def test_other_names_and_a_frame_that_has_one_twice(spark, small):
    want = rollshare.read_parquet(small).to_dicts()
    df = spark.read.parquet(small).withColumnRenamed("value", "new.users").withColumnRenamed("name", "`ch")
    df = df.selectExpr("*", "1 as twice", "2 as twice")
    columns = {"value": "new.users", "name": "`ch"}
    for sums in ("spark", "kernel"):
        assert rows_of(rolling_share(df, columns=columns, sums=sums)) == want
    with pytest.raises(rollshare.DataError, match="no columns 'value'"):
        rolling_share(df)


def frame(values, kind):
    """Rows with every kind of key; the values repeat in order."""
    dice = random.Random(7)
    rows = []
    for at in range(400):
        week = 19 + at % 6
        rows.append(
            (
                dice.choice(["Organic", "Paid", "Other", None, "Organic"]),
                values[at % len(values)],
                f"2021_{week:02}",
                dice.choice(["FR", "GB", "ALL", "", None, "FR"]),
                dice.choice(["all", "all", "ios", None]),
                datetime.date.fromisocalendar(2021, week, 1 + at % 7),
            )
        )
    return rows, SCHEMA.format(kind)


VALUES = {
    "tinyint": [0, 1, 127, -128, None],
    "int": [0, 2**31 - 1, -(2**31), 7, None],
    "bigint": [2**62, 2**62, -(2**53) - 1, 2**31, 2**31 - 1, 3, None],
    "float": [0.0, 1.0, 16777216.0, 0.1, 3e38, float("nan"), INF, -INF, 1e-40, None],
    "double": [0.1, -0.1, 1 / 3, 1e300, 5e-324, 2.0**31, 2.0**-62, 4.0, -2.5, float("nan"), INF, None],
    "decimal(10,2)": [decimal.Decimal("1.25"), decimal.Decimal("-99999999.99"), decimal.Decimal(0), None],
    "decimal(38,10)": [decimal.Decimal("123456789012345678901234.0123456789"), decimal.Decimal(1), None],
}


@pytest.mark.parametrize("kind", VALUES)
def test_every_number_type_is_summed_exactly_and_every_row_accounted_for(spark, kind):
    import pyarrow as pa
    from pyspark.sql.pandas.types import to_arrow_schema

    rows, schema = frame(VALUES[kind], kind)
    df = spark.createDataFrame(rows, schema).repartition(5)
    arrow = pa.Table.from_pylist(
        [dict(zip(df.columns, row)) for row in rows], schema=to_arrow_schema(df.schema)
    )
    want = rollshare.partial(arrow, details=True)
    for sums in ("spark", "kernel"):
        got = partial(df, details=True, sums=sums)
        assert got.account == want.account, sums
        assert repr(got.finish().to_dicts()) == repr(want.finish().to_dicts()), sums
    assert repr(rows_of(rolling_share(df, details=True))) == repr(want.finish().to_dicts())


@pytest.mark.parametrize("options", [{"semantics": "legacy"}, {"grain": "day", "windows": 7}])
def test_what_needs_rows_gets_rows(spark, small, options):
    want = rollshare.read_parquet(small, **options)
    df = spark.read.parquet(small)
    assert rows_of(rolling_share(df, files="never", **options)) == want.to_dicts()
    assert partial(df, files="never", **options).finish() == want
    assert partial_parquet(spark, small, splits=3, **options).finish() == want


def test_no_rows_no_partitions_one_partition(spark, small):
    nothing = spark.createDataFrame([], SCHEMA.format("double"))
    for sums in ("spark", "kernel"):
        assert rows_of(rolling_share(nothing, sums=sums)) == []
        assert partial(nothing, sums=sums).account["rows"] == 0
    one = spark.read.parquet(small).coalesce(1)
    assert rows_of(rolling_share(one)) == rollshare.read_parquet(small).to_dicts()


def test_errors_come_early_or_say_what_is_wrong(spark, small):
    df = spark.read.parquet(small)
    with pytest.raises(rollshare.DataError, match="no column 'value'"):
        rolling_share(df.drop("value"))
    with pytest.raises(rollshare.DataError, match="a number"):
        rolling_share(df.selectExpr("name", "'x' as value", "year_week", "country", "os_name"))
    with pytest.raises(rollshare.ArgumentError, match="sums="):
        rolling_share(df, sums="pandas")
    with pytest.raises(rollshare.NotFoundError):
        read_parquet(spark, "/nowhere/at/all")
    bad = df.selectExpr("name", "value", "'2021_54' as year_week", "country", "os_name")
    for sums in ("spark", "kernel"):
        with pytest.raises(Exception, match="'2021_54'.*expected yyyy_ww"):
            rolling_share(bad, sums=sums).collect()
