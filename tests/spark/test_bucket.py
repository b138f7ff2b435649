"""jobs/transform.py from s3:// to s3://, scanned by the executors."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rollshare
from conftest import REPOSITORY
from test_transform import submit

sys.path.append(str(REPOSITORY / "tests/s3"))

from bucket import MISSING, bucket  # noqa: E402


@pytest.fixture
def store(monkeypatch):
    with bucket() as found:
        if found is None:
            pytest.skip(MISSING)
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


def test_executors_read_s3(cluster, store, small):
    for path in Path(small).iterdir():
        store.put(f"in/{path.name}", path.read_bytes())
    executors = {f"spark.executorEnv.{name}": value for name, value in store.environment.items()}
    arguments = [
        "--source_parquet",
        "s3a://bucket/in/",
        "--target_parquet",
        "s3a://bucket/out/",
        "--no-checks",
        "--run-on",
        "cluster",
    ]
    done = submit(cluster, *arguments, settings=executors)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    (part,) = store.keys("out/part-")
    assert part.endswith(".snappy.parquet") and store.get("out/_SUCCESS") == b""
    table = pq.read_table(pa.BufferReader(store.get(part)))
    assert table.to_pylist() == rollshare.read_parquet(small).to_dicts()
    # A damaged object: the published table stays.
    before = store.get(part)
    store.put("in/05.parquet", b"PAR1" + b"\xff" * 64 + Path(small, "05.parquet").read_bytes()[68:])
    done = submit(cluster, *arguments, settings=executors)
    output = done.stdout + done.stderr
    assert done.returncode == 3 and "05.parquet" in output and "nothing was published" in output, output[
        -3000:
    ]
    assert store.get(part) == before and len(store.keys("out/part-")) == 1
