"""The key of a ledger over what the judge's own tasks ask: it changes with everything that a verdict depends
on, and with nothing else."""

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, set_candidates
from spacy_llmjudge.judge.prompts import read_template
from spacy_llmjudge.judge.tasks.annotate import make_annotate_task
from spacy_llmjudge.judge.tasks.verify import make_verify_task
from spacy_llmjudge.ledger.model import LedgerModel
from spacy_llmjudge.models.openai import make_openai_model

VOCAB = Vocab()
WORDS = st.lists(st.text("abcdeé漢", min_size=1, max_size=6), min_size=3, max_size=8)
LABELS = ("DISH", "PRICE", "PLACE")
DEMONSTRATIONS = ("We had soup", "We had stew")


@dataclass(frozen=True)
class Case:
    words: Tuple[str, ...]
    start: int
    end: int
    task: str
    label: str = "DISH"
    labels: Tuple[str, ...] = LABELS
    definitions: Tuple[Tuple[str, str], ...] = (("DISH", "food"), ("PRICE", "what it costs"))
    rule: str = "DISH: no drinks\n"
    demonstration: str = DEMONSTRATIONS[0]
    template: str = ""
    salt: str = "salt"
    n_samples: int = 1
    model: str = "tiny"
    host: str = "http://127.0.0.1:8000/v1"
    temperature: float = 0.0
    seed: int = 0
    concurrency: int = 8
    extra: Tuple[Tuple[str, int], ...] = (("a", 1), ("b", 2))
    posterior: float = 0.5
    source: str = "student"

    def keys(self, folder):
        doc = Doc(VOCAB, words=list(self.words))
        found = Candidate(self.start, self.end, self.label, self.posterior, source=self.source)
        set_candidates(doc, [found])
        task = make_task(folder, self)
        ((prompts, _),) = task.generate_prompts([doc])
        model = make_openai_model(
            self.host,
            self.model,
            temperature=self.temperature,
            seed=self.seed,
            concurrency=self.concurrency,
            extra=dict(self.extra),
        )
        return [LedgerModel(model, "unused.db").pending(prompt).key for prompt in prompts]


def make_task(folder, case):
    fields = ("labels", "definitions", "rule", "demonstration", "template", "salt", "n_samples")
    return make_task_once(folder, case.task, *(getattr(case, name) for name in fields))


@lru_cache(maxsize=64)
def make_task_once(
    folder, name, labels, definitions, rule, demonstration, template, salt, n_samples
):
    identity = f"{abs(hash((name, labels, definitions, rule, demonstration, template, salt)))}"
    (folder / f"{identity}.txt").write_text(rule)
    row = {"text": demonstration, "spans": [{"start": 7, "end": 11, "label": "DISH"}]}
    (folder / f"{identity}.jsonl").write_text(json.dumps(row) + "\n")
    (folder / f"{identity}.jinja").write_text(read_template(f"{name}.v1") + template)
    settings = {
        "labels": list(labels),
        "label_definitions": dict(definitions),
        "rules": folder / f"{identity}.txt",
        "demonstrations": folder / f"{identity}.jsonl",
        "template": folder / f"{identity}.jinja",
        "salt": salt,
    }
    if name == "annotate":
        return make_annotate_task(**settings)
    return make_verify_task(n_samples=n_samples, **settings)


def move(case):
    start = case.start - 1 if case.start else 1
    return replace(case, start=start, end=max(case.end, start + 1))


CHANGES = {
    "tokens": lambda case: replace(case, words=case.words[1:] + case.words[:1]),
    "offset": move,
    "label": lambda case: replace(case, label="PRICE"),
    "labels": lambda case: replace(case, labels=(*LABELS, "TIME")),
    "definition": lambda case: replace(case, definitions=(("DISH", "drink"), case.definitions[1])),
    "rule": lambda case: replace(case, rule="DISH: drinks, too\n"),
    "demonstration": lambda case: replace(case, demonstration=DEMONSTRATIONS[1]),
    "template": lambda case: replace(case, template="Think."),
    "model": lambda case: replace(case, model="tiny-2"),
    "host": lambda case: replace(case, host="http://127.0.0.1:8001/v1"),
    "temperature": lambda case: replace(case, temperature=0.1),
    "seed": lambda case: replace(case, seed=1),
    "extra": lambda case: replace(case, extra=(("a", 1), ("b", 3))),
}
SAME = {
    "order of the definitions": lambda case: replace(case, definitions=case.definitions[::-1]),
    "order of a dict": lambda case: replace(case, extra=case.extra[::-1]),
    "concurrency": lambda case: replace(case, concurrency=32),
    "how sure the student is": lambda case: replace(case, posterior=0.9),
}
# A blind annotator is asked about the text, once for all candidates.
OF_A_CANDIDATE = ("offset", "label")


@st.composite
def cases(draw):
    words = tuple(draw(WORDS))
    start = draw(st.integers(0, len(words) - 1))
    end = draw(st.integers(start + 1, len(words)))
    return Case(words, start, end, draw(st.sampled_from(["verify", "annotate"])))


def check(case, name, folder):
    change = {**CHANGES, **SAME}[name]
    before, after = case.keys(folder), change(case).keys(folder)
    assert len(before) == len(after) == 1
    same = name in SAME or (case.task == "annotate" and name in OF_A_CANDIDATE)
    if name == "tokens" and len(set(case.words)) == 1:
        same = True  # they are permuted into themselves
    assert (before == after) == same


NAMES = st.sampled_from(sorted([*CHANGES, *SAME]))
LOOSE = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tasks")


@settings(max_examples=200, **LOOSE)
@given(cases(), NAMES)
def test_the_key_changes_with_what_a_verdict_depends_on(folder, case, name):
    check(case, name, folder)


@pytest.mark.slow
@settings(max_examples=10_000, **LOOSE)
@given(cases(), NAMES)
def test_the_key_changes_10000_times(folder, case, name):
    check(case, name, folder)


def test_each_sample_of_a_question_is_a_request_of_its_own(tmp_path):
    keys = Case(("We", "had", "soup"), 2, 3, "verify", n_samples=4).keys(tmp_path)
    assert len(set(keys)) == 4
