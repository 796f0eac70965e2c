"""The first page of docs/denoise.md: all data sets in one table, and the differences that its advice rests on."""

from typing import Any, Dict, List, Tuple

import numpy as np
from scipy.stats import rankdata

OVERVIEW = {
    "semeval": "SemEval",
    "topics": "topics",
    "mit": "MIT",
    "mit_verify": "MIT, asked",
    "weak_topics": "topics, small LLM",
    "weak_books": "French reviews, small LLM*",
    "weak_newsgroups": "newsgroups, small LLM*",
}
MOVING = {
    "moving:semeval:Cause-Effect": "SemEval, Cause-Effect",
    "moving:semeval:Member-Collection": "SemEval, Member-Collection",
}
# the best round is not known before: the first and the last are compared
MOVING_PAIRS = [
    (method, gold, other, gold)
    for gold in (50, "all")
    for method, other in (
        ("as_they_are", "llm"),
        ("robust_uu_round_1", "llm"),
        ("robust_uu_round_3", "llm"),
        ("robust_uu_round_1", "as_they_are"),
        ("robust_uu_round_3", "robust_uu_round_1"),
    )
]
SCORE_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
Pair = Dict[str, Any]


def fill(head: str, table: List[Dict[str, Any]], pairs: List[Pair]) -> str:
    """RETURNS (str): The introduction with its tables."""
    parts = {
        "{overview}": overview(table),
        "{default}": list_rivals(pairs),
        "{sidyp}": list_sidyp(pairs),
    }
    for name, text in parts.items():
        head = head.replace(name, text)
    return head


def overview(table: List[Dict[str, Any]]) -> str:
    """The methods over all data sets, by gold; the best rank first."""
    sets = [name for name in OVERVIEW if any(e["dataset"] == name for e in table)]
    head = ["method", "gold", "rank", *(OVERVIEW[name] for name in sets), "CPU s"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for gold in ("0", "50"):
        mine = {
            (e["method"], e["dataset"]): e
            for e in table
            if e["gold"] == gold and e["dataset"] in sets and "accuracy" in e
        }
        ranks = rank(mine, sets)
        methods = {method for method, _ in mine}
        for method in sorted(methods, key=lambda m: (ranks.get(m, len(methods)), m)):
            found = [mine.get((method, name)) for name in sets]
            cells = [
                "" if e is None else f"{e['accuracy']:.3f} / {e['macro_f1']:.3f}" for e in found
            ]
            spent = float(np.mean([e["cpu_seconds"] for e in found if e is not None]))
            cells = [
                method,
                gold,
                f"{ranks[method]:.1f}" if method in ranks else "",
                *cells,
                f"{spent:.1f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def rank(mine: Dict[Tuple[str, str], Dict[str, Any]], sets: List[str]) -> Dict[str, float]:
    """The mean rank of each method over data sets and both scores, among those measured on all of them."""
    methods = {m for m, _ in mine}
    whole = sorted(m for m in methods if all((m, name) in mine for name in sets))
    if not whole:
        return {}
    ranks = [
        len(whole) + 1 - rankdata([mine[m, name][score] for m in whole])
        for name in sets
        for score in ("accuracy", "macro_f1")
    ]
    return dict(zip(whole, np.mean(ranks, axis=0).tolist()))


def list_rivals(pairs: List[Pair]) -> str:
    """The default with 50 gold labels less the method that is closest to it or ahead, by data set and score."""
    lines = [
        "| data | score | closest other | stack less it | 95 % interval |",
        "|---|---|---|---|---|",
    ]
    found = [p for p in pairs if p["first"] == "stacking:50" and p["dataset"] in OVERVIEW]
    for dataset, title in OVERVIEW.items():
        for score, name in SCORE_NAMES.items():
            mine = [p for p in found if (p["dataset"], p["score"]) == (dataset, score)]
            if mine:
                least = min(mine, key=lambda p: p["difference"])
                other = least["second"].split(":")[0]
                lines.append(f"| {title} | {name} | {other} | {_interval(least)} |")
    behind = [p for p in found if p["high"] < 0]
    told = ", ".join(
        f"{p['second'].split(':')[0]} on {OVERVIEW[p['dataset']]} ({SCORE_NAMES[p['score']]})"
        for p in behind
    )
    lines += [
        "",
        f"Of {len(found)} differences between `stack` and another method with 50 gold labels (or the LLM), "
        f"{sum(p['low'] > 0 for p in found)} are above 0 with their whole interval, and {len(behind)} below"
        + (f": {told}." if behind else "."),
    ]
    return "\n".join(lines)


def list_sidyp(pairs: List[Pair]) -> str:
    """SiDyP improved less class-balanced regression, by data set."""
    lines = [
        "| data | accuracy | 95 % interval | macro-F1 | 95 % interval | seeds |",
        "|---" * 6 + "|",
    ]
    for dataset, title in OVERVIEW.items():
        found = {
            p["score"]: p
            for p in pairs
            if (p["dataset"], p["first"], p["second"]) == (dataset, "sidyp:0", "plain_balanced:0")
        }
        if found:
            cells = " | ".join(_interval(found[score]) for score in SCORE_NAMES)
            lines.append(f"| {title} | {cells} | {found['accuracy']['seeds']} |")
    return "\n".join(lines)


def list_moving(table: List[Dict[str, Any]], pairs: List[Pair]) -> List[str]:
    """Robust UU with an encoder that moves, round by round, and what the LLM's labels are worth."""
    lines = []
    for dataset, title in MOVING.items():
        for e in table:
            if e["dataset"] == dataset and "f1" in e:
                shown = ("accuracy", "f1", "train_accuracy", "theta_pos", "theta_neg")
                cells = " | ".join(f"{e[name]:.3f}" for name in shown)
                lines.append(
                    f"| {title} | {e['method']} | {e['gold']} | {cells} | {e['cpu_seconds']:.0f} | {e['seeds']} |"
                )
    if not lines:
        return []
    head = [
        "## Robust UU with an encoder that moves",
        "",
        "One class against the rest. The last layer of MiniLM and a linear head are trained on the robust UU risk, anew in each of three",
        "rounds, on the pools that the round before made (`python scripts/denoise_moving.py --data DIR`). `llm` is the LLM's label itself,",
        "`as_they_are` the same training with the LLM's labels taken for the truth (with the prior of the gold). Accuracy and F1 of the class on test items; relabelled: the training items without gold.",
        "CPU s is up to the round's end.",
        "",
        "| task | method | gold | accuracy | F1 | relabelled accuracy | theta+ | theta- | CPU s | seeds |",
        "|---" * 10 + "|",
    ]
    found = [p for p in pairs if p["dataset"] in MOVING]
    rows = [
        f"| {MOVING[p['dataset']]} | {p['first']} - {p['second']} | {SCORE_NAMES[p['score']]} | {_interval(p)} | {p['seeds']} |"
        for p in found
    ]
    between = [
        "",
        "| task | difference (method:gold) | score | mean | 95 % interval | seeds |",
        "|---" * 6 + "|",
    ]
    return [*head, *lines, *between, *rows, ""]


def _interval(pair: Pair) -> str:
    return f"{pair['difference']:+.3f} | {pair['low']:+.3f} to {pair['high']:+.3f}"
