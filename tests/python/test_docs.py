"""The documents run: docstrings, every Python block of the README and of docs/, docs/tour.ipynb."""

from __future__ import annotations

import copy
import doctest
import os
import re
from pathlib import Path
from typing import Any

import pytest
import rollshare
from rollshare import _comparison, _results, _shares, _why

DOCS = Path(os.environ.get("ROLLSHARE_DOCS", Path(__file__).parent.parent.parent / "docs"))


@pytest.mark.parametrize("module", [rollshare, _comparison, _results, _shares, _why])
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


#: A block of Python with the comment before it, if any.
BLOCK = re.compile(r"(?:<!-- ([^\n]*) -->\n)?```python\n(.*?)```", re.DOTALL)


def test_every_block_runs_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks with prompts run above, and in test_lakes.py; the others run here."""
    import polars as pl

    monkeypatch.chdir(tmp_path)
    Path("exports").mkdir()
    rollshare.sample("exports/2024.parquet")
    ran, left_out = [], []
    for document in [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]:
        for note, code in BLOCK.findall(document.read_text()):
            if code.startswith(">>>"):
                assert document.name in ("python.md", "lakes.md"), document
            elif note.startswith("not run: "):
                left_out.append(document.name)
            else:
                exec(code, {"frame": pl.read_parquet("exports/2024.parquet")})
                ran.append(document.name)
    assert ran == ["README.md"] and left_out == ["python.md", "s3.md", *["spark.md"] * 3]


def test_the_tour(tmp_path: Path) -> None:
    """The cells run, and print what the notebook shows."""
    nbformat = pytest.importorskip("nbformat", reason="pip install nbclient ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
    kept = nbformat.read(DOCS / "tour.ipynb", as_version=4)
    nbformat.validate(kept)
    ran = copy.deepcopy(kept)
    nbclient.NotebookClient(ran, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    texts = [[_texts(cell) for cell in book.cells if cell.cell_type == "code"] for book in (kept, ran)]
    assert len(texts[0]) > 8 and any(texts[0])
    # Pictures depend on the version of matplotlib: their text is compared alone.
    assert texts[0] == texts[1]


def _texts(cell: Any) -> list[str]:
    outputs = [output.get("text") or output["data"].get("text/plain", "") for output in cell.outputs]
    return [re.sub(r"<Figure size .*>", "<Figure>", text) for text in outputs]


def test_the_site_has_every_document() -> None:
    index = (DOCS / "index.md").read_text()
    listed = set(re.findall(r"(?m)^([a-z0-9./A-Z]+)$", index))
    names = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    names |= {f"dev/{path.stem}" for path in (DOCS / "dev").glob("*.md")}
    assert names <= listed, names - listed
