"""Entities that brackets mark, as in the files of OntoNotes."""

import pytest
from corpora_helpers import ents_of, read_file
from hypothesis import given
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError

PREDICATES = ("(V*)", "(ARG1*)")


def line(number, word, cell, extra=0):
    return "   ".join(
        ["nw/wsj/1", "0", str(number), word, "NN", "(TOP*)", *"---", "-", cell, *PREDICATES[:extra]]
    )


def make_text(*sentences):
    blocks = ["#begin document (nw/wsj/1); part 000\n"]
    for n, sentence in enumerate(sentences):
        rows = [line(i, word, cell, n % 3) + "   -\n" for i, (word, cell) in enumerate(sentence)]
        blocks.append("".join(rows) + "\n")
    return "".join(blocks) + "#end document\n"


def read(tmp_path, text, name="data.gold_conll"):
    path = tmp_path / name
    path.write_text(text, encoding="utf8")
    return read_file(path)


@pytest.mark.parametrize("suffix", [".gold_conll", ".v4_gold_conll", ".conll", ".txt"])
def test_brackets_are_entities(tmp_path, suffix):
    text = make_text(
        [("Delta", "(ORG*"), ("Works", "*)"), ("paid", "*"), ("Vera", "(PERSON)")],
        [("It", "*"), ("rained", "*")],
        [("Two", "(DATE*"), ("long", "*"), ("days", "*)"), ("Bergen", "(GPE)"), ("Oslo", "(GPE)")],
    )
    docs = read(tmp_path, text, f"data{suffix}")
    assert [ents_of(doc) for doc in docs] == [
        [("Delta Works", "ORG"), ("Vera", "PERSON")],
        [],
        [("Two long days", "DATE"), ("Bergen", "GPE"), ("Oslo", "GPE")],
    ]
    assert docs[1].text == "It rained"


def test_a_document_begins_without_an_empty_line(tmp_path):
    text = make_text([("Vera", "(PERSON)")]) + make_text([("Bergen", "(GPE)")])
    docs = read(tmp_path, text.replace("\n\n#end", "\n#end"))
    assert [doc.text for doc in docs] == ["Vera", "Bergen"]


@pytest.mark.parametrize("cell", ["PERSON", "B-PERSON", "((ORG*)", "(ORG(GPE*"])
def test_other_cells_are_refused(tmp_path, cell):
    with pytest.raises(LLMJudgeError, match=r"\[J998\].*data\.gold_conll, line 3"):
        read(tmp_path, make_text([("Vera", "*"), ("left", cell)]))


def test_an_entity_inside_of_another_one_is_refused(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J998\].*line 3: '\(GPE\)'"):
        read(tmp_path, make_text([("Bank", "(ORG*"), ("Oslo", "(GPE)"), ("said", "*)")]))


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "ORG", "WORK_OF_ART"])), min_size=1)
)
def test_any_row_of_entities_comes_back(tmp_path_factory, stretches):
    sentence, expected = [], []
    for n, label in stretches:
        words = [f"w{len(sentence) + i}" for i in range(n)]
        cells = ["*"] * n
        if label:
            cells = [f"({label})"] if n == 1 else [f"({label}*", *cells[2:], "*)"]
            expected.append((" ".join(words), label))
        sentence += zip(words, cells)
    (doc,) = read(tmp_path_factory.getbasetemp(), make_text(sentence))
    assert ents_of(doc) == expected


@pytest.mark.parametrize("name", ["data.conll", "data.txt", "data.tsv"])
@pytest.mark.parametrize("rows", [("1\tOslo\tB-LOC\n", "2\tsleeps\tO\n"), ("Oslo\tB-LOC\n",)])
def test_a_file_with_columns_of_its_own_may_begin_so(tmp_path, name, rows):
    text = f"#begin document (x);\n{''.join(rows)}\n#end document\n"
    (doc,) = read(tmp_path, text, name)
    assert ents_of(doc) == [("Oslo", "LOC")]


def test_columns_without_tags_are_not_read_as_tokens_that_nobody_annotated(tmp_path):
    row = line(0, "Vera", "(PERSON)").rpartition("   ")[0] + "\n"
    with pytest.raises(LLMJudgeError, match=r"\[J998\].*line 2"):
        read(tmp_path, f"#begin document (x);\n{row}\n#end document\n")
