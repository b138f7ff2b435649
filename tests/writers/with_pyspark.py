"""Files of Spark, which writes with parquet-java."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pyspark
from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from write import DECIMALS, Rows

SPARK = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.log.level", "ERROR")
    .getOrCreate()
)
TYPES = {
    "int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint", "float": "float",
    "double": "double",
}  # fmt: skip


def version() -> str:
    return str(pyspark.__version__)


def write(rows: Rows, target: str, random: Random) -> dict[str, Any]:
    kind = TYPES.get(rows.kind) or "decimal({}, {})".format(*DECIMALS[rows.kind])
    types = {name: kind if name == "value" else "string" for name in rows.columns}
    source = rows.path + ".lines"
    with open(source, "w", encoding="utf-8") as file:
        for row in zip(*rows.columns.values()):
            record = {name: value for name, value in zip(types, row) if value is not None}
            if "value" in record and not isinstance(record["value"], int):
                record["value"] = number(record["value"])
            file.write(json.dumps(record) + "\n")
    frame = SPARK.read.schema(", ".join(f"{n} {t}" for n, t in types.items())).json(source)
    frame = frame.withColumn("tags", f.array(f.lit("a"), f.lit("b"))).withColumn(
        "start_date", f.lit(date(2021, 2, 1))
    )
    options = {
        "compression": random.choice(["none", "snappy", "gzip", "zstd", "lz4", "lz4_raw"]),
        "parquet.writer.version": random.choice(["v1", "v2"]),
        "parquet.enable.dictionary": random.choice(["true", "true", "false"]),
        "parquet.page.size": random.choice([64, 1000, 20000, 1 << 20]),
        "parquet.dictionary.page.size": random.choice([64, 1000, 20000, 1 << 20]),
        "parquet.page.row.count.limit": random.choice([1 + len(rows) // 1000, 30, 1000, 20000]),
        "parquet.block.size": random.choice([10000, 200000, 128 << 20]),
        "parquet.page.size.row.check.min": random.choice([1, 20, 100]),
        "parquet.block.size.row.check.min": random.choice([1, 20, 100]),
        "parquet.columnindex.truncate.length": random.choice([1, 3, 64]),
        "parquet.statistics.truncate.length": random.choice([1, 3, 64, 1 << 30]),
        "parquet.page.write-checksum.enabled": random.choice(["true", "false"]),
        "parquet.bloom.filter.enabled": random.choice(["true", "false"]),
        "parquet.bloom.filter.max.bytes": 1024,
    }  # fmt: skip
    legacy = random.choice(["true", "false"])
    SPARK.conf.set("spark.sql.parquet.writeLegacyFormat", legacy)
    folder = Path(target + ".spark")
    frame.select(*rows.order(random)).coalesce(1).write.options(**options).parquet(str(folder))
    (part,) = folder.glob("part-*.parquet")
    os.replace(part, target)
    shutil.rmtree(folder)
    return {"kind": rows.kind, "writeLegacyFormat": legacy, **options}


def number(value: Any) -> Any:
    """A number as Spark's JSON reader takes it: NaN and infinite values as text."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return str(value) if not isinstance(value, float) else value
