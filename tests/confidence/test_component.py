import contextlib
import warnings

import pytest
import spacy
from confidence_models import make_doc, make_examples, parser_config, train_plain_ner
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_llmjudge.candidates import KEY, Candidate, get_candidates, get_outside, set_candidates
from spacy_llmjudge.confidence.posterior import span_keys
from spacy_llmjudge.errors import LLMJudgeError

TEXTS = [
    "I met Bo in Old Rome with Saint Ada today",
    "I met Sydney in Kiel with New Jordan today",
    "",
    "   ",
    "I met nobody",
    "I met Eva in Nara with Hal today",
]


def rows(doc):
    return [
        (c.key, pytest.approx(c.posterior, abs=1e-4), pytest.approx(c.confidence, abs=1e-4))
        for c in get_candidates(doc)
    ]


def test_scores_appear_and_entities_stay(plain_nlp):
    before = [span_keys(plain_nlp(text).ents) for text in TEXTS]
    plain_nlp.add_pipe("calibrated_confidence")
    for text, ents in zip(TEXTS, before):
        doc = plain_nlp(text)
        found = {c.key: c for c in get_candidates(doc)}
        assert span_keys(doc.ents) == ents
        assert set(ents) <= set(found)
        assert all(c.confidence is None for c in found.values())
        assert all(c.source == "student" for c in found.values())
        assert all(c.posterior >= 0.02 for key, c in found.items() if key not in ents)
        assert len(get_outside(doc)) == len(doc)
    assert any(before)


def test_posteriors_are_the_exact_ones(plain_nlp):
    from spacy_llmjudge.confidence.posterior import span_posteriors

    plain_nlp.add_pipe("calibrated_confidence")
    doc = plain_nlp(TEXTS[0])
    expected = span_posteriors(plain_nlp.get_pipe("ner"), [doc])[0]
    for candidate in get_candidates(doc):
        assert candidate.posterior == pytest.approx(expected.spans[candidate.key])
    assert get_outside(doc) == pytest.approx(expected.outside)


def test_works_on_a_shared_tok2vec(shared_nlp):
    shared_nlp.add_pipe("calibrated_confidence")
    doc = shared_nlp(TEXTS[0])
    assert span_keys(doc.ents)
    assert set(span_keys(doc.ents)) <= {c.key for c in get_candidates(doc)}


def test_confidence_is_calibrated_and_scored(fitted_nlp):
    scores = fitted_nlp.evaluate(make_examples(fitted_nlp, 60, seed=21))
    assert 0.0 <= scores["ents_ece"] < 0.25
    assert 0.0 < scores["ents_brier"] < 0.3
    assert 0.5 < scores["ents_auroc"] <= 1.0


def test_scores_without_entities_are_unknown(plain_nlp):
    plain_nlp.add_pipe("calibrated_confidence")
    doc = plain_nlp.make_doc("")
    scores = plain_nlp.evaluate([Example(doc, doc.copy())])
    assert scores["ents_ece"] is None and scores["ents_auroc"] is None


@pytest.mark.parametrize("way", ["disk", "bytes"])
def test_round_trip(fitted_nlp, tmp_path, way):
    if way == "disk":
        fitted_nlp.to_disk(tmp_path / "model")
        again = spacy.load(tmp_path / "model")
    else:
        again = spacy.blank("xx").from_config(fitted_nlp.config)
        again.from_bytes(fitted_nlp.to_bytes())
    component = again.get_pipe("calibrated_confidence")
    original = fitted_nlp.get_pipe("calibrated_confidence")
    assert component.calibration.to_dict() == original.calibration.to_dict()
    for text in TEXTS:
        assert rows(again(text)) == rows(fitted_nlp(text))


def test_unfitted_round_trip(plain_nlp, tmp_path):
    plain_nlp.add_pipe("calibrated_confidence", config={"candidate_cut": 0.1})
    plain_nlp.to_disk(tmp_path / "model")
    component = spacy.load(tmp_path / "model").get_pipe("calibrated_confidence")
    assert not component.is_fitted and component.candidate_cut == 0.1


def test_candidates_survive_docbin(fitted_nlp):
    doc = fitted_nlp(TEXTS[0])
    data = DocBin(docs=[doc]).to_bytes()
    (again,) = DocBin().from_bytes(data).get_docs(spacy.blank("xx").vocab)
    assert get_candidates(again) == get_candidates(doc)
    assert get_outside(again) == get_outside(doc)


