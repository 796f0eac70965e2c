"""Where a model and a judge disagree: candidates that only one of the two takes for right."""

from typing import Iterator, NamedTuple, Optional, TypedDict

from spacy.tokens import Doc

from ..candidates import Candidate, get_candidates
from ..targets.base import Target
from ..targets.ents import Ents

MODEL, JUDGE = "model", "judge"


class Row(TypedDict):
    """A disagreement as a row of a file, with offsets in characters."""

    text: str
    start: int
    end: int
    span: str
    label: str
    says: str
    posterior: Optional[float]
    confidence: Optional[float]
    verdict: Optional[str]
    support: Optional[float]


class Disagreement(NamedTuple):
    """A candidate that only one of the two takes for right.

    candidate (Candidate): What they disagree on.
    says (str): MODEL for what the model predicts and the judge rejects, JUDGE for what only the judge lists.
    """

    candidate: Candidate
    says: str

    @property
    def strength(self) -> float:
        """How far they are apart: 1 where both are certain of the opposite."""
        found = self.candidate
        model = found.student_probability
        if self.says == MODEL:
            return (0.5 if model is None else model) * (1 - (found.support or 0.0))
        return (0.5 if found.support is None else found.support) * (1 - (model or 0.0))

    def describe(self) -> str:
        """RETURNS (str): Who says what, in a sentence."""
        found = self.candidate
        sure = found.student_probability
        model = "" if sure is None else f" (confidence {sure:.2f})"
        judge = "" if found.support is None else f" (support {found.support:.2f})"
        if self.says == MODEL:
            verdict = (found.verdict or "").replace("_", " ")
            return f"The model marks it{model}; the judge says: {verdict}{judge}."
        return f"The judge marks it{judge}; the model does not{model}."

    def to_row(self, doc: Doc) -> Row:
        """RETURNS (Row): The disagreement as a row of a file."""
        found = self.candidate
        span = doc[found.start : found.end]
        return Row(
            text=doc.text,
            start=span.start_char,
            end=span.end_char,
            span=span.text,
            label=found.label,
            says=self.says,
            posterior=found.posterior,
            confidence=found.confidence,
            verdict=found.verdict,
            support=found.support,
        )


def find_disagreements(doc: Doc, target: Target = Ents()) -> Iterator[Disagreement]:
    """Find what only one of the two sees.

    doc (Doc): A document with a model's predictions and judged candidates. One that the judge did not answer for has
        no disagreements.
    target (Target): What is labelled.
    YIELDS (Disagreement): In the order of the text.
    """
    predicted = set(target.keys(doc))
    for candidate in get_candidates(doc):
        is_predicted = candidate.key in predicted
        if candidate.verdict in (None, "abstained"):
            continue
        if is_predicted != (candidate.verdict == "correct"):
            yield Disagreement(candidate, MODEL if is_predicted else JUDGE)
