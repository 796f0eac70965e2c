"""Ours without each of its parts, with all else as it is: the same gold, the same calls, as many steps."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Callable, ClassVar, Dict

import numpy as np
from benchmark_cell import Cell
from benchmark_methods import (
    FLOOR,
    HARD,
    Made,
    Q,
    annotate_as_taught,
    conformal,
    finish,
    first_lesson,
    unchosen_lesson,
)

from spacy_llmjudge.registries import selectors
from spacy_llmjudge.selection.conformal import Conformal
from spacy_llmjudge.selection.fusion import clip_student, fuse
from spacy_llmjudge.selection.selector import Scores, Selection, Selector
from spacy_llmjudge.selection.statements import state_hand_set
from spacy_llmjudge.selection.table import CORRECT, CandidateTable
from spacy_llmjudge.steps.filter import NothingSelected


@dataclass(frozen=True)
class Alone(Conformal):
    """Conformal selection that ranks by one of the two sources: "judge" or "student".

    Where the judge did not answer, the student's confidence is all that there is for either.
    """

    source: str = "judge"

    name: ClassVar[str] = "benchmark.Alone.v1"

    def score(self, pool: CandidateTable, evidence: CandidateTable, n_folds: int = 5) -> Scores:
        fused = fuse(pool, evidence, n_folds)
        held_out = clip_student(evidence)
        if self.source == "judge":
            held_out = np.where(evidence.judged, fused.support, held_out)
        return Scores(replace(fused.fusion, mode=self.source).predict(pool), held_out, fused=fused)


@dataclass(frozen=True)
class Everything(Selector):
    """Keeps what the judge lists and what the student predicts; of what overlaps, the likelier."""

    name: ClassVar[str] = "benchmark.Everything.v1"

    def select(self, pool: CandidateTable, evidence: CandidateTable) -> Selection:
        listed = (pool.verdict == CORRECT) | pool.predicted
        return state_hand_set(pool, evidence, listed, 0.0)


selectors().register(Alone.name, func=lambda source: Alone(q=Q, floor=FLOOR, source=source))
selectors().register(Everything.name, func=Everything)


def unselected(selector: str, setting: str = "") -> str:
    return f'[selector]\n@llmjudge_selectors = "{selector}"\n{setting}\n[silver]\n{HARD}'


def without_choice(cell: Cell, calls: int) -> Made:
    """The judge reads the pool's first sentences, which are in no order."""
    lesson = unchosen_lesson(cell, calls)
    judged = annotate_as_taught(cell, calls, lesson)
    return finish(cell, f"without_choice-{calls}", lesson, judged, conformal(Q, HARD))


def without_second_round(cell: Cell, calls: int) -> Made:
    """The teacher, trained further on what it has learned from already, and on the gold of the evidence. Nothing is
    selected."""
    lesson = first_lesson(cell, calls)
    name = f"without_second_round-{calls}"
    return cell.train(name, lesson.silver, lesson.teacher, cell.all_gold), lesson.silver


def selected_by(text: str, name: str, cell: Cell, calls: int) -> Made:
    """Ours with another selection or policy. Where it leaves nothing, the second round changes nothing."""
    lesson = first_lesson(cell, calls)
    judged = annotate_as_taught(cell, calls, lesson)
    try:
        return finish(cell, f"{name}-{calls}", lesson, judged, text)
    except NothingSelected:
        return lesson.teacher, None


SELECTIONS = {
    "without_unasked": conformal(Q, f"{HARD}unjudged = false\n"),
    "without_student": unselected(Alone.name, 'source = "judge"\n'),
    "without_judge": unselected(Alone.name, 'source = "student"\n'),
    "without_selection": unselected(Everything.name),
}
PARTS: Dict[str, Callable[[Cell, int], Made]] = {
    "without_choice": without_choice,
    "without_second_round": without_second_round,
    **{name: partial(selected_by, text, name) for name, text in SELECTIONS.items()},
}
