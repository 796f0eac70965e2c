"""Settings of configs by their dotted names, and what is printed where nobody looks."""

import io
from types import SimpleNamespace

import pytest
from cli_helpers import error_line, run

from spacy_llmjudge.cli.arguments import overrides_of
from spacy_llmjudge.cli.output import readable_output, shows_colours
from spacy_llmjudge.cli.printer import msg
from spacy_llmjudge.errors import LLMJudgeError


def parse(*words):
    return overrides_of(SimpleNamespace(args=list(words)))


def test_settings_are_json_or_text():
    words = ["--a.b", "1", "--c.d-e=x", "--f.g", "--h.i", "[1, 2]", "--j.k", "-1", "--l.m="]
    assert parse(*words) == {
        "a.b": 1,
        "c.d_e": "x",
        "f.g": True,
        "h.i": [1, 2],
        "j.k": -1,
        "l.m": "",
    }


@pytest.mark.parametrize(
    "code, words",
    [
        ("J680", ["--a.b", "1", "--a.b", "1"]),
        ("J680", ["--a.b-c", "1", "--a.b_c=2"]),
        ("J681", ["stray"]),
        ("J681", ["--a.b", "1", "stray"]),
        ("J334", ["--nothing", "1"]),
        ("J682", ["--a.b", "NaN"]),
        ("J682", ["--a.b=-Infinity"]),
        ("J682", ["--a.b", "1e999"]),
    ],
)
def test_what_is_no_setting(code, words):
    with pytest.raises(LLMJudgeError) as caught:
        parse(*words)
    assert caught.value.code == code


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_numbers_that_are_none(value, tmp_path):
    args = ["filter", tmp_path, tmp_path / "dev.spacy", tmp_path / "s.spacy", tmp_path / "f.cfg"]
    line = error_line(run(*args, "--q", value, "--metrics", tmp_path / "m"))
    assert "[J682] --q is" in line and not any(tmp_path.iterdir())


def test_metrics_that_cannot_be_written_are_said_before_the_work(small_corpus, tmp_path):
    (tmp_path / "file").touch()
    args = ["calibrate", "no model", small_corpus / "dev.spacy", tmp_path / "c.json"]
    assert "[J686]" in error_line(run(*args, "--metrics", tmp_path / "file"))
    assert "[J001]" in error_line(run(*args, "--metrics", tmp_path / "new" / "folder"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_show_in_a_terminal_only(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert shows_colours(Terminal()) and not shows_colours(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not shows_colours(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not shows_colours(Terminal())


def test_what_is_printed_into_a_file_has_no_codes_and_can_be_written(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    before = msg.show_color
    with readable_output():
        msg.good("done")
        msg.divider("Students")
        print("n\udcff \u2026")
    assert msg.show_color == before
    assert b"\x1b" not in raw.getvalue() and b"Students" in raw.getvalue()
    assert b"n\\udcff \\u2026" in raw.getvalue()
