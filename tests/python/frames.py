"""One table as every kind of frame that is installed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

STRINGS = ("name", "year_week", "country", "os_name")


def version(module: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in module.__version__.split(".")[:2])


def _cast(table: pa.Table, type_: pa.DataType) -> pa.Table:
    for name in STRINGS:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast(type_))
    return table


def _encoded(table: pa.Table, index: pa.DataType, values: pa.DataType | None = None) -> pa.Table:
    """Dictionaries with ids of type ``index``; each chunk has its own."""
    values = values or pa.string()
    for name in STRINGS:
        at = table.schema.get_field_index(name)
        chunks = []
        for chunk in table[name].chunks:
            coded = chunk.dictionary_encode()
            chunks.append(
                pa.DictionaryArray.from_arrays(coded.indices.cast(index), coded.dictionary.cast(values))
            )
        column = pa.chunked_array(chunks, type=pa.dictionary(index, values))
        table = table.set_column(at, name, column)
    return table


def _chunked(table: pa.Table) -> pa.Table:
    """Small sliced chunks, some of them empty."""
    n = len(table)
    cuts = sorted({0, n // 3, n // 3 + 1, n // 2, n})
    parts = [table.slice(0, 0)]
    for a, b in zip(cuts, cuts[1:]):
        parts += [table.slice(a, b - a), table.slice(0, 0)]
    return pa.concat_tables(parts)


def _offset(table: pa.Table) -> pa.Table:
    """The same rows as the middle of a longer table."""
    return pa.concat_tables([table, table, table]).combine_chunks().slice(len(table), len(table))


def _views(table: pa.Table) -> pa.Table:
    # Not by a cast: pyarrow 18 to 21 crash when they export the views that a cast makes of short strings.
    for name in STRINGS:
        views = pa.array(table[name].to_pylist(), pa.string_view())
        table = table.set_column(table.column_names.index(name), name, views)
    return table


def _pandas(table: pa.Table, dtype: Any) -> pd.DataFrame:
    frame = table.to_pandas()
    for name in STRINGS:
        frame[name] = frame[name].astype(object).where(frame[name].notna(), None).astype(dtype)
    return frame


def _polars(table: pa.Table, type_: Any) -> pl.DataFrame:
    return pl.from_arrow(table).with_columns(pl.col(*STRINGS).cast(type_))


def _enum(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    kinds = {n: pl.Enum(sorted(set(frame[n].drop_nulls().to_list()))) for n in STRINGS}
    return frame.with_columns(pl.col(n).cast(kind) for n, kind in kinds.items())


def _duckdb(table: pa.Table) -> Any:
    # The connection of the module stays open as long as a relation may need it.
    # In a connection of its own: tests read variables by name from the default one.
    return duckdb.connect().from_arrow(table)


KINDS: dict[str, Callable[[pa.Table], Any]] = {
    "pyarrow": lambda t: t,
    "pyarrow large_string": lambda t: _cast(t, pa.large_string()),
    "pyarrow chunked": _chunked,
    "pyarrow offset": _offset,
    "pyarrow offset dictionary": lambda t: _encoded(_offset(t), pa.int32()),
    "pyarrow chunked dictionary": lambda t: _encoded(_chunked(t), pa.int32()),
    "pyarrow batch": lambda t: t.combine_chunks().to_batches()[0] if len(t) else t,
    "pyarrow reader": lambda t: t.to_reader(),
    **{
        f"pyarrow dictionary {index}": partial(_encoded, index=index)
        for index in (pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(),
                      pa.uint64())
    },
    "pyarrow dictionary of large_string": lambda t: _encoded(t, pa.int16(), pa.large_string()),
    "polars": lambda t: pl.from_arrow(t),
    "polars lazy": lambda t: pl.from_arrow(t).lazy(),
    "polars categorical": lambda t: _polars(t, pl.Categorical),
    "polars enum": _enum,
    "pandas object": lambda t: _pandas(t, object),
    "pandas string": lambda t: _pandas(t, "string"),
    "pandas category": lambda t: _pandas(t, "category"),
    "pandas default": lambda t: t.to_pandas(),
    "duckdb": _duckdb,
}  # fmt: skip
if hasattr(pa, "string_view"):
    KINDS["pyarrow string_view"] = _views
    KINDS["pyarrow string_view offset"] = lambda t: _offset(_views(t))
if hasattr(pd, "ArrowDtype"):
    KINDS["pandas arrow"] = lambda t: t.to_pandas(types_mapper=pd.ArrowDtype)
if version(pd) >= (3, 0):
    KINDS["pandas str"] = lambda t: _pandas(t, "str")

VALUES: dict[str, Any] = {
    **{str(np.dtype(t)): pa.array([3, 5, None, 0], pa.from_numpy_dtype(t))
       for t in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")},
    "decimal128": pa.array([3, 5, None, 0]).cast(pa.decimal128(21, 2)),
    "decimal256": pa.array([Decimal(3), Decimal(5), None, Decimal(0)], pa.decimal256(50, 2)),
    "dictionary": pa.array([3, 5, None, 0]).dictionary_encode(),
}  # fmt: skip
if version(pa) >= (15, 0):  # before, pyarrow cannot write half floats to a file
    VALUES["half"] = pa.array([np.float16(3), np.float16(5), None, np.float16(0)], pa.float16())
if hasattr(pa, "decimal32"):
    NUMBERS = [Decimal(3), Decimal(5), None, Decimal(0)]
    VALUES["decimal32"] = pa.array(NUMBERS, pa.decimal32(9, 2))
    VALUES["decimal64"] = pa.array(NUMBERS, pa.decimal64(18, 2))
