"""Scores: counts by document and label, held against spaCy's Scorer and seqeval; silver quality.

What the gold does not say counts neither for nor against a prediction, as in spaCy's scorer.
"""

from array import array
from typing import Any, Dict, Iterable, List, Sequence, Set, Tuple

import numpy
from spacy.language import Language
from spacy.scorer import Scorer, get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from ..candidates import copy_tokens
from ..errors import Errors, LLMJudgeError
from ..numeric import hash_text
from ..targets.base import Key, Target
from ..targets.ents import Ents

TOLERANCE = 1e-9
# Any odd number with many bits: what is multiplied by it stays apart.
_ODD = numpy.uint64(0x9E3779B97F4A7C15)


def evaluate_model(nlp: Language, gold: Iterable[Doc], batch_size: int = 64) -> List[Doc]:
    """Predict on the tokens of gold documents, which stay as they are.

    nlp (Language): A pipeline.
    gold (Iterable[Doc]): The gold documents.
    batch_size (int): How many documents at a time.
    RETURNS (List[Doc]): The predicted documents, in the same order.
    """
    copies = (copy_tokens(doc, nlp.vocab) for doc in gold)
    predicted = []
    for doc in nlp.pipe(copies, batch_size=batch_size):
        # A transformer leaves its output on every document: much memory, and of no use here.
        if Doc.has_extension("trf_data"):
            doc._.trf_data = None
        predicted.append(doc)
    return predicted


def score_pair(
    gold: Sequence[Doc], predicted: Sequence[Doc], target: Target = Ents()
) -> Dict[str, Any]:
    """Score predictions with our own counts and with spaCy's scorer, which must agree; entities with
    seqeval (strict IOB2), too.

    gold (Sequence[Doc]): The gold documents.
    predicted (Sequence[Doc]): The predictions on the same tokens, in the same order.
    target (Target): What is labelled.
    RETURNS (Dict[str, Any]): `spacy`, and for entities `seqeval`, each with `p`, `r`, `f` (0 to 1,
        averaged over labels as the target does) and `per_type` (label to the same three);
        `accuracy` (documents that are right in all) where labels of documents are scored; `documents`;
        `entities` (of the gold, whatever they are).
    RAISES (LLMJudgeError): J701 where two scorers disagree.
    """
    labels = labels_of(gold, predicted, target=target)
    counts = count_matches(gold, predicted, labels, target)
    ours = summarise(counts, labels, target.averages)
    report: Dict[str, Any] = {
        "spacy": ours,
        "documents": len(gold),
        "entities": sum(len(target.keys(doc)) for doc in gold),
    }
    for name, value in score_with_spacy(gold, predicted, target).items():
        _require_equal(f"micro {name}", summarise(counts, labels, "micro")[name], value, "spaCy")
    if target.name == "ents":
        report["seqeval"] = score_with_seqeval(gold, predicted)
        for name in ("p", "r", "f"):
            _require_equal(name, ours[name], report["seqeval"][name], "seqeval")
    if target.name == "cats":
        report["accuracy"] = float(right_documents(gold, predicted, target).mean())
    return report


def _require_equal(name: str, ours: float, theirs: float, other: str) -> None:
    if abs(ours - theirs) > TOLERANCE:
        raise LLMJudgeError(Errors.J701.format(name=name, ours=ours, theirs=theirs, other=other))


def labels_of(*sets: Sequence[Doc], target: Target) -> List[str]:
    """RETURNS (List[str]): All labels that occur in several sets of documents, sorted."""
    return sorted({key[2] for docs in sets for doc in docs for key in target.keys(doc)})


def count_matches(
    gold: Sequence[Doc], predicted: Sequence[Doc], labels: Sequence[str], target: Target = Ents()
) -> numpy.ndarray:
    """Count for every document and label what is right, wrong and missed. Predictions of which the gold
    does not say whether they are right do not count.

    gold (Sequence[Doc]): The gold documents.
    predicted (Sequence[Doc]): The predictions on the same tokens, in the same order.
    labels (Sequence[str]): The labels that are counted.
    target (Target): What is labelled.
    RETURNS (numpy.ndarray): Shape (documents, labels, 3), integers: true positives, false positives,
        false negatives.
    """
    require_pairs(gold, predicted, target)
    index = {label: k for k, label in enumerate(labels)}
    counts = numpy.zeros((len(gold), len(labels), 3), dtype=numpy.int64)
    for i, (g, p) in enumerate(zip(gold, predicted)):
        truth, said = comparable_keys(g, p, target)
        for kind, keys in enumerate((truth & said, said - truth, truth - said)):
            for key in keys:
                if key[2] in index:
                    counts[i, index[key[2]], kind] += 1
    return counts


