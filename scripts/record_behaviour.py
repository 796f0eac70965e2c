"""Write down what a run of the demo has made, so that two versions of the code can be compared.

    python scripts/record_behaviour.py --project . --output before.json
    python scripts/record_behaviour.py --project . --output after.json --against before.json

Reads the files of a finished run (candidates with posteriors and verdicts, the selection report, the
silver) and the first prompts of the judge, and says which of them differ.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

CANDIDATES = "llmjudge"
PARTS = {
    "annotated": ("posterior", "confidence", "source"),
    "judged": ("verdict", "support", "source", "reason"),
}


def read(path: Path) -> List[Doc]:
    files = sorted(path.glob("*.spacy")) if path.is_dir() else [path]
    vocab = Vocab()
    return [d for file_ in files for d in DocBin().from_bytes(file_.read_bytes()).get_docs(vocab)]


def hash_of(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode("utf8")).hexdigest()[:16]


def describe(docs: List[Doc], fields: tuple) -> List[Any]:
    """Texts, entities and the columns of the candidates, floats rounded to nine places."""

    def cell(value: Any) -> Any:
        return round(value, 9) if isinstance(value, float) else value

    rows = []
    for doc in docs:
        group = doc.spans.get(CANDIDATES, ())
        attrs = group.attrs if len(group) else {}
        keys = [[s.start, s.end, s.label_] for s in group]
        columns = {name: [cell(v) for v in attrs.get(name, ())] for name in fields}
        rows.append([doc.text, [[e.start, e.end, e.label_] for e in doc.ents], keys, columns])
    return rows


def tokens_of(docs: List[Doc]) -> List[Any]:
    """What a training document teaches: every token's tag, and the spans that are known to be wrong."""
    rows = []
    for doc in docs:
        wrong = doc.spans.get("incorrect_spans", ())
        tags = [[t.ent_iob, t.ent_type_] for t in doc]
        rows.append([doc.text, tags, [[s.start, s.end, s.label_] for s in wrong]])
    return rows


def prompts_of(project: Path, n: int = 20) -> List[str]:
    """The first prompts of both judge tasks about the judged pool."""
    from spacy_llm.registry import registry

    docs = read(project / "corpus" / "round-1" / "annotated" / "pool")[:n]
    found = []
    for name in ("llmjudge.Annotate.v1", "llmjudge.Verify.v1"):
        task = registry.get("llm_tasks", name)(
            demonstrations=str(project / "corpus" / "labelled.spacy"),
            rules=str(project / "assets" / "garden" / "rules.txt"),
        )
        for prompts, _ in task.generate_prompts(docs):
            found += [str(prompt) for prompt in prompts]
    return found


def record(project: Path) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for part, fields in PARTS.items():
        for split in ("pool", "dev"):
            docs = read(project / "corpus" / "round-1" / part / split)
            found[f"{part}/{split}"] = describe(docs, fields)
    found["silver"] = tokens_of(read(project / "corpus" / "round-1" / "silver.spacy"))
    report = json.loads((project / "metrics" / "round-1" / "selection.json").read_text("utf8"))
    found["selection"] = report
    found["prompts"] = prompts_of(project)
    return found


def differences(before: Any, after: Any, where: str = "") -> List[str]:
    """RETURNS (List[str]): The places in which two records differ, with both values."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        return [
            line
            for key in keys
            for line in differences(before.get(key), after.get(key), f"{where}/{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            line
            for i, pair in enumerate(zip(before, after))
            for line in differences(*pair, f"{where}[{i}]")
        ]
    return [] if before == after else [f"{where}: {str(before)[:120]} -> {str(after)[:120]}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=Path("."))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--against", type=Path)
    args = parser.parse_args()
    found = record(args.project)
    args.output.write_text(json.dumps(found), encoding="utf8")
    for name, part in found.items():
        print(f"{hash_of(part)}  {name}")
    if args.against is not None:
        before = json.loads(args.against.read_text("utf8"))
        lines = differences(before, json.loads(json.dumps(found)))
        print(f"{len(lines)} differences")
        print("\n".join(lines[:50]))


if __name__ == "__main__":
    main()
