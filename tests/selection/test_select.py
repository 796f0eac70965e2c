import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection_helpers import (
    draw_documents,
    draw_world,
    holds,
    make_doc,
    make_table,
    simulate,
    wrong_share,
)
from spacy.tokens import DocBin

from spacy_llmjudge.candidates import get_candidates, get_outside
from spacy_llmjudge.selection.certified import make_certified
from spacy_llmjudge.selection.collaborative import make_collaborative
from spacy_llmjudge.selection.conformal import Conformal, make_conformal
from spacy_llmjudge.selection.decide import decide
from spacy_llmjudge.selection.select import select
from spacy_llmjudge.selection.selector import Scores, Selection, Selector
from spacy_llmjudge.selection.threshold import make_threshold
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.policy import SilverPolicy
from spacy_llmjudge.targets.spans import Spans


def run(selector, **kwargs):
    pool, gold = draw_documents(1, 300)
    evidence, evidence_gold = draw_documents(2, 120)
    decided, silver, report = select(pool, evidence, evidence_gold, selector, **kwargs)
    return decided, silver, report, gold


def test_conformal_selection_from_documents_to_silver():
    decided, silver, report, gold = run(make_conformal(0.1))
    assert wrong_share(silver, gold) < 0.13
    assert sum(len(doc.ents) for doc in silver) > 300
    assert report["promise"]["kind"] == "expected"
    assert sum(report["decisions"].values()) == report["candidates"]["pool"]


def test_decisions_are_written_into_the_documents():
    decided, silver, report, _ = run(make_conformal(0.1))
    found = [c for doc in decided for c in get_candidates(doc)]
    for name, count in report["decisions"].items():
        assert sum(c.decision == name for c in found) == count
    assert all(0 < c.probability < 1 for c in found)
    cut = report["cut"]
    assert all(c.probability >= cut for c in found if c.decision == "accepted")
    rejected = [c for c in found if c.decision == "rejected"]
    assert rejected and all(c.probability <= 0.15 and c.verdict != "correct" for c in rejected)


def test_silver_has_no_overlaps_and_only_accepted_spans():
    decided, silver, _, _ = run(make_conformal(0.2))
    accepted = {
        (doc.text, c.key)
        for doc in decided
        for c in get_candidates(doc)
        if c.decision == "accepted"
    }
    spans = {(doc.text, (e.start, e.end, e.label_)) for doc in silver for e in doc.ents}
    assert spans and spans <= accepted


def test_report_is_json_and_counts_by_label():
    *_, report, _ = run(make_conformal(0.1))
    assert json.loads(json.dumps(report)) == report
    rows = report["labels"].values()
    assert set(report["labels"]) == {"A", "B"}
    assert sum(row["accepted"] for row in rows) == report["decisions"]["accepted"]
    assert sum(row["wrong_over_cut"] for row in rows) == report["promise"]["errors_over_cut"]
    assert sum(row["held_out"] for row in rows) == report["promise"]["n"]


def test_reliability_is_asked_for_each_source():
    seen = {}

    def reliability(probability, correct, documents=None):
        assert len(probability) == len(correct) and not np.isnan(probability).any()
        counted = 0 if documents is None else len(set(documents))
        return {"brier": float(np.mean((probability - correct) ** 2)), "documents": counted}

    *_, report, _ = run(make_conformal(0.1), reliability=reliability)
    seen = {name: figures["brier"] for name, figures in report["reliability"].items()}
    assert set(seen) == {"student", "judge", "fused"}
    assert seen["fused"] < seen["student"]
    listed = report["reliability_listed"]["fused"]["documents"]
    assert report["reliability"]["fused"]["documents"] == 0 < listed <= 120


