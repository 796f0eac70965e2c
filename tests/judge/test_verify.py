import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Iterable

import pytest
import spacy
from english import NLP
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_helpers import answer, read_questions, split_prompt
from spacy.tokens import Doc, Span
from spacy.util import load_config, load_model_from_config

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.tasks.annotate import make_annotate_task
from spacy_llmjudge.judge.tasks.verify import LETTERS, make_verify_task
from spacy_llmjudge.transport.messages import Prompt, Reply

ROWS = [
    {"text": "Slugs eat hostas", "spans": [{"start": 0, "end": 5, "label": "PEST"}]},
    {"text": "My rose is fine", "spans": [{"start": 3, "end": 7, "label": "PLANT"}]},
    {"text": "No slugs on the roses", "spans": []},
]
LABELS = ["PEST", "PLANT"]


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def make_doc():
    doc = NLP("The red roses died of slugs")
    found = [Candidate(1, 3, "PLANT", confidence=0.6), Candidate(2, 3, "PEST", posterior=0.1)]
    set_candidates(doc, found + [Candidate(5, 6, "PEST", posterior=0.8)])
    return doc


def ask(task, doc):
    ((prompts, shards),) = task.generate_prompts([doc])
    assert list(shards) == [doc]
    return list(prompts)


def tell(task, doc, replies):
    ((judged),) = task.parse_responses([[doc]], [list(replies)])
    assert judged is doc
    return {
        (str(doc[c.start : c.end]), c.label): (c.verdict, c.support) for c in get_candidates(doc)
    }


TRUTH = {
    ("red roses", "PLANT"): ("correct", 90, None),
    ("roses", "PEST"): ("wrong_label", 5, "plant"),
    ("slugs", "PEST"): ("wrong_boundary", 20, "of slugs"),
}


def decide(context, label):
    return TRUTH[(context["span"], label)]


def test_one_prompt_a_candidate_with_what_models_may_read(labelled, tmp_path):
    (tmp_path / "rules.txt").write_text("PLANT: latin names too\n")
    task = make_verify_task(rules=tmp_path / "rules.txt", demonstrations=labelled)
    prompts = ask(task, make_doc())
    assert [prompt.candidates for prompt in prompts] == [
        ((4, 13, "PLANT"),),
        ((8, 13, "PEST"),),
        ((22, 27, "PEST"),),
    ]
    for prompt in prompts:
        assert isinstance(prompt, Prompt)
        assert prompt.text == "The red roses died of slugs"
        assert prompt.options == tuple(LETTERS) and prompt.schema is None
        assert prompt.labels == {"PEST": "", "PLANT": ""} and len(prompt.demonstrations) == 3
        assert "- PLANT: latin names too" in prompt
        ((context, label, letters),) = read_questions(prompt)
        start, end, own = prompt.candidates[0]
        assert context["span"] == prompt.text[start:end] and label == own
        assert prompt.text.startswith(context["before"] + context["span"] + context["after"])
        assert sorted(letters) == list(LETTERS) and len(set(letters.values())) == 4


def test_examples_of_the_labelled_set_are_shown_with_near_misses(labelled):
    (prompt, *_) = ask(make_verify_task(demonstrations=labelled), make_doc())
    assert '"span": "slugs", "label": "PEST", "answer": "not at all' in prompt
    assert '"answer": "exactly this span, with the label' in prompt


def test_prompts_are_blind(labelled):
    """Neither who proposed a candidate nor how sure it was changes a prompt."""
    task = make_verify_task(demonstrations=labelled)
    guessed, sure = NLP("A rose"), NLP("A rose")
    guessed.ents = [Span(guessed, 1, 2, label="PLANT")]
    set_candidates(sure, [Candidate(1, 2, "PLANT", 0.9, 0.99, source="student")])
    assert ask(task, guessed) == ask(task, sure)
    words = ask(task, sure)[0].lower()
    assert not [w for w in ("model", "predict", "classifier", "student", "candidate") if w in words]


def test_orders_depend_on_text_and_candidate_and_all_occur():
    task = make_verify_task(labels=LABELS)
    orders, first = Counter(), Counter()
    for i in range(300):
        doc = NLP(f"rose number {i}")
        doc.ents = [Span(doc, 0, 1, label="PLANT")]
        (prompt,) = ask(task, doc)
        ((_, _, letters),) = read_questions(prompt)
        orders[tuple(letters.values())] += 1
        first[letters["A"]] += 1
        assert ask(task, doc) == [prompt]
    assert len(orders) == 24
    assert all(45 <= n <= 105 for n in first.values())


