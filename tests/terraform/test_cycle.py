"""The whole cycle of docs/aws.md against AWS on loopback: deploy, plan, submit, read the table, destroy.

Everything is the real thing but AWS itself (emulator.py) and YARN (Spark runs in local mode): terraform
and its provider, the make targets, the AWS CLI, bootstrap.sh, the wheel, Spark, jobs/transform.py. The
tests are steps of one story, in this order.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import pyarrow.parquet
import pyspark
import pytest
from conftest import REGION, REPOSITORY, copy, not_run
from nodes import new_python

BUCKET = "shares-of-a-team"
STATE_BUCKET = "states-of-a-team"

# Disables the provider's checks against services that the emulator lacks; everything else is as on AWS.
OVERRIDE = """
provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true

  default_tags {
    tags = merge({ project = var.name }, var.tags)
  }
}
"""


class Account:
    """A copy of this repository's cloud part, deployed to the emulator."""

    def __init__(self, folder: Path, environment: dict[str, str], wheel: Path) -> None:
        self.wheel = wheel
        self.folder = folder / "repository"
        copy(self.folder, "tests")
        (self.folder / "Makefile").write_text("include terraform/terraform.mk\n")
        (self.folder / "terraform/emulator_override.tf").write_text(OVERRIDE)
        self.python = new_python(folder / "node", packages=Path(pyspark.__file__).parents[1])
        reference = new_python(folder / "reference")
        subprocess.run([reference, "-m", "pip", "install", "-q", "--no-index", wheel], check=True)
        self.export = folder / "export.parquet"
        self.expected = expected(reference, self.export)
        self.environment = environment | {
            "ROLLSHARE_POLL_SECONDS": "2",
            "TF_VAR_bucket_name": BUCKET,
            "TF_VAR_wheel_dir": str(wheel.parent),
            "TF_VAR_input_file": str(self.export),
            # The nodes use the Python of this machine, and a folder beside it.
            "TF_VAR_spark_python": str(self.python),
            "TF_VAR_node_folder": str(self.folder.parent / "opt"),
        }
        for name in ["ROLLSHARE_TF_MIRROR", "TF_CLI_CONFIG_FILE", "JAVA_HOME"]:
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=600
        )

    def output(self, name: str) -> str:
        return self.run("scripts/terraform.sh", "output", "-raw", name).stdout

    def client(self, service: str) -> object:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="test",
            aws_secret_access_key="something",
        )

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Objects below a prefix, by the rest of their key, without the files kept beside a table."""
        s3 = self.client("s3")
        found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {
            o["Key"].removeprefix(prefix): s3.get_object(Bucket=BUCKET, Key=o["Key"])["Body"].read()
            for o in found
            if "/_rollshare/" not in o["Key"]
        }

    def outcomes(self) -> dict[str, int]:
        """The metrics that runs have sent, by outcome."""
        cloudwatch = self.client("cloudwatch")
        now = datetime.now(timezone.utc)
        sums = {}
        for outcome in ["published", "blocked", "failed"]:
            found = cloudwatch.get_metric_statistics(
                Namespace="rollshare",
                MetricName="runs",
                Dimensions=[{"Name": "outcome", "Value": outcome}],
                StartTime=now - timedelta(hours=1),
                EndTime=now + timedelta(hours=1),
                Period=7200,
                Statistics=["Sum"],
            )["Datapoints"]
            sums[outcome] = int(sum(point["Sum"] for point in found))
        return sums


def expected(python: Path, export: Path) -> list[tuple]:
    """Make an export at `export`; return its table, computed on this machine by the wheel."""
    script = """
