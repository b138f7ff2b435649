"""The change of a share by channel, against sums of fractions."""

from __future__ import annotations

import json
import pickle
import subprocess
from datetime import timedelta
from fractions import Fraction

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import rollshare
from oracle import monday
from test_package import program


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("why") / "export.parquet"
    rollshare.sample(path, 60_000)
    return str(path)


def contributions(
    rows: list[dict[str, object]], country: str | None, now: str, before: str, window: int
) -> tuple[Fraction, dict[str, Fraction]]:
    """The change of the share, and the contribution of each channel, in the simplest way."""

    def users(label: str) -> dict[str, Fraction]:
        days = {monday(label) - timedelta(weeks=back) for back in range(window)}
        sums: dict[str, Fraction] = {}
        for row in rows:
            is_key = row["country"] == country if country else row["country"] != "ALL"
            if is_key and row["os_name"] == "all" and monday(row["year_week"]) in days:
                sums[row["name"]] = sums.get(row["name"], Fraction(0)) + Fraction(row["value"])
        return sums

    after, first = users(now), users(before)
    t0, t1 = sum(first.values()), sum(after.values())
    s0 = first.get("Organic", Fraction(0)) / t0
    parts = {}
    for name in {*after, *first}:
        moved = after.get(name, Fraction(0)) - first.get(name, Fraction(0))
        parts[name] = ((moved if name == "Organic" else 0) - s0 * moved) / t1
    return after.get("Organic", Fraction(0)) / t1 - s0, parts


@pytest.mark.parametrize(("key", "window", "against"), [("GB", 4, 4), ("US", 1, 1), ("world", 2, 1)])
def test_contributions_are_those_of_fractions(export: str, key: str, window: int, against: int) -> None:
    rows = pl.read_parquet(export).to_dicts()
    found = rollshare.why(export, key, windows=window, against=against)
    label = found.period.replace("-W", "_"), found.against.replace("-W", "_")
    change, parts = contributions(rows, None if key == "world" else key, *label, window)
    assert sum(parts.values()) == change, "exactly"
    assert found.change == pytest.approx(float(change), abs=1e-12)
    assert sum(row["contribution"] for row in found) == pytest.approx(found.change, abs=1e-12)
    moved = {name: float(part) for name, part in parts.items()}
    assert {row["channel"] for row in found} <= set(moved)
    for row in found:
        assert row["contribution"] == pytest.approx(moved[row["channel"]], abs=1e-12)
        assert row["organic"] == (row["channel"] == "Organic")


def test_fractions_of_users_add_up_too() -> None:
    rows = [
        {"name": name, "value": value / 7, "year_week": week, "country": "FR", "os_name": "all"}
        for week, users in [("2021_05", (1, 20, 3)), ("2021_06", (4, 1, 1e9))]
        for name, value in zip(("Organic", "Ads", "More ads"), users)
    ]
    found = rollshare.why(pl.DataFrame(rows), "FR", windows=1)
    change, parts = contributions(rows, "FR", "2021_06", "2021_05", 1)
    assert sum(parts.values()) == change
    assert found.change == pytest.approx(float(change), abs=1e-15)
    for row in found:
        assert row["contribution"] == pytest.approx(float(parts[row["channel"]]), rel=1e-14)


def test_it_is_the_programs(export: str) -> None:
    found = rollshare.why(export, "GB", against=4)
    command = [program(), "why", "GB", "--source", export, "--against", "4", "--quiet"]
    shown = [
        subprocess.run([*command, *more], check=True, capture_output=True, text=True).stdout
        for more in ([], ["--format", "json"])
    ]
    assert shown[0] == str(found) and str(found).splitlines()[0] in repr(found)
    assert json.loads(shown[1])["why"] == found.to_dict()
    assert pickle.loads(pickle.dumps(found)) == found


def test_frames_and_files_give_the_same(export: str) -> None:
    frame = pl.read_parquet(export)
    found = rollshare.why(export, "GB")
    assert rollshare.why(frame, "GB") == found == rollshare.why(frame.to_pandas(), "GB", found.period)
    assert len(found) == len(found.channels) == found.to_polars().height
    pd.testing.assert_frame_equal(found.to_pandas(), pd.DataFrame(found.channels))
    assert found.users == sum(row["users"] for row in found)
    assert found.members == ["GB"] and found.window == 4 and found.share - found.share_before == found.change


def test_arrow_consumers_have_a_row_a_channel(export: str) -> None:
    found = rollshare.why(export, "GB", against=4)
    table = found.to_arrow()
    assert table.to_pylist() == found.channels and len(found) > 2
    assert [str(kind) for kind in table.schema.types] == ["string", "bool", "double", "double", "double"]
    assert pa.table(found) == table == pa.table(pickle.loads(pickle.dumps(found)))
    assert pa.schema(found) == table.schema
    assert pl.DataFrame(found).equals(found.to_polars())
    assert duckdb.sql("select sum(contribution) from found").fetchall()[0] == pytest.approx((found.change,))


def test_what_is_not_there_is_an_error(export: str) -> None:
    with pytest.raises(rollshare.ArgumentError, match="Did you mean GB"):
        rollshare.why(export, "gb")
    with pytest.raises(rollshare.ArgumentError, match="no data of 2035-W01"):
        rollshare.why(export, "GB", "2035_01")
    with pytest.raises(rollshare.ArgumentError, match="one window"):
        rollshare.why(export, "GB", windows=[4, 13])
    with pytest.raises(rollshare.DataError, match="organic"):
        rollshare.why(export, "GB", organic="Nobody")
