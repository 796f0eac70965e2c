import sys

import pytest

from spacy_llmjudge.cli.cluster import place_of
from spacy_llmjudge.cluster.connect import Place
from spacy_llmjudge.errors import LLMJudgeError


def test_without_the_option_this_process_does_the_work():
    assert place_of("none", "127.0.0.1:6379", 3) is None


def test_what_the_work_is_done_on_is_ray_or_nothing():
    assert place_of("ray", "10.0.0.1:6379", 3) == Place("10.0.0.1:6379", 3)
    with pytest.raises(LLMJudgeError, match=r"\[J1001\].*'spark'"):
        place_of("spark", None, 0)


def test_ray_is_missed_before_any_file_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LLMJudgeError, match=r"\[J963\]"):
        place_of("ray", None, 0)
