import doctest
import importlib

import pytest

ROOM = "spacy_llmjudge.denoise"
MODULES = (
    "linear",
    "pools",
    "prior",
    "stacking",
    "uu_risk",
    "uu",
    "neighbours",
    "simplex_diffusion",
    "sidyp",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(f"{ROOM}.{name}")
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 0


def test_the_example_of_confident_learning_runs():
    pytest.importorskip("cleanlab")
    from spacy_llmjudge.denoise import confident

    result = doctest.testmod(confident)
    assert result.failed == 0 and result.attempted > 0


def test_the_example_of_candidate_features_runs():
    from spacy_llmjudge.selection import features

    result = doctest.testmod(features)
    assert result.failed == 0 and result.attempted > 0
