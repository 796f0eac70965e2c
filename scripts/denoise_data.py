"""The data sets of `benchmark_denoise.py`, as features and labels, kept in a cache.

SemEval: sentences with two nominals, labelled by an LLM. MIT Restaurant: candidate entities of a
small tagger that was fitted on 80 sentences, accepted or rejected by an LLM's recorded answers; and
the 320 candidates of another student on which the same LLM was asked one by one. The garden's topics, with the
labels of a large LLM. And texts that a small one labelled (`weak_labels.py`).
"""

import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from text_sets import Text, read_texts, shorten
from weak_labels import LABELS, hash_texts

from spacy_llmjudge.encoders.span_vectors import SpanEncoder, span_features
from spacy_llmjudge.storage import write_bytes

WIDTH = 384
GARDEN = Path(__file__).parents[1] / "assets/garden"
SPLITS = ("train", "dev", "test")
O_BIASES = (0.0, 1.0, 2.0, 3.0)
N_RECORDED = 750


@dataclass
class Split:
    """Features (n, d), noisy labels (None: refused) and gold of n items, and their documents."""

    features: np.ndarray
    noisy: List[Optional[str]]
    gold: List[str]
    groups: Optional[List[int]] = None

    @property
    def wrong_share(self) -> float:
        """The true share of wrong labels, refusals among them: what no method here knows."""
        return float(np.mean(np.array(self.noisy, dtype=object) != np.array(self.gold)))


class Found(NamedTuple):
    """A candidate entity: its sentence, (start, end, label), what the LLM and the gold say of it, and
    how far the tagger prefers it to no entity, where that is known."""

    sentence: int
    tokens: List[str]
    key: Tuple[int, int, str]
    accepted: bool
    right: bool
    margin: float = 0.0


