import numpy as np
import pytest
import spacy
from confidence_models import TOK2VEC, make_doc, make_examples, parser_config
from spacy.pipeline import EntityRecognizer
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llmjudge.candidates import get_candidates
from spacy_llmjudge.confidence.adapters import (
    BeamAdapter,
    NerAdapter,
    SpancatAdapter,
    TextcatAdapter,
    make_adapter,
)
from spacy_llmjudge.confidence.posterior import span_keys
from spacy_llmjudge.errors import LLMJudgeError


def test_stock_ner_gets_the_exact_pass(plain_nlp):
    adapter = make_adapter(plain_nlp.get_pipe("ner"), [plain_nlp("I met Bo in Rome")])
    assert type(adapter) is NerAdapter


def test_parser_that_disagrees_falls_back_to_its_beam(plain_nlp):
    ner = plain_nlp.get_pipe("ner")
    docs = [plain_nlp("I met Bo in Old Rome with Saint Ada today")]

    class Contrary(EntityRecognizer):
        def set_annotations(self, docs, states):
            for doc in docs:
                doc.set_ents([Span(doc, 0, 1, "PLACE")])

    other = Contrary(ner.vocab, ner.model, "ner", ner.moves)
    with pytest.warns(UserWarning, match=r"\[JW101\].*'ner'.*beam of width 16"):
        adapter = make_adapter(other, docs)
    assert type(adapter) is BeamAdapter


def test_beam_posteriors_are_shares(plain_nlp):
    adapter = BeamAdapter(plain_nlp.get_pipe("ner"))
    texts = ["I met Bo in Old Rome with Ada today", "", "I met Rome"]
    docs = list(plain_nlp.pipe(texts))
    scores = adapter.score(docs)
    for doc, found in zip(docs, adapter.posteriors(scores)):
        covered = found.outside.copy()
        for (start, end, _), p in found.spans.items():
            covered[start:end] += p
        assert covered == pytest.approx(np.ones(len(doc)), abs=1e-5)
    predicted, forced = adapter.split(docs[0], scores[0])
    assert predicted == span_keys(docs[0].ents) and not forced


def test_beam_ner_is_read_through_its_beam():
    nlp = spacy.blank("xx")
    ner = nlp.add_pipe("beam_ner", config={"model": parser_config(), "beam_width": 4})
    examples = make_examples(nlp, 20)
    nlp.initialize(lambda: examples)
    doc = nlp("I met Bo in Rome")
    adapter = make_adapter(ner, [doc])
    assert type(adapter) is BeamAdapter
    (found,) = adapter.posteriors(adapter.score([doc]))
    assert all(0.0 < p <= 1.0 for p in found.spans.values())


def test_entities_of_others_are_told_apart(plain_nlp):
    adapter = NerAdapter(plain_nlp.get_pipe("ner"))
    doc = plain_nlp("I met Bo in Old Rome with Saint Ada today")
    own = span_keys(doc.ents)
    assert len(own) > 1 and all(start >= 2 for start, _, _ in own)
    doc.ents = [Span(doc, 0, 2, "PLACE"), *doc.ents]
    (scores,) = adapter.score([doc])
    assert adapter.split(doc, scores) == (own, [(0, 2, "PLACE")])


def test_gold_says_what_it_does_not_know(plain_nlp):
    adapter = NerAdapter(plain_nlp.get_pipe("ner"))
    reference = make_doc(plain_nlp, "I met Bo in Rome".split())
    place = Span(reference, 4, 5, "PLACE")
    reference.set_ents([place], missing=[reference[:3]], default="outside")
    gold = adapter.gold(Example(make_doc(plain_nlp, "I met Bo in Rome".split()), reference))
    assert gold.is_correct((4, 5, "PLACE")) is True
    assert gold.is_correct((4, 5, "PERSON")) is False
    assert gold.is_correct((3, 5, "PLACE")) is False
    assert gold.is_correct((2, 3, "PERSON")) is None
    assert gold.is_correct((2, 4, "PERSON")) is None


def test_gold_follows_another_tokenisation(plain_nlp):
    adapter = NerAdapter(plain_nlp.get_pipe("ner"))
    reference = Doc(
        plain_nlp.vocab, words=["in", "New", "-", "Rome"], spaces=[True, False, False, False]
    )
    reference.ents = [Span(reference, 1, 4, "PLACE")]
    predicted = Doc(plain_nlp.vocab, words=["in", "New-Rome"])
    assert adapter.gold(Example(predicted, reference)).spans == {(1, 2, "PLACE")}


@pytest.fixture
def spancat():
    nlp = spacy.blank("xx")
    config = {
        "spans_key": "sc",
        "threshold": 0.0,
        "suggester": {"@misc": "spacy.ngram_suggester.v1", "sizes": [1, 2]},
        "model": {
            "@architectures": "spacy.SpanCategorizer.v1",
            "tok2vec": TOK2VEC,
            "reducer": {
                "@layers": "spacy.mean_max_reducer.v1",
                "hidden_size": 8,
            },
            "scorer": {"@layers": "spacy.LinearLogistic.v1", "nO": None, "nI": None},
        },
    }
    pipe = nlp.add_pipe("spancat", config=config)
    pipe.add_label("PLACE")
    nlp.initialize()
    return nlp


def test_spancat_scores_are_the_posteriors(spancat):
    doc = spancat("in Old Rome")
    adapter = make_adapter(spancat.get_pipe("spancat"), [doc])
    assert type(adapter) is SpancatAdapter
    scores = adapter.score([doc])
    (found,) = adapter.posteriors(scores)
    group = doc.spans["sc"]
    assert list(found.spans) == sorted(span_keys(group)) and len(group) == 5
    assert sorted(found.spans.values()) == pytest.approx(sorted(group.attrs["scores"]))
    one, two = found.spans[(0, 1, "PLACE")], found.spans[(0, 2, "PLACE")]
    assert found.outside[0] == pytest.approx((1 - one) * (1 - two))
    (hot,) = adapter.posteriors(scores, temperature=1e6)
    assert list(hot.spans.values()) == pytest.approx([0.5] * 5, abs=1e-4)


