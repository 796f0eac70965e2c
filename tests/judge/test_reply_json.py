"""JSON that can mean one thing only is read; all else is refused with the reason."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.judge.reply_json import ReplyError, read_object

ENTRIES = [{"text": "rose", "label": "PLANT", "confidence": 90}, {"text": "it's", "label": "X"}]
FINE = json.dumps({"entities": ENTRIES, "alternatives": []})
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-999, 999),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet="ab \"'\\\n{}[],:é漢", max_size=6),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab'\"", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def refuse(reply):
    with pytest.raises(ReplyError) as caught:
        read_object(reply, "entities")
    return str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        FINE,
        FINE.replace("}]", "},]").replace("[]", "[],"),
        FINE.replace("[]", "null"),
        FINE.replace("[]", "None"),
        json.dumps(ENTRIES),
        f"```json\n{json.dumps(ENTRIES, indent=1)}\n```",
        f"I found [2] of them: {json.dumps(ENTRIES)}",
        f"\ufeff{FINE}",
        f"<answer>{FINE}</answer>",
        FINE.replace("rose", "ro\\u0073e"),
    ],
)
def test_what_can_mean_one_thing_only_is_read(reply):
    assert read_object(reply, "entities")["entities"] == ENTRIES


@pytest.mark.parametrize(
    "reply, entities",
    [
        (
            "{'entities': [{'text': 'rose', 'label': 'PLANT'}]}",
            [{"text": "rose", "label": "PLANT"}],
        ),
        ("{'entities': [{'text': \"it's\"}]}", [{"text": "it's"}]),
        ("{'entities': [{'text': 'it\\'s'}]}", [{"text": "it's"}]),
        ("{'entities': [{'text': 'a \"b\"'}]}", [{"text": 'a "b"'}]),
        ('{"entities": [{"text": "two\nlines\tthere"}]}', [{"text": "two\nlines\tthere"}]),
        ("[]", []),
        ("```json\n[]\n```", []),
        ('{"entities": []}', []),
        ("{'entities': []}", []),
    ],
)
def test_other_quotes_and_raw_line_breaks(reply, entities):
    assert read_object(reply, "entities")["entities"] == entities


@pytest.mark.parametrize(
    "reply, reason",
    [
        ("{'entities': [{'text': 'O'Brien'}]}", "not_json"),
        ('{"entities": [{"text": "so-called "roses""}]}', "not_json"),
        ('{"entities": [{"text": "a"} {"text": "b"}]}', "wrong_shape"),
        ("[1, 2]", "wrong_shape"),
        ("None", "not_json"),
        ("There are none: [].", "wrong_shape"),
        (f"{json.dumps(ENTRIES)} or {json.dumps(ENTRIES[:1])}", "several_answers"),
        ('{"text": "rose"}\n{"text": "elm"}', "wrong_shape"),
        ('{"PLANT": ["rose"]}', "wrong_shape"),
        ('{"Entities": []}', "wrong_shape"),
        ('{"result": {"entities": []}}', "wrong_shape"),
        (json.dumps({"answer": FINE}), "wrong_shape"),
        ("entities:\n- text: rose", "not_json"),
        ('{"entities": [], // none\n}', "not_json"),
        (json.dumps(ENTRIES)[:-1], "truncated"),
        (json.dumps(ENTRIES)[:20], "truncated"),
        ("{'entities': [], 'entities': [1]}", "duplicate_keys"),
        ("{'entities': [NaN]}", "not_a_number"),
        ('{"entities": ' + "[" * 500, "truncated"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(reply, reason):
    assert refuse(reply) == reason


def test_a_list_inside_of_a_broken_object_is_not_the_answer():
    listed = json.dumps(ENTRIES)
    for reply in (f'{{"entities": {listed}, "alternatives": [', f'{{"entities": {listed} oops}}'):
        assert refuse(reply) in ("truncated", "not_json")


@settings(max_examples=300, deadline=None)
@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_all_that_is_json_is_read_as_json_has_it(value, indent, ascii_):
    reply = json.dumps({"entities": value}, indent=indent, ensure_ascii=ascii_)
    for wrapped in (reply, f"Sure:\n{reply}\nDone.", f"```json\n{reply}```"):
        assert read_object(wrapped, "entities") == {"entities": value}


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_what_python_writes_is_read_as_python_has_it(value):
    found = None
    try:
        found = read_object(repr({"entities": value}), "entities")
    except ReplyError:
        # a quote in a string that Python escapes: refused, and never read in another way
        assert any(character in repr(value) for character in "\\e")
    assert found in (None, {"entities": value})


@settings(max_examples=300, deadline=None)
@given(VALUES, st.data())
def test_a_cut_reply_is_never_an_answer(value, data):
    reply = json.dumps({"entities": value})
    cut = reply[: data.draw(st.integers(1, len(reply) - 1))]
    if '"entities"' not in json.dumps(value):
        assert refuse(cut) == "truncated"


@pytest.mark.parametrize("name", ["error", "refusal"])
def test_an_answer_that_says_it_is_none(name):
    assert refuse(json.dumps({"entities": [], name: "I cannot read this text."})) == "refused"
    assert (
        read_object(json.dumps({"entities": ENTRIES, name: None}), "entities")["entities"]
        == ENTRIES
    )


@pytest.mark.parametrize("name", ["error", "refusal"])
def test_no_error_may_be_said_in_many_ways(name):
    for nothing in ("none", "No", "N/A", " ", "false", "no error.", {"message": "None"}, [], 0):
        reply = json.dumps({"entities": ENTRIES, name: nothing})
        assert read_object(reply, "entities")["entities"] == ENTRIES
    for said in (
        "No, I cannot.",
        {"message": "too long"},
        ["filtered"],
        True,
        "none of it can be read",
    ):
        assert refuse(json.dumps({"entities": ENTRIES, name: said})) == "refused"
