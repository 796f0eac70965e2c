"""The way of a person who has two files: from `start` to a certificate, and over an annotation tool to the next round."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli_helpers import error_line, run
from playwright.sync_api import expect
from screenshots import open_page, run_review

from spacy_llmjudge import certificate
from spacy_llmjudge.storage import read_json

GARDEN = Path(__file__).parents[2] / "assets" / "garden"
POOL, ANSWERS, CORRECTED = 160, 60, 30
SHORT = {
    "config": "configs/student_cpu.cfg",
    "seed_steps": 20,
    "steps": 20,
    "folds": 2,
    # few are surely right after so few steps, and 60 are asked about
    "q": 0.9,
}
# what a person sees of the item on the page: the text, the part that is marked, and its label
READ_ITEM = """() => {
    const words = [...document.querySelectorAll("#text .word")];
    const marked = words.filter(one => one.classList.contains("in"));
    const before = words.slice(0, words.indexOf(marked[0]));
    const join = all => all.map(one => one.textContent).join("");
    const label = document.querySelector("#text .tag").textContent;
    return [join(words), join(before).length, join([...before, ...marked]).length, label];
}"""


def read_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def read_hidden_gold():
    """What the raw texts say, which only the person in this test knows."""
    texts, gold = (read_rows(GARDEN / f"{name}.jsonl")[:POOL] for name in ("pool", "pool_gold"))
    return {
        text["text"]: {(s["start"], s["end"], s["label"]) for s in row["spans"]}
        for text, row in zip(texts, gold)
    }


def run_project(command):
    """Run a command or a workflow in the folder of the project, in a process of its own."""
    overrides = [f"--vars.{name}={value}" for name, value in SHORT.items()]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "spacy", "project", "run", command, ".", *overrides],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return squeeze(done.stdout)


def squeeze(text):
    return " ".join(text.split())


def say(*arguments):
    """Run a verb that has to end well."""
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def answer_by_keys(gold):
    """Certify the silver in the browser; returns what was right."""
    said = []
    with run_review(Path("corpus/round-1"), "--task", "certify", "-n", str(ANSWERS)) as (
        _,
        address,
    ):
        with open_page(address) as page:
            for n in range(1, ANSWERS + 1):
                expect(page.locator("#count")).to_have_text(f"{n - 1} of {ANSWERS}")
                text, *span = page.evaluate(READ_ITEM)
                said.append(tuple(span) in gold[text])
                page.keyboard.press("a" if said[-1] else "x")
            expect(page.locator("#count")).to_have_text(f"{ANSWERS} of {ANSWERS}")
            expect(page.locator("#question")).to_contain_text("Everything is saved")
            assert page.faults == []
    return said


def correct(tasks, gold, names):
    """What an annotator makes of the first tasks of Label Studio, with the labels that the interface has."""
    for number, task in enumerate(tasks[:CORRECTED], 1):
        (predicted,) = task["predictions"]
        left = set(gold[task["data"]["text"]])
        results = []
        for result in predicted["result"]:
            value = result["value"]
            key = (value["start"], value["end"], value["labels"][0])
            if key in left:
                left.remove(key)
                results.append(result)
        for i, (start, end, label) in enumerate(sorted(left)):
            assert label in names
            text = task["data"]["text"][start:end]
            value = {"start": start, "end": end, "text": text, "labels": [label]}
            where = {"from_name": "label", "to_name": "text", "type": "labels", "origin": "manual"}
            results.append({"id": f"new-{number}-{i}", **where, "value": value})
        task["annotations"] = [
            {"id": number, "completed_by": 1, "was_cancelled": False, "result": results}
        ]
    return tasks


def text_of(page):
    """The text of an HTML page."""
    parser, found = HTMLParser(), []
    parser.handle_data = found.append
    parser.feed(page.read_text(encoding="utf8"))
    return squeeze("".join(found))


@pytest.mark.slow
def test_two_files_become_a_certificate_and_the_next_round(tmp_path, monkeypatch):
    gold = read_hidden_gold()
    monkeypatch.chdir(tmp_path)
    Path("raw.txt").write_text("".join(f"{text}\n" for text in gold), encoding="utf8")
    printed = say("start", GARDEN / "labelled.jsonl", "raw.txt", "mine", "--judge", "embedded")
    assert "cd mine && python -m spacy project run selftrain" in printed

    monkeypatch.chdir("mine")
    printed = run_project("selftrain")
    assert "corpus/labelled.spacy: 60 documents" in printed and "Certificate" not in printed
    said = answer_by_keys(gold)
    found = read_json(Path("metrics/round-1/certificate.json"))
    bound = certificate(found["spans"], said, planned=ANSWERS, share=0.1)
    assert (found["answered"], found["wrong"]) == (ANSWERS, said.count(False))
    statement = squeeze(bound.describe("entities"))
    assert found["statement"] == statement
    report, certified = Path("reports/round-1/index.html"), f"Certificate: {statement}"
    assert "Certificate" not in text_of(report)
    run_project("report")
    assert certified in text_of(report)
    assert certified in squeeze(say("summary", "metrics"))

    printed = say("export", "corpus/round-1/silver.spacy", "tasks.json", "--format", "label-studio")
    view = ElementTree.fromstring(printed[printed.index("<View>") :])
    names = {one.get("value") for one in view.iter("Label")}
    tasks = json.loads(Path("tasks.json").read_text(encoding="utf8"))
    corrected = correct(tasks, gold, names)
    Path("corrected.json").write_text(json.dumps(corrected), encoding="utf8")
    labelled = Path("assets/data/labelled.jsonl")
    say("import", "corrected.json", labelled, "more.jsonl")
    rows = read_rows(Path("more.jsonl"))
    assert len(rows) == 60 + CORRECTED
    for row in rows[:CORRECTED]:
        assert {(s["start"], s["end"], s["label"]) for s in row["spans"]} == gold[row["text"]]

    os.replace("more.jsonl", labelled)
    printed = run_project("selftrain")
    assert f"corpus/labelled.spacy: {60 + CORRECTED} documents" in printed
    assert f"corpus/pool.spacy: {POOL - CORRECTED} documents" in printed
    # it was about the silver of the run before
    assert "Certificate" not in printed + text_of(report)
    assert "[J931]" in error_line(run("review", "corpus/round-1", "--port", 0))