def right_documents(gold: Sequence[Doc], predicted: Sequence[Doc], target: Target) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): Shape (documents,), bool: where everything that the gold says is right
    and nothing else was said; a document about which nothing was said is not right."""
    rows = []
    for g, p in zip(gold, predicted):
        truth, said = comparable_keys(g, p, target)
        rows.append(truth == said and target.is_annotated(p))
    return numpy.array(rows, dtype=bool)


def summarise(counts: numpy.ndarray, labels: Sequence[str], averages: str) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): `p`, `r`, `f` and `per_type` of counts, shape (documents, labels, 3)."""
    totals = counts.sum(axis=0)
    per_type = {label: _prf(row) for label, row in zip(labels, totals)}
    if averages == "micro":
        return {**_prf(totals.sum(axis=0)), "per_type": per_type}
    seen = [per_type[label] for label, row in zip(labels, totals) if row.any()]
    means = {
        k: float(numpy.mean([row[k] for row in seen])) if seen else 0.0 for k in ("p", "r", "f")
    }
    return {**means, "per_type": per_type}


def _prf(row: numpy.ndarray) -> Dict[str, float]:
    tp, fp, fn = (int(n) for n in row)
    p, r = tp / (tp + fp) if tp + fp else 0.0, tp / (tp + fn) if tp + fn else 0.0
    return {"p": p, "r": r, "f": 2 * tp / (2 * tp + fp + fn) if tp else 0.0}


def score_with_spacy(
    gold: Sequence[Doc], predicted: Sequence[Doc], target: Target = Ents()
) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): Micro `p`, `r` and `f`, as `spacy evaluate` has them."""
    examples = [Example(p, g) for g, p in zip(gold, predicted)]
    if target.name == "ents":
        scores, prefix = get_ner_prf(examples), "ents"
    elif target.name == "spans":
        key = target.to_dict()["spans_key"]
        kept = [eg for eg in examples if key in eg.reference.spans]
        attr = f"spans_{key}"
        scores = Scorer.score_spans(
            kept,
            attr,
            getter=lambda doc, attr: doc.spans.get(attr[len("spans_") :], ()),
            has_annotation=lambda doc: key in doc.spans,
            allow_overlap=True,
            labeled=True,
        )
        prefix = attr
    else:
        return _score_cats_with_spacy(examples, target)
    return {name: scores.get(f"{prefix}_{name}") or 0.0 for name in ("p", "r", "f")}


def _score_cats_with_spacy(examples: Sequence[Example], target: Target) -> Dict[str, float]:
    settings = target.to_dict()
    labels = settings["labels"]

    def values(doc: Doc, attr: str) -> Dict[str, float]:
        chosen = {key[2] for key in target.keys(doc)}
        known = {key[2] for key in ((0, len(doc), x) for x in labels) if target.knows(doc, key)}
        return {label: float(label in chosen) for label in labels if label in known}

    scores = Scorer.score_cats(
        [eg for eg in examples if target.is_annotated(eg.reference)],
        "cats",
        getter=values,
        labels=labels,
        multi_label=True,
        positive_label=None,
        threshold=0.5,
    )
    return {name: scores[f"cats_micro_{name}"] or 0.0 for name in ("p", "r", "f")}


def score_with_seqeval(gold: Sequence[Doc], predicted: Sequence[Doc]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): `p`, `r`, `f` and `per_type` from seqeval on IOB2 tags."""
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    pairs = [comparable_keys(g, p, Ents()) for g, p in zip(gold, predicted)]
    labels = sorted({key[2] for pair in pairs for keys in pair for key in keys})
    if not labels:
        return {"p": 0.0, "r": 0.0, "f": 0.0, "per_type": {}}
    # seqeval takes labels apart at hyphens, so it gets numbers instead.
    numbers = {label: str(i) for i, label in enumerate(labels)}
    tags = [
        [_iob2_tags(len(g), keys, numbers) for keys in pair]
        for g, pair in zip(gold, pairs)
        if len(g)
    ]
    report = classification_report(
        [pair[0] for pair in tags],
        [pair[1] for pair in tags],
        output_dict=True,
        mode="strict",
        scheme=IOB2,
        zero_division=0,
    )
    rows = {label: _read_row(report[number]) for label, number in numbers.items()}
    return {**_read_row(report["micro avg"]), "per_type": rows}


