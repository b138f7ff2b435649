"""The rolling share of organic users per country and ISO week.

>>> import rollshare
>>> shares = rollshare.read_parquet(sample)
>>> shares.columns
['year', 'week', 'country', 'share_organic_p4w']

Parquet files go in by :func:`read_parquet`, data frames by :func:`rolling_share`; both give a
:class:`Shares`. Sums of parts, for workers that share the work, are :class:`Partial`.
"""

from __future__ import annotations

from ._errors import (
    ArgumentError,
    DataError,
    FormatError,
    FrameError,
    InternalError,
    NotFoundError,
    RollshareError,
    StorageError,
    TooLargeError,
    UnsupportedError,
)
from ._rollshare import DEBUG as _DEBUG
from ._rollshare import Job, Partial, __version__
from ._rollshare import merge as _merge
from ._rollshare import sample as _sample
from ._shares import Shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Literal, Union

    Source = Union[str, os.PathLike[str]]

__all__ = [
    "ArgumentError",
    "DataError",
    "FormatError",
    "FrameError",
    "InternalError",
    "Job",
    "NotFoundError",
    "Partial",
    "RollshareError",
    "Shares",
    "StorageError",
    "TooLargeError",
    "UnsupportedError",
    "__version__",
    "merge",
    "partial",
    "partial_parquet",
    "read_parquet",
    "rolling_share",
    "sample",
]

if _DEBUG:
    import warnings

    warnings.warn(
        "rollshare is a debug build, ten or more times slower than a release build",
        RuntimeWarning,
        stacklevel=2,
    )


def _job(job: Job | None, options: dict[str, Any]) -> Job:
    given = {name: value for name, value in options.items() if value is not None}
    if job is None:
        return Job(**given)
    if given:
        raise ArgumentError(
            f"both job= and {', '.join(f'{name}=' for name in given)}; expected one of the two"
        )
    return job


def _sources(source: Source | Iterable[Source]) -> list[str]:
    from os import PathLike, fspath

    if isinstance(source, (str, PathLike)):
        return [fspath(source)]
    return [fspath(one) for one in source]


def read_parquet(
    source: Source | Iterable[Source],
    *,
    job: Job | None = None,
    semantics: Literal["iso", "legacy"] | None = None,
    windows: int | Sequence[int] | None = None,
    details: bool | None = None,
    grain: Literal["week", "day"] | None = None,
    organic: str | Sequence[str] | None = None,
    country_total: str | None = None,
    os_total: str | None = None,
    columns: Mapping[str, str] | None = None,
    threads: int | None = None,
) -> Shares:
    """Read parquet files and compute the share table.

    Parameters
    ----------
    source
        File, folder (nested, hive-partitioned) or glob, or several of them.
    job
        All options of the question as one value, instead of them one by one.
    semantics
        ``"iso"`` (default): calendar weeks across years, every week for every country.
        ``"legacy"``: what the original PySpark job published, for proving a migration.
    windows
        Lengths of windows, in steps of ``grain``; default 4.
    details
        Whether to add counts, Wilson 95 % bounds and change to each share.
    grain
        ``"week"`` (default) or ``"day"``.
    organic
        Channels that count as organic; default ``"Organic"``.
    country_total
        The country that is the total over countries, and left out; default ``"ALL"``.
    os_total
        The system that is the total over systems, the only one counted; default ``"all"``.
    columns
        Names of input columns by role: name, value, year_week, country, os_name, start_date.
    threads
        Threads; default what ``ROLLSHARE_THREADS`` says, or one a core.

    Returns
    -------
    Shares
        Rows by country, year and week. Shares are doubles from 0 to 1, null where there were no users.

    Raises
    ------
    NotFoundError
        Nothing is there.
    DataError, FormatError, UnsupportedError, TooLargeError
        The input cannot be used; the message names file, column, row group and page or row.
    ArgumentError
        An option makes no sense.

    Examples
    --------
    >>> shares = rollshare.read_parquet(sample, windows=[4, 13])
    >>> shares.columns
    ['year', 'week', 'country', 'share_organic_p4w', 'share_organic_p13w']
    >>> shares.account["rows"]
    9000

    """
    options = {
        "semantics": semantics,
        "windows": windows,
        "details": details,
        "grain": grain,
        "organic": organic,
        "country_total": country_total,
        "os_total": os_total,
        "columns": columns,
    }
    return partial_parquet(source, job=_job(job, options), threads=threads).finish()


