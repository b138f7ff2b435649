"""The exported Great Expectations suite gives the verdicts of the checks, on clean and on damaged rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
import pytest
import rollshare
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResultSchema
from rollshare import quality

Damage = Callable[[pd.DataFrame], pd.DataFrame]

CHECKS = """
[allow]
channels = [{channels}]
systems = ["ios", "android"]
[checks.token_name]
severity = "off"
"""


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("sample") / "sample.parquet"
    rollshare.sample(path)
    return pd.read_parquet(path)


@pytest.fixture(scope="session")
def checks(clean: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A configuration of the checks that lists the channels."""
    path = tmp_path_factory.mktemp("checks") / "checks.toml"
    channels = ", ".join(json.dumps(name) for name in sorted(clean["name"].unique()))
    path.write_text(CHECKS.format(channels=channels))
    return str(path)


@pytest.fixture(scope="session")
def context() -> Any:
    return gx.get_context(mode="ephemeral")


def validate(context: Any, frame: pd.DataFrame, suite: gx.ExpectationSuite) -> Any:
    source = context.data_sources.add_or_update_pandas("frames")
    asset = source.add_dataframe_asset("frame")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    return batch.validate(suite)


def by_check(result: Any) -> dict[str, tuple[bool, int]]:
    """Whether all expectations of a check hold, and the number of unexpected values."""
    found: dict[str, tuple[bool, int]] = {}
    for one in result.results:
        assert not one.exception_info.get("raised_exception"), one.exception_info
        name = one.expectation_config.meta["rollshare"]["check"]
        ok, count = found.get(name, (True, 0))
        found[name] = (ok and one.success, count + one.result.get("unexpected_count", 0))
    return found


def put(column: str, value: object, rows: int = 3) -> Damage:
    def damage(frame: pd.DataFrame) -> pd.DataFrame:
        kind = "float64" if isinstance(value, float) else object
        damaged = frame.astype({column: kind})
        damaged.loc[damaged.index[10 : 10 + rows], column] = value
        return damaged

    return damage


def without(column: str, name: str) -> Damage:
    return lambda frame: frame[frame[column] != name]


def twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[[7]]], ignore_index=True)


FAULTS: dict[str, tuple[str, Damage]] = {
    "form": ("label_form", put("year_week", "2021-05")),
    "line feed": ("label_form", put("year_week", "2021_05\n")),
    "week 00": ("label_week", put("year_week", "2021_00")),
    "week 53 of a short year": ("label_week", put("year_week", "2021_53")),
    "week 54": ("label_week", put("year_week", "2020_54")),
    "year 0000": ("label_week", put("year_week", "0000_01")),
    "null key": ("key_nulls", put("country", None)),
    "null value": ("value_nulls", put("value", None)),
    "infinite": ("value_finite", put("value", float("inf"))),
    "negative": ("value_negative", put("value", -1.0)),
    "fraction": ("value_integral", put("value", 0.5)),
    "country": ("country_known", put("country", "UK")),
    "system": ("system_known", put("os_name", "windows")),
    "channel": ("channel_new", put("name", "Billboards")),
    "vanished": ("channel_vanished", without("name", "Newsletter")),
    "system vanished": ("system_vanished", without("os_name", "ios")),
    "no organic users": ("organic_present", without("name", "Organic")),
    "twice": ("duplicate_rows", twice),
}
#: Checks that count values or rows as the expectations do, so that the counts must agree too.
COUNTED = {
    "label_form", "label_week", "key_nulls", "value_nulls", "value_finite", "value_negative",
    "value_integral", "country_known", "system_known",
}  # fmt: skip


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_verdicts_agree(fault: str | None, clean: pd.DataFrame, checks: str, context: Any) -> None:
    frame = clean if fault is None else FAULTS[fault][1](clean)
    ours = rollshare.check(frame, checks=checks)
    theirs = by_check(validate(context, frame, quality.to_great_expectations(checks=checks)))
    assert len(theirs) >= 13
    for check, (success, count) in theirs.items():
        outcome = ours[check]
        assert (outcome["status"] == "pass") == success, (check, outcome, count)
        if check in COUNTED:
            assert outcome["observed"] == count, (check, outcome, count)
    if fault is not None:
        assert not theirs[FAULTS[fault][0]][0], "the fault was not detected"


def test_every_check_is_expressed_or_listed_as_not_expressed(checks: str) -> None:
    expressed = {
        e["meta"]["rollshare"]["check"]
        for stage in ("raw", "staging")
        for e in quality.expectations(checks=checks, stage=stage)
    }
    every = {check["check"] for check in json.loads(rollshare._rollshare.declared_checks())["checks"]}
    assert expressed | set(quality.NOT_EXPRESSED) == every
    assert not expressed & set(quality.NOT_EXPRESSED)


def test_weeks_of_every_year() -> None:
    import re
    from datetime import date

    pattern = re.compile(
        next(e for e in quality.expectations() if e["meta"]["rollshare"]["check"] == "label_week")["kwargs"][
            "regex"
        ]
    )
    for year in range(1, 10_000):
        weeks = date(year, 12, 28).isocalendar()[1]
        labels = [f"{year:04d}_{week:02d}" for week in (0, 1, 52, 53, 54)]
        assert [bool(pattern.match(label)) for label in labels] == [True, False, False, weeks < 53, True]


def test_the_table(clean: pd.DataFrame, context: Any) -> None:
    table = rollshare.rolling_share(clean).to_pandas()
    suite = quality.to_great_expectations(stage="staging")
    assert validate(context, table, suite).success
    table.loc[3, "share_organic_p4w"] = 1.5
    table.loc[len(table)] = table.iloc[0]
    assert {check for check, (ok, _) in by_check(validate(context, table, suite)).items() if not ok} == {
        "table_keys",
        "share_range",
    }


@pytest.mark.parametrize("fault", [None, "negative", "twice"])
def test_great_expectations_reads_results(fault: str | None, clean: pd.DataFrame, tmp_path: Path) -> None:
    frame = clean if fault is None else FAULTS[fault][1](clean)
    exported = rollshare.check(frame).to_great_expectations_result()
    read = ExpectationSuiteValidationResultSchema().load(json.loads(json.dumps(exported)))
    assert read["success"] is (fault is None)
    statistics = read["statistics"]
    assert statistics["evaluated_expectations"] == len(read["results"]) > 20
    failed = {r["expectation_config"]["type"] for r in exported["results"] if not r["success"]}
    assert ("rollshare_value_negative" in failed) == (fault == "negative")
    assert ("rollshare_duplicate_rows" in failed) == (fault == "twice")
