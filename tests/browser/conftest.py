"""A headless Chromium, and pages that the program has generated."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from looks import settled
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = Path(__file__).parent.parent.parent
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
HOSTILE = "<script>document.title='taken'</script>\"'&"


#: The columns of `rollshare sample --layout facts`.
PROFILE = """
time.date = "day"
users.column = "installs"
channel = { column = "network", organic = ["Organic"] }
dimensions = { country = {}, os = {} }
"""


def program() -> str:
    """The path of the program that scripts/test_report.sh has built."""
    path = os.environ.get("ROLLSHARE_PROGRAM", str(ROOT / "target/light/rollshare"))
    if not Path(path).is_file():
        pytest.fail(f"no program at {path}: make light, or set ROLLSHARE_PROGRAM")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed: apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in [*FLAGS, f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        started = webdriver.Chrome(options=options, service=Service(driver))
        started.set_script_timeout(120)
        yield started
        started.quit()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of a published and a blocked run, both without names and times of runs, of two dimensions, of
    hostile names.
    """
    folder = tmp_path_factory.mktemp("pages")
    source, target = folder / "sample.parquet", folder / "target/share.parquet"
    target.parent.mkdir()

    def rollshare(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program(), *arguments], capture_output=True, text=True, check=False)

    assert rollshare("sample", "--rows", "40000", "--out", str(source)).returncode == 0
    arguments = ["--source", str(source), "--target", str(target)]
    assert rollshare("run", *arguments).returncode == 0
    blocked = rollshare("run", *arguments, "--organic", "Unknown")
    assert blocked.returncode == 4, blocked.stderr

    listed = json.loads(rollshare("report", "--target", str(target), "--json").stdout)
    names = {report["state"]: report["run"] for report in listed["reports"]}
    files = {}
    for state in ("published", "blocked"):
        files[state] = folder / f"{state}.html"
        shown = rollshare("report", names[state], "--target", str(target), "--html", str(files[state]))
        assert shown.returncode == 0, shown.stderr

        # The same page without what differs from run to run.
        printed = rollshare("report", names[state], "--target", str(target), "--json").stdout
        still = folder / f"{state}-still.json"
        still.write_text(json.dumps(settled(json.loads(printed), folder)))
        files[f"{state}-still"] = still.with_suffix(".html")
        shown = rollshare("report", str(still), "--html", str(files[f"{state}-still"]))
        assert shown.returncode == 0, shown.stderr

    facts, profile = folder / "facts.parquet", folder / "profile.toml"
    profile.write_text(PROFILE)
    assert rollshare("sample", "--rows", "300000", "--layout", "facts", "--out", str(facts)).returncode == 0
    by_keys = ["--source", str(facts), "--profile", str(profile), "--by", "country,os"]
    target_of_keys = str(folder / "keys/share.csv")
    published = rollshare("run", *by_keys, "--target", target_of_keys)
    assert published.returncode == 0, published.stderr
    files["keys"] = folder / "keys.html"
    shown = rollshare("report", "--target", target_of_keys, "--html", str(files["keys"]))
    assert shown.returncode == 0, shown.stderr

    text = rollshare("report", names["blocked"], "--target", str(target), "--json").stdout
    report = json.loads(text)
    report["target"] = report["run"] = HOSTILE
    report["sources"] = [HOSTILE]
    report["notes"] = [HOSTILE]
    for key in report["charts"]["shares"]["keys"][:1]:
        key["name"], key["members"] = HOSTILE, [HOSTILE]
    for country in report["charts"]["weeks"]["countries"][:1]:
        country["country"] = HOSTILE
    report["charts"]["coverage"]["countries"][:1] = [HOSTILE]
    report["charts"]["mix"]["channels"][:1] = [HOSTILE]
    for outcome in report["outcomes"]:
        for offender in outcome["offenders"]:
            offender["value"] = HOSTILE
    hostile = folder / "hostile.json"
    hostile.write_text(json.dumps(report))
    files["hostile"] = folder / "hostile.html"
    shown = rollshare("report", str(hostile), "--html", str(files["hostile"]))
    assert shown.returncode == 0, shown.stderr
    return files
