#!/usr/bin/env python3
"""The job for spark-submit and EMR steps: parquet exports in, the share table out.

    spark-submit jobs/transform.py --source_parquet URI --target_parquet URI

Arguments, output columns and folder are those of the job that it replaces: `year`, `week` (int32), `country`,
`share_organic_p4w` (double), in a folder with one snappy part and `_SUCCESS`. The folder is replaced
atomically, after the rows and the table were checked. On a cluster the executors read the rows; the driver
reads footers, judges and publishes. Without a cluster (plain `python3`, a local master) the job runs in this
process.

The other options are those of `rollshare run`, under the same names, without --explain, --json and --quiet.

Exit codes, as of `rollshare run`: 0 published, 2 wrong usage, 3 bad input, 4 a check that blocks has failed,
5 a check that blocks could not run, 6 input or output failed, 7 published, but the history could not be
updated: the next run is compared with older sums, 70 a bug.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import subprocess
import sys

import rollshare

EXIT_CODES = (
    (rollshare.ArgumentError, 2),
    (rollshare.StorageError, 6),
    (rollshare.InternalError, 70),
    (rollshare.RollshareError, 3),
)
#: What an exit code means for the alarms; every other one is "failed".
OUTCOMES = {0: "published", 4: "blocked", 5: "blocked"}


def texts(given: str) -> list[str]:
    """Parse a list with commas."""
    return given.split(",")


def lengths(given: str) -> list[int]:
    """Parse lengths of windows."""
    try:
        return [int(length) for length in texts(given)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid value {given!r}; expected numbers such as 4,13") from None


def pair(given: str) -> tuple[str, str]:
    """Parse NAME=VALUE."""
    name, equals, value = given.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"invalid value {given!r}; expected NAME=VALUE, e.g. os=platform")
    return name, value


def of_job(parser: argparse.ArgumentParser) -> None:
    """Add the options of the job."""
    add = parser.add_argument
    add(
        "--semantics",
        choices=("iso", "legacy"),
        default="iso",
        help="iso: calendar-correct (default); legacy: reproduces the original PySpark job",
    )
    add(
        "--window",
        type=lengths,
        action="extend",
        metavar="LENGTHS",
        help="windows in steps of the grain, with commas",
    )
    add("--details", action="store_true", help="add counts, bounds, change and the year before to each share")
    add("--dates", action="store_true", help="add the first day of each week or month, to join by date")
    add("--grain", choices=("week", "day", "month"), help="step of the time axis")
    add("--by", type=texts, metavar="DIMENSIONS", help="dimensions of the key, with commas; none: no key")
    add(
        "--with-total",
        type=texts,
        nargs="?",
        const=True,
        metavar="DIMENSIONS",
        help="add the rows without these dimensions, or without each of them",
    )
    add("--share-of", choices=("organic", "channel"), help="the share of organic users, or of each channel")
    add("--threads", type=int, metavar="N", help="threads of the driver; default: one for each core")


def of_profile(parser: argparse.ArgumentParser) -> None:
    """Add the profile, and single entries of it."""
    add = parser.add_argument
    add(
        "--profile",
        metavar="NAME",
        help="what the columns mean: a TOML file, also in S3, or a bundled name (docs/profiles.md)",
    )
    add("--date", metavar="COLUMN", help="column of dates or times")
    add("--label", metavar="COLUMN", help="column of ISO week labels")
    add("--users", metavar="COLUMN", help="column of the number of new users")
    add("--channel", metavar="COLUMN", help="column of channels")
    add("--date-unit", choices=("s", "ms", "us", "ns", "day"), help="unit of integer dates")
    add("--zone", help="time zone of the calendar, e.g. Europe/Berlin")
    add("--week-start", metavar="DAY", help="first day of the week")
    add("--settle-days", type=int, metavar="DAYS", help="days that the export takes to settle")
    add("--count-rows", action="store_true", help="each row is one new user")
    add("--organic", action="append", metavar="CHANNEL", help="channel that is organic; may be repeated")
    add("--paid", action="append", metavar="CHANNEL", help="channel that is paid; may be repeated")
    add("--exclude", action="append", metavar="CHANNEL", help="channel in neither sum; may be repeated")
    add("--null-channel", metavar="CLASS", help="class of rows without a channel")
    add("--ignore-case", action="store_true", help="compare channels without regard to case")
    pairs = {"type": pair, "action": "append"}
    add("--dimension", **pairs, metavar="NAME=COLUMN", help="column of a dimension, e.g. os=platform")
    add(
        "--total", **pairs, metavar="NAME=MEMBER", help="member of the total rows of a dimension, e.g. os=all"
    )
    add("--total-rows", **pairs, metavar="NAME=MODE", help="auto, off or required, e.g. os=off")
    add("--where", **pairs, metavar="COLUMN=VALUE", help="rows that count: type=install, 'deleted!=true'")
    add("--column", **pairs, metavar="ROLE=NAME", help="column of the default profile, e.g. value=installs")
    add("--country-total", metavar="NAME", help="same as --total country=NAME")
    add("--os-total", metavar="NAME", help="same as --total os_name=NAME")


def of_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of checks and publication."""
    add = parser.add_argument
    checks = parser.add_mutually_exclusive_group()
    checks.add_argument(
        "--checks", metavar="FILE", help="bounds and severities of the checks, also in S3 (docs/quality.md)"
    )
    checks.add_argument("--no-checks", action="store_true", help="skip the checks")
    add("--warn-only", action="store_true", help="publish even if checks fail")
    add(
        "--allow-restatement",
        action="append",
        metavar="WEEK..WEEK",
        help="published weeks that may change, e.g. 2026_10..2026_12",
    )
    add("--allow-empty", action="store_true", help="publish an empty table if the source has no rows")
    add(
        "--csv-safe", action="store_true", help="put an apostrophe before names that would be formulas in CSV"
    )
    add("--state", metavar="DIR", help="reuse the sums of unchanged files, kept in this folder, also in S3")
    add(
        "--only",
        type=pair,
        action="append",
        metavar="COLUMN=MEMBERS",
        help="publish only these members, e.g. country=GB,FR; to a target without a history",
    )
    add(
        "--last", type=int, metavar="N", help="publish only the last N periods; to a target without a history"
    )
    add(
        "--run-on",
        choices=("auto", "driver", "cluster"),
        default="auto",
        help="where rows are read; auto (default): on the cluster, if there is one, where the needed columns "
        "have over 3 GiB (docs/spark.md)",
    )
    add(
        "--metrics",
        metavar="NAMESPACE",
        help="send the outcome to CloudWatch by the AWS CLI: the metric `runs` with the dimension `outcome`, "
        "which is published, blocked (exit codes 4 and 5) or failed",
    )


