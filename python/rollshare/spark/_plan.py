"""Recognises frames that only read parquet files."""

from __future__ import annotations

from urllib.parse import unquote

from .. import _errors
from ._session import is_connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Plan nodes that change neither the rows nor the columns.
TRANSPARENT = {"SubqueryAlias", "View"}
#: Spark's own listings. Formats with a log, such as Delta, bring others: not every file is of the table.
LISTINGS = {"InMemoryFileIndex", "CatalogFileIndex", "PrunedInMemoryFileIndex"}

#: The log of a table below its folder, and what the table is.
TABLES = (
    ("_delta_log", "a Delta Lake table"),
    (".hoodie", "an Apache Hudi table"),
    ("metadata/*.metadata.json*", "an Apache Iceberg table"),
)
#: Folders that are looked into, from the one that is read upwards.
LEVELS = 5


def parquet_files(df: Any, columns: set[str], whole: bool = False) -> list[str] | None:
    """The files of a frame that only reads parquet and does not change ``columns``; else ``None``.

    ``columns`` are lower-case names. Of a ``whole`` frame no other column of the files is left out either.
    """
    reads = _connect(df) if is_connect(df) else _classic(df, columns, whole)
    if not reads:
        return None
    files = [_path(uri) for uri in df.inputFiles()]
    return files if files and all(files) else None


def refuse_tables(df: Any) -> None:
    """Raise where a frame reads the folder of a lake table as plain parquet, with rows that were replaced.

    In a classic session; Spark Connect does not show where a frame reads.
    """
    if is_connect(df):
        return
    leaves = df._jdf.queryExecution().analyzed().collectLeaves()
    for leaf in (leaves.apply(at) for at in range(leaves.size())):
        if _is_plain(leaf):
            roots = leaf.relation().location().rootPaths()
            for root in (roots.apply(at) for at in range(roots.size())):
                _refuse_table(df, root)


def _is_plain(node: Any) -> bool:
    """Whether a leaf of a plan is Spark's own read of parquet files."""
    if node.getClass().getSimpleName() != "LogicalRelation":
        return False
    relation = node.relation()
    return (
        relation.getClass().getSimpleName() == "HadoopFsRelation"
        and relation.fileFormat().getClass().getSimpleName() == "ParquetFileFormat"
        and relation.location().getClass().getSimpleName() in LISTINGS
    )


def _refuse_table(df: Any, root: Any) -> None:
    """Raise where a folder is that of a lake table, or inside one."""
    hadoop = df._jdf.sparkSession().sessionState().newHadoopConf()
    files = root.getFileSystem(hadoop)
    if not files.exists(root) or not files.getFileStatus(root).isDirectory():
        return
    path = df.sparkSession._jvm.org.apache.hadoop.fs.Path
    folder = root
    for _ in range(LEVELS):
        found = next((name for log, name in TABLES if _exists(files, path(folder, log))), None)
        if found is not None:
            raise _errors.UnsupportedError(
                f"{folder.toUri().getPath()}: {found} that is read as plain parquet: its folder also holds "
                "files that are no part of the table any more; read the table by its own format, such as "
                'spark.read.format("delta").load(...), or name its files one by one (docs/lakes.md)'
            )
        folder = folder.getParent()
        if folder is None or folder.isRoot():
            return


def _exists(files: Any, path: Any) -> bool:
    """Whether there is a path, or any that a pattern matches."""
    if "*" not in path.getName():
        return bool(files.exists(path))
    return bool(files.exists(path.getParent())) and bool(files.globStatus(path))


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
    if not _is_plain(node) or node.isStreaming():
        return False
    # Spark converts partition values to numbers and dates; the kernel would read them as strings.
    partitions = {name.lower() for name in node.relation().partitionSchema().fieldNames()}
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
