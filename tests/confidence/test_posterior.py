import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from confidence_models import blank_model, make_doc, randomise
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.confidence.posterior import (
    agrees_with_predict,
    entity_regrets,
    posteriors_from_scores,
    score_states,
    span_keys,
    span_posteriors,
)
from spacy_llmjudge.confidence.states import is_exact_for

WORDS = ["x", "Rome", "of", "\n", "  ", "12", "the", "Bo"]
# Words and spaces, and after which tokens a sentence starts.
DOCUMENTS = st.lists(st.tuples(st.sampled_from(WORDS), st.booleans()), min_size=0, max_size=4)


def to_doc(nlp, tokens):
    starts = [i for i, (_, is_start) in enumerate(tokens) if is_start and i > 0]
    return make_doc(nlp, [word for word, _ in tokens], starts)


def step_probabilities(ner, step, states, names, temperature):
    """The real transition system's own scores and rules, locally normalised."""
    scores = np.asarray(step.predict(states), dtype=np.float64) / temperature
    for row, state in zip(scores, states):
        valid = [ner.moves.is_valid(state, name) for name in names]
        row[~np.array(valid)] = -np.inf
    scores -= scores.max(axis=1, keepdims=True)
    weights = np.exp(scores)
    return weights / weights.sum(axis=1, keepdims=True)


def state_names(ner):
    return [ner.moves.get_class_name(i) for i in range(ner.moves.n_moves)]


def enumerate_paths(ner, doc, temperature=1.0):
    """Walk every path of the real transition system; exact, and exponential."""
    spans, outside = defaultdict(float), np.zeros(len(doc))
    if not len(doc):
        return spans, outside
    names = state_names(ner)
    step = ner.model.predict([doc])
    front = [(ner.moves.init_batch([doc])[0], 1.0, ())]
    while front:
        probabilities = step_probabilities(
            ner, step, [state for state, _, _ in front], names, temperature
        )
        following = []
        for (state, weight, path), row in zip(front, probabilities):
            for name, p in zip(names, row):
                if p == 0.0:
                    continue
                state_after, path_after = state.copy(), (*path, name)
                ner.moves.apply_transition(state_after, name)
                if state_after.is_final():
                    tally(path_after, weight * p, spans, outside)
                else:
                    following.append((state_after, weight * p, path_after))
        front = following
    return spans, outside


def tally(path, weight, spans, outside):
    start = None
    for i, name in enumerate(path):
        move, label = name[0], name[2:]
        if move in "BU":
            start = i
        if move in "LU":
            spans[(start, i + 1, label)] += weight
        if move == "O":
            outside[i] += weight


def sample_paths(ner, doc, n, rng):
    """Roll out the real transition system n times at once."""
    names = state_names(ner)
    docs = [doc] * n
    step = ner.model.predict(docs)
    states = ner.moves.init_batch(docs)
    paths = [[] for _ in states]
    for _ in range(len(doc)):
        table = step_probabilities(ner, step, states, names, 1.0)
        draws = (table.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1)
        for state, path, draw in zip(states, paths, np.minimum(draws, len(names) - 1)):
            ner.moves.apply_transition(state, names[draw])
            path.append(names[draw])
    counts, outside = Counter(), np.zeros(len(doc))
    spans = defaultdict(float)
    for path in paths:
        tally(path, 1.0, spans, outside)
    counts.update(spans)
    return counts, outside


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("extra", [True, False])
@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    tokens=DOCUMENTS,
    seed=st.integers(0, 10_000),
    temperature=st.sampled_from([0.5, 1.0, 2.5]),
)
def test_pass_equals_all_paths_of_the_transition_system(extra, upper, tokens, seed, temperature):
    nlp = blank_model(extra, upper)
    ner = randomise(nlp, seed)
    doc = to_doc(nlp, tokens)
    expected, outside = enumerate_paths(ner, doc, temperature)
    found = span_posteriors(ner, [doc], temperature=temperature, cut=1e-12)[0]
    for key in set(expected) | set(found.spans):
        assert found.spans.get(key, 0.0) == pytest.approx(expected[key], abs=2e-5)
    assert found.outside == pytest.approx(outside, abs=2e-5)
    assert found.lost < 1e-6


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("extra", [True, False])
def test_pass_agrees_with_sampled_roll_outs_of_long_documents(extra, upper):
    n = 1000
    nlp = blank_model(extra, upper)
    ner = randomise(nlp, seed=7)
    words = "Bo met the 12 of Rome \n in Lima or x . the end of Bo".split(" ")
    doc = make_doc(nlp, words, starts=[10])
    counts, outside = sample_paths(ner, doc, n, np.random.default_rng(0))
    found = span_posteriors(ner, [doc])[0]
    assert max(end - start for start, end, _ in counts) > 5
    for key in set(counts) | set(found.spans):
        p = found.spans.get(key, 0.0)
        error = 5 * math.sqrt(p * (1 - p) / n) + 5 / n
        assert counts[key] / n == pytest.approx(p, abs=error)
    assert outside / n == pytest.approx(found.outside, abs=5 * math.sqrt(0.25 / n))


