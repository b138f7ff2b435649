"""The table in a notebook: rows, filters, frames of others, pictures."""

from __future__ import annotations

import datetime
import pickle
import re
import warnings
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import rollshare


@pytest.fixture(scope="module")
def shares(sample: str) -> rollshare.Shares:
    return rollshare.read_parquet(sample, details=True, dates=True, windows=[4, 13])


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> rollshare.Shares:
    """A table of 52 countries."""
    path = tmp_path_factory.mktemp("many") / "many.parquet"
    rollshare.sample(path, 400_000)
    return rollshare.read_parquet(path)


def test_rows_are_a_sequence(shares: rollshare.Shares) -> None:
    rows = shares.to_dicts()
    assert list(shares) == rows and [shares[at] for at in (0, -1)] == [rows[0], rows[-1]]
    for part in (slice(3), slice(-5, None), slice(None, None, 7), slice(10, 2), slice(None, None, -1)):
        assert shares[part] == rows[part]
    for name in shares.columns:
        assert shares[name] == [row[name] for row in rows]
    with pytest.raises(KeyError):
        shares["nope"]
    with pytest.raises(IndexError):
        shares[len(rows)]


def test_dates_are_the_first_days(sample: str) -> None:
    for options, name in [
        ({}, "week_start"), ({"week_start": "sunday"}, "week_start"), ({"grain": "month"}, "month_start")
    ]:  # fmt: skip
        plain = rollshare.read_parquet(sample, **options)
        dated = rollshare.read_parquet(sample, dates=True, **options)
        assert [c for c in dated.columns if c != name] == plain.columns and dated.columns[2] == name
        for row in dated[:30]:
            day = row[name]
            if name == "month_start":
                assert day == datetime.date(row["year"], row["month"], 1)
            else:
                monday = datetime.date.fromisocalendar(row["year"], row["week"], 1)
                assert (monday - day).days == (1 if "week_start" in options else 0)
        assert dated.to_polars().schema[name] == pl.Date
        assert str(dated.to_pandas()[name].dtype).startswith("datetime64")
    assert rollshare.read_parquet(sample, grain="day", dates=True).columns[0] == "date"
    job = rollshare.Job(dates=True)
    assert job.dates and pickle.loads(pickle.dumps(job)) == job != rollshare.Job()
    assert "dates=True" in repr(job)
    with pytest.raises(rollshare.ArgumentError, match="dates with legacy semantics"):
        rollshare.read_parquet(sample, dates=True, semantics="legacy")


def test_a_filter_changes_no_number(shares: rollshare.Shares, tmp_path: Path) -> None:
    countries = sorted(set(shares["country"]))
    few = shares.filter(country=countries[::-2], last=8)
    starts = sorted(set(shares["week_start"]))[-8:]
    rows = [row for row in shares if row["country"] in countries[::-2] and row["week_start"] in starts]
    assert list(few) == rows and len(rows) == 8 * len(countries[::-2])
    assert shares.filter({"country": countries[0]}) == shares.filter(country=countries[0])
    assert shares.filter() == shares and shares.filter(last=10_000) == shares
    again = pickle.loads(pickle.dumps(few.filter(last=2)))
    assert again == few.filter(last=2) != few and again.same_job(shares)
    assert few.write_parquet(tmp_path / "few.parquet") == len(few)
    assert pl.read_parquet(tmp_path / "few.parquet").equals(few.to_polars())
    assert few.account == shares.account
    for given, words in [
        ({"contry": "GB"}, "Did you mean country?"), ({"country": "UK"}, "no country 'UK' in the table"),
        ({"last": 0}, "last=0"),
    ]:  # fmt: skip
        with pytest.raises(rollshare.ArgumentError, match=re.escape(words)) as caught:
            shares.filter(**given)
        assert "--" not in str(caught.value)


def test_equality_compares_answers(sample: str) -> None:
    frame = pl.read_parquet(sample)
    one = rollshare.rolling_share(frame)
    other = rollshare.rolling_share(frame.rename({"country": "cc"}), columns={"country": "cc"})
    assert one == other and not one.same_job(other) and one.same_job(rollshare.read_parquet(sample))
    assert one != rollshare.rolling_share(frame, windows=5) and one != one.filter(last=1)
    # Another account is another answer: rows were left out.
    assert one != rollshare.rolling_share(frame.filter(pl.col("os_name") == "all"))


