"""Random rows of an export, as lists of columns. The same seed gives the same rows."""

from __future__ import annotations

import struct
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

TEXT = ("name", "year_week", "country", "os_name")
INTEGERS = {f"{sign}int{bits}": (sign, bits) for sign in ("", "u") for bits in (8, 16, 32, 64)}
DECIMALS = {"decimal(9,2)": (9, 2), "decimal(18,4)": (18, 4), "decimal(38,10)": (38, 10)}
FLOATS = ("float", "double")

SYSTEMS = ["ios", "android", "web", "", "ALL", "All", "alle", "al", "windows phone with a long name é"]
COUNTRIES = ["ALL", "DE", "FR", "GB", "US", "", "all", "Côte d'Ivoire", "日本", "A, B", 'quoted "X"', "ALL "]
CHANNELS = ["Organic", "organic", "Organic ", "Google Ads", "Paid, social", "", "é" * 40, "x" * 300, "all"]

# The table has one row per country and week, and the oracle sums each window again.
MOST_CELLS = 3000


def columns(random: Random, kinds: list[str], most_rows: int) -> dict[str, Any]:
    """The type of the value column (``kind``) and the columns, by name, each a list of the same length."""
    rows = random.choice([0, 1, 2, 7, 8, 9]) if random.random() < 0.1 else int(most_rows ** random.random())
    if random.random() < 0.1:
        rows = random.randint(0, most_rows)
    kind = random.choice(kinds)
    countries = pool(random, COUNTRIES, "Country", 300)
    systems = pool(random, SYSTEMS, "system", 40)
    weeks = labels(random, random.randint(1, min(160, max(1, MOST_CELLS // len(countries)))))
    share = random.choice([0.02, 0.2, 0.5, 0.9, 1.0])
    table: dict[str, list[Any]] = {
        "name": draw(random, pool(random, CHANNELS, "Channel", 5000), rows),
        "value": numbers(random, kind, rows),
        "year_week": draw(random, weeks, rows),
        "country": draw(random, countries, rows),
        "os_name": ["all" if random.random() < share else random.choice(systems) for _ in range(rows)],
    }
    for name in table:
        if name != "year_week":
            add_nulls(random, table[name])
    if random.random() < 0.3:
        # Rows that do not count may hold anything in the week.
        for row in range(rows):
            if table["os_name"][row] != "all" and random.random() < 0.3:
                table["year_week"][row] = random.choice([None, "", "2021", "week 7", "2021_99"])
    sort(random, table)
    return {"kind": kind, "columns": table}


def pool(random: Random, special: list[str], prefix: str, most: int) -> list[str]:
    """Some of the special texts; at times many more, so that a dictionary outgrows its limit."""
    texts = random.sample(special, random.randint(1, len(special)))
    if random.random() < 0.3:
        tail = "-" * random.choice([0, 0, 5, 60])
        texts += [f"{prefix} {i}{tail}" for i in range(int(most ** random.random()))]
    return texts


def labels(random: Random, count: int) -> list[str]:
    """Labels of ``count`` weeks in a row, or of some of them."""
    first = date(2012, 1, 2) + timedelta(weeks=random.randint(0, 700))
    weeks = ["{:04}_{:02}".format(*(first + timedelta(weeks=i)).isocalendar()[:2]) for i in range(count)]
    return weeks if random.random() < 0.5 else random.sample(weeks, random.randint(1, count))


def draw(random: Random, texts: list[str], rows: int) -> list[Any]:
    if random.random() < 0.3:  # a few texts fill most rows
        texts = texts + texts[: random.randint(1, len(texts))] * 20
    return [random.choice(texts) for _ in range(rows)]


def add_nulls(random: Random, values: list[Any]) -> None:
    """Nulls in random rows, in one stretch of rows, or in all."""
    how = random.random()
    if how < 0.4 or not values:
        return
    rate = random.choice([0.003, 0.05, 0.3, 0.9])
    if how < 0.8:
        chosen: Any = (row for row in range(len(values)) if random.random() < rate)
    elif how < 0.97:
        start = random.randrange(len(values))
        chosen = range(start, min(len(values), start + 1 + int(rate * len(values))))
    else:
        chosen = range(len(values))
    for row in chosen:
        values[row] = None


def numbers(random: Random, kind: str, rows: int) -> list[Any]:
    """Numbers that the type holds exactly. Decimals are text, as are NaN and infinite values."""
    shape = random.choice(["counts", "counts", "constant", "distinct", "rising", "wide"])
    if kind in FLOATS:
        return floats(random, kind, shape, rows)
    if kind in INTEGERS:
        sign, bits = INTEGERS[kind]
        low, high = (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    else:
        # Sums of more than 38 digits are an error of the program.
        high = 10 ** min(33, DECIMALS[kind][0]) - 1
        low = -high
    constant = random.randint(0, min(high, 10**6))
    units = {
        "counts": lambda row: random.randint(0, min(high, 3000)),
        "constant": lambda row: constant,
        "distinct": lambda row: random.randint(0, min(high, 2**40)),
        "rising": lambda row: min(high, constant + row * 3),
        "wide": lambda row: random.choice([low, high, 0, random.randint(low, high)]),
    }[shape]
    values = [units(row) for row in range(rows)]
    if kind in DECIMALS:
        return [decimal(value, DECIMALS[kind][1]) for value in values]
    return values


def floats(random: Random, kind: str, shape: str, rows: int) -> list[Any]:
    values: list[Any]
    if shape == "counts":
        values = [float(random.randint(0, 3000)) for _ in range(rows)]
    elif shape == "wide":
        values = [random.choice([-1, 1]) * 10 ** random.uniform(-30, 30) for _ in range(rows)]
    else:
        values = [random.uniform(0, 1e6) for _ in range(rows)]
    if kind == "float":
        values = [struct.unpack("f", struct.pack("f", value))[0] for value in values]
    if random.random() < 0.2:
        odd = ["NaN", "Infinity", "-Infinity", -0.0]
        values = [random.choice(odd) if random.random() < 0.05 else value for value in values]
    return values


def decimal(units: int, scale: int) -> str:
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // 10**scale}.{abs(units) % 10**scale:0{scale}}"


def sort(random: Random, table: dict[str, list[Any]]) -> None:
    keys = random.choice([
        [], [], ["os_name"], ["os_name", "country"], ["country", "year_week"], ["year_week"], ["name"],
        ["os_name", "country", "year_week", "name"],
    ])  # fmt: skip
    rows = len(table["name"])
    order = sorted(
        range(rows), key=lambda row: [(table[k][row] is not None, table[k][row] or "") for k in keys]
    )
    if keys and rows and random.random() < 0.3:  # sorted stretches in another order
        size = random.randint(1, rows)
        stretches = [order[i : i + size] for i in range(0, rows, size)]
        random.shuffle(stretches)
        order = [row for stretch in stretches for row in stretch]
    if keys and random.random() < 0.2:
        order.reverse()
    for name, values in table.items():
        table[name] = [values[row] for row in order]


def number(kind: str, value: Any) -> Any:
    """A value as the oracle takes it."""
    if value is None:
        return None
    if kind in FLOATS:
        return float(value)
    return Decimal(value) if kind in DECIMALS else value


def records(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows as the oracle takes them."""
    kind, lists = table["kind"], table["columns"]
    names = list(lists)
    lists = {**lists, "value": [number(kind, value) for value in lists["value"]]}
    return [dict(zip(names, row)) for row in zip(*lists.values())]
