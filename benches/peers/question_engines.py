"""Times one engine on one question of `questions.py`, in a separate process.

    python question_engines.py ENGINE QUESTION PATH THREADS REPEATS SECONDS ANSWER.parquet

Prints a line of JSON. An engine has several forms of the sums by key, week and class. Timed are,
for each form, the sums up to the engine's native result, and the whole answer: sums, zero-filled
cells, windows of four weeks, shares, in order. A week is the number of weeks since Monday
1970-01-05; a form that fails is reported, and the others run.
"""

import datetime
import json
import sys
import time
from zoneinfo import ZoneInfo

from engines import cpu, peak_rss
from questions import QUESTIONS, agree

MONDAY_DAY = 4
DAY_US = 86_400_000_000
WEEK_US = 7 * DAY_US


def transitions(zone, first=2020, last=2032):
    """(instant in microseconds from which the offset holds, offset in microseconds), in order."""
    hour = datetime.timedelta(hours=1)
    at = datetime.datetime(first, 1, 1, tzinfo=datetime.UTC)
    found = []
    while at.year < last:
        offset = at.astimezone(ZoneInfo(zone)).utcoffset() // datetime.timedelta(microseconds=1)
        if not found or found[-1][1] != offset:
            found.append((int(at.timestamp()) * 1_000_000, offset))
        at += hour
    return found


# DuckDB: sums


def duckdb_facts(question, table):
    """Forms by name: SQL that gives key columns, week, and `organic` and `total` or `users`."""
    keys = ", ".join(key for key in question.keys if key != "channel")
    week = "(day - DATE '1970-01-05') // 7 AS week"

    def select(columns, source=table):
        return f"SELECT {columns} FROM {source} GROUP BY ALL"

    if "channel" in question.keys:
        users = "sum(installs) AS users"
        days = select(f"{keys}, network AS channel, day, {users}")
        return {
            "week": select(f"{keys}, network AS channel, {week}, {users}"),
            "days first": select(f"{keys}, channel, {week}, sum(users) AS users", f"({days})"),
        }
    sums = {
        "filter": "sum(installs) FILTER (network = 'Organic')",
        "case": "sum(CASE WHEN network = 'Organic' THEN installs ELSE 0 END)",
    }
    sums = {form: f"{organic} AS organic, sum(installs) AS total" for form, organic in sums.items()}
    days = select(f"{keys}, day, {sums['case']}")
    return {
        **{form: select(f"{keys}, {week}, {two}") for form, two in sums.items()},
        "days first": select(f"{keys}, {week}, sum(organic) AS organic, sum(total) AS total", f"({days})"),
    }


