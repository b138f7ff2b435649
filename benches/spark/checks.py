"""Runs with checks by executors, of a data frame there, and in one process; the outcomes are compared.

    make bench-spark-checks ARGS='--rows 20000000 60000000 200000000'

Starts a standalone master and two workers of one core. The export is the sample in 20 files or, with
`--layout cells`, all of 2,500 days, 250 countries, 5 systems and 40 channels. One process is `rollshare.run`
in a separate process, with as many threads as there are executors. CPU is that of the executors with their
Python workers. At the first run of each kind no page of the files is in memory: it shows what is read from
the disk. The medians are of the other runs. With several sizes, lines are fitted to the times: what a run
costs whatever its size, and what a byte costs. The size from which a cluster pays follows from these.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "tests/spark"), str(Path(__file__).parent)]

from cluster import Cluster  # noqa: E402
from exports import cells, sample_files  # noqa: E402
from run import executor_cpu, executor_memory, processes, session  # noqa: E402

EXECUTORS = 2
TIMES = ("wall", "driver CPU", "executor CPU")
#: Cores of the driver and of the executors for which the size is computed.
CLUSTERS = ((2, 2), (2, 8), (4, 4), (4, 16), (4, 64), (16, 16), (16, 64))


def export(layout: str, files: int, rows: int) -> Path:
    """The folder of an export, which is made if it is missing."""
    folder = Path(tempfile.gettempdir()) / f"rollshare-{layout}-{files}-{rows}"
    if not folder.exists():
        if layout == "cells":
            cells(folder, 2500, 250, 5, 40)
        else:
            sample_files(folder, files, rows, layout)
    return folder


def forget_pages(folder: Path) -> None:
    """Drop the files from the page cache."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_from_disk(process: Path) -> int:
    """Bytes that a process has read from the disk."""
    try:
        lines = (process / "io").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def read_by_workers(application: str) -> int:
    """The same of the Python workers of an application."""
    workers = (one for one in processes(application) if (one / "comm").read_text().strip() != "java")
    return sum(map(read_from_disk, workers))


def outcomes(report: dict) -> tuple:
    """What has to be the same in every run."""
    # A frame has one order of its rows, files have another: the first rows that violate differ. The check
    # `columns` counts columns of files.
    found = [outcome for outcome in report["outcomes"] if outcome["check"] != "columns"]
    names = ("check", "status", "observed", "n")
    return [{name: outcome.get(name) for name in names} for outcome in found], report["account"]


def measured(job) -> dict:
    """Report, time, CPU, peak and reads of a run in this process."""
    read = read_from_disk(Path("/proc/self"))
    cpu, start = time.process_time(), time.perf_counter()
    report = job().to_dict()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "wall": time.perf_counter() - start,
        "driver CPU": time.process_time() - cpu,
        # Not ru_maxrss, which a child has from its parent.
        "driver peak": int(status["VmHWM"].split()[0]) / 1024,
        "driver disk": read_from_disk(Path("/proc/self")) - read,
        "driver bytes": report.get("driver_bytes"),
        "cluster": report.get("cluster"),
        "outcomes": outcomes(json.loads(json.dumps(report))),
    }


def in_one_process(source: Path, target: str) -> dict:
    """The run of one machine, in a process of its own."""
    command = [sys.executable, __file__, "--one-process", str(source), target]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def on_cluster(application: str, job) -> dict:
    """A run by executors."""
    cpu, read = executor_cpu(application), read_by_workers(application)
    found = measured(job)
    found["executor CPU"] = executor_cpu(application) - cpu
    found["executor disk"] = read_by_workers(application) - read
    found["memory"] = executor_memory(application)
    return json.loads(json.dumps(found))


def show(name: str, first: dict, runs: list[dict]) -> None:
    """The lines of a kind of runs."""
    times = ", ".join(f"{one} {median(runs, one):.2f} s" for one in TIMES if one in first)
    print(f"{name}: {times}; walls {', '.join(format(run['wall'], '.2f') for run in runs)}")
    reads = {one: first[one] for one in ("driver disk", "executor disk", "driver bytes") if first.get(one)}
    print(f"  without pages in memory: wall {first['wall']:.2f} s, bytes {reads}")
    print(f"  peak of the driver {runs[-1]['driver peak']:.0f} MiB", flush=True)
    part = runs[-1]["cluster"]
    if part:
        memory = {one: round(size) for one, size in runs[-1]["memory"].items()}
        stages = (f"{one['name']} {one['tasks']} tasks {one['seconds']:.2f} s" for one in part["stages"])
        print(f"  MiB of an executor: {memory}")
        print(f"  {part['splits']} splits; {', '.join(stages)}", flush=True)


def median(runs: list[dict], name: str) -> float:
    """The median of a time of some runs."""
    return statistics.median(run[name] for run in runs)


