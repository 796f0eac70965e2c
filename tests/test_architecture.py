"""Imports run downwards only, modules stay small, and nothing unsafe is loaded."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "spacy_llmjudge"
MODULES = sorted(PACKAGE.rglob("*.py"))
# what everybody may import
EVERYBODY = {
    "errors",
    "candidates",
    "storage",
    "streams",
    "locks",
    "registries",
    "numeric",
    "configs",
}
WORK = {
    "targets",
    "encoders",
    "stages",
    "shards",
    "cluster",
    "corpora",
    "training",
    "confidence",
    "transport",
    "ledger",
    "models",
    "judge",
    "denoise",
    "selection",
    "evaluation",
    "report",
    "review",
}
# what each room may import, besides itself and what everybody may
ALLOWED = {
    "errors": set(),
    "candidates": {"errors"},
    "storage": {"errors"},
    "streams": {"errors", "storage"},
    "locks": {"errors"},
    "numeric": {"errors"},
    "configs": {"errors", "storage"},
    "registries": set(),
    "stages": set(),
    "shards": {"stages"},
    "cluster": {"shards", "stages", "ledger", "transport"},
    "targets": set(),
    "encoders": set(),
    "corpora": {"targets", "stages"},
    "training": {"targets", "encoders", "confidence", "stages"},
    "confidence": set(),
    "transport": set(),
    "ledger": {"transport"},
    "models": {"ledger", "transport", "encoders"},
    "judge": {"models", "ledger", "transport", "targets"},
    "denoise": set(),
    "selection": {"denoise", "encoders", "targets"},
    "evaluation": {"targets", "stages"},
    "report": {"evaluation", "targets", "stages"},
    "review": {"report", "selection", "targets"},
    "textcat": {*WORK, "steps"},
    "steps": WORK,
    "cli": {*WORK, "steps", "textcat"},
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


def imported_when_run(path):
    """The imports of a module that are not there for type checkers alone."""
    body = ast.parse(path.read_text(encoding="utf8")).body
    return [n for n in body if isinstance(n, ast.ImportFrom) and n.level]


def name_of(path):
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downwards(path):
    room = room_of(path)
    if room == "__init__":
        assert not list(imported_when_run(path))
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
