import doctest
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.cli import judge
from spacy_llmjudge.judge import choices, opinions
from spacy_llmjudge.judge.choices import LETTERS, parse_choices
from spacy_llmjudge.judge.replies import ReplyError
from spacy_llmjudge.models.verdict_lines import Finding, write_verdict_lines

VERDICTS = ["correct", "wrong_label", "wrong_boundary", "not_entity"]
WORDS = st.lists(st.from_regex(r"[a-z0-9]{1,6}(\\|[a-z])?", fullmatch=True), min_size=1, max_size=3)
FINDINGS = st.builds(
    Finding,
    st.sampled_from(VERDICTS),
    st.none() | st.integers(1, 99).map(lambda percent: percent / 100),
    st.none()
    | st.tuples(WORDS, st.sampled_from([" ", "\n", "\t "])).map(lambda p: p[1].join(p[0])),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.none() | FINDINGS, st.sampled_from(sorted(permutations(VERDICTS)))),
        min_size=1,
        max_size=8,
    )
)
def test_the_task_reads_what_is_written(rows):
    findings = [finding for finding, _ in rows]
    verdicts = [dict(zip(LETTERS, order)) for _, order in rows]
    reply = write_verdict_lines(findings, verdicts)
    if not any(findings):
        with pytest.raises(ReplyError):
            parse_choices(reply, len(rows))
        return
    found = parse_choices(reply, len(rows))
    read = {
        number: Finding(
            verdicts[number - 1][choice.letter],
            None if choice.chance is None else round(choice.chance, 6),
            choice.correction,
        )
        for number, choice in found.items()
    }
    expected = {
        number: Finding(f.verdict, f.probability, f.correction and " ".join(f.correction.split()))
        for number, f in enumerate(findings, 1)
        if f is not None
    }
    assert read == expected


@pytest.mark.parametrize("module", [choices, opinions, judge])
def test_examples_in_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
