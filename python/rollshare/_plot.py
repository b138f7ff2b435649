"""The plot of the share per key over time."""

from __future__ import annotations

from matplotlib.figure import Figure

from . import _display
from ._display import COLOURS, key_columns
from ._errors import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ._shares import Shares

#: The most panels where `countries` is not given.
PANELS = 24


class Picture(Figure):
    """A figure that a notebook shows, also one that has not loaded pyplot."""

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        png = BytesIO()
        self.savefig(png, format="png")
        return png.getvalue()


def _lines(
    axis: Any,
    lines: dict[tuple[str, ...], list[dict[str, Any]]],
    name: str,
    colours: dict[Any, str],
    week_start: int,
) -> None:
    """Draw the lines of one panel."""
    nan = float("nan")
    for rest, points in lines.items():
        colour = colours[rest]
        days = [_display.first_day(row, week_start) for row in points]
        values = [nan if row[name] is None else row[name] for row in points]
        # A value between two nulls has no line: it is drawn as a dot.
        lone = [
            at
            for at, value in enumerate(values)
            if value == value
            and (at == 0 or values[at - 1] != values[at - 1])
            and (at + 1 == len(values) or values[at + 1] != values[at + 1])
        ]
        axis.plot(days, values, color=colour, linewidth=1.6, label=", ".join(rest))
        axis.plot([days[at] for at in lone], [values[at] for at in lone], "o", color=colour, markersize=3)
        if name + "_low" in points[0]:
            low, high = (
                [nan if row[name + end] is None else row[name + end] for row in points]
                for end in ("_low", "_high")
            )
            axis.fill_between(days, low, high, color=colour, alpha=0.22, linewidth=0)
            # A dot has no band either: its bounds are drawn as a bar.
            ends = [[edge[at] for at in lone] for edge in (low, high)]
            axis.vlines([days[at] for at in lone], *ends, color=colour, alpha=0.35, linewidth=3)


def draw(
    shares: Shares, window: int | None, countries: Sequence[str] | None, figure: Figure | None
) -> Figure:
    """See :meth:`Shares.plot`."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import PercentFormatter

    job = shares.job
    window = job.windows[0] if window is None else window
    if window not in job.windows:
        raise ArgumentError(f"window {window}; expected one of {', '.join(map(str, job.windows))}")
    of = "" if job.share_of == "channel" else "organic_"
    name = f"share_{of}p{window}{job.grain[0]}"
    keys = key_columns(job)
    # One panel for each member of the first dimension, one line for each of the others.
    series: dict[str, dict[tuple[str, ...], list[dict[str, Any]]]] = {}
    for row in shares.to_dicts():
        key = [row[column] for column in keys] or ["all"]
        # Legacy semantics have rows without a country or a week.
        if None not in key and _display.is_dated(row):
            series.setdefault(key[0], {}).setdefault(tuple(key[1:]), []).append(row)
    # The panels of most users come first.
    members = [key[0] if key else "all" for key in _display.by_users(shares, 1)]
    shown = [member for member in members if member in series] if countries is None else list(countries)
    shown = shown[:PANELS] if countries is None else shown
    for member in shown:
        if member not in series:
            raise ArgumentError(
                f"{keys[0] if keys else 'member'} '{member}'; expected one of {', '.join(series)}"
            )
    others = sorted({rest for member in shown for rest in series[member]})
    colours = {rest: COLOURS[at % len(COLOURS)] for at, rest in enumerate(others)}

    across = min(3, max(1, len(shown)))
    down = -(-len(shown) // across) or 1
    figure = figure or Picture(figsize=(4.2 * across, 2.3 * down + 0.6), layout="constrained")
    week_start = _display.week_start(job)
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
    for axis, member in zip(axes, shown):
        _lines(axis, series[member], name, colours, week_start)
        axis.set_title(member, loc="left", fontsize=10, fontweight="bold")
        axis.set_ylim(0, 1)
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
        locator = AutoDateLocator(minticks=2, maxticks=6)  # type: ignore[no-untyped-call]
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    # The last panel of each column has the labels of the time axis.
    for axis in axes[max(len(shown) - across, 0) : len(shown)]:
        axis.tick_params(labelbottom=True)
    bounds = ", 95 % bounds" if job.details else ""
    left_out = len(series) - len(shown)
    more = f" (the {len(shown)} with most users, {left_out} more)" if left_out and countries is None else ""
    if len(others) > 1:
        handles = [
            axes[0].plot([], [], color=colours[rest], label=", ".join(rest))[0]
            for rest in others[: len(COLOURS)]
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), fontsize=8)
    title = _display.what(job, window)
    figure.suptitle(f"{title[0].upper()}{title[1:]}{bounds}{more}", fontsize=11)
    return figure
