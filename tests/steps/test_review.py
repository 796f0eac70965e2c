"""From the files of a round to a review, and from its answers to files."""

import json
import shutil
import signal
import threading
from dataclasses import replace

import pytest
from report_helpers import make_round
from review_helpers import answer_next, request
from screenshots import run_review
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_llmjudge.candidates import get_candidates
from spacy_llmjudge.cli import app
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.report.card import CardFacts, make_card
from spacy_llmjudge.review.answers import Answers
from spacy_llmjudge.review.server import bind
from spacy_llmjudge.review.tasks import NAMES
from spacy_llmjudge.selection.audit import check_audit, export_audit, read_audit
from spacy_llmjudge.selection.certificate import read_certificate
from spacy_llmjudge.selection.files import read_selection
from spacy_llmjudge.steps.report import make_report
from spacy_llmjudge.steps.review import REVIEWED, ReviewInputs, open_session
from spacy_llmjudge.storage import read_docs, write_json
from spacy_llmjudge.targets.base import find_target

KINDS = ("ents", "spans", "cats")


@pytest.fixture(scope="module")
def rounds(tmp_path_factory):
    """A round of each target; tests take a copy."""
    folder = tmp_path_factory.mktemp("rounds")
    for kind in KINDS:
        make_round(folder / kind, kind, q=0.5 if kind == "cats" else 0.3)
    return folder


@pytest.fixture
def inputs_of(rounds, tmp_path):
    def make(kind="ents", **settings):
        if not (tmp_path / kind).exists():
            shutil.copytree(rounds / kind, tmp_path / kind)
        folder = tmp_path / kind
        return ReviewInputs(
            folder / "corpus" / "round-1",
            settings.pop("task", "certify"),
            folder / "metrics" / "round-1",
            **settings,
        )

    return make


def answer_all(session, is_right=lambda item: True):
    """Answer everything that comes; returns how many there were."""
    n, state = 0, session.state("ann")
    while state["item"] is not None:
        item = session.task.find(state["item"]["id"])
        state = answer_next(session, right=is_right(item))
        n += 1
    return n


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_is_written_for_every_target(inputs_of, kind):
    inputs = inputs_of(kind, n=30)
    session = open_session(inputs)
    assert read_certificate(inputs.metrics) == {}
    wrong = {one.id for one in session.task.items[:3]}
    assert answer_all(session, lambda item: item.id not in wrong) == 30
    found = read_certificate(inputs.metrics)
    target = find_target(inputs.silver)
    silver = list(read_docs(inputs.silver, Vocab()))
    assert found["spans"] == sum(len(target.keys(doc)) for doc in silver)
    assert (found["answered"], found["wrong"], found["planned"]) == (30, 3, 30)
    assert 0.1 < found["bound_planned"] <= found["bound"] < 0.4
    assert found["units"] in found["statement"] and found["people"] == ["ann"]
    # it goes on where it was
    again = open_session(inputs)
    assert again.state("ann")["item"] is None and again.state("bo")["progress"]["done"] == 30


def test_the_page_knows_what_labels_mean(inputs_of):
    inputs = inputs_of("ents", n=5)
    labels = open_session(inputs).task.labels
    assert open_session(inputs).describe()["meanings"] == []
    path = inputs.round_folder.parent / "labels.json"
    write_json(path, {labels[-1]: "harms plants"})
    try:
        assert open_session(inputs).describe()["meanings"] == [(labels[-1], "harms plants")]
    finally:
        path.unlink()


@pytest.mark.slow
def test_what_the_hidden_gold_knows_is_what_people_would_find(inputs_of):
    inputs = inputs_of("ents", n=500)
    gold = {
        doc.text: {(e.start, e.end, e.label_) for e in doc.ents}
        for doc in read_docs(inputs.round_folder.parent / "pool_gold.spacy", Vocab())
    }
    session = open_session(inputs)
    silver = list(read_docs(inputs.silver, Vocab()))
    answer_all(session, lambda item: item.spans[0] in gold[silver[item.document].text])
    wrong = sum(
        (e.start, e.end, e.label_) not in gold[doc.text] for doc in silver for e in doc.ents
    )
    found = read_certificate(inputs.metrics)
    # everything was answered: this is no estimate any more
    assert wrong and found["wrong"] == wrong and found["bound"] == wrong / found["spans"]


