"""docs/cases.md names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    line.strip("| ").split(" | ")
    for line in (ROOT / "docs" / "cases.md").read_text(encoding="utf8").splitlines()
    if line.startswith("| ") and not line.startswith(("| kind", "| ---"))
]


def functions_of(path):
    tree = ast.parse(path.read_text(encoding="utf8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_kind_has_tests_that_exist(row):
    kind, behaviour, tests = row
    names = re.findall(r"`(tests/[^`]+)`", tests)
    assert kind and behaviour and names
    for name in names:
        path, _, function = name.partition("::")
        found = functions_of(ROOT / path)
        assert function in found if function else any(f.startswith("test_") for f in found)
