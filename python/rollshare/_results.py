"""The results of checks and runs."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache

from . import _arrow, _rollshare
from ._errors import BlockedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from typing import Any, Literal

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from ._shares import Shares

    Verdict = Literal["pass", "warn", "incomplete", "fail"]


class CheckResults:
    """The outcomes of the checks: a frame with one row for each check.

    Any Arrow consumer accepts it. Columns: ``check``, ``stage`` (``raw``, ``staging``, ...), ``status``
    (``pass``, ``warn``, ``fail``, ``not_run``), ``severity`` (``warn``, ``block``, ``off``), ``observed``
    (the measured quantity, in ``unit``, out of ``n``), the bounds ``warn_count``, ``warn_fraction``,
    ``block_count``, ``block_fraction`` and their source ``bounds_from``, ``title``, ``finding`` (what was
    found, as one sentence; empty if the check passed), ``note``, ``offenders`` (the first ones, as strings),
    ``could_not_run``.

    Examples
    --------
    >>> results = rollshare.check(sample)
    >>> results.verdict
    'pass'
    >>> rollshare.check(sample, organic="Nobody")["organic_present"]["finding"]
    'no row of Nobody (none of 9,000 rows)'

    """

    def __init__(self, native: _rollshare.Report) -> None:
        self._native = native

    @cached_property
    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self._native.json())
        for outcome in report["outcomes"]:
            outcome["note"] = outcome.pop("note_in_python", outcome["note"])
        return report

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of all checks; ``None`` where the checks were off.

        ``"warn"``: a check has exceeded its bound for warnings. ``"incomplete"``: a check that blocks could
        not run. ``"fail"``: a check that blocks has failed.
        """
        verdict: Verdict | None = self._report["verdict"]
        return verdict

    @property
    def ok(self) -> bool:
        """Whether no check blocks, and every check that can block has run."""
        return self._native.exit_code() == 0

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        """The outcomes in the order of the catalogue, as in the JSON report."""
        outcomes: list[dict[str, Any]] = self._report["outcomes"]
        return outcomes

    def __len__(self) -> int:
        """Number of checks."""
        return len(self.outcomes)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the outcomes."""
        return iter(self.outcomes)

    def __getitem__(self, check: str) -> dict[str, Any]:
        """Return the outcome of the check of this name; ``KeyError`` where there is none."""
        for outcome in self.outcomes:
            if outcome["check"] == check:
                return outcome
        raise KeyError(check)

    def raise_for_status(self) -> None:
        """Raise an exception if a check blocks.

        Raises
        ------
        BlockedError
            A check that blocks has failed or could not run.

        """
        if not self.ok:
            raise BlockedError(self._report["why"] or self._native.sentence(), self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the outcomes as an Arrow stream."""
        return self._native.__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> pa.Table:
        """Convert to a ``pyarrow.Table``; needs pyarrow 14 or later."""
        return _arrow.reader(self).read_all()

    def to_polars(self) -> pl.DataFrame:
        """Convert to a ``polars.DataFrame``; needs polars alone."""
        import polars as pl

        return pl.DataFrame(self)

    def to_pandas(self) -> pd.DataFrame:
        """Convert to a ``pandas.DataFrame``; needs pandas alone."""
        import pandas as pd

        return pd.DataFrame([_row(outcome) for outcome in self.outcomes], columns=COLUMNS)

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report in the JSON form that ``docs/report.md`` describes."""
        report: dict[str, Any] = json.loads(self._native.json())
        return report

    def to_great_expectations_result(self) -> dict[str, Any]:
        """Return the outcomes as a validation result of GX Core 1.x; see :mod:`rollshare.quality`."""
        from .quality import validation_result

        return validation_result(self)

    def to_html(self) -> str:
        """Return the report as one self-contained HTML page."""
        return self._native.html()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}: {self._native.sentence()}"]
        for outcome, sentence in zip(self.outcomes, self._native.sentences()):
            if outcome["status"] in ("warn", "fail") or outcome["could_not_run"]:
                lines.append(f"  {outcome['status']:<8} {outcome['check']:<18} {sentence}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(o['status'].replace('_', ' '))}</td><td>{escape(o['check'])}</td>"
            f"<td style='text-align:left'>{escape(sentence)}</td></tr>"
            for o, sentence in zip(self.outcomes, self._native.sentences())
            if o["status"] in ("warn", "fail") or o["could_not_run"]
        )
        head = "<thead><tr><th>status</th><th>check</th><th>what</th></tr></thead>"
        table = f"<table>{head}<tbody>{rows}</tbody></table>" if rows else ""
        return f"<div><p><b>{escape(self._native.sentence())}</b></p>{table}</div>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), self._native.json(), self._native.sums()))


class RunResult(CheckResults):
    """The result of a run: its table in ``shares``, and the outcomes of its checks as a frame.

    Examples
    --------
    >>> result = rollshare.run(sample, folder / "share.parquet")
    >>> result.state, result.account["rows"]
    ('published', 9000)
    >>> result.shares == rollshare.read_parquet(sample)
    True

    """

    @property
    def run(self) -> str:
        """The name of the run."""
        name: str = self._report["run"]
        return name

    @property
    def state(self) -> Literal["published", "blocked", "computed", "promoted"]:
        """Whether the table was published, blocked, only computed, or promoted."""
        state: Literal["published", "blocked", "computed", "promoted"] = self._report["state"]
        return state

    @cached_property
    def shares(self) -> Shares | None:
        """The table, also of a blocked run; ``None`` where the rows could not be summed."""
        return self._native.shares()

    @property
    def account(self) -> dict[str, int] | None:
        """Rows of the input by outcome; ``None`` where they could not be summed."""
        account: dict[str, int] | None = self._report["account"]
        return account

    @property
    def places(self) -> dict[str, str | None]:
        """Locations of the files of the run: ``report``, ``page``, ``history``, ``quarantined``, ``kept``."""
        places: dict[str, str | None] = self._report["places"]
        return places

    @property
    def not_kept(self) -> list[dict[str, str]]:
        """What could not be written beside the target after it was replaced: dicts with ``what`` and ``why``.

        The table is published all the same. If ``what`` is ``"history"``, the next run is compared with older
        sums.
        """
        not_kept: list[dict[str, str]] = self._report["not_kept"]
        return not_kept

    @property
    def exit_code(self) -> int:
        """The exit code of ``rollshare run``: 0, or 7 where the history was not kept.

        A run that is blocked raises ``BlockedError``, which has its code, 4 or 5.
        """
        return self._native.run_exit_code()

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one HTML page."""
        from pathlib import Path

        Path(path).write_text(self.to_html(), encoding="utf-8")


