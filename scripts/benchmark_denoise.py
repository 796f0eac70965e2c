"""Which denoiser is worth its gold? Every method on the labels of a real LLM, at equal gold.

    python scripts/benchmark_denoise.py --data DIR

Each row is measured in a process of its own and kept in `--work`; a run that was stopped resumes
where it was. Writes docs/denoise.json (`rows`) and docs/denoise.md. `--only` takes how names begin.
"""

import argparse
import json
import multiprocessing
import os
import resource
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from denoise_baselines import learn_baseline, list_baselines, stack_unbalanced
from denoise_data import (
    WIDTH,
    Split,
    list_labelled,
    load_labelled,
    load_mit,
    load_mit_verify,
    load_semeval,
    load_topics,
)
from denoise_rates import CLASSES, ESTIMATED, OFF, measure_rates
from denoise_replay import replay_sidyp
from denoise_report import write_report
from denoise_select import HELD_OUT, SELECTORS, measure_selection

from spacy_llmjudge.denoise.arrays import MISSING, Denoised, encode
from spacy_llmjudge.denoise.confident import prune_labels
from spacy_llmjudge.denoise.plain import learn_gold, learn_noisy
from spacy_llmjudge.denoise.pools import sample_pools
from spacy_llmjudge.denoise.prior import correct_prior
from spacy_llmjudge.denoise.sidyp import refine_sidyp
from spacy_llmjudge.denoise.stacking import stack
from spacy_llmjudge.denoise.uu import refine_uu
from spacy_llmjudge.encoders.fetch import MINILM, fetch_encoder
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import write_bytes

ORACLE = "all"
LOADERS: Dict[str, Callable[..., Dict[str, Split]]] = {
    "semeval": load_semeval,
    "topics": load_topics,
    "mit": load_mit,
    "mit_verify": load_mit_verify,
    # those whose texts a small LLM was asked for
    **{f"weak_{name}": partial(load_labelled, name) for name in list_labelled()},
    "mit_weakened": load_mit,
}
FLIPPED = 0.25
SELECTION = {"mit_selection": "mit", "mit_selection_weakened": "mit_weakened"}
# what other tables are measured on
SOURCES = {**SELECTION, "semeval_finetuned": "semeval", "rates": "semeval"}
# Methods without gold do not depend on a draw of it: fewer seeds do.
FREE_SEEDS = 3
FREE = (
    "llm",
    "plain",
    "plain_balanced",
    "confident_learning",
    "confident_learning_balanced",
    "nearest_centroid",
    "lda",
    "knn",
    "label_spreading",
    "sidyp_published",
    "sidyp_candidates",
    "sidyp",
)
WITH_GOLD = ("llm", "gold_only", "prior_correction", "stacking_unbalanced", "stacking", "robust_uu")
# (method, gold): 0 is none, ORACLE that of all training items.
ROWS: List[Tuple[str, Any]] = [
    *((method, 0) for method in FREE),
    *((method, 50) for method in WITH_GOLD),
    ("gold_only", 100),
    ("stacking_unbalanced", 100),
    ("stacking", 100),
    ("sidyp_faithful_leak", ORACLE),
    ("all_gold", ORACLE),
]
# Rows that only some data sets have: those whose items are many enough for more gold.
ONLY = {100: ("semeval", "topics", "mit"), ORACLE: ("semeval", "topics")}
# What stands on the probabilities of fine-tuned encoders, and what takes their vectors as features.
FINETUNED: List[Tuple[str, Any]] = [
    ("plain", 0),
    ("sidyp", 0),
    ("sidyp_faithful", 0),
    *(("prior_correction", n) for n in (50, 100)),
    ("all_gold", ORACLE),
]
ON_FINETUNED: List[Tuple[str, Any]] = [
    ("confident_learning", 0),
    *((m, n) for n in (50, 100) for m in ("gold_only", "stacking", "robust_uu")),
]


