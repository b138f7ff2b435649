"""A real Spark cluster on this machine: a standalone master and two workers, each in a separate process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

JAVA_MAJOR = 17
HOW = f"install Java {JAVA_MAJOR} (Debian: apt-get install openjdk-17-jre-headless) or set JAVA_HOME"


def missing() -> str | None:
    """What is missing on this machine and how to install it; `None` where nothing is."""
    try:
        import pyspark  # noqa: F401
    except ImportError:
        return "PySpark is not installed: make test-spark sets it up"
    java = Path(os.environ["JAVA_HOME"], "bin/java") if os.environ.get("JAVA_HOME") else shutil.which("java")
    if not java or not Path(java).exists():
        return f"there is no Java: {HOW}"
    output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', output)
    if not found or int(found[1]) < JAVA_MAJOR:
        return f"Java {JAVA_MAJOR} or later is needed, found {output.splitlines()[:1]}: {HOW}"
    return None


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def executors(application: str) -> list[int]:
    """Processes of an application's executors."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace") if entry.name.isdigit() else ""
        except OSError:
            continue
        is_executor = "CoarseGrainedExecutorBackend" in line and "org.apache.spark.deploy" not in line
        if is_executor and application in line:
            found.append(int(entry.name))
    return found


@contextmanager
def killed_in_a_task(executors: list[int], moments: Path) -> Iterator[None]:
    """Kill the first of these executors that is in a task of `slow`; the other tasks go on then."""
    killed, is_over = threading.Event(), threading.Event()

    def kill() -> None:
        while not is_over.wait(0.02):
            for executor in filter(lambda one: (moments / f"in-{one}").exists(), executors):
                os.kill(executor, signal.SIGKILL)
                killed.set()
                (moments / "killed").touch()
                return

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    assert killed.is_set(), "no executor was in a task that waits for its end"


class Cluster:
    """A master and workers; `stop` ends every process that it started."""

    def __init__(self, workers: int = 2, cores: int = 2, memory: str = "2g") -> None:
        import pyspark

        self.home = Path(pyspark.__file__).parent
        self.work = Path(tempfile.mkdtemp(prefix="rollshare-spark-"))
        self.processes: list[subprocess.Popen] = []
        port = free_port()
        self.url = f"spark://127.0.0.1:{port}"
        ports = ["--port", str(port), "--webui-port", "0"]
        self._start("master", "127.0.0.1", "deploy.master.Master", *ports)
        for number in range(workers):
            size = ["--cores", str(cores), "--memory", memory, "--work-dir", str(self.work / f"w{number}")]
            # Each worker has a host: Spark starts no second copy of a task on the host of the first.
            host = f"127.0.0.{1 + number}"
            self._start(f"worker{number}", host, "deploy.worker.Worker", "--webui-port", "0", *size, self.url)
        self._until(lambda: self._log("master").count("Registering worker") >= workers)

    def environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
        env.update(
            SPARK_HOME=str(self.home),
            SPARK_LOCAL_IP="127.0.0.1",
            SPARK_DAEMON_MEMORY="256m",
            SPARK_NO_DAEMONIZE="1",
            PYTHONPATH=str(Path(__file__).parent),
            PYSPARK_PYTHON=sys.executable,
            PYSPARK_DRIVER_PYTHON=sys.executable,
        )
        return env

    def settings(self) -> dict[str, str]:
        """The settings with which a driver uses the cluster."""
        return {
            "spark.master": self.url,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            # Half of the cluster, so that two drivers can run at once.
            "spark.cores.max": "2",
            "spark.executor.cores": "1",
            "spark.executor.memory": "768m",
            "spark.speculation": "true",
            "spark.driver.memory": "768m",
            "spark.sql.shuffle.partitions": "4",
            "spark.sql.warehouse.dir": str(self.work / "warehouse"),
            "spark.local.dir": str(self.work / "local"),
        }

    def _start(self, name: str, host: str, entry: str, *arguments: str) -> None:
        log = (self.work / f"{name}.log").open("wb")
        spark_class = str(self.home / "bin/spark-class")
        command = [spark_class, f"org.apache.spark.{entry}", "--host", host, *arguments]
        env = {**self.environment(), "SPARK_LOCAL_IP": host}
        self.processes.append(
            subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
        )

    def _log(self, name: str) -> str:
        return (self.work / f"{name}.log").read_text(errors="replace")

    def _until(self, done, seconds: float = 300.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end or any(p.poll() is not None for p in self.processes):
                logs = "\n".join(self._log(p.stem)[-2000:] for p in self.work.glob("*.log"))
                self.stop()
                raise RuntimeError(f"the cluster did not start:\n{logs}")
            time.sleep(0.1)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(self.work, ignore_errors=True)
