"""Exports the checks to Great Expectations (GX Core 1.x).

:func:`to_great_expectations` returns an expectation suite. :func:`validation_result` returns the check
results of Rollshare in the form of a validation result. :data:`NOT_EXPRESSED` lists the checks that no
expectation of GX expresses, with the reason. The suite does not have them, in full or in part.
"""

from __future__ import annotations

import json

from ._errors import ArgumentError
from ._rollshare import Job, __version__, declared_checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any, Literal

    from great_expectations import ExpectationSuite

    from ._results import CheckResults

__all__ = ["NOT_EXPRESSED", "expectations", "to_great_expectations", "validation_result"]

#: Why there is no expectation for a check.
NOT_EXPRESSED = {
    "label_date": "no expectation compares a label with the ISO week of a date",
    "token_name": "no expectation tests whether two columns map one to one",
    "name_subtrackers": "no expectation tests whether one column determines another",
    "member_renamed": "no expectation compares the names and the users of two members",
    "deleted_rows": "no expectation knows which columns mark deleted rows",
    "system_total": "no expectation compares a sum of rows with another row",
    "country_total": "no expectation compares a sum of rows with another row",
    "day_gaps": "no expectation knows which days there should be",
    "country_day_gaps": "no expectation knows which days each country should have",
    "class_day_gaps": "no expectation knows which days each class of a country should have",
    "local_midnights": "no expectation compares times of day with time zones",
    "table_complete": "no expectation knows which rows there should be",
    "reconciliation": "it compares the table with the rows, which are another asset",
    "account": "it tests how the job counted the rows",
    "last_week": "it compares the table with the rows, which are another asset",
    **dict.fromkeys(
        (
            "history",
            "days_kept",
            "day_volume",
            "class_gone",
            "class_volume",
            "volume_drift",
            "volume_change",
            "volume_year",
            "row_drift",
            "share_drift",
            "share_change",
            "share_year",
            "channel_mix",
            "restatement",
        ),
        "it compares the rows with earlier published tables, which GX does not know",
    ),
}

#: Last two digits of the years with 53 ISO weeks, by the century modulo 4: they repeat every 400 years.
_LONG_YEARS: list[list[int]] = [[], [], [], []]