def test_wide_tables(shares: rollshare.Shares, sample: str, many: rollshare.Shares) -> None:
    wide = shares.wide()
    assert wide.index.name == "week_start" and wide.index[0] == pd.Timestamp("2020-10-26")
    for row in shares[::11]:
        value = wide.loc[pd.Timestamp(row["week_start"]), row["country"]]
        assert value == row["share_organic_p4w"] or row["share_organic_p4w"] is None
    assert shares.wide("organic_p13w").shape == wide.shape
    # Most users first.
    users = {key[0]: of_key for key, of_key in many._native.users()}
    assert list(many.wide().columns) == sorted(users, key=lambda key: (-users[key], key))
    frame = pl.read_parquet(sample).filter(pl.col("os_name") == "all", pl.col("country") != "ALL")
    totals = dict(frame.group_by("country").agg(pl.col("value").sum()).iter_rows())
    assert {key[0]: of_key for key, of_key in shares._native.users()} == totals
    world = rollshare.read_parquet(sample, by="none", grain="month").wide()
    assert list(world.columns) == ["share_organic_p4m"] and world.index.name == "month_start"
    two = rollshare.read_parquet(sample, by=["country", "os_name"], with_total=True, grain="day").wide()
    assert two.columns.nlevels == 2 and two.index.name == "date"
    with pytest.raises(rollshare.ArgumentError, match="no column 'nope'"):
        shares.wide("nope")


def test_frames_of_others_take_it(shares: rollshare.Shares) -> None:
    frame = pd.DataFrame(shares)
    assert list(frame.columns) == shares.columns and len(frame) == len(shares)
    assert frame["share_organic_p4w"].equals(shares.to_pandas()["share_organic_p4w"])
    assert pa.table(shares).num_rows == len(pl.DataFrame(shares)) == len(shares)


def test_plotly_takes_it(shares: rollshare.Shares) -> None:
    express = pytest.importorskip("plotly.express", reason="pip install plotly")
    figure = express.line(shares, x="week_start", y="share_organic_p4w", color="country")
    assert sorted(trace.name for trace in figure.data) == sorted(set(shares["country"]))


def test_altair_takes_it(shares: rollshare.Shares) -> None:
    altair = pytest.importorskip("altair", reason="pip install altair")
    chart = altair.Chart(shares).mark_line().encode(x="week_start:T", y="share_organic_p4w", color="country")
    (rows,) = chart.to_dict()["datasets"].values()
    assert len(rows) == len(shares) and rows[0]["country"] == shares[0]["country"]


