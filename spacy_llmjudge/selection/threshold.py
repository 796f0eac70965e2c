"""Classic self-training: one cut on the student's own confidence."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .selector import Scores, Selection, Selector, check_share
from .statements import state_hand_set
from .table import CandidateTable


@dataclass(frozen=True)
class Threshold(Selector):
    """See `make_threshold`."""

    cut: float = 0.9

    name: ClassVar[str] = "llmjudge.Threshold.v1"
    uses_judge: ClassVar[bool] = False
    uses_proposals: ClassVar[bool] = False

    def score(self, pool: CandidateTable, evidence: CandidateTable, n_folds: int = 5) -> Scores:
        return Scores(
            np.nan_to_num(pool.student, nan=0.0), np.nan_to_num(evidence.student, nan=0.0)
        )

    def score_unjudged(self, hidden: CandidateTable, evidence: CandidateTable) -> np.ndarray:
        return np.nan_to_num(hidden.student, nan=0.0)

    def select(self, pool: CandidateTable, evidence: CandidateTable) -> Selection:
        return state_hand_set(pool, evidence, pool.probability >= self.cut, self.cut)


def make_threshold(cut: float = 0.9) -> Selector:
    """Classic self-training: one cut on the student's own confidence. It asks no judge.

    cut (float): The least confidence.
    RETURNS (Selector): Promises nothing.
    """
    check_share("cut", cut)
    return Threshold(cut)
