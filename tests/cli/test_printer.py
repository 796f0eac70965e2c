"""Nothing that is printed moves the cursor, clears the screen or colours what follows."""

import doctest

import pytest
from cli_helpers import run as run_verb

from spacy_llmjudge.cli import printer
from spacy_llmjudge.cli.printer import PlainPrinter

HOSTILE = ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\x08\x08", "\u202e", "\u200b", "\x00"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_message_holds_a_command(text, capsys, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    msg = PlainPrinter(env_prefix="PLAIN")
    for verb in (msg.good, msg.info, msg.warn, msg.fail, msg.text, msg.divider):
        verb(f"label {text} of a file")
    msg.table([(f"a {text}", 1)], header=(f"h {text}", "n"), divider=True, aligns=("l", "r"))
    msg.table({f"key {text}": 2})
    printed = "".join(capsys.readouterr())
    assert text not in printed and printed.count(ascii(text)[1:-1]) == 9


def test_letters_of_all_languages_stay(capsys):
    text = "Ärzte 害虫\u3000कीट آفة 😀"
    PlainPrinter().text(text)
    assert text in capsys.readouterr().out


def test_the_example_runs():
    found = doctest.testmod(printer)
    assert found.attempted and not found.failed


@pytest.mark.parametrize("label", ["PE\x1b[2JST", "PEST\x9b31m"])
def test_labels_of_a_corpus_reach_no_terminal(label, tmp_path, write_jsonl):
    rows = [
        {
            "text": f"Slugs {i} ate it",
            "spans": [{"start": 0, "end": 5, "label": label}],
            "split": split,
        }
        for i, split in enumerate(["labelled"] * 3 + ["dev"] * 2 + ["pool"] * 3)
    ]
    data = write_jsonl(rows)
    result = run_verb("prepare", data, tmp_path / "corpus")
    assert result.exit_code == 0, result.output
    result = run_verb("check", tmp_path / "corpus")
    assert "Labels with fewer" in result.output
    assert "\x1b[2J" not in result.output and "\x9b" not in result.output
