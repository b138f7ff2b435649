"""Once a day: wait for the day's export, run the job, and publish the table unless a check blocks it.

    settings -> export -> where -> publish_here
                             or -> cluster -> publish_on_cluster -> end_cluster

`publish_here` runs the wheel on the machine of the Airflow worker; `cluster` starts a transient EMR cluster
as terraform/ describes it. Both check before and after the computation. If a check blocks a run, its task
fails without a retry, with a link to the report, and the table of the last good run is kept.

Settings, in this order: the Params of a run; the Airflow Variable `organic_share`, a JSON object (such as
terraform's output `airflow_variable`); the defaults below. The only secret is the connection `aws_default`.

Timings, which the scheduler needs before a run, are read from its environment:
ORGANIC_SHARE_SCHEDULE (cron, UTC), ORGANIC_SHARE_POKE_SECONDS, ORGANIC_SHARE_PATIENCE_SECONDS (how long to
wait for an export), ORGANIC_SHARE_RETRY_SECONDS, ORGANIC_SHARE_LATE_SECONDS (when a run is late) and
ORGANIC_SHARE_LATE_CALLBACK (what is called then; default organic_share_late.py).
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.amazon.aws.hooks.emr import EmrHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.emr import EmrCreateJobFlowOperator, EmrTerminateJobFlowOperator
from airflow.sdk import (
    AsyncCallback,
    CronDataIntervalTimetable,
    DeadlineAlert,
    DeadlineReference,
    Param,
    Variable,
    dag,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowException, AirflowFailException

AWS = "aws_default"
DEFAULTS = {
    "where": "cluster",
    # The day's export; {day} is the first day of the data interval.
    "export": "s3://{bucket}/input/{day}.parquet",
    "source": "s3://{bucket}/input/",
    "target": "s3://{bucket}/output/share/",
    # For where = "here": the Python in which the wheel is installed.
    "python": sys.executable,
    "checks": "",
}

# Runs in that Python. The task reads the last line of its output.
RUN = """
import json, sys
import rollshare

source, target, checks = json.loads(sys.argv[1])
try:
    result, why = rollshare.run(source, target, checks=checks or None), None
except rollshare.BlockedError as error:
    result, why = error.results, str(error)
