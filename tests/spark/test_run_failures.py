"""Runs while executors, tasks and drivers are lost: right or nothing, and the old target whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import rollshare
import slow
from cluster import killed_in_a_task
from rollshare.spark import _run
from test_run import check, report, run


@pytest.fixture(autouse=True)
def small_splits(monkeypatch):
    monkeypatch.setattr(_run, "LEAST", 1)


@pytest.mark.parametrize("part", ["gather", "answer", "reduce"])
def test_an_executor_killed_in_the_middle_of_the_checks(spark, small, two, moments, monkeypatch, part):
    expected = report(rollshare.check(small))
    monkeypatch.setattr(_run, f"{part}_task", getattr(slow, part))
    # Where ranges are reduced, the executor has files of the shuffle that are lost with it.
    with killed_in_a_task(two, moments):
        found = report(check(spark, small, splits=12))
    assert found == expected


def test_a_second_copy_of_a_task_does_not_count(spark, small, two, moments, monkeypatch):
    monkeypatch.setattr(_run, "gather_task", slow.gather_with_a_straggler)
    found = report(check(spark, small, splits=12))
    assert {path.name for path in moments.iterdir()} == {"0", "1"}, "attempts of the task"
    assert found == report(rollshare.check(small))


def files_of(target: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


def test_a_damaged_file_leaves_the_old_table(spark, small, tmp_path):
    source, target = tmp_path / "rows", tmp_path / "out"
    shutil.copytree(small, source)
    run(spark, str(source), f"{target}/", warn_only=True)
    before = files_of(target)
    with open(source / "05.parquet", "r+b") as file:
        file.seek(4)
        file.write(b"\xff" * 64)
    with pytest.raises(rollshare.FormatError, match=r"05\.parquet"):
        run(spark, str(source), f"{target}/", warn_only=True)
    assert files_of(target) == before


#: Milliseconds after the executors have answered: before, while and after the target is replaced.
DELAYS = (
    (0, 3, 6, 9, 12, 15, 20, 25, 30, 50, 80, 2000) if os.environ.get("ROLLSHARE_SPARK_ALL") else (8, 2000)
)


@pytest.mark.parametrize("delay", DELAYS)
def test_a_driver_killed_while_it_publishes(cluster, small, tmp_path, delay):
    target = tmp_path / "out"
    half = tmp_path / "half.parquet"
    pq.write_table(pq.read_table(small).slice(0, 15_000), half)
    rollshare.run(half, f"{target}/", warn_only=True)
    old = rollshare.read_parquet(half).to_dicts()
    new = rollshare.read_parquet(small).to_dicts()
    driver = [sys.executable, str(Path(__file__).with_name("killed_driver.py")), cluster.url, small]
    done = subprocess.run(
        [*driver, f"{target}/", str(delay)],
        env=cluster.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL and "answered" in done.stdout, done.stderr[-3000:]
    (part,) = target.glob("part-*")
    table = pq.read_table(part).to_pylist()
    assert table == (new if "published" in done.stdout else table) and table in (old, new)
    # The next run goes on from there.
    assert rollshare.run(small, f"{target}/", warn_only=True).state == "published"
    (part,) = target.glob("part-*")
    assert pq.read_table(part).to_pylist() == new
