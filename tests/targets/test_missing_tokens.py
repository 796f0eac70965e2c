from dataclasses import replace

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from selection_helpers import decided, make_doc
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_llmjudge.candidates import INCORRECT_KEY, KEY, Candidate, get_candidates, get_status
from spacy_llmjudge.selection.silver import natural_rate
from spacy_llmjudge.targets.missing_tokens import make_silver
from spacy_llmjudge.targets.policy import SilverPolicy

# what is unsure is left open, and every negative verdict is used
STRICT = SilverPolicy(doubt_cut=0.15, outside_cut=0.9, negatives=True)

TEXT = "my red spider mites came back after the rain"
SURE = [0.99] * 9
PEST = decided(2, 4, "PEST", "accepted", 0.95)


def states(doc):
    """One letter a token: E entity, O outside, - missing."""
    return "".join({0: "-", 1: "E", 2: "O", 3: "E"}[token.ent_iob] for token in doc)


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def incorrect(doc):
    return [(span.start, span.end, span.label_) for span in doc.spans.get(INCORRECT_KEY, [])]


def silver_of(*candidates, outside=SURE, state="judged", text=TEXT, **policy):
    doc = make_doc(text, candidates, outside=outside, state=state)
    return make_silver(doc, replace(STRICT, **policy))


def test_accepted_becomes_an_entity_and_the_rest_outside():
    silver = silver_of(PEST)
    assert entities(silver) == [(2, 4, "PEST")] and states(silver) == "OOEEOOOOO"


def test_it_is_a_fresh_document_with_the_same_text():
    doc = make_doc(TEXT, [PEST], outside=SURE, ents=[(0, 1, "OLD")])
    silver = make_silver(doc, STRICT)
    assert silver is not doc and silver.text == doc.text
    assert get_candidates(silver) == [] and entities(doc) == [(0, 1, "OLD")]


def test_it_says_whether_the_judge_read_it():
    assert get_status(silver_of(PEST))["state"] == "judged"
    assert KEY not in silver_of(PEST, state=None).spans


def test_undecided_is_missing():
    silver = silver_of(decided(2, 4, "PEST", "undecided", 0.5))
    assert states(silver) == "OO--OOOOO"


def test_unlikely_candidates_raise_no_doubt():
    silver = silver_of(decided(2, 4, "PEST", "undecided", 0.1))
    assert states(silver) == "OOOOOOOOO"


def test_how_likely_a_doubt_is_can_be_set():
    unlikely = decided(2, 4, "PEST", "undecided", 0.3)
    assert states(silver_of(unlikely)) == states(silver_of(unlikely, doubt_cut=0.29)) == "OO--OOOOO"
    assert states(silver_of(unlikely, doubt_cut=0.3)) == "OOOOOOOOO"


def test_candidates_without_a_probability_are_missing():
    silver = silver_of(Candidate(2, 4, "PEST", decision="undecided"))
    assert states(silver) == "OO--OOOOO"


def test_refused_as_no_entity_is_outside_even_where_the_student_is_sure_of_it():
    refused = decided(2, 4, "PEST", "rejected", 0.05, verdict="not_entity")
    outside = [0.99, 0.99, 0.1, 0.1] + [0.99] * 5
    silver = silver_of(refused, outside=outside, state=None)
    assert states(silver) == "OOOOOOOOO" and incorrect(silver) == []


@pytest.mark.parametrize("verdict", ["wrong_label", "wrong_boundary"])
def test_wrong_label_or_boundary_is_missing_and_an_incorrect_span(verdict):
    silver = silver_of(decided(2, 4, "PEST", "rejected", 0.05, verdict=verdict))
    assert states(silver) == "OO--OOOOO" and incorrect(silver) == [(2, 4, "PEST")]


def test_an_accepted_correction_leaves_no_doubt():
    wrong = decided(1, 4, "PEST", "rejected", 0.05, verdict="wrong_boundary")
    correction = decided(2, 4, "PEST", "accepted", 0.9, source="judge")
    silver = silver_of(wrong, correction)
    assert states(silver) == "OOEEOOOOO"
    assert entities(silver) == [(2, 4, "PEST")] and incorrect(silver) == []


def test_doubt_about_longer_spans_stays_beside_an_accepted_one():
    silver = silver_of(PEST, decided(1, 4, "PEST", "undecided", 0.3))
    assert states(silver) == "O-EEOOOOO"


def test_only_negatives_that_touch_a_missing_token_are_kept():
    wrong = decided(1, 4, "PEST", "rejected", 0.05, verdict="wrong_boundary")
    doubt = decided(1, 4, "PLANT", "undecided", 0.4)
    known = decided(2, 4, "PLANT", "rejected", 0.05, verdict="wrong_label")
    silver = silver_of(PEST, wrong, doubt, known)
    assert states(silver) == "O-EEOOOOO" and incorrect(silver) == [(1, 4, "PEST")]