def test_threshold_never_looks_at_the_judge():
    selector = make_threshold(0.6)
    *_, with_judge, _ = run(selector)
    results = []
    for judged in (True, False):
        pool, _ = draw_documents(1, 100, judged)
        evidence, gold = draw_documents(2, 50, judged)
        decided, silver, report = select(pool, evidence, gold, selector)
        results.append(
            (
                [[(c.key, c.decision, c.probability) for c in get_candidates(d)] for d in decided],
                [[(t.ent_iob, t.ent_type_) for t in doc] for doc in silver],
                report,
            )
        )
    assert results[0] == results[1]
    assert with_judge["promise"]["kind"] is None


def test_proposals_off_takes_them_from_the_evidence_too():
    *_, full, _ = run(make_conformal(0.2))
    policy = SilverPolicy(proposals=False, corrections=False)
    decided, silver, report, _ = run(make_conformal(0.2), policy=policy)
    assert report["candidates"]["pool"] < full["candidates"]["pool"]
    assert report["candidates"]["evidence"] < full["candidates"]["evidence"]
    hidden = [c for doc in decided for c in get_candidates(doc) if c.source == "judge"]
    assert hidden and all(c.decision is None and c.probability is None for c in hidden)


def test_sentence_unit_trains_on_no_document_that_failed():
    decided, silver, report, _ = run(make_collaborative(0.6, unit="sentence"))
    kept = {doc.text for doc in silver if doc.ents}
    for doc in decided:
        predicted = {(e.start, e.end, e.label_) for e in doc.ents}
        if doc.text in kept:
            passed = {c.key for c in get_candidates(doc) if c.decision == "accepted"}
            assert predicted <= passed
    assert kept and report["documents"]["too_little_known"] > 0


def test_without_a_random_sample_nothing_is_promised():
    *_, report, _ = run(make_conformal(0.1), caveats=["crossfit"])
    assert report["promise"]["kind"] is None and report["decisions"]["accepted"] > 0
    assert report["statement"].startswith("No promise")


def test_a_selector_of_ones_own_says_only_what_it_accepts():
    @dataclass(frozen=True)
    class KeepHalf(Selector):
        name = "mine.KeepHalf.v1"
        share: float = 0.5

        def select(self, pool, evidence):
            return Selection(pool.probability >= self.share, self.share, "No promise.")

    *_, report, _ = run(KeepHalf())
    assert report["settings"]["selector"] == "mine.KeepHalf.v1"
    assert report["settings"]["share"] == 0.5
    assert report["decisions"]["accepted"] > 0


def test_empty_pool():
    evidence, gold = draw_documents(2, 20)
    decided, silver, report = select([], evidence, gold, make_conformal(0.1))
    assert decided == [] and silver == [] and report["decisions"]["accepted"] == 0


def test_no_evidence():
    pool, _ = draw_documents(1, 20)
    decided, silver, report = select(pool, [], [], make_conformal(0.1))
    assert report["decisions"]["accepted"] == 0
    assert "not attainable with 0 held-out candidates" in report["statement"]
    assert report["fusion"]["mode"] == "equal" and report["fusion"]["n"] == 0


def test_no_judge_at_all():
    pool, _ = draw_documents(1, 50, judged=False)
    evidence, gold = draw_documents(2, 100, judged=False)
    decided, _, _ = select(pool, evidence, gold, make_conformal(0.3))
    for doc in decided:
        for c in get_candidates(doc):
            if c.confidence is not None:
                assert c.probability == pytest.approx(c.confidence, abs=1e-6)


def test_held_out_candidates_lose_their_overlaps_like_those_of_the_pool():
    pool, _ = draw_documents(1, 100)
    decided, _, report = select(pool, *draw_documents(1, 100), make_conformal(0.1))
    counts = report["candidates"]
    assert counts["pool"] == counts["evidence"] > counts["evidence_without_overlaps"]


def test_decisions_never_depend_on_evidence_of_the_same_document():
    """What is promised was measured on probabilities that have not seen their own truth."""
    world = draw_world(np.random.default_rng(0), 80)
    before = decide(world, world, make_conformal(0.2)).evidence_probability
    lied = world.correct.copy()
    rows = world.document == 3
    lied[rows] = ~lied[rows]
    after = decide(world, world.replace(correct=lied), make_conformal(0.2)).evidence_probability
    assert np.array_equal(before[rows], after[rows])
    assert not np.array_equal(before, after)


