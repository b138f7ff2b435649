"""The DAG as Airflow parses it."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys

import pytest
from conftest import DAGS, Airflow

# Runs in a separate process, with the Airflow of the other tests.
READ = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
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
    "late": dag.deadline[0].callback.path if isinstance(dag.deadline, list) else dag.deadline.callback.path,
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


def test_days_are_caught_up_one_at_a_time(dag: dict) -> None:
    assert (dag["catchup"], dag["max_active_runs"], dag["timetable"]) == (
        True,
        1,
        "CronDataIntervalTimetable",
    )


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
    module, name = dag["late"].rsplit(".", 1)
    sys.path.insert(0, str(DAGS))
    try:
        callback = getattr(__import__(module), name)
    finally:
        sys.path.remove(str(DAGS))
    with caplog.at_level(logging.ERROR):
        asyncio.run(callback(context={"dag_run": {"dag_run_id": "scheduled__2026-11-24"}}))
    assert "scheduled__2026-11-24 has not published" in caplog.text
