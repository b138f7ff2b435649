"""The site of the documents: `make docs` builds it in target/docs. Broken links and references are errors.

The documents are read where they are, so that their links hold on a code host as well; the root of the
sources is that of the repository. The reference comes from the docstrings of the installed package.
"""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from docutils import nodes

ROOT = Path(__file__).resolve().parent.parent

project = "Rollshare"
author = "The authors of Rollshare"
version = release = version_of("rollshare")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "docs/dev/*.md", "README.md", "DESIGN.md", "CONTRIBUTING.md", "CHANGELOG.md"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"Rollshare {release}"
html_copy_source = False

# Links to sections, as the code host makes them.
myst_heading_anchors = 4
# Files and folders of the repository that are no documents: their links show the name.
suppress_warnings = ["myst.header"]

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_numpy_docstring = True

#: A Markdown link to a file or folder of the repository.
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def without_links_to_sources(app: Any, document: str, source: list[str]) -> None:
    """Links to what is no page of the site become plain text; a link to nothing stays, and is an error."""
    folder = (ROOT / document).parent

    def plain(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        is_page = target.is_relative_to(ROOT) and app.env.path2doc(str(target)) in app.env.found_docs
        return link[1] if target.exists() and not is_page and target.suffix != ".svg" else link[0]

    source[0] = LINK.sub(plain, source[0])


def without_missing_languages(app: Any, doctree: nodes.document) -> None:
    """Blocks of sessions are highlighted as such."""
    for block in doctree.findall(nodes.literal_block):
        if block.get("language") == "python" and block.astext().startswith(">>>"):
            block["language"] = "pycon"


def setup(app: Any) -> None:
    """Register the above."""
    app.connect("source-read", without_links_to_sources)
    app.connect("doctree-read", without_missing_languages)
