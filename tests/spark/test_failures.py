"""Lost executors, lost attempts, damaged files, bounded memory."""

from __future__ import annotations

import shutil
from functools import partial as bound

import pytest
import rollshare
import slow
from cluster import killed_in_a_task
from rollshare.spark import _files, _merge, partial_parquet, read_parquet


def slowly(spark, splits, task):
    count = len(splits.parts)
    numbers = spark.range(0, count, 1, count)
    return numbers.mapInArrow(bound(task, splits.parts), _merge.PARTIAL)


def one_split_a_file(spark, folder, monkeypatch):
    monkeypatch.setattr(_files, "LEAST", 1)
    splits = _files.plan(spark, [folder], rollshare.Job(), 12)
    assert len(splits.parts) == 12
    return splits


def test_an_executor_killed_in_the_middle(spark, small, two, moments, monkeypatch):
    splits = one_split_a_file(spark, small, monkeypatch)
    empty = _merge.nothing(rollshare.Job()).to_bytes()
    with killed_in_a_task(two, moments):
        got = _merge.collect(slowly(spark, splits, slow.scan), empty, 12, splits.rows)
    assert got.finish() == rollshare.read_parquet(small)


def test_attempts_that_were_lost_are_not_counted(spark, small, monkeypatch):
    splits = one_split_a_file(spark, small, monkeypatch)
    empty = _merge.nothing(rollshare.Job()).to_bytes()
    lost = slowly(spark, splits, slow.scan_at_the_second_attempt)
    got = _merge.collect(lost, empty, 12, splits.rows)
    assert got.account == rollshare.partial_parquet(small).account
    assert got.finish() == rollshare.read_parquet(small)
    with pytest.raises(
        Exception, match=f"{splits.rows + 1} rows in the footers, but {splits.rows} were summed"
    ):
        _merge.finish(_files.scan(spark, splits), rollshare.Job(), empty, 12, splits.rows + 1).collect()


def test_a_damaged_page_fails_with_our_message(spark, small, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(small, folder)
    with open(folder / "05.parquet", "r+b") as file:
        file.seek(4)
        file.write(b"\xff" * 64)
    with pytest.raises(rollshare.RollshareError) as ours:
        rollshare.read_parquet(folder)
    message = str(ours.value)
    assert "05.parquet" in message
    for damaged in (read_parquet(spark, folder).collect, lambda: partial_parquet(spark, folder)):
        with pytest.raises(Exception) as theirs:
            damaged()
        assert message in str(theirs.value)


def test_a_file_that_is_replaced_between_plan_and_scan(spark, small, tmp_path):
    folder = tmp_path / "replaced"
    shutil.copytree(small, folder)
    planned = read_parquet(spark, folder)
    shutil.copyfile(folder / "01.parquet", folder / "00.parquet")
    with pytest.raises(Exception, match="00.parquet: the file is not the one that was planned"):
        planned.collect()


def test_memory_of_python_workers_is_bounded(spark, sample):
    for splits in (1, 4):
        partial_parquet(spark, sample, splits=splits)
    found = spark.range(0, 4, 1, 4).mapInArrow(slow.memory, "kib bigint").collect()
    most = max(row["kib"] for row in found) / 1024
    print(f"anonymous memory of a Python worker: {most:.0f} MiB")
    assert most < 200
