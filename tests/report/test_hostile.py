"""What comes from data is text on the page, whatever it says."""

from html.parser import HTMLParser

import pytest
from hostile_strings import FOLDER, HOSTILE
from report_helpers import make_round

from spacy_llmjudge.report.text import REPLACEMENT, clean, shorten
from spacy_llmjudge.steps.report import make_report
from spacy_llmjudge.storage import write_json

pytestmark = pytest.mark.slow

TAGS = set(
    "html head meta title style body header h1 h2 h3 nav ul li a main section p div figure table caption thead tbody"
    " tr th td form label select option output article small b mark span footer script svg g path defs use text"
    " clippath rect".split()
)


class Reader(HTMLParser):
    """Collects elements, and what stands between them."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module", params=["ents", "cats"])
def page(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round") / FOLDER
    inputs = make_round(folder, request.param, hostile=HOSTILE, n=4 * len(HOSTILE), q=0.5)
    commands = {f"step {i}": text for i, text in enumerate(HOSTILE)}
    write_json(inputs.metrics / "commands.json", commands)
    title = "".join(text[:50] for text in HOSTILE)
    inputs = type(inputs)(inputs.corpus, inputs.metrics, inputs.silver, title=title)
    page = make_report(inputs, folder / "out").read_text(encoding="utf8")
    return page


@pytest.mark.slow
def test_data_makes_no_element_and_no_attribute(page):
    elements = Reader(page).elements
    assert {tag for tag, _ in elements} <= TAGS
    assert sum(tag == "script" for tag, _ in elements) == 1
    for _, attributes in elements:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("src", "style")
        ]
        for name in ("href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")


def test_rows_have_as_many_cells_as_the_head_of_their_table(page):
    widths = []
    for tag, _ in Reader(page).elements:
        if tag == "table":
            widths.append([])
        elif tag == "tr":
            widths[-1].append(0)
        elif tag in ("th", "td"):
            widths[-1][-1] += 1
    assert len(widths) > 5 and all(len(set(table)) == 1 for table in widths), widths


def test_the_text_is_readable(page):
    text = "".join(Reader(page).texts)
    for hostile in HOSTILE[:28]:
        assert shorten(hostile) in text
    assert text.count("{{ 7 * 7 }}") > 1 and len(page) < 5_000_000


def test_nothing_on_the_page_controls_a_terminal_or_the_direction(page):
    for character in "\x00\x1b\x07\u202e\u2066\u200f\ufffe":
        assert character not in page


def test_the_policy_allows_the_one_script_and_the_one_style(page):
    policy = page.split('http-equiv="Content-Security-Policy" content="')[1].split('"')[0]
    assert policy.startswith("default-src &#39;none&#39;")
    assert "unsafe" not in policy and policy.count("sha256-") == 2


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_name_is_short_and_on_one_line(text):
    name = shorten(text)
    assert 0 < len(name) <= 120 and "\n" not in name
    assert all(c.isprintable() or c == "\u200d" or c == "\ufeff" for c in name)


def test_what_controls_is_made_visible_and_letters_stay():
    assert clean("a\x1b[31mred\x1b[0m \u202eb\x00") == f"ared {REPLACEMENT}b{REPLACEMENT}"
    assert clean("naïve Ωmega 中文 \U0001f469") == "naïve Ωmega 中文 \U0001f469"
    assert clean("\ud800") == REPLACEMENT
