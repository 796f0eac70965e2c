"""The step `cuts`: the evidence is of those documents that a cascade decides alone."""

import json

import numpy as np
import pytest
from english import NLP
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span

from spacy_llmjudge.candidates import Candidate, get_candidates, set_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.cascade import Alone, decides
from spacy_llmjudge.judge.component import make_llm_judge
from spacy_llmjudge.judge.tasks.annotate import make_annotate_task
from spacy_llmjudge.judge.tasks.verify import make_verify_task
from spacy_llmjudge.selection.cascade_cuts import TARGETS, Rule
from spacy_llmjudge.selection.table import table_from_docs
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.steps.cuts import cuts, read_supports
from spacy_llmjudge.transport.messages import Reply

WORDS = "the red roses of old Kent bloom in roses".split()
TEXT = " ".join(WORDS)


class Scripted:
    """Replies with what it was given, in turn, and remembers what it was asked."""

    def __init__(self, replies):
        self.replies = replies
        self.seen = []

    def __call__(self, prompts):
        for group in prompts:
            replies = [Reply(self.replies[i % len(self.replies)]) for i in range(len(group))]
            self.seen.append((group, replies))
            yield replies


def judge_with(task, replies, tokens):
    """A document with one candidate a token, and what was asked and answered about it."""
    model = Scripted(replies)
    judge = make_llm_judge(NLP, "llm_judge", task, model, "llmjudge", "annotate", False, False)
    doc = NLP.make_doc(TEXT)
    set_candidates(doc, [Candidate(i, i + 1, "PLANT", 0.3, source="student") for i in tokens])
    doc = Doc(NLP.vocab).from_bytes(judge(doc).to_bytes())
    return doc, model.seen[0] if model.seen else ([], [])


def both(pairs, rule, target):
    """What the evidence says is decided alone, and what a cascade decides alone."""
    docs = [doc for doc, _ in pairs]
    table = table_from_docs(docs)
    evidence = read_supports(docs, table.take(table.judged))
    alone = Alone(rule.low, rule.high, rule.most, target, 0.5)
    return rule.decides(evidence, target).tolist(), [decides(alone, *asked) for _, asked in pairs]


entries = st.builds(
    lambda text, label, confidence: {
        "text": text,
        "label": label,
        **({} if confidence is None else {"confidence": confidence}),
    },
    st.sampled_from(["roses", "old", "Kent", "red roses", "lily", "ros"]),
    st.sampled_from(["PLANT", "PLANT", "PLANT", "SHIP"]),
    st.sampled_from([None, 0, 1, 4, 50, 93, 97, 100]),
)
lists = st.builds(
    lambda listed, others: json.dumps({"entities": listed, "alternatives": others}),
    st.lists(entries, max_size=4),
    st.lists(entries, max_size=2),
)
answers = st.lists(
    st.builds(
        lambda letter, chance: letter + ("" if chance is None else f" | {chance}"),
        st.sampled_from("ABCD"),
        st.sampled_from([None, 1, 4, 50, 97, 100]),
    ),
    min_size=8,
    max_size=8,
).map(lambda found: "\n".join(f"{i}: {answer}" for i, answer in enumerate(found, 1)))
tokens = st.lists(st.integers(0, len(WORDS) - 1), unique=True, max_size=6)
rules = st.builds(
    Rule,
    st.sampled_from([0.003, 0.02, 0.2]),
    st.sampled_from([0.6, 0.95, 0.997]),
    st.sampled_from([1, 2, 4, 9]),
)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from(["abstain", "all", "listed"]), lists | st.just("what?"), tokens),
        min_size=1,
        max_size=2,
    ),
    rules,
    st.sampled_from(TARGETS),
)
def test_the_evidence_decides_as_a_cascade_does_about_lists(shapes, rule, target):
    pairs = [
        judge_with(make_annotate_task(labels=["PLANT"], repeats=repeats), [reply], places)
        for repeats, reply, places in shapes
    ]
    tested, run = both(pairs, rule, target)
    assert tested == run


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 3, 8]), st.sampled_from([1, 2]), answers, answers, tokens),
        min_size=1,
        max_size=2,
    ),
    rules,
    st.sampled_from(TARGETS),
)
def test_the_evidence_decides_as_a_cascade_does_about_questions(shapes, rule, target):
    pairs = [
        judge_with(
            make_verify_task(labels=["PLANT"], candidates_per_prompt=size, n_samples=n),
            replies,
            places,
        )
        for size, n, *replies, places in shapes
    ]
    tested, run = both(pairs, rule, target)
    assert tested == run


@settings(deadline=None, max_examples=25)
@given(lists, tokens, rules, st.sampled_from(["accuracy", "recall", "precision"]))
def test_no_more_counts_in_a_decided_document_than_the_bound(reply, places, rule, target):
    doc, _ = judge_with(make_annotate_task(labels=["PLANT"]), [reply], places)
    table = table_from_docs([doc])
    table = table.take(table.judged)
    evidence = read_supports([doc], table)
    if rule.decides(evidence, target)[0]:
        counted, wrong = rule.add_up(evidence, np.ones(len(table)), target)
        assert wrong[0] <= counted[0] <= rule.most
        support = evidence.support
        assert not ((support > rule.low) & (support < rule.high)).any()


def test_what_a_list_leaves_out_counts_where_verdicts_count():
    listed = json.dumps({"entities": [{"text": "Kent", "label": "PLANT", "confidence": 95}]})
    pair = judge_with(make_annotate_task(labels=["PLANT"]), [listed], range(9))
    assert both([pair], Rule(0.2, 0.9, 3), "precision") == ([True], [True])
    assert both([pair], Rule(0.2, 0.9, 3), "accuracy") == ([False], [False])
    assert both([pair], Rule(0.2, 0.9, 10), "accuracy") == ([True], [True])


def test_what_is_listed_without_a_number_is_not_rejected_alone():
    listed = json.dumps({"entities": [{"text": "Kent", "label": "PLANT"}]})
    pair = judge_with(make_annotate_task(labels=["PLANT"]), [listed], range(4, 7))
    assert [c.support for c in get_candidates(pair[0])] == [None] * 3
    for target in TARGETS:
        assert both([pair], Rule(0.2, 0.9, 30), target) == ([False], [False])


def test_a_judge_that_never_says_how_sure_it_is_ends_in_one_line(tmp_path):
    listed = json.dumps({"entities": [{"text": "Kent", "label": "PLANT"}]})
    doc, _ = judge_with(make_annotate_task(labels=["PLANT"]), [listed], [5])
    for split in ("pool", "dev"):
        process_shards([doc], tmp_path / "judged" / split, list, fingerprint={}, shard_size=10)
    gold = NLP.make_doc(TEXT)
    gold.set_ents([Span(gold, 5, 6, "PLANT")])
    DocBin(docs=[gold]).to_disk(tmp_path / "dev.spacy")
    with pytest.raises(LLMJudgeError, match="J377.*dev"):
        cuts(tmp_path / "judged", tmp_path / "dev.spacy", tmp_path / "c.json", q=0.1, delta=0.1)
