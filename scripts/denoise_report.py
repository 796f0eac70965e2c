"""From the rows of `benchmark_denoise.py` to docs/denoise.json and docs/denoise.md."""

from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from denoise_tables import MOVING, MOVING_PAIRS, fill, list_moving

from spacy_llmjudge.evaluation.significance import (
    count_documents,
    document_error,
    interval_over_seeds,
)
from spacy_llmjudge.storage import read_json, write_bytes, write_json

HEAD = Path(__file__).parent / "denoise_intro.md"
SCORES = (
    "accuracy",
    "macro_f1",
    "train_accuracy",
    "train_macro_f1",
    "ece",
    "seconds",
    "cpu_seconds",
    "rss_mb",
    "stage_classifier",
    "stage_candidates",
    "stage_dynamic_prior",
    "auroc",
    "accepted",
    "right",
    "wrong_share",
    "fell_back",
    "theta_pos",
    "theta_neg",
    "f1",
    "llm_f1",
)
STAGED = ("sidyp", "sidyp_candidates", "sidyp_published")
SHOWN = ("accuracy", "macro_f1", "train_accuracy", "train_macro_f1", "ece")
TITLES = {
    "semeval": "SemEval-2010 relations, labelled by Mixtral-8x22B (nine classes)",
    "topics": "Topics of the garden demo, labelled by a large LLM without examples (eight classes)",
    "mit": "MIT Restaurant, verdicts of a recorded LLM on candidate entities: those that it listed",
    "mit_verify": "MIT Restaurant, 320 candidates on which the LLM was asked one by one",
    "weak_topics": "Topics of the garden demo, labelled by SmolLM2-135M",
    "weak_books": "French reviews of books, two classes, labelled by SmolLM2-135M: no denoiser was run on it until all was frozen",
    "weak_newsgroups": "20 Newsgroups in seven groups, labelled by SmolLM2-135M: no denoiser was run on it until all was frozen",
    "semeval_finetuned": "SemEval with the encoder fine-tuned on the LLM's labels",
    "mit_weakened": "MIT Restaurant, the same verdicts with {flipped:.0%} of them flipped at random",
}
SELECTION = {"mit_selection": "as they are", "mit_selection_weakened": "{flipped:.0%} flipped"}
# Pairs whose difference answers a question, both measured with the same seeds.
PAIRS = [
    *(
        ("stacking", 50, other, 50)
        for other in (
            "llm",
            "gold_only",
            "prior_correction",
            "stacking_unbalanced",
            "robust_uu",
        )
    ),
    ("stacking", 100, "stacking_unbalanced", 100),
    *(
        (other, 0, "plain_balanced", 0)
        for other in (
            "llm",
            "plain",
            "confident_learning_balanced",
            "nearest_centroid",
            "lda",
            "knn",
            "label_spreading",
            "sidyp",
            "sidyp_candidates",
            "sidyp_published",
        )
    ),
    ("sidyp", 0, "sidyp_candidates", 0),
    ("sidyp", 0, "sidyp_published", 0),
]


