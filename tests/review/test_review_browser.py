"""The pages in the browser of the system: keys and mouse, two widths, a killed server, two tabs, hostile data."""

import re

import pytest
from accessibility import find_barriers
from hostile_strings import FOLDER, HOSTILE
from playwright.sync_api import expect
from review_helpers import (
    make_audit_session,
    make_disagreements_session,
    make_docs,
    make_gold_session,
    make_session,
    serving,
)
from screenshots import open_page
from spacy.tokens import Span

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    """One browser for all pages; each has its own session."""
    with open_page("about:blank") as page:
        yield page


@pytest.fixture
def open_review(browser):
    """A function that opens the page of a session, in a width and a colour scheme."""
    opened = []

    def show(session, width=1280, scheme="light"):
        server = serving(session)
        address = server.__enter__()
        context = browser.context.browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        page = context.new_page()
        opened.append((page, server))
        page.faults, page.address = [], address
        page.on("console", lambda message: page.faults.append(message.text))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(address)
        page.locator("#count").get_by_text("of").wait_for()
        return page

    yield show
    for page, server in opened:
        page.context.close()
        server.__exit__(None, None, None)


def press(page, key, status):
    page.keyboard.press(key)
    expect(page.locator("#status")).to_contain_text(status)


def counted(page, text):
    expect(page.locator("#count")).to_have_text(text)


def said(session, by="reviewer"):
    return [given[by] for given in session.answers.given.values()]


def test_keys_alone_answer_everything(tmp_path, open_review):
    session = make_session(tmp_path)
    page = open_review(session)
    bound = page.locator("#bound-value")
    expect(bound).to_have_text("At most 100.0 % are wrong.")
    first = page.locator("#text").inner_text()
    page.keyboard.press("a")
    counted(page, "1 of 5")
    assert page.locator("#text").inner_text() != first
    expect(bound).not_to_have_text("At most 100.0 % are wrong.")
    page.keyboard.press("x")
    counted(page, "2 of 5")
    expect(page.locator("#bound-text")).to_contain_text("2 random entities answered, 1 wrong")
    page.keyboard.press("u")
    counted(page, "1 of 5")
    page.keyboard.press("a")
    counted(page, "2 of 5")
    shown = page.locator("#text").inner_text()
    press(page, "Space", "counts as wrong until")
    assert page.locator("#text").inner_text() != shown
    for n in (3, 4, 5):
        page.keyboard.press("a")
        counted(page, f"{n} of 5")
    expect(page.locator("#question")).to_contain_text("Everything that was planned is answered")
    page.keyboard.press("g")
    counted(page, "5 of 16")
    assert len(session.answers.given) == 5 and page.faults == []


def test_a_label_and_a_boundary_are_changed_by_keys(tmp_path, open_review):
    session = make_session(tmp_path)
    page = open_review(session)
    item = session.task.items[0]
    (start, end, label), other = item.spans[0], "2" if item.spans[0][2] == "PEST" else "1"
    page.keyboard.press(other)
    expect(page.locator("#accept")).to_contain_text("accept the correction")
    press(page, "Shift+ArrowRight", "Change kept")
    press(page, "Shift+ArrowRight", "Change kept")
    press(page, "Shift+ArrowLeft", "Change kept")
    # a change that was not accepted is there after the page was loaded again
    page.reload()
    expect(page.locator("#accept")).to_contain_text("accept the correction")
    page.keyboard.press("a")
    counted(page, "1 of 5")
    changed = "PLANT" if label == "PEST" else "PEST"
    assert said(session) == [((start, end + 1, changed),)]
    expect(page.locator("#bound-text")).to_contain_text("1 wrong")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_mouse_does_the_same(tmp_path, open_review, width):
    session = make_session(tmp_path)
    page = open_review(session, width)
    item = session.task.items[0]
    (start, end, label) = item.spans[0]
    # from the marked word to the one after it
    words = page.locator("#text .word:not(:empty)")
    page.locator(f"#text .word[data-i='{start}']").first.hover()
    page.mouse.down()
    page.locator(f"#text .word[data-i='{start + 1}']").first.hover()
    page.mouse.up()
    expect(page.locator("#accept")).to_contain_text("accept the correction")
    page.locator("#accept").click()
    counted(page, "1 of 5")
    assert said(session) == [((start, end + 1, label),)] and words.count()
    page.locator("#reject").click()
    counted(page, "2 of 5")
    # the button that was clicked is not pressed again by the bar
    press(page, "Space", "Skipped")
    page.locator("#undo").click()
    counted(page, "1 of 5")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_document_is_corrected_by_keys(tmp_path, open_review):
    session, saved = make_gold_session(tmp_path)
    page = open_review(session)
    # slugs, hostas: remove the second, relabel the first, add "number 1"
    page.keyboard.press("ArrowRight")
    press(page, "x", "Change kept")
    expect(page.locator("#span-list li")).to_have_count(1)
    page.keyboard.press("2")
    page.keyboard.press("n")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#span-list li")).to_have_count(2)
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("1")
    page.keyboard.press("a")
    counted(page, "1 of 3")
    (text, spans) = saved[0]
    assert spans[0] == (0, 1, "PLANT") and spans[1][2] == "PEST" and len(spans) == 2
    assert spans[1][1] == 5 and text.startswith("Slugs")


