import json

import pytest
from any_json import any_json
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.transport.strict_json import StrictJSONError, load_strict


@settings(deadline=None)
@given(any_json("a", "b"))
def test_it_reads_what_json_writes(data):
    text = json.dumps(data)
    try:
        found = load_strict(text)
    except StrictJSONError as error:
        assert str(error) == "not_a_number" and ("NaN" in text or "Infinity" in text)
    else:
        assert found == data


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        load_strict(text)
    except StrictJSONError as error:
        assert str(error) in ("not_json", "not_a_number", "duplicate_keys")


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "not_json"),
        ("{", "not_json"),
        ("{} {}", "not_json"),
        ("[" * 100_000, "not_json"),
        ("[NaN]", "not_a_number"),
        ("[-Infinity]", "not_a_number"),
        ('{"a": [{"b": 1, "b": 1}]}', "duplicate_keys"),
    ],
)
def test_what_is_refused(text, reason):
    with pytest.raises(StrictJSONError, match=reason):
        load_strict(text)
