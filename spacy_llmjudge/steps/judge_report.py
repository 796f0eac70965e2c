"""What a judge did with several sets of documents, for the metrics of a round."""

from typing import Any, Dict, Mapping

from ..candidates import NOT_ASKED
from ..errors import Errors, LLMJudgeError
from .judge import NOTHING_TO_ASK


def make_judge_report(judged: Mapping[str, Dict[str, Any]]) -> Dict[str, Any]:
    """Add up what the step `judge` returned for several sets.

    judged (Mapping[str, Dict[str, Any]]): By the name of the set: `states` and `usage`, in the order in
        which they were judged.
    RETURNS (Dict[str, Any]): `requests` (documents that were asked about), `abstained`, `stored` (prompts
        whose reply had been kept), `tokens_in` and `tokens_out` (of this run; None where the model does
        not count), `cost` (US dollars, of all runs of the ledger), and the states by set.
    """
    report: Dict[str, Any] = {"requests": 0, "abstained": 0}
    report.update(dict.fromkeys(("stored", "tokens_in", "tokens_out", "cost")))
    for name, found in judged.items():
        states, usage = found["states"], found["usage"]
        report[name] = states
        report["requests"] += sum(states.values()) - count_states(states, "not_")
        report["abstained"] += count_states(states, "abstained")
        for key in ("stored", "tokens_in", "tokens_out"):
            if usage is not None and usage[key] is not None:
                report[key] = (report[key] or 0) + usage[key]
        if usage is not None:
            # the ledger counts the cost of all runs together
            report["cost"] = usage["cost"]
    return report


def count_states(states: Mapping[str, int], prefix: str) -> int:
    """RETURNS (int): Documents whose state begins so."""
    return sum(n for state, n in states.items() if state.startswith(prefix))


def require_answers(states: Mapping[str, int]) -> None:
    """RAISES (LLMJudgeError): J826 where the judge answered about no document at all."""
    asked = {
        state: n
        for state, n in states.items()
        if state.split(": ")[-1] not in (*NOTHING_TO_ASK, NOT_ASKED)
    }
    if asked and not any(state.startswith("judged") for state in asked):
        reasons = ", ".join(f"{n} {state}" for state, n in sorted(asked.items()))
        raise LLMJudgeError(Errors.J826.format(n=sum(asked.values()), reasons=reasons))


def left_by_reason(states: Mapping[str, int]) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): Documents that another run can ask about, by why they were not answered."""
    left: Dict[str, int] = {}
    for text, n in states.items():
        state, _, reason = text.partition(": ")
        if state == "not_sent" and reason not in NOTHING_TO_ASK:
            left[reason] = left.get(reason, 0) + n
    return left
