"""Times one engine. Each engine runs in a separate process.

    python engines.py ENGINE LAYOUT PATH THREADS REPEATS SECONDS ANSWER.csv

Prints a line of JSON. Timed are the engine's scan, filter and sums by country and
week, up to its native result. Zero-filling, windows and the division are done
after the clock has stopped (for Rollshare they are timed). Each engine is warm:
the connection is open and the query has run once. Where an engine has several
ways to run the query, each is timed and all are reported.
"""

import csv
import datetime
import json
import resource
import sys
import time

COLUMNS = ["name", "value", "year_week", "country", "os_name"]
SQL = """
SELECT country, year_week,
       sum(CASE WHEN name = 'Organic' THEN CAST(value AS DOUBLE) ELSE 0 END) AS organic,
       sum(CAST(value AS DOUBLE)) AS total
FROM {table} WHERE os_name = 'all' AND country <> 'ALL' GROUP BY country, year_week
"""


def pattern(path, layout):
    return f"{path}/**/*.parquet" if layout == "daily" else path


def duckdb(path, layout, threads):
    import duckdb

    connection = duckdb.connect(config={"threads": threads})
    table = f"read_parquet('{pattern(path, layout)}')"
    filtered = SQL.replace(
        "sum(CASE WHEN name = 'Organic' THEN CAST(value AS DOUBLE) ELSE 0 END)",
        "sum(value) FILTER (WHERE name = 'Organic')",
    ).replace("sum(CAST(value AS DOUBLE))", "sum(value)")

    def ask(sql):
        return lambda: connection.execute(sql.format(table=table)).fetchnumpy()

    def rows(result):
        organic = result["organic"].filled(0) if hasattr(result["organic"], "filled") else result["organic"]
        return zip(result["country"], result["year_week"], organic, result["total"])

    return duckdb.__version__, {"filter": ask(filtered), "case": ask(SQL)}, rows


def polars(path, layout, threads):
    import os

    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl

    value, organic = pl.col("value").cast(pl.Float64), pl.col("name") == "Organic"

    def query(sums):
        return (
            pl.scan_parquet(pattern(path, layout), hive_partitioning=layout == "daily")
            .filter(pl.col("os_name") == "all", pl.col("country") != "ALL")
            .group_by("country", "year_week")
            .agg(**sums)
        )

    filtered = query({"organic": value.filter(organic).sum(), "total": value.sum()})
    # One more column before the sums, and no filter within groups.
    masked = query({"organic": pl.when(organic).then(value).otherwise(0.0).sum(), "total": value.sum()})
    variants = {
        "streaming, filter": lambda: filtered.collect(engine="streaming"),
        "streaming, when": lambda: masked.collect(engine="streaming"),
        "in memory, when": lambda: masked.collect(engine="in-memory"),
    }
    return (
        pl.__version__,
        variants,
        lambda frame: frame.select("country", "year_week", "organic", "total").iter_rows(),
    )


def datafusion(path, layout, threads):
    import datafusion as df

    def context(pushdown):
        config = df.SessionConfig({"datafusion.execution.parquet.pushdown_filters": pushdown})
        session = df.SessionContext(config.with_target_partitions(threads))
        if layout == "daily":
            import pyarrow as pa

            session.register_parquet("t", str(path), table_partition_cols=[("start_date", pa.string())])
        else:
            session.register_parquet("t", str(path))
        return session

    plain, pushed = context("false"), context("true")
    sql = SQL.format(table="t")
    variants = {
        "default": lambda: plain.sql(sql).collect(),
        "pushdown_filters": lambda: pushed.sql(sql).collect(),
    }

    def rows(batches):
        for batch in batches:
            yield from zip(*(column.to_pylist() for column in batch.columns))

    return df.__version__, variants, rows


