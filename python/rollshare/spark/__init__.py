"""The rolling share on Spark, computed by the same kernel on every executor.

>>> from rollshare.spark import read_parquet, rolling_share  # doctest: +SKIP
>>> read_parquet(spark, "exports/").show()                   # doctest: +SKIP
>>> rolling_share(df).show()                                 # doctest: +SKIP

Both return lazy frames and work on PySpark 3.5 and 4, classic and Spark Connect. ``rollshare`` and
pyarrow must be installed for the Python of the driver and of the executors. `docs/spark.md` describes
when to use which.
"""

from __future__ import annotations

import logging

from .. import Job, Partial, _job, _sources
from .._errors import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Literal, Union

    from pyspark.sql import DataFrame, SparkSession

    from .._results import CheckResults, RunResult

    Source = Union[str, os.PathLike[str]]

__all__ = ["check", "partial", "partial_parquet", "read_parquet", "register", "rolling_share", "run"]

log = logging.getLogger("rollshare.spark")


def run(
    spark: SparkSession,
    source: Source | Iterable[Source] | DataFrame,
    target: Source | None = None,
    *,
    checks: Source | None = None,
    warn_only: bool = False,
    no_checks: bool = False,
    allow_restatement: str | Iterable[str] = (),
    allow_empty: bool = False,
    csv_safe: bool = False,
    state: Source | None = None,
    only: Mapping[str, str | Sequence[str]] | None = None,
    last: int | None = None,
    run_on: Literal["auto", "driver", "cluster"] = "auto",
    files: Literal["auto", "never"] = "auto",
    job: Job | None = None,
    splits: int | None = None,
    threads: int | None = None,
    **options: Any,
) -> RunResult:
    """Check, compute, check again and publish, as :func:`rollshare.run` does, with rows that executors read.

    The driver lists the files, reads their footers, judges what the executors have found, and publishes.

    Parameters
    ----------
    spark
        The session.
    source
        Parquet files, as for :func:`read_parquet` of this module, or any batch frame. A frame is computed
        once: Spark keeps the columns that the run reads on the disks of the executors until the run ends.
    target, checks, warn_only, no_checks, allow_restatement, allow_empty, csv_safe, job, **options
        As for :func:`rollshare.run`. The driver writes the target and what is kept beside it.
    state
        As for :func:`rollshare.run`, where the driver reads the rows; ``ArgumentError`` on the executors.
    only, last
        As for :func:`rollshare.run`.
    run_on
        Who reads the rows of files: ``"auto"`` takes the driver where the needed columns have at most 3 GiB,
        where they are text, and where there are no executors; the log says which and why.
    files
        As for :func:`rolling_share` of this module, where ``source`` is a frame.
    splits
        As for :func:`read_parquet` of this module. A frame has its own partitions.
    threads
        Threads of the driver, as for :func:`rollshare.run`. A task has one.

    Returns
    -------
    RunResult
        That of :func:`rollshare.run` for the same files, or the same rows in one file, except times.
        ``to_dict()["driver_bytes"]`` are the bytes of the files that the driver has read, and
        ``to_dict()["cluster"]`` has executors, splits and tasks.

    Raises
    ------
    BlockedError, RollshareError
        As for :func:`rollshare.run`, also for errors in tasks. ``DataError`` where a part of a frame that
        was lost has other rows when Spark computes it again. ``StorageError`` where a job fails on the
        cluster: executors, or what they keep, are lost more often than Spark repeats tasks.

    """
    from os import fspath

    from .._pipeline import finished, part_of, run_options
    from .._pipeline import run as here
    from . import _run

    mode, weeks = run_options(warn_only, no_checks, allow_restatement)
    path = None if target is None else fspath(target)
    config = None if checks is None else fspath(checks)
    part = part_of(only, last)
    resolved = _job(job, options)
    rows = _rows_of(source, resolved, run_on, files, splits)
    if isinstance(rows, list) and _run.is_for_driver(spark, rows, resolved, run_on):
        rows = [_located(one) for one in rows]
        cache = None if state is None else fspath(state)
        return here(rows, resolved, path, mode, config, weeks, threads, allow_empty, csv_safe, cache, part)
    if state is not None:
        raise ArgumentError(
            f"state={fspath(state)!r}; expected no state: it has the sums of files that have not changed, "
            "for one process that reads them. With run_on='driver' the driver has one"
        )
    native = _run.run(
        spark, rows, resolved, path, mode, config, weeks, splits, allow_empty, csv_safe, threads, part
    )
    return finished(native, stacklevel=3)


