"""Labels of a small LLM: what is asked, how its answer is read, and what is kept of it."""

import json

import numpy as np
import pytest
import weak_labels
from text_sets import WORDS, Text, read_texts
from weak_labels import ANSWERS, LABELS, ask, ask_all, draw, hash_texts, label, main, make_prompt


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


@pytest.mark.parametrize("name", ANSWERS)
def test_the_prompt_shows_an_example_of_each_class_and_the_start_of_the_text(name):
    prompt = make_prompt("word " * 100, name)
    assert all(f"Class: {answer.word}\n" in prompt for answer in ANSWERS[name])
    assert prompt.endswith("Class:") and prompt.count("word ") <= WORDS[name]


@pytest.mark.parametrize("name", ANSWERS)
def test_the_first_tokens_of_answers_differ(name):
    assert len({answer.word[:2] for answer in ANSWERS[name]}) == len(ANSWERS[name])


@pytest.mark.parametrize("path", sorted(LABELS.glob("*.json")), ids=lambda p: p.stem)
def test_labels_are_the_likeliest_words_after_calibration(path):
    kept = json.loads(path.read_text(encoding="utf8"))
    assert kept["classes"] == [answer.label for answer in ANSWERS[path.stem]]
    for part in ("train", "test"):
        assert len(kept[part]["items"]) == len(set(kept[part]["items"]))
        p = np.array(kept[part]["permille"]) / 1000 / np.array(kept["empty"])
        agree = p.argmax(axis=1) == np.array(kept[part]["labels"])
        # what was rounded away can decide between two small numbers
        assert agree.mean() > 0.95


def test_what_is_kept_fits_to_the_texts(tmp_path):
    """The labels are numbered by the sample, which the texts alone decide."""
    kept = json.loads((LABELS / "topics.json").read_text(encoding="utf8"))
    texts = read_texts("topics", tmp_path)
    assert {part: kept[part]["items"] for part in ("train", "test")} == draw("topics", texts)
    assert kept["texts"] == hash_texts(texts)


def some_texts():
    return [Text(f"text {i}", "POSITIVE", part) for part in ("train", "test") for i in range(4)]


def test_answers_are_calibrated_by_an_empty_text_or_by_the_texts(monkeypatch):
    """An LLM that always prefers one word says the other one where it prefers it less than usual."""
    answers = {i: [0.1, 0.9] for i in range(-1, 8)}
    answers[1] = [0.4, 0.6]
    found = label("books", some_texts(), answers)
    assert found["train"]["labels"] == [1, 0, 1, 1] and found["train"]["items"] == [0, 1, 2, 3]
    assert found["empty"] == pytest.approx([0.175, 0.825])
    monkeypatch.setattr("weak_labels.BY_TEXTS", ())
    assert label("books", some_texts(), answers)["empty"] == [0.1, 0.9]


def test_a_run_that_was_stopped_goes_on(tmp_path):
    texts, kept = some_texts(), tmp_path / "answers.jsonl"
    first = ask_all(Llm(_positive=0.9, _negative=0.1), "books", texts, kept, 3)
    assert len(first) == 3 and first[-1] == pytest.approx([0.1, 0.9], abs=1e-4)
    every = ask_all(Llm(_positive=0.2, _negative=0.8), "books", texts, kept, None)
    assert set(every) == set(range(-1, 8))
    assert {i: every[i] for i in first} == first
    assert sum(p[0] > 0.5 for p in every.values()) == 6
    assert ask_all(None, "books", texts, kept, 0) == every


def test_a_try_leaves_the_labels_that_are_there(tmp_path, monkeypatch, capsys):
    texts, target = some_texts(), tmp_path / "books.json"
    target.write_text("many labels")
    monkeypatch.setattr(weak_labels, "LABELS", tmp_path)
    monkeypatch.setattr(weak_labels, "read_texts", lambda name, folder: texts)
    monkeypatch.setattr(weak_labels, "load_llm", lambda: Llm(_positive=0.9, _negative=0.1))

    def run(*limit):
        monkeypatch.setattr(
            "sys.argv", ["weak_labels.py", "books", "--work", str(tmp_path), *limit]
        )
        main()

    with pytest.raises(SystemExit, match="Too few kept answers"):
        run("--limit", "0")
    run("--limit", "4")
    assert target.read_text() == "many labels" and "4 answers" in capsys.readouterr().out
    run("--limit", "5")
    run("--limit", "0")
    kept = json.loads(target.read_text(encoding="utf8"))
    assert len(kept["train"]["items"]) == len(kept["test"]["items"]) == 4
