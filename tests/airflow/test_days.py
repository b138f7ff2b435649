"""Days end to end: `airflow dags test` against AWS on loopback, with the real wheel."""

from __future__ import annotations

import gzip
import re
import subprocess
import time
from pathlib import Path

import boto3
import pytest
from conftest import BUCKET, REGION, Airflow, not_run


class Days:
    """A bucket with exports, and an Airflow that uses it."""

    def __init__(self, airflow: Airflow, s3: object, python: Path, folder: Path) -> None:
        place = {"endpoint_url": s3.meta.endpoint_url, "region_name": REGION}
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        self.emr = boto3.client("emr", **place, **keys)
        self.cloudwatch = boto3.client("cloudwatch", **place, **keys)
        self.airflow, self.s3, self.python, self.folder = airflow, s3, python, folder
        self.variable = {"bucket": BUCKET, "where": "here", "python": str(python)}

    def export(self, day: str, *, rows: int = 20_000, seed: int = 1) -> bytes:
        """Bytes of a generated export."""
        path = self.folder / f"{day}-{seed}.parquet"
        self.rollshare(
            "rollshare.sample(sys.argv[1], rows=int(sys.argv[2]), seed=int(sys.argv[3]))", path, rows, seed
        )
        return path.read_bytes()

    def rollshare(self, code: str, *arguments: object) -> None:
        """Run a line of Python with the wheel."""
        command = [self.python, "-c", f"import sys, rollshare; {code}", *map(str, arguments)]
        subprocess.run(command, check=True)

    def put(self, key: str, content: bytes) -> None:
        """Store an export in the bucket."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)

    def table(self, prefix: str) -> dict[str, bytes]:
        """The published files below a prefix, without the files that are kept beside them."""
        return {key: content for key, content in self.objects(prefix).items() if "_rollshare/" not in key}

    def objects(self, prefix: str) -> dict[str, bytes]:
        """All objects below a prefix."""
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {
            o["Key"].removeprefix(prefix): self.s3.get_object(Bucket=BUCKET, Key=o["Key"])["Body"].read()
            for o in found
        }

    def exists(self, place: str) -> bool:
        """Whether an object exists at a location that a message names."""
        return bool(self.objects(place.removeprefix(f"s3://{BUCKET}/")))

    def places(self, name: str) -> dict[str, str]:
        """Params with the separate prefixes of a test."""
        return {
            "export": f"s3://{{bucket}}/{name}/{{day}}.parquet",
            "source": f"s3://{{bucket}}/{name}/",
            "target": f"s3://{{bucket}}/output/{name}/",
        }

    def clusters(self) -> list[str]:
        """States of all clusters."""
        return [cluster["Status"]["State"] for cluster in self.emr.list_clusters()["Clusters"]]

    def logs(self) -> str:
        """The output of bootstrap actions and steps."""
        return "\n".join(
            f"{key}:\n{gzip.decompress(content).decode()[-3000:]}"
            for key, content in self.objects("logs/").items()
        )

    def metrics(self, namespace: str) -> list[str]:
        """Outcomes of which there are metrics."""
        found = self.cloudwatch.list_metrics(Namespace=namespace)["Metrics"]
        return sorted(metric["Dimensions"][0]["Value"] for metric in found)

    def expected(self, *exports: bytes, keywords: str = "") -> bytes:
        """The bytes of the table of some exports, computed on this machine."""
        folder = self.folder / f"expected-{time.monotonic_ns()}"
        folder.mkdir()
        for number, export in enumerate(exports):
            (folder / f"{number}.parquet").write_bytes(export)
        target = self.folder / f"{folder.name}.parquet"
        code = f"rollshare.read_parquet(sys.argv[1], {keywords}).write_parquet(sys.argv[2])"
        self.rollshare(code, folder, target)
        return target.read_bytes()


@pytest.fixture(scope="module")
def days(airflow: Airflow, s3: object, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Days:
    return Days(airflow, s3, python, tmp_path_factory.mktemp("days"))


def part(table: dict[str, bytes]) -> bytes:
    """The one part of a published folder."""
    parts = [content for key, content in table.items() if key.startswith("part-")]
    assert len(parts) == 1, sorted(table)
    assert "_SUCCESS" in table
    return parts[0]


def test_a_day_that_passes(days: Days) -> None:
    export = days.export("2026-11-23")
    days.put("passes/2026-11-23.parquet", export)
    done = days.airflow.day("2026-11-23", days.variable, **days.places("passes"))
    assert done.returncode == 0, done.stdout[-6000:]
    assert part(days.table("output/passes/")) == days.expected(export)


def test_a_day_with_options_and_checks_from_s3(days: Days) -> None:
    export = days.export("2026-11-23")
    days.put("options/2026-11-23.parquet", export)
    days.put("checks/checks.toml", b'[checks.duplicate_rows]\nseverity = "warn"\n')
    # The same rows again: they would be blocked without the file of checks.
    days.put("options/again.parquet", export)
    variable = days.variable | {"checks": "s3://{bucket}/checks/checks.toml", "metrics": "shares"}
    options = {"dates": True, "window": [4, 12], "by": "country,os_name", "with_total": "os_name"}
    done = days.airflow.day("2026-11-23", variable, **days.places("options"), **options)
    assert done.returncode == 0, done.stdout[-6000:]
    keywords = "dates=True, windows=[4, 12], by=['country', 'os_name'], with_total='os_name'"
    assert part(days.table("output/options/")) == days.expected(export, export, keywords=keywords)
    assert days.metrics("shares") == ["published"]


def test_a_day_that_is_blocked(days: Days) -> None:
    good = days.export("2026-11-23")
    days.put("blocked/2026-11-23.parquet", good)
    first = days.airflow.day("2026-11-23", days.variable, **days.places("blocked"))
    assert first.returncode == 0, first.stdout[-6000:]
    before = days.table("output/blocked/")
    # The same rows again, under the name of the next day.
    days.put("blocked/2026-11-24.parquet", good)
    variable = days.variable | {"metrics": "blocked-shares"}
    done = days.airflow.day("2026-11-24", variable, **days.places("blocked"))
    assert done.returncode != 0
    assert days.metrics("blocked-shares") == ["blocked"]
    assert "a check has blocked the run; the table is unchanged" in done.stdout
    assert "duplicate_rows" in done.stdout
    report = re.search(r"Report: (\S+)", done.stdout).group(1)
    assert "_rollshare/" in report
    assert days.exists(report)
    assert done.stdout.count("job: ") == 1, "a blocked run is not tried again"
    assert days.table("output/blocked/") == before


def test_a_day_whose_export_is_late(days: Days) -> None:
    export = days.export("2026-11-23", seed=2)
    looks: list[str] = []

    def arrive(line: str) -> None:
        """Store the export after the sensor has not found it twice."""
        if line.startswith("looking for s3://"):
            looks.append(line)
            if len(looks) == 2:
                days.put("late/2026-11-23.parquet", export)

    done = days.airflow.day("2026-11-23", days.variable, watch=arrive, **days.places("late"))
    assert len(looks) > 1, f"the run did not wait for the export:\n{done.stdout[-6000:]}"
    assert done.returncode == 0, done.stdout[-6000:]
    assert part(days.table("output/late/")) == days.expected(export)


def test_a_day_whose_export_never_comes(days: Days) -> None:
    days.airflow.environment["ORGANIC_SHARE_PATIENCE_SECONDS"] = "3"
    try:
        done = days.airflow.day("2026-11-23", days.variable, **days.places("never"))
    finally:
        days.airflow.environment["ORGANIC_SHARE_PATIENCE_SECONDS"] = "90"
    assert done.returncode != 0
    assert days.table("output/never/") == {}


def test_a_day_on_a_cluster(days: Days, job_flow: dict) -> None:
    export = days.export("2026-11-23")
    days.put("cluster/2026-11-23.parquet", export)
    variable = {"bucket": BUCKET, "job_flow": job_flow, "metrics": "cluster-shares"}
    done = days.airflow.day("2026-11-23", variable, core_nodes=2, **days.places("cluster"))
    assert done.returncode == 0, done.stdout[-6000:] + days.logs()
    assert part(days.table("output/cluster/")) == days.expected(export)
    assert days.clusters() == ["TERMINATED"]
    assert days.metrics("cluster-shares") == ["published"]
    cluster = days.emr.list_clusters()["Clusters"][0]["Id"]
    groups = days.emr.list_instance_groups(ClusterId=cluster)["InstanceGroups"]
    assert {group["InstanceGroupType"]: group["RequestedInstanceCount"] for group in groups} == {
        "MASTER": 1,
        "CORE": 2,
    }


def test_a_day_with_a_wrong_option(days: Days) -> None:
    days.put("wrong/2026-11-23.parquet", days.export("2026-11-23"))
    done = days.airflow.day("2026-11-23", days.variable, column=["value=installs"], **days.places("wrong"))
    assert done.returncode != 0
    assert "the job has ended with exit code 3: " in done.stdout
    assert "no column 'installs'" in done.stdout
    assert days.table("output/wrong/") == {}


def test_a_blocked_day_on_a_cluster(days: Days, job_flow: dict) -> None:
    before = days.table("output/cluster/")
    if not before:
        not_run("there is no table of the day before", "see the test before")
    days.put("cluster/2026-11-24.parquet", days.export("2026-11-23"))
    done = days.airflow.day("2026-11-24", {"bucket": BUCKET, "job_flow": job_flow}, **days.places("cluster"))
    assert done.returncode != 0
    assert "a check has blocked the run; the table is unchanged. Report: s3://" in done.stdout, days.logs()
    assert days.table("output/cluster/") == before
    assert set(days.clusters()) == {"TERMINATED"}


def test_settings_that_are_missing_are_named(airflow: Airflow) -> None:
    done = airflow.day("2026-11-23", {})
    assert done.returncode != 0
    assert "there is no bucket: set the Variable organic_share" in done.stdout
