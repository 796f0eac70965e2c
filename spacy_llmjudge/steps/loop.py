"""The loop: annotate, judge, filter, retrain, until more rounds bring nothing. One round is
`selftrain`.

Round r annotates with the student of round r - 1; in the first one a teacher takes the seed
student's place where a part of the pool was not asked about. Everything of a round is in
`corpus/round-r`, `training/round-r` and `metrics/round-r`; nothing is made twice, and no question
is paid for twice.
"""

from typing import Any, Dict, List, Optional

from ..errors import Errors, LLMJudgeError
from ..locks import alone
from ..storage import require_file, write_json
from ..targets.base import find_target
from ..training.student import adopt_student, check_components, go_on_from
from .filter import NothingSelected
from .judge_config import read_judge_config, refuse_batches
from .loop_settings import LoopSettings
from .reading import Bar, Meters, silent
from .round import Round, Watch, stages_of
from .silver_students import evaluate_student, score_student
from .stopping import Outcome, best_round, split_dev, why_stop

LOOP = "loop"


def run_loop(
    settings: LoopSettings,
    *,
    watch: Watch = None,
    bar: Bar = silent,
    meter: Meters = silent,
) -> Dict[str, Any]:
    """Run rounds until a rule ends them.

    settings (LoopSettings): What it works on.
    watch (Watch): Called with the round, the name of a stage and its result; see `Stages`.
    bar (Bar): From a text to a context that gives a progress callback, for annotating.
    meter (Meters): From a text to a context that gives a `Meter`, for judging.
    RETURNS (Dict[str, Any]): `rounds` (`round`, `score`, `overlap`, `spans` of its silver), `stop`
        (`reason` and `text`), `best` (the round whose student is in `training/loop/model-best`),
        `chosen_by`, and `metrics` (the folder, among those of the rounds, with the scores of that
        student). The same is in `loop.json` in the folder of metrics.
    """
    _check(settings)
    with alone(settings.metrics / "loop.json"):
        return _run_rounds(settings, watch, bar, meter)


def _run_rounds(settings: LoopSettings, watch: Watch, bar: Bar, meter: Meters) -> Dict[str, Any]:
    dev = settings.dev
    parts = (
        (settings.labelled, None)
        if dev is None
        else split_dev(dev, settings.corpus / LOOP, _stop_share(settings))
    )
    seed = stages_of(settings.metrics / "round-0", 0, watch)
    outcomes = [Outcome(score_student(settings, seed, 0, parts[1]))]
    seed.finish({})
    rounds: List[Round] = []
    spans: List[Optional[int]] = [None]
    stop = None
    while stop is None:
        before = rounds[-1] if rounds else None
        one = Round(settings, len(outcomes), *parts, before, watch, bar, meter)
        try:
            outcome = one.run()
        except NothingSelected as error:
            if before is None:
                raise
            stop = {"reason": "nothing_selected", "text": str(error)}
            one.stages.write({"stop": stop})
            break
        rounds.append(one)
        outcomes.append(outcome)
        stop = why_stop(outcomes, settings.rules)
        spans.append(one.finish(outcome, stop))
    best = best_round(outcomes)
    result = {
        "rounds": [
            {"round": i, "score": o.score, "overlap": o.overlap, "spans": n}
            for i, (o, n) in enumerate(zip(outcomes, spans))
        ],
        "stop": stop,
        "best": best,
        "chosen_by": "the last one" if parts[1] is None else "F1 on the stopping part of dev",
        "metrics": _keep_student(settings, best, rounds, watch),
    }
    write_json(settings.metrics / "loop.json", result)
    return result


def _check(settings: LoopSettings) -> None:
    """Now, not when the first round was paid for."""
    settings.rules.check()
    if settings.place is not None:
        refuse_batches(read_judge_config(settings.judge, settings.of("judge")), settings.judge)
    seed_model = require_file(settings.model(0), "Run the step `train` first.")
    require_file(settings.labelled, "Run `prepare` first.")
    if settings.dev is None and settings.rules.max_rounds > 1:
        why = "a student that has learned from the labelled set cannot be checked on it"
        what = {"what": "more than one round", "instead": "take one round"}
        raise LLMJudgeError(Errors.J429.format(path=settings.corpus, why=why, **what))
    if settings.audit is not None:
        require_file(settings.audit, "Draw it with `audit`, and answer it.")
    if settings.goes_on:
        # the students of later rounds fit the config anyway
        given = {**settings.of("student"), "paths.gold": str(settings.labelled)}
        if settings.goes_on == 1:
            go_on_from(seed_model, settings.config, given)
        else:
            check_components(settings.model(settings.goes_on - 1), given)


def _stop_share(settings: LoopSettings) -> float:
    return settings.stop_share if settings.rules.max_rounds > 1 else 0.0


def _keep_student(settings: LoopSettings, best: int, rounds: List[Round], watch: Watch) -> str:
    """Put the student that was chosen into `training/loop`. One of several rounds is trained once
    more, with the gold of dev, by which nothing is chosen any more.

    RETURNS (str): The folder, among those of the rounds' metrics, that holds its scores.
    """
    folder = settings.training / LOOP
    if best and settings.rules.max_rounds > 1 and settings.evidence_trains:
        chosen, model = rounds[best - 1], folder / "model-best"
        stages = stages_of(settings.metrics / LOOP, best, watch)
        chosen.train("last", stages, model, True)
        evaluate_student(
            settings, stages, model, chosen.silver, chosen.metrics, settings.metrics / LOOP
        )
        stages.finish({})
        return LOOP
    pipe_name = settings.pipe_name if best == 0 else None
    adopt_student(str(settings.model(best)), folder, find_target(settings.labelled), pipe_name)
    return f"round-{max(best, 1)}"
