"""Run by test_connect.py in a separate process: a client of Spark Connect, which has no classic session.

Usage: connect_client.py URL SAMPLE FOLDER [sail]
"""

from __future__ import annotations

import sys

import rollshare
from pyspark.sql import SparkSession
from rollshare.spark import check, partial, partial_parquet, read_parquet, register, rolling_share, run

url, sample, folder = sys.argv[1:4]
is_sail = sys.argv[4:] == ["sail"]
spark = SparkSession.builder.remote(url).getOrCreate()
assert type(spark).__module__.startswith("pyspark.sql.connect"), type(spark)


def rows(df):
    return [row.asDict() for row in df.collect()]


want = rollshare.read_parquet(folder)
assert rows(read_parquet(spark, folder)) == want.to_dicts()
assert partial_parquet(spark, folder, splits=3).finish() == want
df = spark.read.parquet(folder)
for options in ({}, {"files": "never"}, {"files": "never", "sums": "kernel"}):
    assert rows(rolling_share(df, **options)) == want.to_dicts(), options
assert partial(df.where("value >= 0")).account == rollshare.partial_parquet(folder).account
assert partial(df, semantics="legacy").finish() == rollshare.read_parquet(folder, semantics="legacy")
if hasattr(spark, "dataSource"):
    register(spark)
    assert rows(spark.read.format("rollshare").load(folder)) == want.to_dicts()
assert rows(read_parquet(spark, sample)) == rollshare.read_parquet(sample).to_dicts()
try:
    rolling_share(df.selectExpr("name", "value", "'2021_54' as year_week", "country", "os_name")).collect()
except Exception as error:
    assert "'2021_54'" in str(error), error
else:
    raise AssertionError("a wrong label passed")


def outcomes(result):
    fields = result.to_dict()
    return fields["outcomes"], fields["account"], fields["verdict"], fields["charts"]


assert outcomes(check(spark, folder, run_on="cluster")) == outcomes(rollshare.check(folder))
by_day = {"by": ["os_name"], "grain": "day", "windows": 7}
assert outcomes(check(spark, folder, run_on="cluster", **by_day)) == outcomes(
    rollshare.check(folder, **by_day)
)
some = df.where("value >= 0").repartition(3, "country")
target = f"{folder}/../connect/"
done = run(spark, folder, target, warn_only=True, run_on="cluster")
assert done.state == "published" and done.to_dict()["driver_bytes"] > 0, done
assert rows(spark.read.parquet(target)) == want.to_dicts()
try:
    check(spark, "/nowhere/at/all", run_on="cluster")
except rollshare.NotFoundError as error:
    assert "data frame" in str(error), error
else:
    raise AssertionError("a path that does not exist passed")
if is_sail:
    # Its tasks do not know their partitions.
    try:
        check(spark, some)
    except rollshare.UnsupportedError as error:
        assert "Write the frame to parquet files" in str(error), error
    else:
        raise AssertionError("Sail has partitions now: test frames with it")
else:
    for options in ({}, by_day):
        found, here = check(spark, some, **options), rollshare.check(some.toArrow(), **options)
        assert outcomes(found) == outcomes(here), options
    done = run(spark, some, target, warn_only=True)
    assert done.state == "published" and done.to_dict()["driver_bytes"] < 20_000, done
    assert rows(spark.read.parquet(target)) == rows(rolling_share(some))
    try:
        run(spark, some.where("value >= 0"), organic=["organique"], no_checks=True)
    except rollshare.DataError as error:
        assert "'Organic'" in str(error), error
    else:
        raise AssertionError("rows without organic users passed")
print("connect: right")