def sample_gold(split: Split, gold: Any, seed: int) -> List[Optional[str]]:
    """Gold labels of a random sample, None for the rest; for verdicts half of it in each pool."""
    n = len(split.gold)
    if gold == ORACLE:
        return list(split.gold)
    if gold in (0, "dev"):
        return [None] * n
    if split.groups is None:
        chosen = np.random.default_rng(seed).choice(n, gold, replace=False).tolist()
    else:
        chosen = sample_pools([x == "accepted" for x in split.noisy], gold, seed)
    inside = set(chosen)
    return [label if i in inside else None for i, label in enumerate(split.gold)]


def denoise(method: str, gold: Any, seed: int, splits: Dict[str, Split]) -> Denoised:
    train = splits["train"]
    classes = tuple(sorted(set(train.gold)))
    x, noisy = train.features, train.noisy
    sample = sample_gold(train, gold, seed)
    free: Dict[str, Any] = {"groups": train.groups, "seed": seed}
    shared = {**free, "allow_missing": True}
    if method in list_baselines(len(classes)):
        return learn_baseline(method, x, noisy, classes, train.groups, seed)
    if method == "stacking_unbalanced":
        return stack_unbalanced(x, noisy, sample, classes, train.groups, seed)
    if method.startswith("sidyp_faithful"):
        leak = (splits["test"].features, splits["test"].gold) if method.endswith("leak") else None
        return replay_sidyp(x, noisy, train.wrong_share, leak=leak, seed=seed)
    kind, rounds = method.removesuffix("_5_rounds"), 5 if method.endswith("rounds") else 1
    made: Dict[str, Callable[[], Denoised]] = {
        "plain": lambda: learn_noisy(x, noisy, balanced=False, **free),
        "plain_balanced": lambda: learn_noisy(x, noisy, **free),
        "confident_learning": lambda: prune_labels(x, noisy, balanced=False, **free),
        "confident_learning_balanced": lambda: prune_labels(x, noisy, **free),
        "prior_correction": lambda: correct_prior(x, noisy, sample, **shared),
        "stacking": lambda: stack(x, noisy, sample, **shared),
        "gold_only": lambda: learn_gold(x, noisy, sample, **free),
        "all_gold": lambda: learn_gold(x, noisy, sample, **free),
        "sidyp": lambda: refine_sidyp(x, noisy, **free),
        "sidyp_published": lambda: refine_sidyp(x, noisy, published=True, **free),
        "sidyp_candidates": lambda: refine_sidyp(x, noisy, dynamic=False, **free),
    }
    found = made.get(method)
    return found() if found else refine_uu(x, noisy, sample, kind=kind, rounds=rounds, **shared)


def measure(method: str, gold: Any, seed: int, splits: Dict[str, Split]) -> Dict[str, Any]:
    """One method with one draw of gold: scores on the test items, and on the relabelled ones."""
    start, usage = time.perf_counter(), time.process_time()
    done = None if method == "llm" else denoise(method, gold, seed, splits)
    row: Dict[str, Any] = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - usage,
    }
    test = splits.get("test")
    return {
        **row,
        **score(
            done,
            splits,
            sample_gold(splits["train"], gold, seed),
            None if test is None else test.features,
        ),
    }


