"""Candidates of many documents as columns, in an order that the order of the documents cannot change."""

from array import array
from dataclasses import dataclass, replace
from hashlib import sha256
from math import nan
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc

from ..candidates import KEY, VERDICTS, Candidate, get_candidates
from ..errors import Errors, LLMJudgeError
from ..numeric import fold_of
from ..storage import sha256_json
from ..streams import texts_of_all
from ..targets.base import Columns, Target
from ..targets.ents import Ents

ABSTAINED = VERDICTS.index("abstained")
CORRECT = VERDICTS.index("correct")
UNJUDGED = -1


@dataclass(frozen=True)
class CandidateTable:
    """Columns of n candidates, ordered by the text of their document, start, end and label.

    texts (Sequence[str]): The documents.
    labels (Tuple[str, ...]): The names behind the label column, sorted.
    document (np.ndarray): (n,) index into `texts`.
    start (np.ndarray): (n,) first token.
    end (np.ndarray): (n,) the token after the last one.
    label (np.ndarray): (n,) index into `labels`.
    posterior (np.ndarray): (n,) the student's own probability, nan where it has none.
    confidence (np.ndarray): (n,) the posterior after calibration, nan where it has none.
    verdict (np.ndarray): (n,) index into VERDICTS, -1 where no judge was asked.
    support (np.ndarray): (n,) the judge's probability, nan where it named none.
    proposed (np.ndarray): (n,) True where the judge proposed it, False for the student's own.
    predicted (np.ndarray): (n,) True where the document said so as it came.
    correct (Optional[np.ndarray]): (n,) True where gold has exactly this span with this label.
    probability (Optional[np.ndarray]): (n,) confidence and support, fused.
    caveat (str): Why these documents, as evidence, carry no promise about the pool; empty where they do.
    features (Optional[np.ndarray]): (n, d) what the candidates look like, float32, for selectors that
        learn from it.
    unit (str): What a candidate is called in sentences: "spans", or "labels" of documents.
    exclusive (bool): Of the labels of a document exactly one is right.
    likelihood (Optional[np.ndarray]): (n,) how likely the judge's model found what it listed, nan where
        it did not say; None where it never did.
    models (Tuple[str, ...]): The names of the k models of a panel, sorted.
    opinions (Optional[np.ndarray]): (n, k, 2) the verdict of each of them, as `verdict` has it, and its support; None
        where no panel judged.
    alone (bool): Each candidate was drawn on its own, as for an audit, and not with its document.
    order (Optional[np.ndarray]): The documents, as indices into `texts`, in the order of the candidates.
    """

    texts: Sequence[str]
    labels: Tuple[str, ...]
    document: np.ndarray
    start: np.ndarray
    end: np.ndarray
    label: np.ndarray
    posterior: np.ndarray
    confidence: np.ndarray
    verdict: np.ndarray
    support: np.ndarray
    proposed: np.ndarray
    predicted: np.ndarray
    correct: Any = None
    probability: Any = None
    caveat: str = ""
    features: Any = None
    unit: str = "spans"
    exclusive: bool = False
    alone: bool = False
    likelihood: Any = None
    models: Tuple[str, ...] = ()
    opinions: Any = None
    order: Optional[np.ndarray] = None

    def __len__(self) -> int:
        return len(self.document)

    def take(self, rows: np.ndarray) -> "CandidateTable":
        """RETURNS (CandidateTable): Some of the rows, given as a mask or as indices."""
        names = (*_CODES, "probability", "features", "opinions")
        columns = {name: getattr(self, name) for name in names}
        taken: Dict[str, Any] = {k: None if v is None else v[rows] for k, v in columns.items()}
        return replace(self, **taken)

    def replace(self, **changes: Any) -> "CandidateTable":
        return replace(self, **changes)

    def relabel(self, labels: Sequence[str]) -> "CandidateTable":
        """RETURNS (CandidateTable): The same rows with their labels numbered by another list."""
        codes = np.array([labels.index(name) for name in self.labels], dtype="int64")
        label = codes[self.label] if len(self) else self.label
        return replace(self, labels=tuple(labels), label=label)

    def folds(self, n_folds: int) -> np.ndarray:
        """RETURNS (np.ndarray): (n,) the fold of every row's document, by its text."""
        folds = np.array([fold_of(text, n_folds) for text in self.texts], dtype="int64")
        return folds[self.document] if len(self) else np.zeros(0, dtype="int64")

    @property
    def student(self) -> np.ndarray:
        """(n,) the confidence, or the posterior where calibration is missing; nan for neither."""
        return np.where(np.isnan(self.confidence), self.posterior, self.confidence)

    @property
    def columns(self) -> Columns:
        """What competition is about."""
        assert self.probability is not None
        return Columns(self.document, self.start, self.end, self.label, self.probability)

    def hide_judge(self) -> "CandidateTable":
        """RETURNS (CandidateTable): What would be there had nobody asked the judge."""
        own = self.take(~self.proposed)
        empty = np.full(len(own), np.nan)
        none = np.full(len(own), UNJUDGED)
        return own.replace(verdict=none, support=empty, likelihood=None, models=(), opinions=None)

    def member(self, model: str) -> "CandidateTable":
        """RETURNS (CandidateTable): What would be there had one model of the panel judged alone."""
        said = self.opinions[:, self.models.index(model)]
        verdict = said[:, 0].astype("int64")
        return self.replace(verdict=verdict, support=said[:, 1], models=(), opinions=None)

    @property
    def answered(self) -> np.ndarray:
        """(n,) True in the documents for which the judge answered anything."""
        return np.isin(self.document, self.document[self.judged])

    @property
    def asked(self) -> np.ndarray:
        """(n,) True in the documents that the judge was asked about, whether it answered or not."""
        return np.isin(self.document, self.document[self.verdict != UNJUDGED])

    @property
    def judged(self) -> np.ndarray:
        """(n,) True where the judge was asked and answered."""
        return (self.verdict != UNJUDGED) & (self.verdict != ABSTAINED)