def duckdb_events(question, table):
    def week_of(micros):
        return f"({micros} - {MONDAY_DAY * DAY_US}) // {WEEK_US}"

    day = "CAST(left(install_time, 10) AS DATE)"
    if question.layout == "events-text":
        steps = {
            "text days first": ("left(install_time, 10)", "(CAST(step AS DATE) - DATE '1970-01-05') // 7"),
            "day": (f"({day} - DATE '1970-01-05') // 7", "step"),
            "stamp": (week_of("epoch_us(CAST(install_time AS TIMESTAMP))"), "step"),
        }
    elif question.zone:
        offsets = transitions(question.zone)
        case = " ".join(
            f"WHEN us < {until} THEN {offset}" for (until, _), (_, offset) in zip(offsets[1:], offsets)
        )
        table = f"(SELECT *, epoch_us(install_time) AS us FROM {table})"
        local = f"epoch_us(timezone('{question.zone}', %s))"
        steps = {
            "offsets": (week_of(f"us + CASE {case} ELSE {offsets[-1][1]} END"), "step"),
            "timezone()": (week_of(local % "install_time"), "step"),
            "hours first": ("us // 3600000000", week_of(local % "to_timestamp(step * 3600)")),
        }
    else:
        steps = {
            "week": (week_of("epoch_us(install_time)"), "step"),
            "date_trunc": (
                "date_trunc('week', install_time AT TIME ZONE 'UTC')",
                "(CAST(step AS DATE) - DATE '1970-01-05') // 7",
            ),
        }
    organic = "media_source IS NULL OR media_source = 'organic'"
    where = "country_code IS NOT NULL AND media_source IS DISTINCT FROM 'restricted'"
    forms = {}
    for form, (step, week) in steps.items():
        inner = {
            f"{form}, filter": f"SELECT country_code, {step} AS step, count(*) FILTER ({organic}) "
            f"AS organic, count(*) AS total FROM {table} WHERE {where} GROUP BY ALL",
            f"{form}, channels first": f"SELECT country_code, step, sum(n) FILTER ({organic}) AS organic, "
            f"sum(n) AS total FROM (SELECT country_code, {step} AS step, media_source, count(*) AS n "
            f"FROM {table} GROUP BY ALL) WHERE {where} GROUP BY ALL",
        }
        for name, sql in inner.items():
            forms[name] = (
                "SELECT CASE country_code WHEN 'UK' THEN 'GB' ELSE country_code END AS country, "
                f"{week} AS week, sum(organic) AS organic, sum(total) AS total FROM ({sql}) GROUP BY ALL"
            )
    return forms


# DuckDB: zero-fill, windows, shares

DUCKDB_WEEKS = "weeks AS (SELECT unnest(range(min(week), max(week) + 1)) AS week FROM sums)"
DUCKDB_WEEK = "DATE '1970-01-05' + CAST(7 * week AS INTEGER) AS week"


def duckdb_answer(question, sums):
    keys = ", ".join(question.keys)
    over = f"(PARTITION BY {keys} ORDER BY week ROWS 3 PRECEDING)"
    if "channel" in question.keys:
        others = ", ".join(key for key in question.keys if key != "channel")
        return f"""
            WITH sums AS MATERIALIZED ({sums}), {DUCKDB_WEEKS},
            totals AS (SELECT {others}, week, sum(users) AS total FROM sums GROUP BY ALL),
            keys AS (SELECT {others}, channel FROM (SELECT DISTINCT {others} FROM sums),
                     (SELECT DISTINCT channel FROM sums)),
            cells AS (SELECT {keys}, week, coalesce(users, 0) AS users, coalesce(total, 0) AS total
                      FROM keys CROSS JOIN weeks
                      LEFT JOIN sums USING ({keys}, week) LEFT JOIN totals USING ({others}, week))
            SELECT {keys}, {DUCKDB_WEEK},
                   CAST(sum(users) OVER w AS DOUBLE) / nullif(CAST(sum(total) OVER w AS DOUBLE), 0) AS share
            FROM cells WINDOW w AS {over} ORDER BY {keys}, week"""
    return f"""
        WITH sums AS MATERIALIZED ({sums}), {DUCKDB_WEEKS},
        keys AS (SELECT DISTINCT {keys} FROM sums),
        cells AS (SELECT {keys}, week, coalesce(organic, 0) AS organic, coalesce(total, 0) AS total
                  FROM keys CROSS JOIN weeks LEFT JOIN sums USING ({keys}, week))
        SELECT {keys}, {DUCKDB_WEEK},
               CAST(sum(organic) OVER w AS DOUBLE) / nullif(CAST(sum(total) OVER w AS DOUBLE), 0) AS share
        FROM cells WINDOW w AS {over} ORDER BY {keys}, week"""


