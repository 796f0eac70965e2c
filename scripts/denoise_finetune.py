"""Fine-tune an encoder on noisy labels in several branches, and keep the path of every item.

The path of an item is its pooled vector after each epoch, so items of all splits are recorded while
the encoder learns: nothing but the training labels is learned from.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from denoise_data import SPLITS, Split, name_pair, read_rows, write_arrays
from denoise_replay import replay_sidyp

from spacy_llmjudge.denoise.arrays import MISSING, Denoised, decode, encode
from spacy_llmjudge.denoise.branches import Branches, branch_loss
from spacy_llmjudge.denoise.prior import estimate_confusion, reweight
from spacy_llmjudge.denoise.sidyp import refine_sidyp

BRANCHES = 2
EPOCHS = 5
BATCH = 32
LEARNING_RATE = 5e-5
AGREEMENT = 5.0
MAX_PIECES = 96


def fine_tune(
    texts: Dict[str, List[str]], codes: np.ndarray, n_classes: int, encoder: Path, seed: int
) -> Dict[str, np.ndarray]:
    """Fine-tune on the texts of "train" and record all splits.

    RETURNS (Dict[str, np.ndarray]): For each split `<split>_p`, shape (M, n, C), from the last epoch,
        and `<split>_path`, shape (M, n, E, width).
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    models = [AutoModel.from_pretrained(encoder).to(device) for _ in range(BRANCHES)]
    heads = [torch.nn.Linear(m.config.hidden_size, n_classes).to(device) for m in models]
    weights = [p for part in (*models, *heads) for p in part.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE)
    seen = np.flatnonzero(codes != MISSING)
    total = EPOCHS * int(np.ceil(len(seen) / BATCH))
    warm = max(1, total // 16)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (total - step) / max(1, total - warm))
    )

    def run(model: Any, batch: List[str]) -> Any:
        pieces = tokenizer(
            batch, padding=True, truncation=True, max_length=MAX_PIECES, return_tensors="pt"
        ).to(device)
        mask = pieces["attention_mask"][:, :, None]
        return (model(**pieces).last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1)

    paths: Dict[str, List[List[np.ndarray]]] = {split: [[] for _ in models] for split in SPLITS}
    probabilities: Dict[str, List[np.ndarray]] = {}
    rng = np.random.default_rng(seed)
    for epoch in range(EPOCHS):
        for model in models:
            model.train()
        for part in np.array_split(rng.permutation(seen), total // EPOCHS):
            batch = [texts["train"][i] for i in part]
            logits = torch.stack([head(run(model, batch)) for model, head in zip(models, heads)])
            loss = branch_loss(
                logits, torch.from_numpy(codes[part]).to(device), AGREEMENT if epoch else 0.0
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
        for split in SPLITS:
            probabilities[split] = []
            for branch, (model, head) in enumerate(zip(models, heads)):
                vectors, p = _record(model.eval(), head, texts[split], run)
                paths[split][branch].append(vectors)
                probabilities[split].append(p)
    kept = {f"{split}_p": np.stack(probabilities[split]) for split in SPLITS}
    kept.update(
        {f"{split}_path": np.stack([np.stack(b, axis=1) for b in paths[split]]) for split in SPLITS}
    )
    return kept


def _record(model: Any, head: Any, texts: List[str], run: Any) -> Tuple[np.ndarray, np.ndarray]:
    import torch

    order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
    vectors = np.zeros((len(texts), head.in_features), dtype="float32")
    p = np.zeros((len(texts), head.out_features), dtype="float32")
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            pooled = run(model, [texts[i] for i in part])
            vectors[part], p[part] = (
                pooled.cpu().numpy(),
                head(pooled).softmax(dim=-1).cpu().numpy(),
            )
    return vectors, p


def load_finetuned(
    data: Path, encoder: Path, work: Path, codes: np.ndarray, n_classes: int, seed: int, name: str
) -> Branches:
    """Fine-tune, or read what an earlier run kept. `apply` takes the name of a split."""
    path = work / f"finetuned-{name}-{seed}.npz"
    if not path.exists():
        rows = {split: read_rows(data / "semeval_llm_noise" / f"{split}.jsonl") for split in SPLITS}
        texts = {split: [name_pair(row)[0] for row in rows[split]] for split in SPLITS}
        write_arrays(path, **fine_tune(texts, codes, n_classes, encoder, seed))
    with np.load(path) as kept:
        arrays = {key: kept[key] for key in kept.files}

    def apply(split: str) -> Tuple[np.ndarray, np.ndarray]:
        return arrays[f"{split}_p"], arrays[f"{split}_path"]

    return Branches(*apply("train"), apply)


def finetuned_splits(splits: Dict[str, Split], branches: Branches) -> Dict[str, Split]:
    """RETURNS (Dict[str, Split]): The same items with the vectors of the fine-tuned encoders, after the last
    epoch, as features."""
    return {
        split: replace(found, features=_vectors(branches.apply(split)[1]))
        for split, found in splits.items()
    }


def _vectors(paths: np.ndarray) -> np.ndarray:
    """Shape (M, n, E, width) to (n, M * width): encoders that were trained apart share no axes."""
    return np.concatenate(list(paths[:, :, -1]), axis=1)


def denoise_finetuned(
    method: str,
    sample: Sequence[Optional[str]],
    seed: int,
    splits: Dict[str, Split],
    branches: Branches,
) -> Denoised:
    """Plain fine-tuning, and what stands on its probabilities. `predict` takes the name of a split."""
    train = splits["train"]
    classes = tuple(sorted(set(train.gold)))
    codes, n = encode(train.noisy, classes), len(classes)
    if method.startswith("sidyp"):
        if method == "sidyp_faithful":
            rate = train.wrong_share
            return replay_sidyp(train.features, train.noisy, rate, classifiers=branches, seed=seed)
        return refine_sidyp(
            train.features, train.noisy, classifiers=branches, published=True, seed=seed
        )

    def move(probabilities: np.ndarray) -> np.ndarray:
        if method != "prior_correction":
            return probabilities
        new = estimate_confusion(codes, encode(sample, classes), n)[1]
        return reweight(
            probabilities, np.bincount(codes[codes != MISSING], minlength=n) / len(codes), new
        )

    inside = move(branches.probabilities.mean(axis=0))
    return Denoised(
        decode(inside.argmax(axis=1), classes),
        inside,
        classes,
        lambda split: move(branches.apply(split)[0].mean(axis=0)),
    )
