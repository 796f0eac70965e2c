import pytest
from selection_helpers import draw_documents, make_doc

from spacy_llmjudge.candidates import get_candidates
from spacy_llmjudge.selection.conformal import make_conformal
from spacy_llmjudge.selection.select import select
from spacy_llmjudge.steps.baselines import label_with_judge
from spacy_llmjudge.storage import read_docs, write_docs


def test_the_labels_as_they_are_are_those_of_the_baseline(tmp_path):
    evidence, gold = draw_documents(2, 120)
    pool, _ = draw_documents(1, 200)
    worth = select(pool, evidence, gold, make_conformal(0.1))[2]["worth"]
    write_docs(tmp_path / "judged.spacy", evidence)
    label_with_judge(tmp_path / "judged.spacy", tmp_path / "labels.spacy")
    truth = {doc.text: {(e.start, e.end, e.label_) for e in doc.ents} for doc in gold}
    labels = list(read_docs(tmp_path / "labels.spacy", pool[0].vocab))
    spans = [(doc.text, (e.start, e.end, e.label_)) for doc in labels for e in doc.ents]
    right = sum(key in truth[text] for text, key in spans)
    found = worth["llm_labels"]
    assert (found["spans"], found["right"]) == (len(spans), right)
    assert found["recall"] == pytest.approx(right / sum(len(keys) for keys in truth.values()))


def test_what_the_selection_keeps_is_what_its_rule_counted():
    pool, _ = draw_documents(1, 200)
    _, _, report = select(pool, *draw_documents(2, 120), make_conformal(0.1))
    kept, promise = report["worth"]["selection"], report["promise"]
    assert kept["spans"] == promise["n_over_cut"]
    assert kept["spans"] - kept["right"] == promise["errors_over_cut"]
    assert (
        f"keeps {kept['spans']} spans (P {100 * kept['precision']:.1f}"
        in report["worth"]["statement"]
    )


def test_nothing_is_said_where_no_judge_answered():
    pool, _ = draw_documents(1, 50, judged=False)
    evidence, gold = draw_documents(2, 100, judged=False)
    assert select(pool, evidence, gold, make_conformal(0.3))[2]["worth"] is None


def test_gold_of_documents_without_an_answer_does_not_count():
    evidence, gold = draw_documents(2, 120)
    own = [c.replace(verdict=None, support=None) for c in get_candidates(evidence[0])]
    text = evidence[0].text
    silent = make_doc(text, [c for c in own if c.source != "judge"], outside=[0.9] * 10, state=None)
    more = make_doc(text, ents=[(i, i + 1, "A") for i in range(9)], state=None)
    pool, _ = draw_documents(1, 50)
    rest = select(pool, evidence[1:], gold[1:], make_conformal(0.1))[2]["worth"]
    both = select(pool, [silent, *evidence[1:]], [more, *gold[1:]], make_conformal(0.1))[2]["worth"]
    assert both["llm_labels"] == rest["llm_labels"]
