"""jobs/transform.py by spark-submit and by plain python."""

from __future__ import annotations

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
        *("--source_parquet", small, "--target_parquet", str(target), "--no-checks"),
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
    done = submit(cluster, "--source_parquet", str(source), "--target_parquet", str(target), "--no-checks")
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


def test_wrong_usage(cluster):
    done = plain(cluster, "--source_parquet", "x")
    assert done.returncode == 2 and "--target_parquet" in done.stderr
