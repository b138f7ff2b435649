"""Runs and checks."""

from __future__ import annotations

import warnings

from . import _arrow, _rollshare
from ._errors import ArgumentError, FrameError
from ._frames import check_index, named_columns
from ._results import CheckResults, RunResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Literal, Optional

    #: The members by column and the number of last periods that are written.
    Part = tuple[list[tuple[str, list[str]]], Optional[int]]

#: Columns that the checks on rows read in addition to those of the job.
OPTIONAL = ("token", "has_subtrackers")
#: Rows from which a profile is inferred.
SAMPLE_ROWS = 100_000


def run(
    sources: list[str],
    job: _rollshare.Job,
    target: str | None,
    checks: Literal["block", "warn_only", "off"],
    config: str | os.PathLike[str] | None,
    allow_restatement: Sequence[tuple[str, str]],
    threads: int | None,
    allow_empty: bool,
    csv_safe: bool,
    state: str | None = None,
    part: Part | None = None,
) -> RunResult:
    """Run the pipeline; raise ``BlockedError`` where a check blocked it."""
    native = _rollshare.run(
        sources,
        job,
        target,
        checks,
        config,
        list(allow_restatement),
        threads,
        allow_empty=allow_empty,
        csv_safe=csv_safe,
        state=state,
        part=part,
    )
    return finished(native, stacklevel=4)


def finished(native: _rollshare.Report, stacklevel: int) -> RunResult:
    """Return the result of a run; warn of what is not kept, raise where a check blocked it."""
    result = RunResult(native)
    for failed in result.not_kept:
        message = f"{result.state}, but {failed['what']} could not be written: {failed['why']}"
        warnings.warn(message, stacklevel=stacklevel)
    if result.state == "blocked":
        result.raise_for_status()
    return result


def part_of(only: Mapping[str, str | Sequence[str]] | None, last: int | None) -> Part | None:
    """The part of the table that a run writes; ``None`` for all of it."""
    if last is not None and last < 1:
        raise ArgumentError(f"last={last}; expected a whole number from 1 on")
    wanted = [(name, [of] if isinstance(of, str) else list(of)) for name, of in (only or {}).items()]
    return (wanted, last) if wanted or last is not None else None


def run_options(
    warn_only: bool, no_checks: bool, allow_restatement: str | Iterable[str]
) -> tuple[Literal["block", "warn_only", "off"], list[tuple[str, str]]]:
    """Whether the checks run and block, and the first and last weeks that may be restated."""
    if warn_only and no_checks:
        raise ArgumentError("both warn_only= and no_checks=; expected one of the two")
    allowed = [allow_restatement] if isinstance(allow_restatement, str) else list(allow_restatement)
    weeks = [(first, last or first) for first, _, last in (text.partition("..") for text in allowed)]
    return "off" if no_checks else "warn_only" if warn_only else "block", weeks


def check_files(
    sources: list[str], job: _rollshare.Job, config: str | os.PathLike[str] | None, threads: int | None
) -> CheckResults:
    """Check files and the table that is computed from them."""
    return CheckResults(_rollshare.run(sources, job, None, "warn_only", config, [], threads))


def check_frame(
    frame: Any, job: _rollshare.Job, config: str | os.PathLike[str] | None, threads: int | None
) -> CheckResults:
    """Check the rows of a frame. Writes the columns that the checks read to a temporary parquet file."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    wanted = {name.lower() for name in (*named_columns(job), *OPTIONAL)}
    with TemporaryDirectory(prefix="rollshare-") as folder:
        path = str(Path(folder) / "frame.parquet")
        _write(frame, job, wanted, path)
        native = _rollshare.run([path], job, None, "warn_only", config, [], threads, called="frame")
    return CheckResults(native)


def profile_frame(frame: Any) -> _rollshare.Profile:
    """Infer the profile of a frame from its first rows, which are written to a temporary parquet file."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="rollshare-") as folder:
        path = str(Path(folder) / "frame.parquet")
        _write(frame, None, set(), path, SAMPLE_ROWS)
        return _rollshare.infer_profile([path], called="a data frame")


def _chosen(names: list[str], job: _rollshare.Job | None, wanted: set[str]) -> list[str]:
    """The names in ``wanted``; all without a job, or where a column is missing: the error lists them."""
    if job is None or not _rollshare.columns_read(job, names)[1]:
        return list(names)
    return [name for name in names if name.lower() in wanted]


def _write(
    frame: Any, job: _rollshare.Job | None, wanted: set[str], path: str, rows: int | None = None
) -> None:
    """Write the columns in ``wanted`` (lower-case names): polars frames by polars, others by pyarrow.

    Without a job, all columns; at most the first ``rows`` rows.
    """
    kind = type(frame)
    package = kind.__module__.partition(".")[0]
    if package == "polars":
        names = frame.collect_schema().names() if hasattr(frame, "collect") else frame.columns
        frame = frame.select(_chosen(names, job, wanted))
        if rows is not None:
            frame = frame.head(rows)
        if hasattr(frame, "sink_parquet"):
            frame.sink_parquet(path)
        else:
            frame.write_parquet(path)
        return
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise FrameError(
            f"checks of an object of type {kind.__module__}.{kind.__qualname__} need pyarrow, which is not "
            "installed. Install pyarrow, or check the parquet file that the frame comes from"
        ) from None
    if package == "pandas" and kind.__name__ == "DataFrame":
        names = _chosen([name for name in frame.columns if isinstance(name, str)], job, wanted)
        if job is not None and not _rollshare.columns_read(job, names)[1]:
            check_index(frame, job)
        frame = frame[names] if rows is None else frame[names].head(rows)
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
        return
    if package in ("duckdb", "_duckdb") and not hasattr(frame, "__arrow_c_stream__"):
        frame = frame.fetch_arrow_reader() if hasattr(frame, "fetch_arrow_reader") else frame.arrow()
    if hasattr(frame, "__arrow_c_stream__"):
        reader = _arrow.reader(frame)
    elif isinstance(frame, (pa.Table, pa.RecordBatch)) or hasattr(frame, "__arrow_c_array__"):
        table = pa.table(frame)
        reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    else:
        raise FrameError(
            f"an object of type {kind.__module__}.{kind.__qualname__}; expected a path, or a data frame: "
            "pandas, polars, pyarrow, DuckDB, or anything with __arrow_c_stream__"
        )
    names = _chosen(reader.schema.names, job, wanted)
    schema = pa.schema([reader.schema.field(name) for name in names])
    with pq.ParquetWriter(path, schema) as writer:
        for batch in reader:
            writer.write_batch(batch.select(names).slice(0, rows))
            rows = None if rows is None else rows - batch.num_rows
            if rows is not None and rows <= 0:
                return
