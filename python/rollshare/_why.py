"""The change of a share, by channel."""

from __future__ import annotations

import json

from . import _arrow, _rollshare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from . import Job

#: The fields of a channel.
COLUMNS = ["channel", "organic", "users_before", "users", "contribution"]


class Why:
    """The change of a share from one period to another, split into what each channel contributed.

    ``str(why)`` is the output of ``rollshare why``. ``len``, iteration and ``channels`` give one dict for
    each channel. Any Arrow consumer accepts it, with a row for each channel: ``pa.table(why)``,
    ``pl.DataFrame(why)``, ``duckdb.sql("from why")``.

    Examples
    --------
    >>> why = rollshare.why(sample, "GB", against=4)
    >>> abs(sum(row["contribution"] for row in why) - why.change) < 1e-12
    True

    """

    __slots__ = ("_found", "_printed", "_text")

    def __init__(self, text: str, printed: str) -> None:
        self._text = text
        self._printed = printed
        self._found: dict[str, Any] = json.loads(text)

    @property
    def members(self) -> list[str]:
        """The members of the key; none for all keys together."""
        return list(self._found["members"])

    @property
    def period(self) -> str:
        """The period: ``"2021-W05"``, ``"2021-02-01"`` or ``"2021-02"``."""
        return str(self._found["period"])

    @property
    def against(self) -> str:
        """The period before."""
        return str(self._found["against"])

    @property
    def window(self) -> int:
        """The length of the window in periods."""
        return int(self._found["window"])

    @property
    def share(self) -> float:
        """The share of the window that ends with the period, from 0 to 1."""
        return float(self._found["share"])

    @property
    def share_before(self) -> float:
        """The share before."""
        return float(self._found["share_before"])

    @property
    def change(self) -> float:
        """``share - share_before``: 0.01 is one percentage point."""
        return float(self._found["change"])

    @property
    def users(self) -> float:
        """Users of the window."""
        return float(self._found["users"])

    @property
    def users_before(self) -> float:
        """Users of the window before."""
        return float(self._found["users_before"])

    @property
    def channels(self) -> list[dict[str, Any]]:
        """The channels with users now or before, one dict each, the largest contribution first.

        Keys: ``channel`` (str), ``organic`` (bool), ``users_before`` and ``users`` of the windows (float),
        ``contribution`` (float, of which 0.01 is one percentage point).
        """
        return [dict(row) for row in self._found["channels"]]

    def to_dict(self) -> dict[str, Any]:
        """Return the ``why`` object of ``rollshare why --format json``."""
        found: dict[str, Any] = json.loads(self._text)
        return found

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the channels as an Arrow stream of one record batch."""
        # The interface allows a producer to ignore a requested schema that it does not support.
        return _rollshare.contributions_stream(self._text)

    def __arrow_c_schema__(self) -> object:
        """Export the Arrow schema of the channels."""
        return _rollshare.contributions_schema()

    def to_arrow(self) -> pa.Table:
        """Convert the channels to a ``pyarrow.Table``; needs pyarrow 14 or later."""
        return _arrow.reader(self).read_all()

    def to_pandas(self) -> pd.DataFrame:
        """Convert the channels to a ``pandas.DataFrame``; needs pandas alone."""
        import pandas as pd

        return pd.DataFrame(self.channels, columns=COLUMNS)

    def to_polars(self) -> pl.DataFrame:
        """Convert the channels to a ``polars.DataFrame``; needs polars alone."""
        import polars as pl

        kinds = (pl.String, pl.Boolean, pl.Float64, pl.Float64, pl.Float64)
        return pl.DataFrame(self.channels, schema=dict(zip(COLUMNS, kinds)))

    def __len__(self) -> int:
        """Number of channels."""
        return len(self._found["channels"])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the channels."""
        return iter(self.channels)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Why):
            return NotImplemented
        return self._found == other._found

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self._printed

    def __repr__(self) -> str:
        return f"<Why: {self._printed.splitlines()[0]}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Why, (self._text, self._printed))


def why(
    data: Any,
    key: str,
    period: str | None = None,
    *,
    against: int | str = 1,
    job: Job | None = None,
    threads: int | None = None,
    **options: Any,
) -> Why:
    """Split the change of a share into what each channel contributed, as ``rollshare why`` does.

    With ``O`` the organic users and ``T`` all users of a rolling window, the share is ``s = O / T``. With 0
    for the window before and 1 for that of the period, channel ``c`` with ``t`` users, of which ``o`` are
    organic (all of an organic channel, none of a paid one), contributes ::

        ((o1c - o0c) - s0 * (t1c - t0c)) / T1

    The contributions add up to ``s1 - s0`` exactly, because ``O0 = s0 * T0``. This is the first step of the
    linearisation of a ratio (Cochran, Sampling Techniques, 3rd edition, 1977, section 2.11) by channel.

    Parameters
    ----------
    data
        Files as for :func:`read_parquet`, or a data frame as for :func:`rolling_share`.
    key
        Members of the key, separated by commas: ``"GB"``, ``"GB,ios"``; ``"world"`` for all keys together.
    period
        A week ``"2023_41"``, a day ``"2023-10-09"`` or a month ``"2023-10"``; default the latest one that has
        rows, which may be incomplete.
    against
        What it is compared with: a number of periods before, ``"year"``, or the name of a period.
    job, threads, **options
        As for :func:`read_parquet`. ``windows`` has one length; ``share_of`` and ``details`` change nothing.

    Returns
    -------
    Why
        Shares and users of both windows (float), and for each channel a dict with ``channel`` (str),
        ``organic`` (bool), ``users_before``, ``users`` and ``contribution`` (float, from -1 to 1 where no
        users are negative; 0.01 is one percentage point).

    Raises
    ------
    ArgumentError
        There is no such key or period, or several windows are given.
    DataError
        A window has no users, no channel is organic, or as for :func:`read_parquet`.

    Examples
    --------
    >>> why = rollshare.why(sample, "GB", against=4)
    >>> len(why) > 1, abs(sum(row["contribution"] for row in why) - why.change) < 1e-12
    (True, True)

    """
    from os import PathLike

    from . import _job, _sources, partial

    of_channels = _rollshare.job_of_change(_job(job, options))
    if isinstance(data, (str, PathLike, list, tuple)):
        sums = _rollshare.read_parquet(_sources(data), of_channels, threads, whole=True)
    else:
        sums = partial(data, job=of_channels, threads=threads)
    return Why(*_rollshare.explain_change(sums, key, period, str(against)))
