"""What the numbers of a training config may be: some others would never end, or divide by zero."""

import math
from typing import Any, Mapping, NamedTuple

from ..errors import Errors, LLMJudgeError


class Limits(NamedTuple):
    """The least and the most that a number may be, and whether it is a whole one."""

    least: float
    most: float = math.inf
    whole: bool = True

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.most == math.inf:
            return f"{kind}, {self.least:g} or more"
        return f"{kind} from {self.least:g} to {self.most:g}"

    def holds(self, value: Any) -> bool:
        """RETURNS (bool): Whether a value is such a number."""
        kinds = (int,) if self.whole else (int, float)
        is_number = isinstance(value, kinds) and not isinstance(value, bool)
        return is_number and self.least <= value <= self.most


SEED = Limits(0, 2**32 - 1)
LIMITS = {
    "system.seed": SEED,
    "nlp.batch_size": Limits(1),
    "corpora.train.gold_per_batch": Limits(1),
    "corpora.train.silver_per_batch": Limits(0),
    "corpora.train.seed": SEED,
    "training.seed": SEED,
    "training.dropout": Limits(0, 0.99, whole=False),
    "training.accumulate_gradient": Limits(1),
    "training.patience": Limits(0),
    "training.max_epochs": Limits(-1),
    "training.max_steps": Limits(1),
    "training.eval_frequency": Limits(1),
    "training.batcher.size": Limits(1),
    "training.optimizer.learn_rate": Limits(0, 100, whole=False),
}


def check_training(config: Mapping[str, Any]) -> None:
    """Check the numbers of a training config before anything is trained.

    config (Mapping[str, Any]): The config, interpolated. A schedule in the place of a number is left to spaCy.
    RAISES (LLMJudgeError): J684 at the first one that is out of its limits.
    """
    training = config.get("training", {})
    for name, limits in LIMITS.items():
        if name == "training.max_steps" and training.get("max_epochs", 0) > 0:
            # the epochs are the end
            continue
        value: Any = config
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None and not isinstance(value, Mapping) and not limits.holds(value):
            raise LLMJudgeError(Errors.J684.format(name=name, found=value, expected=limits))
