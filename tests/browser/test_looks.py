"""Screenshots of the page, compared with those in tests/browser/looks/; `make looks` draws them again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from looks import LOOKS, REFERENCES, ROOT, Look, capture, differences, picture
from selenium import webdriver

KINDS = ["published", "blocked"]

#: Pictures of the documents: the look, and how much of it.
PICTURES = {
    "published-wide-light": ("page.png", 900),
    "published-narrow-dark": ("page-phone.png", 844),
    "blocked-wide-light": ("page-blocked.png", 900),
}

#: What a change of the page might break, the looks in which it shows, and the block that a comparison names.
FAULTS = {
    "a chart is missing": (
        "document.querySelector('figure.share svg').style.visibility = 'hidden'",
        list(LOOKS),
        "Organic share, rolling window",
    ),
    "the bars are missing": (
        "document.querySelectorAll('.bar').forEach(bar => bar.remove())",
        list(LOOKS),
        "Why it moved",
    ),
    "the answer is written in the colour of the paper": (
        "document.querySelector('.answer .lead').style.color = 'var(--paper)'",
        list(LOOKS),
        "Organic share in ",
    ),
    "so is a note": (
        "document.querySelector('.answer .note').style.color = 'var(--paper)'",
        list(LOOKS),
        "Organic share in ",
    ),
    "so are the numbers": (
        "document.querySelectorAll('.largest td').forEach(cell => cell.style.color = 'var(--paper)')",
        list(LOOKS),
        "Organic share in ",
    ),
    "labels of charts stay dark": (
        "document.querySelectorAll('svg text').forEach(text => text.style.fill = '#14171c')",
        ["wide-dark"],
        "Channels",
    ),
    "a block is wider than the screen": (
        "document.querySelector('.answer').style.width = '600px'",
        ["narrow-light", "narrow-dark"],
        "page: width",
    ),
    "the first screen begins with the checks": (
        "document.querySelector('header').after(document.querySelector('[aria-labelledby=checks]'))",
        list(LOOKS),
        "the blocks are",
    ),
    "the explanation is missing": (
        "document.querySelectorAll('.contributions').forEach(table => table.remove())",
        list(LOOKS),
        "Why it moved: height",
    ),
}


@pytest.mark.parametrize("name", LOOKS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_looks_as_its_references(
    browser: webdriver.Chrome, pages: dict[str, Path], kind: str, name: str
) -> None:
    look = capture(browser, pages[f"{kind}-still"], name)
    if os.environ.get("ROLLSHARE_LOOKS") == "draw":
        look.save(f"{kind}-{name}")
        if drawn := PICTURES.get(f"{kind}-{name}"):
            picture(look.shot, drawn[1], ROOT / "docs" / drawn[0])
    assert differences(look, Look.load(f"{kind}-{name}")) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(browser: webdriver.Chrome, pages: dict[str, Path], fault: str) -> None:
    script, names, block = FAULTS[fault]
    for name in names:
        look = capture(browser, pages["published-still"], name, script)
        found = differences(look, Look.load(f"published-{name}"))
        assert any(difference.startswith(block) for difference in found), (name, found)


@pytest.mark.parametrize("name", ["wide-dark", "narrow-light"])
def test_other_antialiasing_is_no_fault(browser: webdriver.Chrome, pages: dict[str, Path], name: str) -> None:
    """Text that lies on other parts of a pixel, without kerning, drawn without regard to hints."""
    style = "position:relative;left:.4px;top:.4px;font-kerning:none;text-rendering:geometricPrecision"
    look = capture(browser, pages["published-still"], name, f"document.body.style.cssText = '{style}'")
    assert differences(look, Look.load(f"published-{name}")) == []


def test_the_references_are_small() -> None:
    sizes = [file.stat().st_size for file in REFERENCES.iterdir()]
    assert max(sizes) < 40_000 and sum(sizes) < 300_000
