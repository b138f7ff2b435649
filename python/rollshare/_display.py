"""The table as text for a prompt, and as HTML with a small chart for a notebook."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import Job
    from ._shares import Shares

#: Number of rows shown at the top and at the bottom.
HEAD = 5
#: Number of lines in the chart.
LINES = 6
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
    return str(value)


def _share(name: str) -> bool:
    return name.startswith("share_")


def _title(shares: Shares) -> str:
    account = shares.account
    return f"Shares: {len(shares)} rows, from {account['rows']} rows ({account['kept']} kept)"


def text(shares: Shares) -> str:
    """The table as text, without its middle rows."""
    columns = shares.columns
    lines = [columns]
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
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = []
    for row in _rows(shares):
        cells = ("&hellip;" if row is None else escape(_cell(row[c], _share(c))) for c in columns)
        body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return (
        f"<div><p>{escape(_title(shares))}</p>{svg(shares)}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def svg(shares: Shares, width: int = 480, height: int = 120) -> str:
    """A chart of the first share column, for the keys with the most values. Lines break at nulls."""
    from html import escape

    column = next((c for c in shares.columns if _share(c)), None)
    if column is None or len(shares) == 0:
        return ""
    keys = key_columns(shares.job)
    series: dict[str, list[tuple[tuple[int, int], float | None]]] = {}
    for row in shares._native.dicts(0, 200_000):
        if "date" in row:
            point = (row["date"].toordinal(), 0)
        else:
            point = (row["year"] or 0, row.get("week", row.get("month")) or 0)
        key = ", ".join(row[name] or "" for name in keys)
        series.setdefault(key, []).append((point, row[column]))
    points = sorted({point for values in series.values() for point, _ in values})
    place = {point: at for at, point in enumerate(points)}
    step = (width - 20) / max(len(points) - 1, 1)

    def filled(key: str) -> int:
        return sum(value is not None for _, value in series[key])

    shown = sorted(sorted(series), key=filled, reverse=True)[:LINES]
    parts = []
    for country, colour in zip(shown, COLOURS):
        # Runs of values without a null; a run of one value is drawn as a dot.
        runs: list[list[str]] = [[]]
        for point, value in series[country]:
            if value is None or not 0.0 <= value <= 1.0:
                runs.append([])
            else:
                at = f"{10 + place[point] * step:.1f},{height - 10 - value * (height - 20):.1f}"
                runs[-1].append(at)
        lines = "".join("M" + "L".join(run) for run in runs if len(run) > 1)
        title = f"<title>{escape(country)}</title>"
        parts.append(f'<path d="{lines}" fill="none" stroke="{colour}" stroke-width="1.5">{title}</path>')
        for run in runs:
            if len(run) == 1:
                x, y = run[0].split(",")
                parts.append(f'<circle cx="{x}" cy="{y}" r="2" fill="{colour}">{title}</circle>')
    legend = " ".join(
        f'<tspan fill="{colour}">{escape(country)}</tspan>' for country, colour in zip(shown, COLOURS)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + 18}" '
        f'role="img" aria-label="{escape(column)}">'
        f'<rect x="10" y="10" width="{width - 20}" height="{height - 20}" fill="none" stroke="#ccc"/>'
        f'{"".join(parts)}<text x="10" y="{height + 12}" font-size="11">'
        f"{escape(column)}: {legend}</text></svg>"
    )
