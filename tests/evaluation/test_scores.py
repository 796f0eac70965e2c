import numpy
import pytest
import spacy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.evaluation import scores
from spacy_llmjudge.evaluation.scores import (
    count_matches,
    evaluate_model,
    labels_of,
    score_pair,
    silver_quality,
)
from spacy_llmjudge.targets.ents import Ents

VOCAB = Vocab()


def count_all(gold, predicted):
    """True positives, false positives and false negatives of each document, all labels together."""
    labels = labels_of(gold, predicted, target=Ents())
    return count_matches(gold, predicted, labels).sum(axis=1)


def make_doc(tags, text="w"):
    """A document from tags; `-` is a token without annotation."""
    doc = Doc(VOCAB, words=[text] + ["w"] * (len(tags) - 1) if tags else [])
    ents, missing = [], []
    for i, tag in enumerate(tags):
        if tag == "-":
            missing.append(Span(doc, i, i + 1))
        elif tag[0] == "B":
            ends = [j for j in range(i + 1, len(tags)) if tags[j] != "I" + tag[1:]]
            ents.append(Span(doc, i, min(ends, default=len(tags)), label=tag[2:]))
    doc.set_ents(ents, missing=missing, default="outside")
    return doc


def make_docs(*tagged):
    return [make_doc(tags.split()) for tags in tagged]


def test_scores_of_a_known_example():
    gold = make_docs("B-A I-A O B-B", "O O", "B-A O")
    predicted = make_docs("B-A I-A O B-A", "B-B O", "B-A O")
    report = score_pair(gold, predicted)
    assert report["documents"] == 3 and report["entities"] == 3
    for scorer in ("spacy", "seqeval"):
        assert report[scorer]["p"] == pytest.approx(2 / 4)
        assert report[scorer]["r"] == pytest.approx(2 / 3)
        assert report[scorer]["f"] == pytest.approx(4 / 7)
        assert report[scorer]["per_type"]["A"] == pytest.approx({"p": 2 / 3, "r": 1.0, "f": 0.8})
        assert report[scorer]["per_type"]["B"] == pytest.approx({"p": 0.0, "r": 0.0, "f": 0.0})
    assert count_all(gold, predicted).tolist() == [[1, 1, 1], [0, 1, 0], [1, 0, 0]]


def test_neighbours_with_one_label_are_two_entities():
    report = score_pair(make_docs("B-A B-A"), make_docs("B-A I-A"))
    assert report["seqeval"]["f"] == report["spacy"]["f"] == 0.0


def test_nothing_to_find_and_nothing_found():
    report = score_pair(make_docs("O O"), make_docs("O O"))
    assert report["spacy"] == report["seqeval"] == {"p": 0.0, "r": 0.0, "f": 0.0, "per_type": {}}


def test_missing_gold_counts_neither_way():
    gold = make_docs("- - B-A O")
    assert count_all(gold, make_docs("B-A I-A B-A O")).tolist() == [[1, 0, 0]]
    report = score_pair(gold, make_docs("B-A I-A B-A O"))
    assert report["spacy"]["f"] == report["seqeval"]["f"] == 1.0


TAGS = st.lists(
    st.sampled_from(["O", "O", "-", "B-A", "I-A", "B-B", "I-B", "B-x-Y", "I-x-Y"]),
    max_size=8,
)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), n_docs=st.integers(1, 6))
def test_both_scorers_and_the_counts_agree_on_anything(data, n_docs):
    gold, predicted = [], []
    for _ in range(n_docs):
        tags = data.draw(TAGS)
        others = data.draw(
            st.lists(
                st.sampled_from(["O", "B-A", "I-A", "B-x-Y", "I-x-Y"]),
                min_size=len(tags),
                max_size=len(tags),
            )
        )
        gold.append(make_doc(tags))
        predicted.append(make_doc(others))
    assume(any(doc.has_annotation("ENT_IOB") for doc in gold))
    report = score_pair(gold, predicted)
    tp, fp, fn = count_all(gold, predicted).sum(axis=0)
    f = 2 * tp / (2 * tp + fp + fn) if tp else 0.0
    assert report["spacy"]["f"] == pytest.approx(f) == pytest.approx(report["seqeval"]["f"])
    for label, found in report["spacy"]["per_type"].items():
        other = report["seqeval"]["per_type"].get(label, {"p": 0.0, "r": 0.0, "f": 0.0})
        assert found == pytest.approx(other)


def test_counts_have_the_shape_of_the_documents():
    counts = count_all([], [])
    assert counts.shape == (0, 3)
    assert count_all(make_docs("O"), make_docs("O")).dtype == numpy.int64


def test_another_number_of_documents():
    with pytest.raises(LLMJudgeError, match=r"\[J702\].*2 gold documents and 1 predictions"):
        score_pair(make_docs("O", "O"), make_docs("O"))


def test_other_tokens():
    with pytest.raises(LLMJudgeError, match=r"\[J703\] Document 2"):
        count_all(make_docs("O", "O"), make_docs("O", "O O"))


def test_gold_without_annotation():
    raw = Doc(VOCAB, words=["w"])
    with pytest.raises(LLMJudgeError, match=r"\[J700\].*1 gold documents"):
        score_pair([raw], make_docs("B-A"))


def test_scorers_that_disagree_are_an_error(monkeypatch):
    wrong = {"p": 0.5, "r": 0.5, "f": 0.5, "per_type": {}}
    monkeypatch.setattr(scores, "score_with_seqeval", lambda gold, predicted: wrong)
    with pytest.raises(LLMJudgeError, match=r"\[J701\].*disagree on p: 1.0 and 0.5"):
        score_pair(make_docs("B-A"), make_docs("B-A"))