print(result)
print(json.dumps({"why": why, "places": result.places, "state": result.state}))
"""

REMEDY = "set the Variable organic_share to terraform's output airflow_variable"


def seconds(name: str, default: float) -> float:
    """A duration from the environment."""
    return float(os.environ.get(f"ORGANIC_SHARE_{name}_SECONDS", default))


POKE = seconds("POKE", 300)
# 0 means no deadline: `airflow dags test` fails on a DAG with one (apache/airflow#73428, in 3.3.2).
LATE = seconds("LATE", 6 * 3600) and DeadlineAlert(
    reference=DeadlineReference.DAGRUN_QUEUED_AT,
    interval=timedelta(seconds=seconds("LATE", 6 * 3600)),
    callback=AsyncCallback(os.environ.get("ORGANIC_SHARE_LATE_CALLBACK", "organic_share_late.log_late")),
)


def param(description: str, **schema: Any) -> Param:
    """A Param that may be null: then the Variable or the default applies."""
    return Param(None, type=["null", "string"], description=description, **schema)


@dag(
    dag_id="organic_share",
    description="The rolling share of organic users, checked and published",
    # Each run is for one day: missed days are caught up, one after the other.
    schedule=CronDataIntervalTimetable(os.environ.get("ORGANIC_SHARE_SCHEDULE", "0 6 * * *"), timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=True,
    max_active_runs=1,
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=seconds("RETRY", 300)),
        "retry_exponential_backoff": True,
    },
    dagrun_timeout=timedelta(days=2),
    deadline=LATE or None,
    params={
        "where": param("cluster (EMR) or here (this worker)", enum=[None, "cluster", "here"]),
        "bucket": param("Bucket; terraform's bucket_name"),
        "export": param("The day's export, s3://; {bucket} and {day} are filled in"),
        "source": param("Input of the job"),
        "target": param("Where the job publishes the table"),
        "python": param("With where = here: the Python in which the wheel is installed"),
        "checks": param("File with bounds for the checks; docs/quality.md"),
    },
    render_template_as_native_obj=True,
    doc_md=__doc__,
    tags=["rollshare"],
)
def organic_share() -> None:
    """Wire the tasks."""

    @task(retries=0)
    def settings() -> dict[str, Any]:
        context = get_current_context()
        chosen = DEFAULTS | Variable.get("organic_share", default={}, deserialize_json=True)
        chosen |= {name: value for name, value in context["params"].items() if value is not None}
        begin = context.get("data_interval_start") or context["dag_run"].run_after
        places = {"bucket": chosen.get("bucket", ""), "day": begin.strftime("%Y-%m-%d")}
        for name in ["export", "source", "target"]:
            if "{bucket}" in chosen[name] and not places["bucket"]:
                raise AirflowFailException(f"{name} is {chosen[name]}, and there is no bucket: {REMEDY}")
            chosen[name] = chosen[name].format(**places)
        if chosen["where"] == "cluster" and "job_flow" not in chosen:
            raise AirflowFailException(f"where is cluster, and there is no job_flow: {REMEDY}")
        return chosen | places

    @task.sensor(poke_interval=POKE, timeout=seconds("PATIENCE", 12 * 3600), mode="reschedule", retries=0)
    def export(chosen: dict[str, Any]) -> bool:
        place = urlsplit(chosen["export"])
        print(f"looking for {chosen['export']}")
        return S3Hook(AWS).check_for_key(place.path[1:], place.netloc)

    @task.branch
    def where(chosen: dict[str, Any]) -> str:
        return {"here": "publish_here", "cluster": "cluster"}[chosen["where"]]

    @task
    def publish_here(chosen: dict[str, Any]) -> str:
        arguments = json.dumps([chosen["source"], chosen["target"], chosen["checks"]])
        print(f"{chosen['python']}: source, target and checks are {arguments}")
        done = subprocess.run(
            [chosen["python"], "-c", RUN, arguments],
            capture_output=True,
            text=True,
            env=os.environ | credentials(),
        )
        print(done.stdout, done.stderr, sep="\n")
        if done.returncode != 0:
            raise AirflowException(f"{done.stderr.strip().rpartition(chr(10))[2]}")
        outcome = json.loads(done.stdout.strip().rpartition("\n")[2])
        if outcome["why"] is not None:
            report = outcome["places"].get("report") or outcome["places"].get("quarantined")
            raise AirflowFailException(blocked(outcome["why"], report))
        return chosen["target"]

    @task
    def publish_on_cluster(chosen: dict[str, Any], cluster: str) -> str:
        emr = EmrHook(AWS).conn
        began = datetime.now(timezone.utc)
        arguments = ["--source_parquet", chosen["source"], "--target_parquet", chosen["target"]]
        if chosen["checks"]:
            arguments += ["--checks", chosen["checks"]]
        job = f"s3://{chosen['bucket']}/jobs/transform.py"
        step = {
            "Name": f"rollshare {chosen['day']}",
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-submit", job, *arguments]},
        }
        identity = emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step])["StepIds"][0]
        print(f"step {identity} on {cluster}: {shlex.join(step['HadoopJarStep']['Args'])}")
        # The waiter gives up after two hours, and at the first failure. The code below finds the reason.
        pace = {"Delay": min(POKE, 30), "MaxAttempts": int(7200 / min(POKE, 30))}
        try:
            emr.get_waiter("step_complete").wait(ClusterId=cluster, StepId=identity, WaiterConfig=pace)
        except Exception as error:
            report = newest_report(chosen["target"], began)
            if report is not None:
                raise AirflowFailException(blocked("", report)) from error
            status = emr.describe_step(ClusterId=cluster, StepId=identity)["Step"]["Status"]
            logs = f"{chosen['job_flow']['LogUri']}{cluster}/steps/{identity}/stderr.gz"
            raise AirflowException(
                f"step {identity} is {status['State']}; messages of the job: {logs}"
            ) from error
        return chosen["target"]

    chosen = settings()
    choice = where(chosen)
    choice.set_upstream(export(chosen))
    cluster = EmrCreateJobFlowOperator(
        task_id="cluster", aws_conn_id=AWS, emr_conn_id=None, job_flow_overrides=chosen["job_flow"]
    )
    end_cluster = EmrTerminateJobFlowOperator(
        task_id="end_cluster", aws_conn_id=AWS, job_flow_id=cluster.output
    )
    choice >> [publish_here(chosen), cluster]
    # A teardown runs even if the step failed, and its success does not make the run a success.
    publish_on_cluster(chosen, cluster.output) >> end_cluster.as_teardown(setups=cluster)


def credentials() -> dict[str, str]:
    """The connection as the environment variables from which the program reads credentials."""
    hook = S3Hook(AWS)
    found = hook.get_credentials()
    environment = {"AWS_ACCESS_KEY_ID": found.access_key, "AWS_SECRET_ACCESS_KEY": found.secret_key}
    if found.token:
        environment["AWS_SESSION_TOKEN"] = found.token
    if hook.conn_region_name:
        environment["AWS_REGION"] = hook.conn_region_name
    if hook.conn_config.endpoint_url:
        environment["AWS_ENDPOINT_URL"] = hook.conn_config.endpoint_url
    return environment


def newest_report(target: str, since: datetime) -> str | None:
    """The report of a run that was blocked after `since`: its page, or else another of its files."""
    place = urlsplit(target)
    kept = f"{place.path[1:].rstrip('/')}/_rollshare/quarantine/"
    # The clocks of S3 and of this machine may differ by some seconds.
    fresh = [
        entry
        for entry in S3Hook(AWS).get_file_metadata(kept, place.netloc)
        if entry["LastModified"] >= since - timedelta(minutes=1)
    ]
    if not fresh:
        return None
    best = max(
        fresh,
        key=lambda entry: (
            entry["Key"].endswith(".html"),
            entry["Key"].endswith(".json"),
            entry["LastModified"],
        ),
    )
    return f"s3://{place.netloc}/{best['Key']}"


def blocked(why: str, report: str | None) -> str:
    """The error message: a check has blocked the run, the reason, and the location of the report."""
    words = "a check has blocked the run; the table is unchanged"
    if why:
        words += f": {why}"
    if report is None:
        return words
    place = urlsplit(report)
    if place.scheme == "s3":
        page = f"https://console.aws.amazon.com/s3/object/{place.netloc}?prefix={place.path[1:]}"
        return f"{words}. Report: {report} ({page})"
    return f"{words}. Report: {report}"


organic_share()
