import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.judge.label_names import find_label

LABELS = [
    "FULL_NAME",
    "ORG",
    "Per",
    "per",
    "C++",
    "C",
    "C#",
    "Ärzte",
    "Q&A; support",
    "😀 joy",
    "N/A",
    "1",
]
NAMES = st.lists(
    st.text("aAbB_ -+#éß1😀", min_size=1, max_size=6).filter(str.strip),
    min_size=1,
    max_size=5,
    unique=True,
)


@pytest.mark.parametrize(
    "name, label",
    [
        ("FULL NAME", "FULL_NAME"),
        ("full-name", "FULL_NAME"),
        ("FullName", "FULL_NAME"),
        (" org ", "ORG"),
        ("per", "per"),
        ("Per", "Per"),
        ("PER", None),
        ("ORGANIZATION", None),
        ("c", "C"),
        ("c++", "C++"),
        ("c#", "C#"),
        ("A\u0308RZTE", "Ärzte"),
        ("q&a;  Support", "Q&A; support"),
        ("😀joy", "😀 joy"),
        ("n/a", "N/A"),
        ("", None),
        ("_", None),
    ],
)
def test_exactly_or_else_the_only_one_that_is_spelled_alike(name, label):
    assert find_label(name, LABELS) == label


@settings(max_examples=300, deadline=None)
@given(NAMES, st.data())
def test_a_label_is_found_by_its_own_name_and_never_another_one(labels, data):
    label = data.draw(st.sampled_from(labels))
    if label.strip() == label:
        assert find_label(label, labels) == label
    other = data.draw(
        st.sampled_from([str.upper, str.lower, lambda x: unicodedata.normalize("NFD", x)])
    )
    assert find_label(other(label), labels) in (label, None) or other(label).strip() in labels