def chdb(path, layout, threads):
    from importlib.metadata import version

    from chdb import session

    connection = session.Session()
    sql = (
        "SELECT country, year_week, sumIf(value, name = 'Organic') AS organic, sum(value) AS total "
        f"FROM file('{pattern(path, layout)}', Parquet) WHERE os_name = 'all' AND country <> 'ALL' "
        f"GROUP BY country, year_week SETTINGS max_threads = {threads}"
    )

    def rows(result):
        import pyarrow as pa

        table = pa.ipc.open_file(pa.py_buffer(result.bytes())).read_all()

        def text(value):
            return value.decode() if isinstance(value, bytes) else value

        for country, week, organic, total in zip(*(column.to_pylist() for column in table.columns)):
            yield text(country), text(week), organic, total

    return version("chdb"), {"file()": lambda: connection.query(sql, "Arrow")}, rows


def pandas(path, layout, threads):
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(threads)
    filters = [("os_name", "=", "all"), ("country", "!=", "ALL")]

    def sums(frame):
        frame["value"] = frame["value"].astype("float64")
        frame["organic"] = frame["value"].where(frame["name"] == "Organic", 0.0)
        grouped = frame.groupby(["country", "year_week"], observed=True, sort=False)
        return grouped.agg(organic=("organic", "sum"), total=("value", "sum")).reset_index()

    def strings():
        return sums(pd.read_parquet(path, columns=COLUMNS, filters=filters))

    def categories():
        table = pq.read_table(
            path,
            columns=COLUMNS,
            filters=filters,
            read_dictionary=["name", "year_week", "country", "os_name"],
        )
        return sums(table.to_pandas())

    return pd.__version__, {"categories": categories, "strings": strings}, lambda f: f.itertuples(index=False)


def pyspark(path, layout, threads):
    import pyspark
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.sql.shuffle.partitions", threads)
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.sql.sources.parallelPartitionDiscovery.threshold", 10_000)
        .getOrCreate()
    )
    session.read.parquet(str(path)).createOrReplaceTempView("t")
    sql = SQL.format(table="t")
    return pyspark.__version__, {"sql": lambda: session.sql(sql).collect()}, lambda result: result


ENGINES = {f.__name__: f for f in (duckdb, polars, datafusion, chdb, pandas, pyspark)}


def monday(label):
    year, week = label.split("_")
    return datetime.date.fromisocalendar(int(year), int(week), 1)


def shares(rows, window=4):
    """(year, week, country, share or None) for every week of the axis and every country."""
    sums = {(str(c), monday(str(w))): (float(o), float(t)) for c, w, o, t in rows}
    countries = sorted({country for country, _ in sums})
    first, last = min(m for _, m in sums), max(m for _, m in sums)
    weeks = [first + datetime.timedelta(weeks=n) for n in range((last - first).days // 7 + 1)]
    for country in countries:
        cells = [sums.get((country, week), (0.0, 0.0)) for week in weeks]
        for end, week in enumerate(weeks):
            inside = cells[max(0, end + 1 - window) : end + 1]
            organic, total = sum(c[0] for c in inside), sum(c[1] for c in inside)
            year, number, _ = week.isocalendar()
            yield year, number, country, organic / total if total else None


def cpu():
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_rss():
    """Largest resident set of this process in bytes.

    On Linux a child inherits its parent's `ru_maxrss`; `VmHWM` is that of the process alone.
    """
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    engine, layout, path, threads, repeats, seconds, answer = sys.argv[1:]
    version, variants, rows = ENGINES[engine](path, layout, int(threads))
    times = {}
    for name, ask in variants.items():
        result = ask()
        times[name] = []
        started = time.perf_counter()
        while len(times[name]) < int(repeats):
            before, used = time.perf_counter(), cpu()
            result = ask()
            times[name].append([time.perf_counter() - before, cpu() - used])
            if time.perf_counter() - started > float(seconds):
                break
    with open(answer, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["year", "week", "country", "share_organic_p4w"])
        for year, week, country, share in shares(rows(result)):
            writer.writerow([year, week, country, "" if share is None else repr(share)])
    peak = peak_rss()
    print(json.dumps({"version": version, "variants": times, "peak_rss_bytes": peak}))


if __name__ == "__main__":
    main()
