"""The share table."""

from __future__ import annotations

from . import _arrow, _rollshare

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import Any

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from matplotlib.figure import Figure


class Shares:
    """The share table and the account of the rows that it was computed from.

    Any Arrow consumer accepts it: ``pa.table(shares)``, ``pl.from_arrow(shares)``,
    ``duckdb.sql("from shares")``.

    Examples
    --------
    >>> shares = rollshare.read_parquet(sample)
    >>> len(shares), shares.columns
    (72, ['year', 'week', 'country', 'share_organic_p4w'])

    """

    __slots__ = ("_native",)

    def __init__(self, native: _rollshare.Shares) -> None:
        self._native = native

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

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Shares):
            return NotImplemented
        return self._native.same(other._native)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self._native.to_bytes(),))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the table as an Arrow stream of one record batch."""
        return self._native.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        """Export the table's Arrow schema."""
        return self._native.__arrow_c_schema__()

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
            return pl.DataFrame({name: self._list(name) for name in self.columns}, schema=self._polars(pl))

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
        types.update(year=pl.Int32, week=pl.Int32, month=pl.Int32, date=pl.Date)
        return {name: types.get(name, pl.Float64) for name in self.columns}

    def _list(self, column: str) -> list[Any]:
        return [row[column] for row in self._native.dicts()]

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

    def write_csv(self, path: str | os.PathLike[str]) -> int:
        """Publish as CSV; otherwise as :meth:`write_parquet`."""
        return self._native.write(_path(path), "csv")

    def write_json(self, path: str | os.PathLike[str]) -> int:
        """Publish as JSON, one object a line; otherwise as :meth:`write_parquet`."""
        return self._native.write(_path(path), "json")

    def plot(
        self,
        *,
        window: int | None = None,
        countries: Sequence[str] | None = None,
        figure: Figure | None = None,
    ) -> Figure:
        """Draw the share over time; needs matplotlib (``rollshare[plot]``).

        There is one panel for each member of the first dimension (each country), and in it one line for each
        combination of the others.

        Parameters
        ----------
        window
            Length of the window to draw; default the shortest.
        countries
            Members of the first dimension to draw, in this order; default all, at most 24.
        figure
            Figure to draw into.

        Returns
        -------
        matplotlib.figure.Figure
            A line breaks at periods without users. With ``details=True`` a band shows the Wilson 95 % bounds.

        """
        from ._plot import draw

        return draw(self, window, countries, figure)

    def __repr__(self) -> str:
        from ._display import text

        return text(self)

    def _repr_html_(self) -> str:
        from ._display import html

        return html(self)


def _path(path: str | os.PathLike[str]) -> str:
    from os import fspath

    return fspath(path)


def _restore(data: bytes) -> Shares:
    return _rollshare.Partial.from_bytes(data).finish()
