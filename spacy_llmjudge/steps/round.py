"""One round of the loop, stage by stage: calibrate, annotate, judge, filter, retrain, evaluate."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Optional

from ..candidates import CANDIDATE_CUT
from ..errors import Errors, LLMJudgeError
from ..evaluation.scores import evaluate_model, score_pair
from ..shards import SHARD_SIZE
from ..stages import Stages
from ..storage import read_docs, read_json, require_file, write_json
from ..targets.base import find_target
from ..training.student import load_student, train_student
from .annotate import annotate
from .calibrate import calibrate
from .evaluate import PREDICTED, evaluate
from .filter import DECIDED, filter_candidates
from .judge import judge, judge_inputs
from .judge_report import left_by_reason, make_judge_report, require_answers
from .stopping import Outcome, StopRules, accepted_in, jaccard

ROUND = "round.json"
Watch = Optional[Callable[[int, str, Optional[Dict[str, Any]]], None]]
Bar = Callable[[str], ContextManager[Any]]
# the evidence first: a budget that ends on the way shall leave something to select by
SETS = ("dev", "pool")


@dataclass(frozen=True)
class LoopSettings:
    """What a loop works on.

    config (Path): The config that students are trained with.
    judge (Path): The config of the judge.
    filter (Path): The config of the selection.
    corpus (Path): The folder that `prepare` wrote; rounds go into it.
    training (Path): The folder of models, with the seed student in `round-0/model-best`.
    metrics (Path): The folder of manifests and scores.
    overrides (Dict[str, Dict[str, Any]]): For "student", "judge" and "filter": settings of the config by
        their dotted names.
    rules (StopRules): When to end.
    q (Optional[float]): The share of wrong that the silver may have; None: that of the config.
    at_most (int): Pool documents that a round asks the judge about, beside those of the rounds before it:
        those that the student is least certain about; 0 asks about all. The first round then learns from these alone, unless
        `silver.unjudged` says otherwise.
    goes_on (int): From this round on, a student continues from that of the round before, instead of from the
        pretrained encoder: twice the steps for one price, once that student is good. 0 never.
    stop_share (float): Share of dev that is kept apart from the evidence, to see whether students get
        better; 0 to under 1.
    calibrator (Optional[str]): A name in the registry `llmjudge_calibrators`; None takes the default.
    pipe_name (Optional[str]): The component of the seed student that predicts; None takes the one that
        fits the target.
    candidate_cut (float): The least posterior of a candidate.
    shard_size (int): Documents in a shard.
    gpu_id (int): The GPU, or -1 for the CPU.
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
    at_most: int = 0
    goes_on: int = 0
    stop_share: float = 0.3
    calibrator: Optional[str] = None
    pipe_name: Optional[str] = None
    candidate_cut: float = CANDIDATE_CUT
    shard_size: int = SHARD_SIZE
    gpu_id: int = -1

    def of(self, name: str) -> Dict[str, Any]:
        return dict(self.overrides.get(name, {}))

    def model(self, number: int) -> Path:
        return self.training / f"round-{number}" / "model-best"


def stages_of(folder: Path, number: int, watch: Watch) -> Stages:
    """RETURNS (Stages): Those of a round, in its manifest."""

    def of_round(name: str, result: Optional[Dict[str, Any]]) -> None:
        if watch is not None:
            watch(number, name, result)

    return Stages(folder, record=ROUND, facts={"round": number}, watch=of_round)


