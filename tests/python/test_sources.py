"""Sources that change while they are read: an exception, never the end of the interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# In a process of its own: a signal would end the tests.
CUT = """
import os, shutil, sys, threading, time
import rollshare

whole, source, target = sys.argv[1:]

def run(how):
    if how == "read":
        return rollshare.read_parquet(source, threads=2)
    return rollshare.run(source, target, threads=2, no_checks=how == "run", warn_only=how == "checked")

shutil.copy(whole, source)
begun = time.perf_counter()
run("read")
took = time.perf_counter() - begun
failed = 0
for attempt in range(24):
    shutil.copy(whole, source)
    time.sleep(0.02)
    cut = threading.Timer(took * attempt / 24, os.truncate, (source, 0 if attempt % 2 else 300_000))
    cut.start()
    try:
        run(("read", "run", "checked")[attempt % 3])
    except rollshare.RollshareError as error:
        assert source in str(error), error
        failed += 1
    cut.join()
print("failed", failed)
"""


def test_a_source_that_is_cut_is_an_exception(large: str, tmp_path: Path) -> None:
    arguments = [large, str(tmp_path / "source.parquet"), str(tmp_path / "share.parquet")]
    command = [sys.executable, "-c", CUT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert int(done.stdout.split()[-1]) > 0, done.stdout
