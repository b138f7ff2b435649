"""Compares native PySpark with both modes: one cluster, the same files, one run. The answers are compared.

    make bench-spark ARGS='--rows 20000000'

Starts a standalone master and two workers of one core. Each job runs twice to warm up and then in turn with
the others; medians are reported. CPU is that of the executors and their Python workers, from /proc. Jobs
that do nothing measure the fixed cost of Spark. With --submit, spark-submit is timed as a whole too.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests/spark"), str(Path(__file__).parent)]

from cluster import Cluster  # noqa: E402
from native_job import native  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def processes(application: str) -> list[Path]:
    """The application's executors and all their children, in /proc."""
    parents, roots = {}, set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        pid = int(entry.name)
        parents[pid] = int(stat[stat.rindex(")") + 2 :].split()[1])
        if "CoarseGrainedExecutorBackend" in line and application in line:
            roots.add(pid)

    def ours(pid: int) -> bool:
        while pid > 1:
            if pid in roots:
                return True
            pid = parents.get(pid, 0)
        return False

    return [Path(f"/proc/{pid}") for pid in parents if ours(pid)]


def executor_cpu(application: str) -> float:
    """CPU seconds so far of the application's executors and all their children."""
    ticks = 0
    for entry in processes(application):
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        ticks += sum(int(field) for field in stat[stat.rindex(")") + 2 :].split()[11:13])
    return ticks / TICK


def executor_memory(application: str) -> dict[str, float]:
    """MiB: peak resident memory of a JVM and a Python worker, current anonymous memory of the latter."""
    most = {
        "JVM, peak resident": 0.0,
        "Python worker, peak resident": 0.0,
        "Python worker, anonymous now": 0.0,
    }
    for entry in processes(application):
        try:
            lines = (entry / "status").read_text().splitlines()
        except OSError:
            continue
        status = dict(line.split(":", 1) for line in lines if ":" in line)
        peak, own = (int(status[key].split()[0]) / 1024 for key in ("VmHWM", "RssAnon"))
        kinds = {"JVM, peak resident": peak}
        if status["Name"].strip() != "java":
            kinds = {"Python worker, peak resident": peak, "Python worker, anonymous now": own}
        for kind, size in kinds.items():
            most[kind] = max(most[kind], size)
    return most


def identity(batches):
    """Return no rows: measures the cost of passing rows to Python."""
    for batch in batches:
        yield batch.slice(0, 0)


def jobs(spark, path):
    """The jobs by name; each returns its rows, or none."""
    from rollshare.spark import partial, partial_parquet, read_parquet, rolling_share

    def fresh():
        return spark.read.parquet(path)

    def repartitioned():
        # A filter that costs nothing turns the plan into more than a plain read.
        return fresh().where("value >= 0")

    def by_spark(df):
        rows = native(df).collect()
        spark.catalog.clearCache()
        return rows

    kept = "os_name = 'all' and country <> 'ALL'"
    return {
        "native": lambda: by_spark(fresh()),
        "native on the filtered frame": lambda: by_spark(repartitioned()),
        "file mode": lambda: read_parquet(spark, path).collect(),
        "file mode, sums to the driver": lambda: partial_parquet(spark, path).finish().to_dicts(),
        "DataFrame mode, Spark sums": lambda: rolling_share(repartitioned()).collect(),
        "DataFrame mode, kernel sums": lambda: rolling_share(repartitioned(), sums="kernel").collect(),
        "DataFrame mode with the account": lambda: partial(repartitioned()).finish().to_dicts(),
        "rows to Python and no more": lambda: (
            fresh()
            .where(kept)
            .select("name", "value", "year_week", "country")
            .mapInArrow(identity, "name string, value float, year_week string, country string")
            .collect()
        ),
        "an empty mapInArrow job": lambda: (
            spark.range(0, 2, 1, 2).mapInArrow(identity, "id bigint").collect()
        ),
        "an empty job": lambda: spark.range(0, 2, 1, 2).collect(),
    }


def answer(rows):
    """Rows as plain tuples, sorted by country, year and week."""
    rows = [tuple(row.values()) if isinstance(row, dict) else tuple(row) for row in rows]
    return sorted(rows, key=lambda r: (r[2], r[0], r[1]))


#: Rows of the simulation.
SIMULATED_ROWS = 20_000_000_000


def simulate(row, fixed, scale):
    """Wall seconds by number of executors for `scale` times the rows, computed from the cost of one task."""
    work = row["cpu"] * scale
    splits = max(64, math.ceil(scale))
    result = {}
    for n in (2, 4, 8, 16, 32, 64):
        task = work / splits + fixed["task"]
        result[n] = fixed["job"] + math.ceil(splits / n) * task + splits * fixed["merge"] / min(n, 32)
    return result


