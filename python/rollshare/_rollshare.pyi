"""The native module of ``rollshare``; import that instead."""

import datetime
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias, final

from ._shares import Shares as _Shares

__all__ = [
    "DEBUG",
    "Job",
    "Partial",
    "Profile",
    "Report",
    "Shares",
    "__version__",
    "answer_passes",
    "answer_split",
    "check_frame",
    "columns_read",
    "compare",
    "contributions_schema",
    "contributions_stream",
    "declared_checks",
    "escape_line",
    "escape_name",
    "explain_change",
    "explain_columns",
    "explain_files",
    "explain_frame",
    "explain_pieces",
    "gather_split",
    "infer_profile",
    "job_of_change",
    "merge",
    "merge_gathered",
    "partial_columns",
    "partial_frame",
    "partial_groups",
    "plan_splits",
    "read_parquet",
    "reduce_range",
    "run",
    "run_cluster",
    "sample",
    "scan_split",
]

#: What a condition compares with a column.
_Value: TypeAlias = str | bool | int | datetime.date

__version__: str
#: Whether this is a debug build.
DEBUG: bool

@final
class Job:
    """The options that define the share table, as of ``rollshare run``, as one value.

    The options are those of :func:`rollshare.read_parquet`. Equal options make equal jobs. A job can be
    hashed and pickled.

    Examples
    --------
    >>> rollshare.Job(windows=[13, 4], details=True)
    Job(windows=[4, 13], details=True)

    """

    def __new__(
        cls,
        *,
        semantics: Literal["iso", "legacy"] = "iso",
        windows: int | Sequence[int] | None = None,
        details: bool = False,
        dates: bool = False,
        grain: Literal["week", "day", "month"] = "week",
        by: str | Sequence[str] | None = None,
        with_total: bool | str | Sequence[str] | None = None,
        share_of: Literal["organic", "channel"] = "organic",
        profile: str | PathLike[str] | Mapping[str, Any] | Profile | None = None,
        date: str | None = None,
        date_unit: Literal["s", "ms", "us", "ns", "day"] | None = None,
        label: str | None = None,
        zone: str | None = None,
        week_start: str | None = None,
        settle_days: int | None = None,
        users: str | None = None,
        count_rows: bool = False,
        channel: str | None = None,
        organic: str | Sequence[str] | None = None,
        paid: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        null_channel: Literal["organic", "paid", "excluded"] | None = None,
        ignore_case: bool | None = None,
        dimensions: Mapping[str, str] | None = None,
        total: Mapping[str, str] | None = None,
        total_rows: Mapping[str, Literal["auto", "off", "required"]] | None = None,
        where: Mapping[str, _Value | Sequence[_Value]] | None = None,
        where_not: Mapping[str, _Value | Sequence[_Value]] | None = None,
        country_total: str | None = None,
        os_total: str | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> Job: ...
    @property
    def semantics(self) -> Literal["iso", "legacy"]:
        """Which table to compute: ``"iso"`` or ``"legacy"``."""
    @property
    def windows(self) -> tuple[int, ...]:
        """Window lengths, ascending."""
    @property
    def details(self) -> bool:
        """Whether counts, bounds and change are added to each share."""
    @property
    def dates(self) -> bool:
        """Whether the first day of each week or month is added as a date."""
    @property
    def grain(self) -> Literal["week", "day", "month"]:
        """Step of the time axis: ``"week"``, ``"day"`` or ``"month"``."""
    @property
    def by(self) -> tuple[str, ...]:
        """Dimensions that the table is grouped by, in the order of its columns; none for the world."""
    @property
    def with_total(self) -> tuple[str, ...]:
        """Dimensions whose totals are added as rows."""
    @property
    def share_of(self) -> Literal["organic", "channel"]:
        """Whose share the table has: ``"organic"`` users, or each ``"channel"``."""
    @property
    def profile(self) -> Profile:
        """What the columns mean."""
    @property
    def organic(self) -> tuple[str, ...]:
        """Channels that count as organic."""
    @property
    def country_total(self) -> str:
        """The country that is the total over countries; empty where there is none."""
    @property
    def os_total(self) -> str:
        """The system that is the total over systems; empty where there is none."""
    @property
    def columns(self) -> dict[str, str]:
        """The input column of each role of the default profile that this profile has."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...

@final
class Profile:
    """What the columns of an export mean, as one value: time, users, channel, dimensions and conditions.

    Equal profiles can be written differently. A profile can be hashed and pickled.

    Parameters
    ----------
    profile
        A dict with the tables of a profile, the text of TOML or of a JSON object, the path of a TOML file, or
        a bundled name; default ``"cube"``. docs/profiles.md explains the entries.

    Raises
    ------
    ArgumentError
        An entry is unknown or missing, or entries contradict one another.
    StorageError
        The file cannot be read.

    Examples
    --------
    >>> profile = rollshare.Profile({
    ...     "time": {"date": "day"}, "users": {"column": "installs"},
    ...     "channel": {"column": "network", "organic": ["Organic"]}, "dimensions": {"country": {}},
    ... })
    >>> print(profile.to_toml().splitlines()[0:2])
    ['[time]', 'date = "day"']
    >>> rollshare.Profile(profile.to_toml()) == profile
    True

    """

    def __new__(cls, profile: str | PathLike[str] | Mapping[str, Any] | Profile | None = None) -> Profile: ...
    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, without entries that have their default."""
    def to_toml(self) -> str:
        """Convert to TOML, as ``rollshare run --profile`` reads it."""
    @property
    def evidence(self) -> str:
        """The profile as TOML, with what :func:`rollshare.profile` has found as comments.

        Without comments if the profile was not inferred. Not part of the value, and not pickled.
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __getnewargs__(self) -> tuple[str]: ...

@final
class Partial:
    """The exact sums of some rows. Partials can be merged in any order and pickled."""

    @property
    def job(self) -> Job:
        """The job of these sums."""
    @property
    def account(self) -> dict[str, int]:
        """Rows by outcome."""
    def finish(self) -> _Shares:
        """Compute the share table of these rows; ``DataError`` where there are rows, but none counts."""
    def to_bytes(self) -> bytes:
        """Write the sums as bytes, for :meth:`from_bytes`."""
    @staticmethod
    def from_bytes(data: bytes) -> Partial:
        """Read the sums that :meth:`to_bytes` of the same version wrote."""
    def is_in_doubt(self) -> bool:
        """Whether the sums may be those of a mistake, as ``explain_frame`` finds out."""
    def without_organic(self, channels: Sequence[tuple[str | None, int]]) -> Partial:
        """Return the same sums, of rows of these channels. ``finish`` reports that none is organic."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[Any, tuple[bytes]]: ...

@final
class Shares:
    """The share table; the public class is ``rollshare.Shares``."""

    @property
    def job(self) -> Job:
        """The job of the table."""
    @property
    def account(self) -> dict[str, int]:
        """Rows of the input by outcome."""
    @property
    def columns(self) -> list[str]:
        """Column names."""
    def __len__(self, /) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def same(self, other: Shares) -> bool:
        """Whether table and account equal those of ``other``."""
    def filter(self, only: Sequence[tuple[str, Sequence[str]]], last: int | None = None) -> Shares:
        """Return the rows of some members, and of the last periods."""
    def users(self) -> list[tuple[list[str], float]]:
        """Return the keys of the whole table with their users of all periods."""
    def values(self, column: str) -> list[Any]:
        """Return the values of a column; ``KeyError`` where there is none."""
    def dicts(self, start: int = 0, stop: int | None = None) -> list[dict[str, Any]]:
        """Rows ``start`` to ``stop`` as dicts."""
    def memory(self, column: str) -> tuple[str, bytes, bytes | None, list[str] | None]:
        """A column as memory for numpy: type, values, mask of nulls, dictionary."""
    def write(self, path: str, format: str, csv_safe: bool = False) -> int:
        """Publish to ``path`` in ``format``; returns the number of rows."""
    def to_bytes(self) -> bytes:
        """Write the sums of the table, as :meth:`Partial.to_bytes`."""

def merge(parts: Sequence[Partial]) -> Partial:
    """Merge partial aggregates of one job."""

def read_parquet(
    sources: Sequence[str], job: Job, threads: int | None = None, whole: bool = False
) -> Partial:
    """Sum parquet files. With ``whole``, rows of which none counts are an error that lists members."""

def columns_read(job: Job, names: Sequence[str]) -> tuple[list[str], bool]:
    """Return which of the columns of a frame a job reads, and whether none is missing."""

def check_frame(capsules: object, job: Job) -> None:
    """Fail unless an Arrow stream has the columns of a job."""

def partial_frame(capsules: object, job: Job, threads: int | None = None) -> Partial:
    """Sum an Arrow stream, or a pair of schema and array."""

def partial_columns(
    columns: Sequence[tuple[str, tuple[Any, ...]]], rows: int, job: Job, threads: int | None = None
) -> Partial:
    """Sum a frame of ``rows`` rows that is passed column by column."""

def explain_frame(capsules: object, partial: Partial) -> None:
    """Fail where no row counts, or none is organic although the job names organic channels."""

def explain_columns(columns: Sequence[tuple[str, tuple[Any, ...]]], rows: int, partial: Partial) -> None:
    """As ``explain_frame``, of a frame that is passed column by column."""

def explain_files(sources: Sequence[str], partial: Partial) -> None:
    """As ``explain_frame``, of files."""

def job_of_change(job: Job) -> Job:
    """Return the job whose sums ``explain_change`` needs."""

def explain_change(partial: Partial, key: str, period: str | None, against: str) -> tuple[str, str]:
    """Explain the change of a share. Returns JSON, and the text that the program prints."""

def contributions_stream(json: str) -> object:
    """Return the channels of the JSON of ``explain_change`` as an Arrow stream of one record batch."""

def contributions_schema() -> object:
    """Return the Arrow schema of ``contributions_stream``."""

def explain_pieces(pieces: Sequence[bytes], is_sample: bool, partial: Partial) -> None:
    """Do as ``explain_files`` does, for pieces of a frame: all of them, or a sample."""

def run_cluster(
    executors: object,
    sizes: tuple[int, int, int],
    sources: Sequence[str],
    job: Job,
    target: str | None = None,
    checks: Literal["block", "warn_only", "off"] = "block",
    config_file: str | None = None,
    allow_restatement: Sequence[tuple[str, str]] | None = None,
    allow_empty: bool = False,
    csv_safe: bool = False,
    threads: int | None = None,
    pieces: tuple[bytes, Sequence[tuple[int, int, int]]] | None = None,
    part: tuple[Sequence[tuple[str, Sequence[str]]], int | None] | None = None,
) -> Report:
    """Run as ``run`` does, with rows that ``executors`` read, in at most ``sizes[0]`` splits.

    A split has ``sizes[1]`` compressed bytes of needed columns or more, and at most ``sizes[2]``. ``pieces``
    are those of a frame: one footer with the row groups of all; rows, length and CRC-32 of each.
    """

def gather_split(split: bytes, checking: bytes | None = None, piece: bytes | None = None) -> bytes:
    """Sum a split and gather the evidence of its rows, on one thread; ``piece`` is a piece of a frame."""

def merge_gathered(one: bytes, other: bytes) -> bytes:
    """Merge what was gathered of some splits."""

def answer_passes(split: bytes, request: bytes) -> int:
    """Return the number of passes in which a split answers a question."""

def answer_split(
    split: bytes, checking: bytes, request: bytes, number: int, piece: bytes | None = None
) -> list[tuple[int, bytes]]:
    """Answer a question for the rows of a split, in one pass: records, each with the number of its range."""

def reduce_range(request: bytes, range: int, records: Sequence[bytes]) -> bytes:
    """Judge a range of which these are the records of all splits."""

def plan_splits(
    sources: Sequence[str], job: Job, most: int, least: int, threads: int | None = None
) -> tuple[list[bytes], int, int, list[str]]:
    """Cut parquet files into splits; return the splits, rows, bytes of the needed columns, and notes."""

def scan_split(split: bytes) -> Partial:
    """Sum one split, on one thread."""

def partial_groups(totals: object, others: object, others_rows: int, job: Job, format: str) -> Partial:
    """Sum groups, Arrow streams of total rows and of others, of values of Arrow type ``format``."""

def infer_profile(sources: Sequence[str], called: str | None = None) -> Profile:
    """Infer the profile of an export."""

def escape_line(message: str) -> str:
    """Return a message as one line: control and bidirectional characters escaped, long names cut."""

def escape_name(name: str) -> str:
    """Return a name for people: escaped, at most 200 characters."""

def sample(path: str, rows: int, layout: str = "export", seed: int = 1, threads: int | None = None) -> None:
    """Write a deterministic sample export of exactly ``rows`` rows."""

@final
class Report:
    """The report of a run, or of its checks alone."""

    @staticmethod
    def from_json(text: str, sums: bytes | None = None) -> Report:
        """Read a report that :meth:`json` wrote."""
    def json(self) -> str:
        """Return the report as JSON, as the program keeps it."""
    def sums(self) -> bytes | None:
        """Return the sums of the table for :meth:`from_json`; ``None`` where there are none."""
    def shares(self) -> _Shares | None:
        """Return the table; ``None`` where the rows could not be summed."""
    def html(self) -> str:
        """Return the report as one HTML page."""
    def sentence(self) -> str:
        """Return the verdict in one sentence."""
    def sentences(self) -> list[str]:
        """Return what each check found, in one sentence each; of a check that passed, what it requires."""
    def exit_code(self) -> int:
        """Return 4 where a check that blocks has failed, 5 where one could not run, else 0."""
    def run_exit_code(self) -> int:
        """Return the exit code of ``rollshare run``."""
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the outcomes of the checks as an Arrow stream, a row a check."""

def run(
    sources: Sequence[str],
    job: Job,
    target: str | None = None,
    checks: Literal["block", "warn_only", "off"] = "block",
    config_file: str | PathLike[str] | None = None,
    allow_restatement: Sequence[tuple[str, str]] | None = None,
    threads: int | None = None,
    called: str | None = None,
    allow_empty: bool = False,
    csv_safe: bool = False,
    state: str | None = None,
    part: tuple[Sequence[tuple[str, Sequence[str]]], int | None] | None = None,
) -> Report:
    """Check, compute, check, publish; ``part`` are members by column and the number of last periods."""

def declared_checks(config_file: str | PathLike[str] | None = None) -> str:
    """Return the checks as JSON: severities, bounds and lists from a file, or the defaults."""

def compare(sources: Sequence[str], against: str, job: Job, threads: int | None = None) -> tuple[str, str]:
    """Compare with the output of an old job. Returns JSON, and the text that the program prints."""
