"""Converts data frames of any library to the input of the native module."""

from __future__ import annotations

from . import _rollshare
from ._errors import DataError, FrameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Arrow formats of numpy's types.
FORMATS = {
    "i1": "c", "i2": "s", "i4": "i", "i8": "l",
    "u1": "C", "u2": "S", "u4": "I", "u8": "L",
    "f2": "e", "f4": "f", "f8": "g",
}  # fmt: skip
UNITS = {"s": "tss:", "ms": "tsm:", "us": "tsu:", "ns": "tsn:"}
#: From this many rows on, the batches of a pyarrow table cost more than its columns passed one by one.
MANY_ROWS = 1 << 20
#: Below this many rows, reading all categories from polars takes longer than its export of the rows.
FEW_ROWS = 4096


def sums(frame: Any, job: _rollshare.Job, threads: int | None) -> _rollshare.Partial:
    """Sum a frame of any kind."""
    kind, data = _exported(frame, job)
    if kind == "columns":
        columns, rows = data
        return _rollshare.partial_columns(columns, rows, job, threads)
    return _rollshare.partial_frame(data, job, threads)


def explain(frame: Any, sums: _rollshare.Partial) -> None:
    """Raise where the sums of a whole frame are those of a mistake; the error lists values of its columns.

    A stream that can be read only once is not read again: the values are not known.
    """
    if not sums.is_in_doubt() or type(frame).__name__ == "RecordBatchReader":
        return
    try:
        kind, data = _exported(frame, sums.job)
    except Exception:  # noqa: BLE001
        return
    if kind == "columns":
        columns, rows = data
        _rollshare.explain_columns(columns, rows, sums)
    else:
        _rollshare.explain_frame(data, sums)


def _exported(frame: Any, job: _rollshare.Job) -> tuple[str, Any]:
    """A frame of any kind for the native module: ``"columns"`` with their rows, or a ``"stream"``."""
    kind = type(frame)
    package = kind.__module__.partition(".")[0]
    if package == "pandas" and kind.__name__ == "DataFrame":
        return "columns", (_pandas(frame, job), len(frame))
    if package == "polars" and kind.__name__ in ("DataFrame", "LazyFrame"):
        import polars as pl

        by_column = hasattr(pl, "Categories")
        if not by_column or kind.__name__ == "LazyFrame":
            frame = _needed(frame, job)
        if by_column:
            return "columns", (_polars(frame, job), frame.height)
        # Older versions export columns of some types with a wrong type, but whole frames correctly.
        if not hasattr(frame, "__arrow_c_stream__"):
            frame = frame.to_arrow()
    elif package == "pyarrow" and kind.__name__ == "Table":
        # Before pyarrow 16, tables have `__arrow_c_stream__`, columns do not.
        if frame.num_rows >= MANY_ROWS and hasattr(frame.column(0), "__arrow_c_stream__"):
            return "columns", (_pyarrow(frame, job), frame.num_rows)
    elif package in ("duckdb", "_duckdb") and not hasattr(frame, "__arrow_c_stream__"):
        frame = frame.fetch_arrow_reader() if hasattr(frame, "fetch_arrow_reader") else frame.arrow()
    if hasattr(frame, "__arrow_c_stream__"):
        return "stream", frame.__arrow_c_stream__(None)
    if hasattr(frame, "__arrow_c_array__"):
        return "stream", frame.__arrow_c_array__(None)
    raise FrameError(
        f"an object of type {kind.__module__}.{kind.__qualname__}; expected a data frame: pandas, polars, "
        "pyarrow, DuckDB, or anything with __arrow_c_stream__"
    )


def _wanted(job: _rollshare.Job, names: list[str]) -> set[str]:
    """The columns of a frame, of all of its ``names``, that the job reads."""
    return set(_rollshare.columns_read(job, names)[0])


def named_columns(job: _rollshare.Job) -> list[str]:
    """Every column that the profile of a job names."""
    profile = job.profile.to_dict()
    time, users, channel = profile["time"], profile["users"], profile["channel"]
    names = [time.get("date"), time.get("label"), users.get("column"), channel["column"]]
    names += [of.get("column", name) for name, of in profile.get("dimensions", {}).items()]
    names += [condition["column"] for condition in profile.get("where", [])]
    return [name for name in names if name is not None]


