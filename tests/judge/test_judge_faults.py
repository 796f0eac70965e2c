"""The judge on servers that fail in every way: each candidate ends judged, abstained or not sent, with
a reason, and nothing is accepted on a bad reply."""

import json
import warnings
from collections import Counter, defaultdict

import pytest
import spacy
from faults import FAULTS
from judge_helpers import answer, read_questions, split_prompt
from loopback import Answer, Loopback, chat

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates

TASKS = ("Annotate", "Verify")
HINT = 0.005


def honest(prompt):
    """What a judge says that calls `roses` a plant and nothing else."""
    if "Answer with one JSON object" in prompt:
        rows = [{"text": "roses", "label": "PLANT", "confidence": 96}]
        return json.dumps({"entities": rows, "alternatives": []})
    return answer(
        prompt,
        lambda c, label: ("correct", 96, None) if c["span"] == "roses" else ("not_entity", 3, None),
    )


def wrong(prompt):
    """What would accept the wrong candidate, were it a reply: an object, and lines of letters."""
    rows = [{"text": "of", "label": "PLANT", "confidence": 99}]
    return {"entities": rows, "alternatives": []}


def letters(prompt, verdict):
    return [
        next(k for k, v in meanings.items() if v == verdict)
        for _, _, meanings in read_questions(prompt)
    ]


def one_json(prompt):
    return json.dumps(wrong(prompt))


# What a reply says, and the reason for that no verdict comes of it; None where it is a clear answer all
# the same.
ANNOTATE = {
    "prose_around_json": (
        lambda p: f"Sure! Here:\n```json\n{honest(p)}\n```\nI hope {{this}} helps.",
        None,
    ),
    "prose_only": (lambda p: "I would say that 'of' is a PLANT.", "not_json"),
    "prose_with_two_answers": (lambda p: f"{one_json(p)} or rather {honest(p)}", "several_answers"),
    "nan_in_json": (lambda p: one_json(p).replace("99", "NaN"), "not_a_number"),
    "duplicate_keys_in_json": (lambda p: one_json(p)[:-1] + ', "entities": []}', "duplicate_keys"),
    "unknown_label": (lambda p: one_json(p).replace("PLANT", "TREE"), "no_usable_entry"),
    "cut_json": (lambda p: one_json(p)[:-30], "truncated"),
    "empty_text": (lambda p: " \n", "empty_reply"),
}
VERIFY = {
    "prose_around_letters": (
        lambda p: f"Let me think about it.\n{honest(p)}\nThat is my answer.",
        None,
    ),
    "unknown_verdict": (lambda p: "1: E | 99\n2: E | 99", "no_answer"),
    "verdict_in_words": (lambda p: "1: correct | 99\n2: correct | 99", "no_answer"),
    "two_verdicts": (
        lambda p: "".join(
            f"{i}: {a} | 99\n{i}: {b} | 1\n"
            for i, (a, b) in enumerate(zip(letters(p, "correct"), letters(p, "not_entity")), 1)
        ),
        "several_answers",
    ),
    "other_questions": (lambda p: "7: A | 99\n8: A | 99", "no_answer"),
}
REPLIES = {"Annotate": ANNOTATE, "Verify": VERIFY}
ALONE = [(task, name) for task in TASKS for name in sorted({**FAULTS, **REPLIES[task]})]


def make_docs(nlp, n):
    for i in range(n):
        doc = nlp.make_doc(f"the roses of garden {i}")
        set_candidates(doc, [Candidate(1, 2, "PLANT", 0.6), Candidate(2, 3, "PLANT", 0.3)])
        yield doc


