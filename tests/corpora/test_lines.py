"""Encodings, line ends and odd names of files."""

import doctest
import os

import pytest
from corpora_helpers import NLP, ents_of, read_file
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spacy_llmjudge.corpora import lines as module
from spacy_llmjudge.corpora.lines import printable, read_lines
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.errors import LLMJudgeError

ROW = '{"text": "Zoë left Bergen", "spans": [{"start": 9, "end": 15, "label": "LOC"}]}'


def lines_of(path, data):
    path.write_bytes(data)
    return [line for _, line in read_lines(path)]


@pytest.mark.parametrize("encoding", ["utf8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_that_are_known_for_sure_are_read(tmp_path, encoding, end):
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    data = (mark + end.join([ROW, ROW, ""])).encode(encoding)
    path = tmp_path / "data.jsonl"
    path.write_bytes(data)
    assert [ents_of(doc) for doc in read_file(path)] == [[("Bergen", "LOC")]] * 2


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-32"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.conll", "a.txt", "a.json"])
def test_other_encodings_are_one_line_that_says_how_to_convert(tmp_path, encoding, name):
    path = tmp_path / name
    path.write_bytes('{"text": "Zoë left"}\n'.encode(encoding))
    with pytest.raises(LLMJudgeError, match=r"\[J601\].*iconv") as caught:
        read_file(path)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_the_line_that_cannot_be_decoded_is_named(tmp_path):
    with pytest.raises(LLMJudgeError, match="line 3 is not UTF-8"):
        lines_of(tmp_path / "a.txt", b"a\nb\n\xe9\nc\n")


def test_utf16_that_was_cut_is_one_line(tmp_path):
    data = "\ufeffab\ncd\n".encode("utf-16-le")[:-1]
    with pytest.raises(LLMJudgeError, match=r"\[J601\]"):
        lines_of(tmp_path / "a.txt", data)


@pytest.mark.parametrize(
    "data,expected",
    [
        (b"a\rb\rc", ["a", "b", "c"]),
        (b"a\rb\r", ["a", "b"]),
        (b"a\rb\nc\n", ["a\rb", "c"]),
        ("a\u2028b\u0085c\x0bd\n".encode(), ["a\u2028b\u0085c\x0bd"]),
        ("a\n\ufeffb\n".encode(), ["a", "b"]),
        (b"a", ["a"]),
        (b"", []),
    ],
    ids=["old_mac", "old_mac_end", "return_inside", "unicode", "joined", "no_end", "empty"],
)
def test_line_ends(tmp_path, data, expected):
    assert lines_of(tmp_path / "a.txt", data) == expected


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff")),
        min_size=1,
    ),
    encoding=st.sampled_from(["utf8", "utf-8-sig", "utf-16"]),
)
def test_any_text_comes_back(tmp_path_factory, texts, encoding):
    # which is the byte order mark of UTF-32
    assume(encoding != "utf-16" or not texts[0].startswith("\x00"))
    data = "".join(text + "\n" for text in texts).encode(encoding)
    assert lines_of(tmp_path_factory.mktemp("lines") / "a.txt", data) == texts


@pytest.mark.parametrize("name", ["my data", "a'b\"c", "ünï", "x\x1b[31m", "new\nline", "\udcff"])
def test_datasets_with_odd_names(tmp_path, name):
    source = tmp_path / name
    source.mkdir()
    (source / "labelled.jsonl").write_text(ROW + "\n", encoding="utf8")
    (source / "pool.txt").write_text("raw text\n")
    report = prepare(source, tmp_path / "out")
    assert all(path.isprintable() for path in report["settings"]["files"].values())
    (source / "pool.txt").write_bytes(b"\xe9\n")
    with pytest.raises(LLMJudgeError) as caught:
        prepare(source, tmp_path / "out")
    assert str(caught.value).isprintable()


def test_half_of_a_surrogate_pair_is_named_wherever_it_stands(tmp_path):
    path = tmp_path / "data.jsonl"
    for row in (
        r'{"text": "a \ud83d b"}',
        r'{"tokens": ["a\ud83d"]}',
        r'{"text": "ab", "spans": [[0, 1, "X\ude00"]]}',
        r'{"text": "ab", "spans": [{"start": 0, "end": 1, "label": "\ud83d"}]}',
        r'{"data": "a\ud83d"}',
    ):
        path.write_text(row + "\n")
        with pytest.raises(LLMJudgeError, match=r"\[J605\].*line 1.*surrogate"):
            read_file(path)


def test_a_null_character_is_text(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(r'{"text": "a\u0000b c"}' + "\n")
    assert read_file(path)[0].text == "a\x00b c" and NLP.lang == "en"


def test_printable_leaves_letters_alone():
    assert printable("Zoë 北京 \u00a0\x07") == "Zoë 北京 \\xa0\\x07"
    assert os.fsencode(printable("\udcff")) == b"\\udcff"


def test_examples_in_docstrings():
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


def test_a_gene_with_the_name_of_a_format_is_text(tmp_path):
    texts = ["PAR1 is a receptor of thrombin", "", "it is cut"]
    assert lines_of(tmp_path / "a.txt", "\n".join(texts).encode()) == texts
    (tmp_path / "a.conll").write_bytes(b"PAR1\tB-GENE\nis\tO\n")
    (doc,) = read_file(tmp_path / "a.conll")
    assert ents_of(doc) == [("PAR1", "GENE")]
