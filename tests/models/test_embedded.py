import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from encoder_helpers import make_encoder
from spacy.util import load_config, load_model_from_config

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.encoders.span_vectors import SpanEncoder, span_features
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.replies import read_confidences
from spacy_llmjudge.models.embedded import find_verdict, make_embedded_model, make_reply
from spacy_llmjudge.models.verdict_lines import Finding
from spacy_llmjudge.models.verifier import NONE, training_spans
from spacy_llmjudge.transport.messages import Prompt

WORDS = "my the a rose fern elm oak slug aphid mite likes hates and is on near old dead".split()
LABELS = {"PEST": "", "PLANT": ""}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("encoder"), WORDS)


def entity(text, word, label):
    start = text.index(word)
    return {"text": word, "label": label, "start": start, "end": start + len(word)}


@pytest.fixture(scope="module")
def demonstrations():
    rng = random.Random(0)
    rows = []
    for _ in range(40):
        plant, pest = rng.choice(["rose", "fern", "elm"]), rng.choice(["slug", "aphid"])
        text = f"{rng.choice(['my', 'the'])} {plant} {rng.choice(['likes', 'hates'])} a {pest}"
        rows.append(
            {"text": text, "entities": [entity(text, plant, "PLANT"), entity(text, pest, "PEST")]}
        )
    rows.append({"text": "the old and dead", "entities": []})
    return tuple(rows)


def make_prompt(text, spans, demonstrations):
    candidates = [(text.index(word), text.index(word) + len(word), label) for word, label in spans]
    return Prompt(
        "unread", text=text, candidates=candidates, labels=LABELS, demonstrations=demonstrations
    )


def percent(entry):
    assert entry["confidence"].endswith("%")
    return float(entry["confidence"][:-1])


def confidences(reply):
    rows = json.loads(reply)
    return {(e["text"], e["label"]): percent(e) for e in rows["entities"] + rows["alternatives"]}


def test_it_tells_right_candidates_from_near_misses(encoder, demonstrations):
    spans = [
        ("rose", "PLANT"),
        ("rose", "PEST"),
        ("my rose", "PLANT"),
        ("rose hates", "PLANT"),
        ("slug", "PEST"),
        ("slug", "PLANT"),
        ("hates", "PLANT"),
    ]
    prompt = make_prompt("my rose hates a slug", spans, demonstrations)
    ((reply,),) = make_embedded_model(encoder)([[prompt]])
    found = confidences(reply)
    right = {("rose", "PLANT"), ("slug", "PEST")}
    assert set(found) == set(spans)
    assert min(found[key] for key in right) > max(found[key] for key in set(spans) - right)
    assert reply.state == "replied"


def test_replies_are_deterministic_and_independent_of_the_batch(encoder, demonstrations):
    texts = ["my rose hates a slug", "the elm", "a fern is near the old oak and the mite"]
    spans = [("rose", "PLANT")], [("elm", "PLANT")], [("fern", "PLANT"), ("mite", "PEST")]
    prompts = [make_prompt(t, s, demonstrations) for t, s in zip(texts, spans)]
    together = make_embedded_model(encoder)([[p] for p in prompts])
    model = make_embedded_model(encoder)
    alone = [model([[p]])[0] for p in prompts]
    for (one,), (other,) in zip(together, alone):
        assert confidences(one).keys() == confidences(other).keys()
        for key, value in confidences(one).items():
            assert confidences(other)[key] == pytest.approx(value, abs=0.05)


def test_candidates_in_long_texts_are_seen_where_they_stand(encoder, demonstrations):
    text = "the old oak " * 60 + "my rose hates a slug"
    prompt = make_prompt(text, [("rose", "PLANT"), ("rose", "PEST")], demonstrations)
    ((reply,),) = make_embedded_model(encoder)([[prompt]])
    found = confidences(reply)
    assert found[("rose", "PLANT")] > 2 * found[("rose", "PEST")]


def test_features_describe_the_span_and_its_sides(encoder):
    (encoded,) = SpanEncoder(encoder).encode(["my rose is old"])
    (vectors,), (offsets,) = encoded.vectors, encoded.offsets
    assert offsets.tolist() == [[0, 0], [0, 2], [3, 7], [8, 10], [11, 14], [0, 0]]
    (features,) = span_features(encoded, [(3, 10)]).reshape(1, 5, -1)
    expected = [vectors[2:4].mean(axis=0), vectors[2], vectors[3], vectors[1], vectors[4]]
    assert np.allclose(features, expected)


