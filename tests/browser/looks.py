"""What the page looks like: screenshots that are compared with references in tests/browser/looks/.

Chromium's versions and a machine's fonts differ, so the page is drawn with the font of the charts, at fixed
sizes, and compared block by block (the header, each section, the footer): its box, and its grey picture at an
eighth of the size, blurred. What moves a block moves no other one's picture.

`make looks` draws the references again, and the pictures of the page in docs/.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageFilter
from selenium import webdriver

ROOT = Path(__file__).parent.parent.parent
REFERENCES = Path(__file__).parent / "looks"
FONT = ROOT / "src/report/chart/font/DejaVuSans-subset.ttf"

#: Width in CSS pixels and medium of each look; paper is A4 with the margins of Chromium's default.
LOOKS = {
    "wide-light": (1280, "light"),
    "wide-dark": (1280, "dark"),
    "narrow-light": (390, "light"),
    "narrow-dark": (390, "dark"),
    "print": (718, "print"),
}
#: Pixels of the page, in each direction, that are one of a reference.
SCALE = 8
#: Grey levels of a reference that are one in its file.
LEVELS = 8
#: How far the grey of a blurred pixel may be from its reference, of 255.
TOLERANCE = 20
#: How far a box may be from its reference: pixels, or a part of the length.
PIXELS, PART = 6, 0.02

#: The blocks of the page with their boxes; a block is named by its heading, and by its number if it has none.
BOXES = """
const blocks = [...document.querySelectorAll('body > header, main > *, body > footer')];
const page = document.documentElement;
return [['page', [0, 0, page.scrollWidth, page.scrollHeight]], ...blocks.map((block, at) => {
  const box = block.getBoundingClientRect(), heading = block.querySelector('h2');
  const name = heading ? heading.textContent : block.tagName.toLowerCase() + ' ' + at;
  return [name, [box.x + scrollX, box.y + scrollY, box.width, box.height].map(Math.round)];
}).filter(([_, box]) => box[2] && box[3])];
"""
FONTS = """
const [font, done] = arguments;
const style = document.createElement('style');
style.textContent = `@font-face{font-family:looks;src:url(data:font/ttf;base64,${font})}
*{font-family:looks!important;animation:none!important;transition:none!important}`;
document.head.append(style);
Promise.all(['16px looks', 'bold 16px looks'].map(font => document.fonts.load(font)))
  .then(faces => document.fonts.ready.then(() => done(faces.flat().length)));
"""


@dataclass
class Look:
    """The boxes of the blocks of a page, by name, in its pixels, and the reduced picture of each block."""

    boxes: dict[str, list[int]]
    pictures: dict[str, Image.Image]
    shot: bytes = b""

    def save(self, name: str) -> None:
        """Write the references of a look: the pictures one below the other, and the boxes."""
        sizes = {block: picture.size for block, picture in self.pictures.items()}
        size = (max(width for width, _ in sizes.values()), sum(height for _, height in sizes.values()))
        whole, top = Image.new("L", size), 0
        for block, picture in self.pictures.items():
            whole.paste(picture, (0, top))
            top += sizes[block][1]
        REFERENCES.mkdir(exist_ok=True)
        whole.point(lambda grey: min(255, (grey + LEVELS // 2) // LEVELS * LEVELS)).save(
            REFERENCES / f"{name}.png", optimize=True
        )
        lines = ",\n".join(f"{json.dumps(block)}: {json.dumps(box)}" for block, box in self.boxes.items())
        (REFERENCES / f"{name}.json").write_text(f"{{\n{lines}\n}}\n")

    @staticmethod
    def load(name: str) -> Look:
        """Read the references of a look."""
        boxes = json.loads((REFERENCES / f"{name}.json").read_text())
        whole, top, pictures = Image.open(REFERENCES / f"{name}.png"), 0, {}
        for block, box in list(boxes.items())[1:]:
            width, height = reduced(box)
            pictures[block] = whole.crop((0, top, width, top + height))
            top += height
        return Look(boxes, pictures)


def reduced(box: list[int]) -> tuple[int, int]:
    """The size of a block's picture."""
    return max(1, round(box[2] / SCALE)), max(1, round(box[3] / SCALE))


