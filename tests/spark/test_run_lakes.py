"""Runs of data frames of lake tables, whose folders hold replaced files and deleted rows.

Spark's connectors for Delta and Iceberg are jars that are not on PyPI. Data sources in Python take their
place (lake_source.py): real tables, read by the libraries of the formats.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pyspark
import pytest
import rollshare
from conftest import REPOSITORY
from rollshare.spark import check, run
from rollshare.spark._plan import parquet_files
from test_run import report
from test_run_frames import arrow

if int(pyspark.__version__.split(".")[0]) < 4:
    pytest.skip("NOT RUN: Python data sources need PySpark 4", allow_module_level=True)
for library in ("deltalake", "pyiceberg"):
    pytest.importorskip(library, reason=f"NOT RUN: pip install -r tests/spark/requirements-4.txt: {library}")
sys.path.append(str(REPOSITORY / "tests/python"))

import lakes  # noqa: E402
from lake_source import DeltaSource, IcebergSource  # noqa: E402

#: The shares of the tables' rows; of all rows in their folders they are others.
SHARES = {"A/B": 0.5, "D E": 0.5, "FR": 2 / 3, "unknown": 0.5}
OPTIONS = {"profile": lakes.PROFILE, "windows": 1}


def delta_with_deletion_vector(folder: Path) -> str:
    """A Delta table whose first file has a row that a deletion vector marks as deleted."""
    table = folder / "installs"
    lakes.delta(table, False)
    current = {Path(file).name for file in lakes.deltalake.DeltaTable(table).file_uris()}
    add = next(add for add in lakes.actions(table, "add") if add["path"] in current)
    vector = lakes.deletion_vector(folder / "vector.bin", 0)
    removed = {"path": add["path"], "dataChange": True, "deletionTimestamp": 1}
    lakes.commit(table, lakes.protocol("deletionVectors"))
    lakes.commit(table, {"remove": removed}, {"add": add | {"deletionVector": vector}})
    return str(table)


def delta(folder: Path) -> str:
    lakes.delta(folder / "installs", False)
    return str(folder / "installs")


def iceberg(folder: Path) -> str:
    return lakes.iceberg(lakes.sql_catalog(folder)).metadata_location


def iceberg_with_delete_file(folder: Path) -> str:
    table = lakes.iceberg(lakes.sql_catalog(folder))
    return lakes.with_position_deletes(table, folder).metadata_location


TABLES = {
    "delta, replaced files": (DeltaSource, delta, 10),
    "delta, deletion vector": (DeltaSource, delta_with_deletion_vector, 9),
    "iceberg, replaced files": (IcebergSource, iceberg, 10),
    "iceberg, delete file": (IcebergSource, iceberg_with_delete_file, 9),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_run_has_the_rows_of_the_table(spark, tmp_path, name):
    source, build, rows = TABLES[name]
    spark.dataSource.register(source)
    df = spark.read.format(source.name()).load(build(tmp_path))
    assert parquet_files(df, set(df.columns), whole=True) is None
    # The folder has more rows than the table.
    files = [path for path in tmp_path.rglob("*.parquet") if path.name != "deletes.parquet"]
    assert sum(pq.read_metadata(path).num_rows for path in files) > rows
    expected = arrow(df)
    assert expected.num_rows == rows
    found = run(spark, df, f"{tmp_path}/out/", warn_only=True, **OPTIONS)
    assert found.account["rows"] == rows and found.to_dict()["sources"] == ["frame"]
    (part,) = (tmp_path / "out").glob("part-*")
    assert pq.read_table(part).to_pylist() == rollshare.rolling_share(expected, **OPTIONS).to_dicts()
    if rows == 10:
        shares = {row["country"]: row["share_organic_p1w"] for row in pq.read_table(part).to_pylist()}
        assert shares == pytest.approx(SHARES)
    assert report(check(spark, df, **OPTIONS)) == report(rollshare.check(expected, **OPTIONS))


def test_the_folder_of_a_table_is_refused_as_parquet(spark, tmp_path):
    with pytest.raises(rollshare.UnsupportedError, match="Delta Lake"):
        run(spark, delta(tmp_path), run_on="cluster", **OPTIONS)