def test_samples_move_every_answer_through_all_letters():
    task = make_verify_task(labels=LABELS, n_samples=4)
    doc = NLP("rose")
    doc.ents = [Span(doc, 0, 1, label="PLANT")]
    prompts = ask(task, doc)
    assert [prompt.sample for prompt in prompts] == [0, 1, 2, 3]
    letters = [read_questions(prompt)[0][2] for prompt in prompts]
    for letter in LETTERS:
        assert len({one[letter] for one in letters}) == 4


@pytest.mark.parametrize("n, sizes", [(1, [1] * 9), (2, [2, 2, 2, 2, 1]), (8, [8, 1])])
def test_candidates_per_prompt(n, sizes):
    task = make_verify_task(labels=LABELS, candidates_per_prompt=n)
    doc = NLP("a b c d e f g h i")
    doc.ents = [Span(doc, i, i + 1, label=LABELS[i % 2]) for i in range(9)]
    prompts = ask(task, doc)
    assert [len(prompt.candidates) for prompt in prompts] == sizes
    assert [len(read_questions(prompt)) for prompt in prompts] == sizes
    assert {prompt.options for prompt in prompts} == {tuple(LETTERS) if n == 1 else None}

    def say(context, label):
        return ("correct", 80, None) if context["span"] in "aeiou" else ("not_entity", 3, None)

    found = tell(task, doc, [answer(prompt, say) for prompt in prompts])
    assert found == {
        (w, LABELS[i % 2]): ("correct", 0.8) if w in "aeiou" else ("not_entity", 0.03)
        for i, w in enumerate("abcdefghi")
    }
    assert get_status(doc) == {"state": "judged", "reason": None}


def test_verdicts_stated_supports_and_corrections():
    task = make_verify_task(labels=LABELS)
    doc = make_doc()
    found = tell(task, doc, [answer(prompt, decide) for prompt in ask(task, doc)])
    assert found == {
        ("red roses", "PLANT"): ("correct", 0.9),
        ("roses", "PEST"): ("wrong_label", 0.05),
        ("roses", "PLANT"): ("correct", None),
        ("slugs", "PEST"): ("wrong_boundary", 0.2),
        ("of slugs", "PEST"): ("correct", None),
    }
    proposed = [c for c in get_candidates(doc) if c.source == "judge"]
    assert [(c.start, c.end, c.label) for c in proposed] == [(2, 3, "PLANT"), (4, 6, "PEST")]
    assert get_candidates(doc)[0].confidence == 0.6
    again = tell(task, doc, [answer(prompt, decide) for prompt in ask(task, doc)])
    assert again == found, "judging twice is judging once"


def test_bare_verdicts_have_no_support():
    task = make_verify_task(labels=LABELS)
    doc = make_doc()
    bare = lambda context, label: (decide(context, label)[0], None, None)  # noqa: E731
    found = tell(task, doc, [answer(prompt, bare) for prompt in ask(task, doc)])
    assert list(found.values()) == [
        ("correct", None),
        ("wrong_label", None),
        ("wrong_boundary", None),
    ]


def with_logprobs(prompt, masses, stated=""):
    ((_, _, letters),) = read_questions(prompt)
    tokens = {letter: math.log(masses[letters[letter]]) for letter in letters}
    best = max(tokens, key=tokens.get)
    return Reply(best + stated, logprobs=[tokens] + [{c: -0.1} for c in stated])


def test_log_probabilities_come_before_what_is_stated():
    task = make_verify_task(labels=LABELS)
    doc = make_doc()
    masses = {"correct": 0.5, "wrong_label": 0.1, "wrong_boundary": 0.15, "not_entity": 0.05}
    replies = [with_logprobs(prompt, masses, " | 99") for prompt in ask(task, doc)]
    found = tell(task, doc, replies)
    assert set(found.values()) == {("correct", 0.625)}
    thin = {name: mass / 4 for name, mass in masses.items()}
    replies = [with_logprobs(prompt, thin, " | 99") for prompt in ask(task, doc)]
    assert set(tell(task, doc, replies).values()) == {("correct", 0.99)}
    assert get_status(doc)["reason"] == "dropped:low_coverage=3"


def spell(reply, letters):
    """Tokens of a reply as a server returns them: a character each, the letters with alternatives."""
    tokens = [{character: -0.01} for character in reply]
    for offset, masses in letters.items():
        tokens[offset] = {letter: math.log(mass) for letter, mass in masses.items()}
    return tokens


