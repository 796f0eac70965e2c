import json
import warnings
from typing import Iterable

import pytest
import spacy
from spacy.tokens import DocBin, Span
from spacy.training import Example
from spacy.util import load_config, load_model_from_config

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.component import LLMJudge
from spacy_llmjudge.judge.tasks.annotate import make_annotate_task

TEXTS = ["Slugs ate the hostas", "My red rose is fine", "Nothing to report", "Aphids on a rose"]
REPLIES = {
    TEXTS[0]: [("Slugs", "PEST", 96), ("hostas", "PLANT", 91)],
    TEXTS[1]: [("red rose", "PLANT", 70)],
    TEXTS[2]: [],
}


@pytest.fixture
def replies(tmp_path):
    path = tmp_path / "replies.jsonl"
    rows = []
    for text, entities in REPLIES.items():
        listed = [dict(zip(("text", "label", "confidence"), e)) for e in entities]
        rows.append({"text": text, "response": {"entities": listed, "alternatives": []}})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def trained():
    """A pipeline that stock spaCy trained, with nothing of ours in it."""
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    rows = [
        ("Slugs ate the hostas", [(0, 5, "PEST"), (14, 20, "PLANT")]),
        ("My red rose is fine", [(7, 11, "PLANT")]),
        ("Aphids on a rose", [(0, 6, "PLANT"), (12, 16, "PLANT")]),
        ("Nothing to report", [(0, 7, "PEST")]),
    ]
    examples = [Example.from_dict(nlp.make_doc(text), {"entities": spans}) for text, spans in rows]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    return nlp.to_bytes(), nlp.config


def load(trained):
    data, config = trained
    return spacy.util.load_model_from_config(config, auto_fill=True).from_bytes(data)


def add_judge(nlp, model, **config):
    task = {"@llm_tasks": "llmjudge.Annotate.v1", "labels": ["PEST", "PLANT"]}
    return nlp.add_pipe("llm_judge", config={"task": task, "model": model, **config})


def recorded(path):
    return {"@llm_models": "llmjudge.Recorded.v1", "path": str(path)}


def summarise(doc):
    return [(str(doc[c.start : c.end]), c.label, c.verdict) for c in get_candidates(doc)]


def test_a_pipeline_of_anybody_gets_verdicts_and_keeps_its_entities(trained, replies):
    nlp = load(trained)
    plain = [[(e.text, e.label_) for e in doc.ents] for doc in nlp.pipe(TEXTS)]
    add_judge(nlp, recorded(replies))
    docs = list(nlp.pipe(TEXTS))
    assert [[(e.text, e.label_) for e in doc.ents] for doc in docs] == plain
    assert plain[0] == [("Slugs", "PEST"), ("hostas", "PLANT")]
    assert summarise(docs[0]) == [("Slugs", "PEST", "correct"), ("hostas", "PLANT", "correct")]
    assert summarise(docs[1]) == [
        ("red rose", "PLANT", "correct"),
        ("rose", "PLANT", "wrong_boundary"),
    ]
    assert summarise(docs[2]) == [("Nothing", "PEST", "not_entity")]
    assert {c.verdict for c in get_candidates(docs[3])} == {"abstained"}
    assert docs[3]._.llmjudge["status"] == {"state": "abstained", "reason": "no_recorded_reply"}
    assert docs[0].ents[0]._.llmjudge[0]["support"] == 0.96


