"""jobs/transform.py by spark-submit and by plain python."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import rollshare
from conftest import REPOSITORY

JOB = str(REPOSITORY / "jobs/transform.py")


def submit(cluster, *arguments: str, settings=(), environment=()) -> subprocess.CompletedProcess:
    all_settings = {**cluster.settings(), **dict(settings)}
    conf = [part for key, value in all_settings.items() for part in ("--conf", f"{key}={value}")]
    command = [str(cluster.home / "bin/spark-submit"), *conf, JOB, *arguments]
    env = {**cluster.environment(), **dict(environment)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)


def plain(cluster, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, JOB, *arguments], capture_output=True, text=True, timeout=600, check=False
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("_roll"))


def test_executors_scan_and_the_folder_is_as_spark_leaves_it(cluster, small, tmp_path):
    target = tmp_path / "out"
    # Neither the driver nor an executor finds pyarrow: it is not needed here.
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "pyarrow.py").write_text("raise ImportError('hidden')")
    done = submit(
        cluster,
        *("--source_parquet", small, "--target_parquet", str(target), "--no-checks", "--run-on", "cluster"),
        settings={"spark.executorEnv.PYTHONPATH": str(hidden)},
        environment={"PYTHONPATH": str(hidden)},
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    success, part = names(target)
    assert success == "_SUCCESS" and part.startswith("part-") and part.endswith(".snappy.parquet")
    table = pq.read_table(target / part)
    assert [(f.name, str(f.type)) for f in table.schema] == [
        ("year", "int32"),
        ("week", "int32"),
        ("country", "string"),
        ("share_organic_p4w", "double"),
    ]
    assert table.to_pylist() == rollshare.read_parquet(small).to_dicts()
    assert pq.ParquetFile(target / part).metadata.row_group(0).column(0).compression == "SNAPPY"


def test_a_damaged_file_leaves_the_old_table(cluster, small, tmp_path):
    source, target = tmp_path / "damaged", tmp_path / "out"
    shutil.copytree(small, source)
    with open(source / "05.parquet", "r+b") as file:
        file.seek(4)
        file.write(b"\xff" * 64)
    rollshare.read_parquet(small).write_parquet(f"{target}/")
    before = {name: (target / name).read_bytes() for name in names(target)}
    done = submit(
        cluster,
        "--source_parquet",
        str(source),
        "--target_parquet",
        str(target),
        "--no-checks",
        "--run-on",
        "cluster",
    )
    assert done.returncode == 3, (done.stdout + done.stderr)[-3000:]
    # spark-submit prints the output of a Python driver as its own.
    output = done.stdout + done.stderr
    assert "05.parquet" in output and "nothing was published" in output
    assert {name: (target / name).read_bytes() for name in names(target)} == before


@pytest.mark.skipif(not hasattr(rollshare, "run"), reason="NOT RUN: this wheel has no rollshare.run")
def test_checks_run_and_block(cluster, small, tmp_path):
    target = tmp_path / "out"
    done = plain(cluster, "--source_parquet", small, "--target_parquet", str(target))
    assert done.returncode == 0, done.stderr
    table = pq.read_table([str(p) for p in target.glob("part-*")][0])
    assert table.to_pylist() == rollshare.read_parquet(small).to_dicts()
    bad = tmp_path / "bad.parquet"
    rows = pq.read_table(small)
    at = rows.schema.get_field_index("value")
    import pyarrow as pa

    pq.write_table(rows.set_column(at, "value", pa.array([-1.0] * len(rows), pa.float32())), bad)
    before = {name: (target / name).read_bytes() for name in names(target)}
    done = plain(cluster, "--source_parquet", str(bad), "--target_parquet", str(target))
    assert done.returncode == 4, done.stderr
    assert {name: (target / name).read_bytes() for name in names(target)} == before


def test_executors_check_by_another_key_and_grain(cluster, small, tmp_path):
    target = tmp_path / "out"
    given = ("--by", "os_name,country", "--grain", "day", "--window", "7,28", "--warn-only")
    everywhere = ("--source_parquet", small, "--target_parquet", str(target), *given)
    done = submit(cluster, *everywhere, "--run-on", "cluster")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-3000:]
    expected = rollshare.read_parquet(small, by=["os_name", "country"], grain="day", windows=[7, 28])
    table = pq.read_table([str(p) for p in target.glob("part-*")][0])
    assert table.to_pylist() == expected.to_dicts()
    reports = list((target / "_rollshare/runs").glob("*.json"))
    assert len(reports) == 1 and '"driver_bytes":' in reports[0].read_text()
    # In this process, where there is no cluster.
    here = tmp_path / "here"
    assert plain(cluster, "--source_parquet", small, "--target_parquet", str(here), *given).returncode == 0
    assert pq.read_table([str(p) for p in here.glob("part-*")][0]).equals(table)


def test_dates_and_other_options_of_the_job(cluster, small, tmp_path):
    target = tmp_path / "out"
    given = (
        "--dates",
        "--details",
        "--by=country,os_name",
        "--with-total=os_name",
        "--window=4",
        "--window=12",
    )
    given += ("--where", "country!=FR", "--organic", "Organic", "--settle-days", "2", "--warn-only")
    done = plain(cluster, "--source_parquet", small, "--target_parquet", str(target), *given)
    assert done.returncode == 0, done.stderr
    expected = rollshare.read_parquet(
        small,
        dates=True,
        details=True,
        by=["country", "os_name"],
        with_total=["os_name"],
        windows=[4, 12],
        where_not={"country": ["FR"]},
        organic=["Organic"],
        settle_days=2,
    )
    table = pq.read_table([str(p) for p in target.glob("part-*")][0])
    assert "week_start" in table.column_names
    assert table.to_pylist() == expected.to_dicts()


def test_it_has_every_option_of_a_run():
    spec = importlib.util.spec_from_file_location("transform", JOB)
    transform = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(transform)
    parser = argparse.ArgumentParser()
    for add in (transform.of_job, transform.of_profile, transform.of_run):
        add(parser)
    names = {action.dest for action in parser._actions} - {"help", "run_on", "metrics"}
    has = {transform.KEYWORDS.get(name, name) for name in names} | {"where_not"}
    parameters = inspect.signature(rollshare.read_parquet).parameters.keys()
    parameters |= inspect.signature(rollshare.run).parameters.keys()
    assert has == parameters - {"source", "target", "job", "options"}


def test_a_blocked_run_names_its_report(cluster, small, tmp_path):
    target = tmp_path / "out"
    twice = ("--source_parquet", small, "--source_parquet", str(tmp_path / "again"))
    shutil.copytree(small, tmp_path / "again")
    done = plain(cluster, *twice, "--target_parquet", str(target))
    assert done.returncode == 4, done.stderr
    report = re.search(r"^transform: report: (.+)$", done.stderr, re.MULTILINE)
    assert Path(report[1]).exists()


def test_a_history_that_is_not_kept_is_exit_code_7(tmp_path):
    source, target = tmp_path / "sample.parquet", tmp_path / "out"
    rollshare.sample(source, 9000)
    command = [sys.executable, JOB, "--source_parquet", str(source), "--target_parquet", str(target)]
    # The table is smaller than 4 KiB; history and report are not.
    limits = (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    done = subprocess.run(
        command,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert "published, but history could not be written" in done.stderr
    assert (target / "_SUCCESS").exists()


def test_a_state_is_reused(cluster, small, tmp_path):
    given = ("--source_parquet", small, "--no-checks", "--state", str(tmp_path / "state"))
    for target in ("first", "second"):
        done = plain(cluster, *given, "--target_parquet", str(tmp_path / target))
        assert done.returncode == 0, done.stderr
    assert [each for each in (tmp_path / "state").rglob("*") if each.is_file()]
    parts = [next((tmp_path / target).glob("part-*")).read_bytes() for target in ("first", "second")]
    assert parts[0] == parts[1]


def test_a_part_of_the_table(cluster, small, tmp_path):
    whole, target = tmp_path / "whole", tmp_path / "part"
    given = ("--only", "country=GB,FR", "--only", "country=ES", "--last", "2")
    done = plain(cluster, "--source_parquet", small, "--target_parquet", str(target), *given)
    assert done.returncode == 0, done.stderr
    table = pq.read_table([str(p) for p in target.glob("part-*")][0])
    expected = rollshare.read_parquet(small).filter(country=["GB", "FR", "ES"], last=2)
    assert table.to_pylist() == expected.to_dicts() and len(expected) == 6
    # A part never replaces a table with a history.
    assert plain(cluster, "--source_parquet", small, "--target_parquet", str(whole)).returncode == 0
    done = plain(cluster, "--source_parquet", small, "--target_parquet", str(whole), *given)
    assert done.returncode == 2 and "has a history of whole tables" in done.stderr


def test_a_metric_that_cannot_be_sent_changes_nothing(cluster, small, tmp_path):
    (tmp_path / "bin").mkdir()
    aws = tmp_path / "bin/aws"
    log = tmp_path / "log"
    aws.write_text(f'#!/bin/sh\necho "$@" >> {log}\necho AccessDenied >&2\nexit 254\n')
    aws.chmod(0o755)
    environment = {**os.environ, "PATH": f"{aws.parent}:{os.environ['PATH']}"}
    command = [sys.executable, JOB, "--source_parquet", small, "--metrics", "shares"]
    command += ["--target_parquet", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "no metric was sent: AccessDenied" in done.stderr
    assert "--namespace shares" in log.read_text() and "outcome=published" in log.read_text()


def test_wrong_usage(cluster):
    done = plain(cluster, "--source_parquet", "x")
    assert done.returncode == 2 and "--target_parquet" in done.stderr
    done = plain(cluster, "--source_parquet", "x", "--target_parquet", "y", "--window", "four")
    assert done.returncode == 2 and "--window" in done.stderr
    for wrong in (("--where", "type"), ("--where", "a=1", "--where", "a=2"), ("--no-checks", "--warn-only")):
        done = plain(cluster, "--source_parquet", "x", "--target_parquet", "y", *wrong)
        assert done.returncode == 2 and wrong[-2 if wrong[0] == "--where" else -1] in done.stderr, wrong