def check(
    spark: SparkSession,
    source: Source | Iterable[Source] | DataFrame,
    *,
    checks: Source | None = None,
    run_on: Literal["auto", "driver", "cluster"] = "auto",
    files: Literal["auto", "never"] = "auto",
    job: Job | None = None,
    splits: int | None = None,
    threads: int | None = None,
    **options: Any,
) -> CheckResults:
    """Check rows and the table that is computed from them, as :func:`rollshare.check` does.

    Publishes nothing. As :func:`run`; returns the results of :func:`rollshare.check`.
    """
    from os import fspath

    from .._pipeline import check_files
    from .._results import CheckResults
    from . import _run

    config = None if checks is None else fspath(checks)
    resolved = _job(job, options)
    rows = _rows_of(source, resolved, run_on, files, splits)
    if isinstance(rows, list) and _run.is_for_driver(spark, rows, resolved, run_on):
        return check_files([_located(one) for one in rows], resolved, config, threads)
    native = _run.run(spark, rows, resolved, None, "warn_only", config, [], splits, False, False, threads)
    return CheckResults(native)


def _located(source: str) -> str:
    from ._files import located

    return located(source)


def _rows_of(source: Any, job: Job, run_on: str, files: str, splits: int | None) -> Any:
    """The paths of a run, or its frame, where that does more than to read parquet files."""
    from .._frames import named_columns
    from .._pipeline import OPTIONAL

    if not hasattr(source, "mapInArrow"):
        return _sources(source)
    # The checks read columns that the job does not: a frame that leaves one out is no plain read.
    wanted = {name.lower() for name in (*named_columns(job), *OPTIONAL)}
    names = _files_of(source, wanted, files, whole=True)
    if names is not None:
        return names
    if run_on == "driver":
        raise ArgumentError(
            "run_on='driver' with a data frame; expected paths: executors have the rows of a frame"
        )
    if splits is not None:
        raise ArgumentError(
            f"splits={splits} with a data frame, which has partitions; expected df.repartition({splits})"
        )
    return source


def read_parquet(
    spark: SparkSession,
    source: Source | Iterable[Source],
    *,
    job: Job | None = None,
    splits: int | None = None,
    **options: Any,
) -> DataFrame:
    """Read parquet files with the kernel on the executors; return the share table as a lazy frame.

    The driver lists the files and reads their footers immediately. The executors scan the files when the
    frame is used. Only partial aggregates pass through the JVM.

    Parameters
    ----------
    spark
        The session.
    source
        File, folder (nested, hive-partitioned) or glob, or several of them. Executors must find them under
        the same paths.
    job, **options
        As for :func:`rollshare.read_parquet`.
    splits
        The most tasks; default the number that the cluster runs at once, or more if a task would read over
        128 MiB of the needed columns.

    Returns
    -------
    pyspark.sql.DataFrame
        The table of :func:`rollshare.read_parquet`, in one partition and in the same order.

    Raises
    ------
    NotFoundError, DataError, FormatError, UnsupportedError
        On the driver, for errors in listings and footers. Errors in pages are raised in a task; the
        exception of the driver contains their message.

    """
    from . import _files

    resolved = _job(job, options)
    return _files.read(spark, _files.plan(spark, _sources(source), resolved, splits), resolved)


