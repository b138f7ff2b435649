"""The journey of a marketing manager: what the page answers, in which order and words.

test_report.py has the rest.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from conftest import program
from selenium import webdriver
from selenium.webdriver.common.by import By

#: Words of checks that are for engineers.
JARGON = re.compile(r"\b[a-z]+_[a-z_]+\b|of the smaller of|\d missing, first\b|\bpp\b")


def texts(browser: webdriver.Chrome, selector: str) -> list[str]:
    return [found.text for found in browser.find_elements(By.CSS_SELECTOR, selector)]


def test_the_answer_comes_first_and_says_since_when(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    browser.get(pages["published"].as_uri())
    first, second, third = texts(browser, "main h2")[:3]
    assert first.startswith("Organic share in ") and second == "Why it moved" and "rolling window" in third
    lead = texts(browser, ".answer p")[0]
    assert re.search(
        r"all countries is \d+\.\d % in \d{4}-W\d\d: [+±-]\d+\.\d points since \d{4}-W\d\d", lead
    )
    heads = texts(browser, ".largest thead th")
    assert (
        heads[0] == "Country" and heads[1] == "Share" and heads[2].startswith("since ") and "Users" in heads
    )


def test_the_largest_countries_have_names_and_users(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    browser.get(pages["published"].as_uri())
    rows = texts(browser, ".largest tbody tr")
    assert rows[0].startswith("all countries ") and rows[1].startswith("GB United Kingdom ")
    users = [int(row.split()[-1].replace(",", "")) for row in rows]
    assert users[1:] == sorted(users[1:], reverse=True) and users[0] >= sum(users[1:])


def test_each_mover_is_explained_by_channels(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    browser.get(pages["published"].as_uri())
    reason = texts(browser, "section .why p, section[aria-labelledby=why] p")
    assert any(re.search(r"(lowered|raised) it most, by \d+\.\d points", text) for text in reason), reason


@pytest.mark.parametrize("kind", ["published", "blocked", "keys"])
def test_headlines_have_no_words_of_engineers(
    browser: webdriver.Chrome, pages: dict[str, Path], kind: str
) -> None:
    browser.get(pages[kind].as_uri())
    said = texts(browser, "h1, header .verdict p, main h2, .answer p, .findings h3")
    assert said
    assert [text for text in said if JARGON.search(text)] == []


def test_a_blocked_page_says_what_and_what_to_do(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    browser.get(pages["blocked"].as_uri())
    assert texts(browser, "h1")[0].startswith("Not published: ")
    why = texts(browser, "header .verdict p")[0]
    assert "The previously published table is unchanged." in why
    assert texts(browser, "main h2")[:2] == ["Findings", "Next steps"]
    commands = texts(browser, "ol.next code")
    assert commands[0].startswith("rollshare run ") and commands[-1].startswith("rollshare promote ")
    assert "not published" in " ".join(texts(browser, ".answer p"))


def test_a_phone_names_the_channels(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """On a narrow screen the names beside the chart are out of sight."""
    for width, shown in ((390, True), (1280, False)):
        device = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
        browser.get(pages["published"].as_uri())
        names = browser.find_elements(By.CSS_SELECTOR, "[aria-labelledby=mix] .names li")
        assert [name.is_displayed() for name in names] == [shown] * len(names) and len(names) > 3
    chart = browser.find_element(By.CSS_SELECTOR, "[aria-labelledby=mix] svg")
    described = chart.find_element(By.TAG_NAME, "desc").get_attribute("textContent")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**device, "width": 390})
    assert all(name.text in described for name in names)


def test_a_mail_and_a_chat_get_a_text_and_a_picture(pages: dict[str, Path], tmp_path: Path) -> None:
    target = str(pages["published"].parent / "target/share.parquet")
    report = [program(), "report", "latest", "--target", target]
    said = subprocess.run([*report, "--text"], check=True, capture_output=True, text=True).stdout
    assert "The organic share of all countries is " in said and len(said) < 4000
    subprocess.run([*report, "--png", str(tmp_path / "share.png")], check=True, capture_output=True)
    assert (tmp_path / "share.png").stat().st_size < 300_000
