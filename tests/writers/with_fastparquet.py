"""Files of fastparquet."""

from __future__ import annotations

from random import Random
from typing import Any

import fastparquet
import fastparquet.writer
import pandas as pd
from write import Rows


def version() -> str:
    return str(fastparquet.__version__)


def write(rows: Rows, target: str, random: Random) -> dict[str, Any]:
    shapes, columns, optional = {}, {}, []
    for name in rows.order(random):
        nulls = rows.columns.get(name) and rows.has_nulls(name)
        if name == "tags":
            continue
        if name == "start_date":
            column = pd.Series(pd.to_datetime(["2021-02-01"] * len(rows)))
        elif name == "value":
            type_ = {"float": "float32", "double": "float64"}.get(rows.kind, rows.kind)
            if nulls and rows.kind not in ("float", "double"):
                type_ = type_.replace("i", "I").replace("uI", "UI")
            column = pd.Series(rows.columns[name], dtype=type_)
        else:
            column = pd.Series(rows.columns[name], dtype=object)
            if random.random() < 0.3:
                shapes[name] = "category"
                column = column.astype("category")
        if nulls or random.random() < 0.7:
            optional.append(name)
        columns[name] = column
    frame = pd.DataFrame(columns)
    cuts = sorted(
        {random.randrange(len(rows)) for _ in range(random.choice([0, 0, 1, 4]))} if len(rows) else ()
    )
    # Categories with nulls are invalid unless has_nulls is True: ids of -1 in a REQUIRED column.
    options: dict[str, Any] = {
        "compression": random.choice([None, "SNAPPY", "GZIP", "ZSTD", "BROTLI", "LZ4"]),
        "row_group_offsets": sorted({0, *cuts}),
        "has_nulls": True if shapes or random.random() < 0.5 else optional,
        "stats": random.choice([True, False, "auto", ["os_name"]]),
    }
    text = [name for name in columns if name not in ("value", "start_date")]
    fastparquet.writer.DATAPAGE_VERSION = random.choice([1, 2])
    fastparquet.writer.MAX_PAGE_SIZE = random.choice([2000, 30000, 500 << 20])
    encodings = dict.fromkeys(text, "utf8")
    fastparquet.write(target, frame, object_encoding=encodings, write_index=False, **options)
    return {
        "kind": rows.kind, "shapes": shapes, "pages": fastparquet.writer.DATAPAGE_VERSION,
        "page_size": fastparquet.writer.MAX_PAGE_SIZE, **options,
    }  # fmt: skip
