"""The share table."""

from __future__ import annotations

from . import _arrow, _rollshare
from ._errors import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Union

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from matplotlib.figure import Figure

    Members = Union[str, Sequence[str]]
    #: The members by column and the number of last periods of a filter.
    Filter = tuple[list[tuple[str, list[str]]], Union[int, None]]

#: Rows that an iteration converts at a time.
ROWS = 4096


class Shares:
    """The share table and the account of the rows that it was computed from.

    Any Arrow consumer accepts it: ``pa.table(shares)``, ``pl.DataFrame(shares)``,
    ``duckdb.sql("from shares")``; so do ``pd.DataFrame(shares)``, plotly, altair and seaborn. To sort it or
    to take its first rows, convert it to a frame of pandas or polars.

    Examples
    --------
    >>> shares = rollshare.read_parquet(sample)
    >>> len(shares), shares.columns
    (72, ['year', 'week', 'country', 'share_organic_p4w'])
    >>> shares[0]["country"], len(shares["week"]), [row["week"] for row in shares[:3]]
    ('FR', 72, [44, 45, 46])

    """

    __slots__ = ("_filters", "_native")

    def __init__(self, native: _rollshare.Shares, filters: tuple[Filter, ...] = ()) -> None:
        self._native = native
        self._filters = filters

    @property
    def job(self) -> _rollshare.Job:
        """The job of the table."""
        return self._native.job

    @property
    def account(self) -> dict[str, int]:
        """Rows of the input by outcome, each row counted once: rows = kept + dropped."""
        return self._native.account

    @property
    def columns(self) -> list[str]:
        """Column names, in order."""
        return self._native.columns

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._native)

    def __getitem__(self, at: str | int | slice) -> Any:
        """Return the values of a column, one row as a dict, or a list of rows."""
        if isinstance(at, str):
            return self._native.values(at)
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            if step == 1:
                return self._native.dicts(start, max(start, stop))
            return self.to_dicts()[at]
        row = range(len(self))[at]
        return self._native.dicts(row, row + 1)[0]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the rows, as dicts."""
        for start in range(0, len(self), ROWS):
            yield from self._native.dicts(start, start + ROWS)

    def filter(
        self, only: Mapping[str, Members] | None = None, /, *, last: int | None = None, **members: Members
    ) -> Shares:
        """Return the rows of some members of the key, and of the last periods.

        No number changes: shares, bounds and changes are those of the whole table.

        Parameters
        ----------
        only
            As ``members``, for columns whose name is no Python name: ``{"app id": "com.example"}``.
        last
            Number of the last periods to keep.
        **members
            Members to keep, one or several, by column of the key.

        Raises
        ------
        ArgumentError
            A column is none of the key, or the table does not have a member.

        Examples
        --------
        >>> shares = rollshare.read_parquet(sample)
        >>> few = shares.filter(country=["GB", "FR"], last=2)
        >>> [(row["country"], row["week"]) for row in few]
        [('FR', 13), ('FR', 14), ('GB', 13), ('GB', 14)]

        """
        if last is not None and last < 1:
            raise ArgumentError(f"last={last}; expected a whole number from 1 on")
        given = {**(only or {}), **members}
        wanted = [(name, [of] if isinstance(of, str) else list(of)) for name, of in given.items()]
        return Shares(self._native.filter(wanted, last), (*self._filters, (wanted, last)))

    def wide(self, column: str | None = None) -> pd.DataFrame:
        """Convert to a pandas frame with a row for each period and a column for each key; needs pandas.

        The index has the first day of each period. Keys with most users come first. ``shares.wide().plot()``
        draws it.

        Parameters
        ----------
        column
            Column whose values it has; default the share of the shortest window.

        Examples
        --------
        >>> rollshare.read_parquet(sample).wide().shape
        (24, 3)

        """
        from ._display import wide

        return wide(self, column)

    def same_job(self, other: Shares) -> bool:
        """Whether both tables answer one question: whether their jobs are equal."""
        return self.job == other.job

    def __eq__(self, other: object) -> bool:
        """Whether both have equal columns, rows and accounts, bit for bit. Their jobs may differ."""
        if not isinstance(other, Shares):
            return NotImplemented
        return self._native.same(other._native)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self._native.to_bytes(), self._filters))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the table as an Arrow stream of one record batch."""
        return self._native.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        """Export the table's Arrow schema."""
        return self._native.__arrow_c_schema__()

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Any:
        """Export the table by the dataframe interchange protocol, as pandas or else pyarrow does."""
        return _interchange(self, nan_as_null, allow_copy)

    def __narwhals_dataframe__(self) -> Any:
        """Export the table to narwhals, by which plotly and altair read frames; needs pandas or polars."""
        import narwhals

        try:
            frame: Any = self.to_pandas()
        except ImportError:
            frame = self.to_polars()
        # narwhals asks for the frame below its own, and has no public name for it.
        return narwhals.from_native(frame, eager_only=True)._compliant_frame

    def to_arrow(self) -> pa.Table:
        """Convert to a ``pyarrow.Table``, without a copy of the numbers; needs pyarrow 14 or later."""
        return _arrow.reader(self).read_all()

    def to_polars(self) -> pl.DataFrame:
        """Convert to a ``polars.DataFrame``; needs polars alone."""
        import polars as pl

        try:
            return pl.DataFrame(self)
        except TypeError:
            # Before version 1.3, polars does not accept Arrow capsules.
            return pl.DataFrame(
                {name: self._native.values(name) for name in self.columns}, schema=self._polars(pl)
            )

    def to_pandas(self) -> pd.DataFrame:
        """Convert to a ``pandas.DataFrame``; needs pandas alone.

        Null shares are NaN; years, weeks and months are int32, dates datetime64, keys strings.
        """
        import pandas as pd

        return pd.DataFrame({name: self._numpy(name) for name in self.columns})

    def to_dicts(self) -> list[dict[str, Any]]:
        """Convert to a list with one dict for each row; null is ``None``."""
        return self._native.dicts()

    def _polars(self, pl: Any) -> dict[str, Any]:
        from ._display import key_columns

        types = dict.fromkeys(key_columns(self.job), pl.String)
        dates = dict.fromkeys(("date", "week_start", "month_start"), pl.Date)
        types.update(year=pl.Int32, week=pl.Int32, month=pl.Int32, **dates)
        return {name: types.get(name, pl.Float64) for name in self.columns}

    def _numpy(self, column: str) -> Any:
        import numpy as np

        kind, data, nulls, names = self._native.memory(column)
        if kind == "<M4[D]":
            # numpy stores days in 64 bits. pandas has no days; version 1 converts seconds to nanoseconds.
            days = np.frombuffer(data, "<i4").astype("datetime64[D]")
            return days.astype("datetime64[s]")
        values = np.frombuffer(data, kind)
        if names is not None:
            return np.array(names, dtype=object)[values]
        if nulls is not None and kind == "<i4":
            values = values.astype("float64")
            values[np.frombuffer(nulls, bool)] = np.nan
        return values

    def write_parquet(self, path: str | os.PathLike[str]) -> int:
        """Publish as a snappy parquet file, or in a folder if the path ends with a slash.

        The table is written next to the target, synced and renamed, so a failure leaves the old target
        unchanged. Returns the number of rows. Raises ``ArgumentError`` if the target overlaps a source.
        """
        return self._native.write(_path(path), "parquet")

    def write_csv(self, path: str | os.PathLike[str], *, csv_safe: bool = False) -> int:
        """Publish as CSV; otherwise as :meth:`write_parquet`.

        With ``csv_safe``, names that begin with ``=``, ``+``, ``-``, ``@`` or a control character get an
        apostrophe in front, so that a spreadsheet does not take them for formulas.
        """
        return self._native.write(_path(path), "csv", csv_safe)

    def write_json(self, path: str | os.PathLike[str]) -> int:
        """Publish as JSON, one object a line; otherwise as :meth:`write_parquet`."""
        return self._native.write(_path(path), "json")

    def plot(
        self,
        countries: Members | None = None,
        *,
        window: int | None = None,
        figure: Figure | None = None,
    ) -> Figure:
        """Draw the share over time; needs matplotlib (``rollshare[plot]``).

        There is one panel for each member of the first dimension (each country), and in it one line for each
        combination of the others.

        Parameters
        ----------
        countries
            Members of the first dimension to draw, in this order; default the 24 with most users.
        window
            Length of the window to draw; default the shortest.
        figure
            Figure to draw into.

        Returns
        -------
        matplotlib.figure.Figure
            A line breaks at periods without users. With ``details=True`` a band shows the Wilson 95 % bounds.

        """
        from ._plot import draw

        return draw(self, window, [countries] if isinstance(countries, str) else countries, figure)

    def __repr__(self) -> str:
        from ._display import text

        return text(self)

    def _repr_html_(self) -> str:
        from ._display import html

        return html(self)


def _path(path: str | os.PathLike[str]) -> str:
    from os import fspath

    return fspath(path)


def _restore(data: bytes, filters: tuple[Filter, ...] = ()) -> Shares:
    shares = _rollshare.Partial.from_bytes(data).finish()
    for wanted, last in filters:
        shares = shares.filter(dict(wanted), last=last)
    return shares


def _interchange(shares: Shares, nan_as_null: bool, allow_copy: bool) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        frame: Any = shares.to_pandas()
    else:
        # The protocol has no dates: they are times, as in pandas.
        table = shares.to_arrow()
        types = [pa.timestamp("s") if field.type == pa.date32() else field.type for field in table.schema]
        frame = table.cast(pa.schema(list(zip(table.schema.names, types))))
    return frame.__dataframe__(nan_as_null, allow_copy)
