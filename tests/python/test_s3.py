"""Sources and targets in S3, from Python: one client a process, forked ones included.

They need an S3 API server.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import pytest
import rollshare

sys.path.insert(0, str(Path(__file__).parents[1] / "s3"))

from bucket import MISSING, Bucket, bucket  # noqa: E402


@pytest.fixture(scope="module")
def store() -> Iterator[Bucket]:
    before = dict(os.environ)
    with bucket() as found:
        if found is None:
            pytest.skip(MISSING)
        os.environ.update(found.environment)
        try:
            rollshare.read_parquet("s3://bucket/none")
        except rollshare.RollshareError as error:
            if isinstance(error, rollshare.UnsupportedError):
                restore(before)
                pytest.skip(f"NOT RUN: {error}; make test-s3")
        yield found
    restore(before)


def restore(before: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(before)


def test_a_source_in_s3_gives_what_the_local_file_gives(store: Bucket, sample: str) -> None:
    body = Path(sample).read_bytes()
    store.put("in/a.parquet", body)
    store.put("in/deep/b.parquet", body)
    one = rollshare.partial_parquet(sample)
    assert rollshare.read_parquet("s3://bucket/in/a.parquet") == rollshare.read_parquet(sample)
    two = rollshare.merge([one, one])
    assert rollshare.partial_parquet("s3://bucket/in/", threads=3) == two
    assert rollshare.partial_parquet(["s3://bucket/in/a.parquet", sample]) == two


def test_shares_are_published_to_s3(store: Bucket, sample: str, tmp_path: Path) -> None:
    shares = rollshare.read_parquet(sample)
    shares.write_parquet(tmp_path / "x.parquet")
    for _ in range(2):
        shares.write_parquet("s3://bucket/out/x.parquet")
        assert store.get("out/x.parquet") == (tmp_path / "x.parquet").read_bytes()


def test_a_run_is_checked_and_published_and_one_that_is_blocked_is_not(
    store: Bucket, sample: str, tmp_path: Path
) -> None:
    source, target = "s3://bucket/day/", "s3://bucket/table/share.csv"
    store.put("day/x.parquet", Path(sample).read_bytes())
    result = rollshare.run(source, target)
    assert (result.state, result.ok) == ("published", True)
    table = store.get("table/share.csv")
    rollshare.read_parquet(sample).write_csv(tmp_path / "share.csv")
    assert table == (tmp_path / "share.csv").read_bytes()
    page = str(result.places["page"])
    assert store.get(page.removeprefix("s3://bucket/")).decode() == result.to_html()

    frame = pl.read_parquet(sample)
    pl.concat([frame, frame[4000:4001]]).write_parquet(tmp_path / "twice.parquet")
    store.put("day/x.parquet", (tmp_path / "twice.parquet").read_bytes())
    assert rollshare.check(source)["duplicate_rows"]["status"] == "fail"
    with pytest.raises(rollshare.BlockedError, match="duplicate_rows") as raised:
        rollshare.run(source, target)
    assert store.get("table/share.csv") == table
    report = str(raised.value.results.places["report"])
    assert report.startswith("s3://bucket/table/_rollshare/share.csv/quarantine/")
    assert report.removeprefix("s3://bucket/") in store.keys("table/")


def test_a_missing_object_is_an_error_that_names_it(store: Bucket) -> None:
    with pytest.raises(FileNotFoundError, match="s3://bucket/none.parquet"):
        rollshare.read_parquet("s3://bucket/none.parquet")


def _rows(source: str) -> int:
    return rollshare.read_parquet(source).account["rows"]


def test_a_forked_process_has_its_own_client(store: Bucket, sample: str) -> None:
    store.put("fork.parquet", Path(sample).read_bytes())
    want = _rows("s3://bucket/fork.parquet")
    with get_context("fork").Pool(2) as pool:
        assert pool.map_async(_rows, ["s3://bucket/fork.parquet"] * 4).get(60) == [want] * 4
    assert _rows("s3://bucket/fork.parquet") == want


WAITING = """
import signal, sys
import rollshare
# A shell that starts the tests in the background makes them ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
sample, call = sys.argv[1:]
shares = rollshare.read_parquet(sample)
try:
    eval(call)
    print("returned")
except KeyboardInterrupt:
    print("interrupted", rollshare.read_parquet(sample) == shares)
"""


@pytest.mark.parametrize(
    "call",
    [
        "rollshare.read_parquet('s3://bucket/x', threads=2)",
        "rollshare.partial_parquet(['s3://bucket/x'])",
        "rollshare.run('s3://bucket/x', 's3://bucket/y.csv')",
        "rollshare.check('s3://bucket/x')",
        "rollshare.profile('s3://bucket/x')",
        "rollshare.read_parquet(sample, profile='s3://bucket/p.toml')",
        "shares.write_csv('s3://bucket/y.csv')",
    ],
)
def test_ctrl_c_ends_a_call_that_waits_for_s3(call: str, sample: str) -> None:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        run = subprocess.Popen(
            [sys.executable, "-c", WAITING, sample, call],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.settimeout(60)
        connection, _ = server.accept()
        with connection:
            assert connection.recv(1)
            sent = time.perf_counter()
            run.send_signal(signal.SIGINT)
            output, errors = run.communicate(timeout=60)
            elapsed = time.perf_counter() - sent
    assert output == "interrupted True\n", errors
    # With the end of the interpreter.
    assert elapsed < 1, elapsed
