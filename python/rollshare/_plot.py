"""The plot of the share per country over time."""

from __future__ import annotations

from ._errors import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from matplotlib.figure import Figure

    from ._shares import Shares

#: The most panels where `countries` is not given.
PANELS = 24


def _day(row: dict[str, Any]) -> Any:
    """The day at which a row is drawn: its date, or the Monday of its week."""
    from datetime import date, timedelta

    if "date" in row:
        return row["date"]
    year, week = row["year"], row["week"]
    # Not `fromisocalendar`: legacy semantics have a week 0.
    january = date(year, 1, 4)
    return january - timedelta(days=january.weekday()) + timedelta(weeks=week - 1)


def draw(
    shares: Shares, window: int | None, countries: Sequence[str] | None, figure: Figure | None
) -> Figure:
    """See :meth:`Shares.plot`."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure as NewFigure
    from matplotlib.ticker import PercentFormatter

    job = shares.job
    window = job.windows[0] if window is None else window
    if window not in job.windows:
        raise ArgumentError(f"window {window}; expected one of {', '.join(map(str, job.windows))}")
    name = f"share_organic_p{window}{job.grain[0]}"
    rows = [row for row in shares.to_dicts() if row["country"] is not None and row.get("year", 1) is not None]
    series: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        series.setdefault(row["country"], []).append(row)
    shown = list(series)[:PANELS] if countries is None else list(countries)
    for country in shown:
        if country not in series:
            raise ArgumentError(f"country '{country}'; expected one of {', '.join(series)}")

    across = min(3, max(1, len(shown)))
    down = -(-len(shown) // across) or 1
    figure = figure or NewFigure(figsize=(4.2 * across, 2.3 * down + 0.6), layout="constrained")
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
    for axis, country in zip(axes, shown):
        points = series[country]
        days = [_day(row) for row in points]
        nan = float("nan")
        values = [nan if row[name] is None else row[name] for row in points]
        if name + "_low" in points[0]:
            low = [nan if row[name + "_low"] is None else row[name + "_low"] for row in points]
            high = [nan if row[name + "_high"] is None else row[name + "_high"] for row in points]
            axis.fill_between(days, low, high, color="#4269d0", alpha=0.22, linewidth=0)
        # A value between two nulls has no line: it is drawn as a dot.
        lone = [
            at
            for at, value in enumerate(values)
            if value == value
            and (at == 0 or values[at - 1] != values[at - 1])
            and (at + 1 == len(values) or values[at + 1] != values[at + 1])
        ]
        axis.plot(days, values, color="#4269d0", linewidth=1.6)
        axis.plot([days[at] for at in lone], [values[at] for at in lone], "o", color="#4269d0", markersize=3)
        if name + "_low" in points[0]:
            # It has no band either: its bounds are drawn as a bar.
            ends = [[edge[at] for at in lone] for edge in (low, high)]
            axis.vlines([days[at] for at in lone], *ends, color="#4269d0", alpha=0.35, linewidth=3)
        axis.set_title(country, loc="left", fontsize=10, fontweight="bold")
        axis.set_ylim(0, 1)
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
        locator = AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    # The last panel of each column has the labels of the time axis.
    for axis in axes[max(len(shown) - across, 0) : len(shown)]:
        axis.tick_params(labelbottom=True)
    unit = job.grain + ("s" if window > 1 else "")
    bounds = ", 95 % bounds" if job.details else ""
    left_out = len(series) - len(shown)
    more = f" ({left_out} countries not shown)" if left_out and countries is None else ""
    figure.suptitle(f"Share of organic users over {window} {unit}{bounds}{more}", fontsize=11)
    return figure
