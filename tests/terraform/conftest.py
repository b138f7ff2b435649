"""Requirements of the tests of the cloud part, and how to get those that are missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TERRAFORM = REPOSITORY / "scripts/terraform.sh"
REGION = "eu-central-1"


def not_run(missing: str, remedy: str) -> None:
    """Skip; report what is missing and how to get it."""
    pytest.skip(f"NOT RUN: {missing}; {remedy}")


def copy(folder: Path, *without: str) -> None:
    """Copy the cloud part, without a user's settings, state and lock file."""
    ignore = shutil.ignore_patterns(
        ".terraform*", "*.tfstate*", "*.auto.tfvars", "backend.tf", "__pycache__", *without
    )
    for name in ["terraform", "scripts", "jobs"]:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignore)


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wrapper script, initialised for a copy: terraform and its provider are installed."""
    if shutil.which("terraform") is None:
        not_run("terraform is not installed", "https://developer.hashicorp.com/terraform/install")
    folder = tmp_path_factory.mktemp("terraform")
    copy(folder)
    os.environ["ROLLSHARE_TF_DIR"] = str(folder / "terraform")
    done = subprocess.run([TERRAFORM, "init", "-input=false", "-no-color"], capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stderr)
        not_run(
            "terraform finds no hashicorp/aws provider",
            "let it reach its registry, or name a mirror in ROLLSHARE_TF_MIRROR"
            " (`terraform providers mirror DIR` makes one)",
        )
    return TERRAFORM


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel of this checkout for this machine, in a separate folder."""
    folder = Path(os.environ.get("ROLLSHARE_WHEEL_DIR", REPOSITORY / "target/cloud-wheel"))
    wheels = sorted(folder.glob(f"rollshare-*-cp39-abi3-*_{platform.machine()}.whl"))
    if len(wheels) != 1:
        not_run(f"{len(wheels)} wheels in {folder}", "`make test-terraform` builds one")
    return wheels[0]


@pytest.fixture(scope="session")
def java() -> None:
    """Java, which Spark needs."""
    if shutil.which("java") is None:
        not_run("java is not installed", "Debian: apt install openjdk-17-jre-headless")


@pytest.fixture(scope="session")
def emulator() -> Iterator[dict[str, str]]:
    """AWS on loopback: the environment variables for it, without those of the user."""
    server = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("emulator.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        endpoint = server.stdout.readline().strip()
        assert endpoint.startswith("http://127.0.0.1:"), "the emulator did not start"
        yield {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": os.environ["HOME"],
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "something",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }
    finally:
        server.stdin.close()
        server.wait(timeout=30)
