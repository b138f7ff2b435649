"""Files of DuckDB."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from random import Random
from typing import Any

import duckdb
from write import DECIMALS, Rows

CONNECTION = duckdb.connect()
TYPES = {
    "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT",
    "uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT",
    "float": "FLOAT", "double": "DOUBLE",
}  # fmt: skip


def version() -> str:
    return str(duckdb.__version__)


def write(rows: Rows, target: str, random: Random) -> dict[str, Any]:
    fill(rows)
    selected, shapes = [], {}
    for name in rows.order(random):
        if name == "tags":
            selected.append("['a', 'b'] AS tags")
        elif name == "start_date":
            selected.append("DATE '2021-02-01' AS start_date")
        elif name != "value" and random.random() < 0.2:
            shapes[name] = "enum"
            CONNECTION.execute(f"DROP TYPE IF EXISTS {name}_enum")
            texts = sorted({value for value in rows.columns[name] if value is not None}) or [""]
            quoted = ", ".join("'{}'".format(text.replace("'", "''")) for text in texts)
            CONNECTION.execute(f"CREATE TYPE {name}_enum AS ENUM ({quoted})")
            selected.append(f"{name}::{name}_enum AS {name}")
        else:
            selected.append(name)
    CONNECTION.execute(f"SET threads = {random.choice([1, 2])}")
    options = {
        "CODEC": random.choice(["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "BROTLI", "LZ4"]),
        "ROW_GROUP_SIZE": random.choice([None, 100, 2048, 4096, 10000]),
        "PARQUET_VERSION": random.choice([None, "V1", "V2"]),
        "DICTIONARY_SIZE_LIMIT": random.choice([None, 1, 30, 1000]),
        "STRING_DICTIONARY_PAGE_SIZE_LIMIT": random.choice([None, 1000, 30000]),
        "WRITE_BLOOM_FILTER": random.choice([None, "true", "false"]),
    }
    options = {k: v for k, v in options.items() if v is not None and takes(k, v)}
    query = f"SELECT {', '.join(selected)} FROM t"
    try:
        copy(query, target, options)
    except duckdb.Error:
        # DuckDB 1.4 cannot write some tables as V2: "not enough space in buffer to fulfill write request".
        if options.pop("PARQUET_VERSION", None) != "V2":
            raise
        copy(query, target, options)
    return {"kind": rows.kind, "shapes": shapes, **options}


def copy(query: str, target: str, options: dict[str, Any]) -> None:
    listed = "".join(f", {k} {v}" for k, v in options.items())
    CONNECTION.execute(f"COPY ({query}) TO '{target}' (FORMAT PARQUET{listed})")


def fill(rows: Rows) -> None:
    """The table ``t`` holds the rows, in their order. A file of JSON is much faster than parameters."""
    kind = TYPES.get(rows.kind) or "DECIMAL({}, {})".format(*DECIMALS[rows.kind])
    source = rows.path + ".lines"
    with open(source, "w", encoding="utf-8") as file:
        for row in zip(*rows.columns.values()):
            # Every number travels as text, NaN and decimals too.
            record = {name: None if value is None else str(value) for name, value in zip(rows.columns, row)}
            file.write(json.dumps(record) + "\n")
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in rows.columns)
    read = f"read_json('{source}', columns = {{{columns}}}, format = 'newline_delimited')"
    casts = ", ".join(f"{name}::{kind} AS {name}" if name == "value" else name for name in rows.columns)
    CONNECTION.execute(f"CREATE OR REPLACE TABLE t AS SELECT {casts} FROM {read}")
    if not len(rows):
        CONNECTION.execute("DELETE FROM t")


@cache
def takes(option: str, value: Any) -> bool:
    """Whether this release has an option."""
    try:
        with tempfile.NamedTemporaryFile() as file:
            CONNECTION.execute(f"COPY (SELECT 1 AS a) TO '{file.name}' (FORMAT PARQUET, {option} {value})")
    except duckdb.Error:
        return False
    return True
