"""The comparison of an old job's output with the correct table."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Comparison:
    """The output of an old job compared with the correct table, row by row.

    ``str(comparison)`` is the output of ``rollshare compare``. ``pandas.DataFrame(comparison.differences)``
    or ``polars.DataFrame(comparison.differences)`` makes a frame.

    Examples
    --------
    >>> old = str(folder / "old") + "/"
    >>> _ = rollshare.read_parquet(sample, semantics="legacy").write_parquet(old)
    >>> comparison = rollshare.compare(sample, old)
    >>> len(comparison.differences) == comparison.differing
    True

    """

    def __init__(self, text: str, printed: str) -> None:
        self._text = text
        self._printed = printed
        self._found: dict[str, Any] = json.loads(text)

    @property
    def published_rows(self) -> int:
        """Rows of the old output."""
        return int(self._found["published_rows"])

    @property
    def right_rows(self) -> int:
        """Rows of the correct table."""
        return int(self._found["right_rows"])

    @property
    def same(self) -> int:
        """Rows that are the same in both."""
        return int(self._found["same"])

    @property
    def differing(self) -> int:
        """Rows that differ."""
        return len(self._found["differences"])

    @property
    def differences(self) -> list[dict[str, Any]]:
        """The rows that differ, one dict each, ordered by country, year and week.

        Keys: ``country``, ``year``, ``week``; ``was_published`` and the share ``published``; ``belongs``
        (whether the correct table has the row) and the share ``right``; ``cause`` (``new_year``,
        ``bogus_week``, ``label_off_by_one``, ``missing_last_week``, ``wrong_input``, ``no_data``,
        ``arithmetic``, ``other_source``); ``sentence``. Shares are doubles from 0 to 1, ``None`` where there
        were no users or the row does not exist.
        """
        return [dict(row) for row in self._found["differences"]]

    @property
    def causes(self) -> dict[str, int]:
        """Number of rows that differ, by cause."""
        causes: dict[str, int] = {}
        for row in self._found["differences"]:
            causes[row["cause"]] = causes.get(row["cause"], 0) + 1
        return causes

    @property
    def wrong_labels(self) -> list[str]:
        """Labels that are not ISO weeks and were counted."""
        return list(self._found["wrong_labels"])

    def to_dict(self) -> dict[str, Any]:
        """Return the ``comparison`` object of ``rollshare compare --json``."""
        found: dict[str, Any] = json.loads(self._text)
        return found

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the rows that differ."""
        return iter(self.differences)

    def __str__(self) -> str:
        return self._printed

    def __repr__(self) -> str:
        return f"<Comparison: {self.differing} rows differ, {self.same} are the same>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Comparison, (self._text, self._printed))
