"""The page and the plot of `bench_cascade.py`, made of its figures alone."""

from pathlib import Path
from typing import Any, Dict, List

import numpy as np

from spacy_llmjudge.storage import write_bytes, write_json

NAMES = {"garden": "The demo", "mit_restaurant": "MIT Restaurant, 10 sentences a label"}
INTRO = """# Two judges, measured

What `llmjudge.Cascade.v1` brings on documents with gold and, where silver was made, `llmjudge.Panel.v1`. Strong: the recorded replies of a frontier LLM. Cheap:
`llmjudge.Embedded.v1`, which learned from the labelled sentences alone. In each draw half of the documents are evidence, from which
`cuts` finds the cuts, and the rest is judged by the cascade. Made by `python scripts/bench_cascade.py --json docs/cascade.json`, with
`--data` for MIT Restaurant.
"""
VERDICTS = """
Verdicts, means over {draws} draws of {evidence} documents of evidence. "Over q": draws in which more than q of what the target counts
(precision: what the cheap judge accepts alone; recall: gold in documents that it decides) was wrong; at most 10 % are promised, of the
share that a draw of the rest scatters around. "By chance" asks the strong judge
about as many documents, drawn at random.

| target | q | draws with cuts | strong judge asked | wrong of what counts | over q | precision | recall | F1 | F1 by chance |
|---|---|---|---|---|---|---|---|---|---|"""
SILVER = """
Silver by `filter` with its defaults, against gold: means over {n} draws. "Equal": its F1 is at most one point under that of the strong judge.

| judge | strong judge asked | spans | precision | recall | F1 | AUROC of the fused probability |
|---|---|---|---|---|---|---|"""


def write_report(path: Path, found: Dict[str, Any]) -> None:
    """Write the figures as JSON, and the page beside it.

    path (Path): Of the JSON.
    found (Dict[str, Any]): What was measured, by data set.
    """
    write_json(path, found)
    lines = [INTRO]
    for name, one in found.items():
        lines += [f"## {NAMES[name]}", ""]
        lines += [
            f"The {who} judge alone: precision {alone['precision']:.3f}, recall {alone['recall']:.3f}, F1 {alone['f']:.3f}."
            for who, alone in one["alone"].items()
        ]
        lines += describe_rows(one["rows"]) + describe_silver(one["silver"]) + [""]
    write_bytes(path.with_suffix(".md"), ("\n".join(lines).rstrip() + "\n").encode("utf8"))


def describe_rows(rows: List[Dict[str, Any]]) -> List[str]:
    if not rows:
        return []
    lines = VERDICTS.format(**rows[0]).split("\n")
    for row in rows:
        wrong = "-" if row["wrong_alone"] is None else f"{row['wrong_alone']:.1%}"
        lines.append(
            f"| {row['target']} | {row['q']:.0%} | {row['passed']:.0%} | {row['asked']:.0%} | {wrong} | {row['broken']:.1%}"
            f" | {row['precision']:.3f} | {row['recall']:.3f} | {row['f']:.3f} | {row['by_chance']['f']:.3f} |"
        )
    return lines


def describe_silver(rows: List[Dict[str, Any]]) -> List[str]:
    if not rows:
        return []
    groups: Dict[str, List[Dict[str, Any]]] = {}
    for row in rows:
        name = row["judge"] if row["q"] is None else f"cascade, q = {row['q']:.0%}"
        groups.setdefault(name, []).append(row)
    lines = SILVER.format(n=len(groups["strong"])).split("\n")
    mean = {
        name: {
            key: float(np.mean([row[key] for row in of]))
            for key in ("asked", "spans", "precision", "recall", "f", "auroc")
        }
        for name, of in groups.items()
    }
    for name, one in mean.items():
        lines.append(
            f"| {name} | {one['asked']:.0%} | {one['spans']:.0f} | {one['precision']:.3f} | {one['recall']:.3f}"
            f" | {one['f']:.3f} | {one['auroc']:.3f} |"
        )
    equal = [
        one["asked"]
        for name, one in mean.items()
        if name[:7] == "cascade" and one["f"] >= mean["strong"]["f"] - 0.01
    ]
    saved = f"{1 - min(equal):.0%} of the strong judge's calls" if equal else "nothing"
    return [*lines, "", f"At equal silver quality a cascade saves {saved}."]
