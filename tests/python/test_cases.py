"""The small inputs with known results, as files and, where pyarrow can read them, as frames."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rollshare
from conftest import cases

FOLDER = cases()
CASES = json.loads((FOLDER / "manifest.json").read_text())
IDS = [case["id"] for case in CASES]


def expected(case: dict[str, object]) -> list[dict[str, object]]:
    with open(FOLDER / str(case["id"]) / "expected_iso.csv", newline="") as file:
        return list(csv.DictReader(file))


def close_to(wanted: list[dict[str, str]], call: Callable[[], rollshare.Shares]) -> None:
    """Compare; where no row counts, an error or, without rows, an empty table is expected."""
    try:
        found = call()
    except rollshare.DataError as error:
        if wanted or "none of" not in str(error):
            raise
        return
    assert wanted or found.account["rows"] == 0
    close(found, wanted)


def close(found: rollshare.Shares, wanted: list[dict[str, str]]) -> None:
    rows = found.to_dicts()
    assert len(rows) == len(wanted)
    for row, line in zip(rows, wanted):
        key = (row["year"], row["week"], row["country"])
        assert key == (int(line["year"]), int(line["week"]), line["country"].strip('"'))
        share = line["share_organic_p4w"]
        assert row["share_organic_p4w"] == (pytest.approx(float(share), rel=1e-12) if share else None), row


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_by_file(case: dict[str, object]) -> None:
    source = FOLDER / str(case["input"])
    if case["iso_status"] == "error":
        with pytest.raises(rollshare.RollshareError):
            rollshare.read_parquet(source)
    else:
        close_to(expected(case), lambda: rollshare.read_parquet(source))


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("through", ["pyarrow", "polars", "pandas"])
def test_as_a_frame(case: dict[str, object], through: str) -> None:
    source = FOLDER / str(case["input"])
    if source.is_dir():
        pytest.skip("a folder: only the file path reads it")
    try:
        table = pq.ParquetFile(source).read()
    except (OSError, pa.ArrowException) as error:
        pytest.skip(f"pyarrow cannot read it: {error}")
    frame = {
        "pyarrow": lambda: table,
        "polars": lambda: pl.from_arrow(table),
        "pandas": lambda: table.to_pandas(),
    }
    try:
        made = frame[through]()
    except Exception as error:  # noqa: BLE001
        pytest.skip(f"{through} cannot hold it: {error}")
    if case["iso_status"] == "error":
        with pytest.raises(rollshare.RollshareError):
            rollshare.rolling_share(made)
    else:
        close_to(expected(case), lambda: rollshare.rolling_share(made))
