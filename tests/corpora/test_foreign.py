"""Files that are something else than their name says are refused before they become documents."""

import gzip
import json
import zipfile

import pytest
from corpora_helpers import read_file
from hypothesis import given
from hypothesis import strategies as st

from spacy_llmjudge.corpora.formats import SUFFIXES
from spacy_llmjudge.errors import LLMJudgeError

ROWS = [{"text": "Slugs ate the hostas", "spans": []}, {"text": "It rained", "spans": []}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"
TEXTS = [
    ("%PDF-1.4\n1 0 obj\n", "a PDF"),
    ("{\\rtf1\\ansi Slugs}\n", "word processor"),
    ("\ufeff<!DOCTYPE HTML>\n<body>Slugs</body>\n", "HTML"),
    ("<?xml version='1.0'?>\n<text>Slugs</text>\n", "XML"),
    (LINES, "JSON"),
    ('\n  [\n {"text": "Slugs"}\n]\n', "JSON"),
    (json.dumps(ROWS), "JSON"),
    ("id,text\n1,Slugs\n", "a table"),
    ("Text;Label\nSlugs;pest\n", "a table"),
    ("sentence\tlabel\nSlugs\tpest\n", "a table"),
    ('text,label\n"Slugs ate it,\nall of it",pest\n', "a table"),
    ('{\n  "text": "Slugs"\n}\n', "JSON"),
    ('[\n  "Slugs ate it",\n  "It rained"\n]\n', "JSON"),
    ('["Slugs ate it", {"entities": []}]\n', "JSON"),
    ('<html lang="en">\n<p>Slugs</p>\n', "HTML"),
    ("<html>Slugs ate it</html>\n", "HTML"),
    ("<HTML><HEAD><TITLE>Slugs\n", "HTML"),
]


def error_of(path):
    with pytest.raises(LLMJudgeError) as caught:
        read_file(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("text,kind", TEXTS)
def test_text_files_of_another_kind(tmp_path, text, kind):
    path = tmp_path / "pool.txt"
    path.write_text(text, encoding="utf8")
    message = error_of(path)
    assert "[J995]" in message and "pool.txt" in message and kind in message


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s not in (".spacy", ".parquet")])
@pytest.mark.parametrize("kind", ["gzip", "archive", "parquet", "database", "Git LFS"])
def test_archives_and_pointers_under_every_name(tmp_path, suffix, kind):
    path = tmp_path / f"pool{suffix}"
    if kind == "gzip":
        path.write_bytes(gzip.compress(LINES.encode("utf8")))
    elif kind == "archive":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("xl/workbook.xml", "<x/>")
    else:
        marks = {"parquet": b"PAR1\x15\x04", "database": b"SQLite format 3\0"}
        path.write_bytes(marks.get(kind, POINTER.encode("utf8")))
    message = error_of(path)
    assert "[J995]" in message and kind in message


@pytest.mark.parametrize(
    "text",
    [
        "Text: slugs, snails",
        "text",
        "<b>Slugs</b> ate it",
        "{so it goes}",
        "[sic] slugs",
        "[7]",
        "Sentence, please",
        "data, they say",
        "content is king; text follows.",
        "version 2 is out",
        "% of slugs",
        "[",
        "{",
        "[[7], 1]",
        "Sentence,first",
        "<HTML basics> is a book",
        "<html> is the outermost tag",
        "<!DOCTYPE html> stands first",
        "%PDF-files are no texts",
        "PAR1 is a receptor",
    ],
)
def test_texts_that_only_look_like_it_are_texts(tmp_path, text):
    (tmp_path / "pool.txt").write_text(f"{text}\nIt rained\n", encoding="utf8")
    assert [doc.text for doc in read_file(tmp_path / "pool.txt")] == [text, "It rained"]


@given(text=st.text(st.characters(codec="utf8", categories=["L", "N", "Zs"]), min_size=1))
def test_plain_words_are_never_taken_for_anything_else(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "words.txt"
    path.write_text(text, encoding="utf8")
    assert len(read_file(path)) == 1
