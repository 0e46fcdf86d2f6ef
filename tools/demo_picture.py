"""A picture of the page of `stn demo`, for docs/own-images.md: a run's model, an image picked, turned and cluttered.

python tools/demo_picture.py runs/colour docs/pictures/stn-demo.png

It needs a Chromium, as `make test-browser` does.
"""

import io
import shutil
import sys
from pathlib import Path

from demo_load import served
from PIL import Image
from playwright.sync_api import Page, sync_playwright

SIZE = {"width": 1180, "height": 800}
COLOURS = 128  # of the picture: enough for a page, and a quarter of the bytes
PATIENCE = 120_000  # milliseconds


def main(run: Path, output: Path) -> None:
    """Serve, arrange, photograph."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with served(run) as (address, *_), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--headless"])
        tab = browser.new_page(viewport=SIZE)
        tab.set_default_timeout(PATIENCE)
        tab.goto(address)
        tab.locator("#crops svg").first.wait_for()
        tab.locator("#examples button").nth(5).click()
        for name, value in (("turn", "15"), ("scale", "0.8"), ("clutter", "3")):
            _move(tab, name, value)
        shot = Image.open(io.BytesIO(tab.screenshot()))
        browser.close()
    shot.convert("RGB").quantize(COLOURS).save(output, optimize=True)


def _move(tab: Page, name: str, value: str) -> None:
    """Move a slider, and wait for what that changes."""
    before = tab.locator("#region").inner_html()
    tab.locator(f"#{name} input[type=number]").fill(value)
    tab.locator(f"#{name} input[type=number]").press("Enter")
    changed = "before => document.querySelector('#region').innerHTML !== before"
    tab.wait_for_function(changed, arg=before)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
