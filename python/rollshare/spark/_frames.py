"""DataFrame mode: Spark filters, counts and sums what it can sum exactly; the kernel does the rest.

Spark's generated code sums integers below 2^31 and decimals; these sums are exact and do not depend on the
order. A double is split into its integer part and its fraction in units of 2^-62, both integers. Other
values (NaN, infinite, 2^31 or more, finer than 2^-62) become grouping keys, so Spark only has to count
them. The kernel computes the table from the groups.

Whether there are total rows over systems is known at the end only, so total rows and the others are grouped
apart, and the kernel takes the ones or the others.

Legacy semantics need all rows and their dates, and the kernel parses days differently from Spark. For
these, for other profiles and keys than the default, and for decimals of more than 28 digits, executors
pass the rows to the kernel, which returns one partial aggregate for each task.
"""

from __future__ import annotations

from functools import partial as bound
from itertools import chain

from .. import Job, _rollshare
from .. import partial as kernel_partial
from .._errors import ArgumentError
from . import _merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import pyarrow as pa

#: Arrow formats of Spark's types whose values Spark sums.
FORMATS = {"tinyint": "c", "smallint": "s", "int": "i", "bigint": "l", "float": "f", "double": "g"}
#: A decimal sum has ten digits more than its values and at most 38.
DECIMAL_DIGITS = 28
#: The classes of `src/frame/groups.rs`.
PAID, ORGANIC, NULL_NAME, NULL_VALUE, ODD_PAID, ODD_ORGANIC = range(6)
NULL_COUNTRY, COUNTRY_TOTAL = 7, 8
#: The columns that Spark groups and sums, by their role in the default profile.
ROLES = ("name", "value", "year_week", "country", "os_name")


class Columns:
    """The columns of a frame that the job reads: ``names``; in ``df`` they are ``c0``, ``c1`` and so on."""

    def __init__(self, df: Any, job: Job) -> None:
        self.job = job
        self.schema = df.schema
        names = [field.name for field in self.schema]
        self.names = _rollshare.columns_read(job, names)[0]
        self.empty = self._check(names, job)
        # Columns are selected by position: names may have dots, and a join may leave a name twice.
        unique = df.toDF(*(f"c{at}" for at in range(len(names))))
        positions = [names.index(name) for name in self.names]
        self.df = unique.selectExpr(*(f"c{at} as c{to}" for to, at in enumerate(positions)))
        lower = [name.lower() for name in self.names]
        wanted = {role: name.lower() for role, name in job.columns.items() if role in ROLES}
        self.roles = {role: lower.index(name) for role, name in wanted.items() if name in lower}
        value = self.roles.get("value")
        self.value_type = "" if value is None else self.schema[positions[value]].dataType.simpleString()

    def _check(self, names: list[str], job: Job) -> bytes:
        """Checks the schema with the kernel, before any work; returns the sum of no rows."""
        import pyarrow as pa

        arrays = []
        for field in self.schema:
            kind = arrow_type(field.dataType) if field.name in self.names else pa.null()
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


def arrow_type(kind: Any) -> pa.DataType:
    """The Arrow type of a column; time stamps are instants in UTC."""
    from pyspark.sql.pandas.types import to_arrow_type

    try:
        return to_arrow_type(kind, timezone="UTC")
    except TypeError:
        # PySpark 3.5 has no such argument, and takes UTC.
        return to_arrow_type(kind)


def literal(text: str) -> str:
    """A string as an SQL expression that is valid for any content and any parser settings."""
    return f"decode(X'{text.encode().hex()}', 'UTF-8')" if text else "''"


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


def groups(columns: Columns) -> Any:
    """One row for each group that Spark has counted and summed, in the form of `src/frame/groups.rs`.

    Its column ``total`` says whether the rows of the group are total rows over systems.
    """
    job, kind = columns.job, columns.value_type
    df = columns.df.selectExpr(*(f"c{at} as {role}" for role, at in columns.roles.items()))
    fits, odd, sums = _sums(kind)
    organic = f"name in ({', '.join(literal(name) for name in job.organic)})"
    case = (
        f"case when country is null then {NULL_COUNTRY} "
        f"when country = {literal(job.country_total)} then {COUNTRY_TOTAL} "
        f"when name is null then {NULL_NAME} when value is null then {NULL_VALUE} "
        f"when {fits} then case when {organic} then {ORGANIC} else {PAID} end "
        f"when {organic} then {ODD_ORGANIC} else {ODD_PAID} end"
    )
    if odd:
        df = df.selectExpr("*", "cast(value as double) as wide")
    df = df.selectExpr(
        "country",
        "year_week as label",
        f"coalesce(os_name = {literal(job.os_total)}, false) as total",
        f"{case} as class",
        "value",
        *(["wide"] if odd else []),
    )
    # Rows that no table has are one group.
    kept = f"class not in ({NULL_COUNTRY}, {COUNTRY_TOTAL})"
    keys = [f"case when {kept} then {name} end as {name}" for name in ("country", "label")]
    summed = f"class in ({PAID}, {ORGANIC})"
    cells = [f"case when {summed} then {sql} end as {name}" for name, sql in sums]
    by = ["total", "country", "label", "class"]
    if odd:
        cells.append(f"case when class in ({ODD_PAID}, {ODD_ORGANIC}) then {odd} end as odd")
        by.append("odd")
    df = df.selectExpr("total", *keys, "class", "1L as n", *cells)
    names = ["n", *(name for name, _ in sums)]
    found = df.groupBy(*by).agg(dict.fromkeys(names, "sum"))
    return found.selectExpr(*by, *(f"`sum({name})` as {name}" for name in names)).repartition(1)


