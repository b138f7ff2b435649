"""Lake tables: their folders are refused, and the files that their libraries list give the table."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest
import rollshare

deltalake = pytest.importorskip("deltalake", reason="pip install deltalake")
pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")

from lakes import (  # noqa: E402
    PROFILE,
    actions,
    commit,
    deletion_vector,
    delta,
    iceberg,
    installs,
    protocol,
    sql_catalog,
    with_position_deletes,
)
from test_docs import DOCS  # noqa: E402


def shares(source: Any) -> dict[str, float]:
    found = rollshare.read_parquet(source, profile=PROFILE, windows=1)
    return {row["country"]: row["share_organic_p1w"] for row in found.to_dicts()}


def refused(source: Any, word: str) -> None:
    with pytest.raises(rollshare.UnsupportedError, match=word):
        shares(source)


@pytest.mark.parametrize("partitioned", [False, True])
def test_files_of_a_delta_table(tmp_path: Path, partitioned: bool) -> None:
    folder = tmp_path / "a folder" / "installs"
    folder.mkdir(parents=True)
    table = delta(folder, partitioned)
    files = rollshare.delta_files(table)
    expected = {"A/B": 0.5, "D E": 0.5, "FR": 2 / 3, "unknown": 0.5}
    assert shares(files) == expected
    assert shares(rollshare.delta_files(deltalake.DeltaTable(folder, version=0))) == dict.fromkeys(
        expected, 0.9
    )
    assert len(list(folder.rglob("*.parquet"))) > len(files)
    refused(folder, "Delta Lake")
    refused(f"{folder}/**/*.parquet", "Delta Lake")
    # Compaction removes files, and changes no row.
    table.optimize.compact()
    compacted = rollshare.delta_files(table)
    assert set(compacted) != set(files)
    assert shares(compacted) == expected
    table.create_checkpoint()
    table.delete("country = 'FR'")
    assert shares(rollshare.delta_files(deltalake.DeltaTable(folder))) == {
        country: share for country, share in expected.items() if country != "FR"
    }


def test_deletion_vectors_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "installs"
    deltalake.write_deltalake(folder, installs(100))
    commit(folder, protocol("deletionVectors"))
    table = deltalake.DeltaTable(folder)
    if hasattr(table, "deletion_vectors"):
        # The table may have them, and no file has one.
        assert shares(rollshare.delta_files(table))["FR"] == 0.5
    add = actions(folder, "add")[0]
    vector = deletion_vector(tmp_path / "vector.bin", 0)
    commit(
        folder,
        {"remove": {"path": add["path"], "dataChange": True, "deletionTimestamp": 1}},
        {"add": add | {"deletionVector": vector}},
    )
    with pytest.raises(rollshare.UnsupportedError, match="deletion vectors"):
        rollshare.delta_files(deltalake.DeltaTable(folder))


def test_column_mapping_and_unknown_features_are_refused(tmp_path: Path) -> None:
    for feature, word in [("columnMapping", "column mapping"), ("someFeature", "someFeature")]:
        folder = tmp_path / feature
        deltalake.write_deltalake(folder, installs(100))
        metadata = actions(folder, "metaData")[0]
        if feature == "columnMapping":
            metadata["configuration"] = {"delta.columnMapping.mode": "name"}
        commit(folder, protocol(feature), {"metaData": metadata})
        try:
            table = deltalake.DeltaTable(folder)
        except Exception as error:
            # The library itself may refuse to open it.
            assert feature.lower() in str(error).lower().replace(" ", "")
            continue
        with pytest.raises(rollshare.UnsupportedError, match=word):
            rollshare.delta_files(table)


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    pytest.importorskip("pyiceberg.catalog.sql", reason="pip install 'pyiceberg[sql-sqlite,pyarrow]'")
    return sql_catalog(tmp_path)


@pytest.mark.parametrize("partitioned", [False, True])
def test_files_of_an_iceberg_table(catalog: Any, partitioned: bool) -> None:
    from pyiceberg.expressions import EqualTo

    table = iceberg(catalog, partitioned)
    files = rollshare.iceberg_files(table.scan())
    expected = {"A/B": 0.5, "D E": 0.5, "FR": 2 / 3, "unknown": 0.5}
    assert shares(files) == expected
    first = table.history()[0].snapshot_id
    assert shares(rollshare.iceberg_files(table.scan(snapshot_id=first))) == dict.fromkeys(expected, 0.9)
    folder = table.location().removeprefix("file://")
    assert len(list(Path(folder).rglob("*.parquet"))) > len(files)
    refused(folder, "Apache Iceberg")
    refused(f"{folder}/data", "Apache Iceberg")
    # A filter on partitions selects whole files; on other columns it does not.
    scan = table.scan(row_filter=EqualTo("country", "FR"))
    if partitioned:
        assert shares(rollshare.iceberg_files(scan)) == {"FR": 2 / 3}
    else:
        with pytest.raises(rollshare.UnsupportedError, match="filter"):
            rollshare.iceberg_files(scan)
    # Copy-on-write: the files without the rows.
    table.delete(EqualTo("country", "FR"))
    del expected["FR"]
    assert shares(rollshare.iceberg_files(table.scan())) == expected
    with pytest.raises(rollshare.UnsupportedError, match="limit"):
        rollshare.iceberg_files(table.scan(limit=1))


def test_renamed_columns_of_iceberg_are_refused(catalog: Any) -> None:
    table = iceberg(catalog)
    with table.update_schema() as schema:
        schema.rename_column("country", "market")
    with table.update_schema() as schema:
        schema.add_column("note", pa_string())
    with pytest.raises(rollshare.UnsupportedError, match="'market' was 'country' before"):
        rollshare.iceberg_files(table.scan())
    # Of columns that are not asked for it does not matter.
    assert rollshare.iceberg_files(table.scan(selected_fields=("day", "network", "installs", "note")))
    frame = table.scan().to_arrow_batch_reader()
    profile = PROFILE | {"dimensions": {"market": {"null": "unknown"}}}
    found = rollshare.rolling_share(frame, profile=profile, by="market", windows=1)
    assert found.to_dicts()[-1]["market"] == "unknown"


def pa_string() -> Any:
    from pyiceberg.types import StringType

    return StringType()


def test_delete_files_of_iceberg_are_refused(catalog: Any, tmp_path: Path) -> None:
    before = iceberg(catalog)
    table = with_position_deletes(before, tmp_path)
    assert table.scan().to_arrow().num_rows == before.scan().to_arrow().num_rows - 1
    with pytest.raises(rollshare.UnsupportedError, match="delete files"):
        rollshare.iceberg_files(table.scan())
    # As the error says: the library applies them.
    found = rollshare.rolling_share(table.scan().to_arrow_batch_reader(), profile=PROFILE, windows=1)
    assert found.account["rows"] == table.scan().to_arrow().num_rows


def test_the_guide_to_lakes(tmp_path: Path, catalog: Any) -> None:
    delta(tmp_path / "installs", True)
    iceberg(catalog)
    text = re.sub(r"```\w*", "", (DOCS / "lakes.md").read_text())
    names = {"folder": tmp_path, "catalog": catalog, "profile": PROFILE, "rollshare": rollshare}
    test = doctest.DocTestParser().get_doctest(text, names, "lakes.md", None, 0)
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.tries > 5 and runner.failures == 0
