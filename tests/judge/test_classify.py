"""The task about labels of documents, alone, in a pipeline with a stock textcat, and against hostile texts."""

import json

import pytest
import spacy
from english import NLP
from judge_helpers import split_prompt
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.labelled_texts import read_labelled_texts
from spacy_llmjudge.judge.tasks.classify import make_classify_task, make_schema
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.transport.messages import Reply

LABELS = ["FEED", "PEST", "WATER"]
ROWS = [
    {"text": "Aphids again", "label": "PEST"},
    {"text": "Slugs ate it", "label": "PEST"},
    {"text": "How much compost", "label": "FEED"},
    {"text": "It dried out", "label": "WATER"},
]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return path


@pytest.fixture
def labelled(tmp_path):
    return write_rows(tmp_path / "labelled.jsonl", ROWS)


def ask(task, doc):
    ((prompts, shards),) = task.generate_prompts([doc])
    assert list(shards) == [doc]
    return list(prompts)


def tell(task, doc, *replies):
    list(task.parse_responses([[doc]], [list(replies)]))
    return {c.label: (c.verdict, c.support, c.source) for c in get_candidates(doc)}


def reply(*given, alternatives=()):
    rows = [[dict(zip(("label", "confidence"), e)) for e in part] for part in (given, alternatives)]
    return json.dumps(dict(zip(("labels", "alternatives"), rows)))


def test_the_prompt_holds_what_was_given_and_carries_what_models_read(labelled, tmp_path):
    (tmp_path / "rules.txt").write_text("PEST: snails, too\n")
    task = make_classify_task(
        demonstrations=labelled,
        rules=tmp_path / "rules.txt",
        label_definitions={"FEED": "what plants eat"},
    )
    doc = NLP("My roses are wilting.")
    set_candidates(doc, [Candidate(0, 5, "PEST"), Candidate(0, 5, "OTHER")])
    (prompt,) = ask(task, doc)
    assert task.labels == ("FEED", "PEST", "WATER")
    assert prompt.text == doc.text and prompt.candidates == ((0, 21, "PEST"),)
    assert prompt.labels == {"FEED": "what plants eat", "PEST": "", "WATER": ""}
    assert [row["labels"] for row in prompt.demonstrations] == [[row["label"]] for row in ROWS]
    assert prompt.exclusive is True and prompt.schema == make_schema(LABELS)
    for words in (
        "FEED: what plants eat",
        "PEST: snails, too",
        '"text": "Aphids again", "labels": ["PEST"]',
    ):
        assert words in prompt
    nonce, text, _, outside = split_prompt(prompt)
    assert text == doc.text and doc.text not in outside and len(nonce) == 16


def test_the_schema_names_before_it_is_sure():
    schema = make_schema(LABELS)
    assert list(schema["properties"]) == schema["required"] == ["labels", "alternatives"]
    for name in schema["required"]:
        entry = schema["properties"][name]["items"]
        assert list(entry["properties"]) == entry["required"] == ["label", "confidence"]


def test_the_prompt_is_blind_and_its_head_is_always_the_same(labelled):
    task = make_classify_task(demonstrations=labelled)
    guessed = NLP("one text")
    guessed.cats = {"PEST": 1.0, "FEED": 0.0}
    assert ask(task, guessed) == ask(task, NLP("one text"))
    first, second = ask(task, NLP("one text"))[0], ask(task, NLP("another text"))[0]
    head = first.index("The text stands")
    assert first[:head] == second[:head] and first[head:].count("one text") == 1


def test_the_kind_of_task_is_told(labelled, tmp_path):
    one = ask(make_classify_task(demonstrations=labelled), NLP("x"))[0]
    rows = [{"text": row["text"], "labels": [row["label"]]} for row in ROWS]
    several = ask(
        make_classify_task(demonstrations=write_rows(tmp_path / "several.jsonl", rows)), NLP("x")
    )[0]
    assert "exactly one label" in one and one.exclusive is True
    assert "every label that the text has" in several and several.exclusive is False
    forced = make_classify_task(demonstrations=labelled, exclusive=False)
    assert ask(forced, NLP("x"))[0].exclusive is False


def test_of_a_long_document_the_beginning_is_shown_and_it_says_so():
    task = make_classify_task(labels=LABELS, window=10)
    doc = NLP(" ".join(f"word{i}" for i in range(40)))
    (prompt,) = ask(task, doc)
    _, text, _, outside = split_prompt(prompt)
    assert text == doc[:10].text
    assert "10 of 40 words" in outside and "that begins between" in outside
    assert prompt.text == doc.text
    assert "of 40 words" not in ask(task, NLP("short"))[0]