def arguments(given: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="transform.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source_parquet",
        required=True,
        action="append",
        metavar="URI",
        help="file, folder or glob of exports; may be repeated",
    )
    parser.add_argument("--target_parquet", required=True, metavar="URI", help="folder to publish to")
    of_job(parser)
    of_profile(parser)
    of_run(parser)
    options = parser.parse_args(given)
    if options.no_checks and options.warn_only:
        parser.error("argument --warn-only: not allowed with argument --no-checks")
    if options.no_checks and options.allow_restatement:
        parser.error("argument --allow-restatement: not allowed with argument --no-checks")
    try:
        options.conditions = conditions(options.where or [])
    except ValueError as error:
        parser.error(f"argument --where: {error}")
    return options


def conditions(given: list[tuple[str, str]]) -> dict[str, dict[str, list[str]]]:
    """The keywords `where` and `where_not`."""
    where: dict[str, list[str]] = {}
    where_not: dict[str, list[str]] = {}
    for column, value in given:
        if column.endswith("!"):
            where_not.setdefault(column[:-1], []).append(value)
        elif column in where:
            raise ValueError(f"{column} is given twice, and no row has two values; use a profile for a list")
        else:
            where[column] = [value]
    return {"where": where, "where_not": where_not}


#: Options whose keyword has another name; the keyword of every other option is its own name.
KEYWORDS = {"window": "windows", "dimension": "dimensions", "column": "columns"}
#: Options that are no keywords, or that are made into some.
OTHERS = ("source_parquet", "target_parquet", "run_on", "metrics", "where", "conditions", "only")
MAPPINGS = ("dimension", "total", "total_rows", "column")


