"""Selectors that learn from verdicts: they help, they see no verdict, and no gold of their own fold."""

import json
import random
import string
import time
import warnings
from itertools import count

import numpy as np
import pytest
from selection_helpers import make_doc, make_table
from spacy import registry
from spacy.util import load_config
from typer.testing import CliRunner

from spacy_llmjudge import registries
from spacy_llmjudge.candidates import Candidate, get_candidates, set_candidates
from spacy_llmjudge.denoise.uu import refine_uu
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.numeric import fold_of
from spacy_llmjudge.selection.conformal import make_conformal
from spacy_llmjudge.selection.decide import decide
from spacy_llmjudge.selection.denoised import make_sidyp, make_stacking, make_uu
from spacy_llmjudge.selection.features import CandidateFeatures, describe_words, list_rows
from spacy_llmjudge.selection.inputs import make_tables
from spacy_llmjudge.selection.select import select
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.storage import write_docs
from spacy_llmjudge.targets.policy import SilverPolicy

ROOT = registries.__file__.rsplit("/", 2)[0]
MAKERS = [make_uu, make_sidyp, make_stacking]
FILES = {"uu": "llmjudge.UU.v1", "sidyp": "llmjudge.SiDyP.v1", "stacking": "llmjudge.Stacking.v1"}
GOOD, BAD = "rose fern elm oak ivy moss".split(), "rain wind snow frost sun fog".split()
FILLERS = "my the a is and on near old dead likes".split()
BASIS = {
    word: np.random.default_rng(i).normal(size=12) for i, word in enumerate(GOOD + BAD + FILLERS)
}


def word_vectors(texts, spans):
    """The mean of fixed vectors of the words inside, as an encoder without context would do it."""
    rows = []
    for text, found in zip(texts, spans):
        for start, end in found:
            words = [BASIS[w] for w in text[start:end].split() if w in BASIS]
            rows.append(np.mean(words, axis=0) if words else np.zeros(12))
    return np.array(rows)


def draw_documents(seed, n, flip=0.3, judged=True):
    """Documents with two candidates each. A good word is an entity 9 times of 10, a bad one once; the
    judge is wrong about a share of them, whatever they look like; the student knows nothing."""
    rng = random.Random(seed)
    docs, gold = [], []
    for i in range(n):
        words, ents, candidates = [], [], []
        for _ in range(2):
            words += rng.choices(FILLERS, k=2)
            is_good = rng.random() < 0.5
            word = rng.choice(GOOD if is_good else BAD)
            right = rng.random() < (0.9 if is_good else 0.1)
            accepted = right != (rng.random() < flip)
            key = (len(words), len(words) + 1, "PLANT")
            words.append(word)
            if right:
                ents.append(key)
            candidates.append(
                Candidate(
                    *key,
                    posterior=0.5,
                    confidence=0.5,
                    verdict=("correct" if accepted else "not_entity") if judged else None,
                    support=(0.8 if accepted else 0.2) if judged else None,
                    source="student",
                )
            )
        text = " ".join(words) + f" n{seed}x{i}"
        outside = [0.95] * (len(words) + 1)
        docs.append(make_doc(text, candidates, outside=outside, state="judged" if judged else None))
        gold.append(make_doc(text, ents=ents, state=None))
    return docs, gold


@pytest.fixture(scope="module")
def corpus():
    return (*draw_documents(1, 250), *draw_documents(2, 120))


def tables_of(selector, pool, evidence, gold):
    found = make_tables(pool, evidence, gold, selector, SilverPolicy())
    return found.pool, found.evidence


def truth_of(docs, gold):
    right = {doc.text: {(e.start, e.end, e.label_) for e in doc.ents} for doc in gold}
    return [c.key in right[doc.text] for doc in docs for c in get_candidates(doc)]


def auroc(truth, scores):
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(truth, scores)


@pytest.mark.slow
@pytest.mark.parametrize("make", MAKERS)
def test_what_was_learned_from_the_verdicts_ranks_better_than_the_verdicts(make, corpus):
    pool, pool_gold, evidence, gold = corpus
    truth = truth_of(pool, pool_gold)

    def rank(selector):
        decided, silver, report = select(pool, evidence, gold, selector)
        return (
            auroc(truth, [c.probability for doc in decided for c in get_candidates(doc)]),
            silver,
            report,
        )

    plain, _, _ = rank(make_conformal(0.15, floor=0.5))
    learned, silver, report = rank(make(0.15, 0.5, vectors=word_vectors))
    assert plain < 0.75 and learned > plain + 0.1
    assert report["learned"]["fallback"] is None
    assert report["learned"]["weights"]["learned"] > 0.1
    assert 0.6 < report["learned"]["pools"]["theta_pos"]["value"] < 0.8
    assert report["promise"]["kind"] == "expected"
    accepted = {(d.text, e.start, e.end) for d in silver for e in d.ents}
    right = {(d.text, e.start, e.end) for d in pool_gold for e in d.ents}
    assert len(accepted) > 50 and len(accepted - right) / len(accepted) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("make", MAKERS)
