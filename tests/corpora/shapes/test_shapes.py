"""Exports of annotation tools say the same as the document that they were made from."""

import pytest
from corpora_helpers import records_of, spans_of
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError

TEXT = "Vera Moss left Bergen for the Delta Works."
SPANS = [(0, 9, "PER"), (15, 21, "LOC"), (30, 41, "ORG")]
WORDS = ["Vera", "Moss", "left", "Bergen", "for", "the", "Delta", "Works", "."]
TAGS = ["B-PER", "I-PER", "O", "B-LOC", "O", "O", "B-ORG", "I-ORG", "O"]
SAID = [("Vera Moss", "PER"), ("Bergen", "LOC"), ("Delta Works", "ORG")]
OFFSETS = [{"start": s, "end": e, "label": label} for s, e, label in SPANS]


def regions(**more):
    return [
        {"start": s, "end": e, "text": TEXT[s:e], "labels": [label], **more}
        for s, e, label in SPANS
    ]


def results(items):
    return [{"type": "labels", "from_name": "l", "to_name": "t", "value": item} for item in items]


ROWS = {
    "ours": {"text": TEXT, "spans": OFFSETS},
    "entities": {"text": TEXT, "entities": [list(span) for span in SPANS]},
    "tokens": {"tokens": WORDS, "ents": [[0, 2, "PER"], [3, 4, "LOC"], [6, 8, "ORG"]]},
    "prodigy": {
        "text": TEXT,
        "spans": [{**o, "token_start": 0, "token_end": 1, "text": None} for o in OFFSETS],
        "tokens": [{"text": "Vera", "start": 0, "end": 4, "id": 0, "ws": True}],
        "_view_id": "ner_manual",
        "answer": "accept",
    },
    "doccano 1.0": {"id": 1, "text": TEXT, "meta": {}, "labels": [list(s) for s in SPANS]},
    "doccano 1.2": {"id": 1, "data": TEXT, "label": [list(s) for s in SPANS]},
    "doccano 1.5": {"id": 1, "text": TEXT, "label": [list(s) for s in SPANS], "Comments": []},
    "doccano 1.6": {
        "id": 1,
        "text": TEXT,
        "relations": [],
        "entities": [
            {"id": i, "label": label, "start_offset": s, "end_offset": e}
            for i, (s, e, label) in enumerate(SPANS)
        ],
    },
    "doccano names": {
        "text": TEXT,
        "annotations": [
            {"label": label, "start_offset": s, "end_offset": e, "user": 1} for s, e, label in SPANS
        ],
    },
    "label studio": {
        "id": 4,
        "data": {"text": TEXT},
        "annotations": [{"id": 1, "was_cancelled": False, "result": results(regions())}],
        "predictions": [{"result": results([{"start": 0, "end": 4, "labels": ["WRONG"]}])}],
    },
    "label studio completions": {
        "data": {"message": TEXT, "n": 3},
        "completions": [{"result": results(regions())}],
    },
    "label studio min": {"id": 4, "text": TEXT, "label": regions(), "annotator": 1},
    "label studio min, other name": {"id": 4, "text": TEXT, "ner": regions(), "annotator": 1},
    "argilla 1": {
        "text": TEXT,
        "tokens": WORDS,
        "prediction": [["WRONG", 0, 4, 0.3]],
        "annotation": [[label, s, e] for s, e, label in SPANS],
        "status": "Validated",
    },
    "argilla 2": {
        "id": "a",
        "fields": {"text": TEXT},
        "suggestions": {"spans": {"value": [{"start": 0, "end": 4, "label": "WRONG"}]}},
        "responses": {"spans": [{"value": OFFSETS, "user_id": "u", "status": "submitted"}]},
    },
    "argilla 2 as json": {
        "id": "a",
        "fields": {"text": TEXT},
        "status": "pending",
        "responses": {"spans": [{"value": OFFSETS, "user_id": "u"}]},
    },
    "argilla 2 as a table": {
        "text": TEXT,
        "spans.responses": [OFFSETS],
        "spans.responses.users": ["u"],
        "spans.responses.status": ["submitted"],
        "spans.suggestion": [{"start": 0, "end": 4, "label": "WRONG"}],
    },
    "argilla on the hub": {
        "text": TEXT,
        "entities": [{"user_id": "u", "value": OFFSETS, "status": "submitted"}],
        "entities-suggestion": None,
    },
    "tags": {"id": "0", "tokens": WORDS, "ner_tags": TAGS, "pos_tags": ["X"] * 9},
    "tags by another name": {"words": WORDS, "tags": TAGS},
    "labels of tokens": {"tokens": WORDS, "labels": TAGS, "text": TEXT},
    "gliner": {
        "tokenized_text": WORDS,
        "ner": [[0, 1, "PER"], [3, 3, "LOC"], [6, 7, "ORG"]],
    },
    "spacy v2": {"text": TEXT, "entities": [list(span) for span in SPANS], "links": {}},
    "spacy v3": {"text": TEXT, "spans": {"sc": [list(span) for span in SPANS]}},
}


