"""Selectors that learn from the judge's verdicts what a right candidate looks like.

A denoiser takes the verdicts for noisy labels of features that hold nothing of the verdict, and gives
every candidate a second probability. It goes into

    p = sigmoid(b + w_fused logit(fused) + w_learned logit(learned))

beside the fused probability of student and judge, fitted on held-out candidates with a Gaussian prior
around (0, 1, 0), so that a denoiser has to earn its weight, and with weights that are never negative.
What is accepted is then up to conformal selection, with its promise.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Iterable, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc

from ..denoise.arrays import Denoised
from ..denoise.methods import Refined, refine_labels
from ..errors import Errors, LLMJudgeError, Warnings
from .conformal import select_conformal
from .features import CandidateFeatures, Vectors
from .learned import Bits, estimate_verdicts, score_denoised
from .learned_documents import Choice
from .selector import FLOOR, Q, Scores, Selection, Selector, check_share
from .table import CandidateTable

# A denoiser is asked about items of other folds only, so it needs few folds of its own.
INNER_FOLDS = 2


@dataclass(frozen=True)
class DenoisedSelector(Selector):
    """Conformal selection on what a denoiser makes of the verdicts.

    method (str): The denoiser of documents, see `denoise.methods`.
    reads_gold (bool): False: it is fitted once, and on everything.
    """

    q: float = Q
    floor: float = FLOOR
    vectors: Optional[Vectors] = None
    seed: int = 0

    method: ClassVar[str] = ""
    reads_gold: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_share("q", self.q)
        check_share("floor", self.floor)

    @cached_property
    def describe(self) -> CandidateFeatures:
        """What candidates look like, computed once for all that this selector does."""
        return CandidateFeatures(self.vectors)

    @property
    def hidden_settings(self) -> Tuple[str, ...]:
        return ("vectors",)

    def denoise(self, x: np.ndarray, verdicts: Bits, gold: Bits, groups: List[str]) -> Denoised:
        """RETURNS (Denoised): From features, verdicts, gold and documents, with two classes."""
        raise NotImplementedError

    def check(self, evidence: CandidateTable) -> None:
        """RAISES (LLMJudgeError): Where the evidence does not carry the denoiser."""

    def evidence(
        self,
        pool_docs: Iterable[Doc],
        pool: CandidateTable,
        evidence_docs: Sequence[Doc],
        evidence: CandidateTable,
    ) -> Tuple[CandidateTable, CandidateTable]:
        return self.describe(pool_docs, pool, evidence_docs, evidence)

    def score(self, pool: CandidateTable, evidence: CandidateTable, n_folds: int = 5) -> Scores:
        def refine(
            features: np.ndarray,
            noisy: Sequence[Choice],
            gold: Sequence[Choice],
            groups: Sequence[str],
        ) -> Refined:
            return refine_labels(
                self.method,
                features,
                noisy,
                gold,
                labels=pool.labels,
                exclusive=pool.exclusive,
                groups=groups,
                allow_missing=True,
                seed=self.seed,
            )

        return score_denoised(
            self.name, self.denoise, pool, evidence, n_folds, self.reads_gold, self.check, refine
        )

    def select(self, pool: CandidateTable, evidence: CandidateTable) -> Selection:
        return select_conformal(pool, evidence, self.q, self.floor)


@dataclass(frozen=True)
class UU(DenoisedSelector):
    """See `make_uu`."""

    rounds: int = 1
    min_gap: float = 0.1

    name: ClassVar[str] = "llmjudge.UU.v1"
    method: ClassVar[str] = "uu"

    def denoise(self, x: np.ndarray, verdicts: Bits, gold: Bits, groups: List[str]) -> Denoised:
        from ..denoise.uu import refine_uu

        return refine_uu(
            x,
            verdicts,
            gold,
            rounds=self.rounds,
            min_gap=self.min_gap,
            level=0.0,
            groups=groups,
            n_folds=INNER_FOLDS,
            seed=self.seed,
        )

    def check(self, evidence: CandidateTable) -> None:
        stats = estimate_verdicts(evidence)
        gap, pos, neg = stats.gap, stats.theta_pos.value, stats.theta_neg.value
        least = self.min_gap
        if gap.value < least:
            raise LLMJudgeError(Errors.J511.format(pos=pos, neg=neg, gap=least, n=int(gap.n)))
        if gap.low < least:
            found = {"gap": gap.value, "low": gap.low, "n": int(gap.n), "least": least}
            raise LLMJudgeError(Warnings.JW500.format(label="the verdicts", **found))


@dataclass(frozen=True)
class SiDyP(DenoisedSelector):
    """See `make_sidyp`."""

    noise_rate: Optional[float] = None
    branches: int = 3
    epochs: int = 10
    neighbours: int = 10

    name: ClassVar[str] = "llmjudge.SiDyP.v1"
    method: ClassVar[str] = "sidyp"
    reads_gold: ClassVar[bool] = False

    def __post_init__(self) -> None:
        from ..denoise.arrays import check_counts
        from ..denoise.sidyp import check_rate

        super().__post_init__()
        # here, not where it learns: it would take the blame for verdicts that carry nothing
        check_counts(branches=self.branches, epochs=self.epochs, neighbours=self.neighbours)
        check_rate(self.noise_rate, 2)

    def denoise(self, x: np.ndarray, verdicts: Bits, gold: Bits, groups: List[str]) -> Denoised:
        from ..denoise.sidyp import refine_sidyp

        return refine_sidyp(
            x,
            verdicts,
            noise_rate=self.noise_rate,
            branches=self.branches,
            epochs=self.epochs,
            neighbours=self.neighbours,
            groups=groups,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Stacking(DenoisedSelector):
    """See `make_stacking`."""

    regularisation: Optional[float] = None
    trust: float = 2.0

    name: ClassVar[str] = "llmjudge.Stacking.v1"
    method: ClassVar[str] = "stacking"

    def denoise(self, x: np.ndarray, verdicts: Bits, gold: Bits, groups: List[str]) -> Denoised:
        from ..denoise.stacking import stack

        return stack(
            x,
            verdicts,
            gold,
            regularisation=self.regularisation,
            trust=self.trust,
            groups=groups,
            n_folds=INNER_FOLDS,
            seed=self.seed,
        )


def make_uu(
    q: float = Q,
    floor: float = FLOOR,
    rounds: int = 1,
    min_gap: float = 0.1,
    vectors: Optional[Vectors] = None,
    seed: int = 0,
) -> Selector:
    """Robust UU refinement of the verdicts (see `refine_uu`), then conformal selection.

    q (float): The expected share of wrong among the accepted.
    floor (float): Candidates with a lower probability are never accepted.
    rounds (int): How often the denoiser relabels.
    min_gap (float): The least theta+ - theta-, the difference of the judge's two pools. The lower end of
        its 90 % interval on all of the evidence must reach it, and its value in each fit.
    vectors (Optional[Callable]): See `CandidateFeatures`.
    seed (int): For folds, weights and batches.
    RETURNS (Selector): Promises what `llmjudge.Conformal.v1` does.
    """
    return UU(q, floor, vectors, seed, rounds, min_gap)


def make_sidyp(
    q: float = Q,
    floor: float = FLOOR,
    noise_rate: Optional[float] = None,
    branches: int = 3,
    epochs: int = 10,
    neighbours: int = 10,
    vectors: Optional[Vectors] = None,
    seed: int = 0,
) -> Selector:
    """SiDyP on the verdicts (see `refine_sidyp`), then conformal selection.

    It reads no gold, so it is fitted once, on the pool and the held-out candidates alike, and each
    candidate is relabelled from its own verdict and path.

    q (float): The expected share of wrong among the accepted.
    floor (float): Candidates with a lower probability are never accepted.
    noise_rate (Optional[float]): The share of wrong verdicts; None: the share that a cross-fitted
        classifier contradicts.
    branches (int): How many classifiers and denoisers.
    epochs (int): Of the classifiers.
    neighbours (int): How many vote on the label of a doubtful candidate.
    vectors (Optional[Callable]): See `CandidateFeatures`.
    seed (int): For weights, batches and noise.
    RETURNS (Selector): Promises what `llmjudge.Conformal.v1` does.
    """
    return SiDyP(q, floor, vectors, seed, noise_rate, branches, epochs, neighbours)


def make_stacking(
    q: float = Q,
    floor: float = FLOOR,
    regularisation: Optional[float] = None,
    trust: float = 2.0,
    vectors: Optional[Vectors] = None,
    seed: int = 0,
) -> Selector:
    """A classifier of the gold that sees what a model of the verdicts thinks (see `stack`), then
    conformal selection.

    q (float): The expected share of wrong among the accepted.
    floor (float): Candidates with a lower probability are never accepted.
    regularisation (Optional[float]): The inverse strength of the penalty on the gold. None: chosen on
        the gold by cross-validation.
    trust (float): How large the model of the verdicts stands beside features of length 1.
    vectors (Optional[Callable]): See `CandidateFeatures`.
    seed (int): For the folds.
    RETURNS (Selector): Promises what `llmjudge.Conformal.v1` does.
    """
    return Stacking(q, floor, vectors, seed, regularisation, trust)
