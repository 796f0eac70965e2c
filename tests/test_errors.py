"""Every code is used, unique and documented."""

import re
from pathlib import Path

import pytest

from spacy_llmjudge.errors import Errors, Warnings

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "spacy_llmjudge"
TABLE = ROOT / "docs" / "errors.md"
CODES = sorted(name for kind in (Errors, Warnings) for name in vars(kind) if name.startswith("J"))


@pytest.fixture(scope="module")
def used():
    files = [path for path in SOURCE.rglob("*.py") if path.name != "errors.py"]
    text = "\n".join(path.read_text(encoding="utf8") for path in files)
    return set(re.findall(r"\b(?:Errors|Warnings)\.(JW?\d+)\b", text))


def test_codes_are_used_and_those_that_are_used_exist(used):
    assert len(CODES) > 300 and used == set(CODES)


def test_codes_are_unique():
    text = (SOURCE / "errors.py").read_text(encoding="utf8")
    defined = re.findall(r"^    (JW?\d+) =", text, flags=re.MULTILINE)
    assert len(defined) == len(set(defined)) == len(CODES)


def test_codes_are_documented():
    rows = re.findall(r"^\| `(\w+)` \|", TABLE.read_text(encoding="utf8"), re.MULTILINE)
    assert set(CODES) <= set(rows)


def test_messages_are_one_line_that_starts_with_the_code():
    def is_right(code):
        message = getattr(Warnings if code.startswith("JW") else Errors, code)
        is_line = message.startswith(f"[{code}] ") and "\n" not in message
        return is_line and message.rstrip().endswith((".", "}", "?"))

    assert [code for code in CODES if not is_right(code)] == []
