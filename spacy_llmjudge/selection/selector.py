"""What a selector is: from scored candidates, in the pool and held out, to those that are accepted.

A selector is an object with three methods, called in this order: `evidence` may look at the documents
and fill columns of both tables, `score` gives each candidate the probability that it is ranked by (for
the held-out ones out of fold), and `select` decides, on two tables in which nothing competes.
"""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Dict, Iterable, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc

from ..candidates import Q as Q
from ..errors import Errors, LLMJudgeError
from .fusion import Fused, cross_fit, fuse
from .promise import LabelCounts, Promise
from .table import CandidateTable

# A candidate that is less likely than this teaches nothing, whatever q has room for.
FLOOR = 0.3


@dataclass(frozen=True)
class Selection:
    """What a selector accepts, and what it promises about that.

    accepted (np.ndarray): (m,) True where a pool candidate is accepted.
    cut (Optional[float]): The score from which on they are, where there is one for all.
    statement (str): One sentence for people.
    promise (Promise): The same for programs.
    documents (Optional[np.ndarray]): (n_documents,) False for those that must not be trained on.
    labels (Dict[str, LabelCounts]): What was held out, by label.
    """

    accepted: np.ndarray
    cut: Optional[float]
    statement: str
    promise: Promise = field(default_factory=Promise)
    documents: Optional[np.ndarray] = None
    labels: Dict[str, LabelCounts] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """What a selector ranks by.

    pool (np.ndarray): (m,) probabilities.
    evidence (np.ndarray): (n,) the same, none of them from anything that has seen the truth of its
        document.
    report (Optional[Dict[str, Any]]): What was learned from the verdicts, for the report.
    fused (Optional[Fused]): The fusion behind them, where it is the plain one.
    """

    pool: np.ndarray
    evidence: np.ndarray
    report: Optional[Dict[str, Any]] = None
    fused: Optional[Fused] = None


class Selector:
    """Ranks by the fused probability of student and judge; a subclass says what is accepted.

    Subclasses are dataclasses, and their fields are the settings that the report names.

    name (str): The registered name.
    uses_judge (bool): False: verdicts and proposals are hidden from it.
    uses_proposals (bool): False: only the student's own candidates are shown to it.
    floor (float): Candidates with a lower probability are never accepted. It is fixed beforehand and
        cuts pool and evidence alike, so that what is promised holds for what lies over it.
    """

    name: ClassVar[str] = ""
    uses_judge: ClassVar[bool] = True
    uses_proposals: ClassVar[bool] = True
    floor: float = 0.0

    @property
    def settings(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): For the report, as JSON."""
        hidden = self.hidden_settings
        # only dataclasses are made
        named = [one.name for one in fields(self)]  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in named if name not in hidden}

    @property
    def hidden_settings(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): Settings that are no JSON."""
        return ()

    def evidence(
        self,
        pool_docs: Iterable[Doc],
        pool: CandidateTable,
        evidence_docs: Sequence[Doc],
        evidence: CandidateTable,
    ) -> Tuple[CandidateTable, CandidateTable]:
        """Look at the documents. RETURNS (Tuple[CandidateTable, CandidateTable]): Pool and evidence."""
        return pool, evidence

    def score(self, pool: CandidateTable, evidence: CandidateTable, n_folds: int = 5) -> Scores:
        """Give candidates the probability that they are ranked by.

        pool (CandidateTable): m candidates.
        evidence (CandidateTable): n candidates with `correct`.
        n_folds (int): Folds of documents.
        RETURNS (Scores): The probabilities.
        """
        fused = fuse(pool, evidence, n_folds)
        return Scores(fused.pool, fused.evidence, fused=fused)

    def score_unjudged(self, hidden: CandidateTable, evidence: CandidateTable) -> np.ndarray:
        """RETURNS (np.ndarray): (n,) the same for held-out candidates that no judge has answered for."""
        return cross_fit(hidden)[0]

    def select(self, pool: CandidateTable, evidence: CandidateTable) -> Selection:
        """Decide.

        pool (CandidateTable): m candidates with `probability`.
        evidence (CandidateTable): n candidates with `probability` and `correct`.
        RETURNS (Selection): What is accepted, and what is promised about it.
        """
        raise NotImplementedError

    def __call__(self, pool: CandidateTable, evidence: CandidateTable) -> Selection:
        return self.select(pool, evidence)


def check_share(name: str, value: float) -> None:
    """RAISES (LLMJudgeError): J403 where a setting is not over 0 and under 1."""
    if not 0 < value < 1:
        raise LLMJudgeError(Errors.J403.format(name=name, value=value))