def test_a_document_is_corrected_by_the_mouse(tmp_path, open_review):
    session, saved = make_gold_session(tmp_path)
    page = open_review(session, 390)
    page.locator("#text .word[data-i='3']").first.hover()
    page.mouse.down()
    page.locator("#text .word[data-i='4']").first.hover()
    page.mouse.up()
    expect(page.locator("#span-list li")).to_have_count(3)
    page.locator("#label-buttons button").nth(1).click()
    page.locator("#span-list button").first.click()
    page.locator("#reject").click()
    expect(page.locator("#span-list li")).to_have_count(2)
    page.locator("#accept").click()
    counted(page, "1 of 3")
    assert saved[0][1] == ((2, 3, "PLANT"), (3, 5, "PLANT"))


def test_two_tabs_do_not_count_twice(tmp_path, open_review):
    session = make_session(tmp_path)
    page = open_review(session)
    other = page.context.new_page()
    other.goto(page.address)
    other.locator("#count").get_by_text("of").wait_for()
    page.keyboard.press("a")
    counted(page, "1 of 5")
    # the other tab still shows the first item
    other.keyboard.press("x")
    counted(other, "1 of 5")
    assert said(session) == [()]
    other.keyboard.press("a")
    counted(other, "2 of 5")
    page.keyboard.press("a")
    counted(page, "2 of 5")
    assert len(session.answers.given) == 2


def test_two_people_see_how_often_they_agree(tmp_path, open_review):
    session = make_session(tmp_path, people=2)
    page = open_review(session)
    for name, keys in (("Ann", "aax"), ("Bo", "axx")):
        page.locator("#name").fill(name)
        page.locator("#name").press("Enter")
        expect(page.locator("body")).to_have_attribute("aria-busy", "false")
        expect(page.locator("#undo")).to_be_disabled()
        for n, key in enumerate(keys, 1):
            shown = page.locator("#text").text_content()
            page.keyboard.press(key)
            if name == "Bo":
                counted(page, f"{n} of 5")
            else:
                expect(page.locator("#text")).not_to_have_text(shown)
    expect(page.locator("#agreement")).to_have_text("Ann and Bo agree on 2 of 3.")


def test_a_server_that_is_gone_is_said_and_nothing_is_lost(tmp_path, open_review):
    session = make_session(tmp_path)
    with serving(session) as address:
        page = open_review(session)
        page.goto(address)
        page.locator("#count").get_by_text("of").wait_for()
        page.keyboard.press("a")
        counted(page, "1 of 5")
    page.keyboard.press("a")
    expect(page.locator("#alert")).to_contain_text("The server does not answer")
    counted(page, "1 of 5")
    again = open_review(make_session(tmp_path))
    counted(again, "1 of 5")
    again.keyboard.press("a")
    counted(again, "2 of 5")


def test_keys_that_are_held_or_come_too_soon_answer_one_item(tmp_path, open_review):
    session = make_session(tmp_path)
    page = open_review(session)
    press_held = "new KeyboardEvent('keydown', {key: 'a', repeat: %s, bubbles: true})"
    for repeat in ("false", "true", "true"):
        page.locator("body").evaluate(f"body => body.dispatchEvent({press_held % repeat})")
    counted(page, "1 of 5")
    # typed into the field of the name, keys are letters
    page.locator("#name").press("a")
    page.locator("#name").press("x")
    counted(page, "1 of 5")


