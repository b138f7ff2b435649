"""Tables of Delta Lake and Apache Iceberg whose folders have files and rows that are not of the table."""

from __future__ import annotations

import datetime
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa

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


def delta(folder: Path, partitioned: bool) -> Any:
    """A table of three versions: rows that were replaced, and appended ones."""
    options: dict[str, Any] = {"partition_by": ["country"]} if partitioned else {}
    deltalake.write_deltalake(folder, installs(900), **options)
    deltalake.write_deltalake(folder, installs(100), mode="overwrite", **options)
    deltalake.write_deltalake(folder, installs(300, ("FR",)), mode="append", **options)
    return deltalake.DeltaTable(folder)


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


def sql_catalog(folder: Path) -> Any:
    """A catalog of Iceberg in a folder, with the namespace `marketing`."""
    from pyiceberg.catalog.sql import SqlCatalog

    (folder / "warehouse").mkdir()
    uri = f"sqlite:///{folder}/catalog.db"
    catalog = SqlCatalog("default", uri=uri, warehouse=f"file://{folder}/warehouse")
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
