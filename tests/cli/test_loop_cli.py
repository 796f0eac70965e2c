"""`loop` and `crossfit`: user errors are one line and exit code 1, and leave nothing behind."""

from pathlib import Path

import pytest
from cli_helpers import error_line, run

from spacy_llmjudge.cli.arguments import overrides_by_config

CONFIGS = Path(__file__).parents[2] / "configs"
LOOP = ["loop", "nope", CONFIGS / "student_cpu.cfg", CONFIGS / "judges" / "recorded.cfg"]
CROSSFIT = [
    "crossfit",
    "nope.spacy",
    CONFIGS / "student_cpu.cfg",
    CONFIGS / "judges" / "recorded.cfg",
]


@pytest.mark.parametrize(
    "code, args",
    [
        ("J001", LOOP),
        ("J822", [*LOOP, "--selector.q", "0.1"]),
        ("J822", [*LOOP, "--judge.q", "0.1"]),
        ("J823", [*LOOP, "--rounds", "0"]),
        ("J001", CROSSFIT),
        ("J112", [*CROSSFIT, "--folds", "1"]),
        ("J822", [*CROSSFIT, "--filter.selector.q", "0.1"]),
        ("J827", ["annotate", "m", "c", "nope", "out", "--only", "test"]),
    ],
)
def test_a_user_error_is_one_line(code, args, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"[{code}]" in error_line(run(*args))
    assert not any(tmp_path.iterdir())


def test_settings_go_to_the_config_in_front_of_them():
    dealt = overrides_by_config(
        {"judge.paths.ledger": "l", "filter.selector.q": 0.2}, ("student", "judge", "filter")
    )
    assert dealt == {"student": {}, "judge": {"paths.ledger": "l"}, "filter": {"selector.q": 0.2}}