# each column with the code of its type in an `array`: 75 bytes a candidate
_CODES = {
    "document": "q",
    "start": "q",
    "end": "q",
    "label": "q",
    "posterior": "d",
    "confidence": "d",
    "verdict": "q",
    "support": "d",
    "likelihood": "d",
    "proposed": "b",
    "predicted": "b",
    "correct": "b",
}


def table_from_docs(
    docs: Iterable[Doc],
    gold: Optional[Sequence[Doc]] = None,
    *,
    target: Target = Ents(),
    visible: Callable[[Doc], Sequence[Candidate]] = get_candidates,
    caveat: str = "",
) -> CandidateTable:
    """Read the candidates of documents into columns.

    docs (Iterable[Doc]): Documents with candidates; they may be read more than once.
    gold (Optional[Sequence[Doc]]): The same documents with gold, in the same order. Candidates of
        which the gold does not say whether they are right are left out.
    target (Target): What is labelled.
    visible (Callable[[Doc], Sequence[Candidate]]): The candidates of a document, where they are not simply those
        that it holds.
    caveat (str): Why these documents, as evidence, carry no promise about the pool.
    RETURNS (CandidateTable): `document` counts as `docs` does.
    """
    if gold is not None:
        docs = list(docs)
        _check_gold(docs, gold, target)
    columns: Dict[str, Any] = {name: array(code) for name, code in _CODES.items()}
    codes: Dict[str, int] = {}
    opinions: Dict[str, Tuple[array, array]] = {}
    digests = []
    for i, doc in enumerate(docs):
        digests.append(sha256(doc.text.encode("utf8")).digest())
        found = visible(doc)
        if not found:
            continue
        said = set(target.keys(doc))
        known = set() if gold is None else set(target.keys(gold[i]))
        if gold is not None:
            found = [c for c in found if c.key in known or target.knows(gold[i], c.key)]
        for c in found:
            columns["label"].append(codes.setdefault(c.label, len(codes)))
        _add_opinions(opinions, found, len(columns["document"]))
        columns["document"].extend([i] * len(found))
        columns["start"].extend([c.start for c in found])
        columns["end"].extend([c.end for c in found])
        columns["posterior"].extend(_floats([c.posterior for c in found]))
        columns["confidence"].extend(_floats([c.confidence for c in found]))
        columns["verdict"].extend(_code(c.verdict) for c in found)
        supports = (None if c.verdict == "abstained" else c.support for c in found)
        columns["support"].extend(_floats(supports))
        likely = (None if c.verdict == "abstained" else c.likelihood for c in found)
        columns["likelihood"].extend(_floats(likely))
        columns["proposed"].extend([c.source == "judge" for c in found])
        columns["predicted"].extend([c.key in said for c in found])
        columns["correct"].extend([c.key in known for c in found])
    labels = tuple(sorted(codes))
    numbers = np.array([labels.index(label) for label in codes], dtype="int64")
    order = document_order(docs, digests, visible)
    rank = np.empty(len(order), dtype="int64")
    rank[order] = np.arange(len(order))
    rows = np.argsort(rank[np.frombuffer(columns["document"], dtype="q")], kind="stable")
    made: Dict[str, Any] = {}
    for name, code in _CODES.items():
        column = np.frombuffer(columns.pop(name), dtype=code)[rows]
        made[name] = column.astype(bool) if code == "b" else column
    made["label"] = numbers[made["label"]] if len(rows) else made["label"]
    if gold is None:
        made["correct"] = None
    if np.isnan(made["likelihood"]).all():
        made["likelihood"] = None
    models = tuple(sorted(opinions))
    by_model = [np.array(opinions[name]).T for name in models]
    return CandidateTable(
        texts=texts_of_all(docs),
        labels=labels,
        order=order,
        caveat=caveat,
        unit="labels" if target.name == "cats" else "spans",
        exclusive=bool(target.to_dict().get("exclusive")),
        models=models,
        opinions=np.stack(by_model, axis=1)[rows] if models else None,
        **made,
    )


