import json

import pytest
from english import NLP
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Span

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.tasks.annotate import make_annotate_task, make_schema
from spacy_llmjudge.transport.messages import Prompt, Reply

ROWS = [
    {"text": "Slugs eat hostas", "spans": [{"start": 0, "end": 5, "label": "PEST"}]},
    {"text": "My rose is fine", "spans": [{"start": 3, "end": 7, "label": "PLANT"}]},
    {"text": "No slugs on the roses", "spans": []},
]


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def ask(task, doc):
    ((prompts, shards),) = task.generate_prompts([doc])
    assert list(shards) == [doc]
    return list(prompts)


def tell(task, doc, *replies):
    ((judged),) = task.parse_responses([[doc]], [list(replies)])
    assert judged is doc
    return [(str(doc[c.start : c.end]), c.label, c.verdict, c.support) for c in get_candidates(doc)]


def reply(*entities, alternatives=()):
    rows = [dict(zip(("text", "label", "confidence"), e)) for e in entities]
    other = [dict(zip(("text", "label", "confidence"), e)) for e in alternatives]
    return json.dumps({"entities": rows, "alternatives": other})


def test_prompt_carries_what_models_may_read(labelled, tmp_path):
    (tmp_path / "rules.txt").write_text("PLANT: latin names too\n")
    task = make_annotate_task(
        rules=tmp_path / "rules.txt",
        demonstrations=labelled,
        n_demonstrations=1,
        label_definitions={"PEST": "what eats plants"},
    )
    doc = NLP("The red roses died.")
    set_candidates(doc, [Candidate(1, 3, "PLANT"), Candidate(2, 3, "PEST")])
    (prompt,) = ask(task, doc)
    assert isinstance(prompt, Prompt)
    assert prompt.text == doc.text
    assert prompt.candidates == ((4, 13, "PLANT"), (8, 13, "PEST"))
    assert prompt.labels == {"PEST": "what eats plants", "PLANT": ""}
    assert [row["text"] for row in prompt.demonstrations] == [row["text"] for row in ROWS]
    assert sum(row["text"] in prompt for row in ROWS) == 1
    assert "PEST: what eats plants" in prompt and "PLANT: latin names too" in prompt
    assert prompt.schema == make_schema(["PEST", "PLANT"])


def test_prompt_is_blind(labelled):
    task = make_annotate_task(demonstrations=labelled)
    bare, guessed = NLP("The red roses died."), NLP("The red roses died.")
    guessed.ents = [Span(guessed, 1, 3, label="PLANT")]
    assert ask(task, bare) == ask(task, guessed)


def test_near_misses_are_shown_as_unmarked(labelled):
    (prompt,) = ask(make_annotate_task(demonstrations=labelled), NLP("x"))
    assert '"unmarked": ["slugs"]' in prompt


def test_prompts_of_one_task_share_all_that_stands_before_the_text(labelled):
    task = make_annotate_task(demonstrations=labelled)
    first, second = ask(task, NLP("one text"))[0], ask(task, NLP("another text"))[0]
    head = first.index("The text to annotate")
    assert first[:head] == second[:head]
    assert first[head:].count("one text") == 1


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_no_text_closes_its_block(text):
    doc = NLP.make_doc(text)
    task = make_annotate_task(labels="A,B", salt="pepper")
    for prompt in ask(task, doc):
        nonce = prompt.rsplit(" end]", 1)[0].rsplit("[", 1)[1]
        assert prompt.count(f"[{nonce} begin]\n{prompt.text}\n[{nonce} end]") == 1
        assert prompt.count(f"[{nonce} end]") == 1
        assert ask(make_annotate_task(labels="A,B", salt="pepper"), doc) == [prompt]


def test_text_is_never_rendered_as_a_template():
    (prompt,) = ask(make_annotate_task(labels=["A"]), NLP("{{ 7 * 7 }} {% for %} <b>"))
    assert "{{ 7 * 7 }} {% for %} <b>" in prompt


def test_salt_changes_the_mark_only():
    one = ask(make_annotate_task(labels=["A"], salt="1"), NLP("rose"))[0]
    two = ask(make_annotate_task(labels=["A"], salt="2"), NLP("rose"))[0]
    assert one != two and len(one) == len(two)


def test_labels_from_a_list_a_string_and_the_demonstrations(labelled):
    assert make_annotate_task(labels="A, B,").labels == ("A", "B")
    assert make_annotate_task(labels=["B", "A"]).labels == ("B", "A")
    task = make_annotate_task(demonstrations=labelled)
    assert task.labels == ()
    task.load()
    assert task.labels == ("PEST", "PLANT")


def test_without_labels_nothing_is_asked():
    with pytest.raises(LLMJudgeError, match=r"\[J201\]"):
        make_annotate_task().load()


def test_window_must_hold_some_words():
    with pytest.raises(LLMJudgeError, match=r"\[J207\].*3 tokens.*8"):
        make_annotate_task(labels=["A"], window=3)


