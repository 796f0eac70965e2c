"""What a cascade saves: calls of the strong judge against what the cheap one gets wrong where it decides alone.

    python scripts/bench_cascade.py JUDGED_CHEAP JUDGED_STRONG POOL_GOLD --json docs/cascade.json --md docs/cascade.md

Both folders hold the same pool, judged by either judge, as the verb `judge` writes it. Documents are drawn from it
as evidence again and again; the rest is the pool. In each draw the cuts are found from the evidence alone, and
what the cheap judge decides alone is counted on the rest. Beside it stand the looser cuts that a plug-in would take:
the loosest whose share of wrong in the same evidence is at most q.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np
from spacy.vocab import Vocab

from spacy_llmjudge.selection.cascade_cuts import Rule, Supports, find_cuts
from spacy_llmjudge.selection.files import match_gold
from spacy_llmjudge.selection.table import CandidateTable, table_from_docs
from spacy_llmjudge.storage import read_docs

MANY = 10**6


class Pool:
    """Documents that both judges have judged, with gold.

    cheap (CandidateTable): The candidates as the cheap judge saw them.
    strong (CandidateTable): As the strong one saw them.
    """

    def __init__(self, cheap: Path, strong: Path, gold: Path) -> None:
        vocab = Vocab()
        reference = [d for d in read_docs(gold, vocab) if d.has_annotation("ENT_IOB")]
        judged = [list(read_docs(folder / "pool", vocab)) for folder in (cheap, strong)]
        known = set.intersection(*({d.text for d in docs} for docs in (reference, *judged)))
        tables = []
        for docs in judged:
            shared = sorted((doc for doc in docs if doc.text in known), key=lambda doc: doc.text)
            tables.append(table_from_docs(shared, match_gold(shared, reference, gold)))
        self.cheap, self.strong = tables
        self.n = len(self.cheap.texts)

    def take(self, documents: np.ndarray) -> CandidateTable:
        return self.cheap.take(np.isin(self.cheap.document, documents))


def supports(table: CandidateTable) -> Supports:
    return Supports(table.document, np.nan_to_num(table.support, nan=0.0))


def accepted_alone(rule: Rule, table: CandidateTable) -> Dict[str, Any]:
    """What the cheap judge does alone, and in which documents."""
    seen = supports(table)
    documents = np.unique(seen.document)
    decided = rule.decides(seen, "precision")
    counted, wrong = rule.add_up(seen, table.correct.astype(float), "precision")
    return {
        "accepted": float(counted[decided].sum()),
        "wrong": float(wrong[decided].sum()),
        "decided": documents[decided],
    }


def plug_in(table: CandidateTable, q: float) -> Optional[Rule]:
    best = None
    for level in np.linspace(0.01, 0.49, 49):
        rule = Rule(level, 1 - level, MANY)
        found = accepted_alone(rule, table)
        if found["accepted"] and found["wrong"] <= q * found["accepted"]:
            best = rule
    return best


def silver_quality(pool: Pool, rest: np.ndarray, decided: np.ndarray) -> Dict[str, float]:
    """Precision and recall of verdicts over the rest of the pool: the cheap judge's where it decides alone, the
    strong one's elsewhere."""
    right = said = found = 0
    for table, chosen in (
        (pool.cheap, decided),
        (pool.strong, np.setdiff1d(rest, decided)),
    ):
        rows = np.isin(table.document, chosen)
        accepted = np.nan_to_num(table.support, nan=0.0) >= 0.5
        said += int((rows & accepted).sum())
        right += int((rows & accepted & table.correct).sum())
    student = np.isin(pool.strong.document, rest) & pool.strong.correct
    found = int(student.sum())
    return {"precision": right / max(said, 1), "recall": right / max(found, 1)}


