import numpy as np
import pytest
from selection_helpers import VOCAB, make_doc
from spacy.tokens import Doc, Span

from spacy_llmjudge.candidates import Candidate
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.numeric import fold_of
from spacy_llmjudge.selection.table import table_from_docs


def gold_of(text, ents=()):
    return make_doc(text, ents=ents)


DOCS = [
    ("red spider mites", [Candidate(1, 3, "PEST", 0.5, 0.7, "correct", 0.9)]),
    ("water daily", [Candidate(0, 1, "TOOL", source="judge")]),
    ("no plants", []),
]


def test_missing_values_stay_missing():
    table = table_from_docs([make_doc(*DOCS[1])])
    assert np.isnan(table.posterior[0]) and np.isnan(table.support[0])
    assert table.verdict[0] == -1 and not table.judged[0] and table.proposed[0]


def test_likelihood_is_a_column_where_the_judge_had_any():
    assert table_from_docs([make_doc(*entry) for entry in DOCS]).likelihood is None
    told = Candidate(0, 1, "TOOL", verdict="correct", likelihood=0.4)
    table = table_from_docs([make_doc(*DOCS[0]), make_doc("water daily", [told])])
    known = {table.labels[code]: p for code, p in zip(table.label, table.likelihood)}
    assert np.isnan(known["PEST"]) and known["TOOL"] == 0.4
    assert table.take(table.likelihood == 0.4).likelihood.tolist() == [0.4]
    assert table.hide_judge().likelihood is None


def test_document_counts_as_given():
    docs = [make_doc(*entry) for entry in DOCS]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        table = table_from_docs([docs[i] for i in order])
        rows = {table.labels[table.label[i]]: table.document[i] for i in range(2)}
        assert rows == {"PEST": order.index(0), "TOOL": order.index(1)}


def test_rows_have_the_same_order_whatever_the_order_of_documents():
    docs = [make_doc(*entry) for entry in DOCS]
    rows = [
        [(t.texts[d], int(s)) for d, s in zip(t.document, t.start)]
        for t in (table_from_docs(docs), table_from_docs(docs[::-1]))
    ]
    assert rows[0] == rows[1] and len(rows[0]) == 2


def test_correct_needs_span_and_label():
    doc = make_doc(
        "red spider mites",
        [
            Candidate(1, 3, "PEST"),
            Candidate(0, 3, "PEST"),
            Candidate(1, 3, "PLANT"),
        ],
    )
    table = table_from_docs([doc], [gold_of("red spider mites", [(1, 3, "PEST")])])
    assert table.correct.tolist() == [False, True, False]


def test_candidates_on_tokens_without_gold_are_left_out():
    doc = make_doc("a b c", [Candidate(0, 1, "X"), Candidate(1, 3, "X")])
    gold = gold_of("a b c")
    gold.set_ents([], missing=[Span(gold, 2, 3)], default="outside")
    table = table_from_docs([doc], [gold])
    assert table.start.tolist() == [0] and table.correct.tolist() == [False]


def test_predicted_are_the_entities_of_the_document():
    doc = make_doc("a b", [Candidate(0, 1, "X"), Candidate(1, 2, "X")], ents=[(1, 2, "X")])
    assert table_from_docs([doc]).predicted.tolist() == [False, True]


def test_support_of_an_abstained_verdict_is_missing():
    doc = make_doc("a", [Candidate(0, 1, "X", verdict="abstained", support=0.5)])
    table = table_from_docs([doc])
    assert np.isnan(table.support[0]) and not table.judged[0]


def test_folds_are_those_of_the_storage():
    texts = [f"text number {i}" for i in range(20)]
    table = table_from_docs([make_doc(t, [Candidate(0, 1, "X")]) for t in texts])
    folds = {table.texts[d]: f for d, f in zip(table.document, table.folds(5))}
    assert folds == {text: fold_of(text, 5) for text in texts}


def test_empty_table():
    table = table_from_docs([])
    assert len(table) == 0 and len(table.folds(5)) == 0
    assert len(table.relabel(["A"])) == 0


def test_relabel_keeps_names():
    table = table_from_docs([make_doc(*entry) for entry in DOCS])
    other = table.relabel(["AAA", "PEST", "PLANT", "TOOL"])
    names = [other.labels[code] for code in other.label]
    assert names == [table.labels[code] for code in table.label]


def test_unicode_texts_and_labels():
    doc = make_doc("شجرة 🌵 e\u0301", [Candidate(1, 2, "ПЛАНТ")])
    table = table_from_docs([doc], [gold_of(doc.text, [(1, 2, "ПЛАНТ")])])
    assert table.labels == ("ПЛАНТ",) and table.correct.tolist() == [True]


def test_gold_of_other_length_is_refused():
    with pytest.raises(LLMJudgeError, match=r"J400.*1 held-out documents and 0 gold"):
        table_from_docs([make_doc("a")], [])


def test_gold_with_other_tokens_is_refused():
    with pytest.raises(LLMJudgeError, match=r"J401.*document 0.*'a b' and 'a c'"):
        table_from_docs([make_doc("a b")], [gold_of("a c")])


def test_gold_without_annotation_is_refused():
    with pytest.raises(LLMJudgeError, match=r"J402.*document 0.*'a b'"):
        table_from_docs([make_doc("a b")], [Doc(VOCAB, words=["a", "b"], spaces=[True, False])])
