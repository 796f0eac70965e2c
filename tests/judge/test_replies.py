import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.judge.replies import Annotation, Mention, parse_annotation
from spacy_llmjudge.judge.reply_json import MAX_CHARS, ReplyError

LABELS = ("PEST", "PLANT")
FINE = '{"entities": [{"text": "rose", "label": "PLANT", "confidence": 90}], "alternatives": []}'


def refuse(reply):
    with pytest.raises(ReplyError) as caught:
        parse_annotation(reply, LABELS)
    return str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        FINE,
        f"\n  {FINE}\n",
        f"```json\n{FINE}\n```",
        f"```\n{FINE}```",
        f"Sure! Here is {{the}} answer:\n{FINE}\nAnything else? {{}}",
        f"{FINE}\n{FINE}",
        '{"entities": [{"text": " rose ", "label": "plant", "confidence": 90.0, "why": "x"}]}',
    ],
)
def test_wrapping_is_tolerated(reply):
    annotation = parse_annotation(reply, LABELS)
    assert annotation.entities == [Mention("rose", "PLANT", 0.9)]
    assert annotation.alternatives == []
    assert not annotation.dropped


@pytest.mark.parametrize(
    "reply, reason",
    [
        ("", "empty_reply"),
        (" \n", "empty_reply"),
        ("I see no entities here.", "not_json"),
        (FINE[:-1], "truncated"),
        (FINE[:40], "truncated"),
        ("{", "truncated"),
        ("Here: " + FINE[:60], "truncated"),
        ('{"entities": [], "entities": []}', "duplicate_keys"),
        (FINE.replace('"label"', '"text"'), "duplicate_keys"),
        (FINE.replace("90", "NaN"), "not_a_number"),
        (FINE.replace("90", "-Infinity"), "not_a_number"),
        ('{"answer": []}', "wrong_shape"),
        ('{"entities": {}}', "wrong_shape"),
        ('{"entities": null}', "wrong_shape"),
        ('{"entities": [], "alternatives": "none"}', "wrong_shape"),
        (FINE + " or rather " + FINE.replace("rose", "elm"), "several_answers"),
        ("[" * 100_000, "truncated"),
        ('{"entities": ' + "[" * 100_000, "truncated"),
        (" " * MAX_CHARS + FINE, "oversized"),
        ('{"entities": [{"text": "rose", "label": "WEED"}]}', "no_usable_entry"),
        ('{"entities": ["rose", 3]}', "no_usable_entry"),
    ],
)
def test_unclear_replies_are_refused_with_a_reason(reply, reason):
    assert refuse(reply) == reason


def test_bad_entries_are_dropped_and_counted():
    entries = [
        {"text": "rose", "label": "PLANT", "confidence": 80},
        {"text": "rose", "label": "WEED", "confidence": 80},
        {"text": 3, "label": "PLANT"},
        {"text": " ", "label": "PLANT"},
        {"label": "PLANT"},
        ["rose"],
        "elm",
    ]
    annotation = parse_annotation(json.dumps({"entities": entries}), LABELS)
    assert annotation.entities == [Mention("rose", "PLANT", 0.8)]
    assert annotation.dropped == {"unknown_label": 2, "wrong_type": 4}
    assert annotation.unlabelled == [Mention("rose", "", 0.8), Mention("elm", "")]
    assert annotation.wordless == 4


@pytest.mark.parametrize("confidence", ["high", True, -1, 101, [90], 1e999, 0, 1])
def test_entry_with_unusable_confidence_stands_without_it(confidence):
    entry = {"text": "rose", "label": "PLANT", "confidence": confidence}
    reply = json.dumps({"entities": [entry]}).replace("Infinity", "1e999")
    annotation = parse_annotation(reply, LABELS)
    assert annotation.entities == [Mention("rose", "PLANT", None)]
    assert annotation.dropped == {"bad_confidence": 1}


def test_confidence_may_be_missing():
    reply = '{"entities": [{"text": "rose", "label": "PLANT"}]}'
    assert parse_annotation(reply, LABELS).entities == [Mention("rose", "PLANT", None)]
    assert not parse_annotation(reply, LABELS).dropped


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='{}[]":,\\ entities\n0NaN`', max_size=80))
def test_any_text_is_parsed_or_refused(reply):
    try:
        assert isinstance(parse_annotation(reply, LABELS), Annotation)
    except ReplyError as error:
        assert str(error).islower()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(FINE) - 1))
def test_every_cut_of_a_good_reply_is_refused(length):
    assert refuse(FINE[:length]) == ("truncated" if length else "empty_reply")


