"""Random profiles on random rows: files and data frames in Spark give what one process gives."""

from __future__ import annotations

import datetime
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rollshare
from rollshare.spark import partial_parquet, read_parquet, rolling_share

SEEDS = range(12)
COUNTRIES = ["fr", "FR", "UK", "GB", "ALL", None]
SYSTEMS = ["ios", "android", "all", None]
CHANNELS = ["Organic", "organic", "Ads", "Search", "Restricted", "", None]


def random_rows(draw: random.Random) -> pa.Table:
    """Rows in no order, some with total rows of one dimension, of both or of none."""
    countries = draw.sample(COUNTRIES, draw.randint(2, len(COUNTRIES)))
    systems = draw.sample(SYSTEMS, draw.randint(1, len(SYSTEMS)))
    start = datetime.datetime(2026, 2, 20, tzinfo=datetime.timezone.utc)
    rows = draw.randint(200, 900)
    times = [start + datetime.timedelta(minutes=draw.randrange(60 * 24 * 60)) for _ in range(rows)]
    return pa.table(
        {
            "at": pa.array(times, pa.timestamp("us", "UTC")),
            "day": pa.array([time.date() for time in times], pa.date32()),
            "text": [time.strftime("%Y-%m-%d %H:%M:%S+00:00") for time in times],
            "country": pa.array(draw.choices(countries, k=rows), pa.string()),
            "platform": pa.array(draw.choices(systems, k=rows), pa.string()),
            "network": pa.array(draw.choices(CHANNELS, k=rows), pa.string()),
            "installs": pa.array(draw.choices([0, 1, 2, 50, None], k=rows), pa.int64()),
            "again": draw.choices([True, False, None], k=rows),
        }
    )


def random_dimension(draw: random.Random, total: str) -> dict[str, object]:
    entries: dict[str, object] = {}
    if draw.random() < 0.3:
        entries["null"] = "unknown"
    kind = draw.choice(["none", "total", "total", "total_is_null"])
    if kind == "total":
        entries["total"] = total
    elif kind == "total_is_null" and "null" not in entries:
        entries["total_is_null"] = True
    if draw.random() < 0.3:
        entries["case"] = draw.choice(["upper", "lower"])
    return entries


def random_profile(draw: random.Random) -> dict[str, object]:
    time = {"date": draw.choice(["at", "at", "day", "text"])}
    if draw.random() < 0.5:
        time["zone"] = draw.choice(["Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata"])
    if draw.random() < 0.4:
        time["week_start"] = draw.choice(["sunday", "wednesday"])
    listed = draw.sample([name for name in CHANNELS if name], 2)
    channel = {
        "column": "network",
        draw.choice(["organic", "paid"]): listed,
        "excluded": draw.choice([[], ["Restricted"] if "Restricted" not in listed else []]),
        "null": draw.choice(["organic", "paid", "excluded"]),
    }
    profile = {
        "time": time,
        "users": draw.choice([{"column": "installs"}, {"rows": True}]),
        "channel": channel,
        "dimensions": {
            "country": random_dimension(draw, "ALL"),
            "os": {"column": "platform", **random_dimension(draw, "all")},
        },
    }
    if draw.random() < 0.4:
        condition = draw.choice([("again", "not_in", ["true"]), ("platform", "in", ["ios", "all"])])
        profile["where"] = [{"column": condition[0], condition[1]: condition[2]}]
    return profile


def random_options(draw: random.Random) -> dict[str, object]:
    by = draw.choice([[], ["country"], ["os"], ["os", "country"]])
    return {
        "by": by,
        "grain": draw.choice(["week", "week", "day", "month"]),
        "windows": draw.sample([1, 2, 4], 2),
        "with_total": draw.sample(by, draw.randint(0, len(by))),
        "share_of": draw.choice(["organic", "organic", "channel"]),
        "details": draw.random() < 0.3,
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_spark_gives_what_one_process_gives(spark, tmp_path, seed):
    draw = random.Random(seed)
    want = None
    while want is None:
        table = random_rows(draw)
        options = {"profile": random_profile(draw), **random_options(draw)}
        try:
            want = rollshare.rolling_share(table, **options)
        except rollshare.DataError as error:
            # A question that no row answers, or a member with the name of a total: the next one.
            assert any(words in str(error) for words in ("none of", "name of its total")), (seed, options)
    step = -(-table.num_rows // 3)
    for part in range(3):
        pq.write_table(table.slice(part * step, step), tmp_path / f"{part}.parquet", row_group_size=100)
    source = str(tmp_path)
    print(seed, options)
    assert rollshare.read_parquet(source, **options) == want

    def rows_of(df):
        return [row.asDict() for row in df.collect()]

    assert rows_of(read_parquet(spark, source, **options)) == want.to_dicts()
    job = rollshare.Job(**options)
    assert partial_parquet(spark, source, splits=5, job=job).finish() == want
    # The time zone of the session changes nothing.
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", ["UTC", "Asia/Tokyo", "America/New_York"][seed % 3])
    try:
        df = spark.read.parquet(source).repartition(4)
        assert rows_of(rolling_share(df, files="never", **options)) == want.to_dicts()
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
