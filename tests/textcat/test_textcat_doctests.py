"""The examples in the docstrings run."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["data", "denoise", "scores"])
def test_examples(name):
    found = doctest.testmod(importlib.import_module(f"spacy_llmjudge.textcat.{name}"))
    assert found.attempted and not found.failed
