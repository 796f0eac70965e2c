"""Do the selectors keep what they promise? Simulated worlds, the whole way from candidates to decisions.

Candidates have a student and a judge that both know something about the truth; spans of one
document are alike; the fusion is fitted on the held-out candidates that the selector then uses.

    python scripts/simulate_guarantees.py --draws 2000 --json guarantees.json
"""

import argparse
import json
import time
from typing import Any, Dict, List, Tuple, Union

import numpy as np

from spacy_llmjudge.candidates import VERDICTS
from spacy_llmjudge.selection.certified import make_certified
from spacy_llmjudge.selection.conformal import Conformal, make_conformal
from spacy_llmjudge.selection.decide import ACCEPTED, decide
from spacy_llmjudge.selection.selector import Scores, Selector
from spacy_llmjudge.selection.table import CandidateTable
from spacy_llmjudge.targets.base import Target
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

PER_DOCUMENT = 2.5


def draw_world(
    rng: np.random.Generator,
    n_docs: int,
    hard_share: float = 0.3,
    blind: bool = False,
    overlaps: str = "none",
    errors: str = "own",
) -> CandidateTable:
    """Draw candidates with their truth.

    rng (np.random.Generator): The source of randomness.
    n_docs (int): How many documents, with 2.5 candidates each on average and at least one.
    hard_share (float): The share of label B, of which fewer candidates are right.
    blind (bool): Student and judge do not know that label B is harder.
    overlaps (str): "none"; "nested": every candidate reaches over the next two, and what a candidate
        is like depends on the one before; "labels": two candidates, with either label, on the same
        tokens, of which one is right at most.
    errors (str): "own": each candidate may be wrong on its own; "together": all candidates of a document
        are right or all are wrong; "crowded": a quarter of the documents have seven candidates, of which
        far more are wrong than student and judge know, and the others have one.
    RETURNS (CandidateTable): With `correct`.
    """
    sizes = 1 + rng.poisson(PER_DOCUMENT - 1, size=n_docs)
    if errors == "crowded":
        sizes = np.where(rng.random(n_docs) < 0.25, 7, 1)
    document = np.repeat(np.arange(n_docs), sizes)
    n = len(document)
    label = (rng.random(n) < hard_share).astype("int64")
    mood = rng.normal(size=n_docs)[document]
    start = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    noise = rng.normal(size=n)
    if overlaps == "nested":
        noise = np.where(start > 0, 0.6 * np.roll(noise, 1) + 0.8 * noise, noise)
    if overlaps == "labels":
        label, start = start % 2, start // 2
    strength = 1.6 - 1.8 * label + 0.7 * mood + 1.5 * noise
    luck = rng.random(n_docs)[document] if errors == "together" else rng.random(n)
    crowded = 1.5 * (sizes[document] > 1) * (errors == "crowded")
    correct = luck < 1 / (1 + np.exp(crowded - strength))
    if overlaps == "labels":
        correct[1:] &= ~(correct[:-1] & (label[1:] == 1) & (document[1:] == document[:-1]))
    strength = strength + 1.8 * label * blind
    confidence = 1 / (1 + np.exp(-(0.6 * strength + rng.normal(size=n))))
    support = 1 / (1 + np.exp(-(0.5 + strength + rng.normal(size=n))))
    return CandidateTable(
        texts=tuple(f"{i} {n}" for i, n in enumerate(rng.integers(1 << 40, size=n_docs).tolist())),
        labels=("A", "B"),
        document=document,
        start=start,
        end=start + (3 if overlaps == "nested" else 1),
        label=label,
        posterior=confidence,
        confidence=confidence,
        verdict=np.full(n, VERDICTS.index("correct")),
        support=np.clip(support, 0.005, 0.995),
        proposed=np.zeros(n, dtype=bool),
        predicted=np.ones(n, dtype=bool),
        correct=correct,
    )


def draw_copies(rng: np.random.Generator, world: CandidateTable, n_docs: int) -> CandidateTable:
    """Draw documents of a world with replacement, a few of them far more often than the others.

    rng (np.random.Generator): The source of randomness.
    world (CandidateTable): What is copied.
    n_docs (int): How many documents to draw.
    RETURNS (CandidateTable): The copies, each a document of its own with the text of what it copies.
    """
    weights = 1 / np.arange(1, len(world.texts) + 1)
    drawn = rng.choice(len(world.texts), size=n_docs, p=weights / weights.sum())
    rows = [np.flatnonzero(world.document == i) for i in drawn]
    copies = world.take(np.concatenate(rows))
    return copies.replace(
        texts=tuple(world.texts[i] for i in drawn),
        document=np.repeat(np.arange(n_docs), [len(found) for found in rows]),
    )