def partial_parquet(
    spark: SparkSession,
    source: Source | Iterable[Source],
    *,
    job: Job | None = None,
    splits: int | None = None,
    **options: Any,
) -> Partial:
    """Sum parquet files on the executors immediately; return the sums with their account on the driver.

    As :func:`read_parquet`; ``.finish()`` returns the :class:`rollshare.Shares`. With a classic session,
    pyarrow is not needed.
    """
    from . import _files

    return _files.total(spark, _files.plan(spark, _sources(source), _job(job, options), splits))


def rolling_share(
    df: DataFrame,
    *,
    job: Job | None = None,
    files: Literal["auto", "never"] = "auto",
    sums: Literal["spark", "kernel"] | None = None,
    **options: Any,
) -> DataFrame:
    """Compute the share table of a Spark data frame, as a lazy frame.

    Parameters
    ----------
    df
        Any batch frame, also after joins, unions, window operators, caching or repartitioning.
    job, **options
        As for :func:`rollshare.rolling_share`.
    files
        ``"auto"``: a frame that only reads parquet files is read by :func:`read_parquet` instead, with a
        message in the log. ``"never"``: Spark reads the frame.
    sums
        ``"spark"`` (default where it can be exact): Spark sums, the kernel finishes. ``"kernel"``:
        rows go to the kernel on the executors by ``mapInArrow``, as they always do for other profiles and
        keys than the default. The result is the same.

    Returns
    -------
    pyspark.sql.DataFrame
        Bit for bit the result of :func:`rollshare.rolling_share` for the same rows.

    Raises
    ------
    DataError
        Immediately, where a column is missing or of a wrong type; in a task, where a label is not an ISO
        week, or where no row counts.

    """
    from . import _files, _frames

    resolved, sums = _job(job, options), _sums(sums)
    columns = _frames.Columns(df, resolved)
    splits = _as_files(df, columns, files)
    if splits is not None:
        return _files.read(df.sparkSession, splits, resolved)
    return _frames.finish(columns, sums)


def partial(
    df: DataFrame,
    *,
    job: Job | None = None,
    files: Literal["auto", "never"] = "auto",
    sums: Literal["spark", "kernel"] | None = None,
    **options: Any,
) -> Partial:
    """Sum a Spark data frame immediately; return the sums with their account on the driver.

    As :func:`rolling_share`.
    """
    from . import _files, _frames

    resolved, sums = _job(job, options), _sums(sums)
    columns = _frames.Columns(df, resolved)
    splits = _as_files(df, columns, files)
    if splits is not None:
        return _files.total(df.sparkSession, splits)
    return _frames.collect(columns, sums)


def _sums(sums: Literal["spark", "kernel"] | None) -> Literal["spark", "kernel"] | None:
    if sums not in (None, "spark", "kernel"):
        raise ArgumentError(f"sums={sums!r}; expected 'spark' or 'kernel'")
    return sums


def _as_files(df: DataFrame, columns: Any, files: str) -> Any:
    """The splits of the files that ``df`` reads; ``None`` where file mode does not apply."""
    from . import _files

    names = _files_of(df, {name.lower() for name in columns.names}, files)
    return None if names is None else _files.plan(df.sparkSession, names, columns.job, None)


def _files_of(df: DataFrame, columns: set[str], files: str, whole: bool = False) -> list[str] | None:
    """The files of a frame that only reads parquet, whole or not; ``None`` for any other."""
    from ._plan import parquet_files, refuse_tables

    if files not in ("auto", "never"):
        raise ArgumentError(f"files={files!r}; expected 'auto' or 'never'")
    refuse_tables(df)
    names = None if files == "never" else parquet_files(df, columns, whole)
    if names is not None:
        log.warning(
            "a plain read of %d parquet files: read by the kernel (files='never' turns this off)", len(names)
        )
    return names


def register(spark: SparkSession) -> None:
    """Register ``spark.read.format("rollshare")`` in a session (PySpark 4).

    Examples
    --------
    >>> from rollshare.spark import register                                    # doctest: +SKIP
    >>> register(spark)                                                         # doctest: +SKIP
    >>> spark.read.format("rollshare").option("windows", "4,13").load("exports/")  # doctest: +SKIP

    """
    from ._source import RollshareSource

    spark.dataSource.register(RollshareSource)