def test_evaluate_model_keeps_no_output_of_a_transformer():
    nlp = spacy.blank("en")
    if not Doc.has_extension("trf_data"):
        Doc.set_extension("trf_data", default=None)

    @Language.component("leaves_trf_data")
    def leave(doc):
        doc._.trf_data = [0.0] * 10
        return doc

    nlp.add_pipe("leaves_trf_data")
    assert [doc._.trf_data for doc in evaluate_model(nlp, make_docs("O"))] == [None]


def test_evaluate_model_predicts_on_the_tokens_of_the_gold():
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "A", "pattern": [{"ORTH": "rosebush-es"}]}])
    gold = Doc(
        Vocab(),
        words=["my", "rosebush-es", "died"],
        spaces=[True, False, True],
        ents=["O", "O", "B-B"],
    )
    (predicted,) = evaluate_model(nlp, [gold])
    assert [token.text for token in predicted] == ["my", "rosebush-es", "died"]
    assert predicted.text_with_ws == gold.text_with_ws
    assert [(ent.text, ent.label_) for ent in predicted.ents] == [("rosebush-es", "A")]
    assert [(ent.text, ent.label_) for ent in gold.ents] == [("died", "B")]
    assert score_pair([gold], [predicted])["spacy"]["f"] == 0.0


def test_evaluate_model_does_not_show_the_gold_to_the_model():
    gold = make_docs("B-A I-A", "O")
    assert [len(doc.ents) for doc in evaluate_model(spacy.blank("en"), gold)] == [0, 0]


def test_silver_quality_of_a_known_example():
    gold = [
        make_doc(tags.split(), text)
        for text, tags in (("a", "B-A O B-B"), ("b", "B-A O O"), ("c", "B-B O O"))
    ]
    silver = [make_doc(tags.split(), text) for text, tags in (("b", "B-A O B-A"), ("a", "B-A O -"))]
    report = silver_quality(silver, gold)
    assert report["documents"] == 2 and report["without_gold"] == 0
    assert (report["spans"], report["correct"], report["gold_spans"]) == (3, 2, 4)
    assert report["precision"] == pytest.approx(2 / 3)
    assert report["recall"] == pytest.approx(2 / 4)
    assert report["f"] == pytest.approx(4 / 7)
    assert report["wrong_share"] == pytest.approx(1 / 3)
    assert report["per_type"]["A"]["precision"] == pytest.approx(2 / 3)
    assert report["per_type"]["B"]["precision"] is None and report["per_type"]["B"]["recall"] == 0.0


def test_silver_on_other_tokens_is_compared_by_characters():
    gold = Doc(VOCAB, words=["rose", "bush", "x"], spaces=[False, True, False])
    gold.set_ents([Span(gold, 0, 2, label="A")])
    silver = Doc(VOCAB, words=["rosebush", "x"], spaces=[True, False], ents=["B-A", "O"])
    assert silver_quality([silver], [gold])["precision"] == 1.0


def test_silver_without_gold_is_counted_apart():
    raw = Doc(VOCAB, words=["raw"])
    silver = [
        make_doc(["B-A"], "raw"),
        make_doc(["B-A"], "unknown"),
        make_doc(["B-A"], "known"),
    ]
    report = silver_quality(silver, [raw, make_doc(["B-A"], "known")])
    assert report["without_gold"] == 2 and report["documents"] == 1 and report["precision"] == 1.0


def test_silver_with_a_text_twice_takes_the_gold_in_order():
    gold = [make_doc(["B-A"], "same"), make_doc(["O"], "same")]
    silver = [make_doc(["B-A"], "same"), make_doc(["B-A"], "same")]
    assert silver_quality(silver, gold)["correct"] == 1


tagged = st.lists(st.sampled_from(["O", "B-A", "B-B", "B-A I-A"]), min_size=1, max_size=3)
documents = st.lists(st.tuples(st.sampled_from("abc"), tagged), max_size=8)


@given(documents, documents)
@settings(max_examples=50, deadline=None)
def test_silver_quality_is_what_pairs_in_order_give(silver, gold):
    silver, gold = (
        [make_doc(" ".join(tags).split(), text) for text, tags in docs] for docs in (silver, gold)
    )
    left = {}
    for doc in gold:
        left.setdefault(doc.text, []).append({(e.start, e.end, e.label_) for e in doc.ents})
    said = [
        (ent.label_, (ent.start, ent.end, ent.label_) in truth)
        for doc in silver
        if left.get(doc.text)
        for truth in [left[doc.text].pop(0)]
        for ent in doc.ents
    ]
    report = silver_quality(silver, gold)
    assert (report["spans"], report["correct"]) == (len(said), sum(right for _, right in said))
    assert report["gold_spans"] == sum(len(doc.ents) for doc in gold)
    for label, row in report["per_type"].items():
        assert row["spans"] == sum(name == label for name, _ in said)
        assert row["correct"] == sum(right for name, right in said if name == label)
        assert row["gold_spans"] == sum(e.label_ == label for doc in gold for e in doc.ents)


def test_no_silver_has_no_precision():
    report = silver_quality([], make_docs("B-A"))
    assert report["precision"] is None and report["wrong_share"] is None
    assert report["recall"] == 0.0 and report["gold_spans"] == 1