def picture(shot: bytes, height: int, path: Path) -> None:
    """Write the top of a screenshot for the documents."""
    whole = Image.open(io.BytesIO(shot)).convert("RGB")
    whole.crop((0, 0, whole.width, min(height, whole.height))).quantize(64).save(path, optimize=True)


def settled(report: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A report without what differs from run to run: names, times, folders, version."""
    text = json.dumps(report).replace(str(folder), "/data")
    names: dict[str, str] = {}
    for name in re.findall(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}", text):
        names.setdefault(name, f"20261201T060000.00{len(names)}Z-0123456{len(names)}")
    for name, other in names.items():
        text = text.replace(name, other)
    report = json.loads(text)
    report |= {"version": "0.1.0", "started": "2026-12-01T06:00:00Z", "finished": "2026-12-01T06:00:01Z"}
    report["seconds"] = 0.1
    return report


def capture(browser: webdriver.Chrome, page: Path, name: str, fault: str = "") -> Look:
    """Draw the page in one of the looks; `fault` is a script that damages it first."""
    width, medium = LOOKS[name]
    device = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    media: dict[str, Any] = {"media": "print" if medium == "print" else "screen"}
    media["features"] = [{"name": "prefers-color-scheme", "value": "dark" if medium == "dark" else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    # The page forbids fonts, those in itself too.
    browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    try:
        browser.get(page.as_uri())
        faces = browser.execute_async_script(FONTS, base64.b64encode(FONT.read_bytes()).decode())
        assert faces == 2, "the font of the charts was not loaded"
        if fault:
            browser.execute_script(fault)
        boxes = dict(browser.execute_script(BOXES))
        shot = {"x": 0, "y": 0, "width": width, "height": boxes["page"][3], "scale": 1}
        taken = browser.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": shot}
        )
    finally:
        browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": False})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    png = base64.b64decode(taken["data"])
    if folder := os.environ.get("ROLLSHARE_SCREENSHOTS"):
        (Path(folder) / f"{page.stem}-{name}.png").write_bytes(png)
    whole = Image.open(io.BytesIO(png)).convert("L")
    pictures = {
        block: whole.crop((x, y, x + wide, y + high)).resize(
            reduced([x, y, wide, high]), Image.Resampling.BOX
        )
        for block, (x, y, wide, high) in list(boxes.items())[1:]
    }
    return Look(boxes, pictures, png)


def differences(look: Look, reference: Look) -> list[str]:
    """What differs from the reference, a sentence a block; nothing if the page looks as it should."""
    if list(look.boxes) != list(reference.boxes):
        return [f"the blocks are {list(look.boxes)}, not {list(reference.boxes)}"]
    found = []
    for block, box in reference.boxes.items():
        # Where a block begins depends on those before it: its height is compared, and what is left of it.
        seen = look.boxes[block]
        pairs = [(seen[at], box[at], side) for at, side in ((0, "left"), (2, "width"), (3, "height"))]
        found += [
            f"{block}: {side} {now} pixels, not {then}"
            for now, then, side in pairs
            if abs(now - then) > max(PIXELS, PART * then)
        ]
    for block, picture in reference.pictures.items():
        blurred = [
            each.filter(ImageFilter.BoxBlur(1))
            for each in (look.pictures[block].resize(picture.size), picture)
        ]
        apart = ImageChops.difference(*blurred)
        most = apart.getextrema()[1]
        if most > TOLERANCE:
            place = apart.point(lambda grey: 255 if grey > TOLERANCE else 0).getbbox()
            found.append(
                f"{block}: grey differs by up to {most} of 255 in {[SCALE * side for side in place or ()]} "
                "(left, top, right, bottom in pixels of the block)"
            )
    return found
