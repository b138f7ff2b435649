"""Fixtures: the samples, and the folder of cases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import rollshare

COLUMNS = ("name", "value", "year_week", "country", "os_name", "start_date")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("sample") / "sample.parquet"
    rollshare.sample(path)
    return str(path)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sample that is large enough for several threads and several batches."""
    path = tmp_path_factory.mktemp("large") / "large.parquet"
    rollshare.sample(path, 1_500_000, layout="shuffled")
    return str(path)


def cases() -> Path:
    """The folder of small inputs with expected answers."""
    found = Path(os.environ.get("ROLLSHARE_CASES", Path(__file__).parent.parent / "cases"))
    if not (found / "manifest.json").exists():
        pytest.skip(
            f"no cases at {found}: set ROLLSHARE_CASES to the folder that holds manifest.json",
            allow_module_level=True,
        )
    return found
