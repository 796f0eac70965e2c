"""Build the documentation as a site, with the README as its first page; needs the extra [docs].

python scripts/build_site.py site
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# pages beside docs/, where the links of the repository lead to them
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "assets/garden/README.md", "project.yml")
NOTEBOOK = "tutorial.ipynb"


def notebook_to_markdown(path: Path) -> str:
    """RETURNS (str): The cells of a notebook with what they printed, as a page."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            said = output.get("text") or output.get("data", {}).get("text/plain") or ""
            parts.append(f"```text\n{''.join(said).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def stage(folder: Path) -> Path:
    """Put the sources of the site into a folder, in the places that they have in the repository.

    RETURNS (Path): The config of the site.
    """
    source = folder / "source"
    shutil.copytree(
        ROOT / "docs", source / "docs", ignore=shutil.ignore_patterns("*.yml", NOTEBOOK)
    )
    page = notebook_to_markdown(ROOT / "docs" / NOTEBOOK)
    (source / "docs" / NOTEBOOK).with_suffix(".md").write_text(page, encoding="utf8")
    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf8")
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf8")
    for file_ in source.rglob("*.md"):
        text = file_.read_text(encoding="utf8")
        file_.write_text(text.replace(f"({NOTEBOOK})", "(tutorial.md)"), encoding="utf8")
    config = (ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf8")
    path = folder / "mkdocs.yml"
    path.write_text(f"{config}docs_dir: source\nsite_dir: site\n", encoding="utf8")
    return path


def build(output: Path) -> str:
    """Build the site into a folder; a warning ends it.

    RETURNS (str): What the builder printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = stage(Path(folder))
        command = [sys.executable, "-m", "zensical", "build", "--strict", "-f", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if done.returncode:
            raise SystemExit(f"{done.stdout}{done.stderr}")
        shutil.copytree(Path(folder) / "site", output, dirs_exist_ok=True)
    return done.stdout + done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="folder for the site")
    options = parser.parse_args()
    print(build(options.output), end="")
    print(f"{options.output / 'index.html'}")


if __name__ == "__main__":
    main()
