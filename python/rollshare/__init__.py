"""The rolling share of organic users per key and period: by default per country and ISO week.

>>> import rollshare
>>> shares = rollshare.read_parquet(sample)
>>> shares.columns
['year', 'week', 'country', 'share_organic_p4w']

:func:`read_parquet` reads parquet or CSV files and :func:`rolling_share` a data frame; both return a
:class:`Shares`. To split the work over several workers, sum parts to :class:`Partial` and merge them.
"""

from __future__ import annotations

from ._errors import (
    ArgumentError,
    BlockedError,
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
from ._lakes import delta_files, iceberg_files
from ._rollshare import DEBUG as _DEBUG
from ._rollshare import Job, Partial, Profile, __version__
from ._rollshare import infer_profile as _infer_profile
from ._rollshare import merge as _merge
from ._rollshare import sample as _sample
from ._shares import Shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Literal, Union

    from . import quality
    from ._comparison import Comparison
    from ._results import CheckResults, RunResult
    from ._why import Why, why

    Source = Union[str, os.PathLike[str]]
    Names = Union[str, Sequence[str]]
    #: What conditions compare with a column.
    Value = Union[str, bool, int, datetime.date]
    Conditions = Mapping[str, Union[Value, Sequence[Value]]]

__all__ = [
    "ArgumentError",
    "BlockedError",
    "CheckResults",
    "Comparison",
    "DataError",
    "FormatError",
    "FrameError",
    "InternalError",
    "Job",
    "NotFoundError",
    "Partial",
    "Profile",
    "RollshareError",
    "RunResult",
    "Shares",
    "StorageError",
    "TooLargeError",
    "UnsupportedError",
    "Why",
    "__version__",
    "check",
    "compare",
    "delta_files",
    "iceberg_files",
    "merge",
    "partial",
    "partial_parquet",
    "profile",
    "quality",
    "read_parquet",
    "rolling_share",
    "run",
    "sample",
    "why",
]


def __getattr__(name: str) -> Any:
    # Names that import other modules are loaded on first use.
    from importlib import import_module

    if name == "quality":
        return import_module("rollshare.quality")
    if name == "Comparison":
        return import_module("rollshare._comparison").Comparison
    if name in ("Why", "why"):
        return getattr(import_module("rollshare._why"), name)
    if name in ("CheckResults", "RunResult"):
        return getattr(import_module("rollshare._results"), name)
    raise AttributeError(f"module 'rollshare' has no attribute '{name}'")


def __dir__() -> list[str]:
    # What is loaded on first use too, and nothing else.
    loaded = {"spark"} & set(globals())
    return sorted({*__all__, *loaded, "__doc__", "__file__", "__name__", "__path__", "__spec__"})


if _DEBUG:
    import warnings

    warnings.warn(
        "rollshare is a debug build, ten or more times slower than a release build",
        RuntimeWarning,
        stacklevel=2,
    )


def _job(job: Job | None, options: Mapping[str, Any]) -> Job:
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(given.get("windows"), float):
        raise TypeError(f"windows={given['windows']}; expected a whole number, or several")
    if job is None:
        return Job(**given)
    if given:
        raise ArgumentError(
            f"both job= and {', '.join(f'{name}=' for name in given)}; expected one of the two"
        )
    return job


#: Arguments of `read_parquet` and `rolling_share` that are no options of the job.
_NOT_OF_JOB = ("source", "frame", "job", "threads")


def _options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the job among the arguments of a call."""
    return {name: value for name, value in arguments.items() if name not in _NOT_OF_JOB}


def _sources(source: Source | Iterable[Source]) -> list[str]:
    from os import PathLike, fspath

    if isinstance(source, (str, PathLike)):
        return [fspath(source)]
    return [fspath(one) for one in source]


def read_parquet(
    source: Source | Iterable[Source],
    *,
    job: Job | None = None,
    profile: Source | Mapping[str, Any] | Profile | None = None,
    semantics: Literal["iso", "legacy"] | None = None,
    by: Names | None = None,
    grain: Literal["week", "day", "month"] | None = None,
    windows: int | Sequence[int] | None = None,
    details: bool | None = None,
    dates: bool | None = None,
    with_total: bool | Names | None = None,
    share_of: Literal["organic", "channel"] | None = None,
    date: str | None = None,
    date_unit: Literal["s", "ms", "us", "ns", "day"] | None = None,
    label: str | None = None,
    zone: str | None = None,
    week_start: str | None = None,
    settle_days: int | None = None,
    users: str | None = None,
    count_rows: bool | None = None,
    channel: str | None = None,
    organic: Names | None = None,
    paid: Names | None = None,
    exclude: Names | None = None,
    null_channel: Literal["organic", "paid", "excluded"] | None = None,
    ignore_case: bool | None = None,
    dimensions: Mapping[str, str] | None = None,
    total: Mapping[str, str] | None = None,
    total_rows: Mapping[str, Literal["auto", "off", "required"]] | None = None,
    where: Conditions | None = None,
    where_not: Conditions | None = None,
    country_total: str | None = None,
    os_total: str | None = None,
    columns: Mapping[str, str] | None = None,
    threads: int | None = None,
) -> Shares:
    """Read parquet or CSV files and compute the share table.

    Parameters
    ----------
    source
        File, folder (nested, hive-partitioned) or glob, or several of them; also ``s3://``
        in a build with the feature ``s3`` (docs/s3.md). Parquet, or text with a header: CSV, TSV and the
        like, plain, gzipped or zstd (docs/semantics.md, "Text files").
        Of a lake table its files: :func:`delta_files`, :func:`iceberg_files`.
    job
        All options of the job as one value, instead of the options below.
    profile
        What the columns of the export mean: the path of a TOML file, a bundled name, the text of TOML, a dict
        or a :class:`Profile`; default ``"cube"``. docs/profiles.md explains its entries.
    semantics
        ``"iso"`` (default): calendar weeks across years, every week for every country.
        ``"legacy"``: the output of the original PySpark job, to verify a migration; default profile only.
    by
        Dimensions that the table is grouped by, in the order of its columns; default ``"country"``.
        ``"none"`` or an empty list: the world alone.
    grain
        Step of the time axis: ``"week"`` (default), ``"day"`` or ``"month"``.
    windows
        Window lengths, in steps of ``grain``; default 4.
    details
        Whether to add to each share the counts, Wilson 95 % bounds, the change, the organic users per paid
        user, and the share a year before (52 weeks, 364 days, 12 months).
    dates
        Whether to add the first day of each period as a date: ``week_start`` or ``month_start``. Days have
        ``date`` in any case.
    with_total
        Dimensions of ``by`` without which the table's rows are added too; ``True``: each of them.
    share_of
        ``"organic"`` (default), or ``"channel"``: the share of each channel, a row a channel.
    date, label
        Columns of dates or times, and of ISO week labels. These and what follows, up to ``where_not``,
        replace single entries of the profile.
    date_unit
        Unit of integer dates since 1970: ``"s"``, ``"ms"``, ``"us"``, ``"ns"`` or ``"day"``.
    zone
        IANA time zone on whose calendar instants are put; default UTC.
    week_start
        First day of the week; default ``"monday"``. Another day leaves out the labels of the profile.
    settle_days
        Days that the export takes to settle; default 3. Published weeks that end later may change in a later
        :func:`run`.
    users, count_rows
        Column of numbers of users; or ``True``: each row is one user.
    channel
        Column of channels.
    organic, paid, exclude
        Channels that are organic (default ``"Organic"``), every other one being paid; or channels that are
        paid, every other one being organic; channels in neither sum.
    null_channel
        Class of rows without a channel: ``"organic"``, ``"paid"`` or ``"excluded"`` (default).
    ignore_case
        Whether channels are compared without regard to case.
    dimensions
        Columns of dimensions by name: ``{"os": "platform"}``.
    total, total_rows
        Members of total rows by dimension: ``{"os": "all"}``; and whether such rows are recognised:
        ``"auto"`` (default), ``"off"`` or ``"required"``.
    where, where_not
        Values by column: rows count whose value is one of these, or none of these. Compared as text: strings,
        bools, whole numbers, dates.
    country_total, os_total, columns
        Short forms for the default profile: ``total={"country": ...}``, ``total={"os_name": ...}``, and the
        columns of the roles name, value, year_week, country, os_name, start_date.
    threads
        Number of threads; default the value of ``ROLLSHARE_THREADS``, or one for each core.

    Returns
    -------
    Shares
        Rows by key and period: int32 ``year`` and ``week`` (days: ``date``; months: ``year`` and ``month``),
        the strings of the key, and per window a double ``share_organic_pNw`` (``pNd``, ``pNm``) from 0 to 1,
        null where there were no users. A source without rows gives an empty table.

    Raises
    ------
    NotFoundError
        A path does not exist, or a folder has no data.
    DataError, FormatError, UnsupportedError, TooLargeError
        The input cannot be used; the message names file, column, row group and page or row. ``DataError``
        also where no row counts: the message says which rule dropped how many rows; and where no row has one
        of the channels of ``organic``: the message says which channels there are.
    ArgumentError
        An option is invalid.

    Examples
    --------
    >>> shares = rollshare.read_parquet(sample, windows=[4, 13])
    >>> shares.columns
    ['year', 'week', 'country', 'share_organic_p4w', 'share_organic_p13w']
    >>> shares.account["rows"]
    9000
    >>> rollshare.read_parquet(sample, by="os_name", grain="month", windows=1).columns
    ['year', 'month', 'os_name', 'share_organic_p1m']

    """
    options = _options(locals())
    from ._rollshare import read_parquet as native

    return native(_sources(source), _job(job, options), threads, whole=True).finish()


def rolling_share(
    frame: Any,
    *,
    job: Job | None = None,
    profile: Source | Mapping[str, Any] | Profile | None = None,
    semantics: Literal["iso", "legacy"] | None = None,
    by: Names | None = None,
    grain: Literal["week", "day", "month"] | None = None,
    windows: int | Sequence[int] | None = None,
    details: bool | None = None,
    dates: bool | None = None,
    with_total: bool | Names | None = None,
    share_of: Literal["organic", "channel"] | None = None,
    date: str | None = None,
    date_unit: Literal["s", "ms", "us", "ns", "day"] | None = None,
    label: str | None = None,
    zone: str | None = None,
    week_start: str | None = None,
    settle_days: int | None = None,
    users: str | None = None,
    count_rows: bool | None = None,
    channel: str | None = None,
    organic: Names | None = None,
    paid: Names | None = None,
    exclude: Names | None = None,
    null_channel: Literal["organic", "paid", "excluded"] | None = None,
    ignore_case: bool | None = None,
    dimensions: Mapping[str, str] | None = None,
    total: Mapping[str, str] | None = None,
    total_rows: Mapping[str, Literal["auto", "off", "required"]] | None = None,
    where: Conditions | None = None,
    where_not: Conditions | None = None,
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
        relation, or any object with ``__arrow_c_stream__`` or ``__arrow_c_array__``. A reader is consumed.
    job, profile, semantics, by, grain, windows, details, dates, with_total, share_of, date, date_unit, \
    label, zone, week_start, settle_days, users, count_rows, channel, organic, paid, exclude, null_channel, \
    ignore_case, dimensions, total, total_rows, where, where_not, country_total, os_total, columns, threads
        As for :func:`read_parquet`.

    Returns
    -------
    Shares
        Bit for bit the result of :func:`read_parquet` for the same rows.

    Raises
    ------
    FrameError
        The object is not a data frame that can be read.
    DataError
        A column is missing or of a wrong type, or a row breaks a rule; the message names column and row. Also
        where no row counts or none is organic, as for :func:`read_parquet`; the channels of a reader, which
        can be read only once, are not looked at. A frame without rows gives an empty table.

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
    options = _options(locals())
    from ._frames import explain, sums

    summed = sums(frame, _job(job, options), threads)
    explain(frame, summed)
    return summed.finish()


def partial(frame: Any, *, job: Job | None = None, threads: int | None = None, **options: Any) -> Partial:
    """Sum a data frame that is a part of the data.

    Parameters
    ----------
    frame
        As for :func:`rolling_share`.
    job, threads, **options
        As for :func:`read_parquet`. Parts that are to be merged need the same options.

    Returns
    -------
    Partial
        Exact sums. They can be pickled; several years of weeks take a few kilobytes.

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
    """Sum parquet files that are a part of the data; otherwise as :func:`partial`."""
    from ._rollshare import read_parquet as native

    return native(_sources(source), _job(job, options), threads)


def merge(parts: Iterable[Partial]) -> Partial:
    """Merge partial aggregates of one job, in any order.

    Raises
    ------
    ArgumentError
        There is no part, or the parts are of different jobs.
    DataError
        The values of the parts are of different types.

    """
    return _merge(list(parts))


def run(
    source: Source | Iterable[Source],
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
    job: Job | None = None,
    threads: int | None = None,
    **options: Any,
) -> RunResult:
    """Check, compute, check again and publish, as ``rollshare run`` does.

    The target is replaced as a whole, or not at all.

    Parameters
    ----------
    source
        As for :func:`read_parquet`.
    target
        Where to publish: ``X.parquet``, ``X.csv``, ``X.json``, or a folder with a slash at its end. ``None``
        computes and checks, and writes nothing.
    checks
        File with bounds and severities; default those of docs/quality.md.
    warn_only
        Whether to publish even if checks fail.
    no_checks
        Whether to skip the checks.
    allow_restatement
        Published ISO weeks that may change: ``"2021_05..2021_08"`` or ``"2021_05"``, or several of these.
    allow_empty
        Whether a source without rows gives an empty table; an error otherwise.
    csv_safe
        Whether names in CSV that a spreadsheet would take for formulas get an apostrophe in front: those that
        begin with ``=``, ``+``, ``-``, ``@`` or a control character.
    state
        Folder with the sums of files, also in S3: those of files that have not changed are not summed again.
        Checks read all rows all the same. It can be deleted at any time.
    only, last
        Write only the rows of these members, by column of the key, and of the last periods. All of the table
        is checked; nothing is kept beside a target that has a part, and it may not have a history.
    job, threads, **options
        As for :func:`read_parquet`.

    Returns
    -------
    RunResult
        State, check results, account, and the location of the report.

    Raises
    ------
    BlockedError
        A check that blocks has failed or could not run; the target is unchanged. ``error.results`` has the
        check results.
    RollshareError
        As for :func:`read_parquet`; ``StorageError`` where publishing failed.

    Examples
    --------
    >>> result = rollshare.run(sample, folder / "share.parquet")
    >>> result.state
    'published'

    """
    from os import fspath

    from ._pipeline import part_of, run_options
    from ._pipeline import run as pipeline

    mode, weeks = run_options(warn_only, no_checks, allow_restatement)
    path = None if target is None else fspath(target)
    found = _sources(source)
    cache = None if state is None else fspath(state)
    more = (allow_empty, csv_safe, cache, part_of(only, last))
    return pipeline(found, _job(job, options), path, mode, checks, weeks, threads, *more)


def check(
    data: Any,
    *,
    checks: Source | None = None,
    job: Job | None = None,
    threads: int | None = None,
    **options: Any,
) -> CheckResults:
    """Check rows and the table that is computed from them, as ``rollshare check`` does. Publishes nothing.

    Parameters
    ----------
    data
        Files as for :func:`read_parquet`, or a data frame as for :func:`rolling_share`. The columns of a
        frame are first written to a temporary parquet file: polars frames by polars, others by pyarrow.
    checks
        File with bounds and severities; default those of docs/quality.md.
    job, threads, **options
        As for :func:`read_parquet`.

    Returns
    -------
    CheckResults
        A frame with one row for each check. Failed checks raise no exception here;
        ``results.raise_for_status()`` raises it.

    Examples
    --------
    >>> results = rollshare.check(sample)
    >>> results["duplicate_rows"]["status"], results["duplicate_rows"]["n"]
    ('pass', 9000)

    """
    from os import PathLike

    from . import _pipeline

    if isinstance(data, (str, PathLike, list, tuple)):
        return _pipeline.check_files(_sources(data), _job(job, options), checks, threads)
    return _pipeline.check_frame(data, _job(job, options), checks, threads)


def compare(
    source: Source | Iterable[Source],
    against: Source,
    *,
    window: int = 4,
    columns: Mapping[str, str] | None = None,
    threads: int | None = None,
) -> Comparison:
    """Compare the output of an old job with the correct table, as ``rollshare compare`` does.

    The old job reads exports of the default profile only, whose columns may have other names.

    Parameters
    ----------
    source
        The input of the old job, as for :func:`read_parquet`.
    against
        Its output: a folder that Spark wrote, or a parquet file.
    window
        Length of its window in weeks.
    columns, threads
        As for :func:`read_parquet`.

    Returns
    -------
    Comparison
        The rows that differ, each with its cause and a sentence. ``print`` shows the table of the program.

    Raises
    ------
    NotFoundError, DataError, FormatError, UnsupportedError
        As for :func:`read_parquet`, for the input or the output.

    Examples
    --------
    >>> old = str(folder / "old") + "/"
    >>> _ = rollshare.read_parquet(sample, semantics="legacy").write_parquet(old)
    >>> sorted(rollshare.compare(sample, old).causes)
    ['bogus_week', 'new_year']

    """
    from os import fspath

    from ._comparison import Comparison
    from ._rollshare import compare as native

    job = _job(None, {"windows": window, "columns": columns, "semantics": "legacy"})
    return Comparison(*native(_sources(source), fspath(against), job, threads))


def profile(source: Any) -> Profile:
    """Infer the profile of an export from its columns and a sample of its rows.

    At most 100,000 rows of at most 16 files are read. The same files give the same profile. What could
    not be decided is a comment in :attr:`Profile.evidence`.

    Parameters
    ----------
    source
        Paths as for :func:`read_parquet`, or a data frame as for :func:`check`: its first rows are written
        to a temporary parquet file.

    Returns
    -------
    Profile
        For ``profile=``. ``to_toml()`` is its text, ``evidence`` the text with comments.

    Raises
    ------
    DataError
        There are no rows, or no column of times, channels or countries.
    FormatError, NotFoundError, StorageError
        A file cannot be read.
    FrameError
        The object is neither a path nor a data frame.

    Examples
    --------
    >>> profile = rollshare.profile(sample)
    >>> profile == rollshare.Profile("cube")
    True
    >>> print(profile.evidence.splitlines()[1])
    # It is like the bundled profile "cube".
    >>> rollshare.read_parquet(sample, profile=profile) == rollshare.read_parquet(sample)
    True

    """
    from os import PathLike

    from . import _pipeline

    if isinstance(source, (str, PathLike, list, tuple)):
        return _infer_profile(_sources(source))
    return _pipeline.profile_frame(source)


def sample(
    path: Source,
    rows: int = 9000,
    *,
    layout: Literal["export", "shuffled", "daily", "spark", "facts", "events", "events-text"] = "export",
    seed: int = 1,
    threads: int | None = None,
) -> None:
    """Write a sample export that resembles a real one. The same arguments give the same bytes.

    Parameters
    ----------
    path
        File to write; with ``layout="daily"`` a folder with one file for each day.
    rows
        Number of rows.
    layout
        Order of the rows, and their division into files and row groups; ``"facts"``, ``"events"`` and
        ``"events-text"`` are exports of other columns: a fact table without totals, a row per install.
    seed
        Seed of the random numbers.
    threads
        As for :func:`read_parquet`.

    """
    from os import fspath

    _sample(fspath(path), rows, layout, seed, threads)
