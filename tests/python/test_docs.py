"""The documents run: docstrings, docs/python.md, docs/tour.py."""

from __future__ import annotations

import doctest
import os
import re
import runpy
from pathlib import Path

import pytest
import rollshare
from rollshare import _comparison, _results, _shares

DOCS = Path(os.environ.get("ROLLSHARE_DOCS", Path(__file__).parent.parent.parent / "docs"))


@pytest.mark.parametrize("module", [rollshare, _comparison, _results, _shares])
def test_docstrings(module: object, sample: str, tmp_path: Path) -> None:
    names = {"sample": sample, "folder": tmp_path, "rollshare": rollshare}
    found = doctest.testmod(module, extraglobs=names)
    assert found.attempted > 0 and found.failed == 0


def test_the_guide(tmp_path: Path) -> None:
    text = re.sub(r"```\w*", "", (DOCS / "python.md").read_text())
    names = {"sample": str(tmp_path / "sample.parquet"), "folder": tmp_path}
    test = doctest.DocTestParser().get_doctest(text, names, "python.md", None, 0)
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.tries > 5 and runner.failures == 0


def test_the_tour(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(DOCS / "tour.py"))
    assert "published" in capsys.readouterr().out
