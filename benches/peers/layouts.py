"""The files that every engine reads: one table in seven layouts, a small table, and other exports.

`rollshare sample` writes four layouts and the other exports; pyarrow re-encodes the rest from the export.
The files are made once per size under `target/peers/`, with seed 1.
"""

import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SAMPLED = ["export", "shuffled", "spark", "daily"]
# Exports with other columns, for `questions.py`.
OTHERS = ["facts", "facts-csv", "events", "events-text"]
LAYOUTS = [*SAMPLED, "plain", "zstd_v2", "sorted"]
TITLES = {
    "export": "export order",
    "shuffled": "shuffled",
    "spark": "one row group (Spark)",
    "daily": "daily files, hive folders",
    "plain": "PLAIN strings",
    "zstd_v2": "zstd, page v2",
    "sorted": "sorted by os and country",
}
KEYS = ["name", "year_week", "country", "os_name", "token"]
GROUP = 1_000_000
SMALL_ROWS = 9_330


def make(program, folder, rows, layouts):
    """Return the paths by layout; files that exist are not made again."""
    folder = Path(folder) / str(rows)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for layout in layouts:
        path = folder / (layout if layout == "daily" else f"{layout}.parquet")
        if layout == "facts-csv":
            path = folder / "facts.csv"
        paths[layout] = path
        if path.exists():
            continue
        if layout in SAMPLED or layout in OTHERS:
            sample(program, path, rows, layout)
        else:
            export = make(program, folder.parent, rows, ["export"])["export"]
            rewrite(export, path, layout)
    return paths


def sample(program, path, rows, layout="export"):
    layout = layout.removesuffix("-csv")
    command = [program, "sample", "--rows", rows, "--layout", layout, "--seed", 1, "--out", path, "--quiet"]
    subprocess.run([str(word) for word in command], check=True)


def rewrite(export, path, layout):
    source = pq.ParquetFile(export, read_dictionary=KEYS)
    options = {
        "plain": {"use_dictionary": False, "compression": "snappy"},
        "zstd_v2": {"compression": "zstd", "data_page_version": "2.0"},
        "sorted": {"compression": "snappy"},
    }[layout]
    partial = path.with_suffix(".partial")
    if layout == "sorted":
        table = source.read().unify_dictionaries().combine_chunks()
        batches = [in_order(table)]
    else:
        batches = (source.read_row_group(group) for group in range(source.num_row_groups))
    with pq.ParquetWriter(
        partial, source.schema_arrow, store_schema=False, use_deprecated_int96_timestamps=True, **options
    ) as out:
        for batch in batches:
            out.write_table(batch, row_group_size=GROUP)
    partial.rename(path)


def in_order(table):
    """Sort by os and country; the sort is stable."""
    import numpy as np

    def rank(name):
        column = table[name].chunk(0)
        words = np.array(column.dictionary.to_pylist(), dtype=object)
        place = np.empty(len(words), np.int32)
        place[np.argsort(words)] = np.arange(len(words), dtype=np.int32)
        return place[column.indices.to_numpy()]

    key = rank("os_name").astype(np.int64) * (1 << 20) + rank("country")
    return table.take(pa.array(np.argsort(key, kind="stable")))
