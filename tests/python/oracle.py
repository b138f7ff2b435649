"""The reference result, computed in the simplest way with dicts and fractions."""

from __future__ import annotations

import math
from datetime import date, timedelta
from fractions import Fraction


def monday(label: str) -> date:
    """The Monday of a label ``yyyy_ww``."""
    year, week = label.split("_")
    return date.fromisocalendar(int(year), int(week), 1)


def shares(
    rows: list[dict[str, object]], windows: list[int], details: bool = False
) -> list[dict[str, object]]:
    """The table of iso semantics, with the two sums if ``details``; a value is a number or None."""
    # Total rows over systems alone count where there are any.
    totals = [r for r in rows if r["os_name"] == "all"]
    kept = [r for r in totals or rows if r["country"] not in ("ALL", None)]
    if not kept:
        return []
    sums: dict[tuple[str, date, bool], Fraction] = {}
    for row in kept:
        value = row["value"]
        if row["name"] is None or value is None or not math.isfinite(value):
            continue
        key = (row["country"], monday(row["year_week"]), row["name"] == "Organic")
        sums[key] = sums.get(key, Fraction(0)) + Fraction(value)
    mondays = [monday(r["year_week"]) for r in kept]
    table = []
    for country in sorted({r["country"] for r in kept}):
        day = min(mondays)
        while day <= max(mondays):
            year, week, _ = day.isocalendar()
            line: dict[str, object] = {"year": year, "week": week, "country": country}
            for n in windows:
                days = [day - timedelta(weeks=back) for back in range(n)]
                organic = sum(sums.get((country, d, True), Fraction(0)) for d in days)
                total = organic + sum(sums.get((country, d, False), Fraction(0)) for d in days)
                share = None if float(total) == 0 else float(organic) / float(total)
                line[f"share_organic_p{n}w"] = share
                if details:
                    line[f"organic_p{n}w"] = float(organic)
                    line[f"nonorganic_p{n}w"] = float(total - organic)
            table.append(line)
            day += timedelta(weeks=1)
    return table
