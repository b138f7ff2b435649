"""From partial aggregates, a row each, to the share table: merged in a bounded tree, finished once.

Everything here that Spark sends to its executors is a function of this package with plain
arguments, so that what is pickled is a name and a few bytes.
"""

from __future__ import annotations

from functools import partial as bound
from math import isqrt

from .. import Partial, merge
from .._errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    import pyarrow as pa

    from .. import Job

#: Partial aggregates that one task merges, where their number is known.
FAN_IN = 32
#: Tasks of the level between, where it is not.
UNKNOWN_FAN = 8
#: The schema of rows that hold a partial aggregate each.
PARTIAL = "partial binary"


def batch(parts: Iterable[Partial]) -> Iterator[pa.RecordBatch]:
    """A record batch with a row a partial aggregate; nothing where there is none."""
    import pyarrow as pa

    data = [part.to_bytes() for part in parts]
    if data:
        yield pa.RecordBatch.from_arrays([pa.array(data, pa.binary())], ["partial"])


def merged(batches: Iterable[pa.RecordBatch]) -> Partial | None:
    """The sum of all partial aggregates, one at a time; ``None`` where there is none."""
    total = None
    for one in batches:
        for cell in one.column(0):
            part = Partial.from_bytes(cell.as_py())
            total = part if total is None else merge([total, part])
    return total


def merge_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """A node of the tree."""
    total = merged(batches)
    yield from batch([] if total is None else [total])


def finish_task(
    empty: bytes, rows: int | None, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The root of the tree: the share table."""
    yield from table_batches(checked(merged(batches), empty, rows))


def checked(total: Partial | None, empty: bytes, rows: int | None) -> Partial:
    """Holds the account against the rows that were planned."""
    total = Partial.from_bytes(empty) if total is None else total
    found = total.account["rows"]
    if rows is not None and found != rows:
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

    types = {"value": pa.int64(), "start_date": pa.date32()}
    arrays = [pa.array([], types.get(role, pa.string())) for role in job.columns]
    return partial(pa.Table.from_arrays(arrays, names=list(job.columns.values())), job=job, threads=1)


def ddl(job: Job) -> str:
    """The schema of the job's table, as Spark writes it."""
    import pyarrow as pa

    names = {pa.int32(): "int", pa.date32(): "date", pa.float64(): "double"}
    schema = nothing(job).finish().to_arrow().schema
    return ", ".join(f"`{field.name}` {names.get(field.type, 'string')}" for field in schema)


def tree(parts: Any, count: int | None) -> Any:
    """Frames of partial aggregates, level by level, down to one partition.

    ``count`` is the number of partial aggregates, where it is known.
    """
    if count is None:
        parts = parts.repartition(UNKNOWN_FAN).mapInArrow(merge_task, PARTIAL)
    else:
        while count > FAN_IN:
            # Levels of about equal fan-in.
            count = max(isqrt(count), -(-count // FAN_IN))
            parts = parts.repartition(count).mapInArrow(merge_task, PARTIAL)
    return parts.repartition(1)


def finish(parts: Any, job: Job, empty: bytes, count: int | None, rows: int | None) -> Any:
    """A lazy frame with the job's table."""
    return tree(parts, count).mapInArrow(bound(finish_task, empty, rows), ddl(job))


def collect(parts: Any, empty: bytes, count: int | None, rows: int | None) -> Partial:
    """The sum of all partial aggregates, on the driver."""
    found = tree(parts, count).mapInArrow(merge_task, PARTIAL).collect()
    total = merge([Partial.from_bytes(bytes(row[0])) for row in found]) if found else None
    return checked(total, empty, rows)
