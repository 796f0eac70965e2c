"""The reference pages are those of the code, the site builds without a warning, the notebook runs."""

import ast
import json
import re
import shutil
from configparser import ConfigParser
from pathlib import Path

import build_site
import document_reference
import pytest
import run_notebook
import yaml

import spacy_llmjudge

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("page", document_reference.PAGES)
def test_a_reference_page_is_up_to_date(page):
    """Else run `python scripts/document_reference.py`."""
    written = (DOCS / page).read_text(encoding="utf8")
    assert written == document_reference.PAGES[page]()


def test_every_verb_and_option_is_in_the_reference():
    from mistakes import verbs

    page = (DOCS / "cli.md").read_text(encoding="utf8")
    parts = dict(re.findall(r"(?ms)^## ([\w ]+)\n(.*?)(?=^## |\Z)", page))
    assert set(parts) == set(verbs())
    for verb, parameters in verbs().items():
        for name, option, _ in parameters:
            assert f"`{option or name.upper()}`" in parts[verb]


def test_every_setting_that_is_registered_has_a_meaning():
    page = (DOCS / "registered.md").read_text(encoding="utf8")
    rows = re.findall(r"(?m)^\| (`\w+`) \|.*\| ([^|]*) \|$", page)
    assert len(rows) > 80 and all(meaning.strip() for _, meaning in rows)


def pages_in(nav):
    for entry in nav:
        for value in entry.values():
            yield from pages_in(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation():
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda *_: None)
    config = yaml.load((DOCS / "mkdocs.yml").read_text(encoding="utf8"), Loader)
    pages = {f"docs/{path.name}" for path in DOCS.glob("*.md")} | {"docs/tutorial.md"}
    listed = list(pages_in(config["nav"]))
    assert len(listed) == len(set(listed))
    assert {page for page in listed if page.startswith("docs/")} == pages
    assert all((ROOT / page).exists() for page in listed if page != "docs/tutorial.md")


def test_the_entry_for_spacys_universe_is_about_this_package():
    entry = json.loads((DOCS / "universe.json").read_text(encoding="utf8"))
    fields = "id title slogan description pip code_example code_language category tags"
    assert set(entry) == set(fields.split()) and all(entry.values())
    assert entry["code_language"] == "python" and len(entry["slogan"]) < 120
    assert set(entry["category"]) <= {"pipeline", "training", "research", "standalone"}
    tree = ast.parse("\n".join(entry["code_example"]))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names}
    assert names and names <= set(spacy_llmjudge.__all__)
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf8")
    assert entry["pip"] == setup["metadata"]["name"] == entry["title"]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    printed = build_site.build(tmp_path / "site")
    assert "warning" not in printed.lower(), printed
    for page in ("index.html", "docs/cli/index.html", "docs/tutorial/index.html"):
        assert (tmp_path / "site" / page).stat().st_size > 1000


@pytest.mark.slow
def test_the_notebook_runs_and_says_what_it_said(tmp_path):
    shutil.copytree(ROOT / "assets" / "garden", tmp_path / "assets" / "garden")
    (tmp_path / "docs").mkdir()
    copy = Path(shutil.copy(DOCS / "tutorial.ipynb", tmp_path / "docs"))
    found = run_notebook.run(copy)
    outputs = [cell.outputs for cell in found.cells if cell.cell_type == "code"]
    shown = ["".join(one.get("text", "")) for cell in outputs for one in cell]
    assert "at most 0.25 on average" in " ".join(shown)
    scores = dict(re.findall(r"(seed|judged) +F1 ([\d.]+)", " ".join(shown)))
    assert float(scores["judged"]) > float(scores["seed"])
    kept = build_site.notebook_to_markdown(DOCS / "tutorial.ipynb")
    assert "at most 0.25 on average" in kept and "Traceback" not in kept