def test_the_corpus_says_which_labels_there_are():
    task = make_classify_task()
    with pytest.raises(LLMJudgeError, match=r"\[J201\]"):
        task.load()
    task.use_target(Cats(("B", "A"), exclusive=False))
    assert task.labels == ("B", "A") and task.target == Cats(("B", "A"), False)
    (prompt,) = ask(task, NLP("x"))
    assert prompt.exclusive is False and list(prompt.labels) == ["B", "A"]
    # what the config names counts before that
    task = make_classify_task(labels="A", exclusive=True)
    task.use_target(Cats(("B", "A"), exclusive=False))
    assert task.labels == ("A",) and ask(task, NLP("x"))[0].exclusive is True


def test_candidates_of_the_document_get_verdicts():
    task = make_classify_task(labels=LABELS)
    doc = NLP("Aphids drink")
    set_candidates(
        doc, [Candidate(0, 2, label, 0.5, source="student") for label in ("PEST", "WATER", "OTHER")]
    )
    assert tell(task, doc, reply(("PEST", 80), alternatives=[("FEED", 15)])) == {
        "FEED": ("wrong_label", 0.15, "judge"),
        "OTHER": (None, None, "student"),
        "PEST": ("correct", 0.8, "student"),
        "WATER": ("wrong_label", None, "student"),
    }
    assert {(c.start, c.end) for c in get_candidates(doc)} == {(0, 2)}
    # judging twice is judging once
    assert tell(task, doc, reply(("WATER", 70)))["PEST"] == ("wrong_label", None, "student")
    assert "FEED" not in {c.label for c in get_candidates(doc)}


def test_without_candidates_the_predicted_label_is_one():
    doc = NLP("Aphids drink")
    doc.cats = {"PEST": 0.3, "WATER": 0.6, "FEED": 0.1}
    task = make_classify_task(labels=LABELS)
    assert tell(task, doc, reply(("PEST", 90))) == {
        "PEST": ("correct", 0.9, "judge"),
        "WATER": ("wrong_label", None, "student"),
    }
    assert doc.cats["WATER"] == 0.6


@pytest.mark.parametrize(
    "answer, state, reason",
    [
        (reply(("PEST", 90)), "judged", None),
        (reply(), "abstained", "no_label"),
        (reply(("PEST", 90), ("FEED", 80)), "abstained", "several_labels"),
        ("<think>maybe", "abstained", "truncated"),
        (Reply(reply(("PEST", 90)), reason="truncated"), "abstained", "truncated"),
        (Reply("", state="not_sent", reason="budget"), "not_sent", "budget"),
        (None, "abstained", "no_reply"),
    ],
)
def test_status_says_what_became_of_the_question(answer, state, reason):
    doc = NLP("Aphids drink")
    set_candidates(doc, [Candidate(0, 2, "PEST", source="student")])
    tell(make_classify_task(labels=LABELS), doc, answer)
    assert get_status(doc) == {"state": state, "reason": reason}


@pytest.mark.parametrize("text", ["", "  \n "])
def test_a_document_without_words_is_not_sent(text):
    task, doc = make_classify_task(labels=LABELS), NLP(text)
    assert ask(task, doc) == []
    tell(task, doc)
    assert get_status(doc) == {"state": "not_sent", "reason": "no_words"}


def test_state_round_trips_without_the_files(labelled, tmp_path):
    task = make_classify_task(demonstrations=labelled)
    before = ask(task, NLP("a rose"))
    task.to_disk(tmp_path)
    data = task.to_bytes()
    labelled.unlink()
    for again in (
        make_classify_task(demonstrations=labelled).from_disk(tmp_path),
        make_classify_task(demonstrations=labelled).from_bytes(data),
    ):
        assert ask(again, NLP("a rose")) == before
        assert again.target == Cats(("FEED", "PEST", "WATER"), True)


def test_labelled_documents_come_from_spacy_files_too(tmp_path):
    docs = [NLP(row["text"]) for row in ROWS]
    for doc, row in zip(docs, ROWS):
        doc.cats = {label: float(label == row["label"]) for label in LABELS}
    DocBin(docs=docs, attrs=[]).to_disk(tmp_path / "labelled.spacy")
    target, rows = read_labelled_texts(tmp_path / "labelled.spacy")
    assert target == Cats(tuple(LABELS), True)
    assert [row["labels"] for row in rows] == [[row["label"]] for row in ROWS]
    DocBin(docs=[NLP("no labels")], attrs=[]).to_disk(tmp_path / "none.spacy")
    with pytest.raises(LLMJudgeError, match=r"\[J242\].*none.spacy"):
        read_labelled_texts(tmp_path / "none.spacy")