def simulate(
    selectors: Dict[str, Any],
    n_held_out: int,
    n_pool: int,
    draws: Union[int, Dict[str, int]],
    *,
    held_out_share: float = 0.3,
    pool_share: float = 0.3,
    blind: bool = False,
    overlaps: str = "none",
    errors: str = "own",
    target: Target = Ents(),
    seed: int = 0,
) -> Dict[str, Dict[str, Any]]:
    """Draw evidence and pool again and again, and look at the share of wrong that is accepted.

    selectors (Dict[str, Any]): By name.
    n_held_out (int): Held-out candidates, about.
    n_pool (int): Pool candidates, about.
    draws (Union[int, Dict[str, int]]): How often, for all or by selector.
    held_out_share (float): The share of the hard label in the evidence.
    pool_share (float): The same in the pool.
    blind (bool): Student and judge do not know that the hard label is harder.
    overlaps (str): See `draw_world`.
    errors (str): See `draw_world`; "copied": evidence and pool are copies of 150 documents.
    target (Target): Says which candidates compete.
    seed (int): The same seed, the same result.
    RETURNS (Dict[str, Dict[str, Any]]): By selector: `mean` share of wrong and its standard error
        `error`, how often the share is `over` q, how often nothing is accepted (`empty`), and
        how much of the pool is accepted (`accepted`).
    """
    rng = np.random.default_rng(seed)
    shares: Dict[str, List[float]] = {name: [] for name in selectors}
    yields: Dict[str, List[float]] = {name: [] for name in selectors}
    n_draws = draws if isinstance(draws, dict) else dict.fromkeys(selectors, draws)
    for number in range(max(n_draws.values())):
        n_docs = round(n_held_out / PER_DOCUMENT), round(n_pool / PER_DOCUMENT)
        if errors == "copied":
            world = draw_world(rng, 150, pool_share, blind, overlaps)
            evidence, pool = (draw_copies(rng, world, n) for n in n_docs)
        else:
            evidence = draw_world(rng, n_docs[0], held_out_share, blind, overlaps, errors)
            pool = draw_world(rng, n_docs[1], pool_share, blind, overlaps, errors)
        # most selectors rank alike
        plain = Selector().score(pool, evidence)
        for name, selector in selectors.items():
            if number >= n_draws[name]:
                continue
            scores = plain if type(selector).score is Selector.score else None
            decisions = decide(pool, evidence, selector, target=target, scores=scores)
            accepted = decisions.decision == ACCEPTED
            wrong = ~pool.correct[accepted]
            shares[name].append(float(wrong.mean()) if len(wrong) else 0.0)
            yields[name].append(float(accepted.mean()))
    return {
        name: {
            "mean": float(np.mean(share)),
            "error": float(np.std(share) / np.sqrt(len(share))),
            "over": float(np.mean(np.array(share) > selectors[name].settings["q"])),
            "empty": float(np.mean(np.array(yields[name]) == 0)),
            "accepted": float(np.mean(yields[name])),
        }
        for name, share in shares.items()
    }


def holds(row: Dict[str, Any]) -> bool:
    """RETURNS (bool): Whether a row keeps its promise, within three standard errors."""
    if "delta" in row:
        error = np.sqrt(row["delta"] * (1 - row["delta"]) / row["draws"])
        return row["over"] <= row["delta"] + 3 * error
    return row["mean"] <= row["q"] + 3 * row["error"]


class Unfused(Conformal):
    """Ranks by the support, which cannot learn that a label is harder, as the fusion does."""

    def score(self, pool: CandidateTable, evidence: CandidateTable, n_folds: int = 5) -> Scores:
        return Scores(np.round(pool.support, 6), np.round(evidence.support, 6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--pool", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", help="write the rows here too")
    args = parser.parse_args()
    plain, weighted = make_conformal(0.1), make_conformal(0.1, weighted=True)
    selectors = {
        "conformal": plain,
        "weighted": weighted,
        "certified": make_certified(0.1, 0.1),
    }
    shifted = {
        **selectors,
        "conformal, unfused": Unfused(0.1),
        "weighted, unfused": Unfused(0.1, weighted=True),
    }
    spans = {"certified": make_certified(0.2, 0.1)}
    alone: Tuple[str, Target, str] = ("none", Ents(), "own")
    worlds = [(n, share, share, False, alone) for n in (50, 100, 300) for share in (0.1, 0.5)]
    # label shift: the pool has six times as much of the hard label
    worlds.append((300, 0.1, 0.6, True, alone))
    overlapping: List[Tuple[str, Target, str]] = [
        ("nested", Ents(), "own"),
        ("nested", Spans(), "own"),
        ("labels", Spans(single_label=True), "own"),
    ]
    worlds += [(n, 0.3, 0.3, False, how) for n in (100, 300) for how in overlapping]
    # errors that depend on the document
    for errors in ("crowded", "together", "copied"):
        worlds.append((300, 0.1, 0.1, False, ("none", Ents(), errors)))
    rows = []
    for n, held_out_share, pool_share, blind, (overlaps, target, errors) in worlds:
        started = time.perf_counter()
        used = shifted if held_out_share != pool_share else selectors
        if errors != "own":
            used = spans
        found = simulate(
            used,
            n,
            args.pool,
            args.draws,
            held_out_share=held_out_share,
            pool_share=pool_share,
            blind=blind,
            overlaps=overlaps,
            errors=errors,
            target=target,
            seed=args.seed,
        )
        for name, figures in found.items():
            row = {
                "selector": name,
                "n": n,
                "hard_in_evidence": held_out_share,
                "hard_in_pool": pool_share,
                "target": target.name,
                "overlaps": overlaps,
                "errors": errors,
                "draws": args.draws,
                **used[name].settings,
                **{k: round(v, 5) for k, v in figures.items()},
            }
            row["holds"] = bool(holds(row))
            rows.append(row)
            print(
                f"{name:18} n {n:3} hard {held_out_share}/{pool_share} {target.name} overlaps {overlaps} "
                f"errors {errors} mean {row['mean']:.4f} +- {row['error']:.4f} over q {row['over']:.3f} empty {row['empty']:.3f} "
                f"accepted {row['accepted']:.3f} {'holds' if row['holds'] else 'FAILS'}",
                flush=True,
            )
        print(f"  {time.perf_counter() - started:.0f} s", flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf8") as file_:
            json.dump({"rows": rows, "pool": args.pool, "seed": args.seed}, file_, indent=2)


if __name__ == "__main__":
    main()
