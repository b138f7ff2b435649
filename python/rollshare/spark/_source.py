"""The data source ``rollshare`` of PySpark 4: ``spark.read.format("rollshare")``, also from SQL.

The table is small and every row of it needs all of the sums, so one task scans and the rows of the
table are what filters and partitions are about: filters on week, year and country are applied to it
before any row goes to Spark. :func:`rollshare.spark.read_parquet` spreads the scan.
"""

from __future__ import annotations

from pyspark.sql.datasource import (
    DataSource,
    DataSourceReader,
    EqualNullSafe,
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    InputPartition,
    LessThan,
    LessThanOrEqual,
)

from .. import Job
from .._errors import ArgumentError
from . import _files, _merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    import pyarrow as pa

#: Options that are lists, and the type of an entry.
LISTS = {"windows": int, "organic": str}
TEXTS = ("semantics", "grain", "country_total", "os_total")
#: Columns whose filters are taken from Spark.
FILTERED = ("year", "week", "country")
TESTS = {
    EqualTo: lambda a, b: a == b,
    EqualNullSafe: lambda a, b: a == b,
    In: lambda a, b: a in b,
    GreaterThan: lambda a, b: a > b,
    GreaterThanOrEqual: lambda a, b: a >= b,
    LessThan: lambda a, b: a < b,
    LessThanOrEqual: lambda a, b: a <= b,
}


def job_of(options: Mapping[str, str]) -> Job:
    """The job that the options of a read ask; their names are in lower case here."""
    given: dict[str, Any] = {}
    for name, value in options.items():
        name = name.lower()
        if name in ("path", "paths"):
            continue
        if name in LISTS:
            given[name] = [LISTS[name](one.strip()) for one in value.split(",")]
        elif name in TEXTS:
            given[name] = value
        elif name == "details":
            given[name] = value.lower() == "true"
        elif name.startswith("column."):
            given.setdefault("columns", {})[name[len("column.") :]] = value
        else:
            known = ", ".join([*LISTS, *TEXTS, "details", "column.ROLE"])
            raise ArgumentError(f"option '{name}'; expected one of {known}")
    return Job(**given)


class RollshareSource(DataSource):
    """Parquet exports, read as their share table."""

    @classmethod
    def name(cls) -> str:
        """The name of the format."""
        return "rollshare"

    def schema(self) -> str:
        """The columns that the job gives."""
        return _merge.ddl(job_of(self.options))

    def reader(self, schema: Any) -> DataSourceReader:
        """The reader of one load."""
        path = self.options.get("path")
        if not path:
            raise ArgumentError("no path; expected load(PATH) with a file, a folder or a glob")
        return ShareReader(_files.located(path), job_of(self.options))


class Scan(InputPartition):
    """All files; their table is one partition."""

    def __init__(self, source: str) -> None:
        super().__init__(source)  # type: ignore[no-untyped-call, unused-ignore]


class ShareReader(DataSourceReader):
    """One load."""

    def __init__(self, source: str, job: Job) -> None:
        self.source = source
        self.job = job
        self.filters: list[tuple[str, type, Any]] = []

    def pushFilters(self, filters: list[Any]) -> Iterator[Any]:
        """Takes filters on year, week and country; gives back the others."""
        for one in filters:
            attribute = getattr(one, "attribute", None)
            if type(one) in TESTS and attribute and len(attribute) == 1 and attribute[0] in FILTERED:
                self.filters.append((attribute[0], type(one), one.value))
            else:
                yield one

    def partitions(self) -> list[InputPartition]:
        """One task."""
        return [Scan(self.source)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Scans on the executor's cores and gives the rows that pass."""
        import pyarrow as pa

        from .. import partial_parquet

        total = partial_parquet(partition.value, job=self.job)
        for batch in _merge.table_batches(total):
            table = pa.Table.from_batches([batch])
            for column, kind, value in self.filters:
                test = TESTS[kind]
                passes = [cell is not None and test(cell, value) for cell in table[column].to_pylist()]
                table = table.filter(pa.array(passes, pa.bool_()))
            yield from table.to_batches()
