"""Folders of lake tables that are read as plain parquet, with replaced rows, are refused."""

from __future__ import annotations

import shutil

import pytest
import rollshare
from rollshare.spark import check, partial, rolling_share, run

LOGS = {
    "_delta_log/00000000000000000000.json": "a Delta Lake table",
    ".hoodie/hoodie.properties": "an Apache Hudi table",
    "metadata/v3.metadata.json": "an Apache Iceberg table",
}


@pytest.fixture(params=LOGS)
def table(request, small, tmp_path):
    """A folder of files with the log of a table, and what it is."""
    folder = tmp_path / "table"
    shutil.copytree(small, folder / "data/load=1")
    log = folder / request.param
    log.parent.mkdir(exist_ok=True)
    log.write_text("{}\n")
    return folder, LOGS[request.param]


@pytest.mark.parametrize("inside", ["", "data/load=1"])
def test_a_table_read_as_plain_parquet_is_refused(spark, table, inside, tmp_path):
    folder, what = table
    frame = spark.read.option("recursiveFileLookup", "true").parquet(str(folder / inside))
    target = tmp_path / "out"
    for df in (frame, frame.where("value >= 0"), frame.where("value > 1").union(frame.where("value <= 1"))):
        for use in (
            lambda df: rolling_share(df),
            lambda df: rolling_share(df, files="never"),
            lambda df: partial(df),
            lambda df: check(spark, df),
            lambda df: run(spark, df, f"{target}/"),
        ):
            with pytest.raises(rollshare.UnsupportedError, match=what) as error:
                use(df)
            assert str(folder) in str(error.value)
    assert not target.exists()


def test_files_of_a_table_that_are_named_are_read(spark, table):
    folder, _ = table
    files = [str(path) for path in sorted(folder.glob("data/load=1/*.parquet"))]
    found = partial(spark.read.parquet(*files))
    assert found.finish() == rollshare.read_parquet(files)


def test_other_folders_are_read(spark, small):
    assert rolling_share(spark.read.parquet(small)).count() > 0
