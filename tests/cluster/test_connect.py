import sys

import pytest

from spacy_llmjudge.cluster.connect import connect
from spacy_llmjudge.errors import LLMJudgeError


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LLMJudgeError, match=r"\[J963\].*pip install 'spacy_llmjudge\[ray\]'"):
        with connect():
            pass


def test_a_client_of_a_cluster_is_refused(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "ray://10.0.0.1:10001")
    with pytest.raises(LLMJudgeError, match=r"\[J964\].*ray://10.0.0.1:10001 cannot be used"):
        with connect():
            pass
