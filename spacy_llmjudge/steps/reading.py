"""A student reads: it is calibrated, annotates evidence and pool, and the judge reads what it
annotated."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Optional, Protocol

from spacy.vocab import Vocab

from ..cluster.spread import Cluster
from ..errors import Errors, LLMJudgeError
from ..stages import Stages
from ..storage import read_docs
from ..targets.base import find_target
from .annotate import annotate
from .calibrate import calibrate
from .crossfit import CrossfitSettings, crossfit
from .judge import describe_judge, judge, judge_inputs
from .judge_report import left_by_reason, require_answers
from .loading import cluster_at
from .loop_settings import LoopSettings, pool_share

Bar = Callable[[str], ContextManager[Any]]


class Meter(Protocol):
    """Shows what a judge does: it is told who judges how many documents, and of each shard that is
    done."""

    def watch(self, judge: Any, total: int) -> None: ...

    def shard(self, n_docs: int) -> None: ...


Meters = Callable[[str], ContextManager[Optional[Meter]]]


def silent(text: str) -> ContextManager[None]:
    """RETURNS (ContextManager[None]): What shows nothing."""
    return nullcontext()


class Reading:
    """What one student annotates in a round, and what the judge says of it.

    settings (LoopSettings): What the loop works on.
    number (int): The round, from 1.
    evidence (Path): Held-out gold; the labelled set itself is cross-fitted.
    stages (Stages): Those of the round.
    bar, meter: See `run_loop`.
    before (Optional[Reading]): The one before: what was asked about there does not count.
    teacher (Optional[Path]): It annotates in the place of the student of the round before.
    """

    def __init__(
        self,
        settings: LoopSettings,
        number: int,
        evidence: Path,
        stages: Stages,
        bar: Bar,
        meter: Meters,
        before: Optional["Reading"] = None,
        teacher: Optional[Path] = None,
    ) -> None:
        self.settings = settings
        self.number = number
        self.stages = stages
        self.bar = bar
        self.meter = meter
        self.before = before
        self.teacher = teacher
        self.sources = {"dev": evidence, "pool": settings.corpus / "pool.spacy"}
        self.is_crossfitted = evidence == settings.labelled
        self.folder = settings.corpus / f"round-{number}"
        self.model = settings.model(number - 1)
        self.pipe_name = settings.pipe_name if number == 1 else None
        self.suffix = ""
        if teacher is not None:
            self.folder, self.model = self.folder / "teacher", teacher
            self.pipe_name, self.suffix = None, "-teacher"
        self.calibration = self.model.parent / "calibration.json"
        self.cluster: Optional[Cluster] = None

    @property
    def evidence(self) -> Path:
        """The judged held-out documents."""
        if self.is_crossfitted:
            return self.settings.corpus / "crossfit" / "evidence"
        return self.judged("dev")

    def annotated(self, name: str) -> Path:
        return self.folder / "annotated" / name

    def judged(self, name: str) -> Path:
        return self.folder / "judged" / name

    def run(self) -> Dict[str, Any]:
        """Calibrate, annotate and judge: the evidence first, as a budget that ends on the way shall
        leave something to select by.

        RETURNS (Dict[str, Any]): What the judge did, by set.
        """
        with cluster_at(self.settings.place) as self.cluster:
            return self._run(self._pool_share())

    def _run(self, share: Optional[int]) -> Dict[str, Any]:
        if self.is_crossfitted:
            found = self._crossfit()
            self._annotate("pool")
            return {**found, "pool": self._judge("pool", share)}
        self._calibrate()
        for name in self.sources:
            self._annotate(name)
        return {"dev": self._judge("dev", None), "pool": self._judge("pool", share)}

    def _crossfit(self) -> Dict[str, Any]:
        """The evidence and the calibration, from the labelled set itself."""
        folder = self.evidence.parent
        settings = CrossfitSettings(
            labelled=self.settings.labelled,
            config=self.settings.config,
            judge=self.settings.judge,
            output=folder,
            training=self.settings.training / "crossfit",
            calibration=self.calibration,
            overrides={"student": self.settings.of("seed"), "judge": self.settings.of("judge")},
            n_folds=self.settings.n_folds,
            calibrator=self.settings.calibrator,
            candidate_cut=self.settings.candidate_cut,
            gpu_id=self.settings.gpu_id,
        )

        _, judge_hashes = describe_judge(
            find_target(settings.labelled), settings.judge, self.judge_overrides()
        )
        inputs = {
            # the folds' students are trained as this one
            "student": self.model,
            "labelled": settings.labelled,
            "config": settings.config,
            "judge": judge_hashes,
            "overrides": settings.overrides,
            "settings": [settings.n_folds, settings.calibrator, settings.candidate_cut],
        }
        found = self.stages.run(
            "crossfit",
            inputs,
            [folder / "evidence", self.calibration],
            lambda: {"judged": crossfit(settings, bar=self.bar)["judged"]},
        )
        return found["judged"]

    def _calibrate(self) -> None:
        def work() -> Dict[str, Any]:
            fitted = calibrate(
                str(self.model),
                self.sources["dev"],
                self.calibration,
                calibrator=self.settings.calibrator,
                pipe_name=self.pipe_name,
                gpu_id=self.settings.gpu_id,
            )
            return {key: fitted[key] for key in ("temperature", "n_spans")}

        inputs = {
            "student": self.model,
            "gold": self.sources["dev"],
            "settings": [self.settings.calibrator, self.pipe_name],
        }
        self.stages.run(f"calibrate{self.suffix}", inputs, [self.calibration], work)

    def _annotate(self, name: str) -> None:
        folder = self.annotated(name)

        def work() -> Dict[str, Any]:
            with self.bar(f"Annotating {name}") as progress:
                manifest = annotate(
                    str(self.model),
                    self.calibration,
                    self.sources[name],
                    folder,
                    out_of_fold=name == "dev",
                    labels=self.settings.labelled,
                    pipe_name=self.pipe_name,
                    candidate_cut=self.settings.candidate_cut,
                    shard_size=self.settings.shard_size,
                    gpu_id=self.settings.gpu_id,
                    progress=progress,
                    cluster=self.cluster,
                )
            return {"documents": sum(shard["docs"] for shard in manifest["shards"])}

        inputs = {
            "student": self.model,
            "calibration": self.calibration,
            "source": self.sources[name],
            "labelled": self.settings.labelled,
            "settings": [self.pipe_name, self.settings.candidate_cut, self.settings.shard_size],
        }
        self.stages.run(f"annotate-{name}{self.suffix}", inputs, [folder], work)

    def _judge(self, name: str, at_most: Optional[int]) -> Dict[str, Any]:
        source, folder = self.annotated(name), self.judged(name)
        before = None if self.before is None else self.before.judged(name)
        overrides = self.judge_overrides()

        def work() -> Dict[str, Any]:
            with self.meter(f"Judging {name}") as meter:
                judged = judge(
                    source,
                    folder,
                    self.settings.judge,
                    at_most=at_most,
                    asked_before=before,
                    overrides=overrides,
                    progress=None if meter is None else meter.shard,
                    on_judge=None if meter is None else meter.watch,
                    cluster=self.cluster,
                )
            left = left_by_reason(judged["states"])
            if set(left) - {"budget"}:
                reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(left.items()))
                raise LLMJudgeError(Errors.J820.format(n=sum(left.values()), reasons=reasons))
            if not left:
                require_answers(judged["states"])
            return {key: judged[key] for key in ("states", "usage")}

        _, inputs = judge_inputs(source, self.settings.judge, overrides)
        if at_most is not None:
            inputs.update(at_most=at_most, asked_before=before)
        return self.stages.run(f"judge-{name}{self.suffix}", inputs, [folder], work)

    def judge_overrides(self) -> Dict[str, Any]:
        return {"paths.labelled": str(self.settings.labelled), **self.settings.of("judge")}

    def _pool_share(self) -> Optional[int]:
        n_evidence = sum(1 for doc in read_docs(self.sources["dev"], Vocab()) if len(doc))
        rounds = self.settings.rules.max_rounds
        share = pool_share(self.settings.budget_calls, n_evidence, self.number, rounds)
        # a teacher's candidates are held against the replies that are there
        return 0 if self.teacher is not None else share
