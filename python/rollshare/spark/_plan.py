"""Recognises frames that only read parquet files."""

from __future__ import annotations

from urllib.parse import unquote

from ._session import is_connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Plan nodes that change neither the rows nor the columns.
TRANSPARENT = {"SubqueryAlias", "View"}
#: Spark's own listings. Formats with a log, such as Delta, bring others: not every file is of the table.
LISTINGS = {"InMemoryFileIndex", "CatalogFileIndex", "PrunedInMemoryFileIndex"}


def parquet_files(df: Any, columns: set[str], whole: bool = False) -> list[str] | None:
    """The files of a frame that only reads parquet and does not change ``columns``; else ``None``.

    ``columns`` are lower-case names. Of a ``whole`` frame no other column of the files is left out either.
    """
    reads = _connect(df) if is_connect(df) else _classic(df, columns, whole)
    if not reads:
        return None
    files = [_path(uri) for uri in df.inputFiles()]
    return files if files and all(files) else None


def _path(uri: str) -> str:
    """The kernel's path of a URI from Spark; empty where the kernel cannot read it."""
    scheme, colon, rest = uri.partition(":")
    if not colon:
        return uri
    if scheme == "file":
        return "/" + unquote(rest.lstrip("/"))
    if scheme in ("s3", "s3a", "s3n"):
        return "s3:" + rest
    return ""


def _classic(df: Any, columns: set[str], whole: bool) -> bool:
    node = df._jdf.queryExecution().analyzed()
    while True:
        kind = node.getClass().getSimpleName()
        if kind == "Project":
            if whole:
                return False
            # Only plain columns: no alias, no cast.
            fields = node.projectList()
            kinds = (fields.apply(at).getClass().getSimpleName() for at in range(fields.size()))
            if any(kind != "AttributeReference" for kind in kinds):
                return False
        elif kind not in TRANSPARENT:
            break
        node = node.children().apply(0)
    if kind != "LogicalRelation" or node.isStreaming():
        return False
    relation = node.relation()
    if relation.getClass().getSimpleName() != "HadoopFsRelation":
        return False
    if relation.fileFormat().getClass().getSimpleName() != "ParquetFileFormat":
        return False
    if relation.location().getClass().getSimpleName() not in LISTINGS:
        return False
    # Spark converts partition values to numbers and dates; the kernel would read them as strings.
    partitions = {name.lower() for name in relation.partitionSchema().fieldNames()}
    return not partitions & columns


def _connect(df: Any) -> bool:
    """Whether the client's plan is a read by ``spark.read.parquet`` without options."""
    plan = getattr(df, "_plan", None)
    if type(plan).__name__ != "DataSource":
        return False
    plain = not getattr(plan, "_options", None) and not getattr(plan, "_schema", None)
    # Here only the paths distinguish partition columns from columns of the files.
    return (
        getattr(plan, "_format", None) == "parquet" and plain and not any("=" in f for f in df.inputFiles())
    )
