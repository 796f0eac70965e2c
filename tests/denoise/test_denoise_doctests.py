import doctest
import importlib

import pytest

ROOM = "spacy_llmjudge.denoise"
MODULES = ("linear", "pools", "prior", "stacking", "scorers", "uu", "neighbours", "simplex", "sidyp")


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(f"{ROOM}.{name}")
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 0