def test_the_gold_of_a_fold_has_no_say_in_its_scores(make, corpus):
    pool, _, evidence, gold = corpus
    selector = make(vectors=word_vectors)
    pool_table, evidence_table = tables_of(selector, pool, evidence, gold)
    folds = evidence_table.folds(5)
    flip = (folds == 3) & (np.arange(len(folds)) % 3 == 0)
    flipped = np.where(flip, ~evidence_table.correct, evidence_table.correct)
    first = selector.score(pool_table, evidence_table, 5)
    second = selector.score(pool_table, evidence_table.replace(correct=flipped), 5)
    same = pool_table.folds(5) == 3
    assert np.array_equal(first.evidence[folds == 3], second.evidence[folds == 3])
    assert np.array_equal(first.pool[same], second.pool[same])
    assert not np.array_equal(first.evidence[folds != 3], second.evidence[folds != 3])
    assert not np.array_equal(first.pool[~same], second.pool[~same])


def test_pool_and_held_out_candidates_that_are_alike_get_the_same_score(corpus):
    """What the promise needs: scores may tell nothing of the table that a candidate is in."""
    pool, _, evidence, gold = corpus
    selector = make_uu(vectors=word_vectors)
    pool_table, evidence_table = tables_of(selector, pool, evidence, gold)
    scores = selector.score(pool_table, evidence_table, 5)

    def by_look(table, values):
        rows = zip(table.folds(5), table.features.round(5).tolist(), table.verdict, values)
        return {(fold, tuple(look), verdict): value for fold, look, verdict, value in rows}

    held_out = by_look(evidence_table, scores.evidence)
    in_pool = by_look(pool_table, scores.pool)
    shared = held_out.keys() & in_pool.keys()
    assert len(shared) > 3
    assert max(abs(held_out[key] - in_pool[key]) for key in shared) < 1e-4


@pytest.mark.slow
def test_the_share_of_wrong_stays_under_q_on_average():
    shares = []
    for seed in range(12):
        pool, pool_gold = draw_documents(100 + seed, 150)
        evidence, gold = draw_documents(300 + seed, 100)
        _, silver, _ = select(pool, evidence, gold, make_stacking(0.15, vectors=word_vectors))
        right = {(d.text, e.start, e.end) for d in pool_gold for e in d.ents}
        accepted = [(d.text, e.start, e.end) for d in silver for e in d.ents]
        shares.append(sum(key not in right for key in accepted) / max(len(accepted), 1))
    assert np.mean(shares) < 0.15 + 2 * np.std(shares) / len(shares) ** 0.5
    assert np.mean(shares) > 0.02


def test_features_hold_nothing_of_the_verdict_nor_of_the_student(corpus):
    pool, _, evidence, gold = corpus
    selector = make_uu(vectors=word_vectors)
    before = tables_of(selector, pool, evidence, gold)[0].features
    other, _ = draw_documents(1, 250)
    for doc in other:
        changed = [
            c.replace(verdict="wrong_label", support=0.01, confidence=0.9, posterior=0.9)
            for c in get_candidates(doc)
        ]
        set_candidates(doc, changed)
    after = tables_of(selector, other, evidence, gold)[0].features
    assert np.array_equal(before, after)


def test_features_are_made_once_and_only_where_they_are_asked_for(corpus):
    pool, _, evidence, gold = corpus
    calls = count()

    def counted(texts, spans):
        next(calls)
        return word_vectors(texts, spans)

    plain = make_conformal()
    assert tables_of(plain, pool, evidence, gold)[0].features is None
    selector = make_stacking(vectors=counted)
    first = tables_of(selector, pool, evidence, gold)[0].features
    made = next(calls)
    second = tables_of(selector, pool, evidence, gold)[0].features
    assert next(calls) == made + 1
    assert np.array_equal(first, second)
    assert first.dtype == np.float32 and len(first) == 500


