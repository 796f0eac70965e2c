"""What a ledger finds a reply by: it changes with all that the reply depends on, and with nothing else."""

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_llmjudge.ledger.model import LedgerModel
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.transport.messages import Prompt

WORDS = st.lists(st.text("abcdeé 漢", min_size=1, max_size=6), min_size=2, max_size=8)


@dataclass(frozen=True)
class Case:
    tokens: Tuple[str, ...]
    start: int
    end: int
    label: str = "DISH"
    definition: str = "food on the menu"
    template: str = "Is it right?"
    demonstration: str = "soup is a DISH"
    model: str = "tiny"
    host: str = "http://127.0.0.1:8000/v1"
    temperature: float = 0.0
    max_tokens: int = 64
    seed: int = 0
    sample: int = 0
    schema: bool = False
    concurrency: int = 8
    timeout: float = 60.0
    extra: Tuple[Tuple[str, int], ...] = (("a", 1), ("b", 2))

    def key(self):
        before = self.tokens[: self.start]
        inside, after = self.tokens[self.start : self.end], self.tokens[self.end :]
        marked = [*before, "<<", *inside, ">>", *after]
        parts = [self.template, f"{self.label}: {self.definition}", self.demonstration, *marked]
        schema = {"type": "object", "required": [self.label]}
        prompt = Prompt("\n".join(parts), schema=schema, sample=self.sample)
        model = make_openai_model(
            self.host,
            self.model,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            seed=self.seed,
            use_schema=self.schema,
            concurrency=self.concurrency,
            timeout=self.timeout,
            extra=dict(self.extra),
        )
        return LedgerModel(model, "unused.db").pending(prompt).key


CHANGES = {
    "tokens": lambda case: replace(case, tokens=case.tokens[1:] + case.tokens[:1]),
    "offset": lambda case: replace(case, start=case.start - 1 if case.start else 1),
    "label": lambda case: replace(case, label=case.label + "S"),
    "definition": lambda case: replace(case, definition="drink"),
    "template": lambda case: replace(case, template=case.template + " "),
    "demonstration": lambda case: replace(case, demonstration="stew is a DISH"),
    "model": lambda case: replace(case, model="tiny-2"),
    "host": lambda case: replace(case, host="http://127.0.0.1:8001/v1"),
    "path": lambda case: replace(case, host="http://127.0.0.1:8000/v2"),
    "temperature": lambda case: replace(case, temperature=0.1),
    "max_tokens": lambda case: replace(case, max_tokens=65),
    "seed": lambda case: replace(case, seed=1),
    "sample": lambda case: replace(case, sample=1),
    "schema": lambda case: replace(case, schema=True),
    "extra": lambda case: replace(case, extra=(("a", 1), ("b", 3))),
}
SAME = {
    "order of a dict": lambda case: replace(case, extra=case.extra[::-1]),
    "concurrency": lambda case: replace(case, concurrency=32),
    "timeout": lambda case: replace(case, timeout=5.0),
    "trailing slash": lambda case: replace(case, host=case.host + "/"),
}


@st.composite
def cases(draw):
    tokens = tuple(draw(WORDS))
    start = draw(st.integers(0, len(tokens) - 1))
    return Case(tokens, start, draw(st.integers(start + 1, len(tokens))))


def check(case, name):
    if name in SAME:
        assert SAME[name](case).key() == case.key()
        return
    changed = CHANGES[name](case)
    if changed.tokens != case.tokens or name != "tokens":
        assert changed.key() != case.key()


QUICK = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
NAMES = st.sampled_from(sorted([*CHANGES, *SAME]))


@QUICK
@given(cases(), NAMES)
def test_the_key_changes_with_what_the_reply_depends_on(case, name):
    check(case, name)


@pytest.mark.slow
@MANY
@given(cases(), NAMES)
def test_the_key_changes_10000_times(case, name):
    check(case, name)


HELPERS = os.path.join(os.path.dirname(__file__), os.pardir, "helpers")


@pytest.mark.slow
def test_the_key_does_not_depend_on_the_seed_of_hashing():
    code = "import test_request_keys as t; print(t.Case(('a', 'b', 'c'), 1, 2).key())"
    keys = set()
    for seed in ("0", "1", "4242"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join((os.path.dirname(__file__), HELPERS)),
        }
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        keys.add(run.stdout.strip())
    assert keys == {Case(("a", "b", "c"), 1, 2).key()}
