"""One round of the loop: read (calibrate, annotate, judge), teach, filter, retrain, evaluate."""

from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from ..candidates import DECIDED, NOT_ASKED
from ..stages import Stages
from ..storage import read_json, require_file, write_json
from .baselines import label_with_judge
from .filter import filter_candidates
from .held_out import score_held_out
from .judge import asks_about_candidates, judge_inputs
from .judge_report import left_by_reason, make_judge_report
from .loop_settings import LoopSettings
from .reading import Bar, Meters, Reading
from .silver_students import evaluate_student, join_gold, score_student, train_on_silver
from .stopping import Outcome, accepted_in, jaccard

ROUND = "round.json"
Watch = Optional[Callable[[int, str, Optional[Dict[str, Any]]], None]]


def stages_of(folder: Path, number: int, watch: Watch) -> Stages:
    """RETURNS (Stages): Those of a round, in its manifest."""

    def of_round(name: str, result: Optional[Dict[str, Any]]) -> None:
        if watch is not None:
            watch(number, name, result)

    return Stages(folder, record=ROUND, facts={"round": number}, watch=of_round)


class Round:
    """One round, stage by stage.

    settings (LoopSettings): What the loop works on.
    number (int): From 1.
    evidence (Path): Held-out gold; the labelled set itself is cross-fitted.
    stopping (Optional[Path]): Held-out gold that is no evidence.
    before (Optional[Round]): The round before this one.
    watch, bar, meter: See `run_loop`.
    """

    def __init__(
        self,
        settings: LoopSettings,
        number: int,
        evidence: Path,
        stopping: Optional[Path],
        before: Optional["Round"],
        watch: Watch,
        bar: Bar,
        meter: Meters,
    ) -> None:
        self.settings = settings
        self.number = number
        self.gold = evidence
        self.stopping = stopping
        self.before = before
        self.metrics = settings.metrics / f"round-{number}"
        self.silver = settings.corpus / f"round-{number}" / "silver.spacy"
        self.stages = stages_of(self.metrics, number, watch)
        self._read = partial(Reading, settings, number, evidence, self.stages, bar, meter)
        self.reading: Reading = self._read(before.reading if before is not None else None)
        self.start = self.reading.model if 0 < settings.goes_on <= number else None
        self.report: Dict[str, Any] = {}
        self.selected: Dict[str, Any] = {}

    def run(self) -> Outcome:
        """RETURNS (Outcome): What it came to."""
        judged = self.reading.run()
        self.report = make_judge_report(judged)
        write_json(self.metrics / "judge.json", self.report)
        self._score_held_out()
        if self._needs_teacher(judged["pool"]["states"]):
            self._teach()
        self._filter()
        model = self.settings.model(self.number)
        self.train("retrain", self.stages, model, self.settings.rules.max_rounds == 1)
        score = score_student(self.settings, self.stages, self.number, self.stopping)
        evaluate_student(self.settings, self.stages, model, self.silver, self.metrics)
        overlap = None
        if self.before is not None:
            overlap = round(jaccard(accepted_in(self.silver), accepted_in(self.before.silver)), 6)
        budget = any("budget" in left_by_reason(found["states"]) for found in judged.values())
        return Outcome(score, overlap, budget)

    def finish(self, outcome: Outcome, stop: Optional[Dict[str, str]]) -> int:
        """Write the manifest. RETURNS (int): How many spans the silver has."""
        test = None
        if (self.settings.corpus / "test.spacy").exists():
            test = read_json(self.metrics / "judged.json")["spacy"]["f"]
        self.stages.finish(
            {
                "counts": {
                    **self.selected["decisions"],
                    **self.selected["documents"],
                    "spans": self.selected["spans"],
                },
                "judge": {key: self.report[key] for key in ("requests", "abstained", "cost")},
                "scores": {"stopping": outcome.score, "test": test},
                "overlap": outcome.overlap,
                "stop": stop,
            }
        )
        return self.selected["spans"]

    def train(self, stage: str, stages: Stages, model: Path, is_last: bool) -> None:
        """Train a student on gold and on the silver of this round.

        stage (str): Its name
        stages (Stages): among these.
        model (Path): Where it goes.
        is_last (bool): No more is selected by the evidence after it, so that its gold is learned
            from.
        """
        settings, gold = self.settings, self.settings.labelled
        if is_last:
            dev = settings.dev if settings.evidence_trains else None
            joined = join_gold(stages, gold, dev, settings.corpus / "gold.spacy")
            gold = gold if dev is None else joined
        # nothing is chosen by it: what spaCy prints at the end of a training is on this
        scored = self.stopping or self.gold
        train_on_silver(settings, stages, stage, model, gold, self.silver, scored, start=self.start)

    def _score_held_out(self) -> None:
        """How good the judge and the student that annotated are on the evidence, for people."""
        path, evidence = self.metrics / "held_out.json", self.reading.evidence
        is_crossfitted = self.reading.is_crossfitted

        def work() -> Dict[str, Any]:
            write_json(path, {"crossfitted": is_crossfitted, **score_held_out(evidence, self.gold)})
            return {}

        inputs = {"evidence": evidence, "gold": self.gold, "crossfitted": is_crossfitted}
        self.stages.run("held-out", inputs, [path], work)

    def _needs_teacher(self, states: Dict[str, int]) -> bool:
        """Whether a part of the pool was not asked about, and there is evidence for a student that
        has learned from the rest: cross-fitting a teacher would take one for each fold."""
        annotated, overrides = self.reading.annotated("pool"), self.reading.judge_overrides()
        return (
            self.number == 1
            and self.settings.teacher_steps > 0
            and not self.reading.is_crossfitted
            and states.get(NOT_ASKED, 0) > 0
            and not asks_about_candidates(
                judge_inputs(annotated, self.settings.judge, overrides)[0]
            )
        )

    def _teach(self) -> None:
        """Train a teacher on the judge's labels as they are; it annotates in the seed student's
        place, and the round's student continues from it."""
        settings, judged = self.settings, self.reading.judged("pool")
        labels = self.silver.parent / "teacher" / "labels.spacy"
        self.stages.run(
            "label", {"judged": judged}, [labels], lambda: label_with_judge(judged, labels)
        )
        model = settings.training / "teacher" / "model-best"
        train_on_silver(
            settings,
            self.stages,
            "teach",
            model,
            settings.labelled,
            labels,
            self.gold,
            max_steps=settings.teacher_steps,
        )
        self.reading = self._read(self.reading, model)
        self.reading.run()
        self.start = model

    def _filter(self) -> None:
        pool, evidence = self.reading.judged("pool"), self.reading.evidence
        selection = self.metrics / "selection.json"
        decided = self.silver.with_name(DECIDED)
        overrides = self.settings.of("filter")
        is_last = self.number == self.settings.rules.max_rounds
        audit = self.settings.audit if is_last else None

        def work() -> Dict[str, Any]:
            report = filter_candidates(
                pool,
                evidence,
                self.gold,
                self.settings.filter,
                self.silver,
                selection,
                overrides=overrides,
                audit=audit,
                q=self.settings.q,
                decided=decided,
            )
            kept = ("decisions", "documents", "spans", "statement", "warning", "worth")
            return {key: report[key] for key in kept}

        inputs = {
            "pool": pool,
            "evidence": evidence,
            "gold": self.gold,
            "config": require_file(
                self.settings.filter, "Name a config such as configs/filter.cfg."
            ),
            "overrides": overrides,
            "audit": audit,
            "q": self.settings.q,
        }
        self.selected = self.stages.run("filter", inputs, [self.silver, selection, decided], work)
