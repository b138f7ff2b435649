"""The same checks on the same rows by Great Expectations (GX Core 1.x, pandas).

Every expectation below is one of the checks of Rollshare on rows. Each unexpected count is compared with that of
Rollshare. The frames of GX are read before the clock starts; Rollshare opens and reads its files while it is timed.

    python benches/checks/gx.py PROGRAM SOURCE.parquet

Prints the CPU and wall seconds of both, and the ratio. Environment: ``make bench-gx``.
"""

import json
import logging
import resource
import subprocess
import sys
import time

import great_expectations as gx
import pandas as pd
import pyarrow.parquet as pq

LABEL = r"^[0-9]{4}_[0-9]{2}$"
COLUMNS = ["start_date", "year_week", "country", "os_name", "name", "token", "has_subtrackers", "value"]
KEYS = ["start_date", "country", "os_name", "name"]


def cpu(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def ours(program, source):
    """Run `rollshare check`; return the observed count by check, (wall, CPU) seconds, and the rows."""
    wall, before = time.perf_counter(), cpu(resource.RUSAGE_CHILDREN)
    out = subprocess.run([program, "check", "--source", source, "--json"], capture_output=True, text=True, check=False)
    times = (time.perf_counter() - wall, cpu(resource.RUSAGE_CHILDREN) - before)
    results = json.loads(out.stdout)
    return {check["check"]: check["observed"] for check in results["checks"]}, times, results["rows"]


def expectations(frame):
    """The expectations; the meta of each has the name of the check."""
    e = gx.expectations
    countries = sorted(frame["country"].dropna().unique())
    asked = [("columns", e.ExpectColumnToExist, {"column": column}) for column in COLUMNS]
    asked += [("key_nulls", e.ExpectColumnValuesToNotBeNull, {"column": column}) for column in [*KEYS, "year_week"]]
    asked += [
        ("label_form", e.ExpectColumnValuesToMatchRegex, {"column": "year_week", "regex": LABEL}),
        ("label_date", e.ExpectColumnPairValuesToBeEqual, {"column_A": "year_week", "column_B": "week_of_date"}),
        ("value_nulls", e.ExpectColumnValuesToNotBeNull, {"column": "value"}),
        ("value_negative", e.ExpectColumnValuesToBeBetween, {"column": "value", "min_value": 0}),
        ("value_integral", e.ExpectColumnValuesToBeInSet, {"column": "value_fraction", "value_set": [0]}),
        ("country_known", e.ExpectColumnValuesToBeInSet, {"column": "country", "value_set": countries}),
        ("system_known", e.ExpectColumnValuesToBeInSet, {"column": "os_name", "value_set": ["all", "android", "ios"]}),
        ("duplicate_rows", e.ExpectCompoundColumnsToBeUnique, {"column_list": KEYS}),
    ]
    return [kind(**arguments, meta={"check": name}) for name, kind, arguments in asked]


def derive(frame):
    """Add columns that expectations cannot compute. This is part of the work, so it is timed."""
    days = pd.to_datetime(frame["start_date"]).dt.isocalendar()
    frame["week_of_date"] = days.year.astype(str) + "_" + days.week.astype(str).str.zfill(2)
    frame["value_fraction"] = frame["value"] % 1


def theirs(frame):
    """Run GX; return unexpected counts by check and (wall, CPU) seconds."""
    context = gx.get_context(mode="ephemeral")
    wall, before = time.perf_counter(), cpu(resource.RUSAGE_SELF)
    derive(frame)
    batch = (
        context.data_sources.add_pandas("rows")
        .add_dataframe_asset("export")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": frame})
    )
    suite = gx.ExpectationSuite(name="rows", expectations=expectations(frame))
    results = batch.validate(suite, result_format="SUMMARY").results
    times = (time.perf_counter() - wall, cpu(resource.RUSAGE_SELF) - before)
    counts = {}
    for result in results:
        name = result.expectation_config.meta["check"]
        if result.exception_info.get("raised_exception"):
            raise RuntimeError(f"{name}: {result.exception_info}")
        counts[name] = counts.get(name, 0) + result.result.get("unexpected_count", 0 if result.success else 1)
    return counts, times


def main():
    logging.disable(logging.WARNING)
    program, source = sys.argv[1:]
    observed, our_time, rows = ours(program, source)
    observed, our_time, rows = ours(program, source)  # the first run has filled the page cache
    counts, their_time = theirs(pq.read_table(source, columns=COLUMNS).to_pandas())
    for name, count in counts.items():
        assert observed[name] == count, f"{name}: {observed[name]} by us, {count} by GX"
    print(json.dumps({
        "rows": rows,
        "gx": gx.__version__,
        "checks": len(counts),
        "ours": {"checks": len(observed), "wall": our_time[0], "cpu": our_time[1]},
        "theirs": {"wall": their_time[0], "cpu": their_time[1]},
        "times_as_fast": {"wall": their_time[0] / our_time[0], "cpu": their_time[1] / our_time[1]},
    }, indent=2))


if __name__ == "__main__":
    main()
