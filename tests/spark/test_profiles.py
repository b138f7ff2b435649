"""Exports of other columns than the default, in both modes and by the data source."""

from __future__ import annotations

import datetime
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest
import rollshare
from rollshare.spark import partial, partial_parquet, read_parquet, rolling_share

PROFILE = rollshare.Profile(
    {
        "time": {"date": "day"},
        "users": {"column": "installs"},
        "channel": {"column": "network", "organic": ["Organic"]},
        "dimensions": {"country": {}, "os": {"column": "platform"}},
    }
)
QUESTIONS = [
    {},
    {"by": ["os", "country"], "with_total": True, "windows": [1, 4]},
    {"by": "none", "grain": "month"},
    {"share_of": "channel", "grain": "day"},
    {"where": {"platform": "ios"}, "count_rows": True},
    {"where_not": {"deleted": True}, "week_start": "sunday", "details": True},
    {"total": {"os": "web"}},
]


def rows_of(df):
    return [row.asDict() for row in df.collect()]


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """A folder of three files."""
    folder = tmp_path_factory.mktemp("facts")
    start = datetime.date(2026, 1, 1)
    table = pa.table(
        {
            "day": [start + datetime.timedelta(at // 8) for at in range(600)],
            "country": [("FR", "GB", "DE")[at % 3] for at in range(600)],
            "platform": [("ios", "android")[at % 2] for at in range(600)],
            "network": [("Organic", "Ads", "Search", "Ads", "Organic")[at % 5] for at in range(600)],
            "installs": [at % 17 for at in range(600)],
            "deleted": [at % 11 == 0 for at in range(600)],
        }
    )
    for part in range(3):
        pq.write_table(table.slice(part * 200, 200), folder / f"{part}.parquet")
    return str(folder)


@pytest.mark.parametrize("options", QUESTIONS, ids=str)
def test_file_mode(spark, facts, options):
    want = rollshare.read_parquet(facts, profile=PROFILE, **options)
    assert rows_of(read_parquet(spark, facts, profile=PROFILE, **options)) == want.to_dicts()
    job = pickle.loads(pickle.dumps(rollshare.Job(profile=PROFILE, **options)))
    assert partial_parquet(spark, facts, splits=3, job=job).finish() == want


@pytest.mark.parametrize("options", QUESTIONS, ids=str)
def test_dataframe_mode(spark, facts, options):
    want = rollshare.read_parquet(facts, profile=PROFILE, **options)
    df = spark.read.parquet(facts).repartition(4)
    assert rows_of(rolling_share(df, profile=PROFILE, **options)) == want.to_dicts()
    assert partial(df, profile=PROFILE, **options).finish() == want


@pytest.mark.parametrize("sums", ["spark", "kernel"])
def test_total_rows_count_alone_where_there_are_any(spark, small, sums):
    df = spark.read.parquet(small)
    parts = df.where("os_name <> 'all'").repartition(3)
    for frame in (parts, df):
        # The files of the same rows.
        want = rollshare.rolling_share(pa.Table.from_pandas(frame.toPandas(), preserve_index=False))
        assert rows_of(rolling_share(frame, files="never", sums=sums)) == want.to_dicts()
    merged = rollshare.merge([partial(parts, sums=sums), partial(df.where("os_name = 'all'"), sums=sums)])
    assert merged.finish().to_dicts() == rollshare.read_parquet(small).to_dicts()


def test_nothing_left_says_why(spark, facts):
    options = {"profile": PROFILE, "where": {"network": "organic"}}
    for frame in (
        read_parquet(spark, facts, **options),
        rolling_share(spark.read.parquet(facts), files="never", **options),
    ):
        with pytest.raises(Exception, match="none of 600 rows counts: 600 a condition"):
            frame.collect()


@pytest.mark.skipif(int(pyspark.__version__.split(".")[0]) < 4, reason="Python data sources need PySpark 4")
@pytest.mark.parametrize("text", ["toml", "path"])
def test_the_data_source(spark, facts, tmp_path, text):
    from rollshare.spark import register

    register(spark)
    path = tmp_path / "facts.toml"
    path.write_text(PROFILE.to_toml())
    given = {
        "profile": PROFILE.to_toml() if text == "toml" else str(path),
        "by": "os,country",
        "with_total": "true",
        "grain": "month",
        "windows": "1",
        "dimension.os": "platform",
        "where_not.network": '["Search"]',
        "ignore_case": "true",
    }
    want = rollshare.read_parquet(
        facts, profile=PROFILE, by=["os", "country"], with_total=True, grain="month", windows=1,
        where_not={"network": "Search"}, ignore_case=True,
    )  # fmt: skip
    assert rows_of(spark.read.format("rollshare").options(**given).load(facts)) == want.to_dicts()


@pytest.mark.parametrize("mode", ["files", "spark", "kernel"])
def test_organic_channels_that_no_row_has_are_an_error(spark, small, mode):
    def table(**options):
        if mode == "files":
            return read_parquet(spark, small, **options).collect()
        df = spark.read.parquet(small)
        return rolling_share(df, files="never", sums=mode, **options).collect()

    with pytest.raises(Exception, match="no row is organic: none has name 'organic'"):
        table(organic="organic")
    assert table(organic=["Organic", "typo"])


def test_a_missing_column_names_the_keyword(spark, small):
    df = spark.read.parquet(small).withColumnRenamed("country", "country_code")
    for files in ("auto", "never"):
        with pytest.raises(rollshare.DataError, match="no column 'country'") as caught:
            rolling_share(df, files=files)
        assert caught.value.advice.endswith('add dimensions={"country": "country_code"}')