def answer_with_masses(prompt, masses, share=1.0):
    """The reply of a judge that gives every candidate of a prompt these probabilities by verdict."""
    reply = answer(prompt, lambda c, label: ("correct", 99, None))
    offsets, position = [], 0
    for line in reply.splitlines(keepends=True):
        offsets.append(position + line.index(": ") + 2)
        position += len(line)
    letters = {}
    for offset, meanings, by_verdict in zip(
        offsets, (q[2] for q in read_questions(prompt)), masses
    ):
        letters[offset] = {
            letter: share * by_verdict[verdict] for letter, verdict in meanings.items()
        }
    return Reply(reply, logprobs=spell(reply, letters))


MASSES = [
    {"correct": 0.7, "wrong_label": 0.1, "wrong_boundary": 0.1, "not_entity": 0.1},
    {"correct": 0.3, "wrong_label": 0.05, "wrong_boundary": 0.05, "not_entity": 0.6},
    {"correct": 0.45, "wrong_label": 0.25, "wrong_boundary": 0.2, "not_entity": 0.1},
]


def test_each_of_several_candidates_has_the_log_probabilities_of_its_own_letter():
    task = make_verify_task(labels=LABELS, candidates_per_prompt=3)
    doc = make_doc()
    (prompt,) = ask(task, doc)
    found = tell(task, doc, [answer_with_masses(prompt, MASSES)])
    # In the order of the text; a letter was drawn, but its place says what was likelier.
    assert found == {
        ("red roses", "PLANT"): ("correct", pytest.approx(0.7)),
        ("roses", "PEST"): ("not_entity", pytest.approx(0.3)),
        ("slugs", "PEST"): ("correct", pytest.approx(0.45)),
    }


def test_without_them_several_candidates_fall_back_one_by_one():
    """To votes where there are several samples, then to what is stated, then to the bare verdict."""
    task = make_verify_task(labels=LABELS, candidates_per_prompt=3)
    doc = make_doc()
    (prompt,) = ask(task, doc)
    thin = tell(task, doc, [answer_with_masses(prompt, MASSES, share=0.2)])
    assert set(thin.values()) == {("correct", 0.99)}
    assert get_status(doc)["reason"] == "dropped:low_coverage=3"
    # The place of one letter cannot be found in the tokens: only what follows it loses them.
    broken = answer_with_masses(prompt, MASSES)
    broken.logprobs[str(broken).index("\n") + 1] = {"?": -0.1}
    found = tell(task, doc, [broken])
    assert list(found.values()) == [
        ("correct", pytest.approx(0.7)),
        ("correct", 0.99),
        ("correct", 0.99),
    ]
    samples = make_verify_task(labels=LABELS, candidates_per_prompt=3, n_samples=3)
    replies = [
        answer(p, lambda c, label, v=v: (v, None, None))
        for p, v in zip(ask(samples, doc), ["correct", "not_entity", "correct"])
    ]
    assert set(tell(samples, doc, replies).values()) == {("correct", 2.5 / 4)}
    bare = answer(prompt, lambda c, label: ("correct", None, None))
    assert set(tell(task, doc, [bare]).values()) == {("correct", None)}


@pytest.mark.parametrize("n", [1, 3])
def test_a_server_is_asked_for_log_probabilities_and_they_arrive(n, monkeypatch):
    from loopback import Answer, Loopback, chat

    def script(request):
        assert request.data["logprobs"] is True and request.data["top_logprobs"] == 5
        reply = answer(request.prompt, lambda c, label: ("correct", 99, None))
        if n == 1:
            ((_, _, meanings),) = read_questions(request.prompt)
            masses = {letter: MASSES[0][verdict] for letter, verdict in meanings.items()}
            tokens = spell(reply, {0: masses})
        else:
            tokens = answer_with_masses(request.prompt, MASSES).logprobs
        sent = [
            {
                "token": character,
                "logprob": top[character],
                "top_logprobs": [{"token": t, "logprob": p} for t, p in top.items()],
            }
            for character, top in zip(reply, tokens)
        ]
        return Answer(chat(reply, logprobs=sent))

    with Loopback(script) as server:
        nlp = spacy.blank("en")
        task = {"@llm_tasks": "llmjudge.Verify.v1", "labels": LABELS, "candidates_per_prompt": n}
        model = {
            "@llm_models": "llmjudge.OpenAI.v1",
            "base_url": server.url,
            "model": "m",
            "top_logprobs": 5,
        }
        nlp.add_pipe("llm_judge", config={"task": task, "model": model})
        found = [
            (c.verdict, c.support) for c in get_candidates(nlp(make_doc())) if c.source != "judge"
        ]
        assert len(server.requests) == 3 // n
    expected = MASSES if n == 3 else MASSES[:1] * 3
    assert [support for _, support in found] == pytest.approx([m["correct"] for m in expected])
    assert [verdict for verdict, _ in found] == [max(m, key=m.get) for m in expected]