def silver_quality(
    silver: Iterable[Doc], gold: Iterable[Doc], target: Target = Ents()
) -> Dict[str, Any]:
    """Measure what silver documents say against the hidden gold of the pool, also by label.

    Documents are found by their text. Recall is over all gold that there is, also that of documents
    of which nothing was kept.

    silver (Iterable[Doc]): Silver documents.
    gold (Iterable[Doc]): The documents of the pool with gold; those without annotation are left out.
    target (Target): What is labelled.
    RETURNS (Dict[str, Any]): `documents` (silver ones with gold), `without_gold`, `spans`, `correct`,
        `gold_spans`, `precision`, `recall`, `f`, `wrong_share` and `per_type`. A share of nothing is
        None.
    """
    said = _Columns(silver, target)
    truth = _Columns((doc for doc in gold if target.is_annotated(doc)), target)
    has_gold = numpy.isin(said.documents, truth.documents)
    counted = has_gold[said.owner]
    right = numpy.isin(said.spans, truth.spans) & counted
    per_type = {}
    for label in sorted({*said.labels, *truth.labels}):
        of_label = said.label == said.labels.get(label, -1)
        n_gold = int((truth.label == truth.labels.get(label, -1)).sum())
        per_type[label] = _quality((of_label & counted).sum(), (of_label & right).sum(), n_gold)
    return {
        "documents": int(has_gold.sum()),
        "without_gold": int((~has_gold).sum()),
        **_quality(counted.sum(), right.sum(), len(truth.spans)),
        "per_type": {
            label: row for label, row in per_type.items() if row["spans"] or row["gold_spans"]
        },
    }


class _Columns:
    """What documents say, as hashes: no text of a pool stays in memory.

    documents (numpy.ndarray): (d,) their texts, of equal ones how many came before.
    spans (numpy.ndarray): (n,) documents, characters and labels.
    owner (numpy.ndarray): (n,) the number of the document.
    label (numpy.ndarray): (n,) index into `labels`.
    """

    def __init__(self, docs: Iterable[Doc], target: Target) -> None:
        texts, spans, owner, label = (array(kind) for kind in "QQqq")
        self.labels: Dict[str, int] = {}
        for doc in docs:
            for start, end, name in in_characters(doc, target.keys(doc)):
                spans.append(hash_text(f"{start} {end} {name}"))
                owner.append(len(texts))
                label.append(self.labels.setdefault(name, len(self.labels)))
            texts.append(hash_text(doc.text))
        hashes = numpy.array(texts, dtype="uint64")
        self.documents = hashes + _count_before(hashes) * _ODD
        self.owner, self.label = numpy.array(owner), numpy.array(label)
        self.spans = numpy.array(spans, dtype="uint64") ^ self.documents[self.owner]


def _count_before(values: numpy.ndarray) -> numpy.ndarray:
    """(n,) how many equal values stand before each, uint64."""
    order = numpy.argsort(values, kind="stable")
    _, first, number = numpy.unique(values[order], return_index=True, return_inverse=True)
    counts = numpy.empty(len(values), dtype="uint64")
    counts[order] = numpy.arange(len(values)) - first[number]
    return counts


def require_pairs(gold: Sequence[Doc], predicted: Sequence[Doc], target: Target) -> None:
    """RAISES (LLMJudgeError): J700, J702 or J703 where documents are not pairs, or nobody said anything."""
    if len(gold) != len(predicted):
        lengths = {"n_gold": len(gold), "n_predicted": len(predicted)}
        raise LLMJudgeError(Errors.J702.format(**lengths))
    for n, (g, p) in enumerate(zip(gold, predicted), start=1):
        if len(g) != len(p) or any(a.text != b.text for a, b in zip(g, p)):
            raise LLMJudgeError(Errors.J703.format(n=n, text=repr(g.text[:60])))
    if gold and not any(target.is_annotated(doc) for doc in gold):
        raise LLMJudgeError(Errors.J700.format(n=len(gold), units=target.units))


def comparable_keys(gold: Doc, predicted: Doc, target: Target) -> Tuple[Set[Key], Set[Key]]:
    """What both sides say, without predictions of which the gold does not say whether they are right."""
    if not target.is_annotated(gold):
        return set(), set()
    truth = set(target.keys(gold))
    said = set(target.keys(predicted))
    return truth, {key for key in said if key in truth or target.knows(gold, key)}


def _iob2_tags(length: int, keys: Iterable[Key], numbers: Dict[str, str]) -> List[str]:
    tags = ["O"] * length
    for start, end, label in keys:
        tags[start:end] = [f"I-{numbers[label]}"] * (end - start)
        tags[start] = f"B-{numbers[label]}"
    return tags


def _read_row(row: Dict[str, float]) -> Dict[str, float]:
    return {
        "p": float(row["precision"]),
        "r": float(row["recall"]),
        "f": float(row["f1-score"]),
    }


def in_characters(doc: Doc, keys: Iterable[Key]) -> Set[Key]:
    """RETURNS (Set[Key]): Keys with offsets in characters: tokens may differ where texts are the same."""
    return {(doc[s].idx, doc[e - 1].idx + len(doc[e - 1]), label) for s, e, label in keys}


def _quality(n_said: int, n_right: int, n_gold: int) -> Dict[str, Any]:
    n, correct = int(n_said), int(n_right)
    return {
        "spans": n,
        "correct": correct,
        "gold_spans": n_gold,
        "precision": correct / n if n else None,
        "recall": correct / n_gold if n_gold else None,
        "f": 2 * correct / (n + n_gold) if n + n_gold else None,
        "wrong_share": (n - correct) / n if n else None,
    }
