"""The data source of PySpark 4."""

from __future__ import annotations

import inspect

import pyspark
import pytest
import rollshare

pytestmark = pytest.mark.skipif(
    int(pyspark.__version__.split(".")[0]) < 4, reason="Python data sources need PySpark 4"
)


@pytest.fixture(scope="module")
def source(spark):
    from rollshare.spark import register

    register(spark)
    return spark.read.format("rollshare")


def rows(df):
    return [row.asDict() for row in df.collect()]


def test_load_and_options(source, small):
    want = rollshare.read_parquet(small, windows=[4, 13], details=True)
    assert rows(source.option("windows", "4,13").option("details", "true").load(small)) == want.to_dicts()


@pytest.mark.parametrize("pushdown", ["false", "true"])
def test_one_view_many_filters(spark, source, small, pushdown):
    want = rollshare.read_parquet(small).to_dicts()
    spark.conf.set("spark.sql.python.filterPushdown.enabled", pushdown)
    source.option("windows", "4").option("details", "false").load(small).createOrReplaceTempView("shares")
    country = want[0]["country"]
    # Spark reuses the reader of a view: no filter may outlive its query.
    for condition, keep in (
        (f"country = '{country}'", lambda r: r["country"] == country),
        (
            "week in (1, 2) and share_organic_p4w > 0.3",
            lambda r: r["week"] in (1, 2) and (r["share_organic_p4w"] or 0) > 0.3,
        ),
        ("country > 'M' or week = 9", lambda r: r["country"] > "M" or r["week"] == 9),
        ("true", lambda r: True),
    ):
        assert rows(spark.sql(f"select * from shares where {condition}")) == [r for r in want if keep(r)]


def test_every_keyword_of_a_job_is_an_option():
    from rollshare.spark._source import BOOLS, INTEGERS, LISTS, MAPS, TEXTS, job_of

    keywords = set(inspect.signature(rollshare.Job).parameters)
    assert {*BOOLS, *INTEGERS, *LISTS, *TEXTS, *MAPS.values()} == keywords
    assert job_of({"settle_days": "7"}) == rollshare.Job(settle_days=7)
    for options in ({"settle_days": "a week"}, {"windows": "4,x"}):
        with pytest.raises(rollshare.ArgumentError, match="expected a whole number"):
            job_of(options)


def test_invalid_options(source, small):
    with pytest.raises(Exception, match="option 'colour'; expected one of"):
        source.option("colour", "red").load(small)
