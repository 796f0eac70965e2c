"""The candidate group: the only module that knows its layout.

Candidates are a SpanGroup, `doc.spans["llmjudge"]`, whose `attrs` hold lists that are parallel to
the spans (the convention of `spancat`), so they survive DocBin, `to_bytes` and `to_disk`. Values in
`Span._` would collide for two labels on the same offsets (spaCy#9706).
"""

from collections import Counter
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

from .errors import Errors, LLMJudgeError

KEY = "llmjudge"
# spans with at least this posterior are candidates
CANDIDATE_CUT = 0.02
# the share of wrong candidates among the accepted ones: a student needs recall as much as precision
Q = 0.25
# the span group of silver documents that `ner` reads as its `incorrect_spans_key`
INCORRECT_KEY = "incorrect_spans"
# the file beside the silver: the pool, with the decision on each candidate
DECIDED = "decided.spacy"
FIELDS = (
    "posterior",
    "confidence",
    "verdict",
    "support",
    "probability",
    "decision",
    "source",
    "reason",
    "likelihood",
    "opinions",
)
# Written only where one of a document has it.
_RARE = ("likelihood", "opinions")
VERDICTS = ("correct", "wrong_label", "wrong_boundary", "not_entity", "abstained")
DECISIONS = ("accepted", "rejected", "undecided")
# the rate of a verdict that came without a number, where nothing was held out
RATE_AGREED, RATE_REFUSED = 0.85, 0.05
# counted as the state of a document that the judge was not to be asked about
NOT_ASKED = "not_asked"


class Stated(NamedTuple):
    """How sure a judge was of what its replies about a document name.

    supports (List[float]): One for each, 0 to 1.
    n_verdicts (int): Candidates that get a verdict from these replies, at most.
    """

    supports: List[float]
    n_verdicts: int


class Candidate(NamedTuple):
    """One (start, end, label) of a document that might be an entity. What is not known is None.

    start (int): The first token.
    end (int): The token after the last one.
    label (str): The label.
    posterior (Optional[float]): The student's own probability, 0 to 1.
    confidence (Optional[float]): The posterior after calibration on held-out gold.
    verdict (Optional[str]): One of VERDICTS, or None where no judge was asked.
    support (Optional[float]): The judge's probability that the candidate is correct.
    probability (Optional[float]): Confidence, support and likelihood, fused.
    decision (Optional[str]): One of DECISIONS.
    source (Optional[str]): Who proposed it: "student" or "judge".
    reason (Optional[str]): Why the judge abstained.
    likelihood (Optional[float]): How likely the judge's model found the words and the label that it wrote,
        0 to 1, from log-probabilities.
    opinions (Optional[Dict[str, List[Any]]]): Where a panel judged: verdict and support by the name of each model
        that counts.
    """

    start: int
    end: int
    label: str
    posterior: Optional[float] = None
    confidence: Optional[float] = None
    verdict: Optional[str] = None
    support: Optional[float] = None
    probability: Optional[float] = None
    decision: Optional[str] = None
    source: Optional[str] = None
    reason: Optional[str] = None
    likelihood: Optional[float] = None
    opinions: Optional[Dict[str, List[Any]]] = None

    @property
    def key(self) -> Tuple[int, int, str]:
        return (self.start, self.end, self.label)

    @property
    def student_probability(self) -> Optional[float]:
        """The confidence; the posterior where nothing was calibrated."""
        return self.posterior if self.confidence is None else self.confidence

    def replace(self, **changes: Any) -> "Candidate":
        return self._replace(**changes)

    def unjudged(self) -> "Candidate":
        """RETURNS (Candidate): What is known of it without any judge."""
        return self._replace(
            verdict=None, support=None, likelihood=None, reason=None, opinions=None
        )


def get_candidates(doc: Doc, key: str = KEY) -> List[Candidate]:
    """Read the candidates of a document, ordered by start, end and label.

    doc (Doc): The document.
    key (str): The key of the span group.
    RETURNS (List[Candidate]): Empty where the document has no group.
    """
    if key not in doc.spans:
        return []
    group = doc.spans[key]
    columns = {name: group.attrs.get(name) or [None] * len(group) for name in FIELDS}
    lengths = {name: len(values) for name, values in columns.items()}
    if any(length != len(group) for length in lengths.values()):
        raise LLMJudgeError(Errors.J005.format(lengths=lengths, key=key))
    rows = zip(*columns.values())
    return [Candidate(span.start, span.end, span.label_, *row) for span, row in zip(group, rows)]


def set_candidates(doc: Doc, candidates: Iterable[Candidate], key: str = KEY) -> None:
    """Write the candidates of a document; what else the group's attrs hold stays.

    doc (Doc): The document.
    candidates (Iterable[Candidate]): At most one for each (start, end, label).
    key (str): The key of the span group.
    """
    ordered = sorted(candidates, key=lambda candidate: candidate.key)
    attrs = dict(doc.spans[key].attrs) if key in doc.spans else {}
    columns = list(zip(*ordered)) or [()] * len(Candidate._fields)
    attrs.update((name, list(column)) for name, column in zip(FIELDS, columns[-len(FIELDS) :]))
    for name in _RARE:
        if all(value is None for value in attrs[name]):
            del attrs[name]
    spans = [Span(doc, c.start, c.end, label=c.label) for c in ordered]
    doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs=attrs)


