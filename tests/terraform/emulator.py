"""AWS on loopback: moto, extended with the features that this project's clusters need.

    python tests/terraform/emulator.py

prints its endpoint as one line and serves until standard input ends. It depends on the internals of moto
5.2.1 and adds:

- EMR: `ListInstanceFleets` and `GetAutoTerminationPolicy`; the arguments of `RunJobFlow` are stored; the
  region is that of the request's signature; a terminated cluster has no running instances; no security
  groups are created in addition to the given ones.
- A cluster has one node, this machine. Its bootstrap actions and its Spark steps **really run**, one
  after the other, with the Python of the cluster's `spark-env`; their output is stored under the log URI.
- The description of a security group's rule that refers to a group is kept.
- The response to `CompleteMultipartUpload` has the same root element as that of S3.
- Deletion markers are deleted too when a bucket is emptied after its versioning was suspended.
- Bucket policies are stored and returned, but statements with a condition are not enforced: moto denies
  on every condition that it cannot evaluate. The content of such policies is tested in terraform/tests.

IAM permissions are not checked.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

import boto3  # noqa: E402
from moto.core.responses import ActionResult  # noqa: E402
from moto.core.utils import utcnow  # noqa: E402
from moto.ec2.models.security_groups import SecurityGroupRule  # noqa: E402
from moto.emr.models import Cluster, ElasticMapReduceBackend, Step  # noqa: E402
from moto.emr.responses import ElasticMapReduceResponse  # noqa: E402
from moto.iam.access_control import PermissionResult  # noqa: E402
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: E402
from moto.s3.models import FakeBucket, FakeDeleteMarker  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

#: Seconds after which a bootstrap action or a step is killed.
LIMIT = 300


class Node:
    """The only machine of a cluster: runs bootstrap actions, then steps in order."""

    def __init__(self, cluster: Cluster, endpoint: str) -> None:
        self.cluster = cluster
        region = cluster.emr_backend.region_name
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": "node",
            "AWS_SECRET_ACCESS_KEY": "node",
        }
        if "JAVA_HOME" in os.environ:
            self.environment["JAVA_HOME"] = os.environ["JAVA_HOME"]
        for configuration in cluster.configurations:
            if value(configuration, "Classification") == "spark-env":
                for inner in value(configuration, "Configurations"):
                    self.environment |= dict(value(inner, "Properties"))
        self.s3 = boto3.client("s3", endpoint_url=endpoint, region_name=region)
        self.work = threading.Condition()
        self.waiting: list[Step] = []
        threading.Thread(target=self.live, daemon=True).start()

    def live(self) -> None:
        """Run the bootstrap actions, then steps until the cluster is terminated."""
        cluster = self.cluster
        for action in cluster.bootstrap_actions:
            with tempfile.TemporaryDirectory() as folder:
                script = self.fetch(action.script_path, folder)
                code = self.run(["bash", script, *action.args], "bootstrap-actions", action.name)
            if code != 0:
                cluster.last_state_change_reason = f"bootstrap action {action.name}: exit {code}"
                end(cluster, "TERMINATED_WITH_ERRORS")
                return
        cluster.state = "WAITING"
        while cluster.state in ("WAITING", "RUNNING"):
            with self.work:
                self.work.wait_for(lambda: self.waiting or cluster.state == "TERMINATED", timeout=1)
                if not self.waiting:
                    continue
                step = self.waiting.pop(0)
            cluster.state = step.state = "RUNNING"
            step.start_date_time = utcnow()
            code = self.spark(step)
            step.end_date_time = utcnow()
            if code != 0:
                step.last_state_change_reason = f"exit code {code}"
            step.state = "COMPLETED" if code == 0 else "FAILED"
            if cluster.state == "RUNNING":
                cluster.state = "WAITING"

    def add(self, steps: list[Step]) -> None:
        """Queue steps."""
        with self.work:
            for step in steps:
                step.state = "PENDING"
                step.start_date_time = None
            self.waiting += steps
            self.work.notify()

    def fetch(self, uri: str, folder: str) -> str:
        """Download an object of the bucket."""
        place = urlsplit(uri)
        path = Path(folder, Path(place.path).name)
        path.write_bytes(self.s3.get_object(Bucket=place.netloc, Key=place.path[1:])["Body"].read())
        return str(path)

    def spark(self, step: Step) -> int:
        """Run a step of `Type=Spark` in local mode, since there is no YARN."""
        program, script, *arguments = step.args
        if step.jar != "command-runner.jar" or program != "spark-submit":
            return 64
        # As on EMR, Spark is not a package of the Python that it runs.
        home = str(Path(find_spec("pyspark").origin).parent)
        with tempfile.TemporaryDirectory() as folder:
            command = [f"{home}/bin/spark-submit", "--master", "local[2]", "--conf", "spark.ui.enabled=false"]
            path = script if script.startswith("/") else self.fetch(script, folder)
            return self.run([*command, path, *arguments], "steps", step.id, SPARK_HOME=home)

    def run(self, command: list[str], kind: str, name: str, **environment: str) -> int:
        """Run a command in an empty folder, store its output under the log URI, return its exit code."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                done = subprocess.run(
                    command,
                    cwd=folder,
                    env=self.environment | environment,
                    capture_output=True,
                    timeout=LIMIT,
                )
                code, streams = done.returncode, {"stdout": done.stdout, "stderr": done.stderr}
            except subprocess.TimeoutExpired:
                code, streams = 124, {"stderr": f"killed after {LIMIT} s".encode()}
        place = urlsplit(self.cluster.log_uri or "")
        for stream, content in streams.items():
            key = f"{place.path[1:]}{self.cluster.id}/{kind}/{name}/{stream}.gz"
            self.s3.put_object(Bucket=place.netloc, Key=key, Body=gzip.compress(content))
        return code


