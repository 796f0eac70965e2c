"""The selectors of the denoisers on the verdicts of a recorded LLM, held against conformal selection.

Sentences are drawn to be held out, new ones for each seed; the rest is the pool. Neither a student's
confidence nor the judge's support is used, and candidates do not compete for tokens, so that the
verdict and what is learned from it are all that a selector has.
"""

import time
from typing import Any, Callable, Dict

import numpy as np
from denoise_data import Split

from spacy_llmjudge.candidates import VERDICTS
from spacy_llmjudge.selection.conformal import make_conformal
from spacy_llmjudge.selection.decide import ACCEPTED, decide
from spacy_llmjudge.selection.denoised import make_sidyp, make_stacking, make_uu
from spacy_llmjudge.selection.selector import Selector
from spacy_llmjudge.selection.table import CandidateTable

Q = 0.1
HELD_OUT = 150
SELECTORS: Dict[str, Callable[..., Selector]] = {
    "conformal": make_conformal,
    "uu": make_uu,
    "sidyp": make_sidyp,
    "stacking": make_stacking,
}


def measure_selection(
    method: str, held_out: int, seed: int, splits: Dict[str, Split]
) -> Dict[str, Any]:
    """One selector with one draw of held-out sentences."""
    from sklearn.metrics import roc_auc_score

    train = splits["train"]
    groups, gold = np.array(train.groups), np.array(train.gold) == "accepted"
    drawn = np.random.default_rng(seed).choice(np.unique(groups), held_out, replace=False)
    is_held_out = np.isin(groups, drawn)
    pool, evidence = make_table(train, ~is_held_out), make_table(train, is_held_out)
    pool = pool.replace(correct=None)
    start, usage = time.perf_counter(), time.process_time()
    found = decide(pool, evidence, SELECTORS[method](Q))
    row: Dict[str, Any] = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - usage,
    }
    accepted, truth = found.decision == ACCEPTED, gold[~is_held_out]
    row["auroc"] = float(roc_auc_score(truth, found.probability))
    row["accepted"], row["right"] = int(accepted.sum()), int(truth[accepted].sum())
    row["wrong_share"] = float((~truth[accepted]).mean()) if accepted.any() else 0.0
    row["fell_back"] = float(bool((found.learned or {}).get("fallback")))
    return row


def make_table(split: Split, rows: np.ndarray) -> CandidateTable:
    """RETURNS (CandidateTable): Some of the candidates, one after another, so that none overlap."""
    names, document = np.unique(np.array(split.groups)[rows], return_inverse=True)
    n = int(rows.sum())
    verdicts = {"accepted": VERDICTS.index("correct"), "rejected": VERDICTS.index("not_entity")}
    accepted = np.array([verdicts[str(x)] for x in split.noisy])
    unknown = np.full(n, np.nan)
    return CandidateTable(
        texts=tuple(f"sentence {name}" for name in names),
        labels=("ENTITY",),
        document=document,
        start=np.arange(n),
        end=np.arange(n) + 1,
        label=np.zeros(n, dtype="int64"),
        posterior=unknown,
        confidence=unknown,
        verdict=accepted[rows],
        support=unknown,
        proposed=np.zeros(n, dtype=bool),
        predicted=np.ones(n, dtype=bool),
        correct=(np.array(split.gold) == "accepted")[rows],
        features=split.features[rows],
    )
