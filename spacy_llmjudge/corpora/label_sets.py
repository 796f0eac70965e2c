"""Which labels the texts of a data set have, and whether each has exactly one of them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterable, Optional, Set, Tuple

from ..errors import Errors, LLMJudgeError
from .record import Choice


@dataclass
class LabelSet:
    """What is known of the labels of a data set.

    labels (Set[str]): Those that anybody named.
    forms (Dict[str, str]): Where each form of a choice was seen first.
    n_chosen (Counter): How many texts have so many labels.
    scored (Set[FrozenSet[str]]): Which labels have a value, where texts have a value for each label.
    """

    labels: Set[str] = field(default_factory=set)
    forms: Dict[str, str] = field(default_factory=dict)
    n_chosen: Counter = field(default_factory=Counter)
    scored: Set[FrozenSet[str]] = field(default_factory=set)

    @property
    def is_ambiguous(self) -> bool:
        """Whether texts have lists of labels, but exactly one in each."""
        return set(self.forms) == {"list"} and set(self.n_chosen) == {1}

    def is_exclusive(self) -> bool:
        """Whether every text has exactly one label: it is a string and no list, or the only one of all
        labels with a value from .5 on."""
        if "label" in self.forms and "list" in self.forms:
            found = {"string": self.forms["label"], "list": self.forms["list"]}
            raise LLMJudgeError(Errors.J644.format(**found))
        if "scores" in self.forms and len(self.forms) == 1:
            return len(self.labels) > 1 and len(self.scored) == 1 and set(self.n_chosen) == {1}
        return set(self.forms) <= {"label"}


def collect_labels(choices: Iterable[Tuple[str, Optional[Choice]]]) -> LabelSet:
    """Collect the labels of a data set.

    choices (Iterable[Tuple[str, Optional[Choice]]]): File and line, and what was said there.
    RETURNS (LabelSet): The labels.
    """
    found = LabelSet()
    for where, choice in choices:
        if choice is None:
            continue
        named = frozenset(label.strip() for label in (*choice.chosen, *choice.refused))
        found.labels |= named
        found.forms.setdefault(choice.form, where)
        found.n_chosen[len(choice.chosen)] += 1
        if choice.form == "scores":
            found.scored.add(named)
    return found
