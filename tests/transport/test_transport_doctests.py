import doctest
import importlib
import pkgutil

import pytest

import spacy_llmjudge

ROOMS = ("transport", "ledger", "models")
MODULES = [
    name
    for room in ROOMS
    for _, name, _ in pkgutil.iter_modules(
        [f"{spacy_llmjudge.__path__[0]}/{room}"], f"spacy_llmjudge.{room}."
    )
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    assert not doctest.testmod(module).failed


def test_there_are_examples():
    found = [doctest.DocTestFinder().find(importlib.import_module(name)) for name in MODULES]
    assert sum(bool(test.examples) for tests in found for test in tests) >= 5
