"""Files of DataFusion, which writes with the parquet crate of arrow-rs."""

from __future__ import annotations

from random import Random
from typing import Any

import datafusion
import pyarrow as pa
from datafusion import ParquetColumnOptions, ParquetWriterOptions
from with_pyarrow import text, value_type
from write import DECIMALS, Rows


def version() -> str:
    return str(datafusion.__version__)


def write(rows: Rows, target: str, random: Random) -> dict[str, Any]:
    shapes: dict[str, str] = {}
    fields, arrays = [], []
    for name in rows.order(random):
        if name == "tags":
            array = pa.array([["a", "b"][: row % 3] for row in range(len(rows))], pa.list_(pa.string()))
        elif name == "start_date":
            array = pa.array([18659] * len(rows), pa.int32()).cast(pa.date32())
        elif name == "value":
            array = pa.array(rows.columns[name], value_type(rows.kind))
        else:
            shapes[name] = random.choice(["string", "large_string", "string_view", "dictionary", "unified"])
            array = text(rows.columns[name], shapes[name], random)
        fields.append(pa.field(name, array.type, nullable=array.null_count > 0 or random.random() < 0.8))
        arrays.append(array)
    table = pa.table(arrays, schema=pa.schema(fields))
    options: dict[str, Any] = {
        "compression": random.choice(CODECS),
        "writer_version": random.choice(["1.0", "2.0"]),
        "data_pagesize_limit": random.choice([16, 300, 5000, 1 << 20]),
        "data_page_row_count_limit": random.choice([1, 20, 500, 20000]),
        "write_batch_size": random.choice([1, 7, 64, 1024]),
        "dictionary_page_size_limit": random.choice([1, 100, 2000, 1 << 20]),
        "statistics_enabled": random.choice(["none", "chunk", "page"]),
        "max_row_group_size": random.choice([50, 1000, 5000, 1 << 20]),
        "column_index_truncate_length": random.choice([1, 3, 64]),
        "statistics_truncate_length": random.choice([1, 3, 64]),
        "bloom_filter_on_write": random.choice([True, False]),
        "skip_arrow_metadata": random.choice([True, False]),
        "allow_single_file_parallelism": random.choice([True, False]),
    }  # fmt: skip
    if len(rows) / options["max_row_group_size"] > 200:
        options["max_row_group_size"] = 1000
    encodings = {}
    for name in rows.columns:
        if random.random() < 0.5:
            encodings[name] = random.choice(ENCODINGS if name != "value" else value_encodings(rows.kind))
    columns = {
        name: ParquetColumnOptions(encoding=encoding, dictionary_enabled=random.choice([True, False]))
        for name, encoding in encodings.items()
    }
    context = datafusion.SessionContext()
    frame = context.from_arrow(table)
    frame.write_parquet_with_options(target, ParquetWriterOptions(**options, column_specific_options=columns))
    return {"kind": rows.kind, "shapes": shapes, "encodings": encodings, **options}


CODECS = ["uncompressed", "snappy", "gzip(4)", "brotli(3)", "lz4", "lz4_raw", "zstd(1)"]
ENCODINGS = ["plain", "delta_length_byte_array", "delta_byte_array"]


def value_encodings(kind: str) -> list[str]:
    if kind in DECIMALS:
        return ["plain", "delta_byte_array"] if kind == "decimal(38,10)" else ["plain", "delta_binary_packed"]
    return ["plain", "byte_stream_split"] if kind in ("float", "double") else ["plain", "delta_binary_packed"]
