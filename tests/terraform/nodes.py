"""Pythons of nodes, as the tests make them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def new_python(folder: Path, packages: Path | None = None, base: str = sys.executable) -> Path:
    """Make a virtual environment; with `packages`, those of another folder are importable in it."""
    subprocess.run([base, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    if packages is not None:
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        paths = subprocess.check_output([python, "-c", code], text=True)
        Path(paths.strip(), "spark.pth").write_text(f"{packages}\n")
    return python


def lacks(python: Path) -> str | None:
    """What the installed wheel has not, of what a job in the cloud needs; None where it has all."""
    code = "import rollshare; rollshare.run; rollshare.read_parquet('s3://none/')"
    environment = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    probe = subprocess.run([python, "-c", code], capture_output=True, text=True, env=environment)
    if "AttributeError" in probe.stderr:
        return "rollshare.run"
    return "S3" if "not in this build" in probe.stderr or "feature s3" in probe.stderr else None
