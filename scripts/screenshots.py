"""Take the pictures of a report for the README, with the system's Chromium.

python scripts/screenshots.py reports/round-1/index.html docs/images
"""

import argparse
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
# name, width, colour scheme, and the section at the top of the picture
PICTURES = (
    ("report", 1280, "light", "run"),
    ("report_documents", 1280, "light", "documents"),
    ("report_dark", 1280, "dark", "silver"),
    ("report_phone", 390, "light", "students"),
)
HEIGHTS = {1280: 1600, 390: 1700}


@contextmanager
def open_page(path: Path, width: int = 1280, scheme: str = "light") -> Iterator[Page]:
    """Open a file in a browser that has no network.

    path (Path): The page.
    width (int): The width of the window in pixels.
    scheme (str): "light" or "dark".
    YIELDS (Page): The page; `page.faults` lists what it wrote to the console.
    """
    if not Path(CHROMIUM).exists():
        raise FileNotFoundError(f"{CHROMIUM} is missing: install the package chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        size = {"width": width, "height": HEIGHTS.get(width, 1000)}
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
        page = context.new_page()
        page.faults = []
        page.on("console", lambda message: page.faults.append(message.text))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(path.absolute().as_uri())
        yield page
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path, help="the page")
    parser.add_argument("output", type=Path, help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, width, scheme, section in PICTURES:
        with open_page(arguments.report, width, scheme) as page:
            if section != PICTURES[0][3]:
                page.evaluate(f"document.getElementById('{section}').scrollIntoView()")
            if section == "documents":
                # those with the reason for every span
                page.select_option("#part", "silver")
            page.screenshot(path=arguments.output / f"{name}.png")


if __name__ == "__main__":
    main()
