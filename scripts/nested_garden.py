"""Make a corpus with nested spans from the demo: a CASE is a symptom together with the plant that has it.

    python scripts/nested_garden.py assets/nested

Where a SYMPTOM and a PLANT stand close to each other in a message, a span CASE is laid around both. The
recorded replies of the LLM get theirs in the same way from the entities that it listed, with the smaller
of the two confidences, so that the LLM is wrong about a case where it is wrong about one of its parts.
"""

import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

import typer

GARDEN = Path(__file__).parents[1] / "assets" / "garden"
FILES = ("labelled", "dev", "test", "pool_gold")
# a case has at most so many words: spancat's suggester in configs/components proposes no longer spans
MAX_WORDS = 8
PARTS = {"SYMPTOM", "PLANT"}

Row = Dict[str, Any]


def main(output: Path = typer.Argument(..., help="Folder of the dataset")) -> None:
    output.mkdir(parents=True, exist_ok=True)
    pool = read(GARDEN / "pool.jsonl")
    for name in FILES:
        rows = read(GARDEN / f"{name}.jsonl")
        for i, row in enumerate(rows):
            # the gold of the pool stands beside it, row by row
            text = row["text"] if "text" in row else pool[i]["text"]
            spans = [(s["start"], s["end"], s["label"], 0) for s in row["spans"]]
            cases = [
                {"start": start, "end": end, "label": "CASE"}
                for start, end, _ in find_cases(text, spans)
            ]
            row["spans"] = [*row["spans"], *cases]
        write(output / f"{name}.jsonl", rows)
    write(output / "pool.jsonl", pool)
    replies = read(GARDEN / "responses.jsonl")
    for reply in replies:
        response = reply["response"]
        for part in ("entities", "alternatives"):
            listed = response.get(part) or []
            response[part] = [*listed, *list_cases(reply["text"], listed)]
    write(output / "responses.jsonl", replies)


def find_cases(text: str, spans: List[Tuple[int, int, str, int]]) -> List[Tuple[int, int, int]]:
    """RETURNS (List[Tuple[int, int, int]]): Start, end and the smaller confidence of each pair of a symptom
    and the plant next to it that stand close enough."""
    parts = sorted(span for span in spans if span[2] in PARTS)
    cases = []
    for first, second in zip(parts, parts[1:]):
        start, end = first[0], max(first[1], second[1])
        is_pair = {first[2], second[2]} == PARTS
        if is_pair and len(text[start:end].split()) <= MAX_WORDS and "." not in text[start:end]:
            cases.append((start, end, min(first[3], second[3])))
    return cases


def list_cases(text: str, listed: List[Row]) -> List[Row]:
    """RETURNS (List[Row]): The entries that an LLM which lists these entities gives for cases."""
    found, offset = [], 0
    for entry in listed:
        start = text.find(entry["text"], offset)
        if start >= 0:
            offset = start + len(entry["text"])
            found.append((start, offset, entry["label"], entry["confidence"]))
    return [
        {"text": text[start:end], "label": "CASE", "confidence": confidence}
        for start, end, confidence in find_cases(text, found)
    ]


def read(path: Path) -> List[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def write(path: Path, rows: List[Row]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