def test_seaborn_and_matplotlib_take_it(shares: rollshare.Shares) -> None:
    pytest.importorskip("matplotlib", reason="pip install matplotlib").use("agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots()
    (line,) = axis.plot("week_start", "share_organic_p4w", data=shares.filter(country=shares[0]["country"]))
    assert len(line.get_xdata()) == 24
    pyplot.close(figure)
    seaborn = pytest.importorskip("seaborn", reason="pip install seaborn")
    axis = seaborn.lineplot(shares, x="week_start", y="share_organic_p4w", hue="country", errorbar=None)
    assert len(axis.lines) >= 3
    pyplot.close("all")


def test_the_result_of_a_run_has_the_table(sample: str, tmp_path: Path) -> None:
    result = rollshare.run(sample, tmp_path / "share.parquet", details=True)
    assert result.shares == rollshare.read_parquet(sample, details=True)
    assert result.shares.to_polars().equals(pl.read_parquet(tmp_path / "share.parquet"))
    assert pickle.loads(pickle.dumps(result)).shares == result.shares
    checks = tmp_path / "checks.toml"
    checks.write_text("[allow]\nsystems = ['ios']\n")
    with pytest.raises(rollshare.BlockedError) as blocked:
        rollshare.run(sample, tmp_path / "share.parquet", checks=checks)
    assert blocked.value.results.shares == rollshare.read_parquet(sample)


def test_a_plot_shows_most_users_first_and_does_not_warn(many: rollshare.Shares, sample: str) -> None:
    pytest.importorskip("matplotlib", reason="pip install rollshare[plot]")

    def titles(figure: object) -> list[str]:
        return [axis.get_title(loc="left") for axis in figure.axes if axis.get_visible()]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        order = list(many.wide().columns)
        figure = many.plot()
        figure.canvas.draw()
        assert titles(figure) == order[:24] and f"{len(order) - 24} more" in figure._suptitle.get_text()
        assert titles(many.plot(order[5])) == [order[5]]
        assert many.plot(order[5])._repr_png_()[:4] == b"\x89PNG"
        assert titles(many.plot(order[2::-1])) == order[2::-1]
        assert titles(many.plot(countries=order[:2], window=4)) == order[:2]
        for options in ({"grain": "day", "windows": 28}, {"grain": "month"}, {"by": "none"}):
            for of in (rollshare.read_parquet(sample, **options), many.filter(last=2), many.filter(last=1)):
                of.plot().canvas.draw()
    with pytest.raises(rollshare.ArgumentError):
        many.plot("nowhere")


def test_the_picture_in_a_notebook_has_axes_and_follows_the_theme(many: rollshare.Shares) -> None:
    html = many._repr_html_()
    order = list(many.wide().columns)
    legend = re.findall(r"&#9632;</span> (\w+)</span>", html)
    assert legend == order[:6]
    for words in ("Share of organic users over 4 weeks, ", "100%", "50%", "0%", 'fill="currentColor"'):
        assert words in html
    row = many[0]
    assert f">{row['year']}-W{row['week']:02}</text>" in html
    assert f"6 of {len(order)}, those with most users" in html
    assert "#ccc" not in html and "black" not in html


def test_errors_speak_python(sample: str) -> None:
    """Advice has keywords, not flags of the program."""
    frame = pl.read_parquet(sample)
    calls = [
        lambda: rollshare.rolling_share(frame.rename({"country": "country_code"})),
        lambda: rollshare.rolling_share(frame.rename({"value": "installs"})),
        lambda: rollshare.read_parquet(sample, where={"name": "organic"}),
        lambda: rollshare.read_parquet(sample, organic="organic"),
        lambda: rollshare.read_parquet(sample, by="os"),
        lambda: rollshare.Job(semantics="legacy", grain="day"),
        lambda: rollshare.Job(windows=[]),
        lambda: rollshare.read_parquet([sample, __file__]),
    ]
    for call in calls:
        with pytest.raises(rollshare.RollshareError) as caught:
            call()
        assert not re.search(r"(?<![-\w])--\w", str(caught.value)), str(caught.value)


def test_zones_of_columns_are_used(tmp_path: Path) -> None:
    """Instants of a frame are days of the zone of their column, unless the profile names one."""
    times = pd.to_datetime(["2026-03-01T23:30:00Z", "2026-03-02T12:00:00Z"])
    columns = {"name": ["Organic", "Paid"], "value": [1, 1], "country": ["DE", "DE"]}
    options = {
        "profile": {
            "time": {"date": "at"}, "users": {"column": "value"}, "dimensions": {"country": {}},
            "channel": {"column": "name", "organic": ["Organic"]},
        },
        "grain": "day", "windows": 1,
    }  # fmt: skip

    def days(frame: object, **more: object) -> list[str]:
        return [str(day) for day in rollshare.rolling_share(frame, **options, **more)["date"]]

    berlin = pd.DataFrame({**columns, "at": times.tz_convert("Europe/Berlin")})
    utc = pd.DataFrame({**columns, "at": times})
    for frame in (berlin, pl.from_pandas(berlin), pa.Table.from_pandas(berlin, preserve_index=False)):
        assert days(frame) == ["2026-03-02"], type(frame)
        assert days(frame, zone="UTC") == ["2026-03-01", "2026-03-02"], type(frame)
    assert days(utc) == ["2026-03-01", "2026-03-02"] and days(utc, zone="Europe/Berlin") == ["2026-03-02"]
    offset = datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))
    assert days(utc.assign(at=times.tz_convert(offset))) == ["2026-03-01", "2026-03-02"]
    assert days(utc.assign(at=times.tz_convert(datetime.timezone(datetime.timedelta(hours=1))))) == [
        "2026-03-02"
    ]
    # A file has instants alone.
    berlin.to_parquet(tmp_path / "berlin.parquet")
    assert len(rollshare.read_parquet(tmp_path / "berlin.parquet", **options)) == 2
