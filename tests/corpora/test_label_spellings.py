"""Labels that are most likely one label are pointed out, and left as they are."""

import doctest

import pytest
from corpora_helpers import quietly, write_jsonl

from spacy_llmjudge.corpora import label_spellings as module
from spacy_llmjudge.corpora.label_spellings import find_spellings
from spacy_llmjudge.corpora.prepare import prepare


@pytest.mark.parametrize(
    "labels,groups",
    [
        (["PER", "Per", "LOC"], [["PER", "Per"]]),
        (["PER", "PER "], [["PER", "PER "]]),
        (["Company_Name", "company name", "company-name"], 1),
        (["ORG", "ORG "], 1),
        (["ORG", "O\u200bRG", "\ufefforg", "ORG\x00"], 1),
        (["PER", "PERS", "A/B", "AB", "C", "C++", "-", "_"], []),
        ([], []),
    ],
)
def test_spellings_of_one_label(labels, groups):
    found = find_spellings({label: len(labels) - i for i, label in enumerate(labels)})
    assert found == groups if isinstance(groups, list) else len(found) == groups


@pytest.mark.parametrize("kind", ["ents", "cats"])
def test_they_are_warned_of_once_with_examples(tmp_path, kind):
    labels = ["PER", "PER", "Per", "PER ", "LOC"]
    rows = [
        {"text": f"Vera {i}", **({"spans": [[0, 4, s]]} if kind == "ents" else {"label": s})}
        for i, s in enumerate(labels)
    ]
    write_jsonl(tmp_path / "labelled.jsonl", rows)
    write_jsonl(tmp_path / "pool.jsonl", [{"text": "raw"}])
    with pytest.warns(UserWarning, match=r"JW616.*'PER' \(2\), 'PER ' \(1\), 'Per' \(1\)"):
        report = prepare(tmp_path, tmp_path / "out")
    assert report["labels"]["labelled"] == {"LOC": 1, "PER": 3, "Per": 1}
    # the same corpus again is not made again
    assert quietly(prepare, tmp_path, tmp_path / "again")[1] == ["JW616"]


def test_the_example_runs():
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