@pytest.mark.parametrize("name", ROWS)
def test_the_spans_of_an_export_are_those_of_the_source(name):
    (record,) = records_of(ROWS[name])
    assert spans_of(record) == SAID and record.is_annotated
    assert record.text.replace(" ", "") == TEXT.replace(" ", "")


def without_spans(name):
    """The same export where nobody found anything."""
    if name == "argilla 2":
        return {
            **ROWS[name],
            "responses": {"spans": [{"value": [], "user_id": "u", "status": "submitted"}]},
        }
    if name == "argilla 2 as a table":
        return {**ROWS[name], "spans.responses": [[]]}
    if name.startswith("label studio min"):
        return {"id": 4, "text": TEXT, "annotator": 1, "annotation_id": 2, "lead_time": 1.0}
    if name == "label studio":
        return {**ROWS[name], "annotations": [{"id": 1, "was_cancelled": False, "result": []}]}
    key = {"argilla 1": "annotation", "gliner": "ner", "doccano 1.5": "label"}.get(name, "spans")
    return {**ROWS[name], key: []}


NOTHING = ["ours", "doccano 1.5", "label studio", "label studio min", "argilla 1", "argilla 2"]


def test_looked_at_and_nothing_found_in_a_table():
    row = {"id": 4, "text": TEXT, "label": None, "annotator": 1, "annotation_id": 2}
    (record,) = records_of(row)
    assert record.mentions == ()


@pytest.mark.parametrize("name", [*NOTHING, "argilla 2 as a table", "gliner"])
def test_looked_at_and_nothing_found_is_annotation(name):
    (record,) = records_of(without_spans(name))
    assert record.mentions == () and record.is_annotated


RAW = {
    "ours": {"text": TEXT},
    "label studio": {"data": {"text": TEXT}, "annotations": [], "predictions": []},
    "label studio, cancelled": {
        "data": {"text": TEXT},
        "annotations": [{"was_cancelled": True, "result": results(regions())}],
    },
    "argilla 1": {"text": TEXT, "annotation": None, "status": "Default"},
    "argilla 2": {"fields": {"text": TEXT}, "responses": {}},
    "argilla 2, a draft": {
        "fields": {"text": TEXT},
        "responses": {"spans": [{"value": OFFSETS, "status": "draft"}]},
    },
    "gliner": {"tokenized_text": WORDS},
    "tokens": {"tokens": WORDS},
}


@pytest.mark.parametrize("name", RAW)
def test_what_nobody_annotated_is_none(name):
    (record,) = records_of(RAW[name])
    assert record.mentions is None and not record.is_annotated


