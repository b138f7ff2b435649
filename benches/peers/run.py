"""Times every engine on the same files, in one run. Each engine runs in a separate process.

    make bench-peers                                  # 20 million rows, all layouts
    make bench-peers ARGS='--rows 1000000 --layouts export shuffled --engines duckdb polars'
    make bench-peers ARGS='--previous HEAD~20'        # also times an earlier commit of Rollshare
    make bench-peers ARGS='--rows 1000000 --question facts-by-country'  # only questions on other exports

Answers are compared cell by cell; a difference ends the run. Writes
`benches/results/DATE-MACHINE.{json,md}` and `docs/speed.svg`.
"""

import argparse
import csv
import datetime
import json
import math
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import layouts
import question_times
import questions

import report

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target/peers"
BUILT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
PROGRAM = BUILT / "rollshare"
TIMER = BUILT / "examples/rollshare_time"
ENGINES = ["duckdb", "polars", "datafusion", "chdb", "pandas", "pyspark"]
# The most time for the repeats of one query; a slow engine repeats it less often.
SECONDS = 8


def main():
    arguments = parse()
    asked = list(questions.QUESTIONS) if "all" in arguments.question else arguments.question
    if arguments.question:
        arguments.layouts, arguments.no_small = [], True
    files = layouts.make(PROGRAM, WORK, arguments.rows, arguments.layouts)
    timers = {"rollshare": TIMER}
    if arguments.previous:
        timers["previous"] = previous(arguments.previous)
    results = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "commit": git("rev-parse", "--short=12", "HEAD")
        + ("-dirty" if git("status", "--porcelain", "src") else ""),
        "previous": arguments.previous and git("rev-parse", "--short=12", arguments.previous),
        "rows": arguments.rows,
        "threads": arguments.threads,
        "not_run": {},
        "layouts": {},
        "questions": {},
    }
    for layout, path in files.items():
        print(f"{layout}:", file=sys.stderr)
        results["layouts"][layout] = measure(arguments, timers, layout, path, results["not_run"])
    for name in asked:
        print(f"{name}:", file=sys.stderr)
        layout = questions.QUESTIONS[name].layout
        path = layouts.make(PROGRAM, WORK, arguments.rows, [layout])[layout]
        results["questions"][name] = question_times.measure(
            TIMER, WORK, name, path, arguments, results["not_run"]
        )
    if not arguments.no_small:
        results["small"] = small(arguments)
    results["machine"]["load_after"] = os.getloadavg()[0]
    save(arguments, results)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--layouts", nargs="+", choices=layouts.LAYOUTS, default=layouts.LAYOUTS)
    parser.add_argument(
        "--question",
        nargs="+",
        choices=[*questions.QUESTIONS, "all"],
        default=[],
        help="time only these questions on other exports, with DuckDB and Polars; files are written with --out only",
    )
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=ENGINES)
    parser.add_argument("--previous", metavar="COMMIT", help="also build and time an earlier commit of Rollshare")
    parser.add_argument(
        "--no-small", action="store_true", help="skip the timing of whole processes on a small export"
    )
    parser.add_argument(
        "--out", type=Path, help="stem of the results instead of benches/results/DATE-MACHINE; writes no picture"
    )
    return parser.parse_args()


def measure(arguments, timers, layout, path, not_run):
    measured = {}
    reference = None
    answers = WORK / "answers"
    answers.mkdir(exist_ok=True)
    for name, timer in timers.items():
        answer = answers / f"{layout}-{name}.csv"
        for threads in sorted({1, arguments.threads}, reverse=True):
            command = [timer, path, threads, max(arguments.repeats, 7), answer]
            outcome = ask(command)
            measured[name if threads == arguments.threads else f"{name}, 1 thread"] = outcome
        reference = reference or read(answer)
        agree(reference, answer, name)
        show(name, measured[name]["job"])
    measured["checked"] = checked(arguments, layout, path)
    show("checked and published", measured["checked"]["processes"])
    for engine in arguments.engines:
        if engine == "pyspark" and not shutil.which("java"):
            not_run[engine] = "no java on the path: install a JRE 17 or later"
            continue
        answer = answers / f"{layout}-{engine}.csv"
        answer.unlink(missing_ok=True)
        script = Path(__file__).with_name("engines.py")
        command = [
            sys.executable,
            script,
            engine,
            layout,
            path,
            arguments.threads,
            arguments.repeats,
            SECONDS,
            answer,
        ]
        outcome = ask(command, allowed_to_fail=True)
        if "error" in outcome:
            not_run[f"{engine}, {layout}"] = outcome["error"]
            print(f"  {engine:<12} NOT RUN: {outcome['error']}", file=sys.stderr)
            continue
        agree(reference, answer, engine)
        measured[engine] = outcome
        show(engine, min(outcome["variants"].values(), key=report.median_wall))
    return measured


