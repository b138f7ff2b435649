"""Creates the Python environments of nodes."""

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