@pytest.mark.parametrize(
    "label, known",
    [
        ("PLANT", "PLANT"),
        ("plant", "PLANT"),
        ("Plant ", "PLANT"),
        ("plants", ""),
        ("WEED", ""),
        (["PLANT"], ""),
        (None, ""),
    ],
)
def test_an_entry_without_a_known_label_is_kept_for_its_words(label, known):
    entries = [{"text": "elm", "label": "PEST"}, {"text": "rose", "label": label}]
    annotation = parse_annotation(json.dumps({"entities": entries}), LABELS)
    assert [mention.label for mention in annotation.entities] == [
        "PEST",
        *([known] if known else []),
    ]
    assert [m.text for m in annotation.unlabelled] == ([] if known else ["rose"])
    assert annotation.dropped == ({} if known else {"unknown_label": 1})


@pytest.mark.parametrize(
    "stated, expected",
    [
        ([90, 40], [0.9, 0.4]),
        ([0.9, 0.4], [0.9, 0.4]),
        ([1.0, 0.4], [1.0, 0.4]),
        ([1.0, 1], [1.0, 1.0]),
        (["97", "95%"], [0.97, 0.95]),
        ([97, 0.9], [0.97, None]),
        ([1, 1], [None, None]),
        ([0, 40], [None, 0.4]),
        ([140, 40], [None, 0.4]),
    ],
)
def test_a_reply_has_one_scale(stated, expected):
    entries = [{"text": "rose", "label": "PLANT", "confidence": c} for c in stated]
    annotation = parse_annotation(json.dumps({"entities": entries}), LABELS)
    assert [mention.confidence for mention in annotation.entities] == expected
    assert annotation.dropped == Counter(bad_confidence=expected.count(None))


def test_entities_and_alternatives_share_the_scale():
    reply = {
        "entities": [{"text": "rose", "label": "PLANT", "confidence": 1}],
        "alternatives": [{"text": "elm", "label": "PLANT", "confidence": 0.2}],
    }
    annotation = parse_annotation(json.dumps(reply), LABELS)
    assert annotation.entities[0].confidence == 1.0 and annotation.alternatives[0].confidence == 0.2


@pytest.mark.parametrize("alternatives", ["null", "None", "[]"])
def test_no_alternatives_may_be_said_in_many_ways(alternatives):
    assert (
        parse_annotation(f'{{"entities": [], "alternatives": {alternatives}}}', LABELS)
        == Annotation()
    )


def test_a_reply_at_the_token_limit_is_truncated_though_it_can_be_read():
    with pytest.raises(ReplyError, match="^truncated$"):
        parse_annotation(FINE, LABELS, is_cut_off=True)


@pytest.mark.parametrize("stated", [(9, 8), (5, 4, 3), (0.05, 0.1), ("7", "10")])
def test_a_list_that_nobody_is_sure_of_is_on_another_scale(stated):
    entries = [
        {"text": f"rose {n}", "label": "PLANT", "confidence": c} for n, c in enumerate(stated)
    ]
    annotation = parse_annotation(json.dumps({"entities": entries}), ["PLANT"])
    assert [mention.confidence for mention in annotation.entities] == [None] * len(stated)
    assert annotation.dropped == {"bad_confidence": len(stated)}


def test_one_doubt_among_others_is_kept():
    entries = [
        {"text": t, "label": "PLANT", "confidence": c} for t, c in (("rose", 95), ("elm", 5))
    ]
    annotation = parse_annotation(json.dumps({"entities": entries}), ["PLANT"])
    assert [mention.confidence for mention in annotation.entities] == [0.95, 0.05]


@pytest.mark.parametrize("first", [None, 5])
def test_doubtful_alternatives_tell_nothing_about_the_scale(first):
    named = [{"text": t, "label": "PLANT", "confidence": c} for t, c in (("elm", 5), ("oak", 10))]
    listed = [{"text": "rose", "label": "PLANT", "confidence": first}]
    annotation = parse_annotation(
        json.dumps({"entities": listed, "alternatives": named}), ["PLANT"]
    )
    assert [mention.confidence for mention in annotation.alternatives] == [0.05, 0.1]
    assert not annotation.dropped


def test_sure_alternatives_show_the_scale():
    listed = [{"text": t, "label": "PLANT", "confidence": 8} for t in ("rose", "ivy")]
    named = [{"text": "elm", "label": "PLANT", "confidence": 60}]
    annotation = parse_annotation(
        json.dumps({"entities": listed, "alternatives": named}), ["PLANT"]
    )
    assert [mention.confidence for mention in annotation.entities] == [0.08, 0.08]


def test_a_label_that_is_a_code_of_no_character_is_unknown():
    entries = [{"text": "rose", "label": "&#1;"}, {"text": "elm", "label": "PLANT"}]
    annotation = parse_annotation(json.dumps({"entities": entries}), ["PLANT"])
    assert [mention.text for mention in annotation.unlabelled] == ["rose"]