def test_sampled_roll_outs_would_notice_a_wrong_temperature():
    n = 1000
    nlp = blank_model(False, False)
    ner = randomise(nlp, seed=7)
    doc = make_doc(nlp, "Bo met the 12 of Rome".split())
    counts, _ = sample_paths(ner, doc, n, np.random.default_rng(0))
    found = span_posteriors(ner, [doc], temperature=2.0)[0]
    gaps = [abs(counts[key] / n - p) for key, p in found.spans.items()]
    assert max(gaps) > 5 * math.sqrt(0.25 / n) + 5 / n


@settings(max_examples=10, deadline=None, derandomize=True)
@given(tokens=st.lists(DOCUMENTS, min_size=1, max_size=4), seed=st.integers(0, 10_000))
def test_every_token_is_outside_or_in_one_span(tokens, seed):
    nlp = blank_model(False, False)
    ner = randomise(nlp, seed)
    docs = [to_doc(nlp, part) for part in tokens]
    for doc, found in zip(docs, span_posteriors(ner, docs, cut=1e-14)):
        covered = found.outside.copy()
        for (start, end, _), p in found.spans.items():
            covered[start:end] += p
        assert covered == pytest.approx(np.ones(len(doc)), abs=1e-9)


def test_a_batch_gives_each_document_what_it_gets_alone():
    nlp = blank_model(True, True)
    ner = randomise(nlp, seed=3)
    texts = ["Bo met Rome", "", "a " * 30, "x", "Rome of the Bo in 12 of the"]
    docs = [make_doc(nlp, text.split()) for text in texts]
    together = span_posteriors(ner, docs)
    for doc, found in zip(docs, together):
        alone = span_posteriors(ner, [doc])[0]
        assert found.spans.keys() == alone.spans.keys()
        assert list(found.spans.values()) == pytest.approx(list(alone.spans.values()))
        assert found.outside == pytest.approx(alone.outside)


def test_no_posterior_is_off_by_more_than_the_lost_mass():
    nlp = blank_model(False, False)
    ner = randomise(nlp, seed=11, scale=0.3)
    doc = make_doc(nlp, ["x"] * 40)
    exact = span_posteriors(ner, [doc], cut=1e-15)[0]
    rough = span_posteriors(ner, [doc], cut=0.005)[0]
    assert exact.lost < 1e-10 < 0.005 < rough.lost < 1.0
    gaps = [abs(p - exact.spans[key]) for key, p in rough.spans.items()]
    assert 0.0 < max(gaps) <= rough.lost
    assert np.abs(exact.outside - rough.outside).max() <= rough.lost


def test_temperature_flattens_the_posteriors():
    nlp = blank_model(False, False)
    ner = randomise(nlp, seed=5)
    scores = score_states(ner, [make_doc(nlp, ["Bo"])])
    cold, plain, hot = (
        posteriors_from_scores(scores, temperature=t)[0] for t in (0.1, 1.0, 1000.0)
    )
    top = max(plain.spans.values())
    assert max(*cold.spans.values(), cold.outside[0]) > 0.99 > top
    assert list(hot.spans.values()) == pytest.approx([1 / 3, 1 / 3], abs=1e-2)


def test_scores_are_not_changed_by_the_pass():
    nlp = blank_model(False, True)
    ner = randomise(nlp, seed=5)
    scores = score_states(ner, [make_doc(nlp, "Bo met Rome in Lima".split())])
    before = posteriors_from_scores(scores)[0]
    posteriors_from_scores(scores, temperature=3.0, forced=[[(1, 3, "A")]])
    after = posteriors_from_scores(scores)[0]
    assert after.spans == before.spans


@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("extra", [True, False])
def test_best_path_is_the_one_that_ner_predicts(extra, upper, pieces):
    nlp = blank_model(extra, upper, pieces=pieces)
    docs = [make_doc(nlp, words.split()) for words in ("Bo of the 12 Rome x", "", "x")]
    docs.append(make_doc(nlp, ["Bo", "\n", "Rome", "x", "12"], starts=[2]))
    for seed in range(5):
        ner = randomise(nlp, seed)
        assert is_exact_for(ner)
        assert agrees_with_predict(ner, docs)


def test_self_test_notices_other_weights(monkeypatch):
    nlp = blank_model(False, False)
    ner = randomise(nlp, seed=1)
    docs = [make_doc(nlp, "Bo of the 12 Rome x".split())]
    assert agrees_with_predict(ner, docs)

    class Other:
        name, model, moves, cfg = ner.name, ner.model, ner.moves, ner.cfg

        def predict(self, docs):
            states = ner.predict(docs)
            randomise(nlp, seed=2)
            return states

        def set_annotations(self, docs, states):
            ner.set_annotations(docs, states)

    assert not agrees_with_predict(Other(), docs)


