"""Writing replies as a verifying task reads them: one line a candidate, with its own letters."""

from dataclasses import dataclass
from typing import Dict, Optional, Sequence

# Percent: never quite sure, as nothing that answers here is.
LEAST, MOST = 1.0, 99.0


@dataclass(frozen=True)
class Finding:
    """What is to be said about one candidate.

    verdict (str): correct, wrong_label, wrong_boundary or not_entity.
    probability (Optional[float]): That the candidate is correct, 0 to 1; None where nobody said so.
    correction (Optional[str]): What it should be: a label, or words of the text.
    """

    verdict: str
    probability: Optional[float] = None
    correction: Optional[str] = None


def write_verdict_lines(
    findings: Sequence[Optional[Finding]], verdicts: Sequence[Dict[str, str]]
) -> str:
    """Write a reply.

    findings (Sequence[Optional[Finding]]): For every candidate; None leaves its line out.
    verdicts (Sequence[Dict[str, str]]): For every candidate the verdict that each letter stands for.
    RETURNS (str): Lines `number: letter | probability | correction`.

    EXAMPLE:
        >>> letters = {"A": "not_entity", "B": "correct", "C": "wrong_label", "D": "wrong_boundary"}
        >>> write_verdict_lines([Finding("wrong_label", 0.2, "PLANT")], [letters])
        '1: C | 20 | PLANT'
    """
    lines = []
    for number, (finding, meanings) in enumerate(zip(findings, verdicts), 1):
        letters = {verdict: letter for letter, verdict in meanings.items()}
        if finding is None or finding.verdict not in letters:
            continue
        parts = [f"{number}: {letters[finding.verdict]}"]
        if finding.probability is not None:
            parts.append(f"{round(min(max(100 * finding.probability, LEAST), MOST), 2):g}")
        elif finding.correction is not None:
            # An empty place, so that a correction of digits is not read as the probability.
            parts.append("")
        if finding.correction is not None:
            # On one line, whatever stands between the words of the text.
            parts.append(" ".join(finding.correction.split()))
        lines.append(" | ".join(parts))
    return "\n".join(lines)