def score(
    done: Optional[Denoised], splits: Dict[str, Split], sample: Sequence[Optional[str]], new: Any
) -> Dict[str, float]:
    """Score labels: on the items that were relabelled, those without gold; and what `done` predicts for the test
    items from `new`, where there are some. None stands for the LLM's labels as they are."""
    from sklearn.metrics import f1_score

    train, test = splits["train"], splits.get("test")
    rest = [i for i, g in enumerate(sample) if g is None or None not in sample]
    labels = train.noisy if done is None else done.labels
    truth, got = [train.gold[i] for i in rest], [str(labels[i]) for i in rest]
    row = {"train_accuracy": float(np.mean(np.array(truth) == np.array(got)))}
    row["train_macro_f1"] = float(
        f1_score(truth, got, average="macro", labels=sorted(set(train.gold)))
    )
    probabilities = None if done is None else done.probabilities[rest]
    if test is not None:
        truth = test.gold
        probabilities = None if done is None else done.predict(new)
        got = (
            [str(x) for x in test.noisy]
            if done is None
            else [done.classes[k] for k in probabilities.argmax(axis=1)]
        )
    # what each item is and got, for intervals; -1 where its gold was given
    classes = sorted(set(train.gold))
    places = range(len(truth)) if test is not None else rest
    for name, column in (("truth", truth), ("got", got)):
        codes = np.full(len(truth) if test is not None else len(train.gold), MISSING)
        codes[list(places)] = [classes.index(c) if c in classes else len(classes) for c in column]
        row[name] = codes.tolist()
    row["accuracy"] = float(np.mean(np.array(truth) == np.array(got)))
    row["macro_f1"] = float(f1_score(truth, got, average="macro", labels=sorted(set(train.gold))))
    if done is not None:
        row["ece"] = calibration_error(
            probabilities, np.array(truth) == np.array(done.classes)[probabilities.argmax(axis=1)]
        )
        for stage, column in done.report.get("stages", {}).items():
            row[f"stage_{stage}"] = float(np.mean([column[i] == train.gold[i] for i in rest]))
    row["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return row


def calibration_error(probabilities: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error of the top class, equal-width bins."""
    top = probabilities.max(axis=1)
    index = np.minimum((top * bins).astype(int), bins - 1)
    return float(
        sum(
            np.mean(index == b) * abs(top[index == b].mean() - right[index == b].mean())
            for b in set(index)
        )
    )


def weaken(splits: Dict[str, Split], seed: int) -> Dict[str, Split]:
    """Flip a share of the verdicts at random."""
    train = splits["train"]
    other = {"accepted": "rejected", "rejected": "accepted"}
    flip = np.random.default_rng(1000 + seed).random(len(train.noisy)) < FLIPPED
    noisy = [other[x] if f else x for x, f in zip(train.noisy, flip)]
    return {"train": Split(train.features, noisy, train.gold, train.groups)}


def measure_speed(method: str, n: int, seed: int) -> Dict[str, Any]:
    """The cost on n made-up items of width WIDTH: one UU round on verdicts, SiDyP on nine classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 9 if method == "sidyp" else 2, n)
    x = rng.normal(size=(n, WIDTH)) + 3 * rng.normal(size=(9, WIDTH))[truth] / WIDTH**0.5
    noisy = np.where(rng.random(n) < 0.3, rng.permutation(truth), truth)
    start, usage = time.perf_counter(), time.process_time()
    if method == "sidyp":
        refine_sidyp(x, noisy, published=True, seed=seed)
    else:
        refine_uu(
            x, noisy == 1, [bool(t) if i < 100 else None for i, t in enumerate(truth)], seed=seed
        )
    spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - usage}
    return {**spent, "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def measure_encoder(
    method: str,
    gold: Any,
    seed: int,
    splits: Dict[str, Split],
    data: Path,
    encoder: Path,
    work: Path,
) -> Dict[str, Any]:
    """A row whose classifiers or features are fine-tuned encoders; the first of a seed pays for the training."""
    from denoise_finetune import denoise_finetuned, finetuned_splits, load_finetuned

    start, usage = time.perf_counter(), time.process_time()
    train = splits["train"]
    classes = tuple(sorted(set(train.gold)))
    taught, name = (train.gold, "gold") if method == "all_gold" else (train.noisy, "noisy")
    branches = load_finetuned(
        data, encoder, work, encode(taught, classes), len(classes), seed, name
    )
    if (method, gold) in ON_FINETUNED:
        return measure(method, gold, seed, finetuned_splits(splits, branches))
    sample = sample_gold(train, gold, seed)
    done = denoise_finetuned(method, sample, seed, splits, branches)
    row = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - usage}
    row.update(score(done, splits, sample, "test"))
    if method == "all_gold":
        # of labels that it was fine-tuned on
        del row["train_accuracy"], row["train_macro_f1"]
    return row


def _child(queue: Any, function: Callable[..., Dict[str, Any]], inputs: Tuple[Any, ...]) -> None:
    try:
        queue.put(function(*inputs))
    except LLMJudgeError as error:
        queue.put({"refused": str(error)})


