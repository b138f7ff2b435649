"""The data source ``rollshare`` of PySpark 4: ``spark.read.format("rollshare")``, also from SQL.

The table is small and each of its rows needs all sums, which tasks of a data source cannot merge. So one
task scans, and Spark filters the rows. The reader does not accept filters from Spark: they would save
nothing, and up to version 4.3 Spark reuses a reader with its filters for the next query of the same frame,
which would then lack rows. :func:`rollshare.spark.read_parquet` distributes the scan.
"""

from __future__ import annotations

import json

from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition

from .. import Job
from .._errors import ArgumentError
from . import _files, _merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    import pyarrow as pa

#: Options that are lists: values with commas, or a JSON array.
LISTS = ("windows", "by", "with_total", "organic", "paid", "exclude")
TEXTS = (
    "profile", "semantics", "grain", "share_of", "date", "date_unit", "label", "zone", "week_start", "users",
    "channel", "null_channel", "country_total", "os_total",
)  # fmt: skip
BOOLS = ("details", "dates", "count_rows", "ignore_case")
INTEGERS = ("settle_days",)
#: Options with a name after a dot, and the options of the job that they are entries of.
MAPS = {
    "column": "columns", "dimension": "dimensions", "total": "total", "total_rows": "total_rows",
    "where": "where", "where_not": "where_not",
}  # fmt: skip


def _list(value: str) -> list[str]:
    if value.lstrip().startswith("["):
        return [str(one) for one in json.loads(value)]
    return [one.strip() for one in value.split(",")]


def _integer(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ArgumentError(f"option '{name}' is '{value}'; expected a whole number") from None


def job_of(options: Mapping[str, str]) -> Job:
    """The job of the options of a read, whose names may be in lower case."""
    given: dict[str, Any] = {}
    for name, value in options.items():
        name = name.lower()
        kind, dot, key = name.partition(".")
        if name in ("path", "paths"):
            continue
        if name == "with_total" and value.lower() in ("true", "false"):
            given[name] = value.lower() == "true"
        elif name == "windows":
            given[name] = [_integer(name, one) for one in _list(value)]
        elif name in LISTS:
            given[name] = _list(value)
        elif name in TEXTS:
            given[name] = value
        elif name in BOOLS:
            given[name] = value.lower() == "true"
        elif name in INTEGERS:
            given[name] = _integer(name, value)
        elif dot and kind in MAPS:
            given.setdefault(MAPS[kind], {})[key] = _list(value) if kind.startswith("where") else value
        else:
            names = ", ".join([*LISTS, *TEXTS, *BOOLS, *INTEGERS, *(f"{kind}.NAME" for kind in MAPS)])
            raise ArgumentError(f"option '{name}'; expected one of {names}")
    return Job(**given)


class RollshareSource(DataSource):
    """Parquet exports, read as their share table."""

    @classmethod
    def name(cls) -> str:
        """The name of the format."""
        return "rollshare"

    def schema(self) -> str:
        """The schema of the job's table."""
        return _merge.ddl(job_of(self.options))

    def reader(self, schema: Any) -> DataSourceReader:
        """The reader of one load."""
        path = self.options.get("path")
        if not path:
            raise ArgumentError("no path; expected load(PATH) with a file, a folder or a glob")
        return ShareReader(_files.located(path), job_of(self.options))


class Scan(InputPartition):
    """The only partition: the table of all files."""

    def __init__(self, source: str) -> None:
        super().__init__(source)  # type: ignore[no-untyped-call, unused-ignore]


class ShareReader(DataSourceReader):
    """The reader of one load."""

    def __init__(self, source: str, job: Job) -> None:
        self.source = source
        self.job = job

    def partitions(self) -> list[InputPartition]:
        """One task."""
        return [Scan(self.source)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Scans on the executor's cores and returns the table."""
        from .. import partial_parquet

        yield from _merge.table_batches(partial_parquet(partition.value, job=self.job))
