"""DataFrame mode: Spark filters, counts and sums what it can sum exactly; the kernel does the rest.

Spark's generated code sums integers below 2^31 and decimals; these sums are exact and do not depend on the
order. A double is split into its integer part and its fraction in units of 2^-62, both integers. Other
values (NaN, infinite, 2^31 or more, finer than 2^-62) become grouping keys, so Spark only has to count
them. The kernel computes the table from the groups.

Legacy semantics need all rows and their dates, and the kernel parses days differently from Spark. For
these, and for decimals of more than 28 digits, executors pass the rows to the kernel, which returns one
partial aggregate for each task.
"""

from __future__ import annotations

from functools import partial as bound

from .. import _rollshare
from .. import partial as kernel_partial
from . import _merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import pyarrow as pa

    from .. import Job

#: Arrow formats of Spark's types whose values Spark sums.
FORMATS = {"tinyint": "c", "smallint": "s", "int": "i", "bigint": "l", "float": "f", "double": "g"}
#: A decimal sum has ten digits more than its values and at most 38.
DECIMAL_DIGITS = 28
#: The classes of `src/frame/groups.rs`.
PAID, ORGANIC, NULL_NAME, NULL_VALUE, ODD_PAID, ODD_ORGANIC = range(6)
OTHER_SYSTEM, NULL_COUNTRY, COUNTRY_TOTAL = range(6, 9)


class Columns:
    """The needed columns of a frame, renamed to the roles of the job: ``name``, ``value`` and so on."""

    def __init__(self, df: Any, job: Job) -> None:
        wanted = {role: name for role, name in job.columns.items() if role in needed(job)}
        self.schema = df.schema
        names = [field.name for field in self.schema]
        self.empty = self._check(names, wanted, job)
        positions = {role: _position(names, name) for role, name in wanted.items()}
        self.job = job
        # Columns are selected by position: names may have dots, and a join may leave a name twice.
        unique = df.toDF(*(f"c{at}" for at in range(len(names))))
        self.df = unique.selectExpr(*(f"c{at} as {role}" for role, at in positions.items()))
        self.names = wanted
        self.value_type = self.schema[positions["value"]].dataType.simpleString()

    def _check(self, names: list[str], wanted: dict[str, str], job: Job) -> bytes:
        """Checks the schema with the kernel, before any work; returns the sum of no rows."""
        import pyarrow as pa
        from pyspark.sql.pandas.types import to_arrow_type

        lower = {name.lower() for name in wanted.values()}
        arrays = []
        for field in self.schema:
            kind = to_arrow_type(field.dataType) if field.name.lower() in lower else pa.null()
            arrays.append(pa.array([], kind))
        frame = pa.Table.from_arrays(arrays, names=names)
        # The types of a frame without rows mean nothing to the kernel; those of a schema do.
        _rollshare.check_frame(frame.__arrow_c_stream__(None), job)
        return kernel_partial(frame, job=job, threads=1).to_bytes()

    @property
    def format(self) -> str:
        """The Arrow format of values that Spark can sum exactly; empty for others."""
        kind = self.value_type
        if kind.startswith("decimal("):
            precision, scale = kind[len("decimal(") : -1].split(",")
            return f"d:{precision},{scale}" if int(precision) <= DECIMAL_DIGITS else ""
        return FORMATS.get(kind, "")


def needed(job: Job) -> set[str]:
    """The roles that the job reads."""
    roles = {"name", "value", "country", "os_name"}
    roles.add("year_week" if job.grain == "week" else "start_date")
    if job.semantics == "legacy":
        roles.add("start_date")
    return roles


def _position(names: list[str], wanted: str) -> int:
    """The index of a column, which must exist."""
    if wanted in names:
        return names.index(wanted)
    return [name.lower() for name in names].index(wanted.lower())


def literal(text: str) -> str:
    """A string as an SQL expression that is valid for any content and any parser settings."""
    return f"decode(X'{text.encode().hex()}', 'UTF-8')" if text else "''"


def kept(job: Job) -> str:
    """The SQL condition of the rows that are kept."""
    return (
        f"os_name = {literal(job.os_total)} and country is not null "
        f"and country <> {literal(job.country_total)}"
    )


def _sums(kind: str) -> tuple[str, str, list[tuple[str, str]]]:
    """SQL for: which values Spark sums, the key of the other values, and the columns of the sums."""
    if kind.startswith("decimal("):
        return "true", "", [("whole", "value")]
    if kind in ("tinyint", "smallint", "int"):
        return "true", "", [("whole", "cast(value as bigint)")]
    if kind == "bigint":
        small = "value between -2147483648 and 2147483647"
        big = f"cast(case when {small} then null else value end as decimal(19,0))"
        return "true", "", [("whole", f"case when {small} then value else 0L end"), ("big", big)]
    small = "abs(wide) < 2147483648D"
    whole = f"case when {small} then cast(wide as bigint) else 0L end"
    # The fraction is exact, and so is its multiple by a power of two.
    scaled = "(wide - cast(wide as bigint)) * 4611686018427387904D"
    units = f"case when {small} then cast({scaled} as bigint) else 0L end"
    fits = f"{small} and cast({units} as double) = {scaled}"
    return (
        fits,
        "wide",
        [
            ("whole", whole),
            ("high", f"shiftright({units}, 32)"),
            ("low", f"({units}) & 4294967295L"),
        ],
    )


