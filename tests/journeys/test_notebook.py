"""The first hour of an analyst in a notebook: a step is a call, and what an analyst should see."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import date, datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import matplotlib
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import rollshare

matplotlib.use("agg")

FLAGS = ("--", "ROLE=NAME")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("notebook") / "export.parquet"
    rollshare.sample(path, 60_000)
    return str(path)


@pytest.fixture(scope="module")
def frame(export: str) -> pl.DataFrame:
    return pl.read_parquet(export)


@pytest.fixture(scope="module")
def shares(export: str) -> rollshare.Shares:
    return rollshare.read_parquet(export)


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """A warning is a failure, but where a step expects one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def of_python(error: pytest.ExceptionInfo[Exception]) -> str:
    """The message of an error, which has no words of the command line."""
    message = str(error.value)
    assert not any(flag in message for flag in FLAGS), message
    return message


def test_any_frame_gives_the_same_answer(export: str, frame: pl.DataFrame, shares: rollshare.Shares) -> None:
    relation = duckdb.sql("from frame")
    pandas = frame.to_pandas()
    indexed = pandas.set_index(pandas.index + 7)
    for given in (frame, frame.lazy(), pl.scan_parquet(export), pandas, indexed, frame.to_arrow(), relation):
        assert rollshare.rolling_share(given) == shares
    assert rollshare.rolling_share(frame.sample(fraction=1.0, shuffle=True, seed=7)) == shares


def test_completion_shows_the_package_alone() -> None:
    assert {"quality", "why", "run", "read_parquet"} <= set(dir(rollshare))
    assert not {"annotations", "TYPE_CHECKING"} & set(dir(rollshare))
    assert "Examples\n" in str(rollshare.rolling_share.__doc__)


def test_what_a_cell_shows(shares: rollshare.Shares) -> None:
    assert repr(shares).startswith("Shares by country: 616 rows") and "US" in repr(shares)
    page = shares._repr_html_()
    assert "GB" in page and "%" in page and "currentColor" in page and "2021" in page


def test_a_plot_shows_the_largest_and_takes_names(shares: rollshare.Shares) -> None:
    def titles(*keys: object) -> list[str]:
        return [axes.get_title(loc="left") for axes in shares.plot(*keys).axes if axes.get_visible()]

    assert set(titles()[:3]) == {"FR", "GB", "IT"}
    assert titles(["GB", "FR"]) == ["GB", "FR"] and titles("GB") == ["GB"]


def test_advice_is_in_the_words_of_python(frame: pl.DataFrame) -> None:
    renamed = frame.rename({"country": "country_code"})
    with pytest.raises(rollshare.RollshareError, match="no column 'country'") as error:
        rollshare.rolling_share(renamed)
    assert 'dimensions={"country": "country_code"}' in of_python(error)
    fixed = rollshare.rolling_share(renamed, dimensions={"country": "country_code"})
    # Another question, the same answer.
    original = rollshare.rolling_share(frame)
    assert fixed == original and not fixed.same_job(original)
    with pytest.raises(rollshare.RollshareError, match="reset_index") as error:
        rollshare.rolling_share(frame.to_pandas().set_index("country"))
    of_python(error)


def test_a_zone_of_a_column_is_its_calendar() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    rows = {
        "at": [datetime(2026, 3, 2, tzinfo=berlin), datetime(2026, 3, 3, tzinfo=berlin)],
        "network": ["Organic", "Ads"],
        "country": ["DE", "DE"],
    }
    zoned = pl.DataFrame(rows).with_columns(pl.col("at").dt.convert_time_zone("Europe/Berlin"))
    options = {"date": "at", "channel": "network", "count_rows": True, "grain": "day", "windows": 1}
    days = rollshare.rolling_share(zoned, **options)["date"]
    assert days == [date(2026, 3, 2), date(2026, 3, 3)]
    assert rollshare.rolling_share(zoned.to_pandas(), **options)["date"] == days


def test_a_check_says_what_to_do_in_python(tmp_path: Path) -> None:
    """Local midnights in UTC, rows marked deleted: the notes name keywords."""
    day = [datetime(2025, 11, 3 + at % 14, 23, tzinfo=timezone.utc) for at in range(140)]
    rows = pl.DataFrame(
        {
            "at": day,
            "network": ["Organic" if at % 3 else "Ads" for at in range(140)],
            "country": ["DE"] * 140,
            "_fivetran_deleted": [at % 9 == 0 for at in range(140)],
        }
    )
    rows.write_parquet(tmp_path / "installs.parquet")
    options = {"date": "at", "channel": "network", "count_rows": True, "grain": "day", "windows": 7}
    checked = rollshare.check(str(tmp_path / "installs.parquet"), **options)
    assert 'zone="Europe/' in checked["local_midnights"]["note"]
    assert 'where_not={"_fivetran_deleted": "true"}' in checked["deleted_rows"]["note"]
    tables = (checked.to_arrow().to_pylist(), checked.to_pandas().to_dict("records"), list(checked))
    for table in tables:
        for row in table:
            assert not any(flag in f"{row['note']}{row['finding']}" for flag in FLAGS), row
    with pytest.raises(rollshare.BlockedError) as error:
        rollshare.run(str(tmp_path / "installs.parquet"), tmp_path / "share.csv", **options)
    of_python(error)


