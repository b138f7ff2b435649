"""Once a day: wait for the day's export, run the job, and publish the table unless a check blocks it.

    settings -> export -> where -> publish_here
                             or -> cluster -> publish_on_cluster -> end_cluster

`publish_here` runs the wheel on the machine of the Airflow worker; `cluster` starts a transient EMR cluster
as terraform/ describes it. Both run jobs/transform.py, which checks before and after the computation. If a
check blocks a run, its task fails without a retry, with a link to the report, and the table of the last good
run is kept.

Settings, in this order: the Params of a run; the Airflow Variable `organic_share`, a JSON object (such as
terraform's output `airflow_variable`); the defaults below. The only secret is the connection `aws_default`.

Timings, which the scheduler needs before a run, are read from its environment:
ORGANIC_SHARE_SCHEDULE (cron, UTC), ORGANIC_SHARE_POKE_SECONDS, ORGANIC_SHARE_PATIENCE_SECONDS (how long to
wait for an export), ORGANIC_SHARE_RETRY_SECONDS, and with Airflow 3 ORGANIC_SHARE_LATE_SECONDS (when a run is
late) and ORGANIC_SHARE_LATE_CALLBACK (what is called then; default organic_share_late.py).

For Airflow 3.3 and 2.11, with the Amazon provider.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.providers.amazon.aws.hooks.emr import EmrHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.emr import EmrCreateJobFlowOperator, EmrTerminateJobFlowOperator

try:
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
except ModuleNotFoundError:  # Airflow 2, which has no deadlines
    from airflow.decorators import dag, task
    from airflow.exceptions import AirflowException, AirflowFailException
    from airflow.models import Variable
    from airflow.models.param import Param
    from airflow.operators.python import get_current_context
    from airflow.timetables.interval import CronDataIntervalTimetable

    DeadlineAlert = None

AWS = "aws_default"
BESIDE = Path(__file__).resolve().with_name("transform.py")
DEFAULTS = {
    "where": "cluster",
    # The day's export; {day} is the first day of the data interval.
    "export": "s3://{bucket}/input/{day}.parquet",
    "source": "s3://{bucket}/input/",
    "target": "s3://{bucket}/output/share/",
    # For where = "here": the Python in which the wheel is installed, and jobs/transform.py.
    "python": sys.executable,
    # It lies beside the DAG, or where the repository has it.
    "script": str(BESIDE if BESIDE.exists() else BESIDE.parent.parent / "jobs/transform.py"),
    # For where = "cluster": jobs/transform.py as the nodes find it.
    "job": "s3://{bucket}/jobs/transform.py",
    # Namespace of the metrics of terraform's alarms; empty: none are sent.
    "metrics": "",
}
#: Settings in which {bucket} and {day} are filled in.
PLACES = ("export", "source", "target", "job", "checks", "profile", "state")

TEXT, NUMBER, FLAG, LIST = ["string"], ["integer"], ["boolean"], ["string", "array"]
#: The options of `rollshare run` that change what is computed, checked or published.
OPTIONS = {
    "semantics": (TEXT, "iso or legacy, which reproduces the original PySpark job"),
    "window": (["string", "integer", "array"], "Lengths of the windows in steps of the grain, e.g. [4, 12]"),
    "details": (FLAG, "Add counts, bounds, change and the year before to each share"),
    "dates": (FLAG, "Add the first day of each week or month, week_start or month_start"),
    "grain": (TEXT, "week, day or month"),
    "by": (LIST, "Dimensions of the key, e.g. country,os; none: no key"),
    "with_total": (
        ["string", "boolean"],
        "Add the rows without these dimensions; true: without each of them",
    ),
    "share_of": (TEXT, "organic or channel"),
    "threads": (NUMBER, "Threads; default: one for each core"),
    "profile": (TEXT, "What the columns mean: a TOML file, also s3://, or a bundled name; docs/profiles.md"),
    "date": (TEXT, "Column of dates or times"),
    "date_unit": (TEXT, "Unit of integer dates: s, ms, us, ns or day"),
    "label": (TEXT, "Column of ISO week labels"),
    "zone": (TEXT, "Time zone of the calendar, e.g. Europe/Berlin"),
    "week_start": (TEXT, "First day of the week"),
    "settle_days": (NUMBER, "Days that the export takes to settle"),
    "users": (TEXT, "Column of the number of new users"),
    "count_rows": (FLAG, "Each row is one new user"),
    "channel": (TEXT, "Column of channels"),
    "organic": (LIST, "Channels that are organic"),
    "paid": (LIST, "Channels that are paid"),
    "exclude": (LIST, "Channels in neither sum"),
    "null_channel": (TEXT, "Class of rows without a channel: organic, paid or excluded"),
    "ignore_case": (FLAG, "Compare channels without regard to case"),
    "dimension": (LIST, "Columns of dimensions, e.g. os=platform"),
    "total": (LIST, "Members of total rows, e.g. os=all"),
    "total_rows": (LIST, "Whether dimensions have total rows, e.g. os=off"),
    "where_rows": (LIST, "Conditions on the rows that count (--where), e.g. type=install"),
    "column": (LIST, "Columns of the default profile, e.g. value=installs"),
    "country_total": (TEXT, "Same as total country=NAME"),
    "os_total": (TEXT, "Same as total os_name=NAME"),
    "checks": (TEXT, "File with bounds for the checks, also s3://; docs/quality.md"),
    "no_checks": (FLAG, "Skip the checks"),
    "warn_only": (FLAG, "Publish even if checks fail"),
    "allow_restatement": (LIST, "Published weeks that may change, e.g. 2026_10..2026_12"),
    "allow_empty": (FLAG, "Publish an empty table if the source has no rows"),
    "csv_safe": (FLAG, "Put an apostrophe before names that would be formulas in CSV"),
    "state": (
        TEXT,
        "Folder with the sums of files, also s3://: those that have not changed are not summed again",
    ),
    "only": (LIST, "Publish only these members, e.g. country=GB,FR; to a target without a history"),
    "last": (NUMBER, "Publish only the last N periods; to a target without a history"),
    "run_on": (TEXT, "With where = cluster: auto, driver or cluster; docs/spark.md"),
}
#: Options with another name: `where` is the setting that says where the job runs.
FLAGS = {"where_rows": "--where"}

#: What an exit code of the job means, as in jobs/transform.py; every other one is "failed".
OUTCOMES = {0: "published", 4: "blocked", 5: "blocked"}

REMEDY = "set the Variable organic_share to terraform's output airflow_variable"


def seconds(name: str, default: float) -> float:
    """A duration from the environment."""
    return float(os.environ.get(f"ORGANIC_SHARE_{name}_SECONDS", default))


POKE = seconds("POKE", 300)


def deadline() -> dict[str, Any]:
    """The deadline of a run, where Airflow has deadlines.

    0 seconds mean none: `airflow dags test` fails on a DAG with one (apache/airflow#73428, in 3.3.2).
    """
    late = seconds("LATE", 6 * 3600)
    if DeadlineAlert is None or not late:
        return {}
    callback = os.environ.get("ORGANIC_SHARE_LATE_CALLBACK", "organic_share_late.log_late")
    return {
        "deadline": DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(seconds=late),
            callback=AsyncCallback(callback),
        )
    }


def param(description: str, *types: str, **schema: Any) -> Param:
    """A Param that may be null: then the Variable or the default applies."""
    return Param(None, type=["null", *(types or TEXT)], description=description, **schema)


def flags(chosen: dict[str, Any]) -> list[str]:
    """The options that are set, as arguments of the job."""
    arguments = []
    for name in OPTIONS:
        value = chosen.get(name)
        flag = FLAGS.get(name, "--" + name.replace("_", "-"))
        if value is True:
            arguments.append(flag)
        elif value not in (None, False, "", []):
            arguments += [f"{flag}={each}" for each in (value if isinstance(value, list) else [value])]
    return arguments


def arguments_of(chosen: dict[str, Any]) -> list[str]:
    """The arguments of the job."""
    sources = chosen["source"] if isinstance(chosen["source"], list) else [chosen["source"]]
    paths = [f"--source_parquet={source}" for source in sources]
    return [*paths, f"--target_parquet={chosen['target']}", *flags(chosen)]


def with_core_nodes(job_flow: dict[str, Any], count: int) -> dict[str, Any]:
    """The cluster with another number of core nodes; with 0 the primary node is the only one."""
    job_flow = deepcopy(job_flow)
    instances = job_flow["Instances"]
    groups = {group["InstanceRole"]: group for group in instances["InstanceGroups"]}
    primary = groups["MASTER"]
    core = groups.get("CORE", {**primary, "Name": "core", "InstanceRole": "CORE"}) | {"InstanceCount": count}
    instances["InstanceGroups"] = [primary, core] if count else [primary]
    return job_flow


@dag(
    dag_id="organic_share",
    description="The rolling share of organic users, checked and published",
    schedule=CronDataIntervalTimetable(os.environ.get("ORGANIC_SHARE_SCHEDULE", "0 6 * * *"), timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    # Each run reads all exports: a run for a day that was missed would publish the same table once more.
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=seconds("RETRY", 300)),
        "retry_exponential_backoff": True,
    },
    dagrun_timeout=timedelta(days=2),
    **deadline(),
    params={
        "where": param("cluster (EMR) or here (this worker)", enum=[None, "cluster", "here"]),
        "core_nodes": param("Core nodes of this run's cluster; 0: one node in all", "integer", minimum=0),
        "bucket": param("Bucket; terraform's bucket_name"),
        "export": param("The day's export, s3://; {bucket} and {day} are filled in"),
        "source": param("Input of the job: one or more files, folders or globs", *LIST),
        "target": param("Where the job publishes the table"),
        "python": param("With where = here: the Python in which the wheel is installed"),
        "script": param("With where = here: the path of jobs/transform.py"),
        "job": param("With where = cluster: jobs/transform.py as the nodes find it"),
        **{name: param(description, *types) for name, (types, description) in OPTIONS.items()},
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
        chosen = DEFAULTS | variable()
        chosen |= {name: value for name, value in context["params"].items() if value is not None}
        begin = context.get("data_interval_start") or context["dag_run"].run_after
        places = {"bucket": chosen.get("bucket", ""), "day": begin.strftime("%Y-%m-%d")}
        for name in PLACES:
            if "{bucket}" in str(chosen.get(name)) and not places["bucket"]:
                raise AirflowFailException(f"{name} is {chosen[name]}, and there is no bucket: {REMEDY}")
            chosen[name] = filled(chosen.get(name), places)
        if chosen["where"] == "cluster" and "job_flow" not in chosen:
            raise AirflowFailException(f"where is cluster, and there is no job_flow: {REMEDY}")
        if chosen.get("core_nodes") is not None and "job_flow" in chosen:
            chosen["job_flow"] = with_core_nodes(chosen["job_flow"], chosen["core_nodes"])
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
        command = [chosen["python"], chosen["script"], *arguments_of(chosen | {"run_on": None})]
        print(f"job: {shlex.join(command)}")
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | credentials())
        print(done.stdout, done.stderr, sep="\n")
        outcome = OUTCOMES.get(done.returncode, "failed")
        send_metric(chosen["metrics"], outcome)
        lines = [line.removeprefix("transform: ") for line in done.stderr.strip().split("\n")]
        if outcome == "blocked":
            report = re.search(r"^transform: report: (.+)$", done.stderr, re.MULTILINE)
            raise AirflowFailException(blocked(lines[0], report and report[1]))
        if outcome == "failed":
            raise AirflowException(f"the job has ended with exit code {done.returncode}: {'; '.join(lines)}")
        return chosen["target"]

    @task
    def publish_on_cluster(chosen: dict[str, Any], cluster: str) -> str:
        emr = EmrHook(AWS).conn
        began = datetime.now(timezone.utc)
        arguments = arguments_of(chosen)
        if chosen["metrics"]:
            arguments.append(f"--metrics={chosen['metrics']}")
        step = {
            "Name": f"rollshare {chosen['day']}",
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {
                "Jar": "command-runner.jar",
                "Args": ["spark-submit", chosen["job"], *arguments],
            },
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


def variable() -> dict[str, Any]:
    """The Variable `organic_share`; nothing where there is none."""
    try:
        return Variable.get("organic_share", default={}, deserialize_json=True)
    except TypeError:  # Airflow 2
        return Variable.get("organic_share", default_var={}, deserialize_json=True)


def filled(setting: Any, places: dict[str, str]) -> Any:
    """A setting, or each of several, with bucket and day."""
    if isinstance(setting, list):
        return [filled(each, places) for each in setting]
    return setting.format(**places) if setting else setting


def send_metric(namespace: str, outcome: str) -> None:
    """Send the outcome of a run on this worker; a failure is reported and changes nothing."""
    if not namespace:
        return
    metric = {"MetricName": "runs", "Dimensions": [{"Name": "outcome", "Value": outcome}], "Value": 1}
    try:
        AwsBaseHook(AWS, client_type="cloudwatch").conn.put_metric_data(
            Namespace=namespace, MetricData=[metric]
        )
    except Exception as error:
        print(f"no metric was sent: {error}")


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