def test_pipeline_round_trips_without_its_files(trained, replies, tmp_path):
    labelled = tmp_path / "labelled.jsonl"
    spans = [{"start": 0, "end": 5, "label": "PEST"}, {"start": 14, "end": 20, "label": "PLANT"}]
    labelled.write_text(json.dumps({"text": TEXTS[0], "spans": spans}) + "\n")
    nlp = load(trained)
    task = {"@llm_tasks": "llmjudge.Annotate.v1", "demonstrations": str(labelled)}
    nlp.add_pipe("llm_judge", config={"task": task, "model": recorded(replies), "save_io": True})
    expected = nlp(TEXTS[0])
    nlp.to_disk(tmp_path / "model")
    data = nlp.to_bytes()
    labelled.unlink()
    for again in (
        spacy.load(tmp_path / "model"),
        load_model_from_config(nlp.config).from_bytes(data),
    ):
        doc = again(TEXTS[0])
        assert summarise(doc) == summarise(expected) != []
        assert doc.user_data["llm_io"] == expected.user_data["llm_io"]
        assert again.get_pipe("llm_judge").labels == ("PEST", "PLANT")
    moved = replies.rename(tmp_path / "elsewhere.jsonl")
    again = spacy.load(tmp_path / "model")
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*replies.jsonl"):
        again(TEXTS[0])
    config = {"components.llm_judge.model.path": str(moved)}
    assert summarise(spacy.load(tmp_path / "model", config=config)(TEXTS[0])) != []


def test_candidates_survive_a_docbin(trained, replies):
    nlp = load(trained)
    add_judge(nlp, recorded(replies))
    docs = list(nlp.pipe(TEXTS))
    again = list(DocBin().from_bytes(DocBin(docs=docs).to_bytes()).get_docs(nlp.vocab))
    assert [get_candidates(doc) for doc in again] == [get_candidates(doc) for doc in docs]
    assert [get_status(doc) for doc in again] == [get_status(doc) for doc in docs]


