"""Run by test_connect.py in a separate process: a client of Spark Connect, which has no classic session.

Usage: connect_client.py URL SAMPLE FOLDER
"""

from __future__ import annotations

import sys

import rollshare
from pyspark.sql import SparkSession
from rollshare.spark import partial, partial_parquet, read_parquet, register, rolling_share

url, sample, folder = sys.argv[1:]
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
print("connect: right")
