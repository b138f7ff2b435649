"""The table as text for a prompt, and as HTML with a small chart for a notebook."""

from __future__ import annotations

from . import _rollshare
from ._errors import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import date
    from typing import Any

    from . import Job
    from ._shares import Shares

#: Number of rows shown at the top and at the bottom.
HEAD = 5
#: Number of lines in the chart.
LINES = 6
#: Weekdays, from Monday on.
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: Colours that are legible on a light and on a dark page.
COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7")


def key_columns(job: Job) -> list[str]:
    """The columns of the table's key."""
    return [*job.by, *(["channel"] if job.share_of == "channel" else [])]


def _rows(shares: Shares) -> list[dict[str, Any] | None]:
    """The first and last rows, with ``None`` between them where rows are left out."""
    n = len(shares)
    native = shares._native
    if n <= 2 * HEAD:
        return [*native.dicts()]
    return [*native.dicts(0, HEAD), None, *native.dicts(n - HEAD, n)]


def _cell(value: Any, share: bool) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if share else f"{value:g}"
    return _rollshare.escape_name(str(value))


def _share(name: str) -> bool:
    return name.startswith("share_")


def first_day(row: dict[str, Any], week_start: int = 0) -> date:
    """The day at which a row is drawn: its date, or the first day of its week or month."""
    from datetime import date, timedelta

    if "date" in row:
        of_row: date = row["date"]
        return of_row
    if "month" in row:
        return date(row["year"], row["month"], 1)
    year, week = row["year"], row["week"]
    # Not `fromisocalendar`: legacy semantics have a week 0.
    january = date(year, 1, 4)
    monday = january - timedelta(days=january.weekday()) + timedelta(weeks=week - 1)
    # A week has the number of the ISO week of the Monday in it.
    return monday - timedelta(days=-week_start % 7)


def week_start(job: Job) -> int:
    """The first day of the job's weeks, counted from Monday."""
    name = job.profile.to_dict().get("time", {}).get("week_start", "monday")
    return WEEKDAYS.index(name)


def period(row: dict[str, Any]) -> str:
    """The period of a row: ``2021-W05``, ``2021-02-01`` or ``2021-02``."""
    if "date" in row:
        return str(row["date"])
    if "month" in row:
        return f"{row['year']}-{row['month']:02}"
    return f"{row['year']}-W{row['week']:02}"


def is_dated(row: dict[str, Any]) -> bool:
    """Whether a row has a period: legacy semantics have rows without one."""
    return row.get("year", 1) is not None and row.get("week", 1) is not None


def by_users(shares: Shares, columns: int | None = None) -> list[tuple[str, ...]]:
    """The keys of the table, those with most users first; of the first ``columns`` columns of the key."""
    totals: dict[tuple[str, ...], float] = {}
    for key, users in shares._native.users():
        part = tuple(key[:columns])
        totals[part] = totals.get(part, 0.0) + users
    return sorted(totals, key=lambda key: (-totals[key], key))


def share_column(shares: Shares) -> str | None:
    """The share of the shortest window."""
    return next((name for name in shares.columns if _share(name)), None)


def what(job: Job, window: int | None = None) -> str:
    """What a share is, in words: ``share of organic users over 4 weeks``."""
    window = job.windows[0] if window is None else window
    of = "each channel" if job.share_of == "channel" else "organic users"
    return f"share of {of} over {window} {job.grain}{'s' if window > 1 else ''}"


def _title(shares: Shares) -> str:
    account = shares.account
    keys = key_columns(shares.job)
    by = f" by {', '.join(map(_rollshare.escape_name, keys))}" if keys else ""
    return f"Shares{by}: {len(shares)} rows, from {account['rows']} rows ({account['kept']} kept)"


def text(shares: Shares) -> str:
    """The table as text, without its middle rows."""
    columns = shares.columns
    lines = [[_rollshare.escape_name(column) for column in columns]]
    for row in _rows(shares):
        lines.append(["..."] * len(columns) if row is None else [_cell(row[c], _share(c)) for c in columns])
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    left = {columns.index(name) for name in key_columns(shares.job) if name in columns}

    def pad(line: list[str]) -> str:
        cells = (
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths))
        )
        return "  ".join(cells).rstrip()

    return "\n".join([_title(shares), *map(pad, lines)])


