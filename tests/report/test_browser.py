"""The page in the browser of the system: it opens from a file, runs no script of data, and fits."""

import os

import pytest
from accessibility import find_barriers
from hostile_strings import FOLDER, HOSTILE
from report_helpers import make_round
from screenshots import open_page

from spacy_llmjudge.steps.report import make_report

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page in Chromium; the tests below leave it as it was."""
    folder = tmp_path_factory.mktemp("round") / FOLDER
    inputs = make_round(folder, hostile=HOSTILE, n=2 * len(HOSTILE), q=0.5)
    with open_page(make_report(inputs, folder / "out")) as page:
        yield page


def test_it_opens_from_a_file_without_faults(page):
    assert page.url.startswith("file://")
    assert page.faults == []
    assert page.evaluate("window.ran") is None
    assert page.locator("h1").inner_text() == "A round"


def test_it_has_a_script_that_the_policy_lets_run_and_no_other(page):
    assert page.locator("#filters").is_visible()
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.ran=2>')"
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert "Content Security Policy" in page.faults.pop() and page.faults.clear() is None


@pytest.mark.parametrize("name", ["part", "kind", "label"])
def test_filters_leave_what_fits(page, name):
    total = page.locator(".example").count()
    options = page.locator(f"#{name} option").evaluate_all("all => all.map(one => one.value)")
    value = options[-1]
    page.select_option(f"#{name}", value)
    shown = page.locator(".example:visible")
    field = {"part": "part", "kind": "kinds", "label": "labels"}[name]
    said = shown.evaluate_all(f"all => all.map(one => one.dataset.{field})")
    assert said and all(value in one.split() for one in said)
    assert page.locator("#shown").inner_text() == f"{len(said)} of {total} documents"
    page.select_option(f"#{name}", "")
    assert page.locator(".example:visible").count() == total


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wider = page.evaluate(
        "Array.from(document.querySelectorAll('section > *, .example > *, figure'))"
        f".filter(one => one.getBoundingClientRect().right > {width} + 1).map(one => one.outerHTML.slice(0, 80))"
    )
    assert wider == []


def test_dark_pages_are_dark_and_their_plots_are_light(page):
    colours = "[document.documentElement, document.querySelector('svg text')].map(one => getComputedStyle(one))"
    read = f"(([page, text]) => [page.backgroundColor, text.fill])({colours})"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(read)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(read)
    page.emulate_media(color_scheme="light")
    assert light == ["rgb(255, 255, 255)", "rgb(26, 26, 26)"]
    assert dark == ["rgb(21, 24, 29)", "rgb(232, 234, 237)"]


def test_what_is_drawn_and_filtered_has_a_name_for_those_who_hear_the_page(page):
    for selector in ("svg.plot", ".scroll", "article"):
        names = page.locator(selector).evaluate_all(
            "all => all.map(one => one.getAttribute('aria-label'))"
        )
        assert names and all(names)
    assert page.locator("select").evaluate_all("all => all.every(one => one.labels.length == 1)")
    assert page.locator("th:not([scope])").count() == 0
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A report of few documents."""
    folder = tmp_path_factory.mktemp("plain")
    return make_report(make_round(folder, n=20, q=0.5), folder / "out")


def find_barriers_beside(page, path, width, scheme="light"):
    """What axe-core finds on a page of its own, in the browser of another one."""
    size = {"width": width, "height": 1000}
    browser = page.context.browser
    with browser.new_context(viewport=size, color_scheme=scheme, offline=True) as context:
        other = context.new_page()
        other.goto(path.absolute().as_uri())
        return find_barriers(other)


@pytest.mark.parametrize(
    "width, scheme", [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_axe_finds_no_serious_fault(page, plain, width, scheme):
    assert find_barriers_beside(page, plain, width, scheme) == []


def test_axe_finds_no_serious_fault_among_hostile_labels_and_texts(page, tmp_path):
    inputs = make_round(tmp_path, hostile=HOSTILE, n=len(HOSTILE), q=0.5)
    assert find_barriers_beside(page, make_report(inputs, tmp_path / "out"), 390) == []


def test_on_paper_everything_is_there(page):
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    assert page.locator(".example:visible").count() == page.locator(".example").count()
    page.emulate_media(media="screen")


def test_a_browser_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("screenshots.CHROMIUM", os.fspath(tmp_path / "chromium"))
    with pytest.raises(FileNotFoundError, match="install the package chromium"):
        with open_page(tmp_path / "index.html"):
            pass
