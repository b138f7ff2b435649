"""Compares Rollshare with polars and DuckDB on the same frame in memory, in one run.

The rivals sum organic and all users per country and week. Rollshare also computes the share over four
weeks, as ``rolling_share(frame)`` returns it. The sums are compared. The rows of the sample are in export
order. Usage: ``python benches/python/frames.py [ROWS]``. Reports the median of five calls; one more call
before them warms up.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import rollshare

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
STRINGS = ("name", "year_week", "country", "os_name")
SQL = """select country, year_week, sum(case when name = 'Organic' then value else 0 end) as organic,
    sum(value) as total from frame where os_name = 'all' and country <> 'ALL' group by all"""


def timed(work: Callable[[], Any], rounds: int = 5) -> tuple[float, Any]:
    """Median wall time in milliseconds, and the answer."""
    answer = work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times), answer


def of_polars(frame: pl.DataFrame) -> dict[tuple[str, str], tuple[float, float]]:
    value = pl.col("value").cast(pl.Float64)
    found = (
        frame.lazy()
        .filter((pl.col("os_name") == "all") & (pl.col("country") != "ALL"))
        .group_by("country", "year_week")
        .agg(value.filter(pl.col("name") == "Organic").sum().alias("organic"), value.sum().alias("total"))
        .collect()
    )
    keys = found.select(pl.col("country", "year_week").cast(pl.String)).rows()
    return dict(zip(keys, found.select("organic", "total").rows()))


def of_duckdb(frame: Any) -> dict[tuple[str, str], tuple[float, float]]:
    connection = duckdb.connect()
    connection.register("frame", frame)
    return {(c, w): (o, t) for c, w, o, t in connection.execute(SQL).fetchall()}


def of_rollshare(shares: rollshare.Shares) -> dict[tuple[str, str], tuple[float, float]]:
    return {
        (r["country"], f"{r['year']}_{r['week']:02}"): (
            r["organic_p1w"],
            r["organic_p1w"] + r["nonorganic_p1w"],
        )
        for r in shares.to_dicts()
    }


def same(ours: dict[Any, Any], theirs: dict[Any, Any]) -> bool:
    """Rollshare fills weeks without rows with zeros; the other engines omit them."""
    zero = (0.0, 0.0)
    return all(ours[key] == value for key, value in theirs.items()) and all(
        value == zero for key, value in ours.items() if key not in theirs
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sample.parquet")
        rollshare.sample(path, ROWS)
        table = pq.read_table(path, columns=[*STRINGS, "value"])
        small = table.slice(0, 1000).combine_chunks()
    coded = table
    for name in STRINGS:
        column = coded[name].combine_chunks().dictionary_encode()
        coded = coded.set_column(coded.schema.get_field_index(name), name, column)
    categories = pl.from_arrow(table).with_columns(pl.col(*STRINGS).cast(pl.Categorical))
    # How to make each frame, and how to convert it for polars.
    frames: dict[str, tuple[Callable[[], Any], Callable[[Any], pl.DataFrame]]] = {
        "polars Categorical": (lambda: categories, lambda f: f),
        "polars String": (lambda: pl.from_arrow(table), lambda f: f),
        "pyarrow dictionary": (lambda: coded, pl.from_arrow),
        "pyarrow string": (lambda: table, pl.from_arrow),
        "pandas category": (lambda: coded.to_pandas(), lambda f: pl.from_arrow(coded)),
        "pandas str": (lambda: table.to_pandas(), lambda f: pl.from_arrow(table)),
    }

    results: dict[str, Any] = {
        "rows": ROWS,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": {m.__name__: m.__version__ for m in (rollshare, pl, duckdb, pa, pd)},
        "milliseconds": {},
    }
    job = rollshare.Job(windows=1, details=True)
    for name, (make, for_polars) in frames.items():
        frame = make()
        ours, _ = timed(lambda: rollshare.rolling_share(frame))  # noqa: B023
        shares = rollshare.rolling_share(frame, job=job)
        as_polars = for_polars(frame)
        polars, of_pl = timed(lambda: of_polars(as_polars))  # noqa: B023
        duck, of_db = timed(lambda: of_duckdb(frame))  # noqa: B023
        answer = of_rollshare(shares)
        assert same(answer, of_pl) and same(answer, of_db), name
        best = min(polars, duck)
        results["milliseconds"][name] = {
            "rollshare": round(ours, 1), "polars": round(polars, 1), "duckdb": round(duck, 1),
            "times as fast as the best rival": round(best / ours, 2),
        }  # fmt: skip
        print(
            f"{name:20} rollshare {ours:8.1f}  polars {polars:8.1f}  duckdb {duck:8.1f}  x{best / ours:.2f}",
            flush=True,
        )
    calls = {"pyarrow": small, "polars": pl.from_arrow(small), "pandas": small.to_pandas()}
    for name, frame in calls.items():
        took, _ = timed(lambda: rollshare.rolling_share(frame), 500)  # noqa: B023
        results[f"1,000 rows, {name}, microseconds"] = round(took * 1e3, 1)
    starts = []
    code = "import time; t = time.perf_counter(); import rollshare; print((time.perf_counter() - t) * 1e3)"
    for _ in range(15):
        starts.append(
            float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
        )
    results["import, milliseconds"] = round(statistics.median(starts), 2)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