def html(shares: Shares) -> str:
    """The table as HTML, without its middle rows, and a chart with one line for each key."""
    from html import escape

    columns = shares.columns
    head = "".join(f"<th>{escape(_rollshare.escape_name(c))}</th>" for c in columns)
    body = []
    for row in _rows(shares):
        cells = ("&hellip;" if row is None else escape(_cell(row[c], _share(c))) for c in columns)
        body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return (
        f"<div><p>{escape(_title(shares))}</p>{svg(shares)}"
        f"<table style='color:inherit'><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def wide(shares: Shares, column: str | None) -> Any:
    """See :meth:`Shares.wide`."""
    import pandas as pd

    job = shares.job
    if job.semantics == "legacy":
        raise ArgumentError("a wide table of legacy semantics, whose weeks may overlap; expected iso")
    column = column or share_column(shares)
    if column not in shares.columns:
        raise ArgumentError(f"no column '{column}'; expected one of {', '.join(shares.columns)}")
    index = "date" if job.grain == "day" else f"{job.grain}_start"
    start = week_start(job)
    days = pd.to_datetime([first_day(row, start) for row in shares])
    keys = key_columns(job)
    frame = shares.to_pandas()[[*keys, column]].assign(**{index: days})
    if not keys:
        return frame.set_index(index)
    table = frame.pivot(index=index, columns=keys if len(keys) > 1 else keys[0], values=column)
    order = [key if len(keys) > 1 else key[0] for key in by_users(shares)]
    return table[[key for key in order if key in table.columns]]


def svg(shares: Shares, width: int = 560, height: int = 160) -> str:
    """A chart of the first share column, for the keys with most users. Lines break at nulls.

    Text and axes have the colour of the page's text, so that they are legible on any theme.
    """
    from html import escape

    column = share_column(shares)
    if column is None or len(shares) == 0:
        return ""
    keys = key_columns(shares.job)
    series: dict[tuple[str, ...], dict[str, float | None]] = {}
    for row in shares._native.dicts(0, 200_000):
        if is_dated(row):
            series.setdefault(tuple(row[name] or "" for name in keys), {})[period(row)] = row[column]
    points = sorted({point for values in series.values() for point in values})
    if not points:
        return ""
    order = [key for key in by_users(shares) if key in series]
    shown = (order or sorted(series))[:LINES]
    left, right, top, bottom = 42, width - 10, 8, height - 22
    across, down = (right - left) / max(len(points) - 1, 1), bottom - top
    place = {point: left + at * across for at, point in enumerate(points)}
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * down
        parts.append(
            f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" opacity="0.25"/>'
            f'<text x="{left - 5}" y="{y + 3.5:.1f}" text-anchor="end">{share:.0%}</text>'
        )
    ends = {0: "start", (len(points) - 1) // 2: "middle", len(points) - 1: "end"}
    for at, anchor in ends.items():
        x = place[points[at]]
        parts.append(f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="{anchor}">{points[at]}</text>')
    names = [", ".join(map(_rollshare.escape_name, key)) or "all users" for key in shown]
    for key, name, colour in zip(shown, names, COLOURS):
        # Runs of values without a null; a run of one value is drawn as a dot.
        runs: list[list[str]] = [[]]
        for point in points:
            value = series[key].get(point)
            if value is None or not 0.0 <= value <= 1.0:
                runs.append([])
            else:
                runs[-1].append(f"{place[point]:.1f},{bottom - value * down:.1f}")
        lines = "".join("M" + "L".join(run) for run in runs if len(run) > 1)
        title = f"<title>{escape(name)}</title>"
        parts.append(f'<path d="{lines}" fill="none" stroke="{colour}" stroke-width="1.5">{title}</path>')
        for run in runs:
            if len(run) == 1:
                x_y = run[0].split(",")
                parts.append(f'<circle cx="{x_y[0]}" cy="{x_y[1]}" r="2" fill="{colour}">{title}</circle>')
    legend = " ".join(
        f'<span style="white-space:nowrap"><span style="color:{colour}">&#9632;</span> {escape(name)}</span>'
        for name, colour in zip(names, COLOURS)
    )
    words = what(shares.job)
    of = f", {len(shown)} of {len(order)}, those with most users" if len(order) > len(shown) else ""
    caption = f"{words[0].upper()}{words[1:]}, {points[0]} to {points[-1]}{of}"
    return (
        f"<div>{escape(caption)}</div>"
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(caption)}" font-size="11" fill="currentColor">{"".join(parts)}</svg>'
        f"<div>{legend}</div>"
    )
