import doctest
from collections import Counter
from types import SimpleNamespace

from spacy_llmjudge.corpora import duplicates
from spacy_llmjudge.corpora.duplicates import leave_out, normalise, texts_of


def test_normalise_sees_through_case_space_and_spelling():
    assert normalise(" Caf\u00e9\u00a0 ROSE\n") == normalise("cafe\u0301 rose")
    assert normalise("rose") != normalise("roses")


def test_empty_texts_and_those_of_another_set_are_left_out_and_counted():
    def make(*texts):
        return [SimpleNamespace(text=text) for text in texts]

    dropped = Counter()
    kept = leave_out(
        make("ivy", " ", "Rose\n", "oak", "ivy"), texts_of(make("ROSE", "elm")), dropped
    )
    assert [item.text for item in kept] == ["ivy", "oak", "ivy"]
    assert dropped == {"empty": 1, "duplicates": 1}


def test_the_example_runs():
    result = doctest.testmod(duplicates)
    assert result.attempted and not result.failed