def test_a_correction_takes_the_probability_of_its_option():
    task = make_verify_task(labels=LABELS)
    doc = NLP("roses")
    set_candidates(doc, [Candidate(0, 1, "PEST")])
    masses = {"correct": 0.1, "wrong_label": 0.7, "wrong_boundary": 0.1, "not_entity": 0.1}
    (prompt,) = ask(task, doc)
    found = tell(task, doc, [with_logprobs(prompt, masses, " | 9 | PLANT")])
    assert found == {("roses", "PEST"): ("wrong_label", 0.1), ("roses", "PLANT"): ("correct", 0.7)}


def test_votes_over_samples():
    task = make_verify_task(labels=LABELS, n_samples=3)
    doc = NLP("roses")
    set_candidates(doc, [Candidate(0, 1, "PLANT")])
    verdicts = ["correct", "wrong_boundary", "correct"]
    replies = [
        answer(prompt, lambda c, label, v=v: (v, None, None))
        for prompt, v in zip(ask(task, doc), verdicts)
    ]
    assert tell(task, doc, replies) == {("roses", "PLANT"): ("correct", 2.5 / 4)}
    replies[0] = Reply("", state="abstained", reason="timeout")
    assert tell(task, doc, replies) == {("roses", "PLANT"): ("wrong_boundary", 1.5 / 3)}
    assert get_status(doc)["state"] == "judged"


@pytest.mark.parametrize(
    "verdict, correction, reason",
    [
        ("wrong_label", "WEED", "dropped:unknown_label=1"),
        ("wrong_label", "plant", None),
        ("wrong_boundary", "tulips", "dropped:not_in_text=1"),
        ("wrong_boundary", "died", "dropped:not_in_text=1"),
        ("wrong_boundary", "roses", None),
        ("correct", "red roses", None),
        ("not_entity", "red roses", None),
    ],
)
def test_corrections_that_name_nothing_new_propose_nothing(verdict, correction, reason):
    task = make_verify_task(labels=LABELS)
    doc = NLP("The red roses died")
    set_candidates(doc, [Candidate(2, 3, "PLANT")])
    (prompt,) = ask(task, doc)
    found = tell(task, doc, [answer(prompt, lambda c, label: (verdict, None, correction))])
    assert found == {("roses", "PLANT"): (verdict, None)}
    assert get_status(doc) == {"state": "judged", "reason": reason}


def test_a_correction_is_the_nearest_place_that_overlaps():
    task = make_verify_task(labels=LABELS)
    doc = NLP("red roses and red roses and red roses")
    set_candidates(doc, [Candidate(4, 5, "PLANT")])
    (prompt,) = ask(task, doc)
    tell(task, doc, [answer(prompt, lambda c, label: ("wrong_boundary", 9, "red roses"))])
    assert [(c.start, c.end, c.source) for c in get_candidates(doc)] == [
        (3, 5, "judge"),
        (4, 5, None),
    ]


def test_a_correction_that_was_judged_itself_keeps_its_own_verdict():
    task = make_verify_task(labels=LABELS)
    doc = NLP("The red roses died")
    set_candidates(doc, [Candidate(1, 3, "PLANT"), Candidate(2, 3, "PLANT")])

    def say(context, label):
        if context["span"] == "roses":
            return ("wrong_boundary", 9, "red roses")
        return ("not_entity", 30, None)

    found = tell(task, doc, [answer(prompt, say) for prompt in ask(task, doc)])
    assert found[("red roses", "PLANT")] == ("not_entity", 0.3)


def test_only_likely_candidates_are_asked_about():
    doc = make_doc()
    task = make_verify_task(labels=LABELS, min_confidence=0.5)
    assert [p.candidates[0][2] for p in ask(task, doc)] == ["PLANT", "PEST"]
    assert len(ask(make_verify_task(labels=LABELS, max_candidates=2), doc)) == 2
    found = tell(task, doc, [answer(prompt, decide) for prompt in ask(task, doc)])
    assert found[("roses", "PEST")] == (None, None)
    reasons = {c.key: c.reason for c in get_candidates(doc)}
    assert reasons[(2, 3, "PEST")] == "not_asked" and reasons[(1, 3, "PLANT")] is None