def hide(doc):
    """The document as it would be had nobody asked."""
    own = [
        c.replace(verdict=None, support=None) for c in get_candidates(doc) if c.source != "judge"
    ]
    ents = [(e.start, e.end, e.label_) for e in doc.ents]
    return make_doc(doc.text, own, outside=get_outside(doc), state=None, ents=ents)


def test_documents_that_nobody_judged_are_selected_apart():
    pool, gold = draw_documents(1, 300)
    evidence, evidence_gold = draw_documents(2, 200)
    mixed = pool[:100] + [hide(doc) for doc in pool[100:]]
    _, _, report = select(mixed, evidence, evidence_gold, make_conformal(0.2))
    judged = select(pool[:100], evidence, evidence_gold, make_conformal(0.2))[2]
    assert report["statement"] == judged["statement"]
    assert report["cut"] == judged["cut"] and "unjudged" not in judged
    hidden = [hide(doc) for doc in pool[100:]]
    apart = select(hidden, evidence, evidence_gold, make_conformal(0.2))[2]
    assert report["unjudged"]["statement"] == apart["statement"]
    assert report["unjudged"]["accepted"] == apart["decisions"]["accepted"] > 0
    assert report["unjudged"]["promise"]["n"] < report["promise"]["n"]


def test_unjudged_part_keeps_its_promise_too():
    pool, gold = draw_documents(1, 400)
    evidence, evidence_gold = draw_documents(2, 200)
    hidden = [hide(doc) for doc in pool]
    _, silver, report = select(hidden, evidence, evidence_gold, make_conformal(0.2))
    assert report["decisions"]["accepted"] > 100
    assert wrong_share(silver, gold) < 0.25


def fingerprint(selector, order_seed):
    pool, _ = draw_documents(1, 60)
    evidence, gold = draw_documents(2, 60)
    pool.append(make_doc(pool[0].text, get_candidates(pool[0])))  # a duplicate
    shuffle = random.Random(order_seed).shuffle
    pairs = list(zip(evidence, gold))
    shuffle(pool), shuffle(pairs)
    _, silver, report = select(pool, *zip(*pairs), selector)
    return DocBin(docs=silver).to_bytes(), json.dumps(report)


@pytest.mark.slow
@pytest.mark.parametrize(
    "selector",
    [
        make_conformal(0.1),
        make_conformal(0.2, weighted=True),
        make_certified(0.2, 0.1),
        make_threshold(0.6),
        make_collaborative(0.6),
    ],
)
def test_the_order_of_documents_changes_no_byte(selector):
    results = {fingerprint(selector, seed) for seed in range(3)}
    assert len(results) == 1


ROOT = Path(__file__).parents[2]
HELPERS = os.pathsep.join(str(ROOT / name) for name in ("tests/helpers", "scripts"))


@pytest.mark.slow
def test_the_hash_seed_changes_no_byte():
    code = (
        "import hashlib, test_select as t; "
        "b, r = t.fingerprint(t.make_conformal(0.1), 0); "
        "print(hashlib.sha256(b + r.encode()).hexdigest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": HELPERS},
        ).stdout
        for seed in (1, 2)
    }
    assert len(outputs) == 1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_tables_in_any_order_get_the_same_decisions(seed):
    rng = np.random.default_rng(seed)
    pool, evidence = draw_world(rng, 40), draw_world(rng, 40)
    plain = decide(pool, evidence, make_conformal(0.2))
    order, other = rng.permutation(len(pool)), rng.permutation(len(evidence))
    shuffled = decide(pool.take(order), evidence.take(other), make_conformal(0.2))
    assert np.array_equal(shuffled.decision, plain.decision[order])
    assert np.array_equal(shuffled.probability, plain.probability[order])


