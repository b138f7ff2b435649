"""The rival: the job's four steps as a native PySpark job, as a careful Spark user would write it.

The steps are filter and sum, fill, window, share. Spark itself does column pruning and filter push-down.
As a script:

    spark-submit benches/spark/native_job.py SOURCE TARGET
"""

from __future__ import annotations

import sys


def native(df):
    """The share per country and week of an export, by Spark alone. The caller clears the cache."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    # 1. The rows that count.
    rows = df.where((F.col("os_name") == "all") & (F.col("country") != "ALL"))
    # 2. Sums per week, country and class of channel.
    organic = F.when(F.col("name") == "Organic", F.col("value"))
    paid = F.when(F.col("name") != "Organic", F.col("value"))
    sums = rows.groupBy("year_week", "country").agg(
        F.sum(organic).alias("organic"), F.sum(paid).alias("paid")
    )
    # The sums are few and used three times: without the cache the files would be read three times.
    sums = sums.cache()
    # 3. Every week for every country. Weeks are numbered consecutively across years.
    monday = F.to_date(F.concat(F.substring("year_week", 1, 4), F.lit("-01-04")))
    monday = F.date_sub(monday, F.weekday(monday)) + (F.substring("year_week", 6, 2).cast("int") - 1) * 7
    sums = sums.withColumn("step", F.floor(F.datediff(monday.cast("date"), F.lit("1970-01-05")) / 7))
    weeks = sums.select("step", "year_week").distinct()
    filled = weeks.crossJoin(sums.select("country").distinct()).join(
        sums.drop("year_week"), ["step", "country"], "left"
    )
    # 4. Four weeks, and the share of organic in them.
    window = Window.partitionBy("country").orderBy("step").rangeBetween(-3, 0)
    filled = filled.na.fill(0, ["organic", "paid"])
    o, p = F.sum("organic").over(window), F.sum("paid").over(window)
    return filled.select(
        F.substring("year_week", 1, 4).cast("int").alias("year"),
        F.substring("year_week", 6, 2).cast("int").alias("week"),
        "country",
        F.when(o + p != 0, o / F.nullif(o + p, F.lit(0.0))).alias("share_organic_p4w"),
    )


if __name__ == "__main__":
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName("native").getOrCreate()
    native(spark.read.parquet(sys.argv[1])).coalesce(1).write.mode("overwrite").parquet(sys.argv[2])
    spark.stop()
