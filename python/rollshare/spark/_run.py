"""Runs and checks on a cluster: executors read the rows, the driver reads footers and publishes."""

from __future__ import annotations

import logging
import re
import time
from functools import partial as bound
from itertools import groupby
from operator import itemgetter

from .. import _errors, _rollshare
from ._files import LEAST, MOST, located
from ._merge import levels
from ._rows import DATA, Files, Pieces, cells, data_batch
from ._session import executors_of, has_executors, is_connect, parallelism

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Literal, TypeVar

    import pyarrow as pa

    from .._pipeline import Part
    from ._rows import Pair

    T = TypeVar("T")
    #: A range of days or of hashes, and what a split has in it.
    Record = tuple[int, bytes]

log = logging.getLogger("rollshare.spark")

#: An exception of Rollshare in Spark's message for a failed task.
IN_A_TASK = re.compile(r"rollshare\.(?:_errors\.)?(\w+Error): (.+)")
#: Compressed bytes of needed columns that ``run_on="auto"`` reads on the driver; docs/spark.md says why.
ON_THE_DRIVER = 3 << 30


class Executors:
    """The executors of a session, as the native pipeline uses them: with bytes in and out."""

    def __init__(self, spark: Any, rows: Files | Pieces) -> None:
        self.spark = spark
        self.rows = rows
        self.checking: bytes | None = None
        #: Tasks that read splits, and what they read, in words.
        self.readers = 0
        self.what = ""
        #: The name, the tasks and the seconds of each job.
        self.stages: list[tuple[str, int, float]] = []

    def stage(self, name: str, tasks: int, work: Callable[[], T]) -> T:
        """Run a job, and log it in a line; an error of Rollshare in a task becomes that error."""
        started = time.monotonic()
        try:
            found = in_tasks(work)
        except Exception as error:
            if not type(error).__module__.startswith(("py4j", "pyspark", "grpc")):
                raise
            message = f"{name}: the job failed on the cluster: {in_a_line(error)}"
            raise _errors.StorageError(message) from error
        seconds = time.monotonic() - started
        self.stages.append((name, tasks, seconds))
        log.info("%s: %s; %d tasks, %.1f s", name, self.what, tasks, seconds)
        return found

    def used(self) -> tuple[int | None, list[tuple[str, int, float]]]:
        """The executors, and the jobs so far."""
        return executors_of(self.spark), self.stages

    def gather(self, splits: list[bytes], checking: bytes | None, rows: int, size: int) -> bytes:
        """Sums and evidence of all splits, merged in a tree."""
        self.checking, self.readers = checking, self.rows.plan(splits)
        self.what = f"{rows:,} rows, {in_bytes(size)}, {len(splits)} splits"
        name = "sums" if checking is None else "sums and evidence"
        return self.stage(name, self.readers + sum(levels(self.readers)), self._gather)

    def _gather(self) -> bytes:
        task = bound(gather_task, self.checking)
        if is_connect(self.spark):
            frame, pairs = self.rows.frame()
            parts = frame.mapInArrow(bound(map_batches, task, pairs), DATA)
            for fan in levels(self.readers):
                parts = parts.repartition(fan).mapInArrow(merge_batches, DATA)
            found = [bytes(row["data"]) for row in parts.collect()]
        else:
            parts = self.rows.rdd().mapPartitions(task)
            for fan in levels(self.readers):
                parts = parts.repartition(fan).mapPartitions(merge_task)
            found = parts.collect()
        return next(merge_task(iter(found)))

    def ask(self, request: bytes, name: str) -> list[bytes]:
        """What is found in each range of days or hashes, of which one task has the records of all splits."""
        tasks = 2 * parallelism(self.spark)
        return self.stage(name, self.readers + tasks, lambda: self._ask(request, tasks))

    def _ask(self, request: bytes, tasks: int) -> list[bytes]:
        answer, reduce = bound(answer_task, self.checking, request), bound(reduce_task, request)
        if is_connect(self.spark):
            frame, pairs = self.rows.frame()
            records = frame.mapInArrow(bound(answer_batches, answer, pairs), "range int, data binary")
            by_range = records.repartition(tasks, "range").sortWithinPartitions("range")
            found = by_range.mapInArrow(bound(reduce_batches, reduce), DATA).collect()
            return [bytes(row["data"]) for row in found]
        reduced: list[bytes] = self.rows.rdd().flatMap(answer).groupByKey(tasks).map(reduce).collect()
        return reduced

    def explain(self, partial: bytes) -> str | None:
        """Why sums are those of a mistake, with the values of columns, which one task reads."""
        return self.stage("values for an error", 1, lambda: self.rows.explain(partial)) or None


