"""The examples in the docstrings."""

import doctest

import pytest

from spacy_llmjudge.report import compare, text


@pytest.mark.parametrize("module", [compare, text])
def test_examples_are_right(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
