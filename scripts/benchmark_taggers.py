"""Rivals on the student's encoder that are no spaCy pipelines: a token classifier of transformers, and SpanMarker.

Each sees as many documents as a student, mixed in the same way, with the student's learning rates and schedule, and
predicts as a component of a blank pipeline, so that it is scored and timed as a student is.
"""

from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import spacy
from benchmark_cell import TRAINING, Cell, fetch
from benchmark_methods import Made, equal_labels, first_labels
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from spacy_llmjudge.stages import once
from spacy_llmjudge.storage import read_json
from spacy_llmjudge.targets.base import Key, labels_in
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.training.readers import make_mixed_corpus

# as in configs/student.cfg
HEAD_SCALE, WARMUP, JUDGED_SHARE, PARTS, DECAY = 10.0, 20, 0.5, 3, 0.01
# documents of about the same length are predicted together
TOGETHER = 16
MODEL_TYPE = "span-marker"

Words = Sequence[Sequence[str]]
Predict = Callable[[Words], List[List[Key]]]


class Tagger:
    """A component that sets entities. `predict`: from words to entities, for many documents."""

    def __init__(self, predict: Predict) -> None:
        self.predict = predict

    def __call__(self, doc: Doc) -> Doc:
        return next(self.pipe([doc], 1))

    def pipe(self, stream: Iterable[Doc], batch_size: int) -> Iterator[Doc]:
        for docs in minibatch(stream, batch_size):
            order = sorted(range(len(docs)), key=lambda i: len(docs[i]))
            for part in minibatch([i for i in order if len(docs[i])], TOGETHER):
                words = [[token.text for token in docs[i]] for i in part]
                for i, keys in zip(part, self.predict(words)):
                    Ents().annotate(docs[i], keys)
            yield from docs


@Language.factory("benchmark_tagger")
def make_tagger(nlp: Language, name: str, folder: str) -> Tagger:
    is_marker = read_json(Path(folder) / "config.json")["model_type"] == MODEL_TYPE
    return Tagger((load_span_marker if is_marker else load_classifier)(Path(folder)))


def load_tagger(folder: Path) -> Language:
    """RETURNS (Language): A blank pipeline with the model of a folder as its only component."""
    nlp = spacy.blank("en")
    nlp.add_pipe("benchmark_tagger", config={"folder": str(folder)})
    return nlp


def stream_docs(cell: Cell, silver: Path, gold: Path) -> Iterator[Doc]:
    """RETURNS (Iterator[Doc]): What a student learns from, without end, in the student's order."""
    mix = {
        name: TRAINING[f"corpora.train.{name}"] for name in ("gold_per_batch", "silver_per_batch")
    }
    reader = make_mixed_corpus(gold, silver, judged_share=JUDGED_SHARE, seed=cell.seed, **mix)
    return (example.reference for example in reader(spacy.blank("en")))


