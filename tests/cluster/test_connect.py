import sys

import pytest

from spacy_llmjudge.cluster.connect import Place, connect
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.shards import Part


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LLMJudgeError, match=r"\[J963\].*pip install 'spacy_llmjudge\[ray\]'"):
        with connect(Place()):
            pass


def test_a_client_of_a_cluster_is_refused(monkeypatch, tmp_path):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "ray://10.0.0.1:10001")
    with pytest.raises(LLMJudgeError, match=r"\[J964\].*ray://10.0.0.1:10001 cannot be used"):
        with connect(Place()) as cluster:
            list(cluster.spread(list)([Part(tmp_path, 0, 1)]))


def test_ray_is_not_started_before_there_is_work(tmp_path):
    ray = pytest.importorskip("ray")
    with connect(Place()) as cluster:
        cluster.spread(list)
        assert not ray.is_initialized()