def check_index(frame: Any, job: _rollshare.Job) -> None:
    """Raise where a column that a pandas frame lacks is in its index."""
    index = [name for name in frame.index.names if isinstance(name, str)]
    columns = {name for name in frame.columns if isinstance(name, str)}
    found = [name for name in named_columns(job) if name in index and name not in columns]
    if found and len(frame):
        error = DataError(
            f"no column '{found[0]}'; expected a column of the frame. '{found[0]}' is in the index: "
            "call reset_index() first"
        )
        error.found, error.expected = f"no column '{found[0]}'", "a column of the frame"
        error.advice = f"'{found[0]}' is in the index: call reset_index() first"
        raise error


def _needed(frame: Any, job: _rollshare.Job) -> Any:
    """The needed columns of a polars frame; a lazy frame is collected."""
    lazy = hasattr(frame, "collect")
    names = frame.collect_schema().names() if lazy else frame.columns
    wanted, is_complete = _rollshare.columns_read(job, names)
    # If a column is missing, the whole frame is passed on: the error lists its columns.
    if is_complete:
        frame = frame.select(wanted)
    return frame.collect() if lazy else frame


def _polars(frame: Any, job: _rollshare.Job) -> list[tuple[str, tuple[Any, ...]]]:
    """Column by column: for one stream, polars would first copy a frame of several chunks into one chunk."""
    wanted = _wanted(job, frame.columns)
    return [
        (series.name, _series(series) if series.name in wanted else ("unknown", "unread"))
        for series in frame.get_columns()
    ]


def _pyarrow(table: Any, job: _rollshare.Job) -> list[tuple[str, tuple[Any, ...]]]:
    """Column by column: in one stream, a batch would end wherever a chunk of any column ends."""
    wanted = _wanted(job, table.column_names)
    unread = ("unknown", "unread")
    return [
        (name, ("arrow", column.__arrow_c_stream__(None)) if name in wanted else unread)
        for name, column in zip(table.column_names, table.columns)
    ]


def _series(series: Any) -> tuple[Any, ...]:
    if len(series) < FEW_ROWS:
        return ("arrow", series.__arrow_c_stream__(None))
    kind = type(series.dtype).__name__
    values: Any = getattr(series.dtype, "categories", None)
    if kind == "Categorical":
        # In older versions the ids are not indices of the public list of categories.
        values = values.to_series() if hasattr(values, "to_series") else None
    if kind in ("Categorical", "Enum") and values is not None:
        # When it exports the column itself, polars checks and copies every id.
        return (
            "dictionary",
            series.to_physical().__arrow_c_stream__(None),
            values.__arrow_c_stream__(None),
        )
    return ("arrow", series.__arrow_c_stream__(None))


def _pandas(frame: Any, job: _rollshare.Job) -> list[tuple[str, tuple[Any, ...]]]:
    names = frame.columns
    read, is_complete = _rollshare.columns_read(job, [name for name in names if isinstance(name, str)])
    if not is_complete:
        check_index(frame, job)
    wanted = set(read)
    value = job.columns.get("value", "").lower()
    by_name = names.is_unique
    # pandas takes 70 microseconds to make the series of five columns, and five to return their arrays. The
    # method is not public: if it is missing, or returns an unknown array, the series is used.
    array_of = getattr(frame, "_get_column_array", None)
    columns = []
    for at, name in enumerate(names):
        if not isinstance(name, str):
            continue
        if name in wanted:
            column = _plain(array_of(at), name.lower() == value) if array_of else None
            if column is None:
                series = frame[name] if by_name else frame.iloc[:, at]
                column = _column(_decoded(series) if name.lower() == value else series)
            columns.append((name, column))
        else:
            columns.append((name, ("unknown", "unread")))
    return columns


def _plain(array: Any, is_value: bool) -> tuple[Any, ...] | None:
    """The memory of a numpy or Arrow array; ``None`` where the series is needed."""
    if type(array).__module__ == "numpy":
        if is_value and array.dtype.kind in "Ob":
            return None if array.dtype == object else ("unknown", "bool")
        return _numpy(array)
    return _arrow(array)