def test_entities_of_others_have_a_regret():
    nlp = blank_model(False, False)
    for seed in range(20):
        ner = randomise(nlp, seed)
        doc = ner(make_doc(nlp, "Bo of the 12 Rome x".split()))
        predicted = span_keys(doc.ents)
        if predicted and predicted[0][1] < 6:
            break
    scores = score_states(ner, [doc])[0]
    start, end, label = predicted[0]
    other = "B" if label == "A" else "A"
    keys = [(start, end, other), (start, end + 1, label), (start, end, "UNKNOWN")]
    regrets, _ = entity_regrets(scores, predicted)
    assert regrets.max() < 1e-3
    for key in keys:
        regrets, _ = entity_regrets(scores, [key])
        assert regrets[0] > 1e-3


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), start=st.integers(0, 3), length=st.integers(1, 2))
def test_forced_entities_constrain_their_neighbours_as_the_real_system_does(seed, start, length):
    nlp = blank_model(False, False)
    ner = randomise(nlp, seed)
    doc = make_doc(nlp, "Bo x Rome of 12".split())
    key = (start, start + length, "A")
    scores = score_states(ner, [doc])
    found = posteriors_from_scores(scores, cut=1e-12, forced=[[key]])[0]
    doc.ents = [doc.char_span(doc[start].idx, _end(doc, key), label="A")]
    # Tokens without an entity must be free, not outside, before ner runs.
    doc.set_ents(doc.ents, default="missing")
    expected, outside = enumerate_paths(ner, doc)
    assert expected.pop(key) == pytest.approx(1.0)
    assert key not in found.spans
    for other in set(expected) | set(found.spans):
        assert found.spans.get(other, 0.0) == pytest.approx(expected[other], abs=2e-5)
    assert found.outside == pytest.approx(outside, abs=2e-5)


def _end(doc, key):
    last = doc[key[1] - 1]
    return last.idx + len(last)


def test_blocked_tokens_stay_outside():
    nlp = blank_model(False, False)
    ner = randomise(nlp, seed=2)
    doc = make_doc(nlp, "Bo x Rome of 12".split())
    doc.set_ents([], blocked=[doc[2:3]], default="missing")
    expected, _ = enumerate_paths(ner, doc)
    expected.pop((2, 3, ""), None)
    found = span_posteriors(ner, [doc], cut=1e-12)[0]
    assert not any(start <= 2 < end for start, end, _ in found.spans)
    for key in set(expected) | set(found.spans):
        assert found.spans.get(key, 0.0) == pytest.approx(expected[key], abs=2e-5)
    assert found.outside[2] == pytest.approx(1.0)


def test_a_label_added_after_training_has_no_posterior():
    nlp = blank_model(False, False, ("A", "C"))
    ner = randomise(nlp, seed=2)
    ner.add_label("LATE")
    found = span_posteriors(ner, [make_doc(nlp, "Bo of the 12".split())])[0]
    assert {label for _, _, label in found.spans} == {"A", "C"}


def test_long_document_is_followed_to_its_end():
    nlp = blank_model(False, False)
    ner = randomise(nlp, seed=4)
    words = np.random.default_rng(0).choice(["x", "Bo", "of", "12"], 3000)
    doc = make_doc(nlp, [str(word) for word in words])
    found = span_posteriors(ner, [doc])[0]
    covered = found.outside.copy()
    for (start, end, _), p in found.spans.items():
        covered[start:end] += p
    assert covered == pytest.approx(np.ones(3000), abs=1e-4)
    assert found.lost < 0.01


@pytest.mark.slow
def test_long_document_in_bounded_memory():
    import tracemalloc

    nlp = blank_model(False, False)
    ner = randomise(nlp, seed=4)
    rng = np.random.default_rng(0)
    doc = make_doc(nlp, [str(w) for w in rng.choice(["x", "Bo", "of", "12"], 20_000)])
    tracemalloc.start()
    found = span_posteriors(ner, [doc], cut=1e-4)[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All pairs of token and start would be 1.6 GB for a single label.
    assert peak < 250e6
    covered = found.outside.copy()
    for (start, end, _), p in found.spans.items():
        covered[start:end] += p
    # Each of the spans under the cut may be missing.
    assert covered == pytest.approx(np.ones(20_000), abs=0.02)
    assert max(start for start, _, _ in found.spans) > 19_000


def test_documents_without_tokens():
    nlp = blank_model(False, True)
    ner = randomise(nlp, seed=1)
    for docs in ([], [make_doc(nlp, [])]):
        found = span_posteriors(ner, docs)
        assert [(f.spans, len(f.outside), f.lost) for f in found] == [({}, 0, 0.0)] * len(docs)
