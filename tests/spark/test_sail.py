"""Sail, another server of Spark Connect, instead of Spark: no JVM, no cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sail = pytest.importorskip(
    "pysail.spark", reason="NOT RUN: Sail is not installed; make test-spark-sail sets it up"
)


def test_the_same_client(small):
    server = sail.SparkConnectServer()
    server.start(background=True)
    try:
        _, port = server.listening_address
        client = [sys.executable, str(Path(__file__).with_name("connect_client.py"))]
        done = subprocess.run(
            [*client, f"sc://127.0.0.1:{port}", str(Path(small).parent / "whole.parquet"), small, "sail"],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0 and "connect: right" in done.stdout, done.stderr[-3000:]
    finally:
        server.stop()
