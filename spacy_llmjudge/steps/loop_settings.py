"""What a loop works on, and how many questions each of its rounds may ask."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Optional

from ..candidates import CANDIDATE_CUT
from ..cluster.connect import Place
from ..errors import Errors, LLMJudgeError
from ..streams import SHARD_SIZE
from .stopping import StopRules


@dataclass(frozen=True)
class LoopSettings:
    """What a loop works on.

    config (Path): The config that students are trained with.
    judge (Path): The config of the judge.
    filter (Path): The config of the selection.
    corpus (Path): The folder that `prepare` wrote; rounds go into it. Without `dev.spacy` the
        evidence is cross-fitted on the labelled set.
    training (Path): The folder of models, with the seed student in `round-0/model-best`.
    metrics (Path): The folder of manifests and scores.
    overrides (Dict[str, Dict[str, Any]]): For "student" (those that learn from the judge), "seed"
        (those that do not), "judge" and "filter": settings of the config by their dotted names.
    rules (StopRules): When to end.
    q (Optional[float]): The share of wrong that the silver may have; None: that of the config.
    budget_calls (int): Documents that the judge is asked about in all, the held-out ones included;
        0: all. Of the pool those are chosen that the student is least certain about, a share of
        them in each round.
    teacher_steps (int): Where a part of the pool is not asked about, a teacher is trained for so
        many steps on the judge's labels, and annotates the pool in place of the seed student; 0:
        there is no teacher.
    evidence_trains (bool): The last student learns from the gold of dev as well: its duty as
        evidence is done.
    n_folds (int): Folds of the cross-fitting; each costs a training.
    goes_on (int): From this round on, a student continues from that of the round before, instead of
        from the pretrained encoder: twice the steps for one price, once that student is good. 0
        never.
    stop_share (float): With more than one round, the share of dev that is kept apart from the
        evidence, to see whether students get better; 0 to under 1.
    audit (Optional[Path]): What a person answered about the pool of the last of all possible
        rounds: the evidence of its selection.
    calibrator (Optional[str]): A name in the registry `llmjudge_calibrators`; None takes the
        default.
    pipe_name (Optional[str]): The component of the seed student that predicts; None takes the one
        that fits the target.
    candidate_cut (float): The least posterior of a candidate.
    shard_size (int): Documents in a shard.
    gpu_id (int): The GPU, or -1 for the CPU.
    place (Optional[Place]): The cluster that annotates and judges; None: this process.
    """

    config: Path
    judge: Path
    filter: Path
    corpus: Path = Path("corpus")
    training: Path = Path("training")
    metrics: Path = Path("metrics")
    overrides: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    rules: StopRules = StopRules()
    q: Optional[float] = None
    budget_calls: int = 0
    teacher_steps: int = 400
    evidence_trains: bool = True
    n_folds: int = 5
    goes_on: int = 0
    stop_share: float = 0.3
    audit: Optional[Path] = None
    calibrator: Optional[str] = None
    pipe_name: Optional[str] = None
    candidate_cut: float = CANDIDATE_CUT
    shard_size: int = SHARD_SIZE
    gpu_id: int = -1
    place: Optional[Place] = None

    def of(self, name: str) -> Dict[str, Any]:
        return dict(self.overrides.get(name, {}))

    def model(self, number: int) -> Path:
        return self.training / f"round-{number}" / "model-best"

    @property
    def labelled(self) -> Path:
        return self.corpus / "labelled.spacy"

    @property
    def dev(self) -> Optional[Path]:
        """The held-out gold, where there is any."""
        path = self.corpus / "dev.spacy"
        return path if path.exists() else None


def pool_share(budget_calls: int, n_evidence: int, number: int, rounds: int) -> Optional[int]:
    """How many documents of the pool a round may ask about beside those of the rounds before.

    budget_calls (int): Documents that may be asked about in all; 0: there is no limit.
    n_evidence (int): Held-out documents, all of which are asked about first.
    number, rounds (int): The round, from 1, and how many there may be.
    RETURNS (Optional[int]): None where there is no limit.
    RAISES (LLMJudgeError): J428 where the budget does not reach beyond the evidence.

    EXAMPLE:
        >>> [pool_share(300, 100, number, 3) for number in (1, 2, 3)]
        [66, 67, 67]
    """
    if not budget_calls:
        return None
    calls = budget_calls - n_evidence
    if calls < rounds:
        found = {"budget": budget_calls, "n": n_evidence, "least": n_evidence + rounds}
        raise LLMJudgeError(Errors.J428.format(**found))
    return calls * number // rounds - calls * (number - 1) // rounds
