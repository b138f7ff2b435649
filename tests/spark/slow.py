"""Tasks that are slow or fail at the first attempt; executors import this by PYTHONPATH."""

from __future__ import annotations

import time
from pathlib import Path

from rollshare.spark import _files


def scan(parts, batches):
    """Scan splits, half a second slower."""
    time.sleep(0.5)
    yield from _files.scan_task(parts, batches)


def scan_at_the_second_attempt(parts, batches):
    """Scan splits; the first attempt fails after its work."""
    from pyspark import TaskContext

    done = list(_files.scan_task(parts, batches))
    if TaskContext.get().attemptNumber() == 0:
        raise RuntimeError("lost on purpose")
    yield from done


def memory(batches):
    """Anonymous memory of this Python worker, in KiB."""
    import pyarrow as pa

    for _ in batches:
        time.sleep(0.2)
    status = Path("/proc/self/status").read_text().splitlines()
    lines = dict(line.split(":", 1) for line in status if ":" in line)
    yield pa.RecordBatch.from_arrays([pa.array([int(lines["RssAnon"].split()[0])], pa.int64())], ["kib"])
