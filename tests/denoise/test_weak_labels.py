"""Labels of a small LLM: what is asked, how its answer is read, and what is kept of it."""

import json

import numpy as np
import pytest
from weak_labels import ANSWERS, LABELS, ask, draw, make_prompt, read_texts


class Llm:
    """Answers with given next tokens."""

    def __init__(self, **tokens):
        self.tokens = tokens

    def handle_completions(self, asked):
        self.asked = asked
        top = [{"token": t.replace("_", " "), "logprob": np.log(p)} for t, p in self.tokens.items()]
        return {"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]}


def test_a_word_is_as_likely_as_its_first_token_and_other_words_do_not_count():
    p = ask(Llm(_mer=0.3, _oil=0.1, oil=0.2, _the=0.4), "Class:", ["merger", "oil", "wheat"])
    assert p == pytest.approx([0.75, 0.25, 0], abs=1e-4)


def test_a_token_that_begins_two_words_is_no_answer():
    assert ask(Llm(_t=0.9, _to=0.1), "Class:", ["tools", "trade"]) == pytest.approx(
        [1, 0], abs=1e-4
    )


def test_the_prompt_shows_an_example_of_each_class_and_the_start_of_the_text():
    prompt = make_prompt("word " * 100)
    assert all(f"Class: {word}\n" in prompt for word, _ in ANSWERS.values())
    assert prompt.endswith("Class:") and prompt.count("word ") <= 26


def test_the_first_tokens_of_answers_differ():
    assert len({word[:2] for word, _ in ANSWERS.values()}) == len(ANSWERS)


def test_what_is_kept_fits_to_the_texts():
    """The labels are numbered by the sample, which the texts alone decide."""
    kept = json.loads(LABELS.read_text(encoding="utf8"))
    assert {part: kept[part]["items"] for part in ("train", "test")} == draw(read_texts())
    for part in ("train", "test"):
        p = np.array(kept[part]["permille"]) / 1000 / np.array(kept["empty"])
        agree = p.argmax(axis=1) == np.array(kept[part]["labels"])
        # what was rounded away can decide between two small numbers
        assert agree.mean() > 0.95
