"""The page of a run in a real browser: content, keyboard, accessibility, dark and light, narrow, printed."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import program
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

KINDS = ["published", "blocked", "hostile"]


@pytest.fixture(params=KINDS)
def page(
    request: pytest.FixtureRequest, browser: webdriver.Chrome, pages: dict[str, Path]
) -> webdriver.Chrome:
    look(browser, 1280)
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(pages[request.param].as_uri())
    return browser


def look(browser: webdriver.Chrome, width: int, scheme: str = "light") -> None:
    device = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    feature = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})


def save_screenshot(browser: webdriver.Chrome, name: str) -> None:
    """Save a screenshot in the folder ROLLSHARE_SCREENSHOTS, if set."""
    if folder := os.environ.get("ROLLSHARE_SCREENSHOTS"):
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def axe() -> str:
    files = importlib.metadata.files("axe-playwright-python") or []
    return Path(next(f for f in files if f.name == "axe.min.js").locate()).read_text()


def violations(browser: webdriver.Chrome) -> list[dict[str, Any]]:
    browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    browser.refresh()
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": axe()})
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then(done)")
    assert len(found["passes"]) > 10
    return [
        {"rule": v["id"], "nodes": [(n["html"][:120], n["failureSummary"]) for n in v["nodes"][:3]]}
        for v in found["violations"]
    ]


def test_the_console_is_empty_and_nothing_is_requested(page: webdriver.Chrome) -> None:
    assert page.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith(("file:", "data:")) for url in urls), urls
    assert page.execute_script("return document.scripts.length") == 0
    assert "taken" not in page.title.replace("'taken'", "")


def test_the_page_says_what_happened(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    browser.get(pages["published"].as_uri())
    assert browser.find_element(By.TAG_NAME, "h1").text.startswith("Published")
    headings = [h.text for h in browser.find_elements(By.TAG_NAME, "h2")]
    assert "Rows kept and dropped" in headings and "Days with data" in headings and "Channels" in headings
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg[role=img] title")) > 5
    assert len(browser.find_elements(By.CSS_SELECTOR, "main, header, footer")) == 3

    browser.get(pages["blocked"].as_uri())
    assert re.fullmatch(r"Not published: \d+ checks? failed", browser.find_element(By.TAG_NAME, "h1").text)
    assert "no row of Unknown" in browser.find_element(By.TAG_NAME, "header").text
    assert "rollshare promote" in browser.find_element(By.CSS_SELECTOR, "ol.next").text


@pytest.mark.parametrize("width", [1280, 390])
def test_the_first_screen_answers(browser: webdriver.Chrome, pages: dict[str, Path], width: int) -> None:
    look(browser, width)
    browser.get(pages["published"].as_uri())
    answer = browser.find_element(By.CSS_SELECTOR, "section.answer")
    lead = answer.find_element(By.CSS_SELECTOR, "p.lead")
    week = r"\d{4}-W\d\d"
    said = rf"The organic share of all countries is \d+\.\d % in {week}: [+±-]\d+\.\d points since {week}"
    assert re.match(said, lead.text)
    table = answer.find_element(By.TAG_NAME, "table")
    rows = [row.text for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")]
    assert len(rows) == 6 and rows[0].startswith("all countries")
    assert any("GB United Kingdom" in row for row in rows)
    assert table.rect["y"] + table.rect["height"] < (900 if width == 1280 else 1100)
    headings = [h.text for h in browser.find_elements(By.TAG_NAME, "h2")]
    assert headings[0].startswith("Organic share in ") and headings[1] == "Why it moved"
    assert headings.index("Findings") > headings.index("Organic share, rolling window of 4 weeks")


@pytest.mark.parametrize("kind", ["published", "keys"])
def test_contributions_add_up_to_the_change(
    browser: webdriver.Chrome, pages: dict[str, Path], kind: str
) -> None:
    look(browser, 1280)
    browser.get(pages[kind].as_uri())
    tables = browser.execute_script(
        """return [...document.querySelectorAll('table.contributions')].map(table =>
        [...table.querySelectorAll('tr')].slice(1).map(row => Number(row.cells[4].textContent)))"""
    )
    assert tables
    for *parts, total in tables:
        # Each is rounded to a hundredth of a point.
        assert abs(sum(parts) - total) <= 0.005 * (len(parts) + 1) + 1e-9


def test_a_switch_gives_each_chart_its_own_scale(page: webdriver.Chrome) -> None:
    def scales(kind: str) -> set[str]:
        shown = f"""return [...document.querySelectorAll('.multiples:not(details *) .{kind} svg')]
            .filter(svg => svg.checkVisibility()).map(svg => [...svg.querySelectorAll('text')]
            .map(text => text.textContent.trim()).filter(text => text.endsWith('%')).join())"""
        return set(page.execute_script(shown))

    assert len(scales("common")) == 1 and scales("own") == set()
    switch = page.find_element(By.ID, "own-scale")
    switch.send_keys(Keys.SPACE)
    assert scales("common") == set() and len(scales("own")) > 1
    switch.send_keys(Keys.SPACE)
    assert len(scales("common")) == 1


@pytest.mark.parametrize("kind", ["published", "keys"])
def test_commands_work_as_they_stand(
    browser: webdriver.Chrome, pages: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    browser.get(pages[kind].as_uri())
    found = browser.execute_script(
        "return [...document.querySelectorAll('main pre code, footer code')].map(code => code.textContent)"
    )
    commands = [text for text in found if text.startswith("rollshare ")]
    assert any("rollshare why" in command for command in commands) and any("--json" in c for c in commands)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/rollshare").symlink_to(Path(program()).absolute())
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        if "rollshare why" in command:
            assert "organic share" in done.stdout.splitlines()[0]


def test_details_expand_by_keyboard(page: webdriver.Chrome) -> None:
    summary = page.find_element(By.CSS_SELECTOR, "details.print > summary")
    details = summary.find_element(By.XPATH, "..")
    table = details.find_element(By.TAG_NAME, "table")
    assert not table.is_displayed()
    body = page.find_element(By.TAG_NAME, "body")
    for _ in range(400):
        page.switch_to.active_element.send_keys(Keys.TAB)
        if page.switch_to.active_element == summary:
            break
    assert page.switch_to.active_element == summary, "the tab key does not reach the summary"
    summary.send_keys(Keys.ENTER)
    assert table.is_displayed() and "label_form" in table.text
    summary.send_keys(Keys.SPACE)
    assert not table.is_displayed()
    assert body.is_displayed()


def test_keys_are_filtered(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    look(browser, 1280)
    browser.get(pages["keys"].as_uri())

    def shown(selector: str) -> list[str]:
        found = browser.find_elements(By.CSS_SELECTOR, selector)
        return [element.text for element in found if element.is_displayed()]

    def charts_shown() -> list[str]:
        # The code of a country, without its name.
        return [name.split()[0] for name in shown("figure.share h3")]

    charts, lines = charts_shown(), len(shown(".lines li"))
    assert len(charts) == 12 and lines == 24
    assert shown("figure.share h3")[charts.index("GB")] == "GB United Kingdom"
    country, system = (Select(browser.find_element(By.ID, f"filter-{n}")) for n in (0, 1))
    system.select_by_visible_text("ios")
    assert set(shown(".lines li .name")) == {"ios"} and set(charts) <= set(charts_shown())
    hidden = """return [...document.querySelectorAll('.common g.line')]
        .filter(line => getComputedStyle(line).display == 'none').length"""
    assert browser.execute_script(hidden) == len(country.options) - 1
    country.select_by_visible_text(charts[3])
    assert charts_shown() == [charts[3]] and len(shown(".lines li")) == 1
    # A country whose chart is collapsed is shown too.
    folded = next(o.text for o in country.options[1:] if o.text not in charts)
    country.select_by_visible_text(folded)
    # Selenium takes everything in a closed element for hidden.
    visible = """return [...document.querySelectorAll('figure.share h3')]
        .filter(name => name.checkVisibility({contentVisibilityAuto: true}))
        .map(name => name.textContent.split(' ')[0])"""
    assert browser.execute_script(visible) == [folded]
    save_screenshot(browser, "keys-filtered")
    country.select_by_index(0)
    system.select_by_index(0)
    assert charts_shown() == charts


@pytest.mark.parametrize(
    ("kind", "scheme"), [("published", "light"), ("blocked", "dark"), ("hostile", "light"), ("keys", "dark")]
)
def test_axe_finds_nothing(browser: webdriver.Chrome, pages: dict[str, Path], kind: str, scheme: str) -> None:
    look(browser, 1280, scheme)
    browser.get(pages[kind].as_uri())
    assert violations(browser) == []


def test_dark_is_dark(page: webdriver.Chrome, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["page"]
    colours = []
    for scheme in ("light", "dark"):
        look(page, 1280, scheme)
        colours.append(
            page.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
        )
        save_screenshot(page, f"{name}-{scheme}")
    light, dark = (sum(map(int, c[4:-1].split(","))) for c in colours)
    assert light > 600 and dark < 150
    # Axis labels have the dark colour too.
    ink = "return getComputedStyle(document.querySelector('svg text')).fill"
    assert sum(map(int, page.execute_script(ink)[4:-1].split(","))) > 450


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_scrolls_in_one_direction(
    page: webdriver.Chrome, scheme: str, request: pytest.FixtureRequest
) -> None:
    look(page, 360, scheme)
    page.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    width = page.execute_script("return document.documentElement.scrollWidth")
    assert width <= 360
    page.execute_script("document.querySelectorAll('details').forEach(d => d.open = false)")
    save_screenshot(page, f"{request.node.callspec.params['page']}-narrow-{scheme}")


def test_it_prints(page: webdriver.Chrome, request: pytest.FixtureRequest) -> None:
    pdf = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF")
    assert 1 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type/Page/") <= 15
    if folder := os.environ.get("ROLLSHARE_SCREENSHOTS"):
        (Path(folder) / f"{request.node.callspec.params['page']}.pdf").write_bytes(pdf)
    # In print, charts are shown, checks are expanded, and the page is white.
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return document.querySelector('details.print table').checkVisibility()"
    assert page.execute_script(shown)
    # So are warnings and every explanation.
    folded = """return [...document.querySelectorAll('details.warnings ul, details.why table')]
        .every(folded => folded.checkVisibility({contentVisibilityAuto: true}))"""
    assert page.execute_script(folded)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