def test_stream_equals_single_documents_and_keeps_the_order(fitted_nlp):
    texts = [f"{text} {i}" for i in range(5) for text in TEXTS]
    docs = list(fitted_nlp.pipe(texts, batch_size=7))
    assert [doc.text for doc in docs] == texts
    for doc in docs:
        assert rows(doc) == rows(fitted_nlp(doc.text))


def test_stream_is_lazy(fitted_nlp):
    taken = []

    def stream():
        for i in range(100):
            taken.append(i)
            yield f"I met Bo in Rome {i}"

    next(iter(fitted_nlp.pipe(stream(), batch_size=4)))
    assert len(taken) < 30


def test_two_processes(fitted_nlp):
    texts = [f"{text} {i}" for i in range(4) for text in TEXTS]
    docs = list(fitted_nlp.pipe(texts, n_process=2, batch_size=6))
    assert [doc.text for doc in docs] == texts
    for doc in docs:
        assert rows(doc) == rows(fitted_nlp(doc.text))


def test_bad_document_reaches_the_error_handler_alone(shared_nlp):
    component = shared_nlp.add_pipe("calibrated_confidence")
    docs = [shared_nlp(text) for text in TEXTS[:2]] + [shared_nlp(TEXTS[5])]
    docs[1].tensor = docs[1].tensor[:0]
    caught = []

    def handler(name, proc, failed, error):
        caught.append((name, [doc.text for doc in failed], str(error)))

    component.set_error_handler(handler)
    survivors = list(component.pipe(docs))
    assert [doc.text for doc in survivors] == [TEXTS[0], TEXTS[5]]
    assert all(get_candidates(doc) for doc in survivors)
    ((name, failed, message),) = caught
    assert name == "calibrated_confidence" and failed == [TEXTS[1]]
    assert "[J101]" in message and TEXTS[1] in message


def test_error_handler_of_the_pipeline(shared_nlp):
    component = shared_nlp.add_pipe("calibrated_confidence")
    process = component._process

    def fails_on_kiel(docs):
        if any("Kiel" in doc.text for doc in docs):
            raise RuntimeError("kiel")
        process(docs)

    component._process = fails_on_kiel
    failed = []
    # The `ner` of some spaCy versions takes no handler, and the call stops there.
    with contextlib.suppress(AttributeError):
        shared_nlp.set_error_handler(lambda name, proc, docs, e: failed.extend(docs))
    docs = list(shared_nlp.pipe(TEXTS))
    assert [doc.text for doc in failed] == [TEXTS[1]]
    assert len(docs) == len(TEXTS) - 1


def test_two_ner_pipes(plain_nlp):
    other = train_plain_ner(n=40, epochs=2, name="other_ner")
    plain_nlp.add_pipe("other_ner", source=other)
    for name in ("ner", "other_ner"):
        plain_nlp.add_pipe(
            "calibrated_confidence",
            name=f"{name}_confidence",
            config={"pipe_name": name, "spans_key": name},
        )
    from spacy_llmjudge.confidence.posterior import span_posteriors

    doc = plain_nlp(TEXTS[0])
    for name in ("ner", "other_ner"):
        expected = span_posteriors(plain_nlp.get_pipe(name), [doc])[0].spans
        found = [c for c in get_candidates(doc, name) if c.posterior is not None]
        assert found
        free = [c for c in found if c.posterior == pytest.approx(expected[c.key])]
        assert free
    assert {c.key: c.posterior for c in get_candidates(doc, "ner")} != {
        c.key: c.posterior for c in get_candidates(doc, "other_ner")
    }


def test_missing_pipe_names_what_is_there(plain_nlp):
    plain_nlp.add_pipe("calibrated_confidence", config={"pipe_name": "entities"})
    with pytest.raises(LLMJudgeError, match=r"\[J107\].*'entities'.*found: ner, calib"):
        plain_nlp("I met Bo")


def test_preset_entities_have_no_posterior(plain_nlp):
    ruler = plain_nlp.add_pipe("entity_ruler", before="ner")
    ruler.add_patterns([{"label": "GREETING", "pattern": "I met"}])
    plain_nlp.add_pipe("calibrated_confidence")
    doc = plain_nlp(TEXTS[0])
    found = {c.key: c for c in get_candidates(doc)}
    preset = found[(0, 2, "GREETING")]
    assert preset.posterior is None and preset.confidence is None
    assert preset.source is None
    others = [key for key in span_keys(doc.ents) if key != preset.key]
    assert others and all(found[key].posterior > 0 for key in others)
    assert not any(c.start < 2 and c.key != preset.key for c in found.values())
    assert get_outside(doc)[:2] == [0.0, 0.0]


