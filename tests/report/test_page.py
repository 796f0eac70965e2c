"""The page as HTML: names of files and commands are text in it."""

from html.parser import HTMLParser

from hostile_strings import HOSTILE

from spacy_llmjudge.report.details import describe_provenance
from spacy_llmjudge.report.page import make_browser, render_page
from spacy_llmjudge.report.provenance import Provenance
from spacy_llmjudge.report.text import shorten


def read_page(files):
    """The elements and attributes of a page about such files, and its text."""
    provenance = Provenance(files=files, versions={}, settings={}, commands={})
    title = next(iter(files), "")
    page = render_page(title, [], make_browser([]), [describe_provenance(provenance)], [])
    parser, elements, texts = HTMLParser(), [], []
    parser.handle_starttag = lambda tag, attrs: elements.append((tag, [name for name, _ in attrs]))
    parser.handle_data = texts.append
    parser.feed(page)
    return elements, "".join(texts)


def test_the_name_of_a_file_makes_no_element():
    quiet = [f"f{i}" for i in range(len(HOSTILE))]
    plain, _ = read_page(dict.fromkeys(quiet, "1"))
    elements, text = read_page(dict.fromkeys(HOSTILE, "1"))
    assert elements == plain
    assert all(shorten(name) in text for name in HOSTILE)
    assert not set(text) & set("\x00\x1b\x07\u202e\u2066\u200f\ufffe")
