"""Files of Polars."""

from __future__ import annotations

import inspect
from functools import cache
from io import BytesIO
from random import Random
from typing import Any

import polars as pl
from write import DECIMALS, INTEGERS, Rows

TYPES: dict[str, Any] = {"float": pl.Float32, "double": pl.Float64}
for kind in INTEGERS:
    TYPES[kind] = getattr(pl, f"UInt{kind[4:]}" if kind.startswith("u") else f"Int{kind[3:]}")


def version() -> str:
    return str(pl.__version__)


def write(rows: Rows, target: str, random: Random) -> dict[str, Any]:
    shapes, columns = {}, []
    for name in rows.order(random):
        if name == "tags":
            column = pl.Series(
                name, [["a", "b"][: row % 3] for row in range(len(rows))], dtype=pl.List(pl.Utf8)
            )
        elif name == "start_date":
            column = pl.Series(name, [18659] * len(rows), dtype=pl.Int32).cast(pl.Date)
        elif name == "value":
            type_ = TYPES.get(rows.kind) or pl.Decimal(*DECIMALS[rows.kind])
            column = pl.Series(name, rows.columns[name], dtype=type_)
        else:
            column = pl.Series(name, rows.columns[name], dtype=pl.Utf8)
            if random.random() < 0.3:
                shapes[name] = "categorical"
                column = column.cast(pl.Categorical)
        columns.append(column)
    frame = pl.DataFrame(columns)
    if random.random() < 0.3 and len(rows) > 1 and not shapes:  # several chunks
        cut = random.randint(1, len(rows) - 1)
        frame = pl.concat([frame[:cut], frame[cut:]], rechunk=False)
    options: dict[str, Any] = {
        "compression": random.choice(codecs()),
        "statistics": random.choice([True, False, "full"]),
        "row_group_size": random.choice([None, max(1, len(rows) // 3), 100, 1000, 5000]),
        "data_page_size": random.choice([None, 16, 300, 5000, 100000]),
    }
    if options["row_group_size"] and len(rows) / options["row_group_size"] > 200:
        options["row_group_size"] = 1000
    if options["statistics"] == "full" and pl.__version__.startswith("0."):
        options["statistics"] = True
    method = frame.write_parquet
    if random.random() < 0.3:
        method = frame.lazy().sink_parquet
        options["data_pagesize_limit"] = options["data_page_size"]
    parameters = inspect.signature(method).parameters
    options = {k: v for k, v in options.items() if v is not None and k in parameters}
    method(target, **options)
    return {"kind": rows.kind, "shapes": shapes, "method": method.__name__, **options}


@cache
def codecs() -> list[Any]:
    """The codecs that this release writes."""
    found = []
    for codec in ("uncompressed", "snappy", "gzip", "brotli", "lz4", "zstd"):
        try:
            pl.DataFrame({"a": [1]}).write_parquet(BytesIO(), compression=codec)  # type: ignore[arg-type]
        except Exception:
            continue
        found.append(codec)
    return found
