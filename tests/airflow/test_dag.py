"""The DAG as Airflow parses it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DAGS, MAJOR, Airflow

# Runs in a separate process, with the Airflow of the other tests.
READ = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ModuleNotFoundError:  # Airflow 2
    from airflow.models import DagBag
bag = DagBag(sys.argv[1])
dag = bag.dags["organic_share"]
print("READ" + json.dumps({
    "errors": {str(file): error for file, error in bag.import_errors.items()},
    "dags": sorted(bag.dags),
    "catchup": dag.catchup,
    "max_active_runs": dag.max_active_runs,
    "timetable": type(dag.timetable).__name__,
    "retries": {task.task_id: task.retries for task in dag.tasks},
    "upstream": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
    "teardowns": [task.task_id for task in dag.tasks if task.is_teardown],
    "params": {name: dag.params.get_param(name).schema["type"] for name in dag.params},
    "late": [alert.callback.path for alert in getattr(dag, "deadline", None) or []],
    "connections": sorted({task.aws_conn_id for task in dag.tasks if hasattr(task, "aws_conn_id")}),
}))
"""


@pytest.fixture(scope="module")
def dag(airflow: Airflow) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", READ, DAGS], env=airflow.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.split("READ")[-1])


def test_is_read_without_errors(dag: dict) -> None:
    assert dag["errors"] == {}
    assert dag["dags"] == ["organic_share"]


def test_one_run_at_a_time_and_none_for_days_that_were_missed(dag: dict) -> None:
    assert (dag["catchup"], dag["max_active_runs"], dag["timetable"]) == (
        False,
        1,
        "CronDataIntervalTimetable",
    )


def test_every_option_of_the_job_is_a_param(dag: dict, python: Path) -> None:
    printed = subprocess.check_output([python, DAGS.parent / "jobs/transform.py", "--help"], text=True)
    options = set(re.findall(r"^  --([a-z-]+)", printed, re.MULTILINE)) - {"metrics"}
    assert len(options) > 30
    names = {"where_rows" if name == "where" else name.replace("-", "_") for name in options}
    assert names <= set(dag["params"])
    assert all("null" in types for types in dag["params"].values())


def test_order(dag: dict) -> None:
    assert dag["upstream"] == {
        "settings": [],
        "export": ["settings"],
        "where": ["export", "settings"],
        "publish_here": ["settings", "where"],
        "cluster": ["settings", "where"],
        "publish_on_cluster": ["cluster", "settings"],
        "end_cluster": ["cluster", "publish_on_cluster"],
    }


def test_a_cluster_ends_after_any_outcome_of_its_step(dag: dict) -> None:
    assert dag["teardowns"] == ["end_cluster"]


def test_tasks_that_may_recover_are_retried(dag: dict) -> None:
    assert {task for task, retries in dag["retries"].items() if retries == 2} >= {
        "publish_here",
        "publish_on_cluster",
        "cluster",
        "end_cluster",
    }


def test_one_connection(dag: dict) -> None:
    assert dag["connections"] == ["aws_default"]


def test_late_runs_are_logged(dag: dict, caplog: pytest.LogCaptureFixture) -> None:
    if MAJOR == 2:
        assert dag["late"] == []
        return
    module, name = dag["late"][0].rsplit(".", 1)
    sys.path.insert(0, str(DAGS))
    try:
        callback = getattr(__import__(module), name)
    finally:
        sys.path.remove(str(DAGS))
    with caplog.at_level(logging.ERROR):
        asyncio.run(callback(context={"dag_run": {"dag_run_id": "scheduled__2026-11-24"}}))
    assert "scheduled__2026-11-24 has not published" in caplog.text