@pytest.mark.parametrize("n_held_out", [100, 300])
def test_promise_holds_through_fusion_and_clusters(n_held_out):
    """The whole way: the fusion is fitted on the evidence, and spans of a document are alike."""
    row = simulate({"it": make_conformal(0.1)}, n_held_out, 1000, 60, seed=n_held_out)["it"]
    assert holds({**row, "q": 0.1}) and row["mean"] > 0.03


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("n_held_out", [50, 100, 300])
def test_promises_hold_in_2000_draws(n_held_out, share):
    """A certificate costs more to draw, so that it has 1,000 draws."""
    shares = {"held_out_share": share, "pool_share": share}
    selectors = {"expected": make_conformal(0.1), "probable": make_certified(0.1, 0.1)}
    draws = {"expected": 2000, "probable": 1000}
    rows = simulate(selectors, n_held_out, 2000, draws, **shares)
    assert holds({**rows["expected"], "q": 0.1})
    assert holds({**rows["probable"], "q": 0.1, "delta": 0.1, "draws": 1000})


@pytest.mark.slow
@pytest.mark.parametrize("errors", ["crowded", "together", "copied"])
def test_a_certificate_is_about_spans_however_they_come(errors):
    """Where errors depend on how many spans a document has, where they share their luck, and with copies."""
    row = simulate({"it": make_certified(0.2, 0.1)}, 300, 2000, 400, errors=errors, seed=3)["it"]
    assert holds({**row, "delta": 0.1, "draws": 400})
    assert row["empty"] < 0.6


OVERLAPPING = [
    ("nested", Ents()),
    ("nested", Spans()),
    ("labels", Spans(single_label=True)),
]


@pytest.mark.parametrize("overlaps, target", OVERLAPPING)
def test_promise_holds_where_candidates_overlap(overlaps, target):
    settings = {"overlaps": overlaps, "target": target, "seed": 5}
    row = simulate({"it": make_conformal(0.1)}, 300, 1000, 40, **settings)["it"]
    assert holds({**row, "q": 0.1}) and row["accepted"] > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("overlaps, target", OVERLAPPING)
def test_promises_hold_in_400_draws_where_candidates_overlap(overlaps, target):
    selectors = {"expected": make_conformal(0.1), "probable": make_certified(0.2, 0.1)}
    rows = simulate(selectors, 300, 2000, 400, overlaps=overlaps, target=target)
    assert holds({**rows["expected"], "q": 0.1})
    assert holds({**rows["probable"], "q": 0.2, "delta": 0.1, "draws": 400})
    assert rows["probable"]["empty"] < 1


def test_label_shift_breaks_the_plain_rule_and_not_the_weighted_one():
    class BySupport(Conformal):
        def score(self, pool, evidence, n_folds=5):
            return Scores(pool.support, evidence.support)

    selectors = {weighted: BySupport(0.1, weighted, 0.5) for weighted in (False, True)}
    shift = {"held_out_share": 0.1, "pool_share": 0.6, "blind": True}
    rows = simulate(selectors, 300, 1000, 60, **shift)
    assert not holds({**rows[False], "q": 0.1})
    assert holds({**rows[True], "q": 0.1})


@pytest.mark.slow
def test_a_million_candidates():
    rng = np.random.default_rng(0)
    pool, evidence = draw_world(rng, 400_000), draw_world(rng, 300)
    n = len(pool)
    # neighbours overlap: every second span reaches over the next one
    pool = pool.replace(end=pool.end + np.arange(n) % 2)
    assert n >= 999_000
    started = time.process_time()
    decisions = decide(pool, evidence, make_conformal(0.1))
    # processor time: what else the machine does is no matter; linear takes 5 s, quadratic hours
    assert time.process_time() - started < 60
    assert (decisions.decision == 0).sum() > 100_000


def test_tables_of_pool_and_evidence_may_know_different_labels():
    pool = make_table([0.9] * 30, [0.9] * 30, labels=("B",))
    evidence = make_table([0.9] * 60, [0.9] * 60, [True] * 55 + [False] * 5, labels=("A",))
    assert len(decide(pool, evidence, make_conformal(0.2)).decision) == 30
