"""Tasks that wait, are slow or fail at the first attempt; executors import this by PYTHONPATH."""

from __future__ import annotations

import os
import time
from pathlib import Path

from rollshare.spark import _files, _run


def wait_in_some_tasks():
    """As `wait_for_a_kill`; the first task is over when it happens."""
    from pyspark import TaskContext

    if TaskContext.get().partitionId() > 0:
        wait_for_a_kill()


def wait_for_a_kill():
    """Say that this executor is in a task, and go on once an executor was killed, or after a minute."""
    folder, end = Path(os.environ["ROLLSHARE_ATTEMPTS"]), time.monotonic() + 60
    # The executor is an ancestor of its Python workers.
    process = os.getpid()
    while process > 1:
        (folder / f"in-{process}").touch()
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    while not (folder / "killed").exists() and time.monotonic() < end:
        time.sleep(0.02)


def scan(parts, batches):
    """Scan splits, once an executor was killed."""
    wait_in_some_tasks()
    yield from _files.scan_task(parts, batches)


def scan_at_the_second_attempt(parts, batches):
    """Scan splits; the first attempt fails after its work."""
    from pyspark import TaskContext

    done = list(_files.scan_task(parts, batches))
    if TaskContext.get().attemptNumber() == 0:
        raise RuntimeError("lost on purpose")
    yield from done


def gather(checking, pairs):
    """Sum splits and gather their evidence, once an executor was killed."""
    wait_in_some_tasks()
    yield from _run.gather_task(checking, pairs)


def answer(checking, request, pair):
    """Answer a question for a split, once an executor was killed."""
    wait_in_some_tasks()
    yield from _run.answer_task(checking, request, pair)


def answer_slowly(checking, request, pair):
    """Answer a question for a split, half a second slower."""
    time.sleep(0.5)
    yield from _run.answer_task(checking, request, pair)


def reduce(request, records):
    """Judge a range, once an executor was killed."""
    wait_for_a_kill()
    return _run.reduce_task(request, records)


def gather_with_a_straggler(checking, pairs):
    """Sum a split and gather its evidence; the first attempt of one task takes a minute."""
    from pyspark import TaskContext

    context = TaskContext.get()
    if context.partitionId() == 3:
        Path(os.environ["ROLLSHARE_ATTEMPTS"], str(context.attemptNumber())).touch()
        if context.attemptNumber() == 0:
            time.sleep(60)
    yield from _run.gather_task(checking, pairs)


def values_of_now(batches):
    """The rows, with other values each time they are computed."""
    import pyarrow as pa

    for batch in batches:
        at = batch.schema.get_field_index("value")
        values = pa.array([float(time.time_ns() % 1000)] * batch.num_rows, batch.schema.field(at).type)
        columns = [*batch.columns[:at], values, *batch.columns[at + 1 :]]
        yield pa.RecordBatch.from_arrays(columns, batch.schema.names)


def memory(batches):
    """Anonymous memory of this Python worker, in KiB."""
    import pyarrow as pa

    for _ in batches:
        time.sleep(0.2)
    status = Path("/proc/self/status").read_text().splitlines()
    lines = dict(line.split(":", 1) for line in status if ":" in line)
    yield pa.RecordBatch.from_arrays([pa.array([int(lines["RssAnon"].split()[0])], pa.int64())], ["kib"])