def test_spancat_gold_is_its_own_span_group(spancat):
    adapter = SpancatAdapter(spancat.get_pipe("spancat"))
    reference = spancat.make_doc("in Old Rome")
    eg = Example(spancat.make_doc("in Old Rome"), reference)
    assert adapter.gold(eg).is_correct((1, 3, "PLACE")) is None
    reference.spans["sc"] = [Span(reference, 1, 3, "PLACE"), Span(reference, 2, 3, "PLACE")]
    gold = adapter.gold(eg)
    assert gold.is_correct((1, 3, "PLACE")) and gold.is_correct((2, 3, "PLACE"))
    assert gold.is_correct((0, 1, "PLACE")) is False


def test_spancat_keeps_its_spans(spancat):
    config = {"pipe_name": "spancat", "spans_key": "sc"}
    spancat.add_pipe("calibrated_confidence", config=config)
    with pytest.raises(LLMJudgeError, match=r"\[J109\].*doc.spans\['sc'\]"):
        spancat("in Old Rome")


def test_component_reads_spancat_and_its_gold(spancat):
    config = {"pipe_name": "spancat", "candidate_cut": 0.1}
    component = spancat.add_pipe("calibrated_confidence", config=config)
    reference = spancat.make_doc("in Old Rome")
    reference.spans["sc"] = [Span(reference, 1, 3, "PLACE")]
    example = Example(spancat.make_doc("in Old Rome"), reference)
    assert component.fit([example]).n_spans == 5
    doc = spancat("in Old Rome")
    assert [c.key for c in get_candidates(doc)] == sorted(span_keys(doc.spans["sc"]))
    assert all(0 < c.confidence < 1 for c in get_candidates(doc))


def test_spans_that_spancat_does_not_predict_have_a_posterior_too(spancat):
    spancat.get_pipe("spancat").cfg["threshold"] = 0.999
    docs = [spancat("in Old Rome"), spancat.make_doc(""), spancat("Rome")]
    assert not docs[0].spans["sc"]
    scores = SpancatAdapter(spancat.get_pipe("spancat")).score(docs)
    assert [len(found) for _, found in scores] == [5, 0, 1]
    assert all(0 < p < 0.999 for _, found in scores for p in found.values())


def test_the_labels_of_spancat_singlelabel_share_what_the_negative_one_leaves():
    nlp = spacy.blank("xx")
    model = {
        "@architectures": "spacy.SpanCategorizer.v1",
        "tok2vec": TOK2VEC,
        "reducer": {"@layers": "spacy.mean_max_reducer.v1", "hidden_size": 8},
        "scorer": {"@layers": "Softmax.v2"},
    }
    suggester = {"@misc": "spacy.ngram_suggester.v1", "sizes": [1, 2]}
    config = {"spans_key": "sc", "suggester": suggester, "model": model}
    pipe = nlp.add_pipe("spancat_singlelabel", config=config)
    for label in ("PLACE", "NAME"):
        pipe.add_label(label)
    nlp.initialize()
    doc = nlp("in Old Rome")
    ((_, found),) = make_adapter(pipe, [doc]).score([doc])
    assert len(found) == 10
    for start, end in {key[:2] for key in found}:
        assert sum(found[(start, end, label)] for label in pipe.labels) < 1


def test_the_likeliest_label_of_an_exclusive_textcat_is_predicted_however_unlikely():
    nlp = spacy.blank("xx")
    textcat = nlp.add_pipe("textcat")
    for label in ("A", "B", "C"):
        textcat.add_label(label)
    nlp.initialize()
    doc = nlp.make_doc("a fine day")
    doc.cats = {"A": 0.3, "B": 0.4, "C": 0.3}
    assert TextcatAdapter(textcat).predicted(doc) == [(0, 3, "B")]
    component = nlp.add_pipe(
        "calibrated_confidence", config={"pipe_name": "textcat", "candidate_cut": 0.9}
    )
    assert {c.label for c in get_candidates(component(nlp("a fine day")))} == {"A", "B", "C"}


def test_textcat_candidates_are_whole_documents():
    nlp = spacy.blank("xx")
    textcat = nlp.add_pipe("textcat")
    for label in ("GOOD", "BAD"):
        textcat.add_label(label)
    nlp.initialize()
    doc = nlp("a fine day")
    doc.cats = {"GOOD": 0.8, "BAD": 0.2}
    adapter = make_adapter(textcat, [doc])
    assert type(adapter) is TextcatAdapter
    scores = adapter.score([doc, nlp.make_doc("")])
    found, empty = adapter.posteriors(scores)
    assert found.spans == {(0, 3, "GOOD"): 0.8, (0, 3, "BAD"): 0.2}
    assert found.outside is None and empty.spans == {}
    assert adapter.split(doc, scores[0]) == ([(0, 3, "GOOD")], [])
    reference = nlp.make_doc("a fine day")
    reference.cats = {"GOOD": 1.0}
    gold = adapter.gold(Example(doc, reference))
    assert gold.is_correct((0, 3, "GOOD")) is True
    assert gold.is_correct((0, 3, "BAD")) is None


def test_component_without_probabilities():
    nlp = spacy.blank("xx")
    ruler = nlp.add_pipe("entity_ruler")
    with pytest.raises(LLMJudgeError, match=r"\[J105\].*EntityRuler"):
        make_adapter(ruler, [])
