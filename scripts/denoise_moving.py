"""Robust UU with an encoder that moves, as its paper has it: is a round better than the labels it began with?

    python scripts/denoise_moving.py --data DIR

Binary tasks: one class of SemEval against the rest. The last layer of MiniLM,
read at the first token, and a new linear head are trained on the UU risk of the LLM's two pools, relabel the training items, and are trained
anew from the pretrained weights on the new pools. The rates come from 50 gold labels, half of them in each pool, or
from the gold of all items (the paper's oracle). Each round keeps the epoch of the least risk on an eighth of the
items, by their noisy labels. Rows are kept in `--work`; `benchmark_denoise.py --report` writes them to the page.
"""

import argparse
import copy
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from denoise_data import name_pair, read_rows

from spacy_llmjudge.denoise.pools import estimate_pools, sample_pools
from spacy_llmjudge.denoise.uu_risk import Rates, uu_coefficients, uu_risk
from spacy_llmjudge.encoders.fetch import MINILM, fetch_encoder
from spacy_llmjudge.encoders.layers import load_layers
from spacy_llmjudge.storage import write_bytes

TASKS = ("semeval:Cause-Effect", "semeval:Member-Collection")
MAX_TRAIN = 1000
MAX_PIECES = 40
ROUNDS = 3
# The first one is at a prior of one half: where few are positive, all scores else fall so far that no gradient is left.
EPOCHS = 4
BATCH = 32
HELD_OUT = 1 / 8
LAYER_RATE, HEAD_RATE = 2e-4, 1e-3
MIN_GAP = 0.1
GOLD: Tuple[Any, ...] = (50, "all")


class Task(NamedTuple):
    """Train and test items: what leads up to the last layer, the LLM's verdicts, and the gold."""

    hidden: Dict[str, Any]
    mask: Dict[str, Any]
    noisy: Dict[str, np.ndarray]
    gold: Dict[str, np.ndarray]


Score = Callable[[str], np.ndarray]


def load_task(label: str, data: Path, model: Any, tokenizer: Any) -> Task:
    """RETURNS (Task): A sample of the training items that the LLM answered, and all test items."""
    import torch

    rows = {part: _read(part, data) for part in ("train", "test")}
    rows["train"] = [row for row in rows["train"] if row[1] is not None]
    chosen = np.random.default_rng(0).permutation(len(rows["train"]))[:MAX_TRAIN]
    rows["train"] = [rows["train"][i] for i in chosen]
    hidden, mask = {}, {}
    for part, mine in rows.items():
        pieces = tokenizer(
            [text for text, _, _ in mine],
            padding="max_length",
            truncation=True,
            max_length=MAX_PIECES,
            return_tensors="pt",
        )
        with torch.inference_mode():
            parts = [
                model(**{k: v[i : i + BATCH] for k, v in pieces.items()}, output_hidden_states=True)
                for i in range(0, len(mine), BATCH)
            ]
        # inference tensors cannot be trained on
        hidden[part] = torch.cat([p.hidden_states[-2] for p in parts]).clone()
        mask[part] = pieces["attention_mask"].float()
    noisy = {part: np.array([said == label for _, said, _ in mine]) for part, mine in rows.items()}
    gold = {part: np.array([right == label for *_, right in mine]) for part, mine in rows.items()}
    return Task(hidden, mask, noisy, gold)


def _read(part: str, data: Path) -> List[Tuple[str, Optional[str], Optional[str]]]:
    """RETURNS (List[Tuple[str, Optional[str], Optional[str]]]): Texts, the LLM's labels and gold."""
    rows = read_rows(data / "semeval_llm_noise" / f"{part}.jsonl")
    said = [None if row["llm_label"] == "-1" else row["llm_label"] for row in rows]
    return [(name_pair(row)[0], s, row["label"]) for row, s in zip(rows, said)]


