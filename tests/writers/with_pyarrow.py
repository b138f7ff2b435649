"""Files of pyarrow."""

from __future__ import annotations

import inspect
from datetime import date
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from write import DECIMALS, INTEGERS, Rows

PARAMETERS = inspect.signature(pq.ParquetWriter.__init__).parameters
ENCODINGS = [
    "PLAIN", "BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY",
]  # fmt: skip


# Options that are in no signature in some releases, and a value to try them with.
PROBES: dict[str, Any] = {"data_page_size": 100, "store_schema": False}


def version() -> str:
    return str(pa.__version__)


def write(rows: Rows, target: str, random: Random) -> dict[str, Any]:
    shapes: dict[str, str] = {}
    fields, arrays = [], []
    all_of = random.choice([None, None, *SHAPES])
    for name in rows.order(random):
        if name == "tags":
            array = pa.array([["a", "b"][: row % 3] for row in range(len(rows))], pa.list_(pa.string()))
        elif name == "start_date":
            array = pa.array([date(2021, 2, 1)] * len(rows), pa.date32())
        elif name == "value":
            array = chunked(pa.array(rows.columns[name], value_type(rows.kind)), random)
        else:
            shapes[name] = all_of or random.choice(SHAPES)
            array = text(rows.columns[name], shapes[name], random)
        nullable = array.null_count > 0 or random.random() < 0.8
        fields.append(pa.field(name, array.type, nullable=nullable))
        arrays.append(array)
    table = pa.table(arrays, schema=pa.schema(fields))
    options = write_options(table, random)
    size = random.choice([None, None, max(1, len(rows)), random.randint(1, 300), random.randint(300, 20000)])
    if size is not None and len(rows) / size > 300:
        size = 1 + len(rows) // 300
    calls = random.choice([1, 1, 1, 3])
    with pq.ParquetWriter(target, table.schema, **options) as writer:
        for part in range(calls):
            length = len(rows) // calls
            last = part == calls - 1
            writer.write_table(table.slice(part * length, None if last else length), size)
    return {"kind": rows.kind, "shapes": shapes, "row_group_size": size, "calls": calls, **options}


SHAPES = ["string", "string", "large_string", "dictionary", "dictionaries", "unified"]
if hasattr(pa, "string_view") and int(pa.__version__.split(".")[0]) >= 22:
    SHAPES.append("string_view")


def value_type(kind: str) -> pa.DataType:
    if kind in DECIMALS:
        return pa.decimal128(*DECIMALS[kind])
    return {"float": pa.float32(), "double": pa.float64()}.get(kind) or getattr(pa, kind)()


def text(values: list[Any], shape: str, random: Random) -> pa.ChunkedArray:
    """A text column. ``dictionaries`` and ``unified`` are dictionary columns of several chunks, each with
    a dictionary of its own, or all with one.
    """
    if shape == "dictionary":
        array = pa.array(values, pa.string()).dictionary_encode()
        if array.type.index_type == pa.int32() and len(array.dictionary) < 128 and random.random() < 0.5:
            array = array.cast(pa.dictionary(pa.int8(), pa.string()))
        return pa.chunked_array([array])
    if shape in ("dictionaries", "unified"):
        chunks = [
            chunk.dictionary_encode() for chunk in chunked(pa.array(values, pa.string()), random).chunks
        ]
        array = pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string()))
        return array.unify_dictionaries() if shape == "unified" else array
    return chunked(pa.array(values, getattr(pa, shape)()), random)


def chunked(array: pa.Array, random: Random) -> pa.ChunkedArray:
    if random.random() < 0.5:
        return pa.chunked_array([array])
    # Short chunks at the start: some releases take the statistics of the first one for those of all.
    cuts = [random.randint(0, random.choice([len(array), min(len(array), 4)])) for _ in range(3)]
    cuts.sort()
    bounds = list(zip([0, *cuts], [*cuts, len(array)]))
    return pa.chunked_array([array.slice(start, end - start) for start, end in bounds], array.type)


def write_options(table: pa.Table, random: Random) -> dict[str, Any]:
    names = table.schema.names
    options: dict[str, Any] = {
        "compression": random.choice(codecs()),
        "version": random.choice(["1.0", "2.4", "2.6"]),
        "data_page_version": random.choice(["1.0", "2.0"]),
        "write_statistics": random.choice([True, True, True, False, ["os_name"], ["name", "value"]]),
        "use_dictionary": random.choice([True, True, False, ["name", "value"], ["os_name", "country"]]),
        "data_page_size": random.choice([None, 16, 200, 3000, 50000]),
        "write_batch_size": random.choice([None, 1, 7, 64, 1000]),
        "dictionary_pagesize_limit": random.choice([None, 1, 100, 1000, 20000]),
        "store_schema": random.choice([True, False]),
        "write_page_index": random.choice([True, False]),
        "write_page_checksum": random.choice([True, False]),
        "store_decimal_as_integer": random.choice([True, False]),
        "max_rows_per_page": random.choice([None, None, 1, 50, 1000]),
    }
    if options["use_dictionary"] is False and random.random() < 0.7:
        as_integer = options["store_decimal_as_integer"] and has_parameter("store_decimal_as_integer")
        options["column_encoding"] = {
            name: random.choice(encodings(str(physical(table.schema.field(name).type)), as_integer))
            for name in names
            if name not in ("tags", "start_date")
        }
    return {k: v for k, v in options.items() if v is not None and has_parameter(k)}


@cache
def has_parameter(name: str) -> bool:
    """Whether this release has an option; some are in no signature, as they are passed on."""
    return (
        name in PARAMETERS
        or name in PROBES
        and writes(pa.table({"a": pa.array([1])}), **{name: PROBES[name]})
    )


def physical(type_: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_dictionary(type_) else type_


@cache
def encodings(type_name: str, decimal_as_integer: bool) -> list[str]:
    """The encodings that this release writes for a type."""
    options = {"store_decimal_as_integer": True} if decimal_as_integer else {}
    kinds = [value_type(kind) for kind in [*INTEGERS, *DECIMALS, "float", "double"]]
    views = [pa.string_view()] if "string_view" in SHAPES else []
    types = {str(t): t for t in [*kinds, pa.string(), pa.large_string(), *views]}
    value: Any = "a" if "str" in type_name else Decimal(1) if "decimal" in type_name else 1
    table = pa.table({"a": pa.array([value], types[type_name])})
    return [
        encoding
        for encoding in ENCODINGS
        if writes(table, use_dictionary=False, column_encoding={"a": encoding}, **options)
    ]


@cache
def codecs() -> list[str]:
    table = pa.table({"a": pa.array([1])})
    return [c for c in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"] if writes(table, compression=c)]


def writes(table: pa.Table, **options: Any) -> bool:
    try:
        pq.write_table(table, pa.BufferOutputStream(), **options)
    except (OSError, pa.ArrowException, NotImplementedError, TypeError, ValueError):
        return False
    return True
