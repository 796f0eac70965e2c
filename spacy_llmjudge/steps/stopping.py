"""When a loop ends, and which of its students is the best.

The held-out gold is split in two by the text of each document: one part is the evidence of calibration
and selection, the other says whether the students get better. Were it the same, the choice of a round
would be a choice by the evidence, and what the selection promises would be too good.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from spacy.vocab import Vocab

from ..errors import Errors, LLMJudgeError
from ..numeric import fold_of, hash_text
from ..storage import read_docs, write_docs
from ..streams import Documents
from ..targets.base import find_target

_PARTS = 1000


@dataclass(frozen=True)
class StopRules:
    """The rules. The judge's budget ends a loop as well.

    max_rounds (int): At most so many rounds.
    stable (float): The share of accepted spans in common with the round before, of all that either of
        the two accepted (Jaccard's index), from which on the selection has settled; 0 to 1.
    patience (int): Rounds in a row that may fail to beat the best score so far, before the loop ends.
    min_gain (float): What counts as beating it: F1 higher by more than this, 0 to 1.
    """

    max_rounds: int = 3
    stable: float = 0.98
    patience: int = 1
    min_gain: float = 0.0

    def check(self) -> None:
        """RAISES (LLMJudgeError): J823 for a rule that cannot be kept."""
        for name, is_fine, expected in (
            ("max_rounds", self.max_rounds >= 1, "1 or more"),
            ("stable", 0 < self.stable <= 1, "a number over 0, at most 1"),
            ("patience", self.patience >= 1, "1 or more"),
            ("min_gain", 0 <= self.min_gain < 1, "a number from 0 to 1"),
        ):
            if not is_fine:
                found = getattr(self, name)
                raise LLMJudgeError(Errors.J823.format(name=name, found=found, expected=expected))


@dataclass(frozen=True)
class Outcome:
    """What a round came to, as far as it matters for going on.

    score (Optional[float]): F1 of its student on the stopping part, where there is one; 0 to 1.
    overlap (Optional[float]): Share of accepted spans in common with the round before; None in the first.
    budget (bool): Whether the judge's budget ended before its questions did.
    """

    score: Optional[float]
    overlap: Optional[float] = None
    budget: bool = False


def why_stop(outcomes: Sequence[Outcome], rules: StopRules) -> Optional[Dict[str, str]]:
    """Say whether a loop is over after its last round, and why.

    outcomes (Sequence[Outcome]): The seed student, then every round so far.
    rules (StopRules): The rules.
    RETURNS (Optional[Dict[str, str]]): `reason` ("budget", "stable", "score" or "max_rounds") and `text`;
        None where it continues.

    EXAMPLE:
        >>> why_stop([Outcome(0.4), Outcome(0.6)], StopRules()) is None
        True
        >>> why_stop([Outcome(0.4), Outcome(0.6), Outcome(0.6, 0.9)], StopRules())["reason"]
        'score'
    """
    last, number = outcomes[-1], len(outcomes) - 1
    if last.budget:
        text = (
            "The budget of the judge is spent; all replies are kept. To ask about the rest, raise max_cost in its "
            "config and run the same command again."
        )
        return {"reason": "budget", "text": text}
    if last.overlap is not None and last.overlap >= rules.stable:
        text = f"The selection is stable: {last.overlap:.1%} of the accepted spans are those of the round before."
        return {"reason": "stable", "text": text}
    scores = [outcome.score for outcome in outcomes]
    if last.score is not None and _rounds_without_gain(scores, rules.min_gain) >= rules.patience:
        best = max(score for score in scores[:-1] if score is not None)
        text = (
            f"F1 on the stopping part has stopped rising: {last.score:.3f} after this round, "
            f"{best:.3f} at best before."
        )
        return {"reason": "score", "text": text}
    if number >= rules.max_rounds:
        return {"reason": "max_rounds", "text": f"This was the last of {number} round(s)."}
    return None


def best_round(outcomes: Sequence[Outcome]) -> int:
    """The round with the highest score, the earliest of equals; without scores the last one.

    outcomes (Sequence[Outcome]): The seed student (round 0), then every round.
    RETURNS (int): Its number.
    """
    if outcomes[-1].score is None:
        return len(outcomes) - 1
    return max(range(len(outcomes)), key=lambda i: (outcomes[i].score, -i))


def split_dev(dev: Path, folder: Path, share: float) -> Tuple[Path, Optional[Path]]:
    """Split held-out gold into evidence and stopping part, by the text of each document.

    dev (Path): A `.spacy` file.
    folder (Path): Gets `evidence.spacy` and `stopping.spacy`.
    share (float): Of the stopping part, about; 0: there is none, and everything is evidence.
    RETURNS (Tuple[Path, Optional[Path]]): Evidence and stopping part.
    RAISES (LLMJudgeError): J821 where one of them would be empty.
    """
    if not 0 <= share < 1:
        expected = "a number from 0 to under 1"
        raise LLMJudgeError(Errors.J823.format(name="stop_share", found=share, expected=expected))
    if not share:
        return dev, None
    parts: Dict[str, List[Any]] = {"evidence": [], "stopping": []}
    for doc in read_docs(dev, Vocab()):
        # not the hash by which calibration deals out its folds: one of them would be empty
        is_stopping = fold_of(f"stopping: {doc.text}", _PARTS) < share * _PARTS
        parts["stopping" if is_stopping else "evidence"].append(doc)
    for name, docs in parts.items():
        if not docs:
            raise LLMJudgeError(Errors.J821.format(path=dev, part=f"the {name} part"))
    for name, docs in parts.items():
        write_docs(folder / f"{name}.spacy", docs)
    return folder / "evidence.spacy", folder / "stopping.spacy"


def accepted_in(silver: Path) -> np.ndarray:
    """RETURNS (np.ndarray): (n,) hashes of what silver documents say: text, start, end (tokens) and label."""
    target = find_target(silver)
    said = (f"{doc.text}\0{key}" for doc in Documents(silver) for key in target.keys(doc))
    return np.unique(np.fromiter(map(hash_text, said), dtype="uint64"))


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Compare what was accepted.

    first (np.ndarray): (n,) hashes, each once.
    second (np.ndarray): (m,) hashes, each once.
    RETURNS (float): The share of what is in both, of what is in either; 1 where both are empty.
    """
    both = len(np.intersect1d(first, second, assume_unique=True))
    either = len(first) + len(second) - both
    return both / either if either else 1.0


def _rounds_without_gain(scores: Sequence[Optional[float]], min_gain: float) -> int:
    """How many rounds at the end did not beat the best before them."""
    known = [score for score in scores if score is not None]
    best, count = known[0], 0
    for score in known[1:]:
        count = 0 if score > best + min_gain else count + 1
        best = max(best, score)
    return count
