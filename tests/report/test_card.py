"""The model card, and the README of the wheel that it becomes."""

import shutil
import subprocess
import sys
import zipfile
from functools import partial
from html.parser import HTMLParser

import pytest
from hostile_strings import FOLDER, HOSTILE
from markdown_it import MarkdownIt
from report_helpers import make_round
from screenshots import open_page

from spacy_llmjudge.corpora.guidelines import LabelGuideline, to_json
from spacy_llmjudge.report.card import CardFacts, Speed, escape, make_card
from spacy_llmjudge.report.text import shorten
from spacy_llmjudge.steps.card import find_processor, make_model_card
from spacy_llmjudge.steps.report import make_report
from spacy_llmjudge.storage import read_json, write_json

EMPTY = CardFacts(
    "en_mine", "1.2.0", "en", "ents", ["tok2vec", "ner"], {"PLANT": [], "PEST": ["mark mites."]}
)


def test_what_is_not_known_is_said():
    card = make_card(EMPTY)
    assert "**PLANT**: no definition was given" in card and "**PEST**: mark mites." in card
    for text in (
        "It was not scored on a test set.",
        "Nothing is known about it.",
        "None was named.",
    ):
        assert text in card
    assert 'spacy.load("en_mine")' in card


def test_scores_statement_and_speed_are_those_of_the_run(tmp_path):
    inputs = make_round(tmp_path)
    selection, summary, judged = (
        read_json(inputs.metrics / f"{name}.json") for name in ("selection", "summary", "judged")
    )
    speed = Speed(40, 12345.6, "A processor", 2)
    facts = EMPTY._replace(
        selection=selection,
        summary=summary,
        judged=judged,
        speed=speed,
        licence="MIT",
        megabytes=91.4,
    )
    card = make_card(facts)
    assert escape(selection["statement"], 2000) in card
    for label, found in judged["spacy"]["per_type"].items():
        low, high = (100 * judged["intervals"][label][key] for key in ("f_low", "f_high"))
        assert (
            f"| {label} | {100 * found['p']:.1f} |" in card
            and f"| {low:.1f} to {high:.1f} |" in card
        )
    assert "12,346 words a second on A processor with 2 thread(s)" in card
    assert "91 MB" in card and card.rstrip().endswith("MIT")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_labels_make_no_markup(text):
    card = make_card(EMPTY._replace(labels={text: [text]}))
    line = next(line for line in card.splitlines() if line.startswith("- **"))
    assert "<" not in line
    plain = line.replace("\\\\", "")
    for sign in "`[]|#$":
        assert plain.count(sign) == plain.count("\\" + sign)


def read_card(text):
    """The HTML of a card with a text of data in every place, as a reader of Markdown makes it."""
    scores = {"p": 0.4, "r": 0.4, "f": 0.4, "f_low": 0.3, "f_high": 0.5}
    certificate = {
        "statement": text,
        "agreement": [{"first": text, "second": text, "same": 1, "both": 2}],
        "pac": {"statement": text},
    }
    facts = EMPTY._replace(
        pipeline=["ner", text],
        labels={text: [text, text], "PEST": []},
        encoder=text,
        selection={
            "documents": {"silver": 3},
            "spans": 4,
            "statement": f"Of {text} few are wrong.",
        },
        summary={"judged": scores},
        judged={"documents": 5, "spacy": {"per_type": {text: scores, "PEST": scores}}},
        certificate=certificate,
        speed=Speed(5, 10.0, text, 1),
        licence=f"That of {text}",
    )
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    return reader.render(make_card(facts))


def elements_in(html):
    """The elements with their attributes, in order, and the text of a page."""
    parser, elements, texts = HTMLParser(), [], []
    parser.handle_starttag = lambda tag, attrs: elements.append((tag, attrs))
    parser.handle_data = texts.append
    parser.handle_comment = parser.handle_decl = parser.unknown_decl = elements.append
    parser.feed(html)
    return elements, "".join(texts)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_comes_from_data_is_text_wherever_the_card_has_it(text):
    plain, _ = elements_in(read_card("plain"))
    elements, shown = elements_in(read_card(text))
    assert elements == plain
    # label, processor, and name of the encoder, which may be a folder
    assert shown.count(shorten(text)[:100]) > 10
    assert not set(shown) & set("\x00\x1b\x07\u202e\u2066\u200f\ufffe")


@pytest.mark.slow
def test_no_browser_runs_what_is_in_a_card(tmp_path):
    page = tmp_path / f"{FOLDER}.html"
    page.write_text("<!doctype html>" + "".join(map(read_card, HOSTILE)), encoding="utf8")
    with open_page(page) as opened:
        opened.mouse.move(200, 200)
        assert opened.evaluate("window.ran") is None and opened.faults == []
        assert opened.locator("script, img, svg, iframe, form, style, link, meta, a").count() == 0


@pytest.mark.slow
def test_the_wheel_carries_the_card(small_student, small_corpus, small_dataset, tmp_path):
    arguments = [
        small_student,
        tmp_path,
        "--corpus",
        small_corpus,
        "--assets",
        small_dataset,
        "--licence",
        "MIT",
    ]
    command = [sys.executable, "-m", "spacy", "llmjudge", "package", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("**/dist/*.whl")
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith("METADATA"))
        readme = archive.read(metadata).decode("utf8")
    assert "**PEST**: mark named insects, mites" in readme
    assert f"words a second on {escape(find_processor())}" in readme


@pytest.mark.slow
def test_the_card_of_a_student_knows_its_labels_and_its_size(small_student, small_corpus, tmp_path):
    corpus = shutil.copytree(small_corpus, tmp_path / "corpus")
    write_json(corpus / "labels.json", to_json({"PEST": LabelGuideline(definition="harms")}))
    card = make_model_card(small_student, corpus, name="mine", version="0.1.0")
    assert "**PEST**: harms\n" in card and "**PLANT**: no definition was given" in card
    assert "60 labelled, 50 dev, 90 pool" in card
    for label in ("PLANT", "PEST", "TOOL"):
        assert f"**{label}**" in card
    assert "words a second" in card and "MB on disk" in card


def test_the_card_of_a_student_that_has_not_changed_is_the_same(
    small_student, small_corpus, tmp_path
):
    """It goes into the wheel, which would be built again for another figure."""
    make = partial(
        make_model_card, small_student, small_corpus, tmp_path, name="mine", version="0.1.0"
    )
    card = make()
    assert make() == card
    assert "words a second" in card and (tmp_path / ".speed.made").exists()


def test_what_labels_mean_stands_in_the_report(tmp_path):
    inputs = make_round(tmp_path)
    said = {"PEST": LabelGuideline("", "harms <plants>", ("slugs",), ("bees",))}
    write_json(inputs.corpus / "labels.json", to_json(said))
    page = make_report(inputs, tmp_path / "report").read_text(encoding="utf8")
    assert "<td>harms &lt;plants&gt;</td><td>slugs</td><td>bees</td>" in page
    assert '<section id="labels"' in page
    (inputs.corpus / "labels.json").unlink()
    page = make_report(inputs, tmp_path / "report").read_text(encoding="utf8")
    assert '<section id="labels"' not in page
