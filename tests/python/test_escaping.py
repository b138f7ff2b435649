"""Names from outside in messages, representations and files."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path

import polars as pl
import pytest
import rollshare

HOSTILE = "x\x1b[31m\x9b2J\nerror: forged\r\u202e\u2066y"
SHOWN = "x\\u{1b}[31m\\u{9b}2J\\nerror: forged\\r\\u{202e}\\u{2066}y"
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
JOB = {"date": "day", "users": "installs", "channel": "network", "dimensions": {"country": "country"}}


def facts(country: str = HOSTILE, factor: int = 1) -> pl.DataFrame:
    """Ten weeks of installs of two countries and two channels."""
    days = pl.date_range(pl.date(2021, 1, 4), pl.date(2021, 3, 14), eager=True).alias("day")
    keys = pl.DataFrame({"country": ["FR", country], "installs": [300 * factor, 200 * factor]})
    channels = pl.DataFrame({"network": ["Organic", "Ads"]})
    return pl.DataFrame(days).join(keys, how="cross").join(channels, how="cross")


def assert_safe(text: str) -> None:
    assert not UNSAFE.search(text), repr(text)
    assert not re.search("^error: forged", text, re.MULTILINE), text


@pytest.mark.parametrize("options", [{"users": HOSTILE}, {"channel": HOSTILE}, {"organic": HOSTILE}])
def test_exceptions(options: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / f"{HOSTILE}.parquet"
    facts("DE").write_parquet(path)
    with pytest.raises(rollshare.RollshareError) as raised:
        rollshare.read_parquet(path, **{**JOB, **options})
    error = raised.value
    for text in (str(error), error.found, error.expected, error.advice):
        assert_safe(text)
        assert "\n" not in text
    assert SHOWN in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    if error.file is not None:
        assert error.file == str(path)


def test_own_messages() -> None:
    for kind in (rollshare.ArgumentError, rollshare.NotFoundError, rollshare.StorageError):
        error = kind(f"no {HOSTILE}")
        assert str(error) == f"no {SHOWN}"
        assert str(kind(str(error))) == str(error)


def test_representations() -> None:
    shares = rollshare.rolling_share(facts(), **JOB)
    for text in (repr(shares), str(shares), shares._repr_html_()):
        assert_safe(text)
        assert SHOWN in text
    # The data are as they are.
    assert HOSTILE in shares.to_polars()["country"].to_list()
    long = repr(rollshare.rolling_share(facts("A" * 300_000), **JOB))
    assert "…[300,000 characters]…" in long
    assert len(long) < 20_000


def test_results(tmp_path: Path) -> None:
    source, target = tmp_path / "facts.parquet", tmp_path / "x.csv"
    facts().write_parquet(source)
    rollshare.run(source, target, warn_only=True, **JOB)
    facts(factor=3).write_parquet(source)
    with pytest.raises(rollshare.BlockedError) as raised:
        rollshare.run(source, target, **JOB)
    results = raised.value.results
    for text in (str(raised.value), repr(results), results._repr_html_(), results.to_html()):
        assert_safe(text)
    assert SHOWN in str(raised.value)
    for outcome in results:
        assert_safe(outcome["finding"] + outcome["note"])


def test_an_inferred_profile(tmp_path: Path) -> None:
    path = tmp_path / f"{HOSTILE}.parquet"
    facts().write_parquet(path)
    assert_safe(rollshare.profile(path).evidence)


def test_csv_for_spreadsheets(tmp_path: Path) -> None:
    source, target = tmp_path / "facts.parquet", tmp_path / "x.csv"
    facts("=1+1").write_parquet(source)
    countries = {}
    for csv_safe in (False, True):
        rollshare.run(source, target, no_checks=True, csv_safe=csv_safe, **JOB)
        published = target.read_bytes()
        rollshare.read_parquet(source, **JOB).write_csv(target, csv_safe=csv_safe)
        assert target.read_bytes() == published
        countries[csv_safe] = set(pl.read_csv(io.BytesIO(published))["country"])
    assert countries == {False: {"FR", "=1+1"}, True: {"FR", "'=1+1"}}