def test_a_certificate_of_another_selection_counts_no_more(inputs_of):
    inputs = inputs_of()
    answer_next(open_session(inputs))
    assert read_certificate(inputs.metrics)["answered"] == 1
    selection = json.loads((inputs.metrics / "selection.json").read_text())
    write_json(inputs.metrics / "selection.json", {**selection, "spans": 0})
    assert read_certificate(inputs.metrics) == {}


@pytest.mark.slow
def test_report_card_and_summary_have_the_certificate(inputs_of, tmp_path):
    inputs = inputs_of(n=5)
    session = open_session(inputs)
    for by in ("ann", "bo"):
        item = session.task.items[0]
        spans = [list(one) for one in item.spans]
        session.act("answer", {"by": by, "item": item.id, "spans": spans})
    statement = read_certificate(inputs.metrics)["statement"]
    # what `make_round` returns
    round_inputs = make_round(tmp_path / "other", n=20)
    copied = replace(
        round_inputs,
        corpus=inputs.round_folder.parent,
        metrics=inputs.metrics,
        silver=inputs.silver,
    )
    page = make_report(copied, tmp_path / "page").read_text(encoding="utf8")
    assert f"Certificate: {statement}" in page
    assert "Of those who answered, ann and bo agree on 1 of 1." in page
    card = make_card(
        CardFacts("n", "1", "en", "ents", [], {}, certificate=read_certificate(inputs.metrics))
    )
    assert "Certificate: At most" in card
    shown = CliRunner().invoke(app, ["summary", str(inputs.metrics)])
    assert shown.exit_code == 0 and statement[:40] in " ".join(shown.output.split())


@pytest.mark.parametrize("kind", KINDS)
def test_pac_labelling_ends_in_a_silver_without_what_people_found_wrong(inputs_of, kind):
    inputs = inputs_of(kind, n=25, pac=True, share=0.2)
    session = open_session(inputs)
    target = find_target(inputs.silver)
    gold = {
        doc.text: set(target.keys(doc))
        for doc in read_docs(inputs.round_folder.parent / "pool_gold.spacy", Vocab())
    }
    before = {doc.text: set(target.keys(doc)) for doc in read_docs(inputs.silver, Vocab())}
    texts = list(before)
    n = answer_all(session, lambda item: item.spans[0] in gold[texts[item.document]])
    assert 25 <= n <= len(session.task.items)
    found = read_certificate(inputs.metrics)
    assert found["pac"]["left"] == 0 and found["pac"]["epsilon"] == 0.2
    after = {
        doc.text: set(target.keys(doc)) for doc in read_docs(inputs.folder / REVIEWED, Vocab())
    }
    wrong = {
        (texts[item.document], item.spans[0])
        for item in session.task.items
        if item.id in session.answers.given and not session.answers.given[item.id]["ann"]
    }
    assert wrong
    for text, key in wrong:
        assert key not in after.get(text, set())
    left = sum(key not in gold[text] for text, keys in after.items() for key in keys)
    assert left <= 0.2 * len(session.task.items)
    kept = sum(map(len, before.values())) - len(wrong)
    if kind != "cats":
        assert sum(map(len, after.values())) == kept


def test_corrections_take_the_place_of_what_was_wrong(inputs_of):
    inputs = inputs_of(n=30, pac=True, share=0.5)
    session = open_session(inputs)
    item = session.task.find(session.state("ann")["item"]["id"])
    (start, end, label), other = item.spans[0], "PEST" if item.spans[0][2] == "PLANT" else "PLANT"
    spans = [[start, end, other]]
    session.act("answer", {"by": "ann", "item": item.id, "spans": spans})
    answer_all(session)
    text = list(read_docs(inputs.silver, Vocab()))[item.document].text
    (doc,) = [d for d in read_docs(inputs.folder / REVIEWED, Vocab()) if d.text == text]
    keys = {(e.start, e.end, e.label_) for e in doc.ents}
    assert (start, end, other) in keys and (start, end, label) not in keys
    assert read_certificate(inputs.metrics)["wrong"] == 1