def in_bytes(size: int) -> str:
    """A number of bytes for people."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def gather_task(checking: bytes | None, pairs: Iterable[Pair]) -> Iterator[bytes]:
    """Sums and evidence of the splits of a task; nothing where there are no splits."""
    return merge_task(_rollshare.gather_split(split, checking, piece) for split, piece in pairs)


def merge_task(parts: Iterator[bytes]) -> Iterator[bytes]:
    """A node of the tree; nothing where there are no parts."""
    merged: bytes | None = None
    for part in parts:
        merged = part if merged is None else _rollshare.merge_gathered(merged, part)
    if merged is not None:
        yield merged


def answer_task(checking: bytes | None, request: bytes, pair: Pair) -> Iterator[Record]:
    """The records of a split, pass by pass."""
    if checking is None:
        raise _errors.InternalError("rows are compared for checks alone")
    split, piece = pair
    for number in range(_rollshare.answer_passes(split, request)):
        yield from _rollshare.answer_split(split, checking, request, number, piece)


def reduce_task(request: bytes, records: tuple[int, Any]) -> bytes:
    """What is found in a range."""
    number, parts = records
    return _rollshare.reduce_range(request, number, list(parts))


def map_batches(
    task: Callable[[Iterable[Pair]], Iterator[bytes]], pairs: Any, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The results of a task for the splits of the batches."""
    for found in task(pairs(batches)):
        yield data_batch([found])


def merge_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """A node of the tree."""
    for merged in merge_task(cells(batches)):
        yield data_batch([merged])


def answer_batches(
    task: Callable[[Pair], Iterator[Record]], pairs: Any, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The records of the splits of the batches."""
    for pair in pairs(batches):
        for in_range, data in task(pair):
            yield data_batch([data], [in_range])


def reduce_batches(
    task: Callable[[tuple[int, Any]], bytes], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """What is found in the ranges of the batches, which are sorted by range."""
    rows = ((row["range"], row["data"]) for batch in batches for row in batch.to_pylist())
    for number, records in groupby(rows, itemgetter(0)):
        yield data_batch([task((number, (data for _, data in records)))])


def in_tasks(work: Callable[[], T]) -> T:
    """Run jobs; an error of Rollshare in a task becomes that error."""
    try:
        return work()
    except _errors.RollshareError:
        raise
    except Exception as error:
        found = IN_A_TASK.search(str(error))
        if found is None or not hasattr(_errors, found[1]):
            raise
        raise getattr(_errors, found[1])(found[2].strip()) from error


def in_a_line(error: Exception) -> str:
    """Spark's message, without the stack of the JVM."""
    java = getattr(error, "java_exception", None)
    lines = str(error if java is None else java.getMessage()).strip().splitlines()
    # Where a stage was repeated too often, the reason is in the next line.
    return " ".join(line.strip() for line in lines[:2])


def is_for_driver(spark: Any, sources: list[str], job: _rollshare.Job, run_on: str) -> bool:
    """Whether the driver reads the rows of files; ``"auto"`` says in the log why."""
    if run_on not in ("auto", "driver", "cluster"):
        raise _errors.ArgumentError(f"run_on={run_on!r}; expected 'auto', 'driver' or 'cluster'")
    if run_on != "auto":
        return run_on == "driver"
    if not has_executors(spark):
        log.warning("rows are read on the driver: the session has no executors")
        return True
    try:
        _, rows, size, _ = _rollshare.plan_splits([located(source) for source in sources], job, 1, LEAST)
    except _errors.UnsupportedError:
        log.warning("rows are read on the driver: executors read parquet alone")
        return True
    is_small = size <= ON_THE_DRIVER
    log.warning(
        "rows are read on the %s: %s rows with %s of needed columns, %s %s",
        "driver" if is_small else "executors",
        f"{rows:,}",
        in_bytes(size),
        "not over" if is_small else "over",
        in_bytes(ON_THE_DRIVER),
    )
    return is_small


def run(
    spark: Any,
    source: Any,
    job: _rollshare.Job,
    target: str | None,
    checks: Literal["block", "warn_only", "off"],
    config: str | None,
    allow_restatement: list[tuple[str, str]],
    splits: int | None,
    allow_empty: bool,
    csv_safe: bool,
    threads: int | None,
    part: Part | None = None,
) -> _rollshare.Report:
    """Run the pipeline on the executors; ``source`` are paths or a data frame."""
    sizes = (splits or parallelism(spark), LEAST, MOST)
    options = (job, target, checks, config, allow_restatement, allow_empty, csv_safe, threads)
    if isinstance(source, list):
        sources = [located(path) for path in source]
        try:
            return _rollshare.run_cluster(
                Executors(spark, Files(spark, sources)), sizes, sources, *options, part=part
            )
        except _errors.NotFoundError as error:
            if not is_connect(spark):
                raise
            raise type(error)(
                f"{error}. The client of Spark Connect lists files itself: it has to see the paths of the "
                "executors. Or give a data frame: spark.read.parquet(PATH)"
            ) from error
    pieces = in_tasks(lambda: Pieces(spark, source, job))
    try:
        found = (pieces.footer, pieces.described)
        return _rollshare.run_cluster(Executors(spark, pieces), sizes, ["frame"], *options, found, part)
    finally:
        pieces.close()