def duckdb(name, path, threads):
    import duckdb

    question = QUESTIONS[name]
    connection = duckdb.connect(config={"threads": threads})
    table = f"read_parquet('{path}')"
    if question.layout == "facts-csv":
        types = "'day': 'DATE', 'country': 'VARCHAR', 'os': 'VARCHAR', 'network': 'VARCHAR', 'installs': 'BIGINT'"
        table = f"read_csv('{path}', header = true, delim = ',', quote = '\"', columns = {{{types}}})"
    forms = (duckdb_facts if question.layout.startswith("facts") else duckdb_events)(question, table)

    def ask(sql):
        return lambda: connection.sql(sql).to_arrow_table()

    def frame(answer):
        import polars as pl

        return pl.from_arrow(answer)

    asked = {form: (ask(sql), ask(duckdb_answer(question, sql))) for form, sql in forms.items()}
    return duckdb.__version__, asked, frame


# Polars


def polars_facts(pl, question, path):
    """Forms by name: a lazy frame of the sums."""
    keys = [key for key in question.keys if key != "channel"]
    scan = pl.scan_parquet(path)
    if question.layout == "facts-csv":
        scan = pl.scan_csv(path, schema_overrides={"day": pl.Date, "installs": pl.Int64})
    week = ((pl.col("day").cast(pl.Int32) - MONDAY_DAY) // 7).cast(pl.Int64).alias("week")
    installs, organic = pl.col("installs"), pl.col("network") == "Organic"
    if "channel" in question.keys:
        keys = [*keys, pl.col("network").alias("channel")]
        users = {"users": installs.sum()}
        days = scan.group_by(*keys, "day").agg(**users)
        return {
            "week": scan.group_by(*keys, week).agg(**users),
            "days first": days.group_by(*question.keys, week).agg(pl.col("users").sum()),
        }
    masked = {"organic": pl.when(organic).then(installs).otherwise(0).sum(), "total": installs.sum()}
    days = scan.group_by(*keys, "day").agg(**masked)
    return {
        "filter": scan.group_by(*keys, week).agg(
            organic=installs.filter(organic).sum(), total=installs.sum()
        ),
        "when": scan.group_by(*keys, week).agg(**masked),
        "days first": days.group_by(*keys, week).agg(pl.col("organic", "total").sum()),
    }


def polars_events(pl, question, path):
    stamp = pl.col("install_time")

    def week_of(micros):
        return (micros - MONDAY_DAY * DAY_US) // WEEK_US

    def week_of_day(day):
        return ((day.cast(pl.Int32) - MONDAY_DAY) // 7).cast(pl.Int64)

    step = pl.col("step")
    if question.layout == "events-text":
        steps = {
            "text days first": (stamp.str.slice(0, 10), week_of_day(step.str.to_date("%Y-%m-%d"))),
            "day": (week_of_day(stamp.str.slice(0, 10).str.to_date("%Y-%m-%d")), step),
        }
    elif question.zone:
        offsets = transitions(question.zone)
        us = stamp.cast(pl.Int64)
        shift = pl.lit(offsets[-1][1], pl.Int64)
        for (until, _), (_, offset) in reversed(list(zip(offsets[1:], offsets))):
            shift = pl.when(us < until).then(pl.lit(offset, pl.Int64)).otherwise(shift)

        def local(instant):
            return instant.dt.convert_time_zone(question.zone).dt.replace_time_zone(None).cast(pl.Int64)

        hour = (step * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
        steps = {
            "offsets": (week_of(us + shift), step),
            "convert_time_zone": (week_of(local(stamp)), step),
            "hours first": (us // 3_600_000_000, week_of(local(hour))),
        }
    else:
        monday = stamp.dt.truncate("1w").cast(pl.Int64)
        steps = {"week": (week_of(stamp.cast(pl.Int64)), step), "truncate": (monday, week_of(step))}
    source, country = pl.col("media_source"), pl.col("country_code")
    organic = source.is_null() | (source == "organic")
    counts = country.is_not_null() & source.ne_missing("restricted")
    scan = pl.scan_parquet(path).select("install_time", "media_source", "country_code")
    forms = {}
    for form, (step, week) in steps.items():
        keyed = ["country_code", step.alias("step")]
        n = pl.len().cast(pl.Int64)
        inner = {
            f"{form}, sum": scan.filter(counts)
            .group_by(keyed)
            .agg(organic=organic.sum().cast(pl.Int64), total=n),
            f"{form}, channels first": scan.group_by(*keyed, "media_source")
            .agg(total=n)
            .filter(counts)
            .with_columns(organic=pl.when(organic).then("total").otherwise(0)),
        }
        renamed = country.replace("UK", "GB").alias("country")
        for name, frame in inner.items():
            forms[name] = frame.group_by(renamed, week.alias("week")).agg(pl.col("organic", "total").sum())
    return forms


def polars_answer(pl, question, sums):
    keys = list(question.keys)
    first, last = sums["week"].min(), sums["week"].max()
    weeks = pl.DataFrame({"week": pl.int_range(first, last + 1, eager=True)}).lazy()
    frame = sums.lazy()
    if "channel" in keys:
        others = [key for key in keys if key != "channel"]
        met = frame.select(others).unique().join(frame.select("channel").unique(), how="cross")
        totals = frame.group_by(*others, "week").agg(total=pl.col("users").sum())
        part = "users"
    else:
        met, part = frame.select(keys).unique(), "organic"
    cells = met.join(weeks, how="cross").join(frame, on=[*keys, "week"], how="left")
    if "channel" in keys:
        cells = cells.join(totals, on=[*others, "week"], how="left")
    cells = cells.with_columns(pl.col(part, "total").fill_null(0)).sort(*keys, "week")
    inside = pl.col(part, "total").rolling_sum(4, min_samples=1).over(keys)
    share = pl.when(pl.col("total") > 0).then(pl.col(part).cast(pl.Float64) / pl.col("total"))
    monday = (pl.col("week") * 7 + MONDAY_DAY).cast(pl.Int32).cast(pl.Date).alias("week")
    return cells.with_columns(inside).select(*keys, monday, share=share).collect()


def polars(name, path, threads):
    import os

    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl

    question = QUESTIONS[name]
    forms = (polars_facts if question.layout.startswith("facts") else polars_events)(pl, question, path)

    def ask(frame, engine):
        def sums():
            return frame.collect(engine=engine)

        return sums, lambda: polars_answer(pl, question, sums())

    asked = {f"{form}, streaming": ask(frame, "streaming") for form, frame in forms.items()}
    first, frame = next(iter(forms.items()))
    asked[f"{first}, in memory"] = ask(frame, "in-memory")
    return pl.__version__, asked, lambda answer: answer


ENGINES = {"duckdb": duckdb, "polars": polars}


def repeat(work, repeats, seconds):
    """[wall, CPU] of each run, and the last result; one run comes first to warm up."""
    result, times, started = work(), [], time.perf_counter()
    while len(times) < repeats:
        before, used = time.perf_counter(), cpu()
        result = work()
        times.append([time.perf_counter() - before, cpu() - used])
        if time.perf_counter() - started > seconds:
            break
    return times, result


def main():
    engine, name, path, threads, repeats, seconds, out = sys.argv[1:]
    version, forms, frame = ENGINES[engine](name, path, int(threads))
    variants, tables, failed, kept = {}, {}, {}, None
    for form, (sums, answer) in forms.items():
        try:
            variants[form], _ = repeat(sums, int(repeats), float(seconds))
            tables[form], table = repeat(answer, int(repeats), float(seconds))
        except Exception as error:  # a form may need an extension that is not installed
            variants.pop(form, None)
            failed[form] = str(error).splitlines()[0][:200]
            continue
        kept = agree(kept, frame(table), form, QUESTIONS[name])
    if not variants:
        sys.exit(f"no form runs: {failed}")
    kept.write_parquet(out)
    print(
        json.dumps(
            {
                "version": version,
                "variants": variants,
                "tables": tables,
                "failed": failed,
                "peak_rss_bytes": peak_rss(),
            }
        )
    )


if __name__ == "__main__":
    main()