def test_a_correction_tells_about_a_candidate_that_was_not_asked_about():
    task = make_verify_task(labels=LABELS, max_candidates=1)
    doc = NLP("The red roses died")
    set_candidates(doc, [Candidate(1, 3, "PLANT", 0.1), Candidate(2, 3, "PLANT", 0.8)])
    (prompt,) = ask(task, doc)
    say = lambda context, label: ("wrong_boundary", 9, "red roses")  # noqa: E731
    assert tell(task, doc, [answer(prompt, say)]) == {
        ("red roses", "PLANT"): ("correct", None),
        ("roses", "PLANT"): ("wrong_boundary", 0.09),
    }
    assert {c.posterior for c in get_candidates(doc)} == {0.1, 0.8}


@pytest.mark.parametrize(
    "reply, verdict, state, reason",
    [
        ("no idea", "abstained", "abstained", "no_answer"),
        (None, "abstained", "abstained", "no_reply"),
        ("", "abstained", "abstained", "empty_reply"),
        (Reply("", state="abstained", reason="refused"), "abstained", "abstained", "refused"),
        (Reply("", state="not_sent", reason="budget"), None, "not_sent", "budget"),
        ('{"entities": [], "alternatives": []}', "abstained", "abstained", "no_answer"),
    ],
)
def test_every_candidate_ends_with_a_verdict_or_a_reason(reply, verdict, state, reason):
    task = make_verify_task(labels=LABELS)
    doc = make_doc()
    found = tell(task, doc, [reply] * 3)
    assert set(found.values()) == {(verdict, None)}
    assert {c.reason for c in get_candidates(doc)} == {reason}
    assert get_status(doc) == {"state": state, "reason": reason}


def test_a_sample_that_can_still_be_had_leaves_the_document_open():
    task = make_verify_task(labels=LABELS, n_samples=3)
    doc = make_doc()
    replies = [answer(prompt, decide) for prompt in ask(task, doc)]
    tell(task, doc, [*replies[:-1], Reply("", state="abstained", reason="truncated")])
    assert get_status(doc)["state"] == "judged"
    tell(task, doc, [*replies[:-2], Reply("", state="not_sent", reason="http_503"), replies[-1]])
    assert get_status(doc) == {"state": "not_sent", "reason": "http_503"}
    tell(task, doc, replies)
    assert get_status(doc)["state"] == "judged"


def test_one_bad_reply_costs_no_other_candidate_its_verdict():
    task = make_verify_task(labels=LABELS)
    doc = make_doc()
    replies = [answer(prompt, decide) for prompt in ask(task, doc)]
    replies[1] = "hm"
    found = tell(task, doc, replies)
    assert found[("red roses", "PLANT")] == ("correct", 0.9)
    assert found[("roses", "PEST")] == ("abstained", None)
    assert get_status(doc) == {"state": "abstained", "reason": "no_answer"}


def test_a_document_without_candidates_is_not_asked_about():
    task = make_verify_task(labels=LABELS)
    for text, reason in (("nothing here", "no_candidates"), ("  ", "no_words"), ("", "no_words")):
        doc = NLP(text)
        assert ask(task, doc) == []
        tell(task, doc, [])
        assert get_status(doc) == {"state": "not_sent", "reason": reason}


def test_long_documents_are_judged_in_windows_around_the_candidate():
    task = make_verify_task(labels=["PLANT"], window=16)
    doc = NLP(" ".join(f"word{i}" for i in range(100)))
    doc.ents = [Span(doc, i, i + 1, label="PLANT") for i in range(0, 100, 5)]
    prompts = ask(task, doc)
    assert len(prompts) == 20 and all(len(p.text.split()) <= 16 for p in prompts)

    def say(context, label):
        return ("correct" if context["span"].endswith("0") else "not_entity", None, None)

    found = tell(task, doc, [answer(prompt, say) for prompt in prompts])
    assert {w: v for (w, _), (v, _) in found.items()} == {
        f"word{i}": "not_entity" if i % 10 else "correct" for i in range(0, 100, 5)
    }


def test_prompts_of_a_document_share_all_that_stands_before_the_spans(labelled):
    prompts = ask(make_verify_task(demonstrations=labelled), make_doc())
    shared = os.path.commonprefix([str(prompt) for prompt in prompts])
    assert shared.rstrip().endswith('span]\n{"before": "The')


