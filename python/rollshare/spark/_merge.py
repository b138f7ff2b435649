"""Merges partial aggregates, one in each row, in a tree of bounded fan-in, and computes the share table.

Spark sends to its executors only functions of this package with plain arguments, so that a name and a few
bytes are pickled.
"""

from __future__ import annotations

from functools import partial as bound
from math import isqrt

from .. import Partial, _rollshare, merge
from .._errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    import pyarrow as pa

    from .. import Job

#: The most partial aggregates that one task merges, where their number is known.
FAN_IN = 32
#: Tasks of the middle level, where the number is unknown.
UNKNOWN_FAN = 8
#: The schema of rows that hold a partial aggregate each.
PARTIAL = "partial binary"


def batch(parts: Iterable[Partial]) -> Iterator[pa.RecordBatch]:
    """A record batch with one partial aggregate in each row; no batch where there are none."""
    import pyarrow as pa

    data = [part.to_bytes() for part in parts]
    if data:
        yield pa.RecordBatch.from_arrays([pa.array(data, pa.binary())], ["partial"])


def merged(parts: Iterable[bytes]) -> Partial | None:
    """The sum of all partial aggregates, merged one at a time; ``None`` where there are none."""
    total = None
    for data in parts:
        part = Partial.from_bytes(data)
        total = part if total is None else merge([total, part])
    return total


def cells(batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The partial aggregates of record batches."""
    for one in batches:
        for cell in one.column(0):
            yield cell.as_py()


def merge_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """A node of the tree."""
    total = merged(cells(batches))
    yield from batch([] if total is None else [total])


def finish_task(
    empty: bytes | None, rows: int | None, sources: list[str] | None, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The root of the tree: the share table. ``sources`` are files of which an error lists values."""
    total = checked(merged(cells(batches)), empty, rows)
    if sources is not None and total.is_in_doubt():
        _rollshare.explain_files(sources, total)
    yield from table_batches(total)


def checked(total: Partial | None, empty: bytes | None, rows: int | None) -> Partial:
    """Compares the account with the planned rows; returns the sums, or ``empty`` if there are no parts."""
    if total is None and empty is not None:
        total = Partial.from_bytes(empty)
    found = 0 if total is None else total.account["rows"]
    if total is None or (rows is not None and found != rows):
        raise InternalError(
            f"{rows} rows in the footers, but {found} were summed. Nothing was published. "
            "This is a bug: please report it"
        )
    return total


def table_batches(total: Partial) -> Iterator[pa.RecordBatch]:
    """The share table of a partial aggregate, with Spark's strings."""
    import pyarrow as pa

    table = total.finish().to_arrow()
    schema = pa.schema(
        [(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type) for f in table.schema]
    )
    yield from table.cast(schema).to_batches()


def nothing(job: Job) -> Partial:
    """The sum of no rows."""
    import pyarrow as pa

    from .. import partial

    return partial(pa.table({}), job=job, threads=1)


def ddl(job: Job) -> str:
    """The schema of the job's table in Spark's DDL."""
    import pyarrow as pa

    names = {pa.int32(): "int", pa.date32(): "date", pa.float64(): "double"}
    schema = nothing(job).finish().to_arrow().schema
    return ", ".join(f"`{field.name}` {names.get(field.type, 'string')}" for field in schema)


def levels(count: int) -> Iterator[int]:
    """The number of partial aggregates after each level of the tree, until one task can merge them."""
    while count > FAN_IN:
        # The levels have about equal fan-in.
        count = max(isqrt(count), -(-count // FAN_IN))
        yield count


def tree(parts: Any, count: int | None) -> Any:
    """Merges a frame of partial aggregates level by level; returns a frame of one partition.

    ``count`` is the number of partial aggregates, or ``None``.
    """
    for fan in [UNKNOWN_FAN] if count is None else levels(count):
        parts = parts.repartition(fan).mapInArrow(merge_task, PARTIAL)
    return parts.repartition(1)


def finish(
    parts: Any,
    job: Job,
    empty: bytes | None,
    count: int | None,
    rows: int | None,
    sources: list[str] | None = None,
) -> Any:
    """A lazy frame with the job's table."""
    return tree(parts, count).mapInArrow(bound(finish_task, empty, rows, sources), ddl(job))


def collect(parts: Any, empty: bytes | None, count: int | None, rows: int | None) -> Partial:
    """The sum of all partial aggregates, on the driver."""
    found = tree(parts, count).mapInArrow(merge_task, PARTIAL).collect()
    return checked(merged(bytes(row[0]) for row in found), empty, rows)


def collect_bytes(parts: Any, count: int, rows: int) -> Partial:
    """The sum of an RDD of ``count`` partial aggregates, one in each partition."""
    for fan in levels(count):
        parts = parts.repartition(fan).mapPartitions(merge_bytes)
    return checked(merged(parts.collect()), None, rows)


def merge_bytes(parts: Iterator[bytes]) -> Iterator[bytes]:
    """A node of the tree."""
    total = merged(parts)
    if total is not None:
        yield total.to_bytes()
