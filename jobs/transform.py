#!/usr/bin/env python3
"""The job for spark-submit and EMR steps: parquet exports in, the share table out.

    spark-submit jobs/transform.py --source_parquet URI --target_parquet URI

Arguments, output columns and folder are those of the job that it replaces: `year`, `week` (int32), `country`,
`share_organic_p4w` (double), in a folder with one snappy part and `_SUCCESS`. The folder is replaced
atomically. The kernel checks the rows and the table on the driver before that; with --no-checks the executors
scan the files. Without Spark (plain `python3`) the job runs in this process.

Exit codes, as of `rollshare run`: 0 published, 2 wrong usage, 3 bad input, 4 a check that blocks has failed,
5 a check that blocks could not run, 6 input or output failed, 70 a bug.
"""

from __future__ import annotations

import argparse
import os
import re
import sys

import rollshare

EXIT_CODES = (
    (rollshare.ArgumentError, 2),
    (rollshare.StorageError, 6),
    (rollshare.InternalError, 70),
    (rollshare.RollshareError, 3),
)
#: An exception of Rollshare in Spark's message for a failed task.
IN_A_TASK = re.compile(r"rollshare\.(?:_errors\.)?(\w+Error): (.+)")


def arguments(given: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="transform.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source_parquet", required=True, metavar="URI", help="file, folder or glob of exports"
    )
    parser.add_argument("--target_parquet", required=True, metavar="URI", help="folder to publish to")
    parser.add_argument(
        "--semantics",
        choices=("iso", "legacy"),
        default="iso",
        help="iso: calendar-correct (default); legacy: reproduces the original PySpark job",
    )
    checks = parser.add_mutually_exclusive_group()
    checks.add_argument(
        "--checks", metavar="FILE", help="bounds and severities of the checks (docs/quality.md)"
    )
    checks.add_argument("--no-checks", action="store_true", help="skip the checks; executors scan the files")
    parser.add_argument("--warn-only", action="store_true", help="publish even if checks fail")
    options = parser.parse_args(given)
    if options.no_checks and options.warn_only:
        parser.error("argument --warn-only: not allowed with argument --no-checks")
    return options


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


def publish(options: argparse.Namespace, spark) -> str:
    """Compute and publish; return a summary."""
    source, target = located(options.source_parquet), located(options.target_parquet).rstrip("/") + "/"
    if not options.no_checks:
        result = rollshare.run(
            source, target, semantics=options.semantics, checks=options.checks, warn_only=options.warn_only
        )
        return f"{result}"
    if spark is None:
        shares = rollshare.read_parquet(source, semantics=options.semantics)
    else:
        from rollshare.spark import partial_parquet

        shares = partial_parquet(spark, source, semantics=options.semantics).finish()
    rows = shares.write_parquet(target)
    return f"published {target}: {rows} rows from {shares.account['rows']}, unchecked"


def main(given: list[str]) -> int:
    """Run the job; return the exit code."""
    options = arguments(given)
    # A job in cluster mode must create a session, even if the driver does all work.
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    spark = session() if submitted or options.no_checks else None
    try:
        print(f"transform: {publish(options, spark)}", file=sys.stderr)
        return 0
    except getattr(rollshare, "BlockedError", ()) as error:
        print(f"transform: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 4)
    except rollshare.RollshareError as error:
        print(f"transform: {error}", file=sys.stderr)
        return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
    except Exception as error:
        found = IN_A_TASK.search(str(error))
        if not found:
            raise
        print(f"transform: {found[2].strip()}\ntransform: nothing was published", file=sys.stderr)
        kind = getattr(rollshare, found[1], rollshare.RollshareError)
        return next(code for base, code in EXIT_CODES if issubclass(kind, base))
    finally:
        if spark is not None:
            spark.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