def test_an_audit_is_answered_in_its_own_file(inputs_of):
    inputs = inputs_of(task="audit")
    judged = inputs.round_folder / "judged"
    files = (judged / "pool", judged / "dev", inputs.round_folder.parent / "dev.spacy")
    config = inputs.round_folder.parents[1] / "filter.cfg"
    path = inputs.round_folder / "audit.jsonl"
    export_audit(*files, config, path, n=12)
    before = read_audit(path)
    # somebody began by hand
    by_hand = {**before[3], "answer": "No"}
    lines = [json.dumps(row) for row in (*before[:3], by_hand, *before[4:])]
    path.write_text("\n".join(lines) + "\n")
    session = open_session(inputs)
    assert session.state("ann")["progress"]["done"] == 1
    assert answer_all(session, lambda item: item.document % 2 == 0) == 11
    rows = read_audit(path)
    assert [row["answer"] for row in rows] == ["yes", "no"] * 6
    assert [{**row, "answer": ""} for row in rows] == before
    check_audit(rows, read_selection(*files, config).frame)


@pytest.fixture
def audit(tmp_path):
    """A review of an audit of three rows, and a function that reads and changes their answers."""
    inputs = ReviewInputs(tmp_path / "round-1", "audit", tmp_path / "metrics")
    names = ("id", "row", "of", "frame", "text", "start", "end", "span", "label", "answer")
    rows = [(f"id{i}", i, 3, "f", "abc def", 0, 3, "abc", "A", "") for i in (1, 2, 3)]
    inputs.round_folder.mkdir()

    def answers(*changed):
        path = inputs.audit_file
        found = read_audit(path) if path.exists() else [dict(zip(names, row)) for row in rows]
        if changed:
            found = [{**row, "answer": answer} for row, answer in zip(found, changed)]
            path.write_text("".join(json.dumps(row) + "\n" for row in found))
        return [row["answer"] for row in found]

    answers("", "", "")
    return inputs, answers


def test_an_answer_of_an_audit_that_is_taken_back_later_is_gone(audit):
    inputs, answers = audit
    answers("", "", "No")
    for right in (True, False):
        answer_next(open_session(inputs), right=right)
    assert answers() == ["yes", "no", "no"]
    open_session(inputs).act("undo", {"by": "ann"})
    assert answers() == ["yes", "", "no"]
    assert open_session(inputs).state("ann")["progress"]["done"] == 2
    assert answers() == ["yes", "", "no"]


def test_a_row_of_an_audit_that_was_changed_by_hand_counts(audit):
    inputs, answers = audit
    session = open_session(inputs)
    for _ in range(3):
        answer_next(session)
    answers("no", "", "unsure")
    for _ in range(2):
        session = open_session(inputs)
        assert answers() == ["no", "", "unsure"]
        assert session.state("ann")["progress"]["done"] == 1
    # it can be answered again, and taken back
    answer_next(session)
    assert answers() == ["no", "yes", "unsure"]


def test_an_answer_of_an_audit_that_a_killed_server_did_not_write_counts(audit):
    inputs, answers = audit
    session = open_session(inputs)
    session.answers.add("answer", session.task.items[0].id, "ann", session.task.items[0].spans)
    assert answers() == ["", "", ""]
    open_session(inputs)
    assert answers() == ["yes", "", ""]
    # a review that begins again takes over what the file says
    session.answers.path.unlink()
    open_session(inputs)
    assert answers() == ["yes", "", ""]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", ["disagreements", "gold"])
def test_answers_are_labelled_documents_that_prepare_reads(inputs_of, tmp_path, kind, task):
    inputs = inputs_of(kind, task=task, n=12)
    answer_all(open_session(inputs))
    path = inputs.folder / f"labelled-{task}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    assert rows
    assets = tmp_path / "assets"
    assets.mkdir()
    shutil.copy(path, assets / "labelled.jsonl")
    (assets / "pool.jsonl").write_text('{"text": "nothing of that"}\n')
    target = find_target(inputs.silver)
    prepare(assets, tmp_path / "corpus", target=kind)
    docs = list(read_docs(tmp_path / "corpus" / "labelled.spacy", Vocab()))
    made = find_target(tmp_path / "corpus" / "labelled.spacy")
    assert len(docs) == len(rows)
    if task == "gold":
        silver = {doc.text: sorted(target.keys(doc)) for doc in read_docs(inputs.silver, Vocab())}
        assert all(sorted(made.keys(doc)) == silver[doc.text] for doc in docs)


