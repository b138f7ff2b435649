"""Run by test_run_failures.py: a driver that is killed some time after its executors have answered.

Usage: killed_driver.py MASTER SOURCE TARGET MILLISECONDS
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from pyspark.sql import SparkSession
from rollshare.spark import _run, run

master, source, target, milliseconds = sys.argv[1:]
builder = SparkSession.builder.config("spark.driver.host", "127.0.0.1").config("spark.ui.enabled", "false")
builder = builder.config("spark.cores.max", "2").config("spark.executor.memory", "512m")
spark = builder.master(master).getOrCreate()
ask = _run.Executors.ask


def killed():
    time.sleep(float(milliseconds) / 1000)
    os.kill(os.getpid(), signal.SIGKILL)


def answered(self, request, name):
    found = ask(self, request, name)
    # The JVM ends with its driver.
    print("answered", flush=True)
    threading.Thread(target=killed).start()
    return found


_run.Executors.ask = answered
run(spark, source, target, warn_only=True, run_on="cluster")
print("published", flush=True)
time.sleep(60)
