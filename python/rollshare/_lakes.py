"""The files of lake tables, as the libraries of their formats list them."""

from __future__ import annotations

from ._errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: Reader features of Delta tables that leave files as they would be without them.
_DELTA_FEATURES = {"deletionVectors", "timestampNtz", "typeWidening", "v2Checkpoint", "vacuumProtocolCheck"}


def _refused(what: str, advice: str) -> UnsupportedError:
    return UnsupportedError(f"{what}. {advice}")


def delta_files(table: Any) -> list[str]:
    """List the files of a Delta table, for :func:`read_parquet`.

    Parameters
    ----------
    table
        A ``deltalake.DeltaTable``, of any version of the table.

    Returns
    -------
    list of str
        Paths or URIs of the files that hold the rows of this version. The columns of partitions are in the
        paths; Rollshare reads them from there.

    Raises
    ------
    UnsupportedError
        The files alone are not the table: rows are marked as deleted by deletion vectors, columns have other
        names in the files (column mapping), or the table needs a feature that is not known.

    docs/lakes.md has examples.

    """
    from urllib.parse import unquote

    purge = "Rewrite its files (REORG TABLE ... APPLY (PURGE)), or pass a data frame of Spark (docs/lakes.md)"
    features = set(table.protocol().reader_features or ())
    unknown = sorted(features - _DELTA_FEATURES - {"columnMapping"})
    if unknown:
        raise _refused(f"a Delta table with the feature {', '.join(unknown)}, which is not supported", purge)
    metadata = table.metadata()
    if metadata.configuration.get("delta.columnMapping.mode", "none") != "none":
        raise _refused("a Delta table with column mapping: its files have other names for the columns", purge)
    if "deletionVectors" in features:
        _check_deletion_vectors(table, purge)
    # The library encodes the folder of the table as a URI, but not what is below it.
    folder = table.table_uri.rstrip("/") + "/"
    encoded = [folder, folder[len("file://") :] if folder.startswith("file://") else folder]
    files = []
    for file in table.file_uris():
        prefix = next((prefix for prefix in encoded if file.startswith(prefix)), "")
        below = file[len(prefix) :]
        keys = {unquote(segment.partition("=")[0]) for segment in below.split("/")[:-1] if "=" in segment}
        missing = [column for column in metadata.partition_columns if column not in keys]
        if missing or (metadata.partition_columns and not prefix):
            what = f"a Delta table whose file {file} does not have its partitions in its path"
            raise _refused(what, "Pass the table as a data frame (docs/lakes.md)")
        files.append(unquote(prefix) + below)
    return files


def _check_deletion_vectors(table: Any, advice: str) -> None:
    what = "a Delta table with deletion vectors: rows of its files are deleted"
    if not hasattr(table, "deletion_vectors"):
        raise _refused(f"{what}, or may be: this release of deltalake does not tell", advice)
    try:
        deleted = any(batch.num_rows > 0 for batch in table.deletion_vectors())
    except Exception as error:
        raise _refused(f"{what}, and these vectors cannot be read ({error})", advice) from error
    if deleted:
        raise _refused(what, advice)


def iceberg_files(scan: Any) -> list[str]:
    """List the files of a scan of an Iceberg table, for :func:`read_parquet`.

    Parameters
    ----------
    scan
        A ``pyiceberg.table.DataScan``: ``table.scan()``, of any snapshot. If it selects columns, only the
        names of these are compared; a filter has to select whole files.

    Returns
    -------
    list of str
        Paths or URIs of the data files.

    Raises
    ------
    UnsupportedError
        The files alone are not the table: rows are deleted by delete files (merge-on-read), the filter
        applies to a part of a file, columns were renamed or have a default, or files are not parquet.

    docs/lakes.md has examples.

    """
    frame = "Pass it as a data frame: rollshare.rolling_share(scan.to_arrow_batch_reader()) (docs/lakes.md)"
    if getattr(scan, "limit", None) is not None:
        raise _refused("a scan of an Iceberg table with a limit of rows", frame)
    _check_columns(scan.projection().fields, scan.table_metadata.schemas, frame)
    files = []
    for task in scan.plan_files():
        path = task.file.file_path
        if task.delete_files:
            what = f"an Iceberg table with delete files: rows of {path} are deleted (merge-on-read)"
            raise _refused(what, f"Rewrite its data files (rewrite_data_files), or: {frame}")
        if getattr(task.file.file_format, "name", str(task.file.file_format)).upper() != "PARQUET":
            raise _refused(f"{path} is not a parquet file", frame)
        residual = getattr(task, "residual", scan.row_filter)
        if type(residual).__name__ != "AlwaysTrue":
            raise _refused(f"the filter of the scan, {residual}, applies to a part of {path}", frame)
        files.append(path)
    return files


def _check_columns(columns: Iterable[Any], schemas: Iterable[Any], advice: str) -> None:
    """Fails where a column had another name, or its name was another column's: older files have that name."""
    older = [field for schema in schemas for field in schema.fields]
    for column in columns:
        for field in older:
            if (field.field_id == column.field_id) != (field.name == column.name):
                was = f"'{field.name}'" if field.field_id == column.field_id else "another column"
                raise _refused(f"an Iceberg table whose column '{column.name}' was {was} before", advice)
        if getattr(column, "initial_default", None) is not None:
            raise _refused(
                f"an Iceberg table whose column '{column.name}' has a default in older files", advice
            )