def compare(jobs: dict, folder: Path, turns: int) -> dict:
    """Run the jobs in turn, show them, and return what `show_size` needs."""
    size = sum(path.stat().st_size for path in folder.iterdir())
    files = len(list(folder.iterdir()))
    print(f"{folder.name}: {files} files, {size:,} bytes, load {os.getloadavg()}", flush=True)
    runs: dict[str, list[dict]] = {name: [] for name in jobs}
    for turn in range(turns + 1):
        for name, job in jobs.items():
            if turn == 0:
                forget_pages(folder)
            runs[name].append(job(folder))
        # Each target has a history of as many runs.
        last = {name: found[-1]["outcomes"] for name, found in runs.items()}
        assert all(found == last["one process"] for found in last.values()), "the outcomes differ"
    for name, found in runs.items():
        show(name, found[0], found[1:])
    one, there = runs["one process"][1:], runs["executors"][1:]
    part = there[-1]["cluster"]
    print(f"  {part['rows']:,} rows, {part['bytes']:,} bytes of needed columns", flush=True)
    return {
        "bytes": part["bytes"],
        "one CPU": median(one, "driver CPU"),
        "waits": min(run["wall"] - run["executor CPU"] / EXECUTORS for run in there),
        "executor CPU": median(there, "executor CPU"),
    }


def fitted(points: list[tuple[float, float]]) -> tuple[float, float]:
    """The line through points: where it begins, and its slope."""
    x, y = (statistics.fmean(values) for values in zip(*points))
    slope = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
    return y - slope * x, slope


def show_size(by_size: list[dict], start: float) -> None:
    """From how many bytes of needed columns a cluster pays, by the cores of the driver and the executors."""
    fixed, byte = fitted([(one["bytes"], one["one CPU"]) for one in by_size])
    fixed_there, byte_there = fitted([(one["bytes"], one["executor CPU"]) for one in by_size])
    # What the tasks do not explain of the wall time on the cluster: the least, as other work adds to it.
    waits = min(one["waits"] for one in by_size)
    print(f"one process: {fixed:.2f} s of CPU and {byte * 1e9:.1f} ns a byte of the needed columns")
    print(f"executors: {fixed_there:.2f} s of CPU and {byte_there * 1e9:.1f} ns a byte")
    print(f"a run on the cluster beside its tasks {waits:.2f} s, start of the executors {start:.1f} s")
    for cores, executors in CLUSTERS:
        gain = byte / cores - byte_there / executors
        extra = max(waits + fixed_there / executors - fixed / cores, 0)
        sizes = [f"{seconds / gain / (1 << 20):,.0f} MiB" for seconds in (extra, extra + start)]
        text = " or, with the start of the executors, ".join(sizes) if gain > 0 else "none"
        print(f"  {cores} cores of the driver, {executors} of executors: from {text}")


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000_000], help="rows of the exports")
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--layout", default="export", help="of the sample, or cells")
    parser.add_argument("--memory", default="512m", help="of an executor's JVM")
    parser.add_argument("--frame", action="store_true", help="also as a data frame")
    parser.add_argument("--runs", type=int, default=3, help="runs beside the first")
    parser.add_argument("--one-process", nargs=2, metavar=("SOURCE", "TARGET"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    args = arguments()
    import rollshare

    if args.one_process:
        source, target = args.one_process
        found = measured(lambda: rollshare.run(source, target, warn_only=True, threads=EXECUTORS))
        print(json.dumps(found))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    import pyspark
    from rollshare.spark import run

    folders = [export(args.layout, args.files, rows) for rows in args.rows]
    targets = Path(tempfile.mkdtemp(prefix="rollshare-targets-"))
    cluster = Cluster(workers=EXECUTORS, cores=1, memory="2g")
    try:
        os.environ.update(cluster.environment())
        spark = session(cluster, args.memory)
        application = spark.sparkContext.applicationId
        started = time.perf_counter()
        spark.range(0, EXECUTORS, 1, EXECUTORS).rdd.map(hash).collect()
        tiny = targets / "tiny.parquet"
        rollshare.sample(tiny, 9000)
        on_executors = partial(run, spark, warn_only=True, run_on="cluster")
        on_executors(tiny)
        start = time.perf_counter() - started

        def by_executors(folder: Path) -> dict:
            return on_cluster(application, lambda: on_executors(folder, f"{targets}/{folder.name}-a/"))

        def by_frame(folder: Path) -> dict:
            df = spark.read.parquet(str(folder))
            target = f"{targets}/{folder.name}-b/"
            return on_cluster(application, lambda: on_executors(df, target, files="never"))

        def by_one(folder: Path) -> dict:
            return in_one_process(folder, f"{targets}/{folder.name}-c/")

        # The executors first: the peak of this process is then that of a driver.
        jobs = {"executors": by_executors, "executors, data frame": by_frame, "one process": by_one}
        if not args.frame:
            del jobs["executors, data frame"]
        by_size = [compare(jobs, folder, args.runs) for folder in folders]
        print(f"PySpark {pyspark.__version__}; two executors of one core; load {os.getloadavg()}")
        if len(by_size) > 1:
            show_size(by_size, start)
        spark.stop()
    finally:
        cluster.stop()
        shutil.rmtree(targets, ignore_errors=True)


if __name__ == "__main__":
    main()