def test_shape_length_frequency_and_place_of_a_candidate():
    docs = [make_doc("Rose 7b ! elm"), make_doc("ROSE near elm")]
    spans = [(0, 0, 1), (0, 1, 3), (0, 3, 4), (1, 0, 1), (1, 2, 3)]
    table = make_table(
        np.full(5, np.nan),
        document=[s[0] for s in spans],
        start=[s[1] for s in spans],
        end=[s[2] for s in spans],
        label=[0, 1, 0, 0, 0],
        labels=("A", "B"),
        texts=tuple(doc.text for doc in docs),
    )
    found = describe_words(list_rows(docs, table))
    assert found[:, :2].tolist() == [[1, 0], [0, 1], [1, 0], [1, 0], [1, 0]]
    assert found[:, 2].round(2).tolist() == [0, 0.69, 0, 0, 0]
    assert found[:, 3].tolist() == [0, 1, 0, 0, 0]
    assert found[:, 4].tolist() == [1, 0, 0, 1, 0]
    assert found[:, 5].tolist() == [0, 0, 0, 1, 0]
    assert found[:, 6].tolist() == [0, 1, 0, 0, 0]
    assert found[:, 7].round(2).tolist() == [0.69, 0, 0.69, 0.69, 0.69]
    assert found[:, 8].round(2).tolist() == [0, 0.25, 0.75, 0, 0.67]


def test_wide_vectors_are_reduced():
    pool, _ = draw_documents(5, 300)
    rng = np.random.default_rng(0)

    def wide(texts, spans):
        return rng.normal(size=(sum(map(len, spans)), 500))

    table, _ = tables_of(make_uu(vectors=wide), pool, [], [])
    assert table.features.shape == (600, 384 + 8)


@pytest.mark.parametrize("make", MAKERS)
def test_without_features_it_says_so(make):
    table = make_table([0.5], [0.5], [True])
    with pytest.raises(LLMJudgeError, match="J514"):
        decide(table, table, make())


def falls_back(selector, pool, evidence, gold, why):
    with pytest.warns(UserWarning, match=rf"JW503.*{why}") as caught:
        decided, _, report = select(pool, evidence, gold, selector)
    assert len([w for w in caught if "JW503" in str(w.message)]) == 1
    assert all("\n" not in str(w.message) for w in caught)
    assert why in report["learned"]["fallback"]
    found = [c.probability for doc in decided for c in get_candidates(doc)]
    plain, _, _ = select(pool, evidence, gold, make_conformal())
    assert found == [c.probability for doc in plain for c in get_candidates(doc)]


def test_a_judge_that_is_wrong_more_often_than_right_is_not_learned_from():
    pool, _ = draw_documents(1, 80, flip=0.7)
    evidence, gold = draw_documents(2, 80, flip=0.7)
    falls_back(make_uu(vectors=word_vectors), pool, evidence, gold, "J511")


def test_a_judge_whose_worth_is_uncertain_is_not_learned_from():
    pool, _ = draw_documents(1, 80, flip=0.4)
    evidence, gold = draw_documents(3, 25, flip=0.4)
    falls_back(make_uu(vectors=word_vectors), pool, evidence, gold, "JW500")


@pytest.mark.parametrize("make", MAKERS)
def test_verdicts_of_one_kind_are_not_learned_from(make, corpus):
    pool, _, evidence, gold = corpus

    def agree(docs):
        found = [[c.replace(verdict="correct") for c in get_candidates(doc)] for doc in docs]
        return [make_doc(d.text, cs, outside=[0.9] * len(d)) for d, cs in zip(docs, found)]

    code = "J506" if make is make_uu else "J502"
    falls_back(make(vectors=word_vectors), agree(pool), agree(evidence), gold, code)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("n", [0, 10])
def test_too_little_evidence_falls_back(make, n, corpus):
    pool, _, evidence, gold = corpus
    falls_back(make(vectors=word_vectors), pool, evidence[:n], gold[:n], "J515")


def test_fewer_candidates_than_neighbours_fall_back():
    pool, _ = draw_documents(1, 20)
    evidence, gold = draw_documents(2, 40)
    falls_back(make_sidyp(neighbours=500, vectors=word_vectors), pool, evidence, gold, "J512")


@pytest.mark.parametrize("make", MAKERS)
def test_features_that_are_not_numbers_fall_back(make, corpus):
    def broken(texts, spans):
        found = word_vectors(texts, spans)
        found[0] = np.nan
        return found

    pool, _, evidence, gold = corpus
    falls_back(make(vectors=broken), pool, evidence, gold, "J501")


@pytest.mark.slow
def test_documents_that_the_judge_did_not_answer_for_keep_the_confidence_of_the_student(corpus):
    pool, _, evidence, gold = corpus
    unjudged, _ = draw_documents(9, 30, judged=False)
    decided, _, report = select(
        pool + unjudged, evidence, gold, make_stacking(vectors=word_vectors)
    )
    assert {c.probability for doc in decided[len(pool) :] for c in get_candidates(doc)} == {0.5}
    assert report["unjudged"]["statement"]


