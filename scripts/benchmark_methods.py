"""The methods of the benchmark that the project has steps for: from a cell and a number of LLM calls to a student,
and to the silver that it was trained on."""

from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

from benchmark_cell import EVIDENCE_CALLS, Cell
from benchmark_data import asked_texts, doubted_texts, write_pool_gold

from spacy_llmjudge.steps.baselines import label_with_judge


def conformal(q: float, policy: str = "") -> str:
    return f'[selector]\n@llmjudge_selectors = "llmjudge.Conformal.v1"\nq = {q}\nfloor = {FLOOR}\n\n[silver]\n{policy}'


def threshold(cut: float, policy: str = "") -> str:
    return f'[selector]\n@llmjudge_selectors = "llmjudge.Threshold.v1"\ncut = {cut}\n\n[silver]\n{policy}'


def agreed(tau: float, policy: str = "") -> str:
    return f'[selector]\n@llmjudge_selectors = "llmjudge.Collaborative.v1"\ntau = {tau}\nunit = "sentence"\n\n[silver]\nmasking = false\n{policy}'


# Without missing tokens: what is not accepted is outside.
HARD = "masking = false\nnegatives = false\n"
# The share of wrong spans that ours accepts, and the least probability of one
Q, FLOOR = 0.25, 0.3
# As in configs/filter.cfg: what is likely but not accepted is missing
MASKED = f"doubt_cut = {FLOOR}\noutside_cut = 0.0\nnegatives = false\n"

Made = Tuple[Path, Optional[Path]]


def seed_student(cell: Cell, calls: int) -> Made:
    return cell.train("seed", None), None


def seed_annotated(cell: Cell) -> Path:
    return cell.annotate("seed", cell.train("seed", None))


def self_training(cell: Cell, calls: int) -> Made:
    """Classic: the student's predictions over one cut that was set beforehand, the rest outside."""
    silver = cell.select("self_training", seed_annotated(cell), threshold(0.8, HARD))
    return cell.train("self_training", silver), silver


def bond(cell: Cell, calls: int) -> Made:
    """After BOND: only what the teacher is sure of, token by token; the student becomes the teacher."""
    model, silver = cell.train("seed", None), None
    for number in (1, 2):
        annotated = cell.annotate(f"bond-{number}", model)
        silver = cell.select(f"bond-{number}", annotated, threshold(0.9, "max_missing = 1.0\n"))
        model = cell.train(f"bond-{number}", silver)
    return model, silver


def collaborative(cell: Cell, calls: int) -> Made:
    """The published filter: predictions of the student only, sentences in which all pass."""
    judged = judge_first(cell, calls)
    silver = cell.select("collaborative", judged, agreed(0.9))
    return cell.train("collaborative", silver), silver


def judge_first(cell: Cell, calls: int) -> Path:
    """Ask about the pool's first sentences, which are in no order."""
    return cell.judge(
        seed_annotated(cell), str(calls), asked_texts(cell.corpus, cell.replies, calls)
    )


def llm_labels(cell: Cell, calls: int) -> Made:
    silver = first_labels(cell, calls)
    return cell.train(f"llm_labels-{calls}", silver), silver


def llm_labels_long(cell: Cell, calls: int) -> Made:
    """Trained as long as ours: the student is trained further on the same labels."""
    start, silver = llm_labels(cell, calls)
    return cell.train(f"llm_labels_long-{calls}", silver, start), silver


def llm_labels_equal(cell: Cell, calls: int) -> Made:
    """With all that ours has: the gold of dev, as many calls as ours makes about pool and dev together,
    and as many steps."""
    silver = equal_labels(cell, calls)
    return train_long(cell, f"llm_labels_equal-{calls}", silver), silver


def first_labels(cell: Cell, calls: int) -> Path:
    """RETURNS (Path): The LLM's labels of the pool's first sentences."""
    silver = cell.folder / "silver" / f"llm_labels-{calls}.spacy"
    label_with_judge(judge_first(cell, calls) / "pool", silver)
    return silver