@pytest.mark.parametrize(
    "name, value",
    [
        ("candidates_per_prompt", 0),
        ("candidates_per_prompt", 9),
        ("n_samples", 0),
        ("min_confidence", 1.5),
        ("max_candidates", 0),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(LLMJudgeError, match=rf"\[J250\].*{name}.*{value}"):
        make_verify_task(labels=["A"], **{name: value})


def test_state_round_trips_without_the_files(labelled, tmp_path):
    (tmp_path / "rules.txt").write_text("PLANT: latin names too\n")
    arguments = {"rules": tmp_path / "rules.txt", "demonstrations": labelled, "n_samples": 2}
    task = make_verify_task(**arguments)
    before = ask(task, make_doc())
    task.to_disk(tmp_path / "task")
    data = task.to_bytes()
    labelled.unlink()
    (tmp_path / "rules.txt").unlink()
    for restored in (
        make_verify_task(**arguments).from_disk(tmp_path / "task"),
        make_verify_task(**arguments).from_bytes(data),
    ):
        assert ask(restored, make_doc()) == before


class Lexicon:
    """A plain spacy-llm model that answers by a lexicon."""

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        for of_doc in prompts:
            yield [str(answer(prompt, decide)) for prompt in of_doc]


def test_the_task_runs_in_the_component_and_survives_the_disk(tmp_path):
    nlp = spacy.blank("en")
    task = {"@llm_tasks": "llmjudge.Verify.v1", "labels": LABELS}
    model = {"@llm_models": "spacy.NoOp.v1"}
    judge = nlp.add_pipe("llm_judge", config={"task": task, "model": model})
    judge._model = Lexicon()
    (doc,) = nlp.pipe([make_doc()])
    assert [c.verdict for c in get_candidates(doc) if c.source != "judge"] == [
        "correct",
        "wrong_label",
        "wrong_boundary",
    ]
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    assert again.get_pipe("llm_judge").labels == tuple(LABELS)


@pytest.mark.parametrize("least", [0.02, 0.5])
def test_a_local_language_model_judges_by_its_exact_probabilities(least, tmp_path, monkeypatch):
    """A tiny Llama with random weights, which says a letter rarely: once that is enough, once not."""
    monkeypatch.setattr("spacy_llmjudge.judge.choices.MIN_COVERAGE", least)
    from local_helpers import build

    from spacy_llmjudge.models.local import make_transformers_model

    build(tmp_path, template=None)
    (tmp_path / "short.jinja").write_text(
        "{{ text }} is it {{ questions[0].label }} ? {{ questions[0].answers | as_json | length }}"
    )
    model = make_transformers_model(tmp_path)
    task = make_verify_task(labels=["soup", "stew"], template=tmp_path / "short.jinja")
    n_covered = 0
    for text in ("a b c", "d e", "f g h a", "yes no a", "wrong right", "h h", "b c d e f"):
        doc = NLP(text)
        doc.ents = [Span(doc, 0, 1, label="soup")]
        (prompt,) = ask(task, doc)
        (((reply,),),) = [list(model([[prompt]]))]
        list(task.parse_responses([[doc]], [[reply]]))
        total = sum(math.exp(reply.logprobs[0][letter]) for letter in LETTERS)
        best = max(LETTERS, key=reply.logprobs[0].get)
        (found,) = get_candidates(doc)
        assert reply == best
        if total < least:
            assert found.support is None
            assert get_status(doc)["reason"] == "dropped:low_coverage=1"
            continue
        n_covered += 1
        ((_, _, letters),) = read_questions(prompt_in_full(doc))
        (correct,) = [letter for letter, verdict in letters.items() if verdict == "correct"]
        share = math.exp(reply.logprobs[0][correct]) / total
        assert found.verdict == letters[best]
        assert found.support == pytest.approx(min(max(share, 0.005), 0.995), abs=1e-5)
    assert (n_covered > 0) == (least == 0.02)


def prompt_in_full(doc):
    """The same question in our own words: the order of its answers is the same."""
    (prompt,) = ask(make_verify_task(labels=["soup", "stew"]), doc)
    return prompt


class FailsOnce:
    """A model that fails on one of a document's prompts, and knows how often it was asked."""

    def __init__(self):
        self.calls = Counter()

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        replies = []
        for of_doc in prompts:
            self.calls.update(prompt.candidates[0] for prompt in of_doc)
            if any(prompt.candidates[0][2] == "PLANT" for prompt in of_doc):
                raise ConnectionError
            replies.append([answer(prompt, decide) for prompt in of_doc])
        return replies


@pytest.mark.parametrize("module", ["tests", "spacy_llm.models"])
def test_a_failing_prompt_costs_no_other_its_reply(module, monkeypatch):
    nlp = spacy.blank("en")
    task = {"@llm_tasks": "llmjudge.Verify.v1", "labels": LABELS}
    judge = nlp.add_pipe(
        "llm_judge", config={"task": task, "model": {"@llm_models": "spacy.NoOp.v1"}}
    )
    monkeypatch.setattr(FailsOnce, "__module__", module)
    judge._model = FailsOnce()
    with pytest.warns(UserWarning, match=r"\[JW201\].* 1 prompt"):
        doc = judge(make_doc())
    found = {c.key: (c.verdict, c.reason) for c in get_candidates(doc)}
    assert found[(1, 3, "PLANT")] == ("abstained", "judge_failed")
    assert found[(2, 3, "PEST")] == ("wrong_label", None)
    assert found[(5, 6, "PEST")] == ("wrong_boundary", None)
    if module == "spacy_llm.models":
        assert set(judge._model.calls.values()) == {1}, "nothing is asked twice"


@pytest.mark.parametrize(
    "name",
    ["verify_openai", "verify_vllm", "verify_transformers", "verify_embedded", "verify_recorded"],
)
def test_a_shipped_config_loads(name, pytestconfig):
    path = pytestconfig.rootpath / "configs" / "judges" / f"{name}.cfg"
    given = {"paths.replies": "replies.jsonl"} if name == "verify_recorded" else {}
    nlp = load_model_from_config(load_config(path, overrides=given), auto_fill=True)
    assert type(nlp.get_pipe("llm_judge").task).__name__ == "VerifyTask"


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1, max_size=60), st.integers(1, 3))
def test_no_text_closes_its_block(text, n):
    check_block(text, n)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(
    st.one_of(
        st.text(min_size=1, max_size=60), st.text("[]0123456789abcdef \nbegindspa:", min_size=1)
    )
)
def test_no_text_of_ten_thousand_closes_its_block(text):
    check_block(text, 2)
    check_block(text, 2, make_annotate_task)


