"""The loop: annotate, judge, filter, retrain, until more rounds bring nothing.

Round r annotates with the student of round r - 1. Everything of a round is in `corpus/round-r`,
`training/round-r` and `metrics/round-r`; nothing is made twice, and no question is paid for twice.
"""

from contextlib import nullcontext
from typing import Any, Dict, List, Optional

from ..locks import alone
from ..storage import require_file, write_json
from ..targets.base import find_target
from ..training.student import adopt_student, check_components, go_on_from
from .filter import NothingSelected
from .round import Bar, LoopSettings, Round, Watch, score_student, stages_of
from .stopping import Outcome, best_round, split_dev, why_stop


def run_loop(
    settings: LoopSettings, *, watch: Watch = None, bar: Optional[Bar] = None
) -> Dict[str, Any]:
    """Run rounds until a rule ends them.

    settings (LoopSettings): What it works on.
    watch (Watch): Called with the round, the name of a stage and its result; see `Stages`.
    bar (Optional[Bar]): From a text to a context that gives a progress callback, for annotating and
        judging.
    RETURNS (Dict[str, Any]): `rounds` (`round`, `score`, `overlap`, `spans` of its silver), `stop` (`reason` and
        `text`), `best` (the round whose student is in `training/loop/model-best`) and `chosen_by`. The
        same is in `loop.json` in the folder of metrics.
    """
    settings.rules.check()
    with alone(settings.metrics / "loop.json"):
        return _run_rounds(settings, watch, bar)


def _run_rounds(settings: LoopSettings, watch: Watch, bar: Optional[Bar]) -> Dict[str, Any]:
    seed_model = require_file(settings.model(0), "Run the step `train` first.")
    if settings.goes_on:
        # now, not when the first round was paid for; the students of later rounds fit the config anyway
        given = {**settings.of("student"), "paths.gold": str(settings.corpus / "labelled.spacy")}
        if settings.goes_on == 1:
            go_on_from(seed_model, settings.config, given)
        else:
            check_components(settings.model(settings.goes_on - 1), given)
    parts = split_dev(
        require_file(settings.corpus / "dev.spacy", "The loop needs held-out gold."),
        settings.corpus / "loop",
        settings.stop_share,
    )
    seed = stages_of(settings.metrics / "round-0", 0, watch)
    outcomes = [Outcome(score_student(settings, seed, 0, parts[1]))]
    seed.finish({})
    spans: List[Optional[int]] = [None]
    stop = None
    while stop is None:
        number = len(outcomes)
        loop_round = Round(settings, number, *parts, watch, bar or (lambda text: nullcontext()))
        try:
            outcome = loop_round.run()
        except NothingSelected as error:
            if number == 1:
                raise
            stop = {"reason": "nothing_selected", "text": str(error)}
            loop_round.stages.write({"stop": stop})
            break
        outcomes.append(outcome)
        stop = why_stop(outcomes, settings.rules)
        spans.append(loop_round.finish(outcome, stop))
    best = best_round(outcomes)
    pipe_name = settings.pipe_name if best == 0 else None
    target = find_target(settings.corpus / "labelled.spacy")
    adopt_student(str(settings.model(best)), settings.training / "loop", target, pipe_name)
    result = {
        "rounds": [
            {"round": i, "score": o.score, "overlap": o.overlap, "spans": n}
            for i, (o, n) in enumerate(zip(outcomes, spans))
        ],
        "stop": stop,
        "best": best,
        "chosen_by": "the last one" if parts[1] is None else "F1 on the stopping part of dev",
    }
    write_json(settings.metrics / "loop.json", result)
    return result