def read_rows(path: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write a .npz file, whole or not at all."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    write_bytes(path, stream.getvalue())


def load_semeval(data: Path, encoder: Path, cache: Path) -> Dict[str, Split]:
    """RETURNS (Dict[str, Split]): train, dev and test; PCA to WIDTH fitted on train."""
    rows = {split: read_rows(data / "semeval_llm_noise" / f"{split}.jsonl") for split in SPLITS}
    path = cache / "semeval.npz"
    if not path.exists():
        raw = {split: embed_pairs(rows[split], encoder) for split in SPLITS}
        write_arrays(path, **reduce_width(raw, "train"))
    with np.load(path) as features:
        return {
            split: Split(
                features[split],
                [None if row["llm_label"] == "-1" else row["llm_label"] for row in rows[split]],
                [row["label"] for row in rows[split]],
            )
            for split in SPLITS
        }


def load_topics(data: Path, encoder: Path, cache: Path) -> Dict[str, Split]:
    """RETURNS (Dict[str, Split]): train and test: the garden's topics with the labels of a large LLM."""
    path = GARDEN / "topics.jsonl"
    rows = read_rows(path)
    parts = {"train": "pool", "test": "test"}
    chosen = {part: [r for r in rows if r["split"] == name] for part, name in parts.items()}
    texts = {part: [r["text"] for r in found] for part, found in chosen.items()}
    features = embed_texts(texts, encoder, cache / "topics.npz")
    return {
        part: Split(features[part], [r["llm_label"] for r in found], [r["label"] for r in found])
        for part, found in chosen.items()
    }


def read_labelled(name: str, texts: Path) -> Dict[str, List[Tuple[Text, str]]]:
    """RETURNS (Dict[str, List[Tuple[Text, str]]]): By part the texts that `weak_labels.py` drew, and what the small LLM
    called them."""
    found = json.loads((LABELS / f"{name}.json").read_text(encoding="utf8"))
    every = read_texts(name, texts)
    if found["texts"] != hash_texts(every):
        raise SystemExit(f"the labels of {name} are those of other texts: see scripts/text_sets.py")
    return {
        part: [
            (every[i], found["classes"][k])
            for i, k in zip(found[part]["items"], found[part]["labels"])
        ]
        for part in ("train", "test")
    }


def list_labelled() -> List[str]:
    """RETURNS (List[str]): The sets that a small LLM labelled."""
    return sorted(path.stem for path in LABELS.glob("*.json"))


def load_labelled(name: str, data: Path, encoder: Path, cache: Path) -> Dict[str, Split]:
    """RETURNS (Dict[str, Split]): train and test, with the labels of a small LLM that `weak_labels.py` asked. Beside
    the topics only the words that the LLM saw are encoded."""
    drawn = read_labelled(name, cache / "texts")
    words = {
        part: [text.text if name == "topics" else shorten(text.text, name) for text, _ in mine]
        for part, mine in drawn.items()
    }
    features = embed_texts(words, encoder, cache / f"weak_{name}.npz")
    return {
        part: Split(features[part], [said for _, said in mine], [text.label for text, _ in mine])
        for part, mine in drawn.items()
    }


def embed_texts(texts: Dict[str, List[str]], encoder: Path, path: Path) -> Dict[str, np.ndarray]:
    """RETURNS (Dict[str, np.ndarray]): By part the vectors of texts, computed once."""
    if not path.exists():
        from spacy_llmjudge.encoders.doc_vectors import centre_layers, load_encoder

        embed = load_encoder(encoder)
        found = {"pool" if name == "train" else name: embed(mine) for name, mine in texts.items()}
        centred = centre_layers(found)
        write_arrays(path, train=centred.pop("pool"), **centred)
    with np.load(path) as kept:
        return {name: kept[name] for name in texts}


def name_pair(row: Dict[str, Any]) -> Tuple[str, List[Tuple[int, int]]]:
    """RETURNS (Tuple[str, List[Tuple[int, int]]]): The text behind its two nominals, and where
    they stand in it."""
    head = f"{row['entity1']} and {row['entity2']}: "
    text, spans, start = head + row["text"], [], len(head)
    for name in (row["entity1"], row["entity2"]):
        found = f" {text.lower()} ".find(f" {name.lower()} ", start - 1)
        found = found if found >= 0 else text.lower().index(name.lower(), start)
        spans.append((found, found + len(name)))
    return text, spans


def embed_pairs(rows: List[Dict[str, Any]], encoder: Path, batch: int = 32) -> np.ndarray:
    """The mean of a text and its two nominals, all from the last layer, shape (n, 3 * width)."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = (
        AutoTokenizer.from_pretrained(encoder),
        AutoModel.from_pretrained(encoder).eval(),
    )
    named = [name_pair(row) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (len(named[i][0]), i))
    out: List[np.ndarray] = [np.zeros(0)] * len(rows)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        pieces = tokenizer(
            [named[i][0] for i in chosen],
            padding=True,
            truncation=True,
            max_length=160,
            return_tensors="pt",
            return_offsets_mapping=True,
        )
        offsets = pieces.pop("offset_mapping").numpy()
        with torch.inference_mode():
            vectors = model(**pieces).last_hidden_state.numpy()
        for row, i in enumerate(chosen):
            spans = [(0, len(named[i][0])), *named[i][1]]
            out[i] = np.concatenate([_mean_inside(vectors[row], offsets[row], s) for s in spans])
    return np.stack(out)


def _mean_inside(vectors: np.ndarray, offsets: np.ndarray, span: Tuple[int, int]) -> np.ndarray:
    inside = (offsets[:, 1] > span[0]) & (offsets[:, 0] < span[1]) & (offsets[:, 1] > offsets[:, 0])
    mean = vectors[inside].mean(axis=0)
    return mean / np.linalg.norm(mean)


def reduce_width(parts: Dict[str, np.ndarray], fitted_on: str) -> Dict[str, np.ndarray]:
    from sklearn.decomposition import PCA

    width = min(WIDTH, *parts[fitted_on].shape)
    pca = PCA(width, random_state=0).fit(parts[fitted_on])
    return {name: pca.transform(part).astype("float32") for name, part in parts.items()}


def load_mit(data: Path, encoder: Path, cache: Path) -> Dict[str, Split]:
    """RETURNS (Dict[str, Split]): One split, train: candidates of the recorded pool sentences, accepted
    where the LLM listed the same span with the same label."""
    return _load_verdicts(data / "mit_restaurant", encoder, cache / "mit.npz", _list_answers)


def load_mit_verify(data: Path, encoder: Path, cache: Path) -> Dict[str, Split]:
    """RETURNS (Dict[str, Split]): One split, train: the candidates on which the LLM was asked one by one."""
    return _load_verdicts(
        data / "mit_restaurant", encoder, cache / "mit_verify.npz", _list_verdicts
    )


def _load_verdicts(
    folder: Path, encoder: Path, path: Path, read: Callable[..., List[Found]]
) -> Dict[str, Split]:
    if not path.exists():
        spans = SpanEncoder(encoder)
        write_arrays(path, **_describe(read(folder, spans), spans))
    with np.load(path) as kept:
        verdicts = ["accepted" if v else "rejected" for v in kept["verdicts"]]
        gold = ["accepted" if v else "rejected" for v in kept["gold"]]
        return {"train": Split(kept["features"], list(verdicts), gold, kept["groups"].tolist())}


def _list_answers(folder: Path, spans: SpanEncoder) -> List[Found]:
    labelled = read_rows(folder / "labelled_10shot.jsonl")
    pool = read_rows(folder / "pool.jsonl")[:N_RECORDED]
    truth = read_rows(folder / "pool_gold.jsonl")[:N_RECORDED]
    answers = read_rows(folder / "recorded_llm.jsonl")
    answers = sorted(answers, key=lambda row: row["pool_index"])[:N_RECORDED]
    tags, predict = _fit_tagger(labelled, spans)
    joined = [_join(row["tokens"]) for row in pool]
    encoded = spans.encode([text for text, _ in joined])
    found = []
    for i, (row, (_, edges)) in enumerate(zip(pool, joined)):
        candidates = _decode_all(predict(_unit(span_features(encoded[i], edges))), tags)
        listed = {(e["start"], e["end"], e["label"]) for e in answers[i]["entities"]}
        right = {tuple(e) for e in truth[i]["ents"]}
        found += [
            Found(i, row["tokens"], key, key in listed, key in right, margin)
            for key, margin in candidates.items()
        ]
    return found


def _list_verdicts(folder: Path, spans: SpanEncoder) -> List[Found]:
    pool, truth = read_rows(folder / "pool.jsonl"), read_rows(folder / "pool_gold.jsonl")
    found = []
    for row in read_rows(folder / "recorded_llm_verify.jsonl"):
        i, key = row["pool_index"], (row["start"], row["end"], row["label"])
        right = {tuple(e) for e in truth[i]["ents"]}
        found.append(Found(i, pool[i]["tokens"], key, row["verdict"] == "correct", key in right))
    return found


def _describe(found: List[Found], spans: SpanEncoder) -> Dict[str, np.ndarray]:
    """Vectors of the spans and their sides, and beside them label, length, margin, frequency, digits and place."""
    joined = {c.sentence: _join(c.tokens) for c in found}
    encoded = dict(zip(joined, spans.encode([text for text, _ in joined.values()])))
    vectors = []
    for c in found:
        edges = joined[c.sentence][1]
        where = (edges[c.key[0]][0], edges[c.key[1] - 1][1])
        vectors.append(span_features(encoded[c.sentence], [where]))
    surfaces = Counter(" ".join(c.tokens[c.key[0] : c.key[1]]) for c in found)
    labels = sorted({c.key[2] for c in found})
    extras = []
    for c in found:
        start, end, label = c.key
        words = c.tokens[start:end]
        extras.append(
            [
                *(float(label == name) for name in labels),
                end - start,
                c.margin,
                np.log(surfaces[" ".join(words)]),
                float(any(x.isdigit() for w in words for x in w)),
                start / len(c.tokens),
            ]
        )
    reduced = reduce_width({"all": _unit(np.concatenate(vectors))}, "all")["all"]
    features = np.hstack([reduced, 0.5 * _unit(_standardise(np.array(extras)))])
    return {
        "features": features.astype("float32"),
        "groups": np.array([c.sentence for c in found]),
        "verdicts": np.array([c.accepted for c in found]),
        "gold": np.array([c.right for c in found]),
    }


def _join(tokens: Sequence[str]) -> Tuple[str, List[Tuple[int, int]]]:
    ends = np.cumsum([len(t) + 1 for t in tokens]) - 1
    return " ".join(tokens), [(int(e) - len(t), int(e)) for t, e in zip(tokens, ends)]


def _fit_tagger(labelled: List[Dict[str, Any]], spans: SpanEncoder) -> Tuple[List[str], Any]:
    """A logistic tagger over the vectors of tokens and what stands beside them."""
    from sklearn.linear_model import LogisticRegression

    tags: List[str] = []
    joined = [_join(row["tokens"]) for row in labelled]
    for row in labelled:
        names = ["O"] * len(row["tokens"])
        for start, end, label in row["ents"]:
            names[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
        tags += names
    encoded = spans.encode([text for text, _ in joined])
    vectors = [span_features(e, edges) for e, (_, edges) in zip(encoded, joined)]
    model = LogisticRegression(C=10.0, max_iter=300).fit(_unit(np.concatenate(vectors)), tags)
    return list(model.classes_), model.predict_log_proba


def _decode_all(logs: np.ndarray, tags: List[str]) -> Dict[Tuple[int, int, str], float]:
    """Every span that a greedy decoding finds as O is made less likely, with its mean margin."""
    found: Dict[Tuple[int, int, str], float] = {}
    outside = tags.index("O")
    for bias in O_BIASES:
        scores = logs.copy()
        scores[:, outside] -= bias
        names = [tags[k] for k in scores.argmax(axis=1)]
        start = 0
        while start < len(names):
            label = names[start][2:]
            end = start + 1
            while label and end < len(names) and names[end] == f"I-{label}":
                end += 1
            if label:
                margin = float((logs[start:end].max(axis=1) - logs[start:end, outside]).mean())
                found.setdefault((start, end, label), margin)
            start = end
    return found


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-8)


def _standardise(rows: np.ndarray) -> np.ndarray:
    return (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-8)
