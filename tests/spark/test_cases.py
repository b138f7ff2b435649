"""The small inputs with known results, and the real export where its folder is set."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
import rollshare
from conftest import REPOSITORY
from rollshare.spark import partial_parquet, rolling_share

FOLDER = REPOSITORY / "tests/cases"
CASES = json.loads((FOLDER / "manifest.json").read_text())
#: CI runs one case of this many; ROLLSHARE_SPARK_ALL=1 runs all.
STEP = 1 if os.environ.get("ROLLSHARE_SPARK_ALL") else 10
CHOSEN = CASES[::STEP]
IDS = [case["id"] for case in CHOSEN]


def expected(path: Path) -> list[tuple]:
    with open(path, newline="") as file:
        rows = []
        for line in csv.DictReader(file):
            share = line["share_organic_p4w"]
            key = (int(line["year"]), int(line["week"]), line["country"].strip('"'))
            rows.append((*key, pytest.approx(float(share), rel=1e-12) if share else None))
        return rows


@pytest.mark.parametrize("case", CHOSEN, ids=IDS)
def test_file_mode(spark, case):
    source = FOLDER / case["input"]
    for semantics in ("iso", "legacy"):
        try:
            want = rollshare.read_parquet(source, semantics=semantics)
        except rollshare.RollshareError:
            # Sums alone do not have the values of columns that the message of read_parquet has.
            with pytest.raises(rollshare.RollshareError) as error:
                rollshare.partial_parquet(source, semantics=semantics).finish()
            with pytest.raises(Exception) as raised:
                partial_parquet(spark, source, semantics=semantics).finish()
            # Text, also beside parquet, is an error of file mode.
            is_text = " is text, " in str(error.value)
            assert ("the file is text" if is_text else str(error.value)) in str(raised.value)
        else:
            assert partial_parquet(spark, source, semantics=semantics, splits=3).finish() == want


@pytest.mark.parametrize("case", CHOSEN, ids=IDS)
def test_dataframe_mode(spark, case):
    source = FOLDER / case["input"]
    if source.is_dir():
        # Spark lists folders and types partitions in its own way: not compared.
        source = source if case["id"] in ("dir_multi_file", "w_spark35") else None
    if source is None or case["iso_status"] == "error":
        pytest.skip("file mode's business")
    try:
        df = spark.read.parquet(str(source))
        df.toDF(*(f"c{at}" for at in range(len(df.columns)))).write.format("noop").mode("overwrite").save()
    except Exception as error:
        pytest.skip(f"Spark itself cannot read it: {str(error)[:100]}")
    want = expected(FOLDER / case["id"] / "expected_iso.csv")
    for sums in ("spark", "kernel"):
        # No row counts; where there are no rows at all, the table is empty.
        if not want and df.count():
            with pytest.raises(Exception, match="none of .* rows count"):
                rolling_share(df, files="never", sums=sums).collect()
            continue
        got = [tuple(row) for row in rolling_share(df, files="never", sums=sums).collect()]
        assert got == want, sums


def test_the_real_export(spark):
    folder = os.environ.get("ROLLSHARE_REAL_EXPORT")
    if not folder:
        pytest.skip("NOT RUN: set ROLLSHARE_REAL_EXPORT to the folder with the real export and its results")
    (source,) = Path(folder).glob("*.parquet")
    want = expected(Path(folder) / "expected_iso.csv")
    df = spark.read.parquet(str(source))
    for frame in (
        rolling_share(df),
        rolling_share(df, files="never"),
        rolling_share(df, files="never", sums="kernel"),
    ):
        assert [tuple(row) for row in frame.collect()] == want
