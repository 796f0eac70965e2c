"""Folders of brat, written by hand as its documentation of the standoff format shows them."""

import pytest
from corpora_helpers import quietly, said_by, spans_of
from english import NLP
from exchange_helpers import said_in

from spacy_llmjudge.corpora.exchange import ExportSettings, export_docs, import_docs
from spacy_llmjudge.corpora.files import unread_files
from spacy_llmjudge.corpora.formats import Part, read_records
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.corpora.settings import ReadSettings
from spacy_llmjudge.errors import LLMJudgeError

TEXT = "Aphids infest the old rose.\nRust and mildew spread.\n"
ANN = """T1\tPEST 0 6\tAphids
T2\tINFEST 7 13\tinfest
T3\tPLANT 22 26\trose
E1\tINFEST:T2 Agent:T1 Target:T3
R1\tOn Arg1:T1 Arg2:T3
A1\tCertain E1
M1\tNegated T3
N1\tReference T3 Flora:123\trose
#1\tAnnotatorNotes T1\tsmall ones
*\tSame T1 T3
T4\tDISEASE 28 32\tRust
"""


def write(folder, *documents):
    folder.mkdir(parents=True, exist_ok=True)
    for number, (text, ann) in enumerate(documents):
        (folder / f"{number}.txt").write_bytes(text.encode("utf8"))
        if ann is not None:
            (folder / f"{number}.ann").write_bytes(ann.encode("utf8"))
    return folder


def read(folder, **settings):
    return list(read_records(Part(folder), NLP, ReadSettings(**settings)))


def test_entities_are_read_and_all_else_is_counted_and_named(tmp_path):
    with pytest.warns(UserWarning, match="JW976") as caught:
        (record,) = read(write(tmp_path / "b", (TEXT, ANN)))
    assert spans_of(record) == [("Aphids", "PEST"), ("rose", "PLANT"), ("Rust", "DISEASE")]
    (message,) = {str(one.message) for one in caught}
    counted = "2 attributes, 1 equivalences, 1 events (their triggers are no entities), 1 normalisations, 1 notes, 1 relations"
    assert counted in message


def test_what_is_no_line_of_brat_is_an_error_with_its_line(tmp_path):
    folder = write(tmp_path / "b", (TEXT, "T1\tPEST 0 6\tAphids\n T2\tPLANT 22 26\trose\n"))
    with pytest.raises(LLMJudgeError, match=r"J952.*0\.ann, line 2"):
        read(folder)


def test_offsets_count_characters_also_behind_what_utf_16_counts_twice(tmp_path):
    text = "🐌🐌 Mädesüß, slugs"
    folder = write(tmp_path / "b", (text, "T1\tPEST 12 17\tslugs\nT2\tPLANT 3 10\tMädesüß\n"))
    (record,) = read(folder)
    assert spans_of(record) == [("slugs", "PEST"), ("Mädesüß", "PLANT")]
    folder = write(tmp_path / "c", (text, "T1\tPEST 14 19\tslugs\n"))
    (record,), codes = quietly(read, folder)
    assert spans_of(record) == [("slugs", "PEST")] and codes == ["JW612"]


@pytest.mark.parametrize("shift", [1, 0], ids=["two characters", "one character"])
def test_the_end_of_a_line_counts_as_the_offsets_count_it(tmp_path, shift):
    text = "Aphids.\r\nRust on it.\r\n"
    start = 8 + shift
    ann = f"T1\tPEST 0 6\tAphids\r\nT2\tDISEASE {start} {start + 4}\tRust\r\n"
    (record,) = read(write(tmp_path / "b", (text, ann)))
    assert spans_of(record) == [("Aphids", "PEST"), ("Rust", "DISEASE")]
    assert record.text == (text if shift else text.replace("\r\n", "\n"))


def test_words_that_stand_elsewhere_are_an_error(tmp_path):
    folder = write(tmp_path / "b", (TEXT, "T1\tPEST 1 7\tAphids\n"))
    with pytest.raises(LLMJudgeError, match="J638.*Aphids"):
        import_docs([folder], tmp_path / "gold.spacy")


