"""A separate Airflow for each test session, and AWS on loopback.

These tests run in Airflow's virtual environment. The emulator and Spark are in the environment of the cloud
part, whose Python is set by the environment variable CLOUD_PYTHON.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from nodes import new_python

REPOSITORY = Path(__file__).resolve().parents[2]
DAGS = REPOSITORY / "dags"
REGION = "eu-central-1"
BUCKET = "shares-of-a-team"
#: The major version of Airflow.
MAJOR = int(version("apache-airflow").split(".")[0])


def not_run(missing: str, remedy: str) -> None:
    """Skip; report what is missing and how to get it."""
    pytest.skip(f"NOT RUN: {missing}; {remedy}")


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel of this checkout for this machine."""
    wheels = sorted((REPOSITORY / "target/cloud-wheel").glob("rollshare-*.whl"))
    if len(wheels) != 1:
        not_run("there is no wheel in target/cloud-wheel", "`make cloud-wheel` builds it")
    return wheels[0]


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the wheel and nothing else."""
    python = new_python(tmp_path_factory.mktemp("here") / "venv")
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-index", wheel], check=True)
    return python


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    """The endpoint of AWS on loopback."""
    python = os.environ.get("CLOUD_PYTHON")
    if python is None:
        not_run("CLOUD_PYTHON is not set", "`make test-airflow` sets it")
    server = subprocess.Popen(
        [python, REPOSITORY / "tests/terraform/emulator.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"},
    )
    try:
        endpoint = server.stdout.readline().strip()
        assert endpoint.startswith("http://127.0.0.1:"), "the emulator did not start"
        yield endpoint
    finally:
        server.stdin.close()
        server.wait(timeout=30)


class Airflow:
    """The program `airflow`, with a separate database and the connection to the emulator."""

    def __init__(self, home: Path, endpoint: str) -> None:
        self.program = Path(sys.executable).with_name("airflow")
        connection = {
            "conn_type": "aws",
            "login": "test",
            "password": "something",
            "extra": {"region_name": REGION, "endpoint_url": endpoint},
        }
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))
        } | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
            "AWS_EC2_METADATA_DISABLED": "true",
            "ORGANIC_SHARE_POKE_SECONDS": "1",
            "ORGANIC_SHARE_PATIENCE_SECONDS": "90",
            "ORGANIC_SHARE_RETRY_SECONDS": "1",
            "PYTHONPATH": str(DAGS),
        }

    def __call__(
        self, *arguments: str, watch: Callable[[str], None] = lambda line: None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of Airflow; `watch` is called with each line when it is printed."""
        command = [self.program, *arguments]
        process = subprocess.Popen(
            command,
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        killer = threading.Timer(400, process.kill)
        killer.start()
        lines = []
        for line in process.stdout:
            lines.append(line)
            watch(line)
        code = process.wait()
        killer.cancel()
        return subprocess.CompletedProcess(command, code, "".join(lines))

    def day(
        self, day: str, variable: dict, watch: Callable[[str], None] = lambda line: None, **params: str
    ) -> subprocess.CompletedProcess[str]:
        """`airflow dags test` for the run whose data interval begins on `day`."""
        # A manual run has the last interval that ended before its logical date.
        moment = date.fromisoformat(day) + timedelta(days=1)
        return self(
            *["dags", "test", "organic_share", f"{moment}T07:00:00+00:00", "--conf", json.dumps(params)],
            watch=watch,
            AIRFLOW_VAR_ORGANIC_SHARE=json.dumps(variable),
            ORGANIC_SHARE_LATE_SECONDS="0",
        )


@pytest.fixture(scope="session")
def airflow(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    airflow = Airflow(tmp_path_factory.mktemp("airflow"), emulator)
    done = airflow("db", "migrate")
    assert done.returncode == 0, done.stdout
    return airflow


@pytest.fixture(scope="session")
def s3(emulator: str) -> object:
    import boto3

    client = boto3.client(
        "s3", endpoint_url=emulator, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


@pytest.fixture(scope="session")
def job_flow(s3: object, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The cluster in the form of terraform's output `airflow_variable`; its only node is this machine."""
    if shutil.which("java") is None:
        not_run("java is not installed", "Debian: apt install openjdk-17-jre-headless")
    files = {
        "jobs/transform.py": REPOSITORY / "jobs/transform.py",
        "bootstrap/bootstrap.sh": REPOSITORY / "scripts/bootstrap.sh",
        f"wheels/{wheel.name}": wheel,
    }
    for key, path in files.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    cloud = os.environ["CLOUD_PYTHON"]
    code = "import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parents[1])"
    packages = subprocess.check_output([cloud, "-c", code], text=True).strip()
    python = str(new_python(tmp_path_factory.mktemp("node") / "venv", packages=Path(packages), base=cloud))
    bootstrap = {
        "Path": f"s3://{BUCKET}/bootstrap/bootstrap.sh",
        "Args": [
            f"s3://{BUCKET}/wheels/{wheel.name}",
            hashlib.sha256(wheel.read_bytes()).hexdigest(),
            python,
        ],
    }
    group = {"InstanceType": "m5.xlarge", "InstanceCount": 1}
    return {
        "Name": "rollshare-daily",
        "ReleaseLabel": "emr-7.13.0",
        "Applications": [{"Name": "Spark"}],
        "ServiceRole": "rollshare-service",
        "JobFlowRole": "rollshare-nodes",
        "LogUri": f"s3://{BUCKET}/logs/",
        "Configurations": [
            {
                "Classification": "spark-env",
                "Properties": {},
                "Configurations": [{"Classification": "export", "Properties": {"PYSPARK_PYTHON": python}}],
            }
        ],
        "BootstrapActions": [{"Name": "rollshare wheel", "ScriptBootstrapAction": bootstrap}],
        "Tags": [{"Key": "project", "Value": "rollshare"}],
        "Instances": {
            "KeepJobFlowAliveWhenNoSteps": True,
            "InstanceGroups": [
                {"Name": "primary", "InstanceRole": "MASTER"} | group,
                {"Name": "core", "InstanceRole": "CORE"} | group,
            ],
        },
    }
