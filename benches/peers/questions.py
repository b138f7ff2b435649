"""The questions on exports other than the default one: files, profile, arguments, answers.

An answer is a table with the columns of `Question.keys`, `week` (the Monday) and `share`,
the share over four weeks; every key has every week. Answers are compared exactly.
"""

import datetime
import sys
from dataclasses import dataclass
from pathlib import Path

PROFILES = Path(__file__).with_name("profiles")
ENGINES = ["duckdb", "polars"]

@dataclass(frozen=True)
class Question:
    title: str
    layout: str
    # The profile, and the arguments of `rollshare run` beside it.
    profile: str
    arguments: tuple[str, ...]
    # Columns of the files that the question needs.
    columns: tuple[str, ...]
    # Columns of the answer that come before the period.
    keys: tuple[str, ...] = ("country",)
    zone: str | None = None


FACTS = ("day", "country", "network", "installs")
EVENTS = ("install_time", "media_source", "country_code")
QUESTIONS = {
    "facts-by-country": Question("fact table by country", "facts", "facts", ("--by", "country"), FACTS),
    "facts-csv-by-country": Question(
        "fact table as CSV by country", "facts-csv", "facts", ("--by", "country"), FACTS
    ),
    "facts-by-country-os": Question(
        "fact table by country and os",
        "facts",
        "facts",
        ("--by", "country,os"),
        (*FACTS, "os"),
        keys=("country", "os"),
    ),
    "facts-share-of-channel": Question(
        "fact table, share of each channel by country",
        "facts",
        "facts",
        ("--by", "country", "--share-of", "channel"),
        FACTS,
        keys=("country", "channel"),
    ),
    "events-by-country": Question(
        "events by week and country", "events", "events", ("--by", "country"), EVENTS
    ),
    "events-text-by-country": Question(
        "events with text stamps by week and country", "events-text", "events", ("--by", "country"), EVENTS
    ),
    "events-berlin-by-country": Question(
        "events by week of Europe/Berlin and country",
        "events",
        "events",
        ("--by", "country", "--zone", "Europe/Berlin"),
        EVENTS,
        zone="Europe/Berlin",
    ),
}


def read_csv(path, question):
    """The program's answer with the Monday instead of year and week."""
    import polars as pl

    share = "share_p4w" if "channel" in question.keys else "share_organic_p4w"
    types = {"year": pl.Int32, "week": pl.Int32, share: pl.Float64}
    frame = pl.read_csv(path, schema_overrides=types | dict.fromkeys(question.keys, pl.String))
    labels = frame.select("year", "week").unique()
    mondays = [datetime.date.fromisocalendar(year, week, 1) for year, week in labels.iter_rows()]
    labels = labels.with_columns(monday=pl.Series(mondays, dtype=pl.Date))
    frame = frame.join(labels, on=["year", "week"])
    return frame.select(*question.keys, week="monday", share=share)


def agree(reference, found, name, question):
    """End the run if `found` differs from the reference in a row or a bit of a share."""
    columns = [*question.keys, "week"]
    found = found.select(*columns, "share").sort(columns)
    if reference is None:
        print(f"  {name}: {found.height:,} rows, {found['share'].null_count():,} null", file=sys.stderr)
        return found
    if not found.select(columns).equals(reference.select(columns)):
        sys.exit(f"{name}: {found.height} rows, others have {reference.height}; or other keys")
    differs = ~found["share"].eq_missing(reference["share"])
    if differs.any():
        row = differs.arg_max()
        sys.exit(f"{name}: {found.row(row)}, others have {reference.row(row)}; {differs.sum()} rows differ")
    return reference