class Round:
    """One round, stage by stage."""

    def __init__(
        self,
        settings: LoopSettings,
        number: int,
        evidence: Path,
        stopping: Optional[Path],
        watch: Watch,
        bar: Bar,
    ) -> None:
        self.settings = settings
        self.number = number
        self.stopping = stopping
        self.bar = bar
        self.metrics = settings.metrics / f"round-{number}"
        self.corpus = settings.corpus / f"round-{number}"
        self.silver = self.corpus / "silver.spacy"
        self.student = settings.model(number - 1)
        self.calibration = self.student.parent / "calibration.json"
        self.pipe_name = settings.pipe_name if number == 1 else None
        self.sources = {"dev": evidence, "pool": settings.corpus / "pool.spacy"}
        self.labelled = settings.corpus / "labelled.spacy"
        self.stages = stages_of(self.metrics, number, watch)
        self.judged: Dict[str, Any] = {}
        self.report: Dict[str, Any] = {}
        self.selected: Dict[str, Any] = {}

    def run(self) -> Outcome:
        """RETURNS (Outcome): What it came to."""
        self._calibrate()
        for name in SETS:
            self._annotate(name)
        for name in SETS:
            self._judge(name)
        self.report = make_judge_report(self.judged)
        write_json(self.metrics / "judge.json", self.report)
        self._filter()
        self._retrain()
        score = score_student(self.settings, self.stages, self.number, self.stopping)
        self._evaluate()
        overlap = None
        if self.number > 1:
            before = self.corpus.with_name(f"round-{self.number - 1}") / self.silver.name
            overlap = round(jaccard(accepted_in(self.silver), accepted_in(before)), 6)
        budget = any("budget" in left_by_reason(found["states"]) for found in self.judged.values())
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

    def _calibrate(self) -> None:
        def work() -> Dict[str, Any]:
            fitted = calibrate(
                str(self.student),
                self.sources["dev"],
                self.calibration,
                calibrator=self.settings.calibrator,
                pipe_name=self.pipe_name,
                gpu_id=self.settings.gpu_id,
            )
            return {key: fitted[key] for key in ("temperature", "n_spans")}

        inputs = {
            "student": self.student,
            "gold": self.sources["dev"],
            "settings": [self.settings.calibrator, self.pipe_name],
        }
        self.stages.run("calibrate", inputs, [self.calibration], work)

    def _annotate(self, name: str) -> None:
        folder = self.corpus / "annotated" / name

        def work() -> Dict[str, Any]:
            with self.bar(f"Annotating {name}") as progress:
                manifest = annotate(
                    str(self.student),
                    self.calibration,
                    self.sources[name],
                    folder,
                    out_of_fold=name == "dev",
                    labels=self.labelled,
                    pipe_name=self.pipe_name,
                    candidate_cut=self.settings.candidate_cut,
                    shard_size=self.settings.shard_size,
                    gpu_id=self.settings.gpu_id,
                    progress=progress,
                )
            return {"documents": sum(shard["docs"] for shard in manifest["shards"])}

        inputs = {
            "student": self.student,
            "calibration": self.calibration,
            "source": self.sources[name],
            "labelled": self.labelled,
            "settings": [self.pipe_name, self.settings.candidate_cut, self.settings.shard_size],
        }
        self.stages.run(f"annotate-{name}", inputs, [folder], work)

    def _judge(self, name: str) -> None:
        source, folder = self.corpus / "annotated" / name, self.corpus / "judged" / name
        overrides = self.settings.of("judge")
        overrides.setdefault("paths.labelled", str(self.labelled))
        at_most = self.settings.at_most if name == "pool" else 0
        before = self.corpus.with_name(f"round-{self.number - 1}") / "judged" / name

        def work() -> Dict[str, Any]:
            with self.bar(f"Judging {name}") as progress:
                judged = judge(
                    source,
                    folder,
                    self.settings.judge,
                    at_most=at_most,
                    asked_before=before if before.exists() else None,
                    overrides=overrides,
                    progress=progress,
                )
            left = left_by_reason(judged["states"])
            if set(left) - {"budget"}:
                reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(left.items()))
                raise LLMJudgeError(Errors.J820.format(n=sum(left.values()), reasons=reasons))
            if not left:
                require_answers(judged["states"])
            return {key: judged[key] for key in ("states", "usage")}

        _, inputs = judge_inputs(source, self.settings.judge, overrides)
        if at_most:
            inputs.update(at_most=at_most, asked_before=before)
        self.judged[name] = self.stages.run(f"judge-{name}", inputs, [folder], work)

    def _filter(self) -> None:
        judged = self.corpus / "judged"
        selection = self.metrics / "selection.json"
        decided = self.silver.with_name(DECIDED)
        overrides = self.settings.of("filter")

        def work() -> Dict[str, Any]:
            report = filter_candidates(
                judged / "pool",
                judged / "dev",
                self.sources["dev"],
                self.settings.filter,
                self.silver,
                selection,
                overrides=overrides,
                q=self.settings.q,
                decided=decided,
            )
            return {key: report[key] for key in ("decisions", "documents", "spans", "statement")}

        inputs = {
            "pool": judged / "pool",
            "evidence": judged / "dev",
            "gold": self.sources["dev"],
            "config": require_file(
                self.settings.filter, "Name a config such as configs/filter.cfg."
            ),
            "overrides": overrides,
            "q": self.settings.q,
        }
        self.selected = self.stages.run("filter", inputs, [self.silver, selection, decided], work)

    def _retrain(self) -> None:
        model = self.settings.model(self.number)
        overrides = {
            **self.settings.of("student"),
            "paths.gold": str(self.labelled),
            "paths.silver": str(self.silver),
            # nothing is chosen by it: what spaCy prints at the end of a training is on this
            "paths.dev": str(self.stopping or self.sources["dev"]),
        }

        start = self.student if 0 < self.settings.goes_on <= self.number else None

        def work() -> Dict[str, Any]:
            train_student(
                self.settings.config,
                model.parent,
                start=start,
                overrides=overrides,
                gpu_id=self.settings.gpu_id,
            )
            return {}

        inputs = {
            "gold": self.labelled,
            "silver": self.silver,
            "config": require_file(self.settings.config, "Run `init` to get the configs."),
            "overrides": overrides,
            "start": start,
        }
        # it looks at the encoder as well
        self.stages.run("retrain", inputs, [model], work, resumes=True)

    def _evaluate(self) -> None:
        """Scores on the test set, for people: nothing in the loop depends on them."""
        test = self.settings.corpus / "test.spacy"
        if not test.exists():
            return
        models = {
            "seed": self.settings.model(0),
            "judged": self.settings.model(self.number),
        }
        pool_gold = self.settings.corpus / "pool_gold.spacy"

        def work() -> Dict[str, Any]:
            summary = evaluate(
                {name: str(path) for name, path in models.items()},
                test,
                self.metrics,
                silver=self.silver,
                pool_gold=pool_gold,
                gpu_id=self.settings.gpu_id,
            )
            return {name: summary[name]["f"] for name in models}

        selection = self.metrics / "selection.json"
        inputs = {**models, "test": test, "pool_gold": pool_gold, "selection": selection}
        outputs = [self.metrics / name for name in (*(f"{m}.json" for m in models), PREDICTED)]
        self.stages.run("evaluate", inputs, outputs, work)


def score_student(
    settings: LoopSettings, stages: Stages, number: int, gold: Optional[Path]
) -> Optional[float]:
    """RETURNS (Optional[float]): F1 of the student of a round on the stopping part, where there is one."""
    if gold is None:
        return None
    model = settings.model(number)

    def work() -> Dict[str, Any]:
        nlp = load_student(str(model), settings.gpu_id)
        docs = list(read_docs(gold, nlp.vocab))
        found = score_pair(docs, evaluate_model(nlp, docs), find_target(gold))["spacy"]
        return {key: round(found[key], 6) for key in ("p", "r", "f")}

    return stages.run("score", {"student": model, "gold": gold}, [], work)["f"]
