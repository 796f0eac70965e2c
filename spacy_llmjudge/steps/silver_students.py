"""Students that learn from silver: trained, scored and evaluated as stages of a round."""

from pathlib import Path
from typing import Any, Dict, Optional

from spacy.vocab import Vocab

from ..evaluation.scores import evaluate_model, score_pair
from ..stages import Stages
from ..storage import read_docs, require_file, write_docs
from ..targets.base import find_target
from ..training.student import load_student, train_student
from .evaluate import PREDICTED, evaluate, summarise_without_test
from .loop_settings import LoopSettings


def join_gold(stages: Stages, labelled: Path, dev: Optional[Path], output: Path) -> Path:
    """Write the gold of the last student: the labelled set, and beside it that of the evidence,
    whose duty is done.

    RETURNS (Path): The file.
    """

    def work() -> Dict[str, Any]:
        vocab = Vocab()
        docs = (doc for path in (labelled, dev) if path for doc in read_docs(path, vocab))
        return {"documents": write_docs(output, docs)}

    stages.run("gold", {"labelled": labelled, "dev": dev}, [output], work)
    return output


def train_on_silver(
    settings: LoopSettings,
    stages: Stages,
    stage: str,
    model: Path,
    gold: Path,
    silver: Path,
    dev: Path,
    *,
    start: Optional[Path] = None,
    max_steps: Optional[int] = None,
) -> None:
    """Train a student on gold and silver.

    stages (Stages): Those of a round
    stage (str): that have this one.
    model (Path): Where the student goes.
    dev (Path): What spaCy scores it on at the end.
    start (Optional[Path]): A student to continue from.
    max_steps (Optional[int]): Other than those of the settings.
    """
    overrides = {
        **settings.of("student"),
        "paths.gold": str(gold),
        "paths.silver": str(silver),
        "paths.dev": str(dev),
    }
    if max_steps is not None:
        overrides["training.max_steps"] = max_steps
    if start is not None:
        # it was trained with them already, and its components come as they are
        overrides = {k: v for k, v in overrides.items() if not k.startswith("components.")}

    def work() -> Dict[str, Any]:
        train_student(
            settings.config,
            model.parent,
            start=start,
            overrides=overrides,
            gpu_id=settings.gpu_id,
        )
        return {}

    inputs = {
        "gold": gold,
        "silver": silver,
        "config": require_file(settings.config, "Run `init` to get the configs."),
        "overrides": overrides,
        "start": start,
    }
    # it looks at the encoder as well
    stages.run(stage, inputs, [model], work, resumes=True)


def evaluate_student(
    settings: LoopSettings,
    stages: Stages,
    model: Path,
    silver: Path,
    notes: Path,
    output: Optional[Path] = None,
) -> None:
    """Score a student and the seed student on the test set, for people: nothing in a loop depends
    on it.

    silver (Path): What it has learned from.
    notes (Path): The folder of metrics of its round.
    output (Optional[Path]): The folder for the scores, where it is another.
    """
    output = output or notes
    test, pool_gold = (settings.corpus / f"{name}.spacy" for name in ("test", "pool_gold"))
    models = {"seed": settings.model(0), "judged": model}

    def work() -> Dict[str, Any]:
        if not test.exists():
            summarise_without_test(output, find_target(settings.labelled), notes)
            return {}
        summary = evaluate(
            {name: str(path) for name, path in models.items()},
            test,
            output,
            silver=silver,
            pool_gold=pool_gold,
            notes=notes,
            gpu_id=settings.gpu_id,
        )
        return {name: summary[name]["f"] for name in models}

    selection = notes / "selection.json"
    inputs = {**models, "test": test, "pool_gold": pool_gold, "selection": selection}
    names = (
        (*(f"{name}.json" for name in models), PREDICTED) if test.exists() else ("summary.json",)
    )
    stages.run("evaluate", inputs, [output / name for name in names], work)


def score_student(
    settings: LoopSettings, stages: Stages, number: int, gold: Optional[Path]
) -> Optional[float]:
    """RETURNS (Optional[float]): F1 of the student of a round on the stopping part, where there is
    one."""
    if gold is None:
        return None
    model = settings.model(number)

    def work() -> Dict[str, Any]:
        nlp = load_student(str(model), settings.gpu_id)
        docs = list(read_docs(gold, nlp.vocab))
        found = score_pair(docs, evaluate_model(nlp, docs), find_target(gold))["spacy"]
        return {key: round(found[key], 6) for key in ("p", "r", "f")}

    return stages.run("score", {"student": model, "gold": gold}, [], work)["f"]