def test_any_plain_model_of_spacy_llm_works(trained):
    nlp = load(trained)
    add_judge(nlp, {"@llm_models": "spacy.NoOp.v1"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        docs = list(nlp.pipe(TEXTS[:2] + ["  ", " ".join(["word"] * 900)]))
    assert [get_status(doc)["reason"] for doc in docs] == [
        "empty_reply",
        "empty_reply",
        "no_words",
        "empty_reply",
    ]


def test_the_task_works_in_the_stock_llm_component(trained, replies):
    nlp = load(trained)
    task = {"@llm_tasks": "llmjudge.Annotate.v1", "labels": ["PEST", "PLANT"]}
    with pytest.warns(UserWarning, match="context length"):
        nlp.add_pipe("llm", config={"task": task, "model": recorded(replies)})
    assert summarise(nlp(TEXTS[1])) == [
        ("red rose", "PLANT", "correct"),
        ("rose", "PLANT", "wrong_boundary"),
    ]


@pytest.mark.parametrize(
    "action, expected",
    [
        ("annotate", [("rose", "PLANT")]),
        ("drop", []),
        ("replace", [("red rose", "PLANT")]),
    ],
)
def test_entities_change_only_when_asked(trained, replies, action, expected):
    nlp = load(trained)
    add_judge(nlp, recorded(replies), action=action)
    assert [(e.text, e.label_) for e in nlp(TEXTS[1]).ents] == expected
    kept = [(e.text, e.label_) for e in nlp(TEXTS[3]).ents]
    assert kept == [("Aphids", "PLANT"), ("rose", "PLANT")], "an abstaining judge changes nothing"


def test_labels_outside_of_the_question_are_left_alone(replies):
    nlp = spacy.blank("en")
    judge = add_judge(nlp, recorded(replies), action="replace")
    doc = nlp.make_doc(TEXTS[0])
    doc.ents = [Span(doc, 2, 3, label="MISC"), Span(doc, 3, 4, label="PEST")]
    doc = judge(doc)
    assert [(e.text, e.label_) for e in doc.ents] == [
        ("Slugs", "PEST"),
        ("the", "MISC"),
        ("hostas", "PLANT"),
    ]


def test_a_bad_document_reaches_the_error_handler_alone(replies):
    nlp = spacy.blank("en")
    add_judge(nlp, recorded(replies))
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, error: failed.append((name, docs, str(error))))
    docs = [nlp.make_doc(text) for text in TEXTS]
    set_candidates(docs[1], [Candidate(0, 1, "PLANT")])
    docs[1].spans["llmjudge"].attrs["support"] = [0.1, 0.2, 0.3]
    judged = list(nlp.pipe(docs))
    assert [doc.text for doc in judged] == [TEXTS[0], TEXTS[2], TEXTS[3]]
    ((name, broken, message),) = failed
    assert (name, [doc.text for doc in broken]) == ("llm_judge", [TEXTS[1]])
    assert "[J005]" in message


def test_the_stream_is_not_read_ahead(replies):
    nlp = spacy.blank("en")
    add_judge(nlp, recorded(replies))
    taken = []

    def stream():
        for i in range(100):
            taken.append(i)
            yield TEXTS[0]

    next(nlp.pipe(stream(), batch_size=5))
    assert len(taken) <= 10


def test_documents_keep_their_order_and_number(replies):
    nlp = spacy.blank("en")
    add_judge(nlp, recorded(replies))
    texts = [TEXTS[i % 4] + " " * (i % 3) for i in range(50)]
    assert [doc.text for doc in nlp.pipe(texts, batch_size=7)] == texts


class FailsOn:
    """A model that cannot cope with some texts, as networks do."""

    def __init__(self, words):
        self.words = words
        self.calls = 0

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        self.calls += 1
        replies = []
        for of_doc in prompts:
            for prompt in of_doc:
                if any(word in prompt.text for word in self.words):
                    raise ConnectionError("https://host/?key=s3cr3t")
            replies.append(['{"entities": []}' for _ in of_doc])
        return replies


def test_a_failing_judge_costs_one_document_its_answer():
    nlp = spacy.blank("en")
    judge = add_judge(nlp, {"@llm_models": "spacy.NoOp.v1"})
    judge._model = FailsOn(["rose"])
    with pytest.warns(UserWarning, match=r"\[JW201\].* 2 prompt.*ConnectionError") as caught:
        docs = list(nlp.pipe(TEXTS))
    assert [get_status(doc)["state"] for doc in docs] == [
        "judged",
        "abstained",
        "judged",
        "abstained",
    ]
    assert get_status(docs[1])["reason"] == "judge_failed"
    assert not any("s3cr3t" in str(warning.message) for warning in caught)


class Terse:
    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        return [['{"entities": []}'] for _ in list(prompts)[:2]]


def test_missing_replies_are_abstentions():
    nlp = spacy.blank("en")
    judge = add_judge(nlp, {"@llm_models": "spacy.NoOp.v1"})
    judge._model = Terse()
    docs = list(nlp.pipe(TEXTS))
    assert [get_status(doc)["reason"] for doc in docs] == [None, None, "no_reply", "no_reply"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_processes_give_the_same(trained, replies):
    nlp = load(trained)
    add_judge(nlp, recorded(replies))
    alone = [summarise(doc) for doc in nlp.pipe(TEXTS)]
    assert [summarise(doc) for doc in nlp.pipe(TEXTS, n_process=2, batch_size=2)] == alone


def test_metadata_is_honest(trained, replies):
    nlp = spacy.blank("en")
    add_judge(nlp, recorded(replies))
    # what it requires depends on its task, and candidates do as well as predictions
    assert nlp.analyze_pipes()["problems"]["llm_judge"] == []
    assert "doc.spans" in nlp.get_pipe_meta("llm_judge").assigns


def test_scores_tell_what_the_judge_would_change(trained, replies):
    nlp = load(trained)
    add_judge(nlp, recorded(replies))
    gold = [[(0, 5, "PEST"), (14, 20, "PLANT")], [(3, 11, "PLANT")], [], [(12, 16, "PLANT")]]
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": spans})
        for text, spans in zip(TEXTS, gold)
    ]
    scores = nlp.evaluate(examples)
    assert (scores["ents_before_p"], scores["ents_before_r"]) == (0.5, 0.75)
    assert (scores["judge_p"], scores["judge_r"]) == (1.0, 0.75)
    assert scores["judge_abstained"] == 0.25
    assert scores["ents_p"] == scores["ents_before_p"]


def test_unknown_scores_are_none(replies):
    nlp = spacy.blank("en")
    judge = add_judge(nlp, recorded(replies), action="replace")
    assert judge.score([])["judge_f"] is None
    doc = judge(nlp.make_doc(TEXTS[0]))
    unannotated = judge.score([Example(doc, nlp.make_doc(TEXTS[0]))])
    assert unannotated["judge_f"] is None and unannotated["judge_abstained"] == 0.0
    gold = nlp.make_doc(TEXTS[0])
    gold.ents = [Span(gold, 0, 1, label="PEST")]
    scores = judge.score([Example(doc, gold)])
    assert scores["ents_before_p"] is None and scores["judge_p"] == 0.5


def test_without_a_model_or_a_judge_task_there_is_no_component():
    nlp = spacy.blank("en")
    with pytest.raises(LLMJudgeError, match=r"\[J203\].*llm_judge.*@llm_models"):
        nlp.add_pipe("llm_judge")
    task = {"@llm_tasks": "spacy.NoOp.v1"}
    with pytest.raises(LLMJudgeError, match=r"\[J202\].*ShardingNoopTask"):
        nlp.add_pipe("llm_judge", config={"task": task, "model": {"@llm_models": "spacy.NoOp.v1"}})


@pytest.mark.parametrize("name", ["recorded", "embedded"])
def test_shipped_configs_load_with_the_overrides_of_the_command_line(name, pytestconfig, replies):
    root = pytestconfig.rootpath
    overrides = {
        "paths.labelled": str(root / "assets" / "garden" / "labelled.jsonl"),
        "paths.rules": str(root / "assets" / "garden" / "rules.txt"),
        "paths.replies": str(root / "assets" / "garden" / "responses.jsonl"),
        "paths.encoder": str(root / "assets" / "encoder"),
    }
    config = load_config(root / "configs" / "judges" / f"{name}.cfg", overrides=overrides)
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.get_pipe("llm_judge").task.load()
    assert len(nlp.get_pipe("llm_judge").labels) == 6
    if name == "recorded":
        doc = nlp("No spider mites this year, thankfully.")
        assert summarise(doc) == [("spider mites", "PEST", "correct")]


class Stream:
    """A model that yields one document's replies after the other, and breaks where it is told to."""

    def __init__(self, breaks_at):
        self.breaks_at = breaks_at
        self.asked = []
        self.ended = False

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        self.ended = False
        for group in prompts:
            texts = [prompt.text for prompt in group]
            self.asked += texts
            if len(self.asked) == self.breaks_at:
                raise RuntimeError("broken")
            yield ['{"entities": []}' for _ in texts]
        self.ended = True


@pytest.mark.parametrize("breaks_at", [None, 1, 3])
def test_documents_are_judged_as_their_replies_come_and_none_is_asked_twice(breaks_at):
    nlp = spacy.blank("en")
    task = make_annotate_task(labels=["A"])
    model = Stream(breaks_at)
    judge = LLMJudge(nlp.vocab, task, model)
    seen = []
    judge.on_judged = lambda doc: seen.append(
        (doc.text, get_status(doc)["state"], len(model.asked))
    )
    docs = list(judge.pipe([nlp.make_doc(text) for text in "abcd"]))
    assert [doc.text for doc in docs] == list("abcd")
    assert [text for text, *_ in seen] == list("abcd") and model.ended
    assert {state for _, state, _ in seen} == {"judged"}
    # The one that broke is asked again, and those before it are not.
    expected = list("abcd") if breaks_at is None else sorted("abcd" + "abcd"[breaks_at - 1])
    assert model.asked == expected
    assert seen[0][2] < len(model.asked), "the first was judged before the last was asked"
