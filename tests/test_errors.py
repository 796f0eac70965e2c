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


@pytest.mark.parametrize("code", CODES)
def test_code_is_used(code, used):
    assert code in used


def test_every_code_that_is_used_exists(used):
    assert used <= set(CODES)


def test_codes_are_unique():
    text = (SOURCE / "errors.py").read_text(encoding="utf8")
    defined = re.findall(r"^    (JW?\d+) =", text, flags=re.MULTILINE)
    assert len(defined) == len(set(defined)) == len(CODES)


@pytest.mark.parametrize("code", CODES)
def test_code_is_documented(code):
    assert re.search(rf"^\| `{code}` \|", TABLE.read_text(encoding="utf8"), re.MULTILINE)


@pytest.mark.parametrize("code", CODES)
def test_message_is_one_line_that_starts_with_its_code(code):
    message = getattr(Warnings if code.startswith("JW") else Errors, code)
    assert message.startswith(f"[{code}] ")
    assert "\n" not in message
    assert message.rstrip().endswith((".", "}", "?"))