TASKS = {
    "certify": make_session,
    "audit": make_audit_session,
    "disagreements": make_disagreements_session,
    "gold": lambda *args, **kwargs: make_gold_session(*args, **kwargs)[0],
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("width, scheme", [(1280, "light"), (1280, "dark"), (390, "light")])
def test_axe_finds_no_serious_fault(tmp_path, open_review, task, width, scheme):
    page = open_review(TASKS[task](tmp_path), width, scheme)
    assert find_barriers(page) == []
    # with something answered and all folded parts open
    page.keyboard.press("a")
    expect(page.locator("#count")).to_contain_text("1 of")
    page.locator("details:visible").evaluate_all("all => all.forEach(one => one.open = true)")
    assert find_barriers(page) == []


@pytest.mark.parametrize("task", TASKS)
def test_axe_finds_no_serious_fault_among_hostile_labels_and_texts(tmp_path, open_review, task):
    labels = [text for text in HOSTILE if "\x00" not in text]
    docs = [doc for text in labels for doc in make_docs(1, labels, word=text)]
    page = open_review(TASKS[task](tmp_path, docs, labels=labels), 390)
    assert find_barriers(page) == []


def test_axe_sees_a_field_without_a_name(tmp_path, open_review):
    page = open_review(make_session(tmp_path))
    page.locator("label[for=name]").evaluate("one => one.remove()")
    assert [one.partition(":")[0] for one in find_barriers(page)] == ["label"]


@pytest.mark.parametrize("task, width", [*((task, 1280) for task in TASKS), ("certify", 390)])
def test_hostile_labels_and_texts_are_text(tmp_path, open_review, task, width):
    """As a label, as a text, as the words of a span, and in the name of the folder."""
    docs = []
    for text in HOSTILE:
        doc = make_docs(1, word=text)[0]
        doc.ents = [Span(doc, 0, 2, label=text)]
        docs.append(doc)
    folder = tmp_path / FOLDER
    planned = {"planned": len(docs)} if task == "certify" else {}
    page = open_review(TASKS[task](folder, docs, labels=HOSTILE, **planned), width)
    for n in range(1, len(docs) + 1):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        text = page.locator("#text").text_content()
        assert not set(text) & set("\u202e\x1b\x00") and "hostas" in text
        # the label goes back as it came
        page.keyboard.press("a")
        counted(page, f"{n} of {len(docs)}")
    assert page.evaluate("window.ran") is None and page.faults == []
    assert page.locator("img, iframe, svg, form:not(#person)").count() == 0
    if task == "certify":
        expect(page.locator("#bound-text")).to_contain_text("0 wrong")


def test_no_script_of_others_runs(tmp_path, open_review):
    page = open_review(make_session(tmp_path))
    page.locator("body").evaluate(
        "body => body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.ran=2>')"
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in fault for fault in page.faults)


def test_a_page_elsewhere_can_do_nothing(tmp_path, open_review):
    """Even with the token: the browser says where a request comes from."""
    session, other = make_session(tmp_path / "a"), make_session(tmp_path / "b")
    page = open_review(session)
    with serving(other) as address:
        code = """async address => {
            const options = { method: "POST", body: "{}", mode: "no-cors" };
            const found = [];
            for (const ask of [() => fetch(address + "undo", options), () => fetch(address + "state?by=x")])
                try { await ask(); found.push("answered"); } catch (error) { found.push("refused"); }
            return found;
        }"""
        assert page.locator("body").evaluate(f"(_, a) => ({code})(a)", address) == ["refused"] * 2


def test_what_is_on_the_page_has_names_and_no_colour_is_needed(tmp_path, open_review):
    session = make_session(tmp_path)
    page = open_review(session)
    assert page.locator("html").get_attribute("lang") == "en"
    for selector in ("input", "select"):
        assert page.locator(selector).evaluate_all(
            "all => all.every(one => one.labels.length == 1)"
        )
    names = page.locator("button").evaluate_all("all => all.map(one => one.textContent.trim())")
    assert all(names)
    for selector in ("section", "article", "progress", "[role=group]", "ul"):
        got = page.locator(selector).evaluate_all(
            "all => all.filter(one => one.id != 'span-list').map(one => one.getAttribute('aria-label'))"
        )
        assert all(got), selector
    assert page.locator("[role=status]").count() == page.locator("[role=alert]").count() == 1
    # brackets, a line and the name of the label mark a span without its colour
    (_, _, label) = session.task.items[0].spans[0]
    assert re.search(rf"\[\w+\]{label}", page.locator("#text").inner_text())
    lines = page.locator("#text .in").first.evaluate(
        "one => getComputedStyle(one).textDecorationLine"
    )
    assert lines == "underline"


def test_dark_pages_are_dark(tmp_path, open_review):
    page = open_review(make_session(tmp_path))
    colour = "() => getComputedStyle(document.documentElement).backgroundColor"
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found.append(page.locator("html").evaluate(colour))
    assert found == ["rgb(255, 255, 255)", "rgb(21, 24, 29)"]


def test_what_labels_mean_can_be_looked_up(tmp_path, open_review):
    page = open_review(make_session(tmp_path))
    expect(page.locator("#guidelines")).to_be_hidden()
    session = make_session(tmp_path / "other")
    label = session.task.labels[0]
    session.meanings = {
        label: "harms <img src=x onerror=window.ran=1> plants",
        "UNKNOWN": "nothing",
    }
    page = open_review(session)
    page.get_by_text("What the labels mean").click()
    expect(page.locator("#meanings dt")).to_have_text([label])
    expect(page.locator("#meanings dd")).to_have_text([session.meanings[label]])
    assert page.evaluate("window.ran") is None