def keywords(options: argparse.Namespace) -> dict[str, object]:
    """The keywords of `rollshare.run` that are given."""
    given: dict[str, object] = {}
    for name, value in vars(options).items():
        if name in OTHERS or value is None or value is False:
            continue
        given[KEYWORDS.get(name, name)] = dict(value) if name in MAPPINGS else value
    if options.only:
        only: dict[str, list[str]] = {}
        for column, members in options.only:
            only.setdefault(column, []).append(members)
        given["only"] = only
    return given | {name: value for name, value in options.conditions.items() if value}


def session():
    """A Spark session; `None` where PySpark is not installed."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        return None
    return SparkSession.builder.appName("rollshare").getOrCreate()


def located(uri: str) -> str:
    """Replace Hadoop's schemes for S3 by `s3`."""
    return re.sub(r"^s3[an]://", "s3://", uri)


def publish(options: argparse.Namespace, spark):
    """Compute and publish; return the result."""
    sources = [located(uri) for uri in options.source_parquet]
    target = located(options.target_parquet).rstrip("/") + "/"
    if spark is not None:
        from rollshare.spark import run

        return run(spark, sources, target, run_on=options.run_on, **keywords(options))
    return rollshare.run(sources, target, **keywords(options))


def report_of(error: Exception) -> str | None:
    """The location of the report of a blocked run: its page, or else another of its files."""
    places = getattr(getattr(error, "results", None), "places", {})
    return places.get("page") or places.get("report") or places.get("quarantined")


def send_metric(namespace: str, code: int) -> None:
    """Send the outcome of the run; a failure is reported and changes nothing."""
    outcome = OUTCOMES.get(code, "failed")
    command = ["aws", "cloudwatch", "put-metric-data", "--namespace", namespace]
    command += ["--metric-name", "runs", "--dimensions", f"outcome={outcome}", "--value", "1"]
    try:
        subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL, capture_output=True)
    except subprocess.CalledProcessError as error:
        print(f"transform: no metric was sent: {error.stderr.decode().strip()}", file=sys.stderr)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"transform: no metric was sent: {error}", file=sys.stderr)


def run(options: argparse.Namespace) -> int:
    """Run the job; return the exit code."""
    # A job in cluster mode must create a session, even if the driver does all work.
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    spark = session() if submitted or options.run_on == "cluster" else None
    if options.run_on == "cluster" and spark is None:
        print("transform: --run-on cluster needs PySpark, which is not installed", file=sys.stderr)
        return 2
    try:
        result = publish(options, spark)
        print(f"transform: {result}", file=sys.stderr)
        return result.exit_code
    except getattr(rollshare, "BlockedError", ()) as error:
        print(f"transform: {error}", file=sys.stderr)
        report = report_of(error)
        if report:
            print(f"transform: report: {report}", file=sys.stderr)
        return getattr(error, "exit_code", 4)
    except rollshare.RollshareError as error:
        print(f"transform: {error}\ntransform: nothing was published", file=sys.stderr)
        return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
    finally:
        if spark is not None:
            spark.stop()


def main(given: list[str]) -> int:
    """Run the job, send its outcome; return the exit code."""
    options = arguments(given)
    # Who reads the rows and why, and a line for each stage.
    logging.basicConfig(format="transform: %(message)s")
    logging.getLogger("rollshare.spark").setLevel(logging.INFO)
    code = 1
    try:
        code = run(options)
    finally:
        if options.metrics:
            send_metric(options.metrics, code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