def set_decisions(
    doc: Doc,
    decided: Dict[Tuple[int, int, str], Tuple[float, str]],
    key: str = KEY,
) -> None:
    """Write what was decided on the candidates of a document; the others have no decision any more.

    doc (Doc): The document.
    decided (Dict[Tuple[int, int, str], Tuple[float, str]]): Probability and decision by start, end and label.
    key (str): The key of the span group.
    """
    group = doc.spans.get(key)
    columns = [name for name in FIELDS if name not in _RARE]
    if group is None or any(len(group.attrs.get(name, ())) != len(group) for name in columns):
        set_candidates(doc, get_candidates(doc, key), key)
        group = doc.spans[key]
    none = (None, None)
    said = [decided.get((span.start, span.end, span.label_), none) for span in group]
    group.attrs["probability"] = [p for p, _ in said]
    group.attrs["decision"] = [decision for _, decision in said]


def get_outside(doc: Doc, key: str = KEY) -> Optional[List[float]]:
    """The student's probability of every token to be outside of all entities, or None."""
    return doc.spans[key].attrs.get("outside") if key in doc.spans else None


def set_outside(doc: Doc, outside: Sequence[float], key: str = KEY) -> None:
    """Keep the probability of every token to be outside of all entities beside the candidates."""
    if key not in doc.spans:
        set_candidates(doc, [], key)
    doc.spans[key].attrs["outside"] = [float(p) for p in outside]


def get_status(doc: Doc, key: str = KEY) -> Dict[str, Any]:
    """What became of the judge's question on this document.

    RETURNS (Dict[str, Any]): `state` is "judged", "abstained", "not_sent" or None (nobody asked);
        `reason` says why it abstained or was not sent. A judged document without entities is not
        the same as one that was never judged.
    """
    empty = {"state": None, "reason": None}
    return doc.spans[key].attrs.get("status", empty) if key in doc.spans else empty


def set_status(doc: Doc, state: str, reason: Optional[str] = None, key: str = KEY) -> None:
    """Keep what became of the judge's question on this document beside the candidates."""
    if key not in doc.spans:
        set_candidates(doc, [], key)
    doc.spans[key].attrs["status"] = {"state": state, "reason": reason}


def get_stated(doc: Doc, key: str = KEY) -> Optional[Stated]:
    """How sure the judge was of what it named; None where it did not say so of everything."""
    found = doc.spans[key].attrs.get("stated") if key in doc.spans else None
    return None if found is None else Stated(found["supports"], found["n_verdicts"])


def set_stated(doc: Doc, stated: Optional[Stated], key: str = KEY) -> None:
    """Keep how sure the judge was beside the candidates."""
    if key not in doc.spans:
        set_candidates(doc, [], key)
    doc.spans[key].attrs.pop("stated", None)
    if stated is not None:
        doc.spans[key].attrs["stated"] = stated._asdict()


def is_judged(doc: Doc, key: str = KEY) -> bool:
    """RETURNS (bool): Whether the judge has read this document and answered."""
    return get_status(doc, key)["state"] == "judged"


def count_statuses(docs: Iterable[Doc], key: str = KEY) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): How many documents have a status, such as "judged" or "not_sent: budget";
    NOT_ASKED where nobody asked."""
    states: Counter = Counter()
    for doc in docs:
        status = get_status(doc, key)
        state = status["state"] or NOT_ASKED
        states[f"{state}: {status['reason']}" if status["reason"] else state] += 1
    return dict(sorted(states.items()))


def copy_tokens(doc: Doc, vocab: Optional[Vocab] = None) -> Doc:
    """Copy words and spaces: a document without anything that anybody thinks of it.

    doc (Doc): The document.
    vocab (Optional[Vocab]): The vocabulary of the copy; None takes that of the document.
    RETURNS (Doc): A new document.
    """
    words = [token.text for token in doc]
    spaces = [bool(token.whitespace_) for token in doc]
    return Doc(doc.vocab if vocab is None else vocab, words=words, spaces=spaces)


def _span_getter(span: Span) -> List[Dict[str, Any]]:
    found = get_candidates(span.doc)
    return [c._asdict() for c in found if c.start == span.start and c.end == span.end]


def _doc_getter(doc: Doc) -> Dict[str, Any]:
    return {
        "status": get_status(doc),
        "candidates": [c._asdict() for c in get_candidates(doc)],
    }


def register_extensions() -> None:
    """Register the read-only getters `span._.llmjudge` and `doc._.llmjudge`, if nobody has."""
    if not Span.has_extension(KEY):
        Span.set_extension(KEY, getter=_span_getter)
    if not Doc.has_extension(KEY):
        Doc.set_extension(KEY, getter=_doc_getter)