def aggregate(rows: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Means and standard deviations over seeds, one row for each dataset, method and gold."""
    groups = defaultdict(list)
    for row in rows:
        groups[(row["dataset"], row["method"], str(row["gold"]))].append(row)
    out = []
    for (dataset, method, gold), found in groups.items():
        measured = [row for row in found if "refused" not in row]
        entry: Dict[str, Any] = {
            "dataset": dataset,
            "method": method,
            "gold": gold,
            "seeds": len(measured),
        }
        if len(measured) < len(found):
            entry["refused"] = len(found) - len(measured)
            entry["reason"] = next(row["refused"] for row in found if "refused" in row)
        for score in SCORES:
            values = [row[score] for row in measured if score in row]
            if values:
                entry[score] = round(float(np.mean(values)), 4)
            if len(values) > 1:
                entry[f"{score}_sd"] = round(float(np.std(values, ddof=1)), 4)
        out.append(entry)
    return out


def compare(
    rows: List[Dict[str, Any]], dataset: str, pair: Tuple[str, Any, str, Any], score: str
) -> Optional[Dict[str, Any]]:
    """The paired difference over seeds with its 95 % interval, over seeds and items together."""
    index = {
        (r["method"], str(r["gold"]), r["seed"]): r
        for r in rows
        if r["dataset"] == dataset and "got" in r
    }
    first, second = (pair[0], str(pair[1])), (pair[2], str(pair[3]))
    seeds = sorted(
        {k[2] for k in index if k[:2] == first} & {k[2] for k in index if k[:2] == second}
    )
    if not seeds:
        return None
    sides = [[index[(*side, seed)] for seed in seeds] for side in (first, second)]
    gaps = [a[score] - b[score] for a, b in zip(*sides)]
    counts = [np.stack([count(row, score) for row in side]) for side in sides]
    averages = "macro" if score == "macro_f1" else "micro"
    error = document_error(counts[0], counts[1], averages=averages, n_resamples=300)
    found = interval_over_seeds(gaps, error)
    return {
        "difference": round(found["mean"], 4),
        "seeds": len(seeds),
        "low": round(found["low"], 4),
        "high": round(found["high"], 4),
    }


def count(row: Dict[str, Any], score: str) -> np.ndarray:
    """RETURNS (np.ndarray): What `document_error` takes, shape (items, labels, 3); zeros where gold was given."""
    truth, got = np.array(row["truth"]), np.array(row["got"])
    if score == "accuracy":
        return (count_documents(truth == got) * (truth >= 0)[:, None])[:, None]
    places = np.arange(max(truth.max(), got.max()) + 1)
    gold, said = truth[:, None] == places, got[:, None] == places
    return np.stack([gold & said, ~gold & said, gold & ~said], axis=2).astype("int64")


def keep_earlier(
    found: List[Dict[str, Any]], earlier: List[Dict[str, Any]], key: Tuple[str, ...]
) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): Earlier entries that were not measured again, in their places, and
    the new ones."""
    new = {tuple(str(entry[name]) for name in key): entry for entry in found}
    kept = [new.pop(tuple(str(entry[name]) for name in key), entry) for entry in earlier]
    return [*kept, *new.values()]


def write_report(rows: List[Dict[str, Any]], output: Path, flipped: float) -> None:
    """Write both files. Only what was measured is in them; what an earlier run put there and this one did
    not measure stays."""
    path = output.with_suffix(".json")
    earlier = read_json(path) if path.exists() else {"rows": [], "pairs": []}
    table = keep_earlier(aggregate(rows), earlier["rows"], ("dataset", "method", "gold"))
    pairs = [
        {
            "dataset": dataset,
            "first": f"{p[0]}:{p[1]}",
            "second": f"{p[2]}:{p[3]}",
            "score": score,
            **found,
        }
        for dataset in [*TITLES, *MOVING]
        for p in (MOVING_PAIRS if dataset in MOVING else PAIRS)
        for score in ("accuracy", "macro_f1")
        if (found := compare(rows, dataset, p, score))
    ]
    pairs = keep_earlier(pairs, earlier["pairs"], ("dataset", "first", "second", "score"))
    write_json(path, {"rows": table, "pairs": pairs, "flipped": flipped})
    text = [fill(HEAD.read_text(encoding="utf8").rstrip(), table, pairs), ""]
    text += [
        f"{len(pairs)} differences are compared below: at 95 % about one in twenty is outside of its interval by chance.",
        "",
    ]
    for dataset, title in TITLES.items():
        mine = [entry for entry in table if entry["dataset"] == dataset]
        if mine:
            text += [f"## {title.format(flipped=flipped)}", "", *_table(mine), ""]
            text += _pairs([p for p in pairs if p["dataset"] == dataset])
    text += _selection([entry for entry in table if entry["dataset"] in SELECTION], flipped)
    text += _stages(table)
    text += list_moving(table, pairs)
    text += _rates([entry for entry in table if entry["dataset"] == "rates"])
    text += _speed([entry for entry in table if entry["dataset"] == "speed"])
    write_bytes(output.with_suffix(".md"), ("\n".join(text).rstrip() + "\n").encode("utf8"))


def _table(entries: List[Dict[str, Any]]) -> List[str]:
    lines = [
        "| method | gold | accuracy | macro-F1 | relabelled accuracy | relabelled macro-F1 | ECE | CPU s | seeds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for e in sorted(
        entries,
        key=lambda e: (["0", "dev", "50", "100", "all"].index(e["gold"]), -e.get("accuracy", 0)),
    ):
        if "accuracy" not in e:
            lines.append(f"| {e['method']} | {e['gold']} | refused: {e['reason']} | | | | | | 0 |")
            continue
        cells = [_cell(e, s, 3) for s in SHOWN]
        cells += [_cell(e, "cpu_seconds", 1)]
        seeds = f"{e['seeds']}" + (f" ({e['refused']} refused)" if "refused" in e else "")
        lines.append(f"| {e['method']} | {e['gold']} | " + " | ".join(cells) + f" | {seeds} |")
    return lines


def _cell(entry: Dict[str, Any], score: str, digits: int) -> str:
    if score not in entry:
        return ""
    spread = (
        f" ± {entry[score + '_sd']:.{digits}f}" if digits == 3 and f"{score}_sd" in entry else ""
    )
    return f"{entry[score]:.{digits}f}{spread}"


def _pairs(pairs: List[Dict[str, Any]]) -> List[str]:
    if not pairs:
        return []
    lines = [
        "| difference (method:gold) | score | mean | 95 % interval | seeds |",
        "|---|---|---|---|---|",
    ]
    for p in pairs:
        interval = f"{p['low']:+.3f} to {p['high']:+.3f}" if "low" in p else ""
        lines.append(
            f"| {p['first']} - {p['second']} | {p['score']} | {p['difference']:+.3f} | {interval} | {p['seeds']} |"
        )
    return [*lines, ""]


def _selection(entries: List[Dict[str, Any]], flipped: float) -> List[str]:
    """The same verdicts through the selectors of `filter`."""
    if not entries:
        return []
    held_out = entries[0]["gold"]
    lines = [
        "## As selectors of `filter`",
        "",
        f"The candidates of MIT Restaurant, those of {held_out} random sentences held out, q = .1; the verdict is all that the selectors",
        "know beside the features: no student's confidence, no support. `conformal` knows the verdict alone. `right` is how many of",
        "the accepted ones are, and the promise is about the mean of `wrong`.",
        "",
        "| verdicts | selector | AUROC | accepted | right | wrong | CPU s | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for e in sorted(entries, key=lambda e: (e["dataset"], -e["auroc"])):
        cells = [
            _cell(e, "auroc", 3),
            _cell(e, "accepted", 0),
            _cell(e, "right", 0),
            _cell(e, "wrong_share", 3),
        ]
        which = SELECTION[e["dataset"]].format(flipped=flipped)
        lines.append(
            f"| {which} | {e['method']} | "
            + " | ".join(cells)
            + f" | {e['cpu_seconds']:.1f} | {e['seeds']} |"
        )
    return [*lines, ""]


def _stages(table: List[Dict[str, Any]]) -> List[str]:
    """How far each stage of SiDyP carries: the accuracy of the labels of the training items after it."""
    given = {
        e["dataset"]: e["train_accuracy"]
        for e in table
        if e["method"] == "llm" and e["gold"] == "0"
    }
    rows = []
    for e in table:
        if e["method"] in STAGED and "stage_classifier" in e:
            stages = (
                "stage_classifier",
                "stage_candidates",
                "stage_dynamic_prior",
                "train_accuracy",
            )
            before = given.get(e["dataset"].removesuffix("_finetuned"))
            cells = [
                "" if before is None else f"{before:.3f}",
                *(_cell(e, stage, 3) for stage in stages),
            ]
            rows.append(f"| {e['dataset']} | {e['method']} | " + " | ".join(cells) + " |")
    if not rows:
        return []
    return [
        "## How far each stage of SiDyP carries",
        "",
        "Accuracy of the labels of the training items: as the LLM gave them, and after each stage. The end is the diffusion in the",
        "published variant, and the likeliest candidate in the others.",
        "",
        "| data | variant | LLM | classifiers | candidates | dynamic prior | end |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _rates(entries: List[Dict[str, Any]]) -> List[str]:
    if not entries:
        return []
    lines = [
        "## How much robust UU depends on its rates",
        "",
        "SemEval, one class against the rest: F1 of the labels of the training items, out of fold. The rates are the true ones, true ones",
        "that are off by a tenth, as far as they stay between 0 and 1, and estimates from a random sample of gold, without the pull towards",
        "other classes that `refine_uu` has where there are several.",
        "",
        "| class | rates | theta+ | theta- | F1 | the LLM's F1 | accuracy | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for e in entries:
        if "f1" in e:
            cells = [_cell(e, name, 3) for name in ("theta_pos", "theta_neg", "f1")]
            cells += [f"{e['llm_f1']:.3f}", _cell(e, "train_accuracy", 3)]
        else:
            cells = [f"refused: {e['reason']}", *[""] * 4]
        lines.append(f"| {e['method']} | {e['gold']} | " + " | ".join(cells) + f" | {e['seeds']} |")
    return [*lines, ""]


def _speed(entries: List[Dict[str, Any]]) -> List[str]:
    if not entries:
        return []
    lines = [
        "## Cost",
        "",
        "| method | items x 384 | CPU s | CPU ms an item | MB |",
        "|---|---|---|---|---|",
    ]
    for e in sorted(entries, key=lambda e: (e["method"], int(e["gold"]))):
        spent = e["cpu_seconds"]
        lines.append(
            f"| {e['method']} | {e['gold']} | {spent:.1f} | {1000 * spent / int(e['gold']):.2f} | {e['rss_mb']:.0f} |"
        )
    return lines