def document_order(
    docs: Iterable[Doc],
    digests: Sequence[bytes],
    visible: Callable[[Doc], Sequence[Candidate]] = get_candidates,
) -> np.ndarray:
    """Order documents by what they are, not by where they came: by the hash of their text, then,
    for duplicates, by all that is known of them.

    docs (Iterable[Doc]): The documents; they are read again where some have the same text.
    digests (Sequence[bytes]): The hashes of their texts.
    visible (Callable[[Doc], Sequence[Candidate]]): Their candidates.
    RETURNS (np.ndarray): (n,) indices into `docs`.
    """
    parts = np.frombuffer(b"".join(digests), dtype=">u8").reshape(-1, 4)
    order = np.lexsort(parts.T[::-1])
    same = np.all(parts[order[1:]] == parts[order[:-1]], axis=1)
    if not same.any():
        return order
    repeated = {*order[1:][same].tolist(), *order[:-1][same].tolist()}
    known = {i: _identity(doc, visible) for i, doc in enumerate(docs) if i in repeated}
    return np.array(sorted(order.tolist(), key=lambda i: (digests[i], known.get(i, ""), i)))


def _identity(doc: Doc, visible: Callable[[Doc], Sequence[Candidate]]) -> str:
    tokens = [[t.text, t.ent_iob, t.ent_type_] for t in doc]
    attrs = dict(doc.spans[KEY].attrs) if KEY in doc.spans else {}
    return sha256_json([tokens, [c._asdict() for c in visible(doc)], attrs])


def _check_gold(docs: Sequence[Doc], gold: Sequence[Doc], target: Target) -> None:
    if len(docs) != len(gold):
        raise LLMJudgeError(Errors.J400.format(n_docs=len(docs), n_gold=len(gold)))
    for i, (doc, reference) in enumerate(zip(docs, gold)):
        if [t.text for t in doc] != [t.text for t in reference]:
            raise LLMJudgeError(
                Errors.J401.format(i=i, text=doc.text[:60], gold=reference.text[:60])
            )
        if len(reference) and not target.is_annotated(reference):
            found = {"i": i, "text": reference.text[:60], "units": target.units}
            raise LLMJudgeError(Errors.J402.format(**found))


def _add_opinions(
    opinions: Dict[str, Tuple[array, array]], found: Sequence[Candidate], n_before: int
) -> None:
    """Append what each model of a panel says of some candidates to its columns of verdict and support."""
    for name in {name for c in found for name in c.opinions or ()} - set(opinions):
        opinions[name] = (array("d", [UNJUDGED]) * n_before, array("d", [nan]) * n_before)
    for name, (verdicts, supports) in opinions.items():
        said = [(c.opinions or {}).get(name, (None, None)) for c in found]
        verdicts.extend(_code(verdict) for verdict, _ in said)
        supports.extend(_floats(support for _, support in said))


def _code(verdict: Optional[str]) -> int:
    return UNJUDGED if verdict is None else VERDICTS.index(verdict)


def _floats(values: Iterable[Optional[float]]) -> List[float]:
    return [nan if value is None else value for value in values]
