"""Spark Connect: a server on the cluster, a client in a separate process."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pyspark
import pytest
from cluster import free_port


def reachable(port: int) -> bool:
    with socket.socket() as s:
        s.settimeout(0.5)
        return s.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server(cluster):
    jars = Path(pyspark.__file__).parent / "jars"
    if not list(jars.glob("spark-connect_*.jar")):
        pytest.skip(
            f"NOT RUN: PySpark {pyspark.__version__} from PyPI has no Connect server; "
            "put spark-connect_2.12-VERSION.jar from Maven Central into its jars/"
        )
    port = free_port()
    settings = {**cluster.settings(), "spark.connect.grpc.binding.port": str(port)}
    conf = [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
    entry = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    log = (cluster.work / "connect.log").open("wb")
    command = [str(cluster.home / "bin/spark-submit"), *conf, *entry]
    # SPARK_DAEMON_MEMORY sets the server's memory, as that of the master and the workers.
    env = {**cluster.environment(), "SPARK_DAEMON_MEMORY": "768m"}
    process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    cluster.processes.append(process)
    end = time.monotonic() + 240
    while not reachable(port):
        log_text = (cluster.work / "connect.log").read_text()[-3000:]
        assert process.poll() is None and time.monotonic() < end, log_text
        time.sleep(0.2)
    yield f"sc://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


def test_a_client_without_a_jvm(server, sample, small):
    client = [sys.executable, str(Path(__file__).with_name("connect_client.py")), server, sample, small]
    done = subprocess.run(client, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0 and "connect: right" in done.stdout, done.stderr[-3000:]
