"""Draws the share table: CSV of `rollshare run --details --target -` in, SVG out.

    rollshare sample --rows 9330 --out sample.parquet
    rollshare run --source sample.parquet --details --target - | python3 docs/picture.py > docs/share.svg

Lines are the share of organic users over four weeks, bands its Wilson 95 %
bounds; where a window has no users there is no share, and no line.
"""

import csv
import sys

WIDTH, HEIGHT = 860, 340
LEFT, RIGHT, TOP, BOTTOM = 54, 60, 46, 34
COLOURS = ["#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94"]


def read(stream):
    """Weeks in order, and per country (share, low, high) or None a week."""
    weeks, countries = [], {}
    for row in csv.DictReader(stream):
        week = (int(row["year"]), int(row["week"]))
        if week not in weeks:
            weeks.append(week)
        share = row["share_organic_p4w"]
        bounds = (share, row["share_organic_p4w_low"], row["share_organic_p4w_high"])
        point = tuple(map(float, bounds)) if share else None
        countries.setdefault(row["country"], []).append(point)
    return weeks, countries


def stretches(points):
    """Runs of weeks that have a share, as (week number, point) lists."""
    run = []
    for at, point in enumerate([*points, None]):
        if point is not None:
            run.append((at, point))
        elif run:
            yield run
            run = []


def draw(weeks, countries):
    step = (WIDTH - LEFT - RIGHT) / max(1, len(weeks) - 1)

    def x(at):
        return LEFT + at * step

    def y(share):
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img">'
    )
    yield "<title>Share of organic users over four weeks, per country, with Wilson 95 % bounds</title>"
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>'
    yield (
        f'<text x="{LEFT}" y="24" font-size="14" fill="#222">Share of organic users, rolling four '
        "ISO weeks, with Wilson 95 % bounds (generated sample)</text>"
    )
    for percent in range(0, 101, 25):
        at = y(percent / 100)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e4e4e4"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" fill="#666">{percent} %</text>'
    for at, (year, week) in enumerate(weeks):
        if at % 10 == 0 or (week == 53 and at % 10 not in (1, 9)):
            yield (
                f'<text x="{x(at):.1f}" y="{HEIGHT - 12}" text-anchor="middle" fill="#666">'
                f"{year}-W{week:02}</text>"
            )
    for (name, points), colour in zip(countries.items(), COLOURS):
        for run in stretches(points):
            top = [f"{x(at):.1f},{y(high):.1f}" for at, (_, _, high) in run]
            bottom = [f"{x(at):.1f},{y(low):.1f}" for at, (_, low, _) in reversed(run)]
            yield f'<polygon points="{" ".join(top + bottom)}" fill="{colour}" fill-opacity="0.14"/>'
            line = [f"{x(at):.1f},{y(share):.1f}" for at, (share, _, _) in run]
            if len(line) == 1:
                cx, cy = line[0].split(",")
                yield f'<circle cx="{cx}" cy="{cy}" r="2.5" fill="{colour}"/>'
            else:
                yield f'<polyline points="{" ".join(line)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        at, (share, _, _) = [(at, p) for at, p in enumerate(points) if p is not None][-1]
        yield f'<text x="{x(at) + 8:.1f}" y="{y(share) + 4:.1f}" fill="{colour}">{name}</text>'
    yield "</svg>"


if __name__ == "__main__":
    print("\n".join(draw(*read(sys.stdin))))
