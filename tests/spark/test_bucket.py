"""jobs/transform.py from s3:// to s3://, scanned by the executors."""

from __future__ import annotations

import os
import sys
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import rollshare
from conftest import REPOSITORY
from test_transform import submit

sys.path.append(str(REPOSITORY / "tests/python"))

from test_s3 import bucket, get, put  # noqa: E402, F401

#: What a client of S3 takes from its environment.
NAMES = (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "AWS_EC2_METADATA_DISABLED",
)


def keys(address: str, prefix: str) -> list[str]:
    with urllib.request.urlopen(f"{address}?list-type=2&prefix={prefix}") as answer:
        found = ElementTree.parse(answer).iter()
    return sorted(node.text for node in found if node.tag.endswith("}Key"))


def test_executors_read_s3(cluster, bucket, small):  # noqa: F811
    for path in Path(small).iterdir():
        put(f"{bucket}/in/{path.name}", path.read_bytes())
    executors = {f"spark.executorEnv.{name}": os.environ[name] for name in NAMES}
    asked = ["--source_parquet", "s3a://bucket/in/", "--target_parquet", "s3a://bucket/out/", "--no-checks"]
    done = submit(cluster, *asked, settings=executors)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    (part,) = keys(bucket, "out/part-")
    assert part.endswith(".snappy.parquet") and get(f"{bucket}/out/_SUCCESS") == b""
    table = pq.read_table(pa.BufferReader(get(f"{bucket}/{part}")))
    assert table.to_pylist() == rollshare.read_parquet(small).to_dicts()
    # A damaged object: what was published stays.
    before = get(f"{bucket}/{part}")
    put(f"{bucket}/in/05.parquet", b"PAR1" + b"\xff" * 64 + Path(small, "05.parquet").read_bytes()[68:])
    done = submit(cluster, *asked, settings=executors)
    said = done.stdout + done.stderr
    assert done.returncode == 3 and "05.parquet" in said and "nothing was published" in said, said[-3000:]
    assert get(f"{bucket}/{part}") == before and len(keys(bucket, "out/part-")) == 1