def test_without_a_judge_unsure_tokens_are_missing():
    outside = [0.5] + [0.99] * 8
    assert states(silver_of(PEST, outside=outside, state=None)) == "-OEEOOOOO"
    assert states(silver_of(PEST, outside=outside, state="abstained")) == "-OEEOOOOO"


def test_in_a_judged_document_what_nobody_lists_is_outside():
    outside = [0.5] + [0.99] * 8
    assert states(silver_of(PEST, outside=outside)) == "OOEEOOOOO"
    strict = silver_of(PEST, outside=outside, judged_outside=False)
    assert states(strict) == "-OEEOOOOO"


def test_without_outside_probabilities_a_judged_document_counts():
    assert states(silver_of(PEST, outside=None)) == "OOEEOOOOO"
    assert silver_of(PEST, outside=None, judged_outside=False) is None


def test_without_outside_probabilities_and_judge_nothing_else_is_known():
    assert silver_of(PEST, outside=None, state=None) is None


def test_doubt_alone_teaches_nothing_where_nobody_judged():
    doubt = decided(2, 4, "PEST", "undecided", 0.5)
    assert silver_of(doubt, state=None) is None
    assert states(silver_of(doubt, state="judged")) == "OO--OOOOO"
    assert states(silver_of(state=None)) == "OOOOOOOOO"


def test_over_half_missing_is_left_out():
    half = decided(0, 4, "PEST", "undecided", 0.5)
    assert states(silver_of(half)) == "----OOOOO"
    assert silver_of(decided(0, 5, "PEST", "undecided", 0.5)) is None
    assert silver_of(decided(0, 5, "PEST", "undecided", 0.5), max_missing=0.6) is not None


def test_documents_without_entities_are_kept():
    assert states(silver_of()) == "OOOOOOOOO"


def test_empty_documents_are_left_out():
    assert silver_of(text="", outside=[]) is None


def test_masking_off_makes_doubt_outside():
    silver = silver_of(
        PEST, decided(5, 6, "PLANT", "undecided", 0.5), outside=[0.2] * 9, state=None, masking=False
    )
    assert states(silver) == "OOEEOOOOO"


def test_negatives_off_keeps_no_incorrect_spans():
    wrong = decided(2, 4, "PEST", "rejected", 0.05, verdict="wrong_label")
    silver = silver_of(wrong, negatives=False)
    assert incorrect(silver) == [] and states(silver) == "OO--OOOOO"


def test_proposals_off_ignores_what_only_the_judge_saw():
    proposal = decided(8, 9, "RAIN", "accepted", 0.9, source="judge")
    correction = decided(1, 4, "PEST", "accepted", 0.9, source="judge")
    student = decided(2, 4, "PEST", "rejected", 0.1, verdict="wrong_boundary")
    both = (proposal, correction, student)
    assert entities(silver_of(*both)) == [(1, 4, "PEST"), (8, 9, "RAIN")]
    assert entities(silver_of(*both, proposals=False)) == [(1, 4, "PEST")]
    assert entities(silver_of(*both, corrections=False)) == [(8, 9, "RAIN")]


def test_documents_that_nobody_judged_can_be_left_out():
    assert (
        entities(silver_of(PEST, state=None))
        == entities(silver_of(PEST, unjudged=False))
        == [(2, 4, "PEST")]
    )
    assert silver_of(PEST, state=None, unjudged=False) is None
    assert silver_of(PEST, state="abstained", unjudged=False) is None


def test_neighbouring_doubts_of_several_candidates():
    silver = silver_of(
        decided(0, 2, "A", "undecided", 0.5),
        decided(1, 3, "B", "undecided", 0.5),
        decided(5, 6, "A", "undecided", 0.5),
    )
    assert states(silver) == "---OO-OOO"


def test_unicode_tokens_keep_their_spaces():
    doc = make_doc("🌵 شجرة e\u0301tat", [decided(0, 1, "ПЛАНТ", "accepted", 0.9)])
    silver = make_silver(doc, STRICT)
    assert silver.text == doc.text and entities(silver) == [(0, 1, "ПЛАНТ")]


def test_silver_survives_a_docbin():
    wrong = decided(0, 2, "PEST", "rejected", 0.05, verdict="wrong_label")
    binary = DocBin(docs=[silver_of(PEST, wrong)])
    loaded = next(binary.get_docs(spacy.blank("en").vocab))
    assert states(loaded) == "--EEOOOOO" and incorrect(loaded) == [(0, 2, "PEST")]


