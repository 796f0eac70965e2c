"""How much robust UU suffers from wrong rates: true ones, ones that are off by a tenth, and estimates.

The labels of an LLM for one class against the rest, as in the binary experiments of the UU paper: accepted are the
items that it gave the class to. The prior follows from the rates and the share of accepted items.
"""

import time
from typing import Any, Dict

import numpy as np
from denoise_data import Split

from spacy_llmjudge.denoise.linear import make_folds
from spacy_llmjudge.denoise.pools import estimate_pools
from spacy_llmjudge.denoise.uu_risk import Rates, fit_scorers

CLASSES = ("Member-Collection", "Component-Whole", "Cause-Effect")
# to theta+ and theta-, as far as they stay between 0 and 1
OFF = {
    "true": (0.0, 0.0),
    "theta+ + .1": (0.1, 0.0),
    "theta+ - .1": (-0.1, 0.0),
    "theta- + .1": (0.0, 0.1),
    "theta- - .1": (0.0, -0.1),
}
ESTIMATED = {"50 gold": 50, "100 gold": 100}
N_FOLDS = 5


def measure_rates(label: str, case: str, seed: int, splits: Dict[str, Split]) -> Dict[str, Any]:
    """The out-of-fold labels of one class with one choice of rates."""
    from sklearn.metrics import f1_score

    train = splits["train"]
    accepted, truth = (np.array(x, dtype=object) == label for x in (train.noisy, train.gold))
    rates = choose_rates(accepted, truth, case, seed)
    folds = make_folds(accepted.astype(int), N_FOLDS, seed)
    inside = np.stack([folds != fold for fold in range(N_FOLDS)])
    start, usage = time.perf_counter(), time.process_time()
    score = fit_scorers(
        train.features, np.tile(accepted, (N_FOLDS, 1)), inside, [rates] * N_FOLDS, seed=seed
    )
    found = score(train.features)[folds, np.arange(len(truth))] > 0
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - usage,
        "theta_pos": rates.theta_pos,
        "theta_neg": rates.theta_neg,
        "train_accuracy": float(np.mean(found == truth)),
        "f1": float(f1_score(truth, found)),
        "llm_f1": float(f1_score(truth, accepted)),
    }


def choose_rates(accepted: np.ndarray, truth: np.ndarray, case: str, seed: int) -> Rates:
    """RETURNS (Rates): The rates of a case; estimates are from a random sample of the items."""
    if case in ESTIMATED:
        drawn = np.random.default_rng(seed).choice(len(truth), ESTIMATED[case], replace=False)
        gold = [bool(t) if i in set(drawn.tolist()) else None for i, t in enumerate(truth)]
        stats = estimate_pools([bool(a) for a in accepted], gold)
        return Rates(stats.theta_pos.value, stats.theta_neg.value, stats.prior.value)
    off_pos, off_neg = OFF[case]
    pos = float(np.clip(truth[accepted].mean() + off_pos, 0, 1))
    neg = float(np.clip(truth[~accepted].mean() + off_neg, 0, 1))
    share = float(accepted.mean())
    return Rates(pos, neg, share * pos + (1 - share) * neg)