def submit(cluster, script, *arguments):
    settings = [part for key, value in cluster.settings().items() for part in ("--conf", f"{key}={value}")]
    command = [str(cluster.home / "bin/spark-submit"), *settings, str(script), *arguments]
    start = time.perf_counter()
    subprocess.run(command, env=cluster.environment(), check=True, capture_output=True)
    wall = time.perf_counter() - start
    print(f"spark-submit {Path(script).name}: {wall:.2f} s", file=sys.stderr)
    return wall


def session(cluster, memory):
    """A session on the cluster, with this much memory for each executor."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("bench")
    settings = {**cluster.settings(), "spark.executor.memory": memory, "spark.speculation": "false"}
    for key, value in {**settings, "spark.ui.showConsoleProgress": "false"}.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--layout", default="export")
    parser.add_argument("--sample", help="path of the sample, which is made if it is missing")
    parser.add_argument("--warm", type=int, default=2, help="runs before those that count")
    parser.add_argument("--only", nargs="+", help="names of the jobs to run")
    parser.add_argument("--submit", action="store_true")
    parser.add_argument("--out", help="file for the results, as JSON")
    args = parser.parse_args()
    # SIGTERM also stops the cluster.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    import pyspark
    import rollshare

    path = args.sample or str(Path(tempfile.gettempdir()) / f"rollshare-{args.layout}-{args.rows}.parquet")
    if not Path(path).exists():
        rollshare.sample(path, args.rows, layout=args.layout)
    cluster = Cluster(workers=2, cores=1, memory="2g")
    results = {"pyspark": pyspark.__version__, "rows": args.rows, "layout": args.layout, "jobs": {}}
    try:
        os.environ.update(cluster.environment())
        spark = session(cluster, "1536m")
        application = spark.sparkContext.applicationId
        want = answer(rollshare.read_parquet(path).to_dicts())
        todo = jobs(spark, path)
        if args.only:
            todo = {name: todo[name] for name in args.only}
        times = {name: [] for name in todo}
        for turn in range(args.runs + args.warm):
            for name, job in todo.items():
                cpu, start = executor_cpu(application), time.perf_counter()
                rows = job()
                wall = time.perf_counter() - start
                cpu = executor_cpu(application) - cpu
                print(f"{name}: {wall:.2f} s, executor CPU {cpu:.2f} s", file=sys.stderr)
                if turn >= args.warm:
                    times[name].append((wall, cpu))
                elif rows and len(rows[0]) == 4 and "mode" in name:
                    assert answer(rows) == want, name
                elif name.startswith("native"):
                    got = {r[:3]: r[3] for r in answer(rows)}
                    assert all(got[r[:3]] == r[3] for r in want if r[:3] in got), name
        for name, measured in times.items():
            walls, cpus = zip(*measured)
            results["jobs"][name] = {"wall": statistics.median(walls), "cpu": statistics.median(cpus)}
        results["memory"] = executor_memory(application)
        print(results["memory"], file=sys.stderr)
        spark.stop()
        if args.submit:
            with tempfile.TemporaryDirectory() as folder:
                mine = [REPOSITORY / "jobs/transform.py", "--source_parquet", path, "--no-checks"]
                results["submit"] = {
                    "native": submit(
                        cluster, Path(__file__).parent / "native_job.py", path, f"{folder}/native"
                    ),
                    "transform.py": submit(cluster, *mine, "--target_parquet", f"{folder}/ours"),
                }
    finally:
        cluster.stop()
    empty = results["jobs"].get("an empty mapInArrow job")
    if empty:
        fixed = {"job": empty["wall"], "task": empty["cpu"] / 2, "merge": 0.002}
        results["simulation"] = {
            name: simulate(row, fixed, SIMULATED_ROWS / args.rows)
            for name, row in results["jobs"].items()
            if "mode" in name or name == "native"
        }
    print(
        f"PySpark {results['pyspark']}, {args.rows:,} rows, layout {args.layout}, two executors of one core"
    )
    print("| job | wall, s | executor CPU, s |\n|---|---|---|")
    for name, row in results["jobs"].items():
        print(f"| {name} | {row['wall']:.3f} | {row['cpu']:.2f} |")
    for name, seconds in results.get("submit", {}).items():
        print(f"| spark-submit, {name} | {seconds:.1f} | |")
    print("\nMemory of an executor, MiB: " + ", ".join(f"{k} {v:.0f}" for k, v in results["memory"].items()))
    print(f"\nSimulated wall seconds for {SIMULATED_ROWS:,} rows, by executors of one core")
    for name, by in results.get("simulation", {}).items():
        print(f"{name}: " + ", ".join(f"{n}: {seconds:.1f}" for n, seconds in by.items()))
    if args.out:
        Path(args.out).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
