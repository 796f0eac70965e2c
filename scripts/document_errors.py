"""Write docs/errors.md from the messages in spacy_llmjudge/errors.py.

python scripts/document_errors.py
"""

from pathlib import Path

from spacy_llmjudge.errors import Errors, Warnings

TABLE = Path(__file__).parents[1] / "docs" / "errors.md"
HEAD = """# Messages

Every message that ends a command, and every warning, has a code. What stands in braces is filled in.

| code | message |
|---|---|
"""


def main() -> None:
    rows = []
    for kind in (Errors, Warnings):
        for code in sorted(name for name in vars(kind) if name.startswith("J")):
            message = getattr(kind, code).partition("] ")[2].replace("|", "\\|")
            rows.append(f"| `{code}` | {message} |\n")
    TABLE.write_text(HEAD + "".join(rows), encoding="utf8")


if __name__ == "__main__":
    main()
