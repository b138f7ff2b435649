"""Files of ClickHouse, in the process (chdb)."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import chdb
from write import DECIMALS, Rows


def version() -> str:
    return str(chdb.__version__)


def write(rows: Rows, target: str, random: Random) -> dict[str, Any]:
    if rows.kind in DECIMALS:
        type_ = "Decimal({}, {})".format(*DECIMALS[rows.kind])
    else:
        type_ = {"float": "Float32", "double": "Float64"}.get(rows.kind) or rows.kind.replace(
            "int", "Int"
        ).replace("u", "U")
    read, selected, shapes = [], [], {}
    for name in rows.order(random):
        if name == "tags":
            selected.append("['a', 'b'] AS tags")
        elif name == "start_date":
            selected.append("toDate32('2021-02-01') AS start_date")
        else:
            bare = type_ if name == "value" else "String"
            read.append(f"{name} Nullable({bare})")
            kind = bare
            if rows.has_nulls(name) or random.random() < 0.7:
                kind = f"Nullable({bare})"
            if name != "value" and random.random() < 0.4:
                kind = f"LowCardinality({kind})"
            shapes[name] = kind
            selected.append(f"CAST({name} AS {kind}) AS {name}")
    source = rows.path + ".columns"
    with open(source, "w", encoding="utf-8") as file:
        values = [
            value if value is None or isinstance(value, (int, float)) else str(value)
            for value in rows.columns["value"]
        ]
        json.dump({**rows.columns, "value": values}, file)
    options = {
        "row_group_size": random.choice([100, 1000, 5000, 1000000]),
        "compression_method": random.choice(["none", "snappy", "zstd", "lz4", "brotli", "gzip"]),
        "data_page_size": random.choice([16, 300, 5000, 1 << 20]),
        "batch_size": random.choice([1, 7, 100, 1024]),
        "write_page_index": random.choice([0, 1]),
        "write_bloom_filter": random.choice([0, 1]),
        "max_dictionary_size": random.choice([0, 1, 100, 2000, 1 << 20]),
        "use_custom_encoder": random.choice([1, 1, 1, 0]),
        "write_checksums": random.choice([0, 1]),
        "string_as_string": random.choice([0, 1]),
        "parallel_encoding": random.choice([0, 1]),
        "version": random.choice(["1.0", "2.4", "2.6", "2.latest"]),
    }
    settings = ", ".join(f"output_format_parquet_{k} = '{v}'" for k, v in options.items())
    result = chdb.query(
        f"SELECT {', '.join(selected)} FROM file('{source}', JSONColumns, '{', '.join(read)}') "
        f"INTO OUTFILE '{target}' FORMAT Parquet SETTINGS max_threads = 1, {settings}"
    )
    if result.has_error():
        raise RuntimeError(result.error_message())
    return {"kind": rows.kind, "shapes": shapes, **options}
