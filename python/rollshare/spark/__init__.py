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
    from collections.abc import Iterable
    from typing import Any, Literal, Union

    from pyspark.sql import DataFrame, SparkSession

    Source = Union[str, os.PathLike[str]]

__all__ = ["partial", "partial_parquet", "read_parquet", "register", "rolling_share"]

log = logging.getLogger("rollshare.spark")


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
    from ._plan import parquet_files

    if files not in ("auto", "never"):
        raise ArgumentError(f"files={files!r}; expected 'auto' or 'never'")
    names = None if files == "never" else parquet_files(df, {n.lower() for n in columns.names})
    if names is None:
        return None
    log.warning(
        "a plain read of %d parquet files: read by the kernel (files='never' turns this off)", len(names)
    )
    return _files.plan(df.sparkSession, names, columns.job, None)


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