import json, sys
import rollshare
rollshare.sample(sys.argv[1], rows=200_000)
print(json.dumps([list(row.values()) for row in rollshare.read_parquet(sys.argv[1]).to_dicts()]))
"""
    printed = subprocess.check_output([python, "-c", script, export], text=True)
    return [tuple(row) for row in json.loads(printed)]


def published(objects: dict[str, bytes]) -> list[tuple]:
    """Rows of a published folder."""
    parts = [content for key, content in sorted(objects.items()) if key.startswith("part-")]
    assert len(parts) == 1, sorted(objects)
    table = pyarrow.parquet.read_table(io.BytesIO(parts[0])).to_pydict()
    return list(zip(*table.values()))


@pytest.fixture(scope="module")
def account(
    terraform: Path,
    java: None,
    wheel: Path,
    emulator: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Account]:
    return Account(tmp_path_factory.mktemp("account"), emulator, wheel)


def test_deploy(account: Account) -> None:
    done = account.run("make", "deploy", "ARGS=-auto-approve -no-color")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert account.output("cluster_id").startswith("j-")


def test_what_is_made_without_any_switch(account: Account) -> None:
    listed = account.run("scripts/terraform.sh", "state", "list").stdout.split()
    made = {name.split("[")[0] for name in listed if not name.startswith("data.")}
    assert made == {
        "aws_cloudwatch_event_rule.cluster",
        "aws_cloudwatch_event_target.cluster",
        "aws_cloudwatch_metric_alarm.run",
        "aws_default_security_group.closed",
        "aws_emr_cluster.spark",
        "aws_emr_security_configuration.main",
        "aws_iam_instance_profile.nodes",
        "aws_iam_policy.scheduler",
        "aws_iam_role.nodes",
        "aws_iam_role.service",
        "aws_iam_role_policy.nodes",
        "aws_iam_role_policy.service_pass_nodes",
        "aws_iam_role_policy_attachment.service",
        "aws_internet_gateway.main",
        "aws_route.out",
        "aws_route_table.nodes",
        "aws_route_table_association.nodes",
        "aws_s3_bucket.data",
        "aws_s3_bucket_lifecycle_configuration.data",
        "aws_s3_bucket_ownership_controls.data",
        "aws_s3_bucket_policy.data",
        "aws_s3_bucket_public_access_block.data",
        "aws_s3_bucket_server_side_encryption_configuration.data",
        "aws_s3_bucket_versioning.data",
        "aws_s3_object.bootstrap",
        "aws_s3_object.input",
        "aws_s3_object.job",
        "aws_s3_object.wheel",
        "aws_security_group.nodes",
        "aws_sns_topic.alarms",
        "aws_sns_topic_policy.alarms",
        "aws_subnet.nodes",
        "aws_vpc.main",
        "aws_vpc_endpoint.s3",
        "aws_vpc_security_group_egress_rule.among_nodes",
        "aws_vpc_security_group_egress_rule.https",
        "aws_vpc_security_group_ingress_rule.among_nodes",
    }


def test_second_plan_is_empty(account: Account) -> None:
    done = account.run("scripts/terraform.sh", "plan", "-detailed-exitcode", "-no-color")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_objects_have_the_right_bytes(account: Account) -> None:
    files = {
        "jobs/transform.py": REPOSITORY / "jobs/transform.py",
        "bootstrap/bootstrap.sh": REPOSITORY / "scripts/bootstrap.sh",
        f"wheels/{account.wheel.name}": account.wheel,
        "input/export.parquet": account.export,
    }
    found = {key: content for key, content in account.objects("").items() if not key.startswith("logs/")}
    assert {key: hashlib.sha256(content).hexdigest() for key, content in found.items()} == {
        key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()
    }


def test_bucket_policy_is_there(account: Account) -> None:
    policy = json.loads(account.client("s3").get_bucket_policy(Bucket=BUCKET)["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["TlsOnly"]


def test_bootstrap_has_installed_the_wheel(account: Account) -> None:
    done = subprocess.run(
        [account.python, "-I", "-c", "import rollshare; print(rollshare.__version__)"], capture_output=True
    )
    assert done.returncode == 0, done.stderr
    job = account.folder.parent / "opt/transform.py"
    assert job.read_bytes() == (REPOSITORY / "jobs/transform.py").read_bytes()


def test_submit_publishes_the_right_table(account: Account) -> None:
    done = account.run("make", "submit")
    assert done.returncode == 0, done.stdout + done.stderr + logs(account)
    objects = account.objects("output/share/")
    assert "_SUCCESS" in objects
    assert published(objects) == account.expected
    assert account.outcomes() == {"published": 1, "blocked": 0, "failed": 0}


def test_submit_hands_options_on(account: Account) -> None:
    given = f"--target_parquet s3://{BUCKET}/output/dated/ --by country,os_name --window 4,12 --dates"
    done = account.run("make", "submit", f"ARGS={given}")
    assert done.returncode == 0, done.stdout + done.stderr + logs(account)
    part = next(content for key, content in account.objects("output/dated/").items() if "part-" in key)
    columns = pyarrow.parquet.read_schema(io.BytesIO(part)).names
    assert columns[:5] == ["year", "week", "week_start", "country", "os_name"]
    assert columns[5:] == ["share_organic_p4w", "share_organic_p12w"]


def test_submit_rejects_what_a_step_cannot_have(account: Account) -> None:
    done = account.run("scripts/submit.sh", "--organic", 'a "b"')
    assert done.returncode == 64
    assert "quotation mark" in done.stderr


def test_a_blocked_run_leaves_the_table(account: Account) -> None:
    before = account.objects("output/share/")
    s3 = account.client("s3")
    s3.put_object(Bucket=BUCKET, Key="input/again.parquet", Body=account.export.read_bytes())
    outcomes = account.outcomes()
    try:
        done = account.run("make", "submit")
    finally:
        s3.delete_object(Bucket=BUCKET, Key="input/again.parquet")
    assert done.returncode != 0
    assert account.outcomes() == outcomes | {"blocked": outcomes["blocked"] + 1}
    said = logs(account)
    assert "duplicate_rows" in said
    assert f"report: s3://{BUCKET}/output/share/_rollshare/quarantine/" in said
    assert account.objects("output/share/") == before


def test_a_bad_export_leaves_the_table(account: Account) -> None:
    before = account.objects("output/share/")
    s3 = account.client("s3")
    s3.put_object(Bucket=BUCKET, Key="input/second.parquet", Body=account.export.read_bytes()[:-1000])
    try:
        done = account.run("make", "submit")
    finally:
        s3.delete_object(Bucket=BUCKET, Key="input/second.parquet")
    assert done.returncode != 0
    assert account.outcomes()["failed"] == 1
    assert "The table was left as it was" in done.stderr
    assert "second.parquet" in logs(account), "the log has to name the bad file"
    assert account.objects("output/share/") == before


def test_the_real_export(account: Account) -> None:
    folder = os.environ.get("ROLLSHARE_REAL_EXPORT")
    if folder is None:
        not_run("the real export", "set ROLLSHARE_REAL_EXPORT to the folder that holds it and its answers")
    export = next(Path(folder).glob("*.parquet"))
    s3 = account.client("s3")
    s3.put_object(Bucket=BUCKET, Key="input/real/export.parquet", Body=export.read_bytes())
    command = (
        account.output("add_steps_command")
        .replace("/input/,", "/input/real/,")
        .replace("/output/share/", "/output/real/")
    )
    added = subprocess.run(["sh", "-c", command], env=account.environment, capture_output=True, text=True)
    assert added.returncode == 0, added.stderr
    step = added.stdout.strip()
    command = [
        "aws",
        "emr",
        "wait",
        "step-complete",
        "--cluster-id",
        account.output("cluster_id"),
        "--step-id",
        step,
    ]
    assert account.run(*command).returncode == 0, logs(account)
    with open(Path(folder, "expected_iso.csv"), newline="") as file:
        reader = csv.reader(file)
        next(reader)
        answer = [(int(y), int(w), c, float(s) if s else None) for y, w, c, s in reader]
    assert published(account.objects("output/real/")) == answer


def test_destroy_keeps_the_data(account: Account) -> None:
    before = account.objects("output/")
    done = account.run("make", "destroy", "ARGS=-auto-approve -no-color")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert account.objects("output/") == before
    states = [cluster["Status"]["State"] for cluster in account.client("emr").list_clusters()["Clusters"]]
    assert states == ["TERMINATED"]
    assert all(vpc["IsDefault"] for vpc in account.client("ec2").describe_vpcs()["Vpcs"])


def test_destroy_with_data_leaves_nothing(account: Account) -> None:
    done = account.run("make", "destroy", "DELETE_DATA=yes", "ARGS=-auto-approve -no-color")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert account.run("scripts/terraform.sh", "state", "list").stdout == ""
    assert account.client("s3").list_buckets()["Buckets"] == []
    iam, emr, ec2 = account.client("iam"), account.client("emr"), account.client("ec2")
    assert iam.list_roles()["Roles"] == []
    assert iam.list_instance_profiles()["InstanceProfiles"] == []
    assert iam.list_policies(Scope="Local")["Policies"] == []
    assert {group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"]} <= {"default"}
    assert not ec2.describe_key_pairs()["KeyPairs"]
    assert all(
        i["State"]["Name"] == "terminated"
        for r in ec2.describe_instances()["Reservations"]
        for i in r["Instances"]
    )
    assert account.client("sns").list_topics()["Topics"] == []
    assert account.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert account.client("events").list_rules()["Rules"] == []
    assert (
        emr.list_clusters(ClusterStates=["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"])["Clusters"] == []
    )


def test_deploy_into_what_is_there(account: Account) -> None:
    """Network, bucket, key and roles are given, the state is in a bucket, and nodes have pyarrow."""
    wheels = account.folder.parent / "wheels"
    wheels.mkdir()
    pyarrow_wheels = sorted(Path(sys.prefix, "wheels").glob("pyarrow-*.whl"))
    if len(pyarrow_wheels) != 1:
        not_run(f"{len(pyarrow_wheels)} wheels of pyarrow", "`make test-terraform` fetches one")
    for wheel in [account.wheel, *pyarrow_wheels]:
        (wheels / wheel.name).symlink_to(wheel)
    given = what_is_there(account)
    endpoint = account.environment["AWS_ENDPOINT_URL"]
    example = (account.folder / "terraform/backend.tf.example").read_text()
    (account.folder / "terraform/backend.tf").write_text(example)
    init = ["-reconfigure", f"-backend-config=bucket={STATE_BUCKET}", "-backend-config=use_path_style=true"]
    init += [f'-backend-config=endpoints={{s3="{endpoint}",iam="{endpoint}",sts="{endpoint}"}}']
    init += [
        "-backend-config=skip_credentials_validation=true",
        "-backend-config=skip_requesting_account_id=true",
    ]
    done = account.run("scripts/terraform.sh", "init", "-input=false", "-no-color", *init)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    account.environment |= {f"TF_VAR_{name}": value for name, value in given.items()}
    account.environment |= {"TF_VAR_wheel_dir": str(wheels), "TF_VAR_pyarrow": "true"}
    done = account.run("make", "deploy", "ARGS=-auto-approve -no-color")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    made = account.run("scripts/terraform.sh", "state", "list").stdout
    assert not re.search(r"^aws_(vpc|subnet|s3_bucket|iam_\w+|kms_key)\.", made, re.MULTILINE), made
    # The file of the deployment before, of which nothing is left.
    assert json.loads((account.folder / "terraform/terraform.tfstate").read_text())["resources"] == []
    stored = account.client("s3").list_objects_v2(Bucket=STATE_BUCKET)["Contents"]
    assert [entry["Key"] for entry in stored] == ["rollshare/terraform.tfstate"]
    done = account.run("scripts/terraform.sh", "plan", "-detailed-exitcode", "-no-color")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_the_environment_has_pyarrow(account: Account) -> None:
    python = account.folder.parent / "opt/python/bin/python"
    if not python.exists():
        not_run("there is no environment with pyarrow", "see the test before")
    code = "import pyarrow, rollshare; print(rollshare.__version__)"
    assert subprocess.run([python, "-I", "-c", code], capture_output=True).returncode == 0
    done = account.run("make", "submit")
    assert done.returncode == 0, done.stdout + done.stderr + logs(account)
    assert published(account.objects("output/share/")) == account.expected


def test_destroy_leaves_what_was_there(account: Account) -> None:
    done = account.run("make", "destroy", "DELETE_DATA=yes", "ARGS=-auto-approve -no-color")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert account.run("scripts/terraform.sh", "state", "list").stdout == ""
    buckets = account.client("s3").list_buckets()["Buckets"]
    assert {bucket["Name"] for bucket in buckets} == {BUCKET, STATE_BUCKET}
    assert len(account.client("iam").list_roles()["Roles"]) == 2
    if account.objects("output/"):
        assert published(account.objects("output/share/")) == account.expected


def what_is_there(account: Account) -> dict[str, str]:
    """Make what an organisation has; return the variables that name it."""
    s3, iam, ec2 = account.client("s3"), account.client("iam"), account.client("ec2")
    place = {"LocationConstraint": REGION}
    for bucket in [BUCKET, STATE_BUCKET]:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    roles = [
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        for name in ["platform-emr", "platform-nodes"]
    ]
    iam.create_instance_profile(InstanceProfileName="platform-nodes")
    iam.add_role_to_instance_profile(InstanceProfileName="platform-nodes", RoleName="platform-nodes")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    return {
        "create_bucket": "false",
        "kms_key_arn": key,
        "service_role_arn": roles[0],
        "instance_profile": "platform-nodes",
        "create_scheduler_policy": "false",
        "subnet_id": subnet,
        "private_subnet": "true",
        "late_after_hours": "26",
        "alarm_emails": '["team@example.org"]',
        "core_instance_count": "1",
    }


def logs(account: Account) -> str:
    """The output of bootstrap actions and steps."""
    return "\n".join(
        f"{key}:\n{gzip.decompress(content).decode()[-4000:]}"
        for key, content in account.objects("logs/").items()
    )
