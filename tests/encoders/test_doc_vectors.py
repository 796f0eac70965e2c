"""The examples in the docstrings."""

import doctest

from spacy_llmjudge.encoders import doc_vectors


def test_examples():
    found = doctest.testmod(doc_vectors)
    assert found.attempted and not found.failed