def _long_years() -> list[list[int]]:
    from datetime import date

    if not any(_LONG_YEARS):
        for year in range(2000, 2400):
            # 28 December is always in the last week (ISO 8601, 3.2.2).
            if date(year, 12, 28).isocalendar()[1] == 53:
                _LONG_YEARS[year // 100 % 4].append(year % 100)
    return _LONG_YEARS


def _no_week() -> str:
    """A regular expression for labels of the right form that are not ISO weeks."""
    centuries = ["(?:[02468][048]|[13579][26])", "(?:[02468][159]|[13579][37])"]
    centuries += ["(?:[02468][26]|[13579][048])", "(?:[02468][37]|[13579][159])"]
    long = "|".join(
        f"{century}(?:{'|'.join(f'{year:02d}' for year in years)})"
        for century, years in zip(centuries, _long_years())
    )
    week = rf"(?!0000)[0-9]{{4}}_(?:0[1-9]|[1-4][0-9]|5[0-2])\Z|(?!0000)(?:{long})_53\Z"
    return rf"^(?!{week})[0-9]{{4}}_[0-9]{{2}}\Z"


def expectations(
    job: Job | None = None,
    checks: str | os.PathLike[str] | None = None,
    *,
    stage: Literal["raw", "staging"] = "raw",
) -> list[dict[str, Any]]:
    """Return the expectations as dicts with ``type``, ``kwargs`` and ``meta``. GX need not be installed.

    The parameters are those of :func:`to_great_expectations`.
    Jobs of another profile or key than the default are an ``ArgumentError``.
    """
    job = job or Job()
    is_plain = job.by == ("country",) and not job.with_total and job.share_of == "organic"
    if len(job.columns) < 6 or not is_plain:
        raise ArgumentError(
            "expectations of another profile or key than the default; expected the default profile by "
            "country, or rollshare.check, which checks any export"
        )
    declared = json.loads(declared_checks(checks))
    columns = job.columns
    found: list[dict[str, Any]] = []
    for check in declared["checks"]:
        if check["stage"] != stage or check["severity"] == "off":
            continue
        for kind, kwargs in _express(check["check"], job, columns, declared):
            bound = check["bounds"].get("block") or check["bounds"].get("warn") or {}
            # GX has bounds on fractions only; its default corresponds to a count of 0.
            if bound.get("fraction") and _takes_mostly(kind):
                kwargs["mostly"] = 1 - bound["fraction"]
            found.append(
                {
                    "type": kind,
                    "kwargs": kwargs,
                    "severity": "critical" if check["severity"] == "block" else "warning",
                    "meta": {
                        "rollshare": {
                            "check": check["check"],
                            "severity": check["severity"],
                            "title": check["title"],
                        }
                    },
                }
            )
    return found


def _takes_mostly(kind: str) -> bool:
    return kind.startswith("expect_column_values_") or kind == "expect_compound_columns_to_be_unique"


def _express(
    check: str, job: Job, columns: dict[str, str], declared: dict[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """The expectations that together are equivalent to the check; empty where GX has none."""
    label, value, country, system, name = (
        columns[role] for role in ("year_week", "value", "country", "os_name", "name")
    )
    keys = [columns["start_date"], country, system, name]
    grain = {"day": ["date"], "month": ["year", "month"]}.get(job.grain, ["year", "week"])
    shares = [f"share_organic_p{window}{job.grain[0]}" for window in job.windows]
    infinity = float("inf")
    one: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "columns": [("expect_column_to_exist", {"column": column}) for column in columns.values()],
        "label_form": [
            ("expect_column_values_to_match_regex", {"column": label, "regex": r"^[0-9]{4}_[0-9]{2}\Z"})
        ],
        "label_week": [("expect_column_values_to_not_match_regex", {"column": label, "regex": _no_week()})],
        "key_nulls": [("expect_column_values_to_not_be_null", {"column": c}) for c in [*keys, label]],
        "value_nulls": [("expect_column_values_to_not_be_null", {"column": value})],
        "value_finite": [
            ("expect_column_values_to_not_be_in_set", {"column": value, "value_set": [infinity, -infinity]})
        ],
        "value_negative": [("expect_column_values_to_be_between", {"column": value, "min_value": 0})],
        # The text of a fraction: digits after the point that are not all 0, and no large exponent.
        "value_integral": [
            (
                "expect_column_values_to_not_match_regex",
                {"column": value, "regex": r"\.[0-9]*[1-9](?![0-9]*e\+)|e-"},
            )
        ],
        "country_known": [
            (
                "expect_column_values_to_be_in_set",
                {
                    "column": country,
                    "value_set": [*declared["iso_countries"], job.country_total, *declared["countries"]],
                },
            )
        ],
        "system_known": [
            (
                "expect_column_values_to_be_in_set",
                {"column": system, "value_set": [job.os_total, *(declared["systems"] or ["android", "ios"])]},
            )
        ],
        "duplicate_rows": [
            (
                "expect_compound_columns_to_be_unique",
                {"column_list": keys, "ignore_row_if": "any_value_is_missing"},
            )
        ],
        "future_days": [
            (
                "expect_column_max_to_be_between",
                {"column": columns["start_date"], "max_value": declared["last_day"]},
            )
        ],
        "freshness": [
            (
                "expect_column_max_to_be_between",
                {"column": columns["start_date"], "min_value": _days_before(declared)},
            )
        ],
        "table_keys": [("expect_compound_columns_to_be_unique", {"column_list": ["country", *grain]})],
        "share_range": [
            ("expect_column_values_to_be_between", {"column": share, "min_value": 0, "max_value": 1})
            for share in shares
        ],
    }
    if declared["channels"]:
        known = {"column": name, "value_set": declared["channels"]}
        one["channel_new"] = [("expect_column_values_to_be_in_set", known)]
        one["channel_vanished"] = [("expect_column_distinct_values_to_contain_set", known)]
    if declared["systems"]:
        known = {"column": system, "value_set": declared["systems"]}
        one["system_vanished"] = [("expect_column_distinct_values_to_contain_set", known)]
    if len(job.organic) == 1:
        organic = {"column": name, "value_set": list(job.organic)}
        one["organic_present"] = [("expect_column_distinct_values_to_contain_set", organic)]
    return [(kind, dict(kwargs)) for kind, kwargs in one.get(check, [])]


def _days_before(declared: dict[str, Any]) -> str:
    """The earliest last day of an export that the freshness check accepts."""
    from datetime import date, timedelta

    check = next(check for check in declared["checks"] if check["check"] == "freshness")
    days = check["bounds"]["warn"]["count"]
    return (date.fromisoformat(declared["today"]) - timedelta(days=int(days))).isoformat()


def to_great_expectations(
    job: Job | None = None,
    checks: str | os.PathLike[str] | None = None,
    *,
    stage: Literal["raw", "staging"] = "raw",
    name: str | None = None,
) -> ExpectationSuite:
    """Convert the checks to an expectation suite of GX Core 1.x.

    Parameters
    ----------
    job
        The job, whose column names and totals the expectations use.
    checks
        File of checks, as for ``rollshare check --checks``; default the defaults of docs/quality.md.
    stage
        ``"raw"``: expectations on the rows. ``"staging"``: expectations on the share table.
    name
        Name of the suite; default ``rollshare_raw`` or ``rollshare_staging``.

    Returns
    -------
    great_expectations.ExpectationSuite
        Each expectation has the name of its check under ``meta["rollshare"]``. Checks that GX cannot express
        are left out: see :data:`NOT_EXPRESSED`. A bound that is a fraction becomes ``mostly``. GX has no
        bounds on counts: a count of 0 is its default, and other counts are lost.

    Raises
    ------
    ImportError
        ``great_expectations`` is not installed.

    """
    import great_expectations as gx

    suite = gx.ExpectationSuite(name=name or f"rollshare_{stage}")
    for expectation in expectations(job, checks, stage=stage):
        kind = getattr(gx.expectations, "".join(part.title() for part in expectation["type"].split("_")))
        options = {**expectation["kwargs"], "meta": expectation["meta"]}
        if "severity" in getattr(kind, "model_fields", getattr(kind, "__fields__", {})):
            options["severity"] = expectation["severity"]
        suite.add_expectation(kind(**options))
    return suite


def validation_result(results: CheckResults) -> dict[str, Any]:
    """Return the outcomes in the JSON form of an ``ExpectationSuiteValidationResult`` of GX Core 1.x.

    A check that did not apply is left out, because GX has no such status. A check that should have run and
    could not has ``success`` false and the reason under ``exception_info``.
    """
    report = results.to_dict()
    each = []
    for outcome in report["outcomes"]:
        if outcome["status"] == "not_run" and not outcome["could_not_run"]:
            continue
        each.append(_one_result(outcome))
    successes = sum(result["success"] for result in each)
    return {
        "success": successes == len(each),
        "results": each,
        "suite_name": "rollshare",
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": len(each),
            "successful_expectations": successes,
            "unsuccessful_expectations": len(each) - successes,
            "success_percent": 100 * successes / len(each) if each else None,
        },
        "meta": {
            "rollshare_version": __version__,
            "run_id": {"run_name": report["run"], "run_time": report["started"]},
            "verdict": report["verdict"],
        },
        "id": None,
    }


def _one_result(outcome: dict[str, Any]) -> dict[str, Any]:
    from ._results import offender

    failed = outcome["could_not_run"]
    result: dict[str, Any] = {}
    if not failed:
        observed, n = outcome["observed"], outcome["n"]
        found = [offender(o) for o in outcome["offenders"]]
        if observed == int(observed) and observed <= n:
            result = {
                "element_count": n,
                "unexpected_count": int(observed),
                "unexpected_percent": 100 * observed / n if n else 0.0,
                "partial_unexpected_list": found,
            }
        else:
            # A measurement, such as an age in days, is not a number of rows.
            result = {"observed_value": observed, "details": {"unit": outcome["unit"], "found": found}}
    return {
        "success": outcome["status"] == "pass",
        "expectation_config": {
            "type": f"rollshare_{outcome['check']}",
            "kwargs": {"bounds": outcome["bounds"]},
            "meta": {
                "rollshare": {
                    "check": outcome["check"],
                    "severity": outcome["severity"],
                    "title": outcome["title"],
                }
            },
            "severity": "critical" if outcome["severity"] == "block" else "warning",
        },
        "result": result,
        "meta": {},
        "exception_info": {
            "raised_exception": failed,
            "exception_message": outcome["note"] if failed else None,
            "exception_traceback": None,
        },
    }