def test_prompt_without_candidates_gets_an_empty_list(encoder, demonstrations):
    replies = make_embedded_model(encoder)([[make_prompt("the end", [], demonstrations)], []])
    assert json.loads(replies[0][0]) == {"entities": [], "alternatives": []}
    assert replies[1] == []


def test_a_label_without_examples_is_never_probable(encoder, demonstrations):
    prompt = make_prompt("my rose", [("rose", "TOOL")], demonstrations)
    prompt.labels["TOOL"] = ""
    ((reply,),) = make_embedded_model(encoder)([[prompt]])
    assert confidences(reply) == {("rose", "TOOL"): 1.0}


def test_plain_strings_abstain(tmp_path):
    ((reply,),) = make_embedded_model(tmp_path / "gone")([["a plain string"]])
    assert (reply.state, reply.reason) == ("abstained", "plain_prompt")


def test_it_needs_labelled_documents(encoder):
    with pytest.raises(LLMJudgeError, match=r"\[J303\]"):
        make_embedded_model(encoder)([[make_prompt("my rose", [("rose", "PLANT")], ())]])


def test_missing_encoder_is_a_coded_error_at_the_first_prompt(tmp_path, demonstrations):
    model = make_embedded_model(tmp_path / "gone")
    with pytest.raises(LLMJudgeError, match=r"\[J302\].*gone"):
        model([[make_prompt("my rose", [("rose", "PLANT")], demonstrations)]])


def test_best_candidates_that_do_not_overlap_are_the_entities():
    text = "red rose rose"
    candidates = [(0, 8, "X"), (4, 8, "X"), (9, 13, "X"), (9, 13, "Y"), (0, 3, "X")]
    reply = json.loads(make_reply(text, candidates, [0.6, 0.8, 0.7, 0.2, 1.0]))
    assert [(e["start"], e["text"], percent(e)) for e in reply["entities"]] == [
        (0, "red", 99.0),
        (4, "rose", 80.0),
        (9, "rose", 70.0),
    ]
    assert [(e["start"], e["label"], percent(e)) for e in reply["alternatives"]] == [
        (0, "X", 60.0),
        (9, "Y", 20.0),
    ]


@pytest.mark.parametrize("probabilities", [[0.0, 0.001], [0.01], [0.004, 0.6], [0.999], [0.011]])
def test_the_judge_reads_the_numbers_that_the_model_means(probabilities):
    """Where nothing is likely all numbers are 1, which on a scale to 1 would be certainty."""
    candidates = [(5 * i, 5 * i + 4, "X") for i in range(len(probabilities))]
    reply = json.loads(make_reply("rose rose", candidates, probabilities))
    entries = sorted(reply["entities"] + reply["alternatives"], key=lambda e: e["start"])
    expected = [min(max(p, 0.01), 0.99) for p in probabilities]
    assert read_confidences(entries, Counter()) == pytest.approx(expected)


def test_negatives_are_shifted_entities_and_unmarked_chunks():
    text = "my old rose is dead on the elm near a mite and the slug hates it"
    row = {
        "text": text,
        "entities": [entity(text, "old rose", "PLANT"), entity(text, "elm", "TREE")],
    }
    spans = training_spans(row, ["PLANT"], random.Random(0))
    words = {text[start:end]: label for (start, end), label in spans.items()}
    assert words["old rose"] == "PLANT"
    assert {words[text] for text in ("rose", "my old rose", "old", "old rose is")} == {NONE}
    assert list(words.values()).count("PLANT") == 1
    far = [start for (start, _), label in spans.items() if start > 20]
    assert len(far) > 5


def test_verdicts_are_the_likeliest_reading_over_the_cut():
    text = "my red rose"
    candidate = (7, 11, "PLANT")
    likely = {candidate: 0.3, (7, 11, "PEST"): 0.1, (3, 11, "PLANT"): 0.2, (0, 2, "PLANT"): 0.9}
    assert find_verdict(text, candidate, likely) == Finding("not_entity", 0.3)
    assert find_verdict(text, candidate, {**likely, candidate: 0.5}) == Finding("correct", 0.5)
    longer = find_verdict(text, candidate, {**likely, (3, 11, "PLANT"): 0.6})
    assert longer == Finding("wrong_boundary", 0.3, "red rose")
    other = find_verdict(text, candidate, {**likely, (7, 11, "PEST"): 0.65})
    assert other == Finding("wrong_label", 0.3, "PEST")