REFUSED = {
    "label studio, skipped": RAW["label studio, cancelled"],
    "prodigy, rejected": {"text": TEXT, "spans": OFFSETS, "answer": "reject"},
    "prodigy, ignored": {"text": TEXT, "spans": OFFSETS, "answer": "ignore"},
    "argilla 1, discarded": {
        "text": TEXT,
        "annotation": [["PER", 0, 9]],
        "status": "Discarded",
    },
    "argilla 2, discarded": {
        "fields": {"text": TEXT},
        "responses": {"spans": [{"value": OFFSETS, "status": "discarded"}]},
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_annotator_refused_is_no_gold(name):
    (record,) = records_of(REFUSED[name])
    assert record.answer != "accept" and not record.is_annotated


TWO = {
    "label studio": {
        "data": {"text": TEXT},
        "annotations": [{"result": results(regions())}, {"result": results(regions()[:1])}],
    },
    "argilla 2": {
        "fields": {"text": TEXT},
        "responses": {
            "spans": [
                {"value": OFFSETS, "status": "submitted"},
                {"value": OFFSETS[:1], "status": "submitted"},
            ]
        },
    },
}


@pytest.mark.parametrize("name", TWO)
def test_each_annotator_of_a_row_gives_a_record(name):
    first, second = records_of(TWO[name])
    assert spans_of(first) == SAID and spans_of(second) == SAID[:1]


LABELS = {
    "a string": ({"label": "FEED"}, ("FEED",), "label"),
    "a number": ({"label": 3}, ("3",), "label"),
    "a list": ({"labels": ["FEED", "PEST"]}, ("FEED", "PEST"), "list"),
    "doccano": ({"id": 1, "label": ["FEED"], "Comments": []}, ("FEED",), "list"),
    "values": ({"cats": {"FEED": 1.0, "PEST": 0.0}}, ("FEED",), "scores"),
    "prodigy": (
        {"accept": ["FEED"], "options": [{"id": "FEED"}], "answer": "accept"},
        ("FEED",),
        "list",
    ),
    "prodigy, one": (
        {
            "accept": ["FEED"],
            "options": [{"id": "FEED"}, {"id": "PEST"}],
            "config": {"choice_style": "single"},
        },
        ("FEED",),
        "label",
    ),
    "argilla 1": ({"annotation": "FEED", "status": "Validated"}, ("FEED",), "label"),
    "argilla 2": (
        {"responses": {"topic": [{"value": "FEED", "status": "submitted"}]}},
        ("FEED",),
        "label",
    ),
    "argilla 2, many": (
        {"responses": {"topic": [{"value": ["FEED", "PEST"], "status": "submitted"}]}},
        ("FEED", "PEST"),
        "list",
    ),
    "label studio min": (
        {"topic": {"choices": ["FEED", "PEST"]}, "annotator": 1, "annotation_id": 2},
        ("FEED", "PEST"),
        "list",
    ),
    "spacy v2": ({"cats": {"FEED": True, "PEST": False}}, ("FEED",), "scores"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_a_text(name):
    said, chosen, form = LABELS[name]
    (record,) = records_of({"text": TEXT, **said})
    assert (record.choice.chosen, record.choice.form) == (chosen, form)


def test_choices_of_label_studio():
    value = {"type": "choices", "value": {"choices": ["FEED"]}}
    row = {"data": {"text": TEXT}, "annotations": [{"result": [value]}]}
    (record,) = records_of(row)
    assert record.choice.chosen == ("FEED",) and record.mentions is None


def test_a_span_with_two_labels_is_two_spans():
    (record,) = records_of({"text": TEXT, "label": [{"start": 0, "end": 4, "labels": ["A", "B"]}]})
    assert spans_of(record) == [("Vera", "A"), ("Vera", "B")]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_all_shapes_of_one_document_say_the_same(data):
    """Any spans on any words, written as five tools would, are read as the same spans."""
    words = data.draw(st.lists(st.text("abé北😀-", min_size=1, max_size=3), min_size=1, max_size=6))
    starts, text = [], ""
    for word in words:
        starts.append(len(text))
        text += word + " "
    text = text.rstrip()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(words)), max_size=4)))
    spans = [(i, j, data.draw(st.sampled_from("XY"))) for i, j in zip(cuts[::2], cuts[1::2])]
    chars = [(starts[i], starts[j - 1] + len(words[j - 1]), label) for i, j, label in spans]
    dicts = [{"start": s, "end": e, "label": label} for s, e, label in chars]
    rows = [
        {"text": text, "spans": dicts},
        {"text": text, "label": [list(span) for span in chars]},
        {"text": text, "tokens": words, "ents": [list(span) for span in spans]},
        {
            "text": text,
            "tokens": words,
            "annotation": [[c, a, b] for a, b, c in chars],
            "status": "",
        },
        {"text": text, "tokenized_text": words, "ner": [[i, j - 1, c] for i, j, c in spans]},
    ]
    expected = [(text[s:e], label) for s, e, label in chars]
    assert [spans_of(records_of(row)[0]) for row in rows] == [expected] * len(rows)


