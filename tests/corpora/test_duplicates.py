import doctest
import random
from collections import Counter
from types import SimpleNamespace

import pytest

from spacy_llmjudge.corpora import duplicates
from spacy_llmjudge.corpora.duplicates import (
    choose_distinct,
    hash_texts,
    leave_out,
    normalise,
    remove_duplicates,
    texts_of,
)


def make(*texts):
    return [SimpleNamespace(text=text) for text in texts]


def test_normalise_sees_through_case_space_and_spelling():
    assert normalise(" Caf\u00e9\u00a0 ROSE\n") == normalise("cafe\u0301 rose")
    assert normalise("rose") != normalise("roses")


@pytest.mark.parametrize("text", ["", "\ufeff", "\u200b \u2060\n", "\x00", "\u200e\u00ad"])
def test_a_text_in_which_nothing_can_be_seen_is_empty(text):
    assert normalise(text) == ""
    assert normalise(f"{text}?!") and normalise(f"{text}\U0001f33f")


def test_hashes_are_those_of_normalised_texts_each_once():
    found = hash_texts(["My ROSES.", "ivy", "my roses", ""])
    assert found.dtype == "uint64" and found.tolist() == sorted(set(found.tolist()))
    assert len(found) == 3 and set(hash_texts(["My roses!", "Ivy"])) < set(found)
    assert len(hash_texts([])) == 0


def test_empty_texts_and_those_of_another_set_are_left_out_and_counted():
    dropped = Counter()
    kept = leave_out(
        make("ivy", " ", "Rose\n", "oak", "ivy"), texts_of(make("ROSE", "elm")), dropped
    )
    assert [item.text for item in kept] == ["ivy", "oak", "ivy"]
    assert dropped == {"empty": 1, "duplicates": 1}


def test_the_example_runs():
    result = doctest.testmod(duplicates)
    assert result.attempted and not result.failed


def test_repeated_texts_of_dev_count_once():
    dropped = {"dev": Counter(), "test": Counter()}
    docs = {
        "labelled": make("A rose."),
        "dev": make("Slugs!", "slugs", "Mites", "A rose", "MITES "),
        "test": make("Moss", "moss"),
    }
    assert remove_duplicates(docs, dropped) == []
    assert [item.text for item in docs["dev"]] == ["Slugs!", "Mites"]
    assert dropped["dev"] == {"duplicates": 1, "repeated": 2}
    # what is measured at the end is measured on what is there
    assert len(docs["test"]) == 2


@pytest.mark.parametrize("spell", [str, str.upper, "{} ".format, "«{}»".format, "{}!".format])
def test_a_text_is_evidence_once_however_it_is_spelled(spell):
    texts = ["Slugs ate it", "Mites are back", "I water daily"]
    repeated = [spell(text) for _ in range(20) for text in texts] + texts
    assert choose_distinct(repeated, ["Something else", *texts]) == [0, 1, 2]


def test_texts_of_one_template_count_as_often_as_in_the_pool():
    rng = random.Random(0)
    names = ["".join("abcdefghij"[int(digit)] for digit in str(i)) for i in range(700)]
    everything = [*names, *(f"Order {i} was sent" for i in range(300))]
    rng.shuffle(everything)
    pool, dev = everything[:800], everything[800:]
    # a random sample is kept as it is
    assert choose_distinct(dev, pool) == list(range(200))
    # one that was blown up is cut down to about what the pool has
    blown_up = [*dev, *(f"Order {i} was sent" for i in range(1000, 1400))]
    n = sum(blown_up[i].startswith("Order") for i in choose_distinct(blown_up, pool))
    assert n < 0.45 * len(blown_up)
    assert len(choose_distinct([f"Buy {i}" for i in range(120)], pool)) == 1
    assert choose_distinct([], pool) == [] and choose_distinct(["a"], []) == [0]