def run_apart(function: Callable[..., Dict[str, Any]], *inputs: Any) -> Dict[str, Any]:
    """Call a function in a process of its own, so that its memory can be told from that of others."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue, function, inputs))
    child.start()
    while child.is_alive() and queue.empty():
        child.join(0.2)
    if queue.empty():
        raise SystemExit(f"{inputs[:3]} ended without a result (exit code {child.exitcode})")
    found = queue.get()
    child.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with semeval_llm_noise and mit_restaurant"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("build/denoise"), help="features and rows that are done"
    )
    parser.add_argument("--output", type=Path, default=Path("docs/denoise"), help="without suffix")
    parser.add_argument("--encoder", default=MINILM)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--finetune", type=int, default=0, help="how many seeds to fine-tune the encoder with"
    )
    parser.add_argument("--only", nargs="*", default=[], help="how dataset:method:gold begins")
    parser.add_argument(
        "--report", action="store_true", help="only write the report of the rows that are done"
    )
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    log = args.work / "rows.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if not args.report:
        measure_all(args, log, rows)
    moving = args.work / "moving.jsonl"
    if moving.exists():
        rows += [json.loads(line) for line in moving.read_text().splitlines()]
    write_report(rows, args.output, FLIPPED)


def measure_all(args: argparse.Namespace, log: Path, rows: List[Dict[str, Any]]) -> None:
    # here, so that no row pays for loading them
    import scipy.optimize
    import scipy.stats  # noqa: F401
    import sklearn.linear_model
    import sklearn.metrics
    import sklearn.neighbors  # noqa: F401
    import torch
    import torch._dynamo

    # The encoder's tokenizer must not complain that rows are measured in forked processes.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    encoder = args.work / "encoder"
    fetch_encoder(args.encoder, encoder)
    done = {(r["dataset"], r["method"], str(r["gold"]), r["seed"]) for r in rows}
    plan = [(name, *row, seed) for seed in range(args.seeds) for name in LOADERS for row in ROWS]
    plan += [
        ("semeval_finetuned", *row, seed)
        for seed in range(args.finetune)
        for row in [*FINETUNED, *ON_FINETUNED]
    ]
    plan += [
        (name, m, HELD_OUT, seed)
        for seed in range(min(5, args.seeds))
        for name in SELECTION
        for m in SELECTORS
    ]
    plan += [
        ("rates", m, case, seed)
        for seed in range(min(5, args.seeds))
        for m in CLASSES
        for case in (*OFF, *ESTIMATED)
    ]
    plan += [("speed", m, 1749 * k, 0) for k in (1, 4, 16) for m in ("robust_uu", "sidyp")]
    splits: Dict[str, Dict[str, Split]] = {}
    for dataset, method, gold, seed in plan:
        if dataset in LOADERS and (
            dataset not in ONLY.get(gold, LOADERS) or (gold in (0, ORACLE) and seed >= FREE_SEEDS)
        ):
            continue
        key = (dataset, method, str(gold), seed)
        wanted = not args.only or any(":".join(key[:3]).startswith(part) for part in args.only)
        # labels of test items can leak where there are some
        no_test = method.endswith("leak") and dataset.startswith("mit")
        if key in done or not wanted or no_test:
            continue
        source = SOURCES.get(dataset, dataset)
        if source in LOADERS and source not in splits:
            splits[source] = LOADERS[source](args.data, encoder, args.work)
        row = dict(zip(("dataset", "method", "gold", "seed"), (dataset, method, gold, seed)))
        if dataset == "speed":
            row.update(run_apart(measure_speed, method, gold, seed))
        elif dataset == "semeval_finetuned":
            inputs = (splits[source], args.data, encoder, args.work)
            row.update(run_apart(measure_encoder, method, gold, seed, *inputs))
        elif dataset == "rates":
            row.update(run_apart(measure_rates, method, gold, seed, splits[source]))
        elif dataset in SELECTION:
            inside = splits[source] if source == "mit" else weaken(splits[source], seed)
            row.update(run_apart(measure_selection, method, gold, seed, inside))
        elif dataset == "mit_weakened":
            row.update(run_apart(measure, method, gold, seed, weaken(splits[dataset], seed)))
        else:
            row.update(run_apart(measure, method, gold, seed, splits[dataset]))
        rows.append(row)
        write_bytes(log, "".join(json.dumps(r) + "\n" for r in rows).encode("utf8"))
        print({k: v for k, v in row.items() if k not in ("truth", "got")}, flush=True)


if __name__ == "__main__":
    main()