def run(task, fault_of, n, folder, **settings):
    """Judge n documents, one call each, at a server that breaks as `fault_of(number)` says.

    RETURNS (Counter): How the candidates ended.
    """
    hints, arrivals, broken = defaultdict(list), defaultdict(list), {}

    def script(request):
        # The first one is honest, so that the address is known to be that of a chat server.
        name = fault_of(request.number) if request.number else None
        arrivals[request.digest].append(request.time)
        if name in FAULTS:
            found = FAULTS[name]
            if "Retry-After-Ms" in found.headers:
                hints[request.digest].append(request.time)
            return found
        make, reason = REPLIES[task].get(name, (honest, None))
        broken[split_prompt(request.prompt)[1]] = reason
        return Answer(chat(make(request.prompt)))

    nlp = spacy.blank("en")
    with Loopback(script) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = {"@llm_models": "llmjudge.OpenAI.v1", "base_url": server.url, "model": "m"}
        model.update(
            {
                "concurrency": 32,
                "timeout": 0.4,
                "backoff": 0.002,
                "max_reply_bytes": 100_000,
                **settings,
            }
        )
        ledger = {
            "@llm_models": "llmjudge.Ledger.v1",
            "path": str(folder / "ledger.db"),
            "model": model,
        }
        about = {"@llm_tasks": f"llmjudge.{task}.v1", "labels": ["PLANT"]}
        if task == "Verify":
            about["candidates_per_prompt"] = 2
        nlp.add_pipe("llm_judge", config={"task": about, "model": ledger})
        docs = list(nlp.pipe(make_docs(nlp, n), batch_size=1000))
    assert len(docs) == n
    ends = Counter()
    for doc in docs:
        status, found = get_status(doc), get_candidates(doc)
        assert [c.key for c in found] == [(1, 2, "PLANT"), (2, 3, "PLANT")]
        verdicts = [c.verdict for c in found]
        if status["state"] == "judged":
            # Never by a bad reply: its last one was clear, and it is what the honest judge says.
            assert broken[doc.text] is None and verdicts == ["correct", "not_entity"]
        else:
            expected = "abstained" if status["state"] == "abstained" else None
            assert status["state"] in ("abstained", "not_sent") and verdicts == [expected] * 2
            assert status["reason"] and {c.reason for c in found} == {status["reason"]}
        ends[status["state"], status["reason"]] += 2
    for digest, times in hints.items():
        for hinted in times:
            later = [t for t in arrivals[digest] if t > hinted]
            assert not later or min(later) >= hinted + HINT
    return ends


def check_alone(task, name, n, folder):
    ends = run(task, lambda number: name, n, folder, max_tries=2)
    assert sum(ends.values()) == 2 * n
    if name in FAULTS:
        assert ends.pop(("judged", None)) == 2, "the first document"
        if name == "refused":
            assert ("not_sent", "refused") in ends
    else:
        reason = REPLIES[task][name][1]
        expected = Counter({("judged", None): 2})
        expected["judged" if reason is None else "abstained", reason] += 2 * (n - 1)
        assert ends == expected


@pytest.mark.parametrize("task, name", [(t, n) for t, n in ALONE if n not in FAULTS])
def test_a_bad_reply_is_no_verdict(task, name, tmp_path):
    check_alone(task, name, 8, tmp_path)


@pytest.mark.parametrize("task", TASKS)
def test_all_faults_mixed(task, tmp_path):
    check_mixed(task, 200, tmp_path)


def check_mixed(task, n, folder):
    names = sorted({**FAULTS, **REPLIES[task]})
    # Every fault once in 100 calls, and calls that go well between them.
    ends = run(task, lambda number: dict(enumerate(names)).get(number * 7 % 100), n, folder)
    assert sum(ends.values()) == 2 * n
    n_judged = sum(count for (state, _), count in ends.items() if state == "judged")
    assert n_judged > n
    if n > 1000:
        reasons = {reason for _, (_, reason) in REPLIES[task].items() if reason}
        assert reasons <= {reason for _, reason in ends}


@pytest.mark.slow
@pytest.mark.parametrize("task, name", ALONE)
def test_200_calls_with_each_fault_alone(task, name, tmp_path):
    check_alone(task, name, 200, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_5000_calls_with_all_faults_mixed(task, tmp_path):
    check_mixed(task, 5000, tmp_path)