def fit(model: Any, encode: Callable[[List[Doc]], Any], docs: Iterator[Doc], steps: int) -> None:
    """Train as the student is trained: warm-up and a straight way down, a faster head, parts of a batch by length.

    model (torch.nn.Module): Gives a `loss` for what `encode` makes of documents.
    """
    import torch

    rate = TRAINING["training.optimizer.learn_rate.initial_rate"]
    named = list(model.named_parameters())
    inside = f"{model.base_model_prefix}."
    groups = [
        {"params": [p for name, p in named if name.startswith(inside)], "lr": rate},
        {
            "params": [p for name, p in named if not name.startswith(inside)],
            "lr": rate * HEAD_SCALE,
        },
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(step / WARMUP, (steps - step) / max(1, steps - WARMUP)),
    )
    model.train()
    for _ in range(steps):
        batch = sorted(islice(docs, TRAINING["training.batcher.size"]), key=len)
        optimizer.zero_grad()
        for part in np.array_split(np.arange(len(batch)), PARTS):
            if len(part):
                loss = model(**encode([batch[i] for i in part])).loss
                (loss * len(part) / len(batch)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def bio_tags(doc: Doc) -> List[Optional[str]]:
    """RETURNS (List[Optional[str]]): "O", "B-..." or "I-..." for each token; None where it is missing."""
    names = {0: None, 2: "O"}
    return [names.get(t.ent_iob, f"{t.ent_iob_}-{t.ent_type_}") for t in doc]


def read_bio(tags: Sequence[str]) -> List[Key]:
    """RETURNS (List[Key]): Entities; an I- after anything but its own kind begins one."""
    keys: List[Key] = []
    for i, tag in enumerate(tags):
        kind, _, label = tag.partition("-")
        if kind == "I" and keys and keys[-1][1:] == (i, label):
            keys[-1] = (keys[-1][0], i + 1, label)
        elif label:
            keys.append((i, i + 1, label))
    return keys


def tags_of(labels: Iterable[str]) -> List[str]:
    return ["O", *(f"{kind}-{label}" for label in sorted(labels) for kind in "BI")]


def align(tokenizer: Any, words: Words) -> Tuple[Any, List[List[int]]]:
    """RETURNS (Tuple[BatchEncoding, List[List[int]]]): Word pieces, and the first one of each word that has any."""
    pieces = tokenizer(
        words, is_split_into_words=True, truncation=True, padding=True, return_tensors="pt"
    )
    firsts = []
    for i in range(len(words)):
        found: Dict[int, int] = {}
        for place, word in enumerate(pieces.word_ids(i)):
            if word is not None:
                found.setdefault(word, place)
        firsts.append([found.get(k, -1) for k in range(len(words[i]))])
    return pieces, firsts


def train_classifier(cell: Cell, name: str, silver: Path, gold: Path, steps: int) -> Path:
    """Train `AutoModelForTokenClassification` on the first piece of each word. RETURNS (Path): The model."""

    def work() -> Dict[str, Any]:
        import torch
        from transformers import AutoModelForTokenClassification, AutoTokenizer

        torch.manual_seed(cell.seed)
        tags = tags_of(labels_in(gold) | labels_in(silver))
        index = {tag: i for i, tag in enumerate(tags)}
        tokenizer = AutoTokenizer.from_pretrained(fetch(cell.work))
        model = AutoModelForTokenClassification.from_pretrained(
            fetch(cell.work), id2label=dict(enumerate(tags)), label2id=index
        )

        def encode(docs: List[Doc]) -> Any:
            pieces, firsts = align(tokenizer, [[token.text for token in doc] for doc in docs])
            truth = torch.full(pieces["input_ids"].shape, -100)
            for i, doc in enumerate(docs):
                for place, tag in zip(firsts[i], bio_tags(doc)):
                    if place >= 0 and tag is not None:
                        truth[i, place] = index[tag]
            return {**pieces, "labels": truth}

        fit(model, encode, stream_docs(cell, silver, gold), steps)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return {"steps": steps}

    folder = cell.folder / "models" / name
    return train_once("classifier", cell, folder, silver, gold, steps, work)


def train_once(
    kind: str,
    cell: Cell,
    folder: Path,
    silver: Path,
    gold: Path,
    steps: int,
    work: Callable[[], Dict[str, Any]],
) -> Path:
    inputs = {
        "encoder": fetch(cell.work),
        "silver": silver,
        "gold": gold,
        "settings": [cell.seed, steps, TRAINING],
    }
    once(kind, inputs, [folder], work)
    return folder


def word_probabilities(folder: Path) -> Tuple[List[str], Callable[[Words], List[np.ndarray]]]:
    """RETURNS (Tuple[List[str], Callable]): The tags, and from words to probabilities, (words, tags) each."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    tags = [model.config.id2label[i] for i in range(model.config.num_labels)]
    outside = np.eye(len(tags))[tags.index("O")]

    def score(words: Words) -> List[np.ndarray]:
        pieces, firsts = align(tokenizer, words)
        with torch.inference_mode():
            found = model(**pieces).logits.softmax(dim=-1).double().numpy()
        # a word without pieces is outside
        return [
            np.array([p[k] if k >= 0 else outside for k in first])
            for p, first in zip(found, firsts)
        ]

    return tags, score


def load_classifier(folder: Path) -> Predict:
    tags, score = word_probabilities(folder)
    return lambda words: [read_bio([tags[k] for k in p.argmax(axis=1)]) for p in score(words)]


@lru_cache(1)
def import_span_marker() -> Any:
    try:
        import span_marker
        import span_marker.data_collator
        import span_marker.trainer
    except ImportError as error:
        raise SystemExit(
            f"This row needs SpanMarker ({error}): pip install span_marker datasets"
        ) from error
    return span_marker


def pad_little(model: Any) -> None:
    """Let a SpanMarker model pad to the longest of a batch. Its own collator pads each text to the longest that is
    allowed, which on a CPU costs many times the time and changes no result."""
    collators = import_span_marker().data_collator
    tokenizer = model.tokenizer

    def collate(features: Iterable[Dict[str, Any]]) -> Dict[str, Any]:
        rows = list(features)
        sizes = [
            len(row["input_ids"]) + len(row["input_ids"]) % 2 + 2 * row["num_spans"] for row in rows
        ]
        names = ("pad_token_id", "start_marker_id", "end_marker_id")
        padded = SimpleNamespace(
            model_max_length=max(sizes), **{name: getattr(tokenizer, name) for name in names}
        )
        batch: Dict[str, Any] = collators.SpanMarkerDataCollator(padded, 0)(rows)
        return batch

    model.data_collator = collate


def train_span_marker(cell: Cell, name: str, silver: Path, gold: Path, steps: int) -> Path:
    """Train SpanMarker, spans of at most 8 words as it comes. RETURNS (Path): The model."""

    def work() -> Dict[str, Any]:
        import torch
        from transformers import PreTrainedModel

        package = import_span_marker()
        torch.manual_seed(cell.seed)
        labels = ["O", *sorted(labels_in(gold) | labels_in(silver))]
        model = package.SpanMarkerModel.from_pretrained(
            str(fetch(cell.work)), labels=labels, model_max_length=256
        )
        pad_little(model)

        def encode(docs: List[Doc]) -> Any:
            words = [[token.text for token in doc] for doc in docs]
            ents = [[(labels.index(k[2]), k[0], k[1]) for k in Ents().keys(doc)] for doc in docs]
            made = package.trainer.Trainer.spread_sample(
                model.tokenizer({"tokens": words, "ner_tags": ents}),
                model.tokenizer.model_max_length,
                model.config.marker_max_length,
            )
            return model.data_collator(dict(zip(made, row)) for row in zip(*made.values()))

        fit(model, encode, stream_docs(cell, silver, gold), steps)
        # its own way of saving also writes a model card from what it finds on the Hub
        PreTrainedModel.save_pretrained(model, folder)
        model.tokenizer.save_pretrained(folder)
        return {"steps": steps}

    folder = cell.folder / "models" / name
    return train_once("span_marker", cell, folder, silver, gold, steps, work)


def load_span_marker(folder: Path) -> Predict:
    model = import_span_marker().SpanMarkerModel.from_pretrained(str(folder)).eval()
    pad_little(model)

    def predict(words: Words) -> List[List[Key]]:
        found = model.predict([list(one) for one in words], batch_size=TOGETHER)
        return [
            [(e["word_start_index"], e["word_end_index"], e["label"]) for e in one] for one in found
        ]

    return predict


Train = Callable[[Cell, str, Path, Path, int], Path]


def on_labels(train: Train, name: str, cell: Cell, calls: int) -> Made:
    """On the LLM's labels as they are, as long as the student."""
    silver, gold = first_labels(cell, calls), cell.corpus / "labelled.spacy"
    return train(cell, f"{name}-{calls}", silver, gold, TRAINING["training.max_steps"]), silver


def on_equal(train: Train, name: str, cell: Cell, calls: int) -> Made:
    """With the gold, the calls and the documents seen of ours."""
    silver, steps = equal_labels(cell, calls), 2 * TRAINING["training.max_steps"]
    return train(cell, f"{name}-{calls}", silver, cell.all_gold, steps), silver