def fit_round(task: Task, top: Any, pool: np.ndarray, rates: Rates, kind: str, seed: int) -> Score:
    """Train a copy of the top layer and a new head on two pools of training items.

    pool (np.ndarray): Which training items are in the accepted pool, shape (n,), bool.
    RETURNS (Score): From "train" or "test" to the scores of its items; over 0 is positive.
    """
    import torch

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    layer = copy.deepcopy(top).train()
    head = torch.nn.Linear(task.hidden["train"].shape[2], 1)
    optimizer = torch.optim.AdamW(
        [
            {"params": layer.parameters(), "lr": LAYER_RATE},
            {"params": head.parameters(), "lr": HEAD_RATE},
        ]
    )
    even, true = (torch.tensor([uu_coefficients(r)]) for r in (rates._replace(prior=0.5), rates))
    held = rng.random(len(pool)) < HELD_OUT
    pools = [np.flatnonzero(~held & (pool == side)) for side in (True, False)]
    validation = [np.flatnonzero(held & (pool == side)) for side in (True, False)]

    def score(part: str, items: np.ndarray) -> Any:
        mask = task.mask[part][items]
        width = int(mask.sum(dim=1).max())
        first = run_first(layer, task.hidden[part][items][:, :width], mask[:, :width])
        return head(first).squeeze(-1)

    def score_all(part: str, items: np.ndarray) -> Any:
        layer.eval()
        with torch.no_grad():
            parts = [score(part, items[i : i + 64]) for i in range(0, len(items), 64)]
        layer.train()
        return torch.cat(parts) if parts else torch.zeros(0)

    kept, least = None, float("inf")
    for epoch in range(EPOCHS):
        coefficients = true if epoch else even
        for _ in range(len(pool) // BATCH):
            sides = [
                score("train", rng.choice(side, BATCH // 2))[None] for side in pools if len(side)
            ]
            risk = uu_risk(sides[0], sides[1], coefficients, kind)
            optimizer.zero_grad()
            (risk / coefficients.sum()).sum().backward()
            optimizer.step()
        if epoch and min(len(side) for side in validation):
            sides = [score_all("train", side)[None] for side in validation]
            now = float(uu_risk(sides[0], sides[1], coefficients, kind))
            if now >= least:
                continue
            least = now
        kept = copy.deepcopy((layer.state_dict(), head.state_dict()))
    assert kept is not None
    layer.load_state_dict(kept[0])
    head.load_state_dict(kept[1])
    return lambda part: score_all(part, np.arange(len(task.gold[part]))).numpy()


def run_first(layer: Any, hidden: Any, mask: Any) -> Any:
    """The output of a BERT layer at the first token alone: a classifier needs no other, and it costs a fifth.

    hidden (Tensor): Shape (n, tokens, width).
    mask (Tensor): 1 for tokens, 0 for padding, shape (n, tokens).
    RETURNS (Tensor): Shape (n, width).
    """
    import torch

    inner = layer.attention.self
    heads = inner.num_attention_heads

    def split(rows: Any) -> Any:
        return rows.view(len(rows), -1, heads, rows.shape[2] // heads).transpose(1, 2)

    query, key, value = (
        split(project(rows))
        for project, rows in (
            (inner.query, hidden[:, :1]),
            (inner.key, hidden),
            (inner.value, hidden),
        )
    )
    allowed = mask[:, None, None, :].bool()
    found = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
    merged = found.transpose(1, 2).reshape(len(hidden), 1, -1)
    attended = layer.attention.output(merged, hidden[:, :1])
    return layer.output(layer.intermediate(attended), attended)[:, 0]


def measure(task: Task, top: Any, gold: Any, seed: int) -> Dict[str, Dict[str, Any]]:
    """RETURNS (Dict[str, Dict[str, Any]]): By method its row: the LLM, its labels learned as they are, and each round."""
    truth, pool = task.gold["train"], task.noisy["train"]
    chosen = np.arange(len(truth)) if gold == "all" else np.array(sample_pools(pool, gold, seed))
    known = np.zeros(len(truth), dtype=bool)
    known[chosen] = True
    # one over the share of items that were looked at, in the pools of the LLM
    weights = np.where(
        pool,
        pool.sum() / max(1, (pool & known).sum()),
        (~pool).sum() / max(1, (~pool & known).sum()),
    )

    def estimate(now: np.ndarray) -> Rates:
        sample = [bool(t) if k else None for t, k in zip(truth, known)]
        stats = estimate_pools(now.tolist(), sample, weights=weights.tolist())
        return Rates(stats.theta_pos.value, stats.theta_neg.value, stats.prior.value)

    def describe(now: np.ndarray, new: np.ndarray, start: float) -> Dict[str, Any]:
        rest = ~known if gold != "all" else known
        row = {"cpu_seconds": time.process_time() - start, "theta_pos": rates.theta_pos}
        row.update(theta_neg=rates.theta_neg, **_scores(truth[rest], now[rest], "train_"))
        row.update(_scores(task.gold["test"], new, ""))
        return {**row, "truth": task.gold["test"].astype(int).tolist(), "got": new.tolist()}

    start, rates = time.process_time(), estimate(pool)
    rows = {"llm": describe(pool, task.noisy["test"].astype(int), start)}
    learned = fit_round(task, top, pool, rates, "pn", seed)
    rows["as_they_are"] = describe(learned("train") > 0, (learned("test") > 0).astype(int), start)
    start = time.process_time()
    for number in range(1, ROUNDS + 1):
        if rates.theta_pos - rates.theta_neg < MIN_GAP:
            break
        score = fit_round(task, top, pool, rates, "robust_uu", seed)
        pool = score("train") > 0
        rows[f"robust_uu_round_{number}"] = describe(pool, (score("test") > 0).astype(int), start)
        if not 0 < pool.sum() < len(pool) or not (pool & known).any() or not (~pool & known).any():
            break
        rates = estimate(pool)
    return rows


def _scores(truth: np.ndarray, got: np.ndarray, prefix: str) -> Dict[str, float]:
    from sklearn.metrics import f1_score

    truth, got = truth.astype(int), np.asarray(got).astype(int)
    return {
        f"{prefix}accuracy": float((truth == got).mean()),
        f"{prefix}macro_f1": float(f1_score(truth, got, average="macro")),
        f"{prefix}f1": float(f1_score(truth, got)),
    }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with semeval_llm_noise")
    parser.add_argument("--work", type=Path, default=Path("build/denoise"))
    parser.add_argument("--encoder", default=MINILM)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="how task:gold begins")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    args.work.mkdir(parents=True, exist_ok=True)
    log = args.work / "moving.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {(row["dataset"], str(row["gold"]), row["seed"]) for row in rows}
    fetch_encoder(args.encoder, args.work / "encoder")
    tokenizer, model = load_layers(args.work / "encoder")
    for name in TASKS:
        plan = [(gold, seed) for gold in GOLD for seed in range(args.seeds)]
        plan = [p for p in plan if (f"moving:{name}", str(p[0]), p[1]) not in done]
        if args.only:
            plan = [p for p in plan if any(f"{name}:{p[0]}".startswith(x) for x in args.only)]
        if not plan:
            continue
        task = load_task(name.split(":")[1], args.data, model, tokenizer)
        for gold, seed in plan:
            found = measure(task, model.encoder.layer[-1], gold, seed)
            head = {"dataset": f"moving:{name}", "gold": gold, "seed": seed}
            rows += [{**head, "method": method, **row} for method, row in found.items()]
            write_bytes(log, "".join(json.dumps(r) + "\n" for r in rows).encode("utf8"))
            print(
                name, gold, seed, {m: round(r["accuracy"], 3) for m, r in found.items()}, flush=True
            )


if __name__ == "__main__":
    main()