def make_ner():
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("ner", config={"incorrect_spans_key": INCORRECT_KEY})
    for label in ("PEST", "PLANT"):
        ner.add_label(label)
    return nlp


def test_ner_trains_on_silver_with_every_kind_of_decision():
    nlp = make_ner()
    silver = [
        silver_of(
            decided(1, 4, "PEST", "rejected", 0.05, verdict="wrong_boundary"),
            decided(2, 4, "PLANT", "rejected", 0.05, verdict="wrong_label"),
            PEST,
            decided(5, 7, "PLANT", "rejected", 0.05, verdict="wrong_label"),
            decided(8, 9, "PLANT", "undecided", 0.5),
        ),
        silver_of(),
    ]
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in silver]
    nlp.initialize(lambda: examples)
    for _ in range(3):
        losses = nlp.update(examples)
        assert losses["ner"] >= 0


def test_a_refused_span_is_unlearned():
    nlp = make_ner()
    gold = "the mites ate the rose"
    teach = [silver_of(decided(1, 2, "PEST", "accepted", 0.9), text=gold, outside=None)]
    wrong = decided(1, 2, "PEST", "rejected", 0.02, verdict="wrong_label")
    refuse = [silver_of(wrong, text=gold, outside=None)]
    examples = {
        name: [Example(nlp.make_doc(gold), doc) for doc in docs]
        for name, docs in (("teach", teach), ("refuse", refuse))
    }
    nlp.initialize(lambda: examples["teach"])
    for _ in range(30):
        nlp.update(examples["teach"])
    assert entities(nlp(gold)) == [(1, 2, "PEST")]
    for _ in range(30):
        nlp.update(examples["refuse"])
    assert (1, 2, "PEST") not in entities(nlp(gold))


def candidate_sets(n_tokens):
    return st.lists(
        st.builds(
            lambda start, length, label, p, verdict: Candidate(
                start,
                min(start + length, n_tokens),
                label,
                verdict=verdict,
                probability=p,
                decision="rejected" if p <= 0.15 and verdict != "correct" else "undecided",
                source="student",
            ),
            st.integers(0, n_tokens - 1),
            st.integers(1, 3),
            st.sampled_from(["PEST", "PLANT"]),
            st.sampled_from([0.05, 0.5, 0.9]),
            st.sampled_from(["correct", "wrong_label", "wrong_boundary", "not_entity"]),
        ),
        max_size=6,
        unique_by=lambda c: c.key,
    )


NLP = make_ner()
NLP.initialize()


@settings(max_examples=40, deadline=None)
@given(candidate_sets(6), st.data())
def test_no_silver_breaks_the_parser(candidates, data):
    """Whatever was accepted, rejected and left open, `ner` can be updated (no E868, no dead end)."""
    taken, final = set(), []
    for candidate in candidates:
        tokens = set(range(candidate.start, candidate.end))
        if not tokens & taken and data.draw(st.booleans()):
            taken |= tokens
            candidate = candidate.replace(decision="accepted")
        final.append(candidate)
    doc = make_doc("one two three four five six", final)
    silver = make_silver(doc, replace(STRICT, max_missing=1.0))
    NLP.update([Example(NLP.make_doc(silver.text), silver)], sgd=None)
    accepted = {c.key for c in final if c.decision == "accepted"}
    assert set(entities(silver)) == accepted
    assert not accepted & set(incorrect(silver))


def make_plain(n, ents=()):
    return [make_doc("a b", ents=ents) for _ in range(n)]


def thin_out(silver, gold):
    stays = natural_rate([not doc.ents for doc in silver], gold)
    return [doc for doc, kept in zip(silver, stays) if kept]


def test_entity_free_silver_is_thinned_to_its_natural_rate():
    gold = make_plain(100) + make_plain(300, [(0, 1, "X")])
    silver = make_plain(100, [(0, 1, "X")]) + make_plain(100)
    kept = thin_out(silver, gold)
    n_empty = sum(not doc.ents for doc in kept)
    assert len(kept) - n_empty == 100
    # a quarter is natural, which is 33 beside 100; chance in the gold is allowed for
    assert 33 <= n_empty <= 45


def test_entity_free_silver_at_its_natural_rate_stays():
    gold = make_plain(10) + make_plain(30, [(0, 1, "X")])
    silver = make_plain(10) + make_plain(30, [(0, 1, "X")])
    assert thin_out(silver, gold) == silver


def test_without_gold_nothing_is_thinned():
    silver = make_plain(5)
    assert thin_out(silver, []) == silver


def test_gold_without_any_entity_thins_nothing():
    silver = make_plain(5) + make_plain(1, [(0, 1, "X")])
    assert thin_out(silver, make_plain(5)) == silver
    assert isinstance(silver[0], Doc)