def test_parts_over_a_line_break_are_one_and_others_are_refused_or_dropped(tmp_path):
    text = "Rust and\nmildew spread."
    whole = "T1\tDISEASE 0 8;9 15\tRust and mildew\n"
    (record,) = read(write(tmp_path / "whole", (text, whole)))
    assert spans_of(record) == [("Rust and\nmildew", "DISEASE")]
    for words in ("\tRust mildew", ""):
        parts = f"T1\tDISEASE 0 4;9 15{words}\nT2\tACT 16 22\tspread\n"
        folder = write(tmp_path / f"parts{len(words)}", (text, parts))
        with pytest.raises(LLMJudgeError, match="J953.*--misaligned drop"):
            read(folder)
        out = tmp_path / f"{len(words)}.spacy"
        found = import_docs([folder], out, settings=ReadSettings(misaligned="drop"))
        assert found.dropped == {"misaligned": 1}
        assert said_in(out) == [(text, [("spread", "ACT")])]


def test_prepare_reads_folders_of_sets(tmp_path):
    data = tmp_path / "data"
    write(data / "train", (TEXT, "T1\tPEST 0 6\tAphids\n"), ("Roses.", "T1\tPLANT 0 5\tRoses\n"))
    write(data / "dev", ("Slugs.", "T1\tPEST 0 5\tSlugs\n"), ("Nothing.", ""))
    write(data / "pool", ("Rust again", None), ("Roses and slugs", None))
    report = prepare(data, tmp_path / "corpus")
    assert report["documents"] == {"labelled": 2, "dev": 2, "pool": 2}
    assert said_by(tmp_path / "corpus", "dev") == [
        ("Slugs.", [("Slugs", "PEST")]),
        ("Nothing.", []),
    ]
    assert unread_files(data, report["settings"]["files"].values()) == []
    # a changed annotation is read again
    write(data / "dev", ("Slugs.", ""))
    assert prepare(data, tmp_path / "corpus")["entities"]["dev"] == 0


def test_one_folder_is_the_labelled_set(tmp_path):
    data = write(tmp_path / "data", (TEXT, ANN), ("Slugs.", "T1\tPEST 0 5\tSlugs\n"))
    pool = write(tmp_path / "texts", ("Rust again", None))
    report, codes = quietly(prepare, data, tmp_path / "corpus", pool=pool)
    assert report["labels"]["labelled"] == {"DISEASE": 1, "PEST": 2, "PLANT": 1}
    assert set(codes) == {"JW976"}
    assert unread_files(data, report["settings"]["files"].values()) == []


def test_spans_that_overlap_are_spans(tmp_path):
    ann = "T1\tPLANT 18 26\told rose\nT2\tAGE 18 21\told\n"
    data = write(tmp_path / "data", (TEXT, ann))
    pool = write(tmp_path / "texts", ("Rust again", None))
    _, codes = quietly(prepare, data, tmp_path / "corpus", pool=pool)
    assert said_by(tmp_path / "corpus", "labelled") == [
        (TEXT, [("old", "AGE"), ("old rose", "PLANT")])
    ]
    # and back
    export_docs(tmp_path / "corpus" / "labelled.spacy", tmp_path / "out", ExportSettings("brat"))
    (record,) = read(tmp_path / "out")
    assert sorted(spans_of(record)) == [("old", "AGE"), ("old rose", "PLANT")]
    assert "JW610" in codes


def test_lines_of_no_kind_are_counted(tmp_path):
    ann = "T1\tPEST 0 6\tAphids\n#1\tAnnotatorNotes T1\tsmall ones,\nThey fly.\nC1 foo\n"
    with pytest.warns(UserWarning, match="besides entities.* 1 notes, 2 other lines, which are"):
        (record,) = read(write(tmp_path / "b", (TEXT, ann)))
    assert spans_of(record) == [("Aphids", "PEST")]


@pytest.mark.parametrize("line", ["T2 PLANT 22 26 rose", "T2\tPLANT 22\trose", "T\tPLANT", "T2"])
def test_an_entity_with_a_mistake_is_no_other_line(tmp_path, line):
    folder = write(tmp_path / "b", (TEXT, f"T1\tPEST 0 6\tAphids\n{line}\n"))
    with pytest.raises(LLMJudgeError, match=r"J952.*0\.ann, line 2"):
        read(folder)
