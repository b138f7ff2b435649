"""File mode: the driver plans splits, executors scan them with the kernel."""

from __future__ import annotations

import logging
from functools import partial as bound
from os.path import abspath

from .. import _rollshare
from . import _merge
from ._session import is_connect, parallelism

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import pyarrow as pa

    from .. import Job

log = logging.getLogger("rollshare.spark")

#: Least compressed bytes of needed columns for a task: a smaller task costs more than it saves.
LEAST = 4 << 20
#: Most compressed bytes of needed columns for a task: losing a larger one costs too much.
MOST = 128 << 20


class Splits:
    """The splits of a scan as bytes that executors parse, their number of rows, and the sources."""

    def __init__(self, parts: list[bytes], rows: int, sources: list[str]) -> None:
        self.parts = parts
        self.rows = rows
        self.sources = sources


def located(source: str) -> str:
    """A source in a form that is valid in every process of the cluster."""
    scheme, colon, _ = source.partition(":")
    if colon and len(scheme) > 1 and scheme.replace("+", "").replace("-", "").isalnum():
        # Hadoop's names for S3.
        return "s3" + source[len(scheme) :] if scheme in ("s3a", "s3n") else source
    return abspath(source)


def plan_here(sources: list[str], job: Job, most: int) -> tuple[list[bytes], int, list[str]]:
    """Cuts the files into at most ``most`` splits, or more if these are too large."""
    parts, rows, size, notes = _rollshare.plan_splits(sources, job, most, LEAST)
    if size > MOST * len(parts):
        parts, rows, size, notes = _rollshare.plan_splits(sources, job, -(-size // MOST), LEAST)
    return parts, rows, notes


def plan_task(
    sources: list[str], job: Job, most: int, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Plans on an executor, for a driver that cannot read the files."""
    import pyarrow as pa

    for _ in batches:
        pass
    parts, rows, notes = plan_here(sources, job, most)
    # Kinds of rows: 0 is a split, 1 a note.
    cells = [(0, rows, part) for part in parts] + [(1, rows, note.encode()) for note in notes]
    kinds, counts, data = zip(*cells)
    yield pa.RecordBatch.from_arrays(
        [pa.array(kinds, pa.int32()), pa.array(counts, pa.int64()), pa.array(data, pa.binary())],
        ["kind", "rows", "data"],
    )


def plan(spark: Any, sources: list[str], job: Job, splits: int | None) -> Splits:
    """Cuts the files into splits: on the driver, or on an executor for Spark Connect."""
    most = splits or parallelism(spark)
    sources = [located(source) for source in sources]
    if is_connect(spark):
        one = spark.range(0, 1, 1, 1)
        task = bound(plan_task, sources, job, most)
        found = one.mapInArrow(task, "kind int, rows bigint, data binary").collect()
        parts = [bytes(row["data"]) for row in found if row["kind"] == 0]
        notes = [bytes(row["data"]).decode() for row in found if row["kind"] == 1]
        rows = found[0]["rows"]
    else:
        parts, rows, notes = plan_here(sources, job, most)
    for note in notes:
        log.warning("%s", _rollshare.escape_line(note))
    log.info("%d rows in %d splits", rows, len(parts))
    return Splits(parts, rows, sources)


def scan_task(parts: list[bytes], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Scans the splits whose numbers are in the batches."""
    for one in batches:
        for number in one.column(0):
            yield from _merge.batch([_rollshare.scan_split(parts[number.as_py()])])


def scan(spark: Any, splits: Splits) -> Any:
    """A lazy frame with one partial aggregate and one task for each split."""
    count = len(splits.parts)
    numbers = spark.range(0, count, 1, count)
    return numbers.mapInArrow(bound(scan_task, splits.parts), _merge.PARTIAL)


def read(spark: Any, splits: Splits, job: Job) -> Any:
    """A lazy frame with the job's table."""
    return _merge.finish(scan(spark, splits), job, None, len(splits.parts), splits.rows, splits.sources)


def total(spark: Any, splits: Splits) -> _rollshare.Partial:
    """The sum of all splits, computed immediately and returned on the driver."""
    count = len(splits.parts)
    if is_connect(spark):
        return _merge.collect(scan(spark, splits), None, count, splits.rows)
    # An RDD of bytes needs neither Arrow nor a query plan.
    parts = spark.sparkContext.parallelize(splits.parts, count).map(scan_bytes)
    return _merge.collect_bytes(parts, count, splits.rows)


def scan_bytes(part: bytes) -> bytes:
    """Scans a split."""
    return _rollshare.scan_split(part).to_bytes()
