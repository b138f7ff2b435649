"""The frame path gives the result of the file path and of the oracle, for every kind of frame."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import oracle
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rollshare
from frames import KINDS, STRINGS, VALUES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LABELS = ["2020_52", "2020_53", "2021_01", "2021_02", "2021_07"]
ROW = st.fixed_dictionaries({
    "name": st.sampled_from(["Organic", "Paid", "", "A channel with a long name, é", None]),
    "value": st.one_of(
        st.none(), st.just(0.0), st.integers(-5, 2000).map(float),
        st.sampled_from([0.1, 1e300, -1e300, 2.0**70]),
    ),
    "year_week": st.sampled_from(LABELS),
    "country": st.sampled_from(["FR", "GB", "ALL", "", "Länder mit langem Namen", None]),
    "os_name": st.sampled_from(["all", "all", "ios", "alle", "", None]),
    "start_date": st.dates(date(2020, 12, 1), date(2021, 3, 1)),
})  # fmt: skip
SCHEMA = pa.schema(
    [(n, pa.string()) for n in STRINGS] + [("value", pa.float64()), ("start_date", pa.date32())]
)
MANY = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def of_file(table: pa.Table, folder: Path, **options: object) -> rollshare.Shares:
    path = folder / "table.parquet"
    pq.write_table(table, path)
    return rollshare.read_parquet(path, **options)


@pytest.mark.parametrize("kind", KINDS)
@MANY
@given(rows=st.lists(ROW, max_size=60), data=st.data())
def test_a_frame_gives_what_its_file_gives(
    kind: str, rows: list[dict[str, object]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    options = {
        "windows": [1, 4],
        **data.draw(st.sampled_from([{}, {"details": True}, {"semantics": "legacy"}])),
    }
    try:
        expected = of_file(table, tmp_path_factory.mktemp("f"), **options)
    except rollshare.DataError as error:
        # No row counts: the frame's error has the same reasons.
        reasons = str(error).partition("none of ")[2].partition("; expected")[0]
        with pytest.raises(rollshare.DataError, match=re.escape(reasons)):
            rollshare.rolling_share(KINDS[kind](table), **options)
        assert reasons and oracle.shares(rows, [1, 4]) == []
        return
    found = rollshare.rolling_share(KINDS[kind](table), **options)
    assert found.to_dicts() == expected.to_dicts()
    account = expected.account
    assert found.account == account
    if "semantics" not in options:
        names = ["year", "week", "country", "share_organic_p1w", "share_organic_p4w"]
        plain = [{name: row[name] for name in names} for row in found.to_dicts()]
        assert plain == oracle.shares(rows, [1, 4])


@pytest.mark.parametrize("kind", KINDS)
def test_the_sample_in_every_kind(kind: str, sample: str, tmp_path: Path) -> None:
    table = pq.read_table(sample)
    expected = rollshare.read_parquet(sample, details=True)
    found = rollshare.rolling_share(KINDS[kind](table), details=True)
    assert found == expected
    expected.write_parquet(tmp_path / "a.parquet")
    found.write_parquet(tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    "kind", ["pyarrow", "pyarrow dictionary int32", "polars", "polars categorical", "pandas object", "duckdb"]
)
def test_large_frames_in_threads(kind: str, threads: int, large: str) -> None:
    table = pq.read_table(large)
    expected = rollshare.read_parquet(large)
    assert rollshare.rolling_share(KINDS[kind](table), threads=threads) == expected


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_of_value(kind: str, tmp_path: Path) -> None:
    values = VALUES[kind]
    table = pa.table({
        "name": ["Organic", "Paid", "Paid", "Organic"], "value": values, "year_week": ["2021_05"] * 4,
        "country": ["FR"] * 4, "os_name": ["all"] * 4,
    })  # fmt: skip
    found = rollshare.rolling_share(table, details=True)
    (row,) = found.to_dicts()
    assert row["share_organic_p4w"] == 3 / 8
    assert (row["organic_p4w"], row["nonorganic_p4w"]) == (3.0, 5.0)
    assert (found.account["null_value"], found.account["counted"]) == (1, 3)
    # Types that the file path cannot read are not compared.
    if kind not in ("decimal256", "decimal32", "decimal64"):
        assert of_file(table, tmp_path, details=True) == found


def test_a_decimal_past_128_bits_is_named() -> None:
    values = pa.array([Decimal(2**130)], pa.decimal256(60, 0))
    table = pa.table({"name": ["a"], "value": values, "year_week": ["2021_05"], "country": ["FR"],
                      "os_name": ["all"]})  # fmt: skip
    with pytest.raises(rollshare.TooLargeError, match="128 bits"):
        rollshare.rolling_share(table)


DAYS = [date(2021, 3, 1), date(2021, 3, 2), date(2021, 3, 4)]
DATES = {
    "date32": pa.array(DAYS, pa.date32()),
    "date64": pa.array(DAYS, pa.date64()),
    **{
        f"timestamp {unit} {zone}": pa.array(
            [datetime(d.year, d.month, d.day, 23, tzinfo=timezone.utc) for d in DAYS],
            pa.timestamp(unit, tz=zone),
        )
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC")
    },
    "string": pa.array([d.isoformat() for d in DAYS]),
    "dictionary": pa.array(DAYS, pa.date32()).dictionary_encode(),
}


@pytest.mark.parametrize("kind", DATES)
@pytest.mark.parametrize("through", ["pyarrow", "polars", "pandas"])
def test_days_in_every_coding(kind: str, through: str) -> None:
    if through == "polars" and kind == "dictionary":
        pytest.skip("polars does not support dictionaries of dates")
    table = pa.table({"name": ["Organic", "a", "a"], "value": [1, 1, 2], "start_date": DATES[kind],
                      "country": ["FR"] * 3, "os_name": ["all"] * 3})  # fmt: skip
    convert = {"pyarrow": lambda t: t, "polars": pl.from_arrow, "pandas": lambda t: t.to_pandas()}[through]
    found = rollshare.rolling_share(convert(table), grain="day", windows=2)
    days = [DAYS[0] + timedelta(days=n) for n in range(4)]
    assert [(r["date"], r["share_organic_p2d"]) for r in found.to_dicts()] == [
        (days[0], 1.0), (days[1], 0.5), (days[2], 0.0), (days[3], 0.0)
    ]  # fmt: skip


def test_null_types_and_null_entries_of_dictionaries() -> None:
    names = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2, None], pa.int8()), pa.array(["Organic", None, "a"])
    )
    table = pa.table({"name": names, "value": [1, 2, 3, 4], "year_week": ["2021_05"] * 4,
                      "country": ["FR"] * 4, "os_name": ["all"] * 4})  # fmt: skip
    shares = rollshare.rolling_share(table)
    assert shares.to_dicts()[0]["share_organic_p4w"] == 0.25
    assert shares.account["null_channel"] == 2
    table = table.set_column(3, "country", pa.nulls(4))
    assert rollshare.partial(table).account["null_member"] == 4
    with pytest.raises(rollshare.DataError, match="none of 4 rows counts: 4 a dimension of the key is null"):
        rollshare.rolling_share(table)


def test_polars_frames_of_many_chunks(sample: str) -> None:
    frame = pl.read_parquet(sample)
    expected = rollshare.read_parquet(sample)
    for kind in (
        pl.String,
        pl.Categorical,
        pl.Enum(sorted({v for n in STRINGS for v in frame[n].drop_nulls()})),
    ):
        cast = frame.with_columns(pl.col(*STRINGS).cast(kind))
        parts = [cast[at : at + 1300] for at in range(0, len(cast), 1300)]
        whole = pl.concat(parts, rechunk=False)
        # Columns with different chunks: some have one, some have many.
        mixed = whole.with_columns(cast["country"].rechunk(), cast["value"].rechunk())
        for each in (whole, mixed, mixed.lazy()):
            assert rollshare.rolling_share(each) == expected
        assert rollshare.rolling_share(mixed[17:]) == rollshare.rolling_share(cast[17:].to_arrow())
        assert whole.n_chunks() > 1


def test_numpy_types_of_pandas() -> None:
    def frame(values: object) -> pd.DataFrame:
        return pd.DataFrame({"name": ["Organic", "a", "a"], "value": values, "year_week": ["2021_05"] * 3,
                             "country": ["FR"] * 3, "os_name": ["all"] * 3})  # fmt: skip

    for dtype in ("i1", "u2", "i4", "u8", "f2", "f4", "f8", ">f8", ">i4"):
        assert (
            rollshare.rolling_share(frame(np.array([1, 1, 2], dtype))).to_dicts()[0]["share_organic_p4w"]
            == 0.25
        )
    masked = rollshare.rolling_share(frame(pd.array([1, None, 3], "Int64")))
    assert masked.account["null_value"] == 1
    assert masked.to_dicts()[0]["share_organic_p4w"] == 0.25
    strided = frame(np.arange(6.0)[::2])
    assert rollshare.rolling_share(strided).to_dicts()[0]["share_organic_p4w"] == 0.0
    for semantics in ("iso", "legacy"):
        dated = frame([1.0, np.nan, 3.0]).assign(start_date=date(2021, 2, 1))
        assert rollshare.rolling_share(dated, semantics=semantics).account["null_value"] == 1
    # A masked array distinguishes NaN from null.
    both = pd.arrays.FloatingArray(np.array([1.0, np.nan, 3.0]), np.array([False, False, False]))
    account = rollshare.rolling_share(frame(both)).account
    assert account["null_value"] + account["nan_value"] == 1


def test_errors_name_column_and_row(large: str) -> None:
    table = pq.read_table(large)
    labels = table["year_week"].to_pylist()
    kept = [i for i, (o, c) in enumerate(zip(table["os_name"].to_pylist(), table["country"].to_pylist()))
            if o == "all" and c != "ALL"]  # fmt: skip
    first, later = kept[len(kept) // 2], kept[-1]
    labels[first], labels[later] = "2021_54", "x"
    at = table.schema.get_field_index("year_week")
    broken = table.set_column(at, "year_week", pa.array(labels))
    for frame in (broken, pl.from_arrow(broken), broken.to_pandas(), broken.slice(0)):
        with pytest.raises(rollshare.DataError, match="2021_54") as caught:
            rollshare.rolling_share(frame)
        assert (caught.value.row, caught.value.column) == (first, "year_week")


def test_columns_that_are_missing_or_of_a_wrong_type(sample: str) -> None:
    table = pq.read_table(sample)
    for frame in (table.drop_columns(["value"]), table.drop_columns(["value"]).to_pandas()):
        with pytest.raises(rollshare.DataError, match="no column 'value'"):
            rollshare.rolling_share(frame)
    for frame in (table, table.to_pandas(), pl.from_arrow(table)):
        with pytest.raises(rollshare.DataError, match="expected strings"):
            rollshare.rolling_share(frame, columns={"country": "value"})
        with pytest.raises(rollshare.DataError, match="expected a number"):
            rollshare.rolling_share(frame, columns={"value": "has_subtrackers"})
    mixed = table.to_pandas().astype({"country": object})
    # Whole numbers and bools are members, as text.
    mixed.loc[2, "country"] = 7
    mixed.loc[3, "country"] = 7.5
    with pytest.raises(rollshare.DataError, match="Python type float") as caught:
        rollshare.rolling_share(mixed)
    assert (caught.value.row, caught.value.column) == (3, "country")


def test_frames_without_rows_may_have_any_columns(sample: str) -> None:
    table = pq.read_table(sample)
    empty = table.slice(0, 0)
    frames = [
        empty,
        empty.to_pandas(),
        pl.from_arrow(empty),
        # For columns without values pandas uses object or float64, or it has no columns.
        pd.DataFrame(columns=["name", "value", "year_week", "country", "os_name"]),
        pd.DataFrame({"name": np.array([], float), "value": np.array([], object)}),
        pd.DataFrame(),
        pl.DataFrame(),
        pa.table({"value": pa.nulls(0)}),
        pa.Table.from_pandas(pd.DataFrame(columns=["name", "value"])),
    ]
    whole = rollshare.rolling_share(table)
    for frame in frames:
        shares = rollshare.rolling_share(frame)
        assert (len(shares), shares.account["rows"]) == (0, 0)
        # Whatever its types, merging it with rows changes nothing.
        assert rollshare.merge([rollshare.partial(frame), rollshare.partial(table)]).finish() == whole
    for frame in (pd.DataFrame(index=range(3)), pd.DataFrame({"other": [1]}), pa.table({"value": [1]})):
        with pytest.raises(rollshare.DataError, match="no column"):
            rollshare.rolling_share(frame)


def test_names_that_are_all_null_are_in_neither_sum(sample: str) -> None:
    table = pq.read_table(sample)
    nameless = table.set_column(table.schema.get_field_index("name"), "name", pa.nulls(len(table)))
    object_column = table.to_pandas()
    object_column["name"] = None
    for frame in (nameless, object_column, pl.from_arrow(nameless)):
        account = rollshare.rolling_share(frame).account
        assert account["null_channel"] == account["kept"] > 0


def test_objects_that_are_not_frames() -> None:
    for thing in (5, "text", [1, 2], object(), None):
        with pytest.raises(TypeError) as caught:
            rollshare.rolling_share(thing)
        assert isinstance(caught.value, rollshare.FrameError)


def test_a_stream_is_used_once(sample: str) -> None:
    reader = pq.read_table(sample).to_reader()
    assert len(rollshare.rolling_share(reader)) > 0
    # A consumed reader gives no rows or an error.
    try:
        assert rollshare.rolling_share(reader).account["rows"] == 0
    except rollshare.RollshareError as error:
        assert "consumed" in str(error) or "closed" in str(error)


def test_a_failing_stream_is_an_error(sample: str) -> None:
    table = pq.read_table(sample)

    def batches():  # noqa: ANN202
        yield table.to_batches()[0]
        raise RuntimeError("the producer has failed")

    with pytest.raises(rollshare.StorageError, match="the producer has failed"):
        rollshare.rolling_share(pa.RecordBatchReader.from_batches(table.schema, batches()))
