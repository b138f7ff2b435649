"""Writes the inputs of tests/damage.rs: one small table in several encodings.

Needs pyarrow, the only common writer of page checksums. The files are checked in; run this only to
change them: python make.py
"""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

rows = []
for week in range(12):
    monday = date(2020, 11, 30) + timedelta(weeks=week)
    year, number, _ = monday.isocalendar()
    for c, country in enumerate(["ALL", "FR", "GB", "IT"]):
        for os_name in ["all", "ios"]:
            for n, name in enumerate(["Organic", "Email", "Search", "Social"]):
                value = (week * 31 + c * 17 + n * 7 + len(os_name)) % 23
                rows.append((name, float(max(value - 8, 0)), f"{year}_{number:02}", country, os_name, monday))
names = ["name", "value", "year_week", "country", "os_name", "start_date"]
types = [pa.string(), pa.float32(), pa.string(), pa.string(), pa.string(), pa.date32()]
table = pa.table({n: pa.array([r[i] for r in rows], t) for i, (n, t) in enumerate(zip(names, types))})

plain = {"use_dictionary": False}
strings = {n: "DELTA_BYTE_ARRAY" for n in ["name", "year_week", "country", "os_name"]}
files = {
    "snappy_crc": {"compression": "snappy", "write_page_checksum": True},
    "snappy": {"compression": "snappy"},
    "none": {"compression": "none"},
    "zstd_v2": {"compression": "zstd", "data_page_version": "2.0"},
    "zstd_v2_crc": {"compression": "zstd", "data_page_version": "2.0", "write_page_checksum": True},
    "delta": {"compression": "snappy", **plain, "column_encoding": {**strings, "value": "BYTE_STREAM_SPLIT"}},
    "delta_crc": {
        "compression": "none",
        "write_page_checksum": True,
        **plain,
        "column_encoding": {**strings, "value": "BYTE_STREAM_SPLIT"},
    },
    "plain": {"compression": "none", **plain},
}
for name, options in files.items():
    pq.write_table(
        table,
        Path(__file__).parent / f"{name}.parquet",
        row_group_size=200,
        data_page_size=256,
        write_batch_size=50,
        store_schema=False,
        **options,
    )
