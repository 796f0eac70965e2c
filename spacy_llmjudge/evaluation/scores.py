"""Scores of entities: spaCy's Scorer and seqeval side by side, counts by document, silver quality.

Gold tokens whose annotation is missing count neither for nor against a prediction that touches
them, as in spaCy's scorer.
"""

from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple

import numpy
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from ..candidates import copy_tokens, get_candidates
from ..errors import Errors, LLMJudgeError

TOLERANCE = 1e-9

Key = Tuple[int, int, str]


def evaluate_model(nlp: Language, gold: Iterable[Doc], batch_size: int = 64) -> List[Doc]:
    """Predict the entities of documents, on the tokens of the gold, which stays as it is.

    nlp (Language): A pipeline that sets `doc.ents`.
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


def score_pair(gold: Sequence[Doc], predicted: Sequence[Doc]) -> Dict[str, Any]:
    """Score predictions with spaCy's scorer and with seqeval (strict IOB2), which must agree.

    gold (Sequence[Doc]): The gold documents.
    predicted (Sequence[Doc]): The predictions on the same tokens, in the same order.
    RETURNS (Dict[str, Any]): `spacy` and `seqeval`, each with `p`, `r`, `f` (0 to 1) and
        `per_type` (label to the same three); `documents`; `entities` (of the gold).
    """
    _require_pairs(gold, predicted)
    report = {
        "spacy": score_with_spacy(gold, predicted),
        "seqeval": score_with_seqeval(gold, predicted),
        "documents": len(gold),
        "entities": sum(len(doc.ents) for doc in gold),
    }
    for name in ("p", "r", "f"):
        ours, theirs = report["spacy"][name], report["seqeval"][name]
        if abs(ours - theirs) > TOLERANCE:
            raise LLMJudgeError(Errors.J701.format(name=name, spacy=ours, seqeval=theirs))
    return report


def score_with_spacy(gold: Sequence[Doc], predicted: Sequence[Doc]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): `p`, `r`, `f` and `per_type`, as `spacy evaluate` has them."""
    scores = get_ner_prf([Example(p, g) for g, p in zip(gold, predicted)])
    per_type = scores["ents_per_type"] or {}
    return {
        "p": scores["ents_p"] or 0.0,
        "r": scores["ents_r"] or 0.0,
        "f": scores["ents_f"] or 0.0,
        "per_type": {label: per_type[label] for label in sorted(per_type)},
    }


def score_with_seqeval(gold: Sequence[Doc], predicted: Sequence[Doc]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): `p`, `r`, `f` and `per_type` from seqeval on IOB2 tags."""
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    pairs = [_comparable_keys(g, p) for g, p in zip(gold, predicted)]
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


def ner_counts(gold: Sequence[Doc], predicted: Sequence[Doc]) -> numpy.ndarray:
    """Count for every document the entities that are right, wrong and missed.

    gold (Sequence[Doc]): The gold documents.
    predicted (Sequence[Doc]): The predictions on the same tokens, in the same order.
    RETURNS (numpy.ndarray): Shape (documents, 3), integers: true positives, false positives, false
        negatives.
    """
    _require_pairs(gold, predicted)
    rows = []
    for g, p in zip(gold, predicted):
        gold_keys, keys = _comparable_keys(g, p)
        right = len(gold_keys & keys)
        rows.append((right, len(keys) - right, len(gold_keys) - right))
    return numpy.array(rows, dtype=numpy.int64).reshape(len(rows), 3)


def silver_quality(
    silver: Iterable[Doc],
    gold: Iterable[Doc],
    get_spans: Optional[Callable[[Doc], Iterable[Key]]] = None,
) -> Dict[str, Any]:
    """Measure accepted spans against the hidden gold of the pool, also by label.

    Documents are found by their text. Recall is over all gold that there is, also that of documents
    of which nothing was kept.

    silver (Iterable[Doc]): Documents with the spans in question.
    gold (Iterable[Doc]): The documents of the pool with gold; those without annotation are left out.
    get_spans (Optional[Callable]): From a document to (start token, end token, label): `doc.ents` by
        default; `accepted_spans` for the accepted candidates.
    RETURNS (Dict[str, Any]): `documents` (silver ones with gold), `without_gold`, `spans`, `correct`,
        `gold_spans`, `precision`, `recall`, `f`, `wrong_share` and `per_type`. A share of nothing is
        None.
    """
    get_spans = entity_spans if get_spans is None else get_spans
    gold_keys: Dict[str, List[Set[Key]]] = {}
    gold_labels: List[str] = []
    for doc in gold:
        if doc.has_annotation("ENT_IOB"):
            gold_keys.setdefault(doc.text, []).append(_in_characters(doc, entity_spans(doc)))
            gold_labels += [ent.label_ for ent in doc.ents]
    found: List[Tuple[str, bool]] = []
    n_docs = without_gold = 0
    for doc in silver:
        if not gold_keys.get(doc.text):
            without_gold += 1
            continue
        n_docs += 1
        truth = gold_keys[doc.text].pop(0)
        found += [(key[2], key in truth) for key in _in_characters(doc, get_spans(doc))]
    labels = sorted({label for label, _ in found} | set(gold_labels))
    per_type = {
        label: _quality([right for name, right in found if name == label], gold_labels.count(label))
        for label in labels
    }
    total = _quality([right for _, right in found], len(gold_labels))
    return {
        "documents": n_docs,
        "without_gold": without_gold,
        **total,
        "per_type": per_type,
    }


def entity_spans(doc: Doc) -> List[Key]:
    """RETURNS (List[Key]): The entities of a document as (start, end, label), in tokens."""
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def accepted_spans(doc: Doc) -> List[Key]:
    """RETURNS (List[Key]): The accepted candidates of a document as (start, end, label)."""
    return [c.key for c in get_candidates(doc) if c.decision == "accepted"]


def _require_pairs(gold: Sequence[Doc], predicted: Sequence[Doc]) -> None:
    if len(gold) != len(predicted):
        lengths = {"n_gold": len(gold), "n_predicted": len(predicted)}
        raise LLMJudgeError(Errors.J702.format(**lengths))
    for n, (g, p) in enumerate(zip(gold, predicted), start=1):
        if len(g) != len(p) or any(a.text != b.text for a, b in zip(g, p)):
            raise LLMJudgeError(Errors.J703.format(n=n, text=repr(g.text[:60])))
    if gold and not any(doc.has_annotation("ENT_IOB") for doc in gold):
        raise LLMJudgeError(Errors.J700.format(n=len(gold)))


def _comparable_keys(gold: Doc, predicted: Doc) -> Tuple[Set[Key], Set[Key]]:
    """The entities of both sides, without predictions on tokens whose gold is missing."""
    if not gold.has_annotation("ENT_IOB"):
        return set(), set()
    keys = {
        (start, end, label)
        for start, end, label in entity_spans(predicted)
        if all(token.ent_iob != 0 for token in gold[start:end])
    }
    return set(entity_spans(gold)), keys


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


def _in_characters(doc: Doc, keys: Iterable[Key]) -> Set[Key]:
    return {(doc[s].idx, doc[e - 1].idx + len(doc[e - 1]), label) for s, e, label in keys}


def _quality(right: Sequence[bool], n_gold: int) -> Dict[str, Any]:
    n, correct = len(right), sum(right)
    return {
        "spans": n,
        "correct": correct,
        "gold_spans": n_gold,
        "precision": correct / n if n else None,
        "recall": correct / n_gold if n_gold else None,
        "f": 2 * correct / (n + n_gold) if n + n_gold else None,
        "wrong_share": (n - correct) / n if n else None,
    }