def test_a_document_is_gold_when_all_that_is_disputed_is_answered(inputs_of):
    inputs = inputs_of(task="disagreements")
    session = open_session(inputs)
    first = session.task.items[0].document
    asked = [one for one in session.task.items if one.document == first]
    path = inputs.folder / "labelled-disagreements.jsonl"
    for _ in asked:
        assert path.read_text() == ""
        assert session.state("ann")["item"]["facts"]
        answer_next(session, right=False)
    (row,) = map(json.loads, path.read_text().splitlines())
    spans = {(one["start"], one["end"], one["label"]) for one in row["spans"]}
    (doc,) = [
        doc
        for doc in read_docs(inputs.round_folder / "judged" / "pool", Vocab())
        if doc.text == row["text"]
    ]
    # what both agree on stays, and nothing that was rejected
    agreed = {
        (doc[c.start : c.end].start_char, doc[c.start : c.end].end_char, c.label)
        for c in get_candidates(doc)
        if c.verdict == "correct" and c.key in find_target(inputs.silver).keys(doc)
    }
    assert spans == agreed


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"task": "other"}, "J935"),
        ({"task": "audit"}, "J001"),
        ({"seed": 5}, "J931"),
        ({"pac": True}, "J931"),
    ],
)
def test_what_cannot_be_reviewed_is_one_line(inputs_of, settings, code):
    answer_next(open_session(inputs_of()))
    with pytest.raises(LLMJudgeError, match=code):
        open_session(inputs_of(**settings))


def test_a_new_silver_begins_a_new_review(inputs_of):
    inputs = inputs_of()
    answer_next(open_session(inputs))
    shutil.copy(inputs.round_folder.parent / "dev.spacy", inputs.silver)
    with pytest.raises(LLMJudgeError, match="J931"):
        open_session(inputs)


def test_the_plan_cannot_be_changed_on_the_way(inputs_of):
    answer_next(open_session(inputs_of(n=5)))
    with pytest.warns(UserWarning, match="JW930"):
        session = open_session(inputs_of(n=9))
    assert session.task.planned == 5 and session.state("ann")["progress"]["of"] == 5


def test_without_silver_or_disagreements_there_is_nothing_to_ask(tmp_path):
    inputs = ReviewInputs(tmp_path, "certify", tmp_path)
    with pytest.raises(LLMJudgeError, match="J001"):
        open_session(inputs)


def test_the_verb_says_what_is_wrong_in_one_line(inputs_of):
    inputs = inputs_of()
    with bind(0) as place:
        taken = str(place.getsockname()[1])
        found = CliRunner().invoke(app, ["review", str(inputs.round_folder), "--port", taken])
    assert found.exit_code == 1 and "[J936]" in found.output
    for words in (
        ["--task", "other"],
        ["--audit", "gone.jsonl", "--task", "audit"],
    ):
        found = CliRunner().invoke(app, ["review", str(inputs.round_folder), *words])
        assert found.exit_code == 1 and "[J" in found.output and "Traceback" not in found.output
    assert set(NAMES) == {"certify", "audit", "disagreements", "gold"}


@pytest.mark.slow
def test_a_killed_server_loses_nothing_that_it_confirmed(inputs_of):
    inputs = inputs_of(n=100)
    confirmed = []

    def answer_until_killed(address):
        origin = "/".join(address.split("/")[:3])
        while True:
            try:
                _, _, body = request(address, "state?by=ann")
                item = json.loads(body)["item"]
                data = {"by": "ann", "item": item["id"], "spans": item["spans"]}
                status, _, _ = request(
                    address, "answer", data, Origin=origin, Content_Type="application/json"
                )
            except OSError:
                return
            if status == 200:
                confirmed.append(item["id"])

    with run_review(inputs.round_folder, "-n", "100") as (process, address):
        thread = threading.Thread(target=answer_until_killed, args=(address,))
        thread.start()
        while len(confirmed) < 20 and thread.is_alive():
            thread.join(0.01)
        process.send_signal(signal.SIGKILL)
        thread.join()
    assert len(confirmed) >= 20
    session = open_session(inputs)
    assert set(confirmed) <= set(session.answers.given)
    # at most the one that was under way is there beside them
    assert len(session.answers.given) <= len(confirmed) + 1
    assert session.state("ann")["item"]["id"] not in confirmed
    path = session.answers.path
    assert len(Answers(path, session.answers.facts).given) == len(session.answers.given)


@pytest.mark.slow
def test_two_servers_on_the_same_answers_are_refused(inputs_of):
    inputs = inputs_of()
    with run_review(inputs.round_folder):
        found = CliRunner().invoke(app, ["review", str(inputs.round_folder), "--port", "0"])
    assert found.exit_code == 1 and "[J113]" in found.output
