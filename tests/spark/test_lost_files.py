"""Runs whose executors lose files but live on: right or nothing, and the old target whole."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import rollshare
import slow
from rollshare.spark import _rows, _run
from test_run import check, report, run
from test_run_failures import files_of, small_splits  # noqa: F401


def files_of_executor(executor: int, pattern: str) -> list[Path]:
    """Files of an executor's block manager."""
    variables = Path(f"/proc/{executor}/environ").read_bytes().decode().split("\0")
    (folders,) = (one.partition("=")[2] for one in variables if one.startswith("SPARK_EXECUTOR_DIRS="))
    return [path for folder in folders.split(os.pathsep) for path in Path(folder).rglob(pattern)]


@contextmanager
def losing(executors: list[int], least: int, once: bool = True):
    """Delete the shuffle files of executors once each has the output of so many tasks, or whenever it has."""
    deleted: list[Path] = []
    is_over = threading.Event()

    def lose():
        while not is_over.is_set():
            found = [files_of_executor(executor, "shuffle_*.data") for executor in executors]
            if min(map(len, found)) >= least:
                deleted.extend(path for files in found for path in files)
                for path in sum(found, []):
                    path.unlink()
                    path.with_suffix(".index").unlink(missing_ok=True)
                if once:
                    return
            time.sleep(0.02)

    # What earlier jobs have left is not what this one loses.
    for executor in executors:
        for path in files_of_executor(executor, "shuffle_*"):
            path.unlink()
    thread = threading.Thread(target=lose)
    thread.start()
    try:
        yield deleted
    finally:
        is_over.set()
        thread.join()


@contextmanager
def stage_attempts(spark):
    """How often each stage was attempted again, by the end."""
    attempts: list[int] = []
    tracker = spark.sparkContext.statusTracker()
    before = set(tracker.getJobIdsForGroup())
    yield attempts
    jobs = map(tracker.getJobInfo, set(tracker.getJobIdsForGroup()) - before)
    infos = [tracker.getStageInfo(stage) for job in jobs for stage in job.stageIds]
    attempts.extend(info.currentAttemptId for info in infos if info is not None)


def test_shuffle_files_deleted_between_map_and_reduce(spark, small, two, monkeypatch):
    expected = report(rollshare.check(small))
    monkeypatch.setattr(_run, "answer_task", slow.answer_slowly)
    with stage_attempts(spark) as attempts, losing(two[:1], 2) as deleted:
        found = report(check(spark, small, splits=12))
    assert len(deleted) >= 2, "the job was over before the files were deleted"
    # Their tasks ran again, and the executor was not replaced.
    assert max(attempts) >= 1 and found == expected
    assert Path(f"/proc/{two[0]}").exists()


def test_shuffle_files_that_are_lost_whenever_they_are_written(spark, small, two, tmp_path, monkeypatch):
    target = tmp_path / "out"
    run(spark, small, f"{target}/", warn_only=True)
    before = files_of(target)
    monkeypatch.setattr(_run, "answer_task", slow.answer_slowly)
    with losing(two, 1, once=False) as deleted, pytest.raises(rollshare.StorageError) as error:
        run(spark, small, f"{target}/", warn_only=True, splits=12)
    assert deleted and "cells by day" in str(error.value) and "shuffle" in str(error.value)
    after = files_of(target)
    assert {name: after[name] for name in before} == before
    assert not any(name.startswith("part-") for name in after.keys() - before.keys())
    # The next run goes on from there.
    monkeypatch.undo()
    assert run(spark, small, f"{target}/", warn_only=True).state == "published"


def test_pieces_of_a_frame_that_are_lost_from_disk(spark, small, two, monkeypatch):
    df = spark.read.parquet(small).where("value >= 0")
    expected = report(check(spark, df))
    monkeypatch.setattr(_rows, "PIECE_ROWS", 1000)
    plan, deleted = _rows.Pieces.plan, []

    def lost(self, splits):
        for path in files_of_executor(two[0], "rdd_*"):
            path.unlink()
            deleted.append(path)
        return plan(self, splits)

    monkeypatch.setattr(_rows.Pieces, "plan", lost)
    assert report(check(spark, df)) == expected
    assert deleted