COLUMNS = [
    "check",
    "stage",
    "status",
    "severity",
    "observed",
    "unit",
    "n",
    "warn_count",
    "warn_fraction",
    "block_count",
    "block_fraction",
    "bounds_from",
    "title",
    "finding",
    "note",
    "offenders",
    "could_not_run",
]


def _row(outcome: dict[str, Any]) -> dict[str, Any]:
    bounds = outcome["bounds"]

    def limit(which: str, part: str) -> float | None:
        value: float | None = (bounds.get(which) or {}).get(part)
        return value

    return {
        **{name: outcome[name] for name in COLUMNS if name in outcome},
        "stage": _stages().get(outcome["check"]),
        "warn_count": limit("warn", "count"),
        "warn_fraction": limit("warn", "fraction"),
        "block_count": limit("block", "count"),
        "block_fraction": limit("block", "fraction"),
        "bounds_from": bounds["origin"],
        "offenders": [offender(o) for o in outcome["offenders"]],
    }


def offender(of: dict[str, Any]) -> str:
    """An offender as text, as the program prints it."""
    file = f"{of['file']} " if of.get("file") else ""
    row = f"row {of['row']}: " if of.get("row") is not None else ""
    return f"{file}{row}{of['value']}"


@lru_cache(maxsize=1)
def _stages() -> dict[str, str]:
    return {check["check"]: check["stage"] for check in json.loads(_rollshare.declared_checks())["checks"]}


def _restore(kind: type[CheckResults], text: str, sums: bytes | None = None) -> CheckResults:
    return kind(_rollshare.Report.from_json(text, sums))
