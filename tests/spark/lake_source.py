"""Data sources of PySpark 4 for tables of Delta Lake and Apache Iceberg; executors import this by PYTHONPATH.

Spark's own connectors are jars. These read by `deltalake` and `pyiceberg`, which apply the table's log, its
deletion vectors and its delete files.
"""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.pandas.types import from_arrow_schema


def plain(table: pa.Table) -> pa.Table:
    """The table without views and large strings."""
    kinds = [pa.string() if pa.types.is_string_view(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(zip(table.schema.names, kinds)))


def delta_rows(folder: str) -> pa.Table:
    """The rows of a Delta table, without those that deletion vectors mark."""
    import deltalake

    query = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(folder)).execute("select * from t")
    return plain(pa.table(query))


def iceberg_scan(metadata: str):
    """The scan of an Iceberg table, by the path of its metadata."""
    from pyiceberg.table import StaticTable

    return StaticTable.from_metadata(metadata).scan()


class LakeSource(DataSource):
    """A table, one task for each of its files or, of Delta, one for all."""

    def schema(self):
        """The columns of the table."""
        return from_arrow_schema(self.reader(None).table_schema())


class LakeReader(DataSourceReader):
    """What both have in common: a path."""

    def __init__(self, path: str) -> None:
        self.path = path


class DeltaReader(LakeReader):
    """A Delta table."""

    def table_schema(self):
        return delta_rows(self.path).schema

    def read(self, partition):
        """All rows."""
        yield from delta_rows(self.path).to_batches()


class IcebergReader(LakeReader):
    """An Iceberg table."""

    def table_schema(self):
        return plain(iceberg_scan(self.path).to_arrow().slice(0, 0)).schema

    def partitions(self):
        """The files, by number."""
        return [InputPartition(number) for number, _ in enumerate(iceberg_scan(self.path).plan_files())]

    def read(self, partition):
        """The rows of a file that no delete file deletes."""
        from pyiceberg.io.pyarrow import ArrowScan

        scan = iceberg_scan(self.path)
        tasks = sorted(scan.plan_files(), key=lambda task: task.file.file_path)
        rows = ArrowScan(scan.table_metadata, scan.io, scan.projection(), scan.row_filter)
        yield from plain(rows.to_table([tasks[partition.value]])).to_batches()


class DeltaSource(LakeSource):
    """A Delta table."""

    @classmethod
    def name(cls) -> str:
        return "delta_by_python"

    def reader(self, schema):
        return DeltaReader(self.options["path"])


class IcebergSource(LakeSource):
    """An Iceberg table."""

    @classmethod
    def name(cls) -> str:
        return "iceberg_by_python"

    def reader(self, schema):
        return IcebergReader(self.options["path"])
