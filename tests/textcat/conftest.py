"""The small corpus as files, and prepared for both kinds of task."""

import pytest
from textcat_helpers import make_corpus, make_rows, write_rows


@pytest.fixture
def source(tmp_path):
    return write_rows(tmp_path / "data" / "rows.jsonl", make_rows())


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("exclusive"), make_rows())


@pytest.fixture(scope="session")
def multilabel_corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("multilabel"), make_rows(), multilabel=True)