def check_block(text, n, make_task=make_verify_task):
    doc = NLP.make_doc(text)
    ends = [Span(doc, i, i + 1, label="A") for i in range(min(len(doc), 4))]
    doc.ents = [ent for ent in ends if ent.text.strip()]
    settings = {"labels": "A,B", "salt": "pepper"}
    if make_task is make_verify_task:
        settings["candidates_per_prompt"] = n
    for prompt in ask(make_task(**settings), doc):
        nonce, inside, spans, outside = split_prompt(prompt)
        assert inside == prompt.text
        assert prompt.count(f"[{nonce} begin]") == prompt.count(f"[{nonce} end]") == 1
        assert nonce not in prompt.text + spans
        if make_task is make_verify_task:
            contexts = [json.loads(line[line.index("{") :]) for line in spans.split("\n")]
            assert [c["span"] for c in contexts] == [
                prompt.text[s:e] for s, e, _ in prompt.candidates
            ]


@pytest.mark.data
def test_the_recorded_verdicts_arrive(monkeypatch):
    """Verdicts that an LLM gave on 320 candidates, through a chat server, as they were recorded."""
    from loopback import Answer, Loopback, chat
    from sklearn.metrics import roc_auc_score

    folder = Path(os.environ["LLMJUDGE_DATA"]) / "mit_restaurant"

    def rows(name):
        return [json.loads(line) for line in (folder / name).open(encoding="utf8")]

    pool, gold, recorded = (
        rows("pool.jsonl"),
        rows("pool_gold.jsonl"),
        rows("recorded_llm_verify.jsonl"),
    )
    lists = {row["pool_index"]: row for row in rows("recorded_llm.jsonl")}
    texts = {" ".join(pool[i]["tokens"]): i for i in {row["pool_index"] for row in recorded}}
    by_key = {(r["pool_index"], r["start"], r["end"], r["label"]): r for r in recorded}

    def script(request):
        prompt = request.prompt
        if "\nREPLY\nAnswer with one JSON" in prompt:
            index = texts[split_prompt(prompt)[1]]
            kinds = {
                kind: [
                    {"text": e["span"], "label": e["label"], "confidence": e["confidence"]}
                    for e in lists[index][kind]
                ]
                for kind in ("entities", "alternatives")
            }
            return Answer(chat(json.dumps(kinds)))
        index = texts[split_prompt(prompt)[1]]

        def decide(context, label):
            start = len(context["before"].split()) if len(context["before"]) < 30 else None
            found = [
                row
                for key, row in by_key.items()
                if key[0] == index
                and key[3] == label
                and " ".join(pool[index]["tokens"][key[1] : key[2]]) == context["span"]
                and (start is None or start == key[1])
            ]
            (row,) = found
            return row["verdict"], row["p_correct"], row.get("correction")

        return Answer(chat(answer(prompt, decide)))

    truth = [[r["start"], r["end"], r["label"]] in gold[r["pool_index"]]["ents"] for r in recorded]
    labels = sorted({row["label"] for row in recorded})
    figures = {}
    with Loopback(script) as server:
        for name in ("Verify", "Annotate"):
            nlp = spacy.blank("en")
            task = {
                "@llm_tasks": f"llmjudge.{name}.v1",
                "labels": labels,
                "rules": str(folder / "rules.txt"),
            }
            model = {
                "@llm_models": "llmjudge.OpenAI.v1",
                "base_url": server.url,
                "model": "recorded",
            }
            nlp.add_pipe("llm_judge", config={"task": task, "model": model})
            docs = {}
            for index in texts.values():
                doc = docs[index] = Doc(nlp.vocab, words=pool[index]["tokens"])
                own = [key[1:] for key in by_key if key[0] == index]
                set_candidates(doc, [Candidate(*key) for key in own])
            docs = dict(zip(docs, nlp.pipe(docs.values())))
            found = {(index, *c.key): c for index, doc in docs.items() for c in get_candidates(doc)}
            judged = [found[key] for key in by_key]
            parsed = sum(c.verdict not in (None, "abstained") for c in judged) / len(judged)
            support = [0.0 if c.support is None else c.support for c in judged]
            figures[name] = (parsed, roc_auc_score(truth, support))
            if name == "Verify":
                assert [c.verdict for c in judged] == [row["verdict"] for row in recorded]
            else:
                assert_listed(judged, recorded, lists)
    print(figures)
    assert figures["Verify"] == (1.0, pytest.approx(0.975, abs=0.005))
    assert figures["Annotate"] == (1.0, pytest.approx(0.96, abs=0.01))