def value(mapping: dict, name: str) -> object:
    """The entry of a name in AWS's or moto's spelling."""
    snake = re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
    return mapping.get(name, mapping.get(snake)) or {}


def end(cluster: Cluster, state: str) -> None:
    """End a cluster with its instances."""
    for group in cluster.instance_groups:
        group.state, group.end_date_time = "TERMINATED", utcnow()
    ids = [instance.ec2_instance_id for instance in cluster.ec2_instances]
    if ids:
        cluster.emr_backend.ec2_backend.terminate_instances(ids)
    cluster.end_datetime = utcnow()
    cluster.state = state


def complete_emr(endpoint: str) -> None:
    """Add the features of EMR that the module's description lists."""
    response = ElasticMapReduceResponse
    run_job_flow, add_job_flow_steps = response.run_job_flow, ElasticMapReduceBackend.add_job_flow_steps

    def region(self: ElasticMapReduceResponse, request: object, full_url: str) -> str:
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/", request.headers.get("Authorization", ""))
        return scope.group(1) if scope else self.default_region

    def start(self: ElasticMapReduceResponse) -> ActionResult:
        result = run_job_flow(self)
        cluster = self.backend.clusters[result._result["JobFlowId"]]
        cluster.auto_termination_policy = self._get_param("AutoTerminationPolicy")
        cluster.unhealthy_node_replacement = self._get_param("UnhealthyNodeReplacement")
        cluster.state = "BOOTSTRAPPING"
        cluster.node = Node(cluster, endpoint)
        cluster.node.add(list(cluster.steps))
        return result

    def add(self: ElasticMapReduceBackend, job_flow_id: str, steps: list[dict]) -> list[Step]:
        cluster = self.clusters[job_flow_id]
        state = cluster.state
        added = add_job_flow_steps(self, job_flow_id, steps)
        cluster.state = state
        cluster.node.add(added)
        return added

    def policy(self: ElasticMapReduceResponse) -> ActionResult:
        cluster = self.backend.describe_cluster(self._get_param("ClusterId"))
        return ActionResult({"AutoTerminationPolicy": cluster.auto_termination_policy})

    response.get_region_from_url = region
    response.run_job_flow = start
    response.list_instance_fleets = lambda self: ActionResult({"InstanceFleets": []})
    response.get_auto_termination_policy = policy
    ElasticMapReduceBackend.add_job_flow_steps = add
    Cluster.terminate = lambda self: end(self, "TERMINATED")
    # EMR creates no security groups where the request has some.
    ElasticMapReduceBackend._manage_security_groups = lambda self, **given: (
        given["emr_managed_master_security_group"],
        given["emr_managed_slave_security_group"],
        given["service_access_security_group"],
    )


def complete_ec2() -> None:
    """Find the description of a rule that refers to a group, too."""
    SecurityGroupRule.description = property(
        lambda rule: rule.ip_range.get("Description") or rule.source_group.get("Description")
    )


def complete_s3() -> None:
    """Do not enforce statements of bucket policies with a condition; allow deletion markers to be deleted."""
    permission = FakeBucket.get_permission

    def unconditional(self: FakeBucket, action: str, resource: str) -> PermissionResult:
        statements = json.loads(self.policy or b"{}").get("Statement", [])
        if any("Condition" in statement for statement in statements):
            return PermissionResult.NEUTRAL
        return permission(self, action, resource)

    FakeBucket.get_permission = unconditional
    FakeDeleteMarker.dispose = lambda self, garbage=False: None


class RightRoot:
    """Gives the response to `CompleteMultipartUpload` the root element of S3."""

    def __init__(self, app: DomainDispatcherApplication) -> None:
        self.app = app

    def __call__(self, environ: dict, start_response: object) -> object:
        if environ["REQUEST_METHOD"] != "POST" or "uploadId=" not in environ.get("QUERY_STRING", ""):
            return self.app(environ, start_response)
        answer = []

        def keep(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            answer.extend([status, headers])

        body = b"".join(self.app(environ, keep))
        body = body.replace(b"CompleteMultipartUploadResponse", b"CompleteMultipartUploadResult")
        status, headers = answer
        headers = [header for header in headers if header[0].lower() != "content-length"]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]


def main() -> None:
    """Serve until standard input ends."""
    # Moto accepts any credentials, but boto3 needs some.
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "emulator")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "emulator")
    server = make_server(
        "127.0.0.1", 0, RightRoot(DomainDispatcherApplication(create_backend_app)), threaded=True
    )
    endpoint = f"http://127.0.0.1:{server.server_port}"
    complete_ec2()
    complete_emr(endpoint)
    complete_s3()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(endpoint, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
