"""Imports run downwards only, modules stay small, and nothing unsafe is loaded."""

import ast
from functools import cache
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


@cache
def nodes_of(path):
    """Parsed once. A few tests name all modules that fail: a test for each module would be a thousand."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf8"))))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    depth = len(path.relative_to(PACKAGE).parts)
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module.split(".")[0]] if node.module else [a.name for a in node.names]
            yield from names


def imported_when_run(path):
    """The imports of a module that are not there for type checkers alone."""
    body = nodes_of(path)[0].body
    return [n for n in body if isinstance(n, ast.ImportFrom) and n.level]


def that_fail(is_right):
    """RETURNS (list): The names of the modules that fail a check."""
    assert len(MODULES) > 200
    return [str(path.relative_to(PACKAGE)) for path in MODULES if not is_right(path)]


def test_imports_run_downwards():
    def is_right(path):
        room = room_of(path)
        if room == "__init__":
            return not list(imported_when_run(path))
        return set(imported_rooms(path)) <= ALLOWED[room] | EVERYBODY | {room}

    assert that_fail(is_right) == []


def test_a_module_has_at_most_400_lines():
    assert that_fail(lambda path: len(path.read_text(encoding="utf8").splitlines()) <= 400) == []


def is_unsafe(node):
    if isinstance(node, ast.Import):
        return bool({alias.name.split(".")[0] for alias in node.names} & UNSAFE)
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return (node.module or "").split(".")[0] in UNSAFE
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in {"eval", "exec"}
    if isinstance(node, ast.keyword) and node.arg == "shell":
        return bool(isinstance(node.value, ast.Constant) and node.value.value)
    return False


def test_nothing_unsafe_is_imported_or_called():
    assert that_fail(lambda path: not any(map(is_unsafe, nodes_of(path)))) == []


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from joblib import load", "eval('1')", "exec('1')", "run('ls', shell=True)"],
)
def test_what_is_unsafe_is_seen(code):
    assert any(map(is_unsafe, ast.walk(ast.parse(code))))
    assert not any(map(is_unsafe, ast.walk(ast.parse("from . import eval\nrun(['ls'])"))))


def prints(node):
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return is_call and node.func.id == "print"


def test_the_library_does_not_print():
    def is_right(path):
        return room_of(path) == "cli" or not any(map(prints, nodes_of(path)))

    assert that_fail(is_right) == []