def test_flag_lists_weak_entities(fitted_nlp):
    component = fitted_nlp.get_pipe("calibrated_confidence")
    docs = list(fitted_nlp.pipe(TEXTS))
    values = sorted(
        c.confidence for doc in docs for c in get_candidates(doc) if c.key in span_keys(doc.ents)
    )
    component.min_confidence = (values[0] + values[-1]) / 2
    for text, before in zip(TEXTS, docs):
        doc = fitted_nlp(text)
        weak = set(span_keys(doc.spans[f"{KEY}_weak"]))
        assert span_keys(doc.ents) == span_keys(before.ents)
        for c in get_candidates(doc):
            if c.key in span_keys(doc.ents):
                assert (c.key in weak) == (c.confidence < component.min_confidence)


def test_drop_removes_weak_entities_only(fitted_nlp):
    component = fitted_nlp.get_pipe("calibrated_confidence")
    before = fitted_nlp(TEXTS[1])
    confidence = {c.key: c.confidence for c in get_candidates(before)}
    ranked = sorted(span_keys(before.ents), key=confidence.get)
    assert len(ranked) > 1 and confidence[ranked[0]] < confidence[ranked[-1]]
    component.min_confidence = (confidence[ranked[0]] + confidence[ranked[-1]]) / 2
    component.below = "drop"
    doc = fitted_nlp(TEXTS[1])
    dropped = set(span_keys(doc.spans[f"{KEY}_weak"]))
    assert ranked[0] in dropped and ranked[-1] not in dropped
    assert set(span_keys(doc.ents)) == set(ranked) - dropped
    assert {c.key for c in get_candidates(doc)} >= dropped
    assert all(doc[start].ent_iob_ == "O" for start, _, _ in dropped)


def test_unfitted_says_so_once_and_drops_nothing(plain_nlp):
    config = {"min_confidence": 0.99, "below": "drop"}
    plain_nlp.add_pipe("calibrated_confidence", config=config)
    with pytest.warns(UserWarning, match=r"\[JW102\].*not fitted"):
        doc = plain_nlp(TEXTS[0])
    assert doc.ents
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain_nlp(TEXTS[0])


def test_unfitted_is_silent_without_min_confidence(plain_nlp):
    plain_nlp.add_pipe("calibrated_confidence")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain_nlp(TEXTS[0])


def test_out_of_fold_uses_the_parameters_of_the_fold(fitted_nlp):
    component = fitted_nlp.get_pipe("calibrated_confidence")
    calibration = component.calibration
    for k, part in enumerate(calibration.folds):
        part["temperature"] = 1.0 + k
    component.out_of_fold = True
    from spacy_llmjudge.confidence.posterior import span_posteriors

    texts = [f"{text} {i}" for i, text in enumerate(TEXTS)]
    docs = list(fitted_nlp.pipe(texts))
    assert len({calibration.fold_of(text) for text in texts}) > 2
    for doc in docs:
        part = calibration.folds[calibration.fold_of(doc.text)]
        expected = span_posteriors(
            fitted_nlp.get_pipe("ner"), [doc], temperature=part["temperature"]
        )[0]
        for c in get_candidates(doc):
            assert c.posterior == pytest.approx(expected.spans[c.key])
            assert c.confidence == pytest.approx(part["calibrator"]([c.posterior])[0])


def test_proposals_of_a_judge_are_kept(fitted_nlp):
    doc = fitted_nlp(TEXTS[0])
    own = get_candidates(doc)
    proposal = Candidate(0, 1, "PERSON", verdict="correct", support=0.9, source="judge")
    judged = own[0].replace(verdict="not_entity", support=0.1, posterior=0.0)
    set_candidates(doc, [proposal, judged, *own[1:]])
    fitted_nlp.get_pipe("calibrated_confidence")(doc)
    found = {c.key: c for c in get_candidates(doc)}
    assert found[judged.key].verdict == "not_entity"
    assert found[judged.key].posterior == pytest.approx(own[0].posterior)
    kept = found[proposal.key]
    assert kept.source == "judge" and kept.support == 0.9
    assert kept.posterior < 0.02 and kept.confidence is not None


def test_other_labels_than_fitted_for(fitted_nlp):
    fitted_nlp.get_pipe("ner").add_label("LATE")
    component = fitted_nlp.get_pipe("calibrated_confidence")
    component._adapter = None
    with pytest.warns(UserWarning, match=r"\[JW103\].*PERSON, PLACE.*LATE"):
        fitted_nlp(TEXTS[0])