def rolling_share(
    frame: Any,
    *,
    job: Job | None = None,
    semantics: Literal["iso", "legacy"] | None = None,
    windows: int | Sequence[int] | None = None,
    details: bool | None = None,
    grain: Literal["week", "day"] | None = None,
    organic: str | Sequence[str] | None = None,
    country_total: str | None = None,
    os_total: str | None = None,
    columns: Mapping[str, str] | None = None,
    threads: int | None = None,
) -> Shares:
    """Compute the share table of a data frame.

    Parameters
    ----------
    frame
        pandas or polars data frame, polars lazy frame, pyarrow table, batch or reader, DuckDB
        relation, or anything with ``__arrow_c_stream__`` or ``__arrow_c_array__``. A reader is used up.
    job, semantics, windows, details, grain, organic, country_total, os_total, columns, threads
        As of :func:`read_parquet`.

    Returns
    -------
    Shares
        The same, to the last bit, as :func:`read_parquet` gives for the same rows.

    Raises
    ------
    FrameError
        Not a data frame that can be read.
    DataError
        A column is missing or of a wrong type, or a row breaks a rule; the message names column and row.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({
    ...     "name": ["Organic", "Paid"], "value": [1.0, 3.0], "year_week": ["2021_05", "2021_05"],
    ...     "country": ["FR", "FR"], "os_name": ["all", "all"],
    ... })
    >>> rollshare.rolling_share(frame).to_dicts()
    [{'year': 2021, 'week': 5, 'country': 'FR', 'share_organic_p4w': 0.25}]

    """
    options = {
        "semantics": semantics,
        "windows": windows,
        "details": details,
        "grain": grain,
        "organic": organic,
        "country_total": country_total,
        "os_total": os_total,
        "columns": columns,
    }
    return partial(frame, job=_job(job, options), threads=threads).finish()


def partial(frame: Any, *, job: Job | None = None, threads: int | None = None, **options: Any) -> Partial:
    """Sum a data frame that is a part of the data.

    Parameters
    ----------
    frame
        As of :func:`rolling_share`.
    job, threads, **options
        As of :func:`read_parquet`; parts that are to be merged need the same ones.

    Returns
    -------
    Partial
        Exact sums, picklable, a few kilobytes for years of weeks.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.read_parquet(sample)
    >>> parts = [rollshare.partial(frame[:4000]), rollshare.partial(frame[4000:])]
    >>> rollshare.merge(parts).finish() == rollshare.rolling_share(frame)
    True

    """
    from ._frames import sums

    return sums(frame, _job(job, options), threads)


def partial_parquet(
    source: Source | Iterable[Source], *, job: Job | None = None, threads: int | None = None, **options: Any
) -> Partial:
    """Sum parquet files that are a part of the data; else as :func:`partial`."""
    from ._rollshare import read_parquet as native

    return native(_sources(source), _job(job, options), threads)


def merge(parts: Iterable[Partial]) -> Partial:
    """Add up partial aggregates of one job, in any order.

    Raises
    ------
    ArgumentError
        No part, or parts of different jobs.
    DataError
        Parts whose values are of different types.

    """
    return _merge(list(parts))


def sample(
    path: Source,
    rows: int = 9000,
    *,
    layout: Literal["export", "shuffled", "daily", "spark"] = "export",
    seed: int = 1,
    threads: int | None = None,
) -> None:
    """Write a deterministic export with the traits of a real one: the same arguments, the same bytes.

    Parameters
    ----------
    path
        File to write; with ``layout="daily"`` a folder with a file a day.
    rows
        Rows, exactly.
    layout
        How the rows lie in files.
    seed
        Another seed gives another company's numbers.
    threads
        As of :func:`read_parquet`.

    """
    from os import fspath

    _sample(fspath(path), rows, layout, seed, threads)