def of_label_studio(result, **more):
    return {"data": {"text": TEXT}, "annotations": [{"result": result}], **more}


def of_argilla(**more):
    return {"text": TEXT, "spans.responses": [[OFFSETS[0]]], **more}


@pytest.mark.parametrize(
    "row, key",
    [
        (of_label_studio(["x"]), "result"),
        (of_label_studio(5), "result"),
        (of_label_studio({"a": 1}), "result"),
        (of_label_studio([], annotations=[], predictions=5), "predictions"),
        (of_label_studio([], annotations=[], predictions=[{"result": 5}]), "result"),
        (of_label_studio([{"value": {"choices": None}}]), "choices"),
        (of_label_studio([{"value": {"choices": "abc"}}]), "choices"),
        (of_argilla(**{"spans.responses.users": [["a"]]}), "users"),
        (of_argilla(**{"spans.responses.users": "a"}), "users"),
        (of_argilla(**{"spans.responses.status": 5}), "status"),
        (of_argilla(responses={"spans": [{"value": [], "user_id": {"a": 1}}]}), "users"),
    ],
)
def test_exports_that_are_damaged_say_where(row, key):
    with pytest.raises(LLMJudgeError, match=rf"J605\] data.jsonl, line 1 .*{key}'"):
        records_of(row, predictions=True)


@pytest.mark.parametrize("key", ["audio", "image", "video", "pdf"])
def test_the_address_of_a_picture_or_a_sound_is_no_text(key):
    row = {"data": {key: "/data/upload/1.bin"}, "annotations": [{"result": []}]}
    with pytest.raises(LLMJudgeError, match=rf"J604\] data.jsonl, line 1 .*keys: {key}"):
        records_of(row)
    (record,) = records_of({**row, "data": {key: "/data/upload/1.bin", "caption": TEXT}})
    assert record.text == TEXT


@pytest.mark.parametrize("kind", ["hypertextlabels", "paragraphlabels", "timeserieslabels"])
def test_regions_without_offsets_into_a_text_are_no_empty_gold(kind):
    value = {"start": "/p[1]/text()[1]", "startOffset": 0, "endOffset": 4, kind: ["PER"]}
    with pytest.raises(LLMJudgeError, match=rf"J605\] data.jsonl, line 1 .*{kind} in 'result'"):
        records_of(of_label_studio([{"type": kind, "value": value}]))


def test_of_several_annotations_the_one_that_is_marked_as_right_counts():
    good = {"result": results(regions()), "ground_truth": True}
    row = {"data": {"text": TEXT}, "annotations": [{"result": results(regions()[:1])}, good]}
    (record,) = records_of(row)
    assert len(record.mentions) == len(regions())


def test_an_annotation_that_was_cancelled_hides_no_other_one():
    good = {"result": results(regions())}
    bad = {"result": results(regions()[:1]), "ground_truth": True, "was_cancelled": True}
    (record,) = records_of({"data": {"text": TEXT}, "annotations": [bad, good]})
    assert record.answer == "accept" and len(record.mentions) == len(regions())
    (record,) = records_of({"data": {"text": TEXT}, "annotations": [bad]})
    assert record.answer == "ignore"