def test_cleaned_tensor_is_refused(shared_nlp):
    shared_nlp.add_pipe("doc_cleaner")
    shared_nlp.add_pipe("calibrated_confidence")
    with pytest.raises(LLMJudgeError, match=r"\[J101\].*'I met Bo in Old Rome.*tensor"):
        shared_nlp(TEXTS[0])


def test_overwritten_encoding_is_refused(shared_nlp):
    shared_nlp.add_pipe("tok2vec", name="second_tok2vec").initialize(
        lambda: make_examples(shared_nlp, 2), nlp=shared_nlp
    )
    shared_nlp.add_pipe("calibrated_confidence")
    with pytest.raises(LLMJudgeError, match=r"\[J108\].*'second_tok2vec'.*after='ner'"):
        shared_nlp(TEXTS[0])


@pytest.mark.parametrize(
    "config, message",
    [
        ({"below": "hide"}, r"\[J103\].*'hide'"),
        ({"min_confidence": 1.5}, r"\[J104\].*min_confidence.*1.5"),
        ({"candidate_cut": 0.0}, r"\[J104\].*candidate_cut"),
    ],
)
def test_bad_settings(config, message):
    with pytest.raises(LLMJudgeError, match=message):
        spacy.blank("xx").add_pipe("calibrated_confidence", config=config)


def test_calibrator_from_the_config(plain_nlp, tmp_path):
    config = {"calibrator": {"@llmjudge_calibrators": "llmjudge.VennAbers.v1"}}
    component = plain_nlp.add_pipe("calibrated_confidence", config=config)
    component.fit(make_examples(plain_nlp, 20, seed=9))
    assert component.calibration.calibrator.type == "llmjudge.VennAbers.v1"
    plain_nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model").get_pipe("calibrated_confidence")
    assert again.calibrator.type == "llmjudge.VennAbers.v1"


def test_find_threshold_of_spacy(fitted_path, tmp_path):
    from spacy.cli.find_threshold import find_threshold

    settings = {"components": {"calibrated_confidence": {"below": "drop"}}}
    nlp = spacy.load(fitted_path, config=settings)
    nlp.to_disk(tmp_path / "model")
    docs = [eg.reference for eg in make_examples(nlp, 20, seed=4)]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    found = find_threshold(
        str(tmp_path / "model"),
        tmp_path / "dev.spacy",
        "calibrated_confidence",
        "min_confidence",
        "ents_f",
        n_trials=3,
    )
    best, score, scores = found
    assert list(scores) == [0.0, 0.5, 1.0] and score == scores[best]
    # nothing is that sure
    assert scores[0.0] > scores[1.0] == 0.0


def test_fit_leaves_the_examples_alone(plain_nlp):
    component = plain_nlp.add_pipe("calibrated_confidence")
    examples = make_examples(plain_nlp, 10)
    component.fit(examples)
    assert not any(eg.predicted.ents or KEY in eg.predicted.spans for eg in examples)


def test_analysis_is_honest(plain_nlp):
    plain_nlp.add_pipe("calibrated_confidence")
    analysis = plain_nlp.analyze_pipes()
    assert not analysis["problems"]["calibrated_confidence"]
    summary = analysis["summary"]["calibrated_confidence"]
    assert summary["assigns"] == ["doc.spans"] and summary["requires"] == ["doc.ents"]
    assert set(summary["scores"]) == {"ents_ece", "ents_brier", "ents_auroc"}
    alone = spacy.blank("xx")
    alone.add_pipe("calibrated_confidence")
    problems = alone.analyze_pipes()["problems"]["calibrated_confidence"]
    assert problems == ["doc.ents"]


def test_document_of_other_tokens_only(plain_nlp):
    plain_nlp.add_pipe("calibrated_confidence")
    doc = plain_nlp(Doc(plain_nlp.vocab, words=["\n", "\n"]))
    assert get_candidates(doc) == [] and len(get_outside(doc)) == 2
    assert get_outside(plain_nlp(make_doc(plain_nlp, []))) == []


def test_transformer_listener_without_its_data_is_refused(tiny_transformer):
    nlp = spacy.blank("xx")
    nlp.add_pipe("transformer", config={"model": tiny_transformer})
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    model = {**parser_config(upper=False), "tok2vec": listener}
    nlp.add_pipe("ner", config={"model": model})
    examples = make_examples(nlp, 4)
    nlp.initialize(lambda: examples)
    component = nlp.add_pipe("calibrated_confidence")
    docs = list(nlp.pipe(TEXTS))
    assert len(get_candidates(docs[0])) > 0
    docs[0]._.trf_data = None
    with pytest.raises(LLMJudgeError, match=r"\[J102\].*'ner'.*Old Rome.*trf_data"):
        list(component.pipe(docs))
