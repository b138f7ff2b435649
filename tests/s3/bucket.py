"""A bucket on a separate S3 API server, for tests in Python."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The reason why a test did not run, and the remedy.
MISSING = (
    "NOT RUN: no S3 API server: 'make s3-server' sets up moto, or name a Python that has moto[server] with "
    "ROLLSHARE_MOTO_PYTHON"
)
#: Without a type urllib declares a body as a form, and moto waits for more data. Unsigned requests may
#: not read; moto does not verify the signature.
HEADERS = {
    "Content-Type": "application/octet-stream",
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


class Bucket:
    """``s3://bucket/``, with access that does not use the program under test."""

    def __init__(self, port: str) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-west-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.address = f"http://127.0.0.1:{port}/bucket"
        self._ask("PUT", "")

    def put(self, key: str, body: bytes) -> None:
        self._ask("PUT", f"/{key}", body)

    def get(self, key: str) -> bytes:
        return self._ask("GET", f"/{key}")

    def keys(self, prefix: str = "") -> list[str]:
        listed = self._ask("GET", f"?list-type=2&max-keys=1000&prefix={prefix.replace('/', '%2F')}").decode()
        return [rest.split("</Key>")[0] for rest in listed.split("<Key>")[1:]]

    def _ask(self, method: str, target: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.address + target, data=body, headers=HEADERS, method=method)
        with urllib.request.urlopen(request) as response:
            return bytes(response.read())


@contextmanager
def bucket() -> Iterator[Bucket | None]:
    """A bucket that exists during the block; None where no server can be started."""
    named = os.environ.get("ROLLSHARE_MOTO_PYTHON")
    for python in [named] if named else [str(ROOT / ".venv/s3/bin/python"), sys.executable, "python3"]:
        command = [python, str(ROOT / "tests/s3/server.py")]
        try:
            server = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError:
            continue
        try:
            port = server.stdout.readline().strip() if server.stdout else ""
            if port:
                yield Bucket(port)
                return
        finally:
            server.kill()
            server.wait()
    yield None
