"""The rows that the tasks of a run read: splits of files, or pieces of a data frame.

The rows of a frame become pieces: parquet files of at most a million rows, of the columns that the run reads,
which Spark keeps on the disks of the executors. So a frame is computed once and each question reads pieces,
with the kernel. The driver gets their footers. A piece that an executor has lost is computed again; if its
bytes are others then, the run fails.
"""

from __future__ import annotations

from functools import partial as bound
from itertools import groupby
from operator import itemgetter
from zlib import crc32

from .. import _errors, _rollshare
from .._frames import named_columns
from .._pipeline import OPTIONAL
from . import _frames
from ._session import is_connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    import pyarrow as pa

    #: A split, and the bytes of the piece that it is of; ``None`` for a split of files.
    Pair = tuple[bytes, bytes | None]
    #: Partition, number in the partition, length, CRC-32 and footer of a piece.
    Described = tuple[int, int, int, int, bytes]

#: Rows of a piece.
PIECE_ROWS = 1 << 20
#: Bytes of the record batches of a piece: a task holds as many in memory.
PIECE_BYTES = 64 << 20
#: Pieces in which an error looks for values.
EXPLAINED = 16
#: The schema of a frame of pieces.
DATA = "data binary"


class Files:
    """Rows of files, which every process opens by name."""

    def __init__(self, spark: Any, sources: list[str]) -> None:
        self.spark = spark
        self.sources = sources
        self.splits: list[bytes] = []

    def plan(self, splits: list[bytes]) -> int:
        """Take the splits; return the number of tasks that read them."""
        self.splits = splits
        return len(splits)

    def rdd(self) -> Any:
        """An RDD of splits, each with ``None``."""
        return self.spark.sparkContext.parallelize(self.splits, len(self.splits)).map(without_piece)

    def frame(self) -> tuple[Any, Any]:
        """For Spark Connect: a frame, and a function from the batches of a task to its splits."""
        count = len(self.splits)
        return self.spark.range(0, count, 1, count), bound(file_pairs, self.splits)

    def explain(self, partial: bytes) -> str:
        """The error of sums that are those of a mistake; empty if they are not."""
        task = bound(explain_files, self.sources, partial)
        if is_connect(self.spark):
            one = self.spark.range(0, 1, 1, 1).mapInArrow(bound(explain_batches, task), DATA)
            return bytes(one.collect()[0]["data"]).decode()
        found: bytes = self.spark.sparkContext.parallelize([0], 1).mapPartitions(task).collect()[0]
        return found.decode()


class Pieces:
    """Rows of a data frame, as pieces that Spark keeps until :meth:`close`."""

    def __init__(self, spark: Any, df: Any, job: _rollshare.Job) -> None:
        from pyspark import StorageLevel

        self.spark = spark
        schema = df.schema
        names = [field.name for field in schema]
        # Errors of the schema come now, and not as those of a task.
        _frames.Columns(df, job)
        wanted = {name.lower() for name in (*named_columns(job), *OPTIONAL)}
        chosen = [at for at, name in enumerate(names) if name.lower() in wanted and names.index(name) == at]
        # By position: names may have dots, and a join may leave a name twice.
        unique = df.toDF(*(f"c{at}" for at in range(len(names))))
        rows = unique.selectExpr(*(f"c{at} as c{to}" for to, at in enumerate(chosen)))
        pieces = rows.mapInArrow(bound(pieces_task, [names[at] for at in chosen]), DATA)
        if not is_connect(spark):
            pieces = pieces.rdd.map(data_of)
        self.pieces = pieces.persist(StorageLevel.DISK_ONLY)
        try:
            found = self._describe()
            if not found:
                self.close()
                kinds = [(names[at], _frames.arrow_type(schema[at].dataType)) for at in chosen]
                self.pieces = self._only(empty_piece(kinds))
                found = self._describe()
        except BaseException:
            self.close()
            raise
        self.order = [partition for partition, *_ in found]
        self.described, self.footer = merged_footer(found)
        self.wanted: dict[int, list[bytes]] = {}

    def _only(self, piece: bytes) -> Any:
        if is_connect(self.spark):
            return self.spark.createDataFrame([(piece,)], DATA).coalesce(1)
        return self.spark.sparkContext.parallelize([piece], 1)

    def _describe(self) -> list[Described]:
        if is_connect(self.spark):
            schema = "partition int, number int, bytes bigint, crc32 bigint, footer binary"
            found = self.pieces.mapInArrow(describe_batches, schema).collect()
            return sorted((*row[:4], bytes(row["footer"])) for row in found)
        described: list[Described] = self.pieces.mapPartitionsWithIndex(describe).collect()
        return sorted(described)

    def close(self) -> None:
        """Drop the pieces."""
        if hasattr(self.pieces, "unpersist"):
            self.pieces.unpersist()

    def plan(self, splits: list[bytes]) -> int:
        """Take the splits, one for each piece; return the number of tasks that read them."""
        by_partition = groupby(zip(self.order, splits), itemgetter(0))
        self.wanted = {partition: [split for _, split in pairs] for partition, pairs in by_partition}
        return len(self.wanted)

    def rdd(self) -> Any:
        """An RDD of splits, each with its piece."""
        return self.pieces.mapPartitionsWithIndex(bound(piece_pairs, self.wanted))

    def frame(self) -> tuple[Any, Any]:
        """For Spark Connect: a frame, and a function from the batches of a task to its splits and pieces."""
        return self.pieces, bound(frame_pairs, self.wanted)

    def explain(self, partial: bytes) -> str:
        """As of :class:`Files`, with the values of the first pieces."""
        task = bound(explain_pieces, len(self.order) > EXPLAINED, partial)
        if is_connect(self.spark):
            first = self.pieces.limit(EXPLAINED).coalesce(1)
            return bytes(first.mapInArrow(bound(explain_batches, task), DATA).collect()[0]["data"]).decode()
        first = self.pieces.zipWithIndex().filter(is_explained).keys().coalesce(1)
        found: bytes = first.mapPartitions(task).collect()[0]
        return found.decode()