def test_a_wrong_organic_name_is_an_error(frame: pl.DataFrame) -> None:
    with pytest.raises(rollshare.DataError, match="'Organic'") as error:
        rollshare.rolling_share(frame, organic="organic")
    of_python(error)


def test_rows_without_totals_are_added_up(frame: pl.DataFrame, shares: rollshare.Shares) -> None:
    parts = frame.filter((pl.col("os_name") != "all") & (pl.col("country") != "ALL"))
    assert rollshare.rolling_share(parts).columns == shares.columns
    assert len(rollshare.rolling_share(parts)) == len(shares)
    with pytest.raises(rollshare.DataError, match="none of .* rows counts") as error:
        rollshare.rolling_share(frame, where={"country": "XX"})
    of_python(error)


@pytest.mark.parametrize("windows", [4.0, "4", [0]])
def test_a_wrong_window_is_named(frame: pl.DataFrame, windows: object) -> None:
    with pytest.raises((rollshare.ArgumentError, TypeError), match="window") as error:
        rollshare.rolling_share(frame, windows=windows)
    assert "TypeError" not in of_python(error) and "iterable" not in str(error.value)


def test_empty_frames(frame: pl.DataFrame) -> None:
    assert len(rollshare.rolling_share(frame.clear())) == 0
    # Without rows it may have any columns, or none.
    assert len(rollshare.rolling_share(pl.DataFrame())) == 0
    with pytest.raises(rollshare.RollshareError, match="no column") as error:
        rollshare.rolling_share(pl.DataFrame({"name": ["Organic"]}))
    of_python(error)


def test_a_part_a_wide_table_a_date(export: str, shares: rollshare.Shares) -> None:
    few = shares.filter(country=["GB", "FR"], last=8)
    assert len(few) == 16 and {row["country"] for row in few} == {"GB", "FR"}
    assert few[0]["country"] == "FR" and len(few["week"]) == 16
    assert set(list(shares.wide().columns)[:2]) == {"GB", "FR"} and shares.wide().index.dtype.kind == "M"
    dated = rollshare.read_parquet(export, dates=True)
    assert dated.columns[:3] == ["year", "week", "week_start"]
    world = rollshare.read_parquet(export, with_total=True).filter(country="ALL")
    assert len(world) == len(rollshare.read_parquet(export, by="none"))


def test_every_library_takes_it(shares: rollshare.Shares) -> None:
    import altair
    import plotly.express
    import seaborn

    assert len(pd.DataFrame(shares)) == len(pl.DataFrame(shares)) == len(pa.table(shares)) == len(shares)
    assert duckdb.sql("select count(*) from shares").fetchall() == [(len(shares),)]
    assert plotly.express.line(shares, x="week", y="share_organic_p4w", color="country").data
    assert altair.Chart(shares).mark_line().encode(x="week:Q", y="share_organic_p4w:Q").to_dict()
    seaborn.lineplot(shares.to_pandas(), x="week", y="share_organic_p4w")


def test_a_run_has_its_table_and_what_it_said(export: str, shares: rollshare.Shares, tmp_path: Path) -> None:
    result = rollshare.run(export, tmp_path / "share.parquet")
    assert result.shares == shares and (result.state, result.exit_code) == ("published", 0)
    part = rollshare.run(export, tmp_path / "part.csv", only={"country": ["GB", "FR"]}, last=2)
    assert part.places["history"] is None
    assert len((tmp_path / "part.csv").read_text().splitlines()) == 5
    with pytest.raises(rollshare.ArgumentError, match="has a history of whole tables") as error:
        rollshare.run(export, tmp_path / "share.parquet", last=2)
    of_python(error)
    with pytest.raises(rollshare.BlockedError, match="no row of Nobody") as error:
        rollshare.run(export, tmp_path / "share.parquet", organic="Nobody")
    of_python(error)


def test_why_it_moved(export: str) -> None:
    why = rollshare.why(export, "GB", against=4)
    assert str(why).startswith("GB: organic share ")
    assert pa.table(why).num_rows == len(pl.DataFrame(why)) == len(why.to_pandas()) == len(why)
    with pytest.raises(rollshare.ArgumentError, match="no key 'UK'") as error:
        rollshare.why(export, "UK")
    of_python(error)
