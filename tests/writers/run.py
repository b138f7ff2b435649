"""Runs the program on files of real writers, old and new, and compares each answer with the oracle's.

Usage: run.py --program target/light/rollshare [--files 10000] [--seed 1] [--writer pyarrow@10.0.1 ...]
Each writer has a Python environment under .venv/, which is set up here. A file that fails is kept under
target/writers/failed, with its rows and the command that makes it again; all others are deleted.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FAILED = ROOT / "target/writers/failed"
#: Seconds after which a writer that does not answer is ended; Spark starts slowly beside other work.
PATIENCE = 600
#: The error of a writer whose process has ended.
ENDED = "the writer ended with"
sys.path.insert(0, str(HERE.parent / "python"))

import oracle  # noqa: E402
import rows as random_rows  # noqa: E402

SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float", "double"]
DECIMALS = list(random_rows.DECIMALS)
ALL = SIGNED + UNSIGNED + FLOATS + DECIMALS

# The releases of Python that have wheels of everything in the environment, the preferred one first.
PYTHONS = {
    "arrow8": ["3.10", "3.9"],
    "arrow10": ["3.11", "3.10", "3.9"],
    "arrow12": ["3.11", "3.10", "3.9"],
    "arrow14": ["3.11", "3.12", "3.10", "3.9"],
    "arrow17": ["3.11", "3.12", "3.10"],
    "arrow21": ["3.11", "3.12", "3.13", "3.10"],
    "newest": ["3.11", "3.12", "3.13"],
}
# The environments of tests/spark/spark.mk, which sets them up.
SPARK = {"spark35": "make .venv/spark35/.ready", "spark4": "make .venv/spark4/.ready"}


@dataclass(frozen=True)
class Writer:
    """One library in one environment. ``module`` writes the files, ``kinds`` are the types of ``value``."""

    library: str
    version: str
    environment: str
    module: str
    kinds: tuple[str, ...]

    @property
    def weight(self) -> int:
        """Its part of all files. Spark needs a second for a file, the others some hundredths."""
        return 1 if self.library == "pyspark" else 3

    @property
    def name(self) -> str:
        return f"{self.library}@{self.version}"


def writers() -> Iterator[Writer]:
    """The matrix; the versions are those of the requirements."""
    libraries = {
        "pyarrow": ALL,
        "duckdb": ALL,
        "polars": SIGNED + UNSIGNED + FLOATS,
        "fastparquet": SIGNED + UNSIGNED + FLOATS,
        "datafusion": ALL,
        "chdb": ALL,
        "pyspark": SIGNED + FLOATS + DECIMALS,
    }
    found = []
    for environment in [*PYTHONS, *SPARK]:
        for library, version in requirements(environment).items():
            if library in libraries:
                kinds = libraries[library]
                if library == "polars" and int(version.split(".")[0]) >= 1:
                    kinds = kinds + DECIMALS
                found.append(Writer(library, version, environment, f"with_{library}", tuple(kinds)))
    order = list(libraries)
    yield from sorted(found, key=lambda w: order.index(w.library))
    yield Writer("arrow2", "0.18.0", "rust", "arrow2_writer", tuple(ALL))


def requirements_file(environment: str) -> Path:
    if environment in SPARK:
        return ROOT / "tests/spark/requirements-{}.txt".format({"spark35": "3.5", "spark4": "4"}[environment])
    return HERE / f"requirements-{environment}.txt"


def requirements(environment: str) -> dict[str, str]:
    lines = requirements_file(environment).read_text().split("\n")
    pinned = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {package.split("[")[0]: version for package, version in pinned}


class NotRun(Exception):
    """A writer that cannot run on this machine: what is missing, and how to get it."""


def interpreter(environment: str) -> str:
    for release in PYTHONS[environment]:
        pyenv = shutil.which("pyenv")
        if pyenv:
            found = subprocess.run([pyenv, "prefix", release], capture_output=True, text=True)
            if found.returncode == 0:
                return found.stdout.strip() + "/bin/python"
        path = shutil.which(f"python{release}")
        if path:
            return path
        if platform.python_version().startswith(release + "."):
            return sys.executable
    releases = " or ".join(PYTHONS[environment])
    raise NotRun(f"needs Python {releases}: pyenv install {PYTHONS[environment][0]}")


def command(writer: Writer) -> list[str]:
    """The command of the process that writes the files; its environment is set up first."""
    if writer.environment == "rust":
        example = ROOT / "target" / writer.module
        if not example.exists():
            raise NotRun(f"needs {example.relative_to(ROOT)}: make writers-build")
        return [str(example)]
    if writer.environment in SPARK:
        folder = ROOT / ".venv" / writer.environment
        if not (folder / ".ready").exists():
            raise NotRun(f"needs PySpark: {SPARK[writer.environment]}")
        if not shutil.which("java"):
            raise NotRun("needs Java 17 or later on the PATH")
    else:
        folder = ROOT / ".venv" / f"writers-{writer.environment}"
        set_up(writer.environment, folder)
    return [str(folder / "bin/python"), str(HERE / "write.py"), writer.module]


def set_up(environment: str, folder: Path) -> None:
    wanted = requirements_file(environment).read_text()
    ready = folder / ".ready"
    if ready.exists() and ready.read_text() == wanted:
        return
    python = interpreter(environment)
    print(f"setting up {folder.relative_to(ROOT)} with {python}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
    install += ["--only-binary", ":all:", "-r", str(requirements_file(environment))]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotRun("pip failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1])
    ready.write_text(wanted)


class Generator:
    """The process that writes the files of one writer."""

    def __init__(self, writer: Writer, log: Path):
        self.command = command(writer)
        self.version = writer.version
        self.log = log
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(HERE), "RAYON_NUM_THREADS": "1"}
        with self.log.open("a") as log:
            process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env=environment,
            )  # fmt: skip
        hello = self.read(process)
        if hello.get("version") != self.version:
            messages = self.log.read_text()
            raise RuntimeError(f"{self.command}: expected version {self.version}, got {hello}\n{messages}")
        self.process = process
        return process

    def read(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        line = process.stdout.readline()
        timer.cancel()
        return json.loads(line) if line else {"error": f"{ENDED} {process.wait()}"}

    def send(self, request: dict[str, Any]) -> None:
        process = self.process or self.start()
        assert process.stdin is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process is not None
        answer = self.read(self.process)
        if self.process.poll() is not None:
            self.process = None
        return answer

    def stop(self) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()


@dataclass
class File:
    """A file, from its request to its verdict."""

    stem: Path
    table: dict[str, Any]
    reproduce: str
    options: Any = None

    def path(self, suffix: str) -> Path:
        return self.stem.with_name(self.stem.name + suffix)


VERDICTS = ("right", "refused", "wrong", "not written")


def check(program: str, file: File, answer: dict[str, Any]) -> tuple[str, str]:
    """The verdict on a file, and the reason where it is not ``right``."""
    if "error" in answer:
        return "not written", answer["error"]
    file.options = answer["options"]
    run = [program, "run", "--source", str(file.path(".parquet"))]
    run += ["--target", "-", "--details", "--no-checks"]
    try:
        done = subprocess.run(run, capture_output=True, text=True, encoding="utf-8", timeout=60)
    except subprocess.TimeoutExpired:
        return "wrong", "no answer after 60 s"
    try:
        expected = oracle.shares(random_rows.records(file.table), [4], details=True)
    except (AttributeError, ValueError):
        # Without total rows the other rows count, and some of them have labels that are no week.
        is_named = done.returncode == 3 and "year_week is" in done.stderr
        return ("right", "") if is_named else ("wrong", f"no error: {done.stdout[:200]}{done.stderr[:200]}")
    # A table without rows is an error that says which rule took the rows.
    if not expected and done.returncode == 3 and ("none of" in done.stderr or "has no rows" in done.stderr):
        return "right", ""
    if done.returncode != 0:
        return "refused", f"exit code {done.returncode}: {done.stderr.strip()}"
    why = difference(file.table, expected, done.stdout)
    return ("wrong", why) if why else ("right", "")


COLUMNS = ("organic_p4w", "nonorganic_p4w", "share_organic_p4w")


def difference(table: dict[str, Any], expected: list[dict[str, Any]], output: str) -> str:
    """The first difference between the program's table and the oracle's, or an empty text."""
    found = list(csv.DictReader(io.StringIO(output)))
    if len(found) != len(expected):
        return f"{len(found)} rows, expected {len(expected)}"
    # Decimals are divided by their scale after they are added up.
    exact = table["kind"] not in DECIMALS
    for have, want in zip(found, expected):
        key = (want["country"], want["year"], want["week"])
        if (have["country"], int(have["year"]), int(have["week"])) != key:
            return f"the row {have}, expected {key}"
        for column in COLUMNS:
            value = float(have[column]) if have[column] else None
            if not same(value, want[column], exact=exact and column != "share_organic_p4w"):
                return f"{key}: {column} is {value!r}, expected {want[column]!r}"
    return ""


def same(value: float | None, expected: float | None, exact: bool) -> bool:
    if exact or value is None or expected is None:
        return value == expected
    return math.isclose(value, expected, rel_tol=1e-12)


def test(writer: Writer, numbers: range, arguments: argparse.Namespace, scratch: Path) -> dict[str, int]:
    """Writes and checks the files of one writer. The next file is written while one is checked."""
    counts = dict.fromkeys(VERDICTS, 0)
    generator = Generator(writer, scratch / f"{writer.name}.log")
    waiting: File | None = None
    request: dict[str, Any] = {}
    try:
        for number in [*numbers, None]:
            following = None
            if number is not None:
                following = make(writer, number, arguments, scratch)
            answer = generator.receive() if waiting else {}
            if waiting and answer.get("error", "").startswith(ENDED):
                # Old releases crash now and then; what they write in a second process is what is tested.
                generator.send(request)
                answer = generator.receive()
            if following:
                request = {
                    "rows": str(following.path(".json")), "target": str(following.path(".parquet")),
                    "seed": f"options {seed(writer, number, arguments)}",
                }  # fmt: skip
                generator.send(request)
            if waiting:
                verdict, why = check(arguments.program, waiting, answer)
                counts[verdict] += 1
                finish(waiting, verdict, why, keep=arguments.keep)
            waiting = following
    finally:
        generator.stop()
    return counts


def seed(writer: Writer, number: int | None, arguments: argparse.Namespace) -> str:
    return f"{arguments.seed} {writer.name} {number}"


def make(writer: Writer, number: int, arguments: argparse.Namespace, scratch: Path) -> File:
    table = random_rows.columns(
        Random(seed(writer, number, arguments)), list(writer.kinds), arguments.most_rows
    )
    reproduce = (
        f"--writer {writer.name} --seed {arguments.seed} --most-rows {arguments.most_rows} --number {number}"
    )
    file = File(scratch / f"{writer.name}-{arguments.seed}-{number}", table, reproduce)
    file.path(".json").write_text(json.dumps(table), encoding="utf-8")
    return file


def finish(file: File, verdict: str, why: str, keep: bool) -> None:
    if verdict != "right" or keep:
        FAILED.mkdir(parents=True, exist_ok=True)
        for suffix in (".json", ".parquet"):
            if file.path(suffix).exists():
                shutil.move(str(file.path(suffix)), str(FAILED / file.path(suffix).name))
        note = f"{verdict}: {why}\nmake test-writers ARGS='{file.reproduce}'\n{file.options}\n"
        (FAILED / file.path(".txt").name).write_text(note)
        if verdict != "right":
            lines = why.strip().splitlines() or [""]
            line = lines[-1 if verdict == "not written" else 0]
            print(f"{verdict}: {FAILED.relative_to(ROOT) / file.stem.name}.parquet: {line}", flush=True)
    for left in file.stem.parent.glob(file.stem.name + ".*"):
        left.unlink()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", required=True, help="path of the program")
    parser.add_argument("--files", type=int, default=10000, help="files of all writers together")
    parser.add_argument("--seed", type=int, default=1, help="of the rows and options")
    parser.add_argument("--writer", action="append", help="a library, or LIBRARY@VERSION; all without it")
    parser.add_argument("--number", type=int, help="only this file of each writer, and keep it")
    parser.add_argument("--most-rows", type=int, default=20000, help="rows of the largest file")
    arguments = parser.parse_args()
    arguments.program = str(Path(arguments.program).resolve())
    arguments.keep = arguments.number is not None
    return arguments


def main() -> int:
    arguments = parse()
    chosen = [
        w for w in writers() if not arguments.writer or {w.library, w.name}.intersection(arguments.writer)
    ]
    if not chosen:
        sys.exit("no such writer; there are: " + ", ".join(w.name for w in writers()))
    (ROOT / "target/writers").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "target/writers", prefix="run-") as scratch:
        return run(chosen, arguments, Path(scratch))


def run(chosen: list[Writer], arguments: argparse.Namespace, scratch: Path) -> int:
    lines, totals, not_run = [], dict.fromkeys(VERDICTS, 0), []
    weights, before = sum(writer.weight for writer in chosen), 0
    for writer in chosen:
        after = before + writer.weight
        numbers = range(arguments.files * after // weights - arguments.files * before // weights)
        before = after
        if arguments.number is not None:
            numbers = range(arguments.number, arguments.number + 1)
        start = time.monotonic()
        try:
            counts = test(writer, numbers, arguments, scratch)
        except NotRun as reason:
            not_run.append(f"NOT RUN: {writer.name}: {reason}")
            print(not_run[-1], flush=True)
            continue
        for verdict, count in counts.items():
            totals[verdict] += count
        line = [writer.library, writer.version, len(numbers), *counts.values()]
        lines.append(line)
        print(f"{writer.name}: {counts} in {time.monotonic() - start:.0f} s", flush=True)
    report(lines, not_run)
    failed = sum(totals.values()) - totals["right"]
    print(f"{totals['right']} passed, {failed} failed")
    return 0 if lines and not failed else 1


def report(lines: list[list[Any]], not_run: list[str]) -> None:
    heads = ["writer", "version", "files", *VERDICTS]
    widths = [max(len(str(line[i])) for line in [heads, *lines]) for i in range(len(heads))]
    print()
    for line in [heads, *lines]:
        print(
            "  ".join(
                str(cell).ljust(w) if i < 2 else str(cell).rjust(w)
                for i, (cell, w) in enumerate(zip(line, widths))
            )
        )
    print(*not_run, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