def measure(pool: Pool, n: int, q: float, delta: float, n_draws: int) -> Dict[str, Any]:
    """Draw evidence again and again."""
    rows: List[Dict[str, Any]] = []
    for seed in range(n_draws):
        order = np.random.default_rng(seed).permutation(pool.n)
        evidence, rest = pool.take(order[:n]), order[n:]
        left = pool.take(rest)
        cuts = find_cuts(
            supports(left), supports(evidence), evidence.correct, q=q, delta=delta, seed=seed
        )
        naive = plug_in(evidence, q)
        row: Dict[str, Any] = {"passed": cuts is not None, "decided": np.zeros(0, dtype=int)}
        row.update(accepted=0.0, wrong=0.0)
        if cuts is not None:
            row.update(accepted_alone(Rule(*cuts[:3]), left))
        row["asked"] = 1 - len(row["decided"]) / len(rest)
        row.update(silver_quality(pool, rest, row.pop("decided")))
        other = {"accepted": 0.0, "wrong": 0.0, "decided": np.zeros(0, dtype=int)}
        if naive is not None:
            other = accepted_alone(naive, left)
        row["naive_asked"] = 1 - len(other["decided"]) / len(rest)
        row["naive_broken"] = bool(other["wrong"] > q * other["accepted"])
        row["broken"] = bool(row["wrong"] > q * row["accepted"])
        rows.append(row)
    total = {name: sum(row[name] for row in rows) for name in ("accepted", "wrong")}
    mean = {
        name: round(float(np.mean([row[name] for row in rows])), 4)
        for name in (
            "passed",
            "asked",
            "broken",
            "naive_asked",
            "naive_broken",
            "precision",
            "recall",
        )
    }
    share = round(total["wrong"] / total["accepted"], 4) if total["accepted"] else None
    return {"n": n, "q": q, "delta": delta, "draws": n_draws, "wrong_share": share, **mean}


def render(data: Dict[str, Any]) -> str:
    """The page."""
    lines = [
        "# Two judges",
        "",
        "What `llmjudge.Cascade.v1` saves on the demo's pool, and whether the promise holds. Strong: the recorded replies of a"
        " frontier LLM. Cheap: `llmjudge.Embedded.v1`, which learned from the labelled set alone. Evidence was drawn from the"
        f" {data['documents']} documents {data['rows'][0]['draws']} times for each row, and what came of it counted on the rest."
        f" `scripts/bench_cascade.py` makes this page.",
        "",
        "| held-out documents | q | draws with cuts | strong judge asked | wrong of what the cheap one accepts alone | draws over q (promised: at most 10 %) | the same for a plug-in | its share asked | precision of all verdicts | recall |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in data["rows"]:
        share = "-" if row["wrong_share"] is None else f"{row['wrong_share']:.1%}"
        lines.append(
            f"| {row['n']} | {row['q']:.0%} | {row['passed']:.0%} | {row['asked']:.0%} | {share} | {row['broken']:.1%}"
            f" | {row['naive_broken']:.1%} | {row['naive_asked']:.0%} | {row['precision']:.3f} | {row['recall']:.3f} |"
        )
    alone = data["strong_alone"]
    lines += [
        "",
        f"The strong judge alone, asked about everything: precision {alone['precision']:.3f}, recall {alone['recall']:.3f} of the"
        " candidates that are right. A row whose precision and recall are about as high has the same silver for fewer calls.",
        "",
        "Draws over q are counted on what is left of a finite pool, which scatters around the share that the statement is about.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("cheap", type=Path)
    parser.add_argument("strong", type=Path)
    parser.add_argument("gold", type=Path)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300, 500])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.2, 0.3])
    parser.add_argument("--json", type=Path, default=Path("docs/cascade.json"))
    parser.add_argument("--md", type=Path, default=Path("docs/cascade.md"))
    options = parser.parse_args()
    pool = Pool(options.cheap, options.strong, options.gold)
    everything = silver_quality(pool, np.arange(pool.n), np.zeros(0, dtype=int))
    rows = [measure(pool, n, q, 0.1, options.draws) for n in options.sizes for q in options.shares]
    data = {"documents": pool.n, "strong_alone": everything, "rows": rows}
    options.json.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf8")
    options.md.write_text(render(data), encoding="utf8")


if __name__ == "__main__":
    main()