def _arrow(array: Any) -> tuple[Any, ...] | None:
    """The Arrow array inside a pandas array; ``None`` where there is none."""
    arrow = getattr(array, "_pa_array", None)
    if arrow is None:
        arrow = getattr(array, "_data", None)
    if arrow is None or not type(arrow).__module__.startswith("pyarrow"):
        return None
    if not hasattr(arrow, "__arrow_c_stream__"):
        # Before pyarrow 16, tables have `__arrow_c_stream__`, columns do not.
        import pyarrow as pa

        arrow = pa.table({"column": arrow})
    return ("arrow", arrow.__arrow_c_stream__(None))


def _decoded(series: Any) -> Any:
    """Converts values that are Python objects, such as decimals, to Arrow values, which are exact."""
    if series.dtype != object:
        return series
    try:
        import pandas as pd
        import pyarrow as pa

        array = pa.Array.from_pandas(series)
        return pd.Series(pd.arrays.ArrowExtensionArray(array))
    except ImportError as error:
        raise FrameError(
            f"column '{series.name}': the values are Python objects; expected numbers. "
            "Install pyarrow, or convert the column to a numeric type"
        ) from error
    except pa.ArrowException as error:
        raise FrameError(
            f"column '{series.name}': the values are Python objects: {error}; expected numbers"
        ) from error


def _column(series: Any) -> tuple[Any, ...]:
    """A pandas column in the form that `columns.rs` describes, without a Python object for each row."""
    import numpy as np

    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return _numpy(series.to_numpy())
    name = type(dtype).__name__
    if name == "CategoricalDtype":
        categories = series.cat.categories
        names = categories.tolist()
        if all(isinstance(name, str) for name in names):
            return ("codes", np.ascontiguousarray(series.array.codes), names)
        # Categories that are not strings, such as dates, are decoded.
        return _column(series.astype(categories.dtype))
    if name == "DatetimeTZDtype":
        kind, values, unit, mask = _numpy(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
        return (kind, values, unit + _zone(dtype.tz), mask)
    arrow = _arrow(series.array)
    if arrow is not None:
        return arrow
    if name == "StringDtype":
        return ("objects", np.ascontiguousarray(series.to_numpy(dtype=object)))
    plain = getattr(dtype, "numpy_dtype", None)
    if plain is not None and plain.kind in "iufb":
        mask = series.isna().to_numpy()
        values = series.to_numpy(dtype=plain, na_value=plain.type(0))
        return _numpy(values, mask)
    return ("unknown", str(dtype))


def _zone(zone: Any) -> str:
    """The name of a time zone of Python, as Arrow writes it: an IANA name, or an offset."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    offset = None if name else zone.utcoffset(None)
    if offset is None:
        # Of dateutil and of the machine: an instant without a name of its zone is one of UTC.
        return str(name or "UTC")
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _numpy(values: Any, mask: Any = None) -> tuple[Any, ...]:
    import numpy as np

    kind = values.dtype.kind
    if kind == "O":
        return ("objects", np.ascontiguousarray(values))
    if kind == "M":
        unit = np.datetime_data(values.dtype)[0]
        if unit not in UNITS:
            values, unit = values.astype("datetime64[s]"), "s"
        missing = np.isnat(values)
        values = np.ascontiguousarray(values).view("i8")
        return ("numbers", values, UNITS[unit], missing.view("u1") if missing.any() else None)
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if kind == "b":
        # Conditions compare bools as text.
        codes = np.ascontiguousarray(values).view("i1")
        if mask is not None:
            codes = np.where(mask, np.int8(-1), codes)
        return ("codes", codes, ["false", "true"])
    if mask is not None:
        mask = np.ascontiguousarray(mask).view("u1")
    arrow = FORMATS.get(values.dtype.str[1:])
    if arrow is None:
        return ("unknown", str(values.dtype))
    if kind == "f" and mask is None:
        # In pandas, NaN is the only null of floats.
        return ("floats", np.ascontiguousarray(values), arrow)
    return ("numbers", np.ascontiguousarray(values), arrow, mask)
