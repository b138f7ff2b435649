"""Lake tables: their folders are refused, and the files that their libraries list give the table."""

from __future__ import annotations

import datetime
import doctest
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import rollshare

deltalake = pytest.importorskip("deltalake", reason="pip install deltalake")
pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")

from test_docs import DOCS  # noqa: E402

PROFILE = {
    "time": {"date": "day"},
    "users": {"column": "installs"},
    "channel": {"column": "network", "organic": ["Organic"]},
    "dimensions": {"country": {"null": "unknown"}},
}


def installs(organic: int, countries: tuple[str | None, ...] = ("FR", "D E", "A/B", None)) -> Any:
    rows = [(country, name) for country in countries for name in ("Organic", "Ads")]
    return pa.table(
        {
            "day": [datetime.date(2026, 3, 2)] * len(rows),
            "country": pa.array([country for country, _ in rows], pa.string()),
            "network": [name for _, name in rows],
            "installs": [organic if name == "Organic" else 100 for _, name in rows],
        }
    )


def shares(source: Any) -> dict[str, float]:
    found = rollshare.read_parquet(source, profile=PROFILE, windows=1)
    return {row["country"]: row["share_organic_p1w"] for row in found.to_dicts()}


def refused(source: Any, word: str) -> None:
    with pytest.raises(rollshare.UnsupportedError, match=word):
        shares(source)


def delta(folder: Path, partitioned: bool) -> Any:
    """A table of three versions: rows that were replaced, and appended ones."""
    options: dict[str, Any] = {"partition_by": ["country"]} if partitioned else {}
    deltalake.write_deltalake(folder, installs(900), **options)
    deltalake.write_deltalake(folder, installs(100), mode="overwrite", **options)
    deltalake.write_deltalake(folder, installs(300, ("FR",)), mode="append", **options)
    return deltalake.DeltaTable(folder)


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


def commit(folder: Path, *actions: dict[str, Any]) -> None:
    """Appends a version to the log, as engines do that support more than the library."""
    log = folder / "_delta_log"
    version = len(list(log.glob("*.json")))
    (log / f"{version:020}.json").write_text("\n".join(json.dumps(action) for action in actions))


def actions(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = [
        line for log in sorted(folder.glob("_delta_log/*.json")) for line in log.read_text().splitlines()
    ]
    return [action[kind] for action in map(json.loads, lines) if kind in action]


def protocol(feature: str) -> dict[str, Any]:
    versions: dict[str, Any] = {"minReaderVersion": 3, "minWriterVersion": 7}
    return {"protocol": versions | {"readerFeatures": [feature], "writerFeatures": [feature]}}


def deletion_vector(path: Path, row: int) -> dict[str, Any]:
    """A file that marks one row as deleted ("Deletion Vector Format" of the protocol)."""
    bitmap = struct.pack("<IIHHIH", 12346, 1, 0, 0, 16, row)
    data = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    path.write_bytes(b"\x01" + struct.pack(">I", len(data)) + data + struct.pack(">I", zlib.crc32(data)))
    stored = {"storageType": "p", "pathOrInlineDv": path.as_uri(), "offset": 1}
    return stored | {"sizeInBytes": len(data), "cardinality": 1}


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
    sql = pytest.importorskip("pyiceberg.catalog.sql", reason="pip install 'pyiceberg[sql-sqlite,pyarrow]'")
    (tmp_path / "warehouse").mkdir()
    uri = f"sqlite:///{tmp_path}/catalog.db"
    catalog = sql.SqlCatalog("default", uri=uri, warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("marketing")
    return catalog


def iceberg(catalog: Any, partitioned: bool = False) -> Any:
    table = catalog.create_table("marketing.installs", schema=installs(0).schema)
    if partitioned:
        with table.update_spec() as spec:
            spec.add_identity("country")
    table.append(installs(900))
    table.overwrite(installs(100))
    table.append(installs(300, ("FR",)))
    return table


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


def with_position_deletes(table: Any, folder: Path) -> Any:
    """The table after a merge-on-read delete of its first row, as Spark writes it."""
    import pyarrow.parquet as pq
    from pyiceberg import manifest
    from pyiceberg.table import StaticTable
    from pyiceberg.typedef import Record

    class DeleteWriter(manifest.ManifestWriterV2):  # type: ignore[misc]
        def content(self) -> Any:
            return manifest.ManifestContent.DELETES

        @property
        def _meta(self) -> dict[str, str]:
            return {**super()._meta, "content": "deletes"}

    io, metadata, before = table.io, table.metadata, table.current_snapshot()
    rows = next(iter(table.scan().plan_files())).file.file_path
    pq.write_table(
        pa.table({"file_path": [rows], "pos": pa.array([0], pa.int64())}), folder / "deletes.parquet"
    )
    deletes = manifest.DataFile.from_args(
        content=manifest.DataFileContent.POSITION_DELETES,
        file_path=(folder / "deletes.parquet").as_uri(),
        file_format=manifest.FileFormat.PARQUET,
        partition=Record(),
        record_count=1,
        file_size_in_bytes=(folder / "deletes.parquet").stat().st_size,
    )
    snapshot, sequence = 7, metadata.last_sequence_number + 1
    output = io.new_output((folder / "manifest.avro").as_uri())
    with DeleteWriter(metadata.spec(), table.schema(), output, snapshot, "null") as writer:
        added = manifest.ManifestEntryStatus.ADDED
        entry = manifest.ManifestEntry.from_args(status=added, snapshot_id=snapshot, data_file=deletes)
        writer.add_entry(entry)
    listed = (folder / "snapshot.avro").as_uri()
    with manifest.write_manifest_list(
        2, io.new_output(listed), snapshot, before.snapshot_id, sequence, "null"
    ) as lists:
        lists.add_manifests([*before.manifests(io), writer.to_manifest_file()])
    new = json.loads(metadata.model_dump_json())
    new["snapshots"].append(
        {
            "snapshot-id": snapshot,
            "parent-snapshot-id": before.snapshot_id,
            "sequence-number": sequence,
            "timestamp-ms": new["last-updated-ms"] + 1,
            "manifest-list": listed,
            "summary": {"operation": "delete"},
            "schema-id": new["current-schema-id"],
        }
    )
    new["current-snapshot-id"] = new["refs"]["main"]["snapshot-id"] = snapshot
    new["last-sequence-number"] = sequence
    path = folder / "v9.metadata.json"
    path.write_text(json.dumps(new))
    return StaticTable.from_metadata(str(path))


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