def groups_partial(job: Job, format: str, batches: Iterator[pa.RecordBatch]) -> _rollshare.Partial | None:
    """The sum of groups; ``None`` where there are no groups."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = list(batches)
    if not found:
        return None
    table = pa.Table.from_batches(found)
    totals, others = (table.filter(mask) for mask in (table["total"], pc.invert(table["total"])))
    count = pc.sum(others["n"]).as_py() or 0
    part = _rollshare.partial_groups(
        totals.__arrow_c_stream__(None), others.__arrow_c_stream__(None), count, job, format
    )
    # Rows without a value are of one class, whatever their channel.
    unknown = pa.array([ORGANIC, ODD_ORGANIC, NULL_VALUE], table["class"].type)
    if part.is_in_doubt() and not pc.any(pc.is_in(table["class"], unknown)).as_py():
        # The names of the channels are not among the groups.
        return part.without_organic([])
    return part


def groups_finish(
    job: Job, format: str, empty: bytes, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The share table of groups."""
    yield from _merge.table_batches(_merge.checked(groups_partial(job, format, batches), empty, None))


def groups_task(job: Job, format: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The partial aggregate of groups."""
    part = groups_partial(job, format, batches)
    yield from _merge.batch([] if part is None else [part])


class Channels:
    """The channels of rows, counted until one is organic. Nothing is counted where the job names none."""

    def __init__(self, job: Job, names: list[str]) -> None:
        channel = job.profile.to_dict()["channel"]
        self.ignore_case = channel.get("ignore_case", False)
        self.organic = {self._name(name) for name in channel.get("organic", [])}
        wanted = channel["column"].lower()
        self.at = next((at for at, name in enumerate(names) if name.lower() == wanted), None)
        self.found: dict[str | None, int] | None = {} if self.organic and self.at is not None else None

    def _name(self, name: str) -> str:
        return name.lower() if self.ignore_case else name

    def add(self, batch: pa.RecordBatch) -> None:
        """Counts the channels of a batch."""
        if self.found is None or self.at is None:
            return
        column = batch.column(self.at)
        for one in column.value_counts():
            name, count = one["values"].as_py(), one["counts"].as_py()
            if name is not None and self._name(str(name)) in self.organic:
                self.found = None
                return
            name = None if name is None else str(name)
            self.found[name] = self.found.get(name, 0) + count

    def rows(self) -> list[tuple[str | None, int]]:
        """The channels and their rows."""
        return list((self.found or {}).items())


def named(batch: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    """A batch with the original names of its columns, and its instants in UTC."""
    import pyarrow as pa

    def in_utc(column: pa.Array) -> pa.Array:
        # Batches carry the time zone of the session, on which the answer must not depend: files have UTC.
        kind = column.type
        is_instant = pa.types.is_timestamp(kind) and kind.tz is not None
        return column.cast(pa.timestamp(kind.unit, "UTC")) if is_instant else column

    return pa.RecordBatch.from_arrays([in_utc(column) for column in batch.columns], names)


def rows_task(job: Job, names: list[str], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The partial aggregate of the rows of a task, summed batch by batch.

    ``names`` are the original names of the columns. They are restored here because Spark before version 4
    cannot map a frame whose names have dots or backquotes.
    """
    import pyarrow as pa

    first = next(batches, None)
    if first is None:
        return
    first = named(first, names)

    channels = Channels(job, names)

    def all_batches() -> Iterator[pa.RecordBatch]:
        for one in chain([first], (named(batch, names) for batch in batches)):
            channels.add(one)
            yield one

    reader = pa.RecordBatchReader.from_batches(first.schema, all_batches())
    part = _rollshare.partial_frame(reader.__arrow_c_stream__(None), job, 1)
    yield from _merge.batch([part if channels.found is None else part.without_organic(channels.rows())])


def rows(columns: Columns) -> Any:
    """A lazy frame with one partial aggregate for each task."""
    return columns.df.mapInArrow(bound(rows_task, columns.job, columns.names), _merge.PARTIAL)


def is_cube(job: Job) -> bool:
    """Whether the job is the default, but for column names, organic channels, totals, windows, settling."""
    try:
        return job == Job(
            windows=job.windows,
            details=job.details,
            dates=job.dates,
            organic=job.organic,
            country_total=job.country_total,
            os_total=job.os_total,
            columns=job.columns,
            settle_days=job.profile.to_dict()["time"].get("settle_days"),
        )
    except ArgumentError:
        return False


def by_spark(columns: Columns) -> bool:
    """Whether Spark can sum the values exactly."""
    return len(columns.roles) == len(ROLES) and bool(columns.format) and is_cube(columns.job)


def finish(columns: Columns, sums: str | None) -> Any:
    """A lazy frame with the job's table."""
    job, empty = columns.job, columns.empty
    if sums != "kernel" and by_spark(columns):
        task = bound(groups_finish, job, columns.format, empty)
        return groups(columns).mapInArrow(task, _merge.ddl(job))
    return _merge.finish(rows(columns), job, empty, None, None)


def collect(columns: Columns, sums: str | None) -> _rollshare.Partial:
    """The sum of all rows with their account, on the driver."""
    job, empty = columns.job, columns.empty
    if sums != "kernel" and by_spark(columns):
        task = bound(groups_task, job, columns.format)
        found = groups(columns).mapInArrow(task, _merge.PARTIAL)
        return _merge.collect(found, empty, 1, None)
    return _merge.collect(rows(columns), empty, None, None)