def without_piece(split: bytes) -> Pair:
    """A split of files."""
    return split, None


def file_pairs(splits: list[bytes], batches: Iterator[pa.RecordBatch]) -> Iterator[Pair]:
    """The splits whose numbers are in the batches."""
    for number in cells(batches):
        yield splits[number], None


def piece_pairs(wanted: dict[int, list[bytes]], partition: int, pieces: Iterable[bytes]) -> Iterator[Pair]:
    """The pieces of a partition with their splits; an error where the partition has other pieces."""
    splits, found = wanted.get(partition, []), 0
    for piece in pieces:
        if found < len(splits):
            yield splits[found], piece
        found += 1
    if found != len(splits):
        raise _errors.DataError(
            "frame: the data frame had other rows when it was computed again; expected the same rows in the "
            "same order. Write the frame to files, or checkpoint it, and use that"
        )


def frame_pairs(wanted: dict[int, list[bytes]], batches: Iterator[pa.RecordBatch]) -> Iterator[Pair]:
    """The pieces of a task with their splits."""
    return piece_pairs(wanted, partition_of_task(), cells(batches))


def partition_of_task() -> int:
    """The number of the partition of this task."""
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is None:
        raise _errors.UnsupportedError(
            "tasks of this server do not know the number of their partition; expected a server of Spark. "
            "Write the frame to parquet files, and give their path"
        )
    return int(context.partitionId())


def data_of(row: Any) -> bytes:
    """The piece in a row."""
    return bytes(row[0])


def is_explained(numbered: tuple[bytes, int]) -> bool:
    """Whether a piece is one of the first."""
    return numbered[1] < EXPLAINED


def cells(batches: Iterable[pa.RecordBatch], column: int = 0) -> Iterator[Any]:
    """The values of a column."""
    for batch in batches:
        for cell in batch.column(column):
            yield cell.as_py()


def data_batch(data: list[bytes], ranges: list[int] | None = None) -> pa.RecordBatch:
    """Bytes as a record batch, with the number of their range if they have one."""
    import pyarrow as pa

    columns = [pa.array(data, pa.binary())]
    if ranges is None:
        return pa.RecordBatch.from_arrays(columns, ["data"])
    return pa.RecordBatch.from_arrays([pa.array(ranges, pa.int32()), *columns], ["range", "data"])


def pieces_task(names: list[str], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The pieces of a task's rows. ``names`` are the original names of the columns."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if batch.num_rows == 0:
            continue
        held.append(_frames.named(batch, names))
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= PIECE_ROWS or size >= PIECE_BYTES:
            yield data_batch([parquet(held)])
            held, rows, size = [], 0, 0
    if held:
        yield data_batch([parquet(held)])


def parquet(batches: list[pa.RecordBatch]) -> bytes:
    """Batches as a parquet file of one row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, sink = pa.Table.from_batches(batches), pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=max(table.num_rows, 1), write_statistics=False)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def empty_piece(kinds: list[tuple[str, pa.DataType]]) -> bytes:
    """A piece without rows."""
    import pyarrow as pa

    arrays = [pa.array([], kind) for _, kind in kinds]
    return parquet([pa.RecordBatch.from_arrays(arrays, [name for name, _ in kinds])])


def describe(partition: int, pieces: Iterable[bytes]) -> Iterator[Described]:
    """What the driver needs to know of the pieces of a partition."""
    for number, piece in enumerate(pieces):
        # A parquet file ends with its footer, the length of that, and four letters.
        length = int.from_bytes(piece[-8:-4], "little")
        yield partition, number, len(piece), crc32(piece), piece[-8 - length :]


def describe_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """As :func:`describe`."""
    import pyarrow as pa

    kinds = [pa.int32(), pa.int32(), pa.int64(), pa.int64(), pa.binary()]
    names = ["partition", "number", "bytes", "crc32", "footer"]
    for found in describe(partition_of_task(), cells(batches)):
        arrays = [pa.array([value], kind) for value, kind in zip(found, kinds)]
        yield pa.RecordBatch.from_arrays(arrays, names)


def merged_footer(described: list[Described]) -> tuple[list[tuple[int, int, int]], bytes]:
    """Rows, length and CRC-32 of each piece, and one footer with the row groups of all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pieces: list[tuple[int, int, int]] = []
    merged: Any = None
    for _, _, size, crc, footer in described:
        found = pq.read_metadata(pa.BufferReader(b"PAR1" + footer))
        pieces.append((found.num_rows, size, crc))
        if merged is None:
            merged = found
        else:
            merged.append_row_groups(found)
    sink = pa.BufferOutputStream()
    merged.write_metadata_file(sink)
    return pieces, sink.getvalue().to_pybytes()


def explain_files(sources: list[str], partial: bytes, _: Iterator[Any]) -> Iterator[bytes]:
    """The error of sums of files that are those of a mistake; empty if they are not."""
    try:
        _rollshare.explain_files(sources, _rollshare.Partial.from_bytes(partial))
        yield b""
    except _errors.DataError as error:
        yield str(error).encode()


def explain_pieces(is_sample: bool, partial: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """As :func:`explain_files`, of pieces."""
    try:
        _rollshare.explain_pieces(list(pieces), is_sample, _rollshare.Partial.from_bytes(partial))
        yield b""
    except _errors.DataError as error:
        yield str(error).encode()


def explain_batches(task: Any, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The result of a task for the values of the batches."""
    yield data_batch(list(task(cells(batches))))