@pytest.mark.data
@pytest.mark.parametrize("n", [1, 4])
def test_the_recorded_verdicts_are_replayed_without_a_server(n, tmp_path):
    from sklearn.metrics import roc_auc_score

    folder = Path(os.environ["LLMJUDGE_DATA"]) / "mit_restaurant"

    def rows(name):
        return [json.loads(line) for line in (folder / name).open(encoding="utf8")]

    pool, gold, recorded = (
        rows("pool.jsonl"),
        rows("pool_gold.jsonl"),
        rows("recorded_llm_verify.jsonl"),
    )
    config = Path(__file__).parents[2] / "configs" / "judges" / "verify_recorded.cfg"
    overrides = {
        "paths.replies": str(tmp_path / "replies.jsonl"),
        "components.llm_judge.task.labels": ",".join(sorted({row["label"] for row in recorded})),
        "components.llm_judge.task.candidates_per_prompt": n,
    }
    nlp = load_model_from_config(load_config(config, overrides=overrides), auto_fill=True)
    docs, lines = {}, []
    for row in recorded:
        index = row["pool_index"]
        doc = docs.setdefault(index, Doc(nlp.vocab, words=pool[index]["tokens"]))
        span = doc[row["start"] : row["end"]]
        said = {"label": row["label"], "verdict": row["verdict"], "confidence": row["p_correct"]}
        said.update(
            {"start": span.start_char, "end": span.end_char, "correction": row.get("correction")}
        )
        lines.append(json.dumps({"text": doc.text, "response": {"verdicts": [said]}}) + "\n")
        set_candidates(
            doc, get_candidates(doc) + [Candidate(row["start"], row["end"], row["label"])]
        )
    (tmp_path / "replies.jsonl").write_text("".join(lines), encoding="utf8")
    docs = dict(zip(docs, nlp.pipe(docs.values())))
    found = {(i, *c.key): c for i, doc in docs.items() for c in get_candidates(doc)}
    judged = [found[r["pool_index"], r["start"], r["end"], r["label"]] for r in recorded]
    assert [c.verdict for c in judged] == [row["verdict"] for row in recorded]
    truth = [[r["start"], r["end"], r["label"]] in gold[r["pool_index"]]["ents"] for r in recorded]
    support = [0.0 if c.support is None else c.support for c in judged]
    assert roc_auc_score(truth, support) == pytest.approx(0.975, abs=0.005)


def assert_listed(judged, recorded, lists):
    for candidate, row in zip(judged, recorded):
        entities = lists[row["pool_index"]]["entities"]
        listed = {(e["start"], e["end"], e["label"]) for e in entities}
        touched = [e for e in listed if e[0] < row["end"] and row["start"] < e[1]]
        if candidate.key in listed:
            expected = "correct"
        elif any(e[:2] == (row["start"], row["end"]) for e in touched):
            expected = "wrong_label"
        else:
            expected = "wrong_boundary" if touched else "not_entity"
        assert candidate.verdict == expected
