"""Take the pictures of a report and of the review pages for the docs, with the system's Chromium.

python scripts/screenshots.py reports/round-1/index.html docs/images
python scripts/screenshots.py corpus/round-1 docs/images

Of the folder of a round, which needs an audit.jsonl for the picture of that task, a copy is reviewed.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Union

from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
# name, width, colour scheme, and the section at the top of the picture
PICTURES = (
    ("report", 1280, "light", "run"),
    ("report_documents", 1280, "light", "documents"),
    ("report_dark", 1280, "dark", "silver"),
    ("report_phone", 390, "light", "students"),
)
# task, width and colour scheme
REVIEWS = (
    ("certify", 1280, "light"),
    ("disagreements", 1280, "dark"),
    ("audit", 1280, "light"),
    ("gold", 390, "light"),
)
HEIGHTS = {1280: 1600, 390: 1700}


@contextmanager
def open_page(path: Union[Path, str], width: int = 1280, scheme: str = "light") -> Iterator[Page]:
    """Open a page in a browser, a file without any network.

    path (Union[Path, str]): The file, or an address.
    width (int): The width of the window in pixels.
    scheme (str): "light" or "dark".
    YIELDS (Page): The page; `page.faults` lists what it wrote to the console.
    """
    if not Path(CHROMIUM).exists():
        raise FileNotFoundError(f"{CHROMIUM} is missing: install the package chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        size = {"width": width, "height": HEIGHTS.get(width, 1000)}
        is_file = isinstance(path, Path)
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=is_file)
        page = context.new_page()
        page.faults = []
        page.on("console", lambda message: page.faults.append(message.text))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(path.absolute().as_uri() if isinstance(path, Path) else path)
        yield page
        browser.close()


@contextmanager
def run_review(folder: Path, *arguments: str) -> Iterator["tuple[subprocess.Popen[str], str]"]:
    """Run the verb `review` in a process of its own.

    folder (Path): The folder of a round.
    arguments (str): Options.
    YIELDS (tuple[subprocess.Popen[str], str]): The process, and the address of its page.
    """
    command = [sys.executable, "-P", "-m", "spacy", "llmjudge", "review", str(folder)]
    process = subprocess.Popen(
        [*command, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=sys.stderr, text=True
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        yield process, next(word for line in lines for word in line.split() if "://" in word)
    finally:
        process.kill()
        process.wait()


def take_review_pictures(folder: Path, output: Path) -> None:
    """Take a picture of each task of a round, some on a phone or in the dark."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "corpus" / folder.name
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("review"))
        for file_ in folder.parent.glob("*.*"):
            shutil.copy(file_, copy.parent)
        for task, width, scheme in REVIEWS:
            if task == "audit" and not (copy / "audit.jsonl").exists():
                continue
            with run_review(copy, "--task", task) as (_, address):
                with open_page(address, width, scheme) as page:
                    page.set_viewport_size(
                        {"width": width, "height": 500 if width == 1280 else 720}
                    )
                    page.locator("#text .word").first.wait_for()
                    # some answers, so that there is something to see
                    for number, key in enumerate("aaaaaxaaaaaa", 1):
                        page.keyboard.press(key if task != "gold" else "a")
                        expect(page.locator("#count")).to_contain_text(f"{number} of")
                    size = "" if width == 1280 else "_phone"
                    dark = "" if scheme == "light" else "_dark"
                    path = output / f"review_{task}{dark}{size}.png"
                    page.screenshot(path=path, full_page=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path, help="the page, or the folder of a round")
    parser.add_argument("output", type=Path, help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.report.is_dir():
        take_review_pictures(arguments.report, arguments.output)
        return
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