@pytest.mark.parametrize(
    "row",
    [
        '{"text": "a"}',
        '{"label": "A"}',
        "{",
        '{"text": "a", "label": 3}',
        '{"text": "a", "label": [1]}',
        '{"text": "a", "cats": {"A": "x"}}',
        "[]",
    ],
)
def test_a_bad_row_names_file_and_line(tmp_path, row):
    path = tmp_path / "labelled.jsonl"
    path.write_text('{"text": "a", "label": "A"}\n' + row + "\n")
    with pytest.raises(LLMJudgeError, match=r"\[J243\].*labelled.jsonl, line 2"):
        read_labelled_texts(path)


def test_cats_of_rows_say_all_labels(tmp_path):
    rows = [{"text": "a", "cats": {"A": 1, "B": 0}}, {"text": "b", "cats": {"A": 1.0, "B": 1.0}}]
    target, found = read_labelled_texts(write_rows(tmp_path / "cats.jsonl", rows))
    assert target == Cats(("A", "B"), False)
    assert [row["labels"] for row in found] == [["A"], ["A", "B"]]


def test_long_labelled_texts_are_shown_from_their_beginning(tmp_path):
    path = write_rows(tmp_path / "long.jsonl", [{"text": "word " * 2000, "label": "A"}, *ROWS])
    (prompt,) = ask(make_classify_task(demonstrations=path), NLP("x"))
    assert "word word [...]" in prompt and len(prompt) < 5000


@pytest.fixture(scope="module")
def trained():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat")
    examples = [
        Example.from_dict(
            nlp.make_doc(row["text"]), {"cats": {x: float(x == row["label"]) for x in LABELS}}
        )
        for row in ROWS
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    return nlp.to_bytes(), nlp.config


SAID = {
    "Aphids again": reply(("PEST", 90)),
    "How much compost": reply(("WATER", 70)),
    "It dried out": reply(),
}


def make_pipeline(trained, tmp_path, **settings):
    data, config = trained
    nlp = spacy.util.load_model_from_config(config, auto_fill=True).from_bytes(data)
    path = write_rows(
        tmp_path / "replies.jsonl", [{"text": t, "response": r} for t, r in SAID.items()]
    )
    task = {"@llm_tasks": "llmjudge.Classify.v1", "labels": LABELS}
    model = {"@llm_models": "llmjudge.Recorded.v1", "path": str(path)}
    nlp.add_pipe("llm_judge", config={"task": task, "model": model, **settings})
    return nlp


def test_a_stock_textcat_gets_verdicts_and_keeps_its_labels(trained, tmp_path):
    nlp = make_pipeline(trained, tmp_path)
    assert nlp.analyze_pipes()["problems"]["llm_judge"] == []
    docs = list(nlp.pipe(SAID))
    assert [max(doc.cats, key=doc.cats.get) for doc in docs] == ["PEST", "FEED", "WATER"]
    verdicts = [{c.label: c.verdict for c in get_candidates(doc)} for doc in docs]
    assert verdicts == [
        {"PEST": "correct"},
        {"FEED": "wrong_label", "WATER": "correct"},
        {"WATER": "abstained"},
    ]


@pytest.mark.parametrize("action", ["drop", "replace"])
def test_labels_change_only_when_asked(trained, tmp_path, action):
    before = [dict(doc.cats) for doc in make_pipeline(trained, tmp_path).pipe(SAID)]
    docs = list(make_pipeline(trained, tmp_path, action=action).pipe(SAID))
    # an abstaining judge changes nothing
    assert docs[2].cats == before[2]
    if action == "drop":
        assert docs[0].cats == before[0]
        assert docs[1].cats == {**before[1], "FEED": 0.0}
    else:
        assert docs[1].cats == {"FEED": 0.0, "PEST": 0.0, "WATER": 1.0}


def test_scores_of_labels(trained, tmp_path):
    nlp = make_pipeline(trained, tmp_path)
    gold = dict(zip(SAID, ("PEST", "WATER", "WATER")))
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": {x: float(x == label) for x in LABELS}})
        for text, label in gold.items()
    ]
    scores = nlp.evaluate(examples)
    assert scores["cats_before_p"] == pytest.approx(2 / 3)
    assert (scores["judge_p"], scores["judge_r"]) == (1.0, pytest.approx(2 / 3))
    assert scores["judge_abstained"] == pytest.approx(1 / 3)
    assert scores["ents_before_f"] is None