def test_missing_files_are_met_at_the_first_document_and_not_before(tmp_path):
    task = make_annotate_task(demonstrations=tmp_path / "gone.spacy")
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*gone.spacy"):
        task.load()


def test_replies_become_verdicts_and_proposals():
    task = make_annotate_task(labels=["PEST", "PLANT"])
    doc = NLP("Slugs ate the red roses and ferns")
    doc.ents = [Span(doc, 0, 1, label="PEST"), Span(doc, 4, 5, label="PLANT")]
    found = tell(
        task,
        doc,
        reply(
            ("Slugs", "PEST", 95),
            ("red roses", "PLANT", 70),
            ("ferns", "PLANT", 88),
            alternatives=[("roses", "PLANT", 25)],
        ),
    )
    assert found == [
        ("Slugs", "PEST", "correct", 0.95),
        ("red roses", "PLANT", "correct", 0.7),
        ("roses", "PLANT", "wrong_boundary", 0.25),
        ("ferns", "PLANT", "correct", 0.88),
    ]
    assert [c.source for c in get_candidates(doc)] == ["student", "judge", "student", "judge"]


@pytest.mark.parametrize(
    "answer, state, reason",
    [
        (reply(), "judged", None),
        (reply()[:-4], "abstained", "truncated"),
        ("", "abstained", "empty_reply"),
        (None, "abstained", "no_reply"),
        (
            Reply("", state="abstained", reason="no_recorded_reply"),
            "abstained",
            "no_recorded_reply",
        ),
        (Reply("", state="not_sent", reason="budget"), "not_sent", "budget"),
        (reply(("rose", "WEED", 90)), "abstained", "no_usable_entry"),
        (
            reply(("rose", "WEED", 90), ("rose", "PLANT", 90), ("moon", "PLANT", 90)),
            "abstained",
            "dropped:not_in_text=1,unknown_label=1",
        ),
    ],
)
def test_status_says_what_became_of_the_question(answer, state, reason):
    task = make_annotate_task(labels=["PEST", "PLANT"])
    doc = NLP("my rose")
    tell(task, doc, answer)
    assert get_status(doc) == {"state": state, "reason": reason}


def test_long_documents_are_judged_in_windows():
    task = make_annotate_task(labels=["PLANT"], window=16)
    doc = NLP(" ".join(f"word{i}" for i in range(100)))
    doc.ents = [Span(doc, i, i + 1, label="PLANT") for i in range(0, 100, 5)]
    prompts = ask(task, doc)
    assert len(prompts) > 6
    asked = [prompt.text[s:e] for prompt in prompts for s, e, _ in prompt.candidates]
    assert sorted(asked) == sorted(ent.text for ent in doc.ents)
    answers = [
        reply(*[(w, "PLANT", 90) for w in prompt.text.split() if w.endswith(("0", "7"))])
        for prompt in prompts
    ]
    tell(task, doc, *answers)
    verdicts = {str(doc[c.start]): c.verdict for c in get_candidates(doc)}
    assert {w for w, v in verdicts.items() if v == "correct"} == {
        f"word{i}" for i in range(100) if i % 10 in (0, 7)
    }
    assert get_status(doc)["state"] == "judged"


def test_state_round_trips_without_the_files(labelled, tmp_path):
    (tmp_path / "rules.txt").write_text("PLANT: latin names too\n")
    (tmp_path / "mine.jinja").write_text(
        "mine {{ nonce }} {{ text }} {{ demonstrations | as_json }}"
    )
    arguments = {
        "rules": tmp_path / "rules.txt",
        "demonstrations": labelled,
        "template": tmp_path / "mine.jinja",
    }
    task = make_annotate_task(**arguments)
    before = ask(task, NLP("a rose"))
    task.to_disk(tmp_path / "task")
    data = task.to_bytes()
    for name in ("rules.txt", "labelled.jsonl", "mine.jinja"):
        (tmp_path / name).unlink()
    for restored in (
        make_annotate_task(**arguments).from_disk(tmp_path / "task"),
        make_annotate_task(**arguments).from_bytes(data),
    ):
        assert restored.labels == ("PEST", "PLANT")
        after = ask(restored, NLP("a rose"))
        assert after == before
        assert after[0].demonstrations == before[0].demonstrations


def test_state_of_another_version_is_refused():
    task = make_annotate_task(labels=["A"])
    data = (
        task.to_bytes()
        .replace(b'"version":1', b'"version":9')
        .replace(b'"version": 1', b'"version": 9')
    )
    with pytest.raises(LLMJudgeError, match=r"\[J208\].*9.*1"):
        task.from_bytes(data)


def test_a_way_to_choose_demonstrations_that_does_not_exist_is_named():
    with pytest.raises(LLMJudgeError, match="J241.*choose.*any, ambiguous"):
        make_annotate_task(labels=["PEST"], choose="hardest")