def equal_labels(cell: Cell, calls: int) -> Path:
    """RETURNS (Path): Those of as many sentences as ours asks about in pool and dev together."""
    return first_labels(cell, calls + EVIDENCE_CALLS)


def train_long(cell: Cell, name: str, silver: Path) -> Path:
    """As many steps as ours, twice, with all gold that ours has. RETURNS (Path): The model."""
    start = cell.train(name, silver, gold=cell.all_gold)
    return cell.train(f"{name}-long", silver, start, cell.all_gold)


class Lesson(NamedTuple):
    """Round 1 of ours.

    name (str): Of the student, and of its labels.
    texts (List[str]): The sentences that the judge reads.
    teacher (Path): The student of the judge's labels.
    silver (Optional[Path]): These labels.
    """

    name: str
    texts: List[str]
    teacher: Path
    silver: Optional[Path]


def first_lesson(cell: Cell, calls: int) -> Lesson:
    """The judge reads what the seed student is least certain about, and a student learns from its labels. The seed
    student's own labels of the rest would drown them."""
    texts = doubted_texts(seed_annotated(cell), cell.replies, calls)
    if set(texts) == set(asked_texts(cell.corpus, cell.replies, calls)):
        # nothing was left to choose
        return unchosen_lesson(cell, calls)
    name = f"doubted-{calls}"
    silver = cell.folder / "silver" / f"{name}.spacy"
    label_with_judge(cell.judge(seed_annotated(cell), name, texts) / "pool", silver)
    return Lesson(name, texts, cell.train(name, silver), silver)


def unchosen_lesson(cell: Cell, calls: int) -> Lesson:
    """The same with the pool's first sentences."""
    texts = asked_texts(cell.corpus, cell.replies, calls)
    return Lesson(f"llm_labels-{calls}", texts, *llm_labels(cell, calls))


def annotate_as_taught(
    cell: Cell, calls: int, lesson: Lesson, likelihood: Optional[str] = None
) -> Path:
    """RETURNS (Path): Pool and dev, which the teacher annotated and the judge judged where it had read them."""
    annotated = cell.annotate(lesson.name, lesson.teacher)
    return cell.judge(annotated, str(calls), lesson.texts, likelihood)


def ours(cell: Cell, calls: int) -> Made:
    """Round 2: judge and student fused, conformal, on the whole pool; the student is trained further on that."""
    return selected("ours", conformal(Q, HARD), cell, calls)


def selected(name: str, text: str, cell: Cell, calls: int) -> Made:
    """Ours with the selection and the policy in a config's text."""
    lesson = first_lesson(cell, calls)
    silver = cell.select(f"{name}-{calls}", annotate_as_taught(cell, calls, lesson), text)
    return cell.train(f"{name}-{calls}", silver, lesson.teacher), silver


def ours_gold(cell: Cell, calls: int, likelihood: Optional[str] = None) -> Made:
    """As the command does it: once selection is done, the evidence's gold trains the last student too."""
    lesson = first_lesson(cell, calls)
    judged = annotate_as_taught(cell, calls, lesson, likelihood)
    name = f"ours_{likelihood or 'gold'}-{calls}"
    return finish(cell, name, lesson, judged, conformal(Q, HARD))


def finish(cell: Cell, name: str, lesson: Lesson, judged: Path, text: str) -> Made:
    """Round 2: select, and train the teacher further, with the gold of the evidence."""
    silver = cell.select(name, judged, text)
    return cell.train(name, silver, lesson.teacher, cell.all_gold), silver


def pool_gold(cell: Cell, calls: int) -> Made:
    """The ceiling: the pool's own gold, on the sentences that the LLM answered or on all."""
    texts = asked_texts(cell.corpus, cell.replies, calls) if calls else None
    silver = cell.folder / "silver" / f"pool_gold-{calls or 'all'}.spacy"
    write_pool_gold(cell.corpus, silver, texts)
    return cell.train(f"pool_gold-{calls or 'all'}", silver), silver
