"""Replies of spacy-llm's own task about labels of documents, with the confidence that the template asks for."""

from types import SimpleNamespace

import pytest

from spacy_llmjudge.judge.confident_cats import make_confident_parser, parse_reply

NAMES = ("ORDER", "Level 3", "covid-19")


def make_task(exclusive=True, names=NAMES):
    labels = {name.lower(): name for name in names}
    return SimpleNamespace(label_dict=labels, normalizer=str.lower, exclusive_classes=exclusive)


def read(reply, **settings):
    return {name: p for name, p in parse_reply(make_task(**settings), reply).items() if p}


@pytest.mark.parametrize(
    "reply, expected",
    [
        ("ORDER 100", {"ORDER": 0.999}),
        ("ORDER", {"ORDER": 1.0}),
        ("ORDER 101", {}),
        ("Level 3", {"Level 3": 1.0}),
        ("Level 3 80", {"Level 3": 0.8}),
        ("covid-19: 70", {"covid-19": 0.7}),
        ("**Label:** order - 85 %", {"ORDER": 0.85}),
        ("<think>Level 3?</think>\nORDER 85", {"ORDER": 0.85}),
        ("This is not an ORDER at all", {}),
        ("reordering 80", {}),
        ("", {}),
    ],
)
def test_one_label(reply, expected):
    """A 100 that was stated is surer than a 60, and a 1.0 says that nothing was stated."""
    assert read(reply) == pytest.approx(expected)


@pytest.mark.parametrize(
    "reply, expected",
    [
        ("ORDER 70\nLevel 3 60", {"ORDER": 0.7, "Level 3": 0.6}),
        ("ORDER 70, Level 3 60", {"ORDER": 0.7, "Level 3": 0.6}),
        ("ORDER 70\nORDER 60", {}),
        ("I cannot say", {}),
    ],
)
def test_several_labels(reply, expected):
    assert read(reply, exclusive=False) == pytest.approx(expected)


def test_none_is_an_answer_where_there_may_be_none():
    nothing = dict.fromkeys(NAMES, 0.0)
    assert parse_reply(make_task(exclusive=False), "==NONE==") == nothing
    assert parse_reply(make_task(exclusive=True), "==NONE==") == {}
    assert parse_reply(make_task(exclusive=False), "I cannot say") == {}


def test_labels_with_signs_and_labels_within_labels():
    names = ("C", "C++", "C, old style")
    for name in names:
        assert read(f"{name} 80", names=names) == {name: 0.8}


def test_the_parser_reads_every_shard_of_every_document():
    parse = make_confident_parser()
    found = list(parse(make_task(), [["a", "b"], ["c"]], [["ORDER 80", "no idea"], ["ORDER"]]))
    assert [[doc.get("ORDER") for doc in docs] for docs in found] == [[0.8, None], [1.0]]
