"""The first hour of a platform engineer, without Spark: the job, its exit codes, the DAG, a review.

tests/spark has the job on a cluster, tests/airflow the DAG in Airflow, tests/terraform the rest.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import rollshare

ROOT = Path(__file__).parent.parent.parent
JOB = str(ROOT / "jobs/transform.py")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("platform") / "export.parquet"
    rollshare.sample(path, 60_000)
    return path


def job(source: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The job in a process of its own, as on a node without a cluster."""
    command = [
        sys.executable,
        JOB,
        "--source_parquet",
        str(source),
        "--target_parquet",
        str(target),
        *options,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_job_publishes_what_the_package_computes(export: Path, tmp_path: Path) -> None:
    done = job(export, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/_SUCCESS").exists()
    part = next((tmp_path / "out").glob("part-*"))
    assert pl.read_parquet(part).equals(rollshare.read_parquet(str(export)).to_polars())


def test_the_job_has_the_options_of_a_run(export: Path, tmp_path: Path) -> None:
    """Columns, organic names, windows, details, dates, restatements, a state, a part of the table."""
    renamed = tmp_path / "renamed.parquet"
    pl.read_parquet(export).rename({"value": "installs"}).write_parquet(renamed)
    given = ["--column", "value=installs", "--organic", "Organic", "--window", "4,13", "--details", "--dates"]
    given += ["--allow-restatement", "2021_10..2021_12", "--state", str(tmp_path / "state")]
    done = job(renamed, tmp_path / "out", *given)
    assert done.returncode == 0, done.stderr
    names = pl.read_parquet(next((tmp_path / "out").glob("part-*"))).columns
    assert {"week_start", "share_organic_p4w", "share_organic_p13w"} <= set(names)
    done = job(export, tmp_path / "part", "--only", "country=GB,FR", "--last", "8")
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(next((tmp_path / "part").glob("part-*"))).height == 16


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--column", "country=nowhere"], 3, "no column 'nowhere'"),
        (["--organic", "Nobody"], 4, "no row of Nobody"),
        (["--organic", "Nobody", "--no-checks"], 3, "'Nobody'"),
        (["--checks", "nowhere.toml"], 3, "nowhere.toml"),
        (["--window", "four"], 2, "four"),
        (["--by", "planet"], 2, "planet"),
        (["--unknown"], 2, "--unknown"),
    ],
)
def test_what_goes_wrong_has_a_code_and_a_sentence(
    export: Path, tmp_path: Path, options: list[str], code: int, words: str
) -> None:
    done = job(export, tmp_path / "out", *options)
    assert done.returncode == code, done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out/_SUCCESS").exists()


def test_a_blocked_run_names_its_page(export: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    assert job(export, target).returncode == 0
    before = {path.name: path.read_bytes() for path in target.glob("part-*")}
    done = job(export, target, "--organic", "Search Ads")
    assert done.returncode == 4, done.stderr
    report = re.search(r"^transform: report: (.+\.html)$", done.stderr, re.MULTILINE)
    assert report and Path(report[1]).is_file()
    assert {path.name: path.read_bytes() for path in target.glob("part-*")} == before


def test_the_dag_does_not_catch_up_and_has_every_option() -> None:
    source = (ROOT / "dags/organic_share.py").read_text()
    tree = ast.parse(source)
    keywords = {
        keyword.arg: keyword.value for node in ast.walk(tree) if isinstance(node, ast.Call)
        for keyword in node.keywords
    }  # fmt: skip
    assert ast.literal_eval(keywords["catchup"]) is False
    options = next(
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "OPTIONS"
    )  # fmt: skip
    assert isinstance(options, ast.Dict)
    has = {ast.literal_eval(key) for key in options.keys if key is not None}
    printed = subprocess.run(
        [sys.executable, JOB, "--help"], capture_output=True, text=True, check=True
    ).stdout
    flags = set(re.findall(r"^  --([a-z-]+)", printed, re.MULTILINE)) - {"metrics", "source", "target"}
    assert len(flags) > 35
    assert {"where_rows" if flag == "where" else flag.replace("-", "_") for flag in flags} == has


def test_what_a_review_looks_for_is_there() -> None:
    files = [
        "scripts/Dockerfile", ".github/workflows/ci.yml", ".github/workflows/release.yml", "CONTRIBUTING.md",
        "CHANGELOG.md", "deny.toml", "terraform/backend.tf.example", "docs/aws.md", "LICENSE-MIT",
    ]  # fmt: skip
    assert [name for name in files if not (ROOT / name).is_file()] == []
    variables = "".join(path.read_text() for path in (ROOT / "terraform").glob("*.tf"))
    for switch in ("subnet_id", "bucket", "kms_key", "permissions_boundary", "tags", "private_subnet"):
        assert re.search(rf'variable "\w*{switch}\w*"', variables), switch
    runbook = (ROOT / "docs/aws.md").read_text()
    for state in ("Blocked", "Late", "Failed", "Promoted", "Restated"):
        assert f"### {state}" in runbook
