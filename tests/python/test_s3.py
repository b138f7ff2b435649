"""Sources and targets in S3, from Python: one client a process, forked ones included.

They need an S3 API server.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
import rollshare

ROOT = Path(__file__).parent.parent.parent


def _start() -> subprocess.Popen[str] | None:
    named = os.environ.get("ROLLSHARE_MOTO_PYTHON")
    pythons = [named] if named else [str(ROOT / ".venv/s3/bin/python"), sys.executable, "python3"]
    for python in pythons:
        command = [python, str(ROOT / "tests/s3/server.py")]
        try:
            server = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError:
            continue
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        if port:
            os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
            return server
        server.wait()
    return None


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket, by the address that its objects are put at."""
    before = dict(os.environ)
    try:
        rollshare.read_parquet("s3:///")
    except rollshare.UnsupportedError:
        pytest.skip("this module was built without S3: it is on by default (docs/s3.md)")
    except rollshare.RollshareError:
        pass
    server = _start()
    if server is None:
        pytest.skip(
            "no S3 API server: 'make s3-server' sets up moto, or name a Python that has it with "
            "ROLLSHARE_MOTO_PYTHON"
        )
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_REGION="eu-west-1")
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true")
    address = os.environ["AWS_ENDPOINT_URL"] + "/bucket"
    put(address, b"")
    yield address
    server.kill()
    server.wait()
    os.environ.clear()
    os.environ.update(before)


def put(address: str, body: bytes) -> None:
    urllib.request.urlopen(urllib.request.Request(address, data=body, method="PUT")).close()


def get(address: str) -> bytes:
    with urllib.request.urlopen(address) as answer:
        return bytes(answer.read())


def test_a_source_in_s3_gives_what_the_local_file_gives(bucket: str, sample: str) -> None:
    body = Path(sample).read_bytes()
    put(f"{bucket}/in/a.parquet", body)
    put(f"{bucket}/in/deep/b.parquet", body)
    one = rollshare.partial_parquet(sample)
    assert rollshare.read_parquet("s3://bucket/in/a.parquet") == rollshare.read_parquet(sample)
    two = rollshare.merge([one, one])
    assert rollshare.partial_parquet("s3://bucket/in/", threads=3) == two
    assert rollshare.partial_parquet(["s3://bucket/in/a.parquet", sample]) == two


def test_shares_are_published_to_s3(bucket: str, sample: str, tmp_path: Path) -> None:
    shares = rollshare.read_parquet(sample)
    shares.write_parquet(tmp_path / "x.parquet")
    shares.write_parquet("s3://bucket/out/x.parquet")
    assert get(f"{bucket}/out/x.parquet") == (tmp_path / "x.parquet").read_bytes()


def test_what_is_not_there_is_an_error_that_names_it(bucket: str) -> None:
    with pytest.raises(FileNotFoundError, match="s3://bucket/none.parquet"):
        rollshare.read_parquet("s3://bucket/none.parquet")


def _rows(source: str) -> int:
    return rollshare.read_parquet(source).account["rows"]


def test_a_forked_process_has_a_client_of_its_own(bucket: str, sample: str) -> None:
    put(f"{bucket}/fork.parquet", Path(sample).read_bytes())
    want = _rows("s3://bucket/fork.parquet")
    with get_context("fork").Pool(2) as pool:
        assert pool.map_async(_rows, ["s3://bucket/fork.parquet"] * 4).get(60) == [want] * 4
    assert _rows("s3://bucket/fork.parquet") == want
