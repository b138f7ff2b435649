"""scripts/bootstrap.sh on a node that has only Python and pip.

`aws` is a stand-in that copies from a folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from functools import cached_property
from pathlib import Path

import pytest
from conftest import REPOSITORY, not_run
from nodes import new_python

# Implements `aws s3 cp --only-show-errors s3://BUCKET/KEY FILE`, as the script calls it.
AWS = """#!/bin/bash
[ "$1 $2 $3" = "s3 cp --only-show-errors" ] || { echo "unexpected: aws $*" >&2; exit 252; }
exec /bin/cp "BUCKETS/${4#s3://}" "$5"
"""


class Node:
    """A machine with a bucket next to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bucket = folder / "buckets/team/wheels"
        self.node_folder = folder / "opt/rollshare"
        self.bucket.mkdir(parents=True)
        programs = folder / "bin"
        programs.mkdir()
        (programs / "aws").write_text(AWS.replace("BUCKETS", str(folder / "buckets")))
        (programs / "aws").chmod(0o755)
        self.path = f"{programs}:/usr/bin:/bin"

    @cached_property
    def python(self) -> Path:
        """A Python with pip and nothing else."""
        return new_python(self.folder / "venv")

    def put(self, wheel: Path) -> tuple[str, str]:
        """Put a wheel into the bucket; its URI and sha256."""
        shutil.copy(wheel, self.bucket)
        return f"s3://team/wheels/{wheel.name}", hashlib.sha256(wheel.read_bytes()).hexdigest()

    def put_job(self, text: str = "print('the job')\n") -> tuple[str, str, Path]:
        """Put a job into the bucket; its URI, its sha256, and the folder for it."""
        (self.bucket / "transform.py").write_text(text)
        return (
            "s3://team/wheels/transform.py",
            hashlib.sha256(text.encode()).hexdigest(),
            self.node_folder,
        )

    def bootstrap(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        # No index listens on port 9: an installation that uses the network fails.
        environment = {"PATH": self.path, "HOME": str(self.folder), "PIP_INDEX_URL": "http://127.0.0.1:9/"}
        return subprocess.run(
            ["bash", REPOSITORY / "scripts/bootstrap.sh", *map(str, arguments)],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )

    def has_rollshare(self, python: Path | None = None) -> bool:
        command = [python or self.python, "-I", "-c", "import rollshare"]
        return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def broken_wheel(folder: Path, module: str, tag: str = "py3-none-any", name: str = "rollshare") -> Path:
    """Make a wheel whose module is the given text."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-9.9.9-{tag}.whl"
    info = f"{name}-9.9.9.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", module)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9.9\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def pyarrow_wheel() -> Path:
    """The wheel of pyarrow for this Python."""
    wheels = sorted(Path(sys.prefix, "wheels").glob("pyarrow-*.whl"))
    if len(wheels) != 1:
        not_run(f"{len(wheels)} wheels of pyarrow", "`make test-terraform` fetches one")
    return wheels[0]


def test_installs_and_proves_it(node: Node, wheel: Path) -> None:
    done = node.bootstrap(*node.put(wheel), node.python)
    assert done.returncode == 0, done.stderr
    assert "rollshare" in done.stdout
    assert "works on Python" in done.stdout
    assert node.has_rollshare()


def test_puts_the_job_beside_it(node: Node, wheel: Path) -> None:
    done = node.bootstrap(*node.put(wheel), node.python, *node.put_job())
    assert done.returncode == 0, done.stderr
    assert (node.node_folder / "transform.py").read_text() == "print('the job')\n"
    assert (node.node_folder / "transform.py").stat().st_mode & 0o777 == 0o644
    assert node.has_rollshare()


def test_wrong_bytes_of_the_job(node: Node, wheel: Path) -> None:
    arguments = (*node.put(wheel), node.python, *node.put_job())
    node.put_job("print('another job')\n")
    done = node.bootstrap(*arguments)
    assert done.returncode == 65
    assert f"expected {arguments[4]}" in done.stderr
    assert not node.node_folder.exists()
    assert not node.has_rollshare()


def test_pyarrow_in_a_separate_environment(node: Node, wheel: Path, pyarrow_wheel: Path) -> None:
    arguments = (*node.put(wheel), node.python, *node.put_job(), *node.put(pyarrow_wheel))
    for _ in range(2):
        done = node.bootstrap(*arguments)
        assert done.returncode == 0, done.stderr
        assert "pyarrow" in done.stdout
        assert "works on Python" in done.stdout
    assert node.has_rollshare(node.node_folder / "python/bin/python")
    assert not node.has_rollshare(), "the system's Python stays as it is"


def test_wrong_bytes_of_pyarrow(node: Node, wheel: Path) -> None:
    uri, _ = node.put(broken_wheel(node.folder / "made", "", name="pyarrow"))
    done = node.bootstrap(*node.put(wheel), node.python, *node.put_job(), uri, "0" * 64)
    assert done.returncode == 65
    assert not node.node_folder.exists()


def test_pyarrow_that_does_not_work(node: Node, wheel: Path) -> None:
    broken = broken_wheel(node.folder / "made", "raise ImportError('no such symbol')", name="pyarrow")
    done = node.bootstrap(*node.put(wheel), node.python, *node.put_job(), *node.put(broken))
    assert done.returncode == 70
    assert "does not work" in done.stderr


def test_again_is_harmless(node: Node, wheel: Path) -> None:
    arguments = (*node.put(wheel), node.python)
    assert [node.bootstrap(*arguments).returncode for _ in range(2)] == [0, 0]
    assert node.has_rollshare()


def test_repairs_a_damaged_installation(node: Node, wheel: Path) -> None:
    arguments = (*node.put(wheel), node.python)
    node.bootstrap(*arguments)
    site = next(node.folder.glob("venv/lib/python3*/site-packages/rollshare"))
    next(site.glob("_rollshare*.so")).write_bytes(b"damaged")
    assert not node.has_rollshare()
    assert node.bootstrap(*arguments).returncode == 0
    assert node.has_rollshare()


def test_wrong_bytes(node: Node, wheel: Path) -> None:
    uri, sha256 = node.put(wheel)
    with open(node.bucket / wheel.name, "ab") as file:
        file.write(b"x")
    done = node.bootstrap(uri, sha256, node.python)
    assert done.returncode == 65
    assert f"expected {sha256}" in done.stderr
    assert not node.has_rollshare()


def test_no_wheel(node: Node) -> None:
    done = node.bootstrap("s3://team/wheels/rollshare-1.whl", "0" * 64, node.python)
    assert done.returncode == 66
    assert "could not be fetched" in done.stderr


def test_no_such_python(node: Node, wheel: Path) -> None:
    done = node.bootstrap(*node.put(wheel), "/usr/bin/python2.4")
    assert done.returncode == 69
    assert "spark_python" in done.stderr


def test_python_without_pip(node: Node, wheel: Path) -> None:
    subprocess.run([node.python, "-m", "pip", "uninstall", "-qy", "pip"], check=True)
    done = node.bootstrap(*node.put(wheel), node.python)
    assert done.returncode == 69
    assert "pip" in done.stderr


def test_wheel_for_another_machine(node: Node) -> None:
    wheel = broken_wheel(node.folder / "made", "", tag="cp39-abi3-manylinux_2_28_s390x")
    done = node.bootstrap(*node.put(wheel), node.python)
    assert done.returncode == 70
    assert os.uname().machine in done.stderr


@pytest.mark.parametrize("module", ["raise ImportError('no such symbol')", "__version__ = '9.9.9'"])
def test_installed_but_not_working(node: Node, module: str) -> None:
    wheel = broken_wheel(node.folder / "made", module)
    done = node.bootstrap(*node.put(wheel), node.python)
    assert done.returncode == 70
    assert "does not work" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("s3://team/w.whl", "0" * 64),
        ("team/w.whl", "0" * 64, "/usr/bin/python3"),
        ("s3://team/w.whl", "0", "/usr/bin/python3"),
        ("s3://team/w.whl", "0" * 64, "/usr/bin/python3", "s3://team/j.py", "0" * 64),
        ("s3://team/w.whl", "0" * 64, "/usr/bin/python3", "s3://team/j.sh", "0" * 64, "/opt/r"),
        ("s3://team/w.whl", "0" * 64, "/usr/bin/python3", "s3://team/j.py", "0", "/opt/r"),
        ("s3://team/w.whl", "0" * 64, "/usr/bin/python3", "s3://team/j.py", "0" * 64, "opt/r"),
        (
            "s3://team/w.whl",
            "0" * 64,
            "/usr/bin/python3",
            "s3://team/j.py",
            "0" * 64,
            "/opt/r",
            "s3://team/p",
            "0" * 64,
        ),
    ],
)
def test_wrong_arguments(node: Node, arguments: tuple[str, ...]) -> None:
    done = node.bootstrap(*arguments)
    assert done.returncode == 64
    assert "expected" in done.stderr or "has to be" in done.stderr