@pytest.mark.slow
@pytest.mark.parametrize("make", MAKERS)
def test_the_order_of_documents_changes_nothing(make, corpus):
    pool, _, evidence, gold = corpus
    order = random.Random(0).sample(range(len(pool)), len(pool))

    def run(docs):
        decided, _, _ = select(docs, evidence[::-1], gold[::-1], make(vectors=word_vectors))
        return {doc.text: [c.probability for c in get_candidates(doc)] for doc in decided}

    assert run(pool) == run([pool[i] for i in order])


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A very small encoder with random weights and a tokenizer of its own."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    pieces = [*string.ascii_lowercase, *string.digits]
    pieces += ["##" + c for c in pieces] + GOOD + BAD + FILLERS
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(pieces)]
    (folder / "vocab.txt").write_text("\n".join(vocab))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_each_config_runs_from_the_command_line(name, encoder, corpus, tmp_path):
    pool, _, evidence, gold = corpus
    for part, docs in (("pool", pool), ("dev", evidence)):
        process_shards(docs, tmp_path / "judged" / part, lambda shard: shard, fingerprint={})
    write_docs(tmp_path / "gold.spacy", gold)
    config = f"{ROOT}/configs/filter_{name}.cfg"
    args = [
        "filter",
        tmp_path / "judged",
        tmp_path / "gold.spacy",
        tmp_path / "silver.spacy",
        config,
    ]
    args += [
        "--metrics",
        tmp_path / "metrics",
        "--selector.q",
        0.2,
        "--selector.vectors.encoder",
        encoder,
    ]
    from spacy_llmjudge.cli import app

    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "metrics" / "selection.json").read_text())
    assert report["settings"]["selector"] == FILES[name]
    assert report["learned"]["fallback"] is None
    assert report["decisions"]["accepted"] > 100
    assert (tmp_path / "silver.spacy").exists()


@pytest.mark.parametrize("name", FILES)
def test_each_config_asks_for_the_encoder_of_the_project(name):
    block = load_config(f"{ROOT}/configs/filter_{name}.cfg", interpolate=True)["selector"]
    assert block["vectors"] == {"@misc": "llmjudge.SpanVectors.v1", "encoder": "assets/encoder"}
    selector = registry.resolve({"selector": block})["selector"]
    assert selector.name == FILES[name] and isinstance(selector.describe, CandidateFeatures)


def test_an_encoder_that_is_missing_is_a_coded_error(corpus, tmp_path):
    pool, _, evidence, gold = corpus
    vectors = registry.get("misc", "llmjudge.SpanVectors.v1")(tmp_path / "nowhere")
    with pytest.raises(LLMJudgeError, match="J302"):
        select(pool, evidence, gold, make_uu(vectors=vectors))


@pytest.mark.slow
def test_uu_on_many_candidates_costs_a_few_rounds():
    """Seconds of the processor, held against one round on the same candidates."""
    import torch

    rng = np.random.default_rng(0)
    truth = rng.random(1749) < 0.5
    features = (rng.normal(size=(1749, 384)) + truth[:, None] * 0.2).astype("float32")
    verdict = ["correct" if t != f else "not_entity" for t, f in zip(truth, rng.random(1749) < 0.2)]
    table = make_table(np.full(1749, 0.5), correct=truth, verdict=verdict).replace(
        features=features
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scores = make_uu(vectors=word_vectors).score(
                table.take(np.arange(1300)), table.take(np.arange(1300, 1749)), 5
            )
        spent = time.process_time() - start
        start = time.process_time()
        refine_uu(
            features,
            [v == "correct" for v in verdict],
            [bool(t) if i < 449 else None for i, t in enumerate(truth)],
        )
        one = time.process_time() - start
    finally:
        torch.set_num_threads(threads)
    assert scores.report["fallback"] is None
    assert spent < 15 * one, "it is fitted for each pair of folds, in one fold only"


def test_folds_are_of_documents_by_their_text(corpus):
    pool, _, evidence, gold = corpus
    table, _ = tables_of(make_uu(vectors=word_vectors), pool, evidence, gold)
    assert table.folds(5).tolist() == [fold_of(table.texts[i], 5) for i in table.document]


def test_the_selector_of_a_config_is_the_default_one_without_vectors():
    selector = registry.resolve({"s": {"@llmjudge_selectors": "llmjudge.UU.v1", "q": 0.05}})["s"]
    assert selector.settings["q"] == 0.05 and isinstance(selector.describe, CandidateFeatures)


@pytest.mark.parametrize("settings", [{"neighbours": 0}, {"epochs": 0}, {"noise_rate": 1.5}])
def test_settings_out_of_range_are_an_error_and_no_fall_back(settings):
    with pytest.raises(LLMJudgeError, match=rf"J513.*{next(iter(settings))}"):
        make_sidyp(**settings)
