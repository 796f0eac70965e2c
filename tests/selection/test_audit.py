import numpy as np
import pytest
from selection_helpers import draw_documents, make_doc, wrong_share

from spacy_llmjudge.candidates import get_candidates, set_candidates, set_status
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.selection.audit import draw_audit
from spacy_llmjudge.selection.certified import make_certified
from spacy_llmjudge.selection.conformal import make_conformal
from spacy_llmjudge.selection.select import select

POOL, GOLD = draw_documents(1, 300)
TRUTH = {(doc.text, doc[e.start].idx, e.end_char, e.label_) for doc in GOLD for e in doc.ents}


def fresh():
    return draw_documents(1, 300)[0]


def answer(rows):
    identity = ("text", "start", "end", "label")
    return [
        {**row, "answer": "yes" if tuple(row[k] for k in identity) in TRUTH else "no"}
        for row in rows
    ]


def test_rows_can_be_read_by_a_person():
    rows = draw_audit(fresh(), [], [], make_conformal(0.1), 5)
    assert len(rows) == 5
    for row in rows:
        assert row["text"][row["start"] : row["end"]] == row["span"]
        assert row["label"] in "AB" and row["answer"] == ""
        assert f"[{row['span']}]" in row["context"]


def test_the_draw_depends_on_the_seed_and_not_on_the_order():
    selector = make_conformal(0.1)
    rows = draw_audit(fresh(), [], [], selector, 20)
    assert draw_audit(fresh()[::-1], [], [], selector, 20) == rows
    assert draw_audit(fresh(), [], [], selector, 20, seed=1) != rows
    fewer = draw_audit(fresh(), [], [], selector, 10)
    assert [row["span"] for row in fewer] == [row["span"] for row in rows[:10]]


@pytest.mark.parametrize("selector", [make_conformal(0.15), make_certified(0.2, 0.1)])
def test_the_audit_is_the_evidence(selector):
    audit = answer(draw_audit(fresh(), [], [], selector, 150))
    _, silver, report = select(fresh(), [], [], selector, audit=audit)
    assert report["promise"]["kind"] is not None
    assert report["promise"]["n"] <= 150 and report["decisions"]["accepted"] > 200
    assert wrong_share(silver, GOLD) < 0.2


def test_what_a_person_said_is_decided():
    selector = make_conformal(0.1)
    audit = answer(draw_audit(fresh(), [], [], selector, 100))
    decided, _, _ = select(fresh(), [], [], selector, audit=audit)
    decision = {
        (doc.text, doc[c.start].idx, doc[c.end - 1].idx + len(doc[c.end - 1]), c.label): c.decision
        for doc in decided
        for c in get_candidates(doc)
    }
    for row in audit:
        found = decision[(row["text"], row["start"], row["end"], row["label"])]
        assert (found == "accepted") == (row["answer"] == "yes")


def test_audited_candidates_are_not_in_the_pool_that_is_promised_about():
    selector = make_conformal(0.1)
    rows = draw_audit(fresh(), [], [], selector, 100)
    before = select(fresh(), [], [], selector)[2]
    after = select(fresh(), [], [], selector, audit=answer(rows))[2]
    assert after["promise"]["pool"] == before["promise"]["pool"] - 100


def test_half_of_the_draw_is_from_what_the_judge_read():
    """Both parts are decided on apart, each with the answers of its own."""
    pool = fresh()
    for doc in pool[30:]:
        set_candidates(
            doc,
            [
                c.replace(verdict=None, support=None)
                for c in get_candidates(doc)
                if c.source != "judge"
            ],
        )
        set_status(doc, None)
    read = {doc.text for doc in pool[:30]}
    evidence, gold = draw_documents(5, 60)
    rows = draw_audit(pool, evidence, gold, make_conformal(0.2), 60)
    assert len(rows) == 60 and sum(row["text"] in read for row in rows) == 30
    few = draw_audit(pool[29:], evidence, gold, make_conformal(0.2), 60)
    assert len(few) == 60 and 0 < sum(row["text"] in read for row in few) < 10


def test_the_promise_holds_whatever_the_held_out_gold_was():
    """Held-out gold that is nothing like the pool misleads the fusion, and still not the audit."""
    evidence, _ = draw_documents(5, 60)
    misleading = [make_doc(doc.text, ents=[], state=None) for doc in evidence]
    selector, shares = make_conformal(0.15), []
    for seed in range(5):
        rows = draw_audit(fresh(), evidence, misleading, selector, 150, seed=seed)
        _, silver, _ = select(fresh(), evidence, misleading, selector, audit=answer(rows))
        shares.append(wrong_share(silver, GOLD))
    assert np.mean(shares) < 0.18


def test_a_row_without_an_answer_is_refused():
    rows = draw_audit(fresh(), [], [], make_conformal(0.1), 3)
    with pytest.raises(LLMJudgeError, match=r"J405.*Row 1 of the audit has ''"):
        select(fresh(), [], [], make_conformal(0.1), audit=rows)


def test_a_row_of_another_pool_is_refused():
    audit = answer(draw_audit(fresh(), [], [], make_conformal(0.1), 3))
    audit[1]["start"] += 1
    with pytest.raises(LLMJudgeError, match=r"J406.*Row 2 of the audit \('w"):
        select(fresh(), [], [], make_conformal(0.1), audit=audit)