def ask(command, allowed_to_fail=False):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout.strip().splitlines()[-1])
    if allowed_to_fail:
        return {"error": (done.stderr.strip() or "failed").splitlines()[-1][:200]}
    sys.exit(f"{command[0]} failed:\n{done.stderr}")


def show(name, times):
    print(f"  {name:<12} {report.median_wall(times) * 1e3:8.1f} ms", file=sys.stderr)


def read(path):
    with open(path, newline="") as lines:
        rows = csv.DictReader(lines)
        return {(int(r["year"]), int(r["week"]), r["country"]): r["share_organic_p4w"] for r in rows}


def agree(reference, path, name):
    found = read(path)
    if found.keys() != reference.keys():
        sys.exit(f"{name}: {len(found)} rows, others have {len(reference)}; or other keys")
    for key, share in reference.items():
        other = found[key]
        same = (
            share == other
            if "" in (share, other)
            else math.isclose(float(share), float(other), rel_tol=1e-12)
        )
        if not same:
            sys.exit(f"{name}: {key} is {other or 'null'}, others have {share or 'null'}")


def previous(commit):
    """Build the timer of Rollshare at `commit` in a separate worktree."""
    tree = WORK / "previous"
    if not tree.exists():
        git("worktree", "add", "--detach", tree, commit)
    git("-C", tree, "checkout", "--quiet", "--detach", commit)
    build = ["cargo", "build", "--release", "--quiet", "--example", "rollshare_time"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(tree / "target")}
    if subprocess.run(build, cwd=tree, env=environment).returncode != 0:
        sys.exit(f"{commit} has no benches/peers/rollshare_time.rs that builds")
    return tree / "target/release/examples/rollshare_time"


def processes(command, runs):
    """Time whole processes from exec to exit, after one that is not counted: wall and CPU of each."""
    times = []
    for _ in range(runs + 1):
        used, before = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        wall, now = time.perf_counter() - before, resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append([wall, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime])
    return times[1:]


def checked(arguments, layout, path):
    """Time the program as people run it: all checks, a target, the page and a history to compare with."""
    folder = WORK / "checked" / layout
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [PROGRAM, "run", "--source", path, "--target", folder / "share.parquet", "--quiet"]
    return {"processes": processes([*command, "--threads", arguments.threads], max(arguments.repeats, 7))}


def small(arguments):
    """Time whole processes on a small export, 20 runs each."""
    path = WORK / "small.parquet"
    layouts.sample(PROGRAM, path, layouts.SMALL_ROWS)
    sql = (
        f"SELECT country, year_week, sum(value) FILTER (WHERE name = 'Organic'), sum(value)"
        f" FROM read_parquet('{path}') WHERE os_name = 'all' AND country <> 'ALL' GROUP BY ALL"
    )
    run = [PROGRAM, "run", "--source", path, "--quiet", "--target"]
    commands = {"rollshare": [*run, "-", "--no-checks"], "rollshare, checked and published": [*run, WORK / "small.csv"]}
    cli = shutil.which("duckdb", path=str(Path(sys.executable).parent))
    if cli:
        commands["duckdb (its program)"] = [cli, "-csv", "-c", sql]
    python = [sys.executable, "-c"]
    commands["duckdb (Python)"] = [*python, f'import duckdb; duckdb.sql("{sql}").fetchall()']
    commands["polars"] = [
        *python,
        f"import polars as pl; pl.scan_parquet('{path}')"
        ".filter(pl.col('os_name') == 'all', pl.col('country') != 'ALL')"
        ".group_by('country', 'year_week').agg(o=pl.col('value').filter(pl.col('name') == 'Organic').sum(),"
        " t=pl.col('value').sum()).collect()",
    ]
    outcome = {}
    for name, command in commands.items():
        outcome[name] = processes(command, 20)
        show(name, outcome[name])
    return outcome


def git(*words):
    done = subprocess.run(["git", *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def machine():
    def first(path, key):
        lines = Path(path).read_text().splitlines() if Path(path).exists() else []
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")

    flags = first("/proc/cpuinfo", "flags").split()
    return {
        "cpu": first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "vectors": [f for f in ("avx2", "bmi2", "avx512f", "avx512_vbmi2") if f in flags],
        "memory": first("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_before": os.getloadavg()[0],
    }


def save(arguments, results):
    if arguments.question and not arguments.out:
        print(report.markdown(results))
        return
    name = "".join(c if c.isalnum() else "-" for c in results["machine"]["cpu"].lower()).strip("-")
    while "--" in name:
        name = name.replace("--", "-")
    stem = arguments.out or ROOT / f"benches/results/{results['date']}-{name}-{os.cpu_count()}c"
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_name(stem.name + ".json").write_text(json.dumps(results, indent=1) + "\n")
    text = report.markdown(results)
    stem.with_name(stem.name + ".md").write_text(text)
    if not arguments.out:
        (ROOT / "docs/speed.svg").write_text(report.picture(results))
    print(text)


if __name__ == "__main__":
    main()
