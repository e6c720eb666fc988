"""Faults of the pages of the built site, in their links and in how they look in a browser."""

from __future__ import annotations

import base64
import io
import os
import shutil
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)


class Look(NamedTuple):
    """A way to look at the site."""

    name: str
    width: int
    height: int
    scheme: str


LOOKS = (
    Look("desktop-light", 1280, 900, "light"),
    Look("desktop-dark", 1280, 900, "dark"),
    Look("phone", 390, 844, "light"),
)


class Page(HTMLParser):
    """Links, anchors and resources of an HTML file."""

    def __init__(self, path):
        super().__init__()
        self.links, self.resources, self.anchors = [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag == "link" and found.get("href"):
            self.resources.append(found["href"])
        elif found.get("src"):
            self.resources.append(found["src"])


def wrong_links(site):
    """Broken links of all pages, and resources that are missing or outside of the site."""
    pages = {path: Page(path) for path in site.rglob("*.html")}
    wrong = []
    for path, page in pages.items():
        for target in page.links + page.resources:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if target in page.resources and parts.scheme != "data":
                    wrong.append(f"{path.name}: {target} is not in the site")
                continue
            place = site if parts.path.startswith("/") else path.parent
            file = (place / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            file = file / "index.html" if file.is_dir() else file
            if not file.exists():
                wrong.append(f"{path.name}: {target} does not exist")
            elif "=" in parts.fragment and file.name == "playground.html":
                continue  # the state of the playground
            elif parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].anchors:
                wrong.append(f"{path.name}: {target} has no such anchor")
    return wrong


def chromium():
    """The browser and its driver, or None if they are missing. That is an error if CI is set."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if all(found):
        return found
    if os.environ.get("CI"):
        raise FileNotFoundError("the site is looked at in Chromium: apt-get install chromium chromium-driver")
    return None


@contextmanager
def browser(programs, profile):
    """A headless Chromium with a fresh profile."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(programs[1]))
    driver.set_page_load_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()


def look_as(driver, look, site=None):
    """Switch to another look. The palette that the site has stored is removed."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 500},
    )
    features = [{"name": "prefers-color-scheme", "value": look.scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    if site is not None:
        driver.get((site / "index.html").as_uri())
        driver.execute_script("localStorage.clear()")


STATE = """
const box = element => {
  const b = element.getBoundingClientRect();
  return [b.left + scrollX, b.top + scrollY, b.width, b.height].map(Math.round);
};
const shown = [...document.querySelectorAll("img, canvas, svg, object, iframe")];
const large = shown.filter(e => e.getBoundingClientRect().width > 100 && e.getBoundingClientRect().height > 60);
return {
  scheme: document.body.getAttribute("data-md-color-scheme"),
  width: document.documentElement.scrollWidth,
  height: document.documentElement.scrollHeight,
  background: getComputedStyle(document.body).backgroundColor,
  broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src),
  hidden: [...document.querySelectorAll(".klr-curve")].filter(e => !e.getBoundingClientRect().height).length,
  pictures: large.map(e => ({name: e.getAttribute("aria-label") || e.src || e.tagName, box: box(e)})),
  curves: [...document.querySelectorAll(".klr-curve")].map(e => {
    const line = e.querySelector(".klr-line");
    return {name: e.getAttribute("aria-label"), box: line ? box(line) : box(e),
            colour: line ? getComputedStyle(line).stroke : "none"};
  }),
};
"""


PAIRS = """
const wrong = [];
for (const table of document.querySelectorAll(".klr-pairs table")) {
  const frame = document.querySelector(".md-content__inner").getBoundingClientRect();
  const box = table.getBoundingClientRect();
  if (box.left < frame.left - 1 || box.right > frame.right + 1) wrong.push(`table of ${box.width} in ${frame.width}`);
  for (const code of table.querySelectorAll("td:nth-child(-n+2) code")) {
    const width = code.getBoundingClientRect().width;
    if (width < 200) wrong.push(`${width} pixels for ${code.textContent}`);
    const text = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    while (text.nextNode()) {
      for (const word of text.currentNode.data.matchAll(/[^\\s]+/g)) {
        const range = document.createRange();
        range.setStart(text.currentNode, word.index);
        range.setEnd(text.currentNode, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map(rect => Math.round(rect.top))).size > 1) wrong.push(`broken: ${word[0]}`);
      }
    }
  }
}
return [document.querySelectorAll(".klr-pairs td:nth-child(2) code").length, wrong];
"""
"""Pairs of lines on the page: how many there are, and what is wrong with how they are shown."""


ROWS = """
const wrong = [];
const frame = document.querySelector(".md-content__inner").getBoundingClientRect();
for (const cell of document.querySelectorAll("td[data-head]")) {
  for (const part of [cell, ...cell.querySelectorAll("code")]) {
    const box = part.getBoundingClientRect();
    if (box.width && (box.left < frame.left - 1 || box.right > frame.right + 1)) wrong.push(`outside: ${part.textContent}`);
  }
  for (const code of cell.querySelectorAll("code")) {
    const text = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    while (text.nextNode()) {
      for (const word of text.currentNode.data.matchAll(/[\\w.]+/g)) {
        const range = document.createRange();
        range.setStart(text.currentNode, word.index);
        range.setEnd(text.currentNode, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map(rect => Math.round(rect.top))).size > 1) wrong.push(`broken: ${word[0]}`);
      }
    }
  }
}
return [document.querySelectorAll("td[data-head] code").length, wrong];
"""
"""Code in the cells of tables that a phone shows one under the other: how many there are, and what cannot be read."""


def findings(driver, url, look, screenshot=None):
    """The faults of a page in a browser, in words."""
    driver.get_log("browser")
    driver.get(url)
    state = driver.execute_script(STATE)
    found = [f"console: {entry['message']}" for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    found += [f"picture not loaded: {source}" for source in state["broken"]]
    if state["width"] > look.width:
        found.append(f"wider than the window by {state['width'] - look.width} pixels")
    if state["scheme"] not in (None, {"light": "default", "dark": "slate"}[look.scheme]):
        found.append(f"shown in the palette {state['scheme']}")
    if state["hidden"]:
        found.append(f"{state['hidden']} curves are not shown")
    if state["pictures"] or screenshot:
        pixels, png = capture(driver, look.width, state["height"])
        found += blank(pixels, state)
        if screenshot:
            screenshot.parent.mkdir(parents=True, exist_ok=True)
            screenshot.write_bytes(png)
    return found


def capture(driver, width, height):
    """The whole page, as pixels and as PNG."""
    from PIL import Image

    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    answer = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    png = base64.b64decode(answer["data"])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int), png


def blank(pixels, state):
    """Empty pictures, and curves that are not visible over their whole length."""
    found = []
    for picture in state["pictures"]:
        part = cut(pixels, picture["box"])
        common = np.median(part.reshape(-1, 3), axis=0) if part.size else 0
        if part.size == 0 or (np.abs(part - common).max(axis=-1) > 40).mean() < 0.003:
            found.append(f"empty picture: {picture['name']}")
    for curve in state["curves"]:
        part = cut(pixels, curve["box"], margin=2)
        if curve["colour"] == "none" or part.size == 0 or seen(part, rgb(curve["colour"])) < 0.95:
            found.append(f"no curve to be seen: {curve['name']}")
        elif contrast(rgb(curve["colour"]), rgb(state["background"])) < 3:
            found.append(f"too little contrast: {curve['name']}")
    return found


def cut(pixels, box, margin=0):
    left, top, width, height = box
    return pixels[max(top - margin, 0) : top + height + margin, max(left, 0) : left + width]


def seen(part, colour):
    """The share of columns in which a pixel has nearly the colour."""
    return (np.abs(part - colour).max(axis=-1) < 60).any(axis=0).mean()


def rgb(text):
    numbers = text[text.index("(") + 1 : text.index(")")].replace(",", " ").split()
    return np.array([float(number) for number in numbers[:3]])


def contrast(a, b):
    """The contrast ratio of WCAG 2.2."""
    shares = [np.where(c / 255 <= 0.04045, c / 255 / 12.92, ((c / 255 + 0.055) / 1.055) ** 2.4) for c in (a, b)]
    light = sorted(float(share @ [0.2126, 0.7152, 0.0722]) for share in shares)
    return (light[1] + 0.05) / (light[0] + 0.05)


def pages_of(site):
    """Every page that a reader can reach. 404.html is for servers."""
    return sorted(path for path in Path(site).rglob("*.html") if path.name != "404.html")
