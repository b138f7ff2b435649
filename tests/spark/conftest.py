"""A cluster for all tests, or a skip that says what is missing."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import cluster as clusters  # noqa: E402

COLUMNS = ["name", "value", "start_date", "year_week", "country", "os_name", "token"]
REPOSITORY = Path(__file__).resolve().parents[2]


def pytest_report_header():
    missing = clusters.missing()
    if missing:
        return f"NOT RUN: Spark tests: {missing}"
    import pyspark

    return f"PySpark {pyspark.__version__}, Python {sys.version.split()[0]}"


@pytest.fixture(scope="session")
def cluster():
    missing = clusters.missing()
    if missing:
        pytest.skip(missing)
    running = clusters.Cluster()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def spark(cluster):
    """A classic session on the cluster."""
    from pyspark.sql import SparkSession

    os.environ.update(cluster.environment())
    builder = SparkSession.builder.appName("rollshare tests")
    for key, value in {
        **cluster.settings(),
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.ansi.enabled": "true",
        "spark.ui.showConsoleProgress": "false",
        "spark.executorEnv.ROLLSHARE_ATTEMPTS": str(cluster.work / "moments"),
    }.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture
def moments(cluster):
    """The folder in which tasks of `slow` say what they do, and learn that they may go on."""
    folder = cluster.work / "moments"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


@pytest.fixture
def two(spark):
    """The processes of both executors."""
    end = time.monotonic() + 90
    while len(found := clusters.executors(spark.sparkContext.applicationId)) != 2:
        assert time.monotonic() < end, f"{len(found)} executors"
        time.sleep(0.2)
    return found


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """A million rows."""
    import rollshare

    path = tmp_path_factory.mktemp("sample") / "sample.parquet"
    rollshare.sample(path, 1_000_000)
    return str(path)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A folder of twelve small files."""
    import pyarrow.parquet as pq
    import rollshare

    folder = tmp_path_factory.mktemp("small")
    whole = folder / "whole.parquet"
    rollshare.sample(whole, 30_000)
    # Without the INT96 column, which pyarrow would write as nanoseconds, and Spark not read.
    table = pq.read_table(whole, columns=COLUMNS)
    parts = folder / "parts"
    parts.mkdir()
    for at in range(12):
        pq.write_table(table.slice(at * 2500, 2500), parts / f"{at:02}.parquet")
    return str(parts)
