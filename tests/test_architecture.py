"""Imports run downwards only, modules stay small, and nothing unsafe is loaded."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "spacy_llmjudge"
MODULES = sorted(PACKAGE.rglob("*.py"))
# what each room may import, besides itself and the rooms that everybody uses
EVERYBODY = {"errors", "candidates", "storage", "numeric", "registries"}
ALLOWED = {
    "errors": set(),
    "candidates": {"errors"},
    "storage": {"errors"},
    "numeric": {"errors"},
    "registries": set(),
    "encoders": set(),
    "transport": set(),
    "ledger": {"transport"},
    "models": {"ledger", "transport", "encoders"},
    "judge": {"models", "ledger", "transport"},
    "confidence": set(),
    "denoise": set(),
    "selection": {"denoise", "encoders"},
    "training": {"confidence", "encoders"},
    "evaluation": set(),
    "corpora": set(),
    "textcat": {"steps", "selection", "denoise", "training", "corpora", "encoders"},
    "steps": {
        "selection",
        "judge",
        "models",
        "ledger",
        "transport",
        "encoders",
        "confidence",
        "training",
        "evaluation",
        "corpora",
        "denoise",
    },
    "cli": {
        "steps",
        "selection",
        "judge",
        "models",
        "ledger",
        "transport",
        "encoders",
        "confidence",
        "training",
        "evaluation",
        "corpora",
        "textcat",
    },
}
UNSAFE = {"pickle", "cloudpickle", "joblib", "dill", "shelve"}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module.split(".")[0]] if node.module else [a.name for a in node.names]
            yield from names


def name_of(path):
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downwards(path):
    room = room_of(path)
    if room == "__init__":
        assert not list(imported_rooms(path))
        return
    allowed = ALLOWED[room] | EVERYBODY | {room}
    assert set(imported_rooms(path)) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_has_at_most_400_lines(path):
    assert len(path.read_text(encoding="utf8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_unsafe_is_imported_or_called(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & UNSAFE
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert (node.module or "").split(".")[0] not in UNSAFE
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}
        if isinstance(node, ast.keyword) and node.arg == "shell":
            assert not (isinstance(node.value, ast.Constant) and node.value.value)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_library_does_not_print(path):
    if room_of(path) != "cli":
        calls = [
            n
            for n in ast.walk(ast.parse(path.read_text(encoding="utf8")))
            if isinstance(n, ast.Call)
        ]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