def groups(columns: Columns, account: bool) -> Any:
    """One row for each group that Spark has counted and summed, in the form of `src/frame/groups.rs`.

    Without ``account``, dropped rows are filtered and not counted.
    """
    job, kind = columns.job, columns.value_type
    df = columns.df
    fits, odd, sums = _sums(kind)
    organic = f"name in ({', '.join(literal(name) for name in job.organic)})"
    case = (
        f"case when name is null then {NULL_NAME} when value is null then {NULL_VALUE} "
        f"when {fits} then case when {organic} then {ORGANIC} else {PAID} end "
        f"when {organic} then {ODD_ORGANIC} else {ODD_PAID} end"
    )
    if odd:
        df = df.selectExpr("*", "cast(value as double) as wide")
    if account:
        dropped = (
            f"case when os_name is null or os_name <> {literal(job.os_total)} then {OTHER_SYSTEM} "
            f"when country is null then {NULL_COUNTRY} "
            f"when country = {literal(job.country_total)} then {COUNTRY_TOTAL} end"
        )
        df = df.selectExpr("*", f"{dropped} as dropped")
        case = f"case when dropped is not null then dropped else {case} end"
        keys = ["case when dropped is null then country end as country"]
        keys.append("case when dropped is null then year_week end as label")
    else:
        df = df.where(kept(job))
        keys = ["country", "year_week as label"]
    df = df.selectExpr(*keys, f"{case} as class", "value", *(["wide"] if odd else []))
    summed = f"class in ({PAID}, {ORGANIC})"
    cells = [f"case when {summed} then {sql} end as {name}" for name, sql in sums]
    by = ["country", "label", "class"]
    if odd:
        cells.append(f"case when class in ({ODD_PAID}, {ODD_ORGANIC}) then {odd} end as odd")
        by.append("odd")
    df = df.selectExpr("country", "label", "class", "1L as n", *cells)
    names = ["n", *(name for name, _ in sums)]
    found = df.groupBy(*by).agg(dict.fromkeys(names, "sum"))
    return found.selectExpr(*by, *(f"`sum({name})` as {name}" for name in names)).repartition(1)


def groups_partial(job: Job, format: str, batches: Iterator[pa.RecordBatch]) -> _rollshare.Partial | None:
    """The sum of groups; ``None`` where there are no groups."""
    import pyarrow as pa

    found = list(batches)
    if not found:
        return None
    stream = pa.Table.from_batches(found).__arrow_c_stream__(None)
    return _rollshare.partial_groups(stream, job, format)


def groups_finish(
    job: Job, format: str, empty: bytes, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The share table of groups."""
    yield from _merge.table_batches(_merge.checked(groups_partial(job, format, batches), empty, None))


def groups_task(job: Job, format: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The partial aggregate of groups."""
    part = groups_partial(job, format, batches)
    yield from _merge.batch([] if part is None else [part])


def rows_task(job: Job, names: list[str], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The partial aggregate of the rows of a task, summed batch by batch.

    ``names`` are the original names of the columns. They are restored here because Spark before version 4
    cannot map a frame whose names have dots or backquotes.
    """
    import pyarrow as pa

    def own(batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(batch.columns, names)

    first = next(batches, None)
    if first is None:
        return
    first = own(first)

    def all_batches() -> Iterator[pa.RecordBatch]:
        yield first
        yield from map(own, batches)

    reader = pa.RecordBatchReader.from_batches(first.schema, all_batches())
    yield from _merge.batch([_rollshare.partial_frame(reader.__arrow_c_stream__(None), job, 1)])


def rows(columns: Columns, account: bool) -> Any:
    """A lazy frame with one partial aggregate for each task."""
    df, job = columns.df, columns.job
    if not account and job.semantics == "iso":
        df = df.where(kept(job))
    # The columns of `df` are the roles, in the order of `names`.
    return df.mapInArrow(bound(rows_task, job, list(columns.names.values())), _merge.PARTIAL)


def by_spark(columns: Columns) -> bool:
    """Whether Spark can sum the values exactly."""
    job = columns.job
    return job.semantics == "iso" and job.grain == "week" and bool(columns.format)


def finish(columns: Columns, sums: str | None) -> Any:
    """A lazy frame with the job's table."""
    job, empty = columns.job, columns.empty
    if sums != "kernel" and by_spark(columns):
        task = bound(groups_finish, job, columns.format, empty)
        return groups(columns, False).mapInArrow(task, _merge.ddl(job))
    return _merge.finish(rows(columns, False), job, empty, None, None)


def collect(columns: Columns, sums: str | None) -> _rollshare.Partial:
    """The sum of all rows with their account, on the driver."""
    job, empty = columns.job, columns.empty
    if sums != "kernel" and by_spark(columns):
        task = bound(groups_task, job, columns.format)
        found = groups(columns, True).mapInArrow(task, _merge.PARTIAL)
        return _merge.collect(found, empty, 1, None)
    return _merge.collect(rows(columns, True), empty, None, None)