def judge_with(name, folder, encoder, demonstrations, **settings):
    """The pipeline of a shipped config, and the verdicts that it gives."""
    rows = [
        {
            "text": row["text"],
            "spans": [{k: e[k] for k in ("start", "end", "label")} for e in row["entities"]],
        }
        for row in demonstrations
    ]
    labelled = folder / "labelled.jsonl"
    labelled.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = Path(__file__).parents[2] / "configs" / "judges" / f"{name}.cfg"
    paths = {"paths.encoder": str(encoder), "paths.labelled": str(labelled)}
    changes = {f"components.llm_judge.task.{key}": value for key, value in settings.items()}
    nlp = load_model_from_config(
        load_config(config, overrides={**paths, **changes}), auto_fill=True
    )
    docs = []
    for text, candidates in (
        (
            "my rose hates a slug",
            [(1, 2, "PLANT"), (1, 2, "PEST"), (0, 2, "PLANT"), (4, 5, "PEST")],
        ),
        ("the old fern", [(2, 3, "PLANT"), (1, 2, "PLANT")]),
        ("nothing", []),
    ):
        docs.append(nlp.make_doc(text))
        set_candidates(docs[-1], [Candidate(*key, posterior=0.5) for key in candidates])
    found = {}
    for doc in nlp.pipe(docs):
        for c in get_candidates(doc):
            found[doc.text, str(doc[c.start : c.end]), c.label] = c
    return found, [get_status(doc)["state"] for doc in docs]


@pytest.mark.parametrize("n", [1, 3, 8])
def test_it_answers_the_verifying_task_as_it_answers_the_annotating_one(
    encoder, demonstrations, tmp_path, n
):
    listed, _ = judge_with("embedded", tmp_path, encoder, demonstrations)
    found, states = judge_with(
        "verify_embedded", tmp_path, encoder, demonstrations, candidates_per_prompt=n
    )
    assert states == ["judged", "judged", "not_sent"]
    asked = {key: c for key, c in found.items() if c.source != "judge"}
    assert asked.keys() == listed.keys()
    for key, c in asked.items():
        assert c.support == pytest.approx(listed[key].support, abs=1e-3)
    rose, slug = ("my rose hates a slug", "rose", "PLANT"), ("my rose hates a slug", "slug", "PEST")
    assert found[rose].verdict == found[slug].verdict == "correct"
    wrong = found["my rose hates a slug", "rose", "PEST"]
    assert wrong.verdict == "wrong_label" and wrong.support < 0.5
    assert found["my rose hates a slug", "my rose", "PLANT"].verdict in (
        "wrong_boundary",
        "not_entity",
    )


def find_weights(pytestconfig):
    folder = pytestconfig.rootpath / "assets" / "encoder"
    return folder if (folder / "model.safetensors").exists() else None


@pytest.mark.slow
def test_it_is_an_honest_verifier_on_the_demo(pytestconfig):
    """Gold spans of held-out messages against their own near misses."""
    from sklearn.metrics import roc_auc_score

    weights = find_weights(pytestconfig)
    if weights is None:
        pytest.skip("needs assets/encoder: run the step `encoder`")
    garden = pytestconfig.rootpath / "assets" / "garden"
    labelled, dev = (
        [json.loads(line) for line in (garden / name).read_text("utf8").splitlines()]
        for name in ("labelled.jsonl", "dev.jsonl")
    )
    rows = tuple(
        {
            "text": row["text"],
            "entities": [{"text": row["text"][s["start"] : s["end"]], **s} for s in row["spans"]],
        }
        for row in labelled
    )
    labels = sorted({e["label"] for row in rows for e in row["entities"]})
    rng = random.Random(1)
    prompts, truth = [], []
    for row in dev:
        gold = {(s["start"], s["end"], s["label"]) for s in row["spans"]}
        spans = training_spans({"text": row["text"], "entities": row["spans"]}, labels, rng)
        asked = [(*span, label or rng.choice(labels)) for span, label in spans.items()]
        truth += [candidate in gold for candidate in asked]
        prompts.append(
            [
                Prompt(
                    "?",
                    text=row["text"],
                    candidates=asked,
                    labels=dict.fromkeys(labels, ""),
                    demonstrations=rows,
                )
            ]
        )
    replies = make_embedded_model(weights)(prompts)
    support = []
    for (prompt,), (reply,) in zip(prompts, replies):
        listed = json.loads(reply)
        by_key = {
            (e["start"], e["text"], e["label"]): percent(e)
            for e in listed["entities"] + listed["alternatives"]
        }
        support += [by_key[(s, prompt.text[s:e], label)] for s, e, label in prompt.candidates]
    assert 0.85 <= roc_auc_score(truth, support) <= 1.0
