import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.judge.choices import parse_choices, read_masses, read_options
from spacy_llmjudge.judge.replies import ReplyError


def read(reply, n=1, **settings):
    return {
        k: (c.letter, c.chance, c.correction)
        for k, c in parse_choices(reply, n, **settings).items()
    }


@pytest.mark.parametrize(
    "reply, expected",
    [
        ("B", ("B", None, None)),
        (" B\n", ("B", None, None)),
        ("**B**", ("B", None, None)),
        ("(B)", ("B", None, None)),
        ("B.", ("B", None, None)),
        ("Answer: B", ("B", None, None)),
        ("The correct answer is B.", ("B", None, None)),
        ("Final answer: B", ("B", None, None)),
        ("Option B", ("B", None, None)),
        ("<answer>B</answer>", ("B", None, None)),
        ("\\boxed{B}", ("B", None, None)),
        ("B。", ("B", None, None)),
        ("**1**：B", ("B", None, None)),
        ("Question 1: B", ("B", None, None)),
        ("C | 4 | null", ("C", 0.04, None)),
        ("C | 4 | -", ("C", 0.04, None)),
        ("B | 85", ("B", 0.85, None)),
        ("B|85%|", ("B", 0.85, None)),
        ("C | 4 | carrot cake", ("C", 0.04, "carrot cake")),
        ('1: C | 4 | "carrot cake"', ("C", 0.04, "carrot cake")),
        ("```\nD | 1 | \n```", ("D", 0.01, None)),
        ("Let me see.\nA bad apple.\nD | 1", ("D", 0.01, None)),
        ("D | 1\nD | 1", ("D", 0.01, None)),
        ("D | 0.97", ("D", 0.97, None)),
        ("D | 140", ("D", None, None)),
        ("D | roses", ("D", None, "roses")),
        ("D | | roses", ("D", None, "roses")),
        ("D |", ("D", None, None)),
        ("D | 9 | either | or", ("D", 0.09, "either | or")),
    ],
)
def test_one_answer(reply, expected):
    assert read(reply) == {1: expected}


@pytest.mark.parametrize(
    "reply, reason",
    [
        ("", "empty_reply"),
        ("  \n", "empty_reply"),
        ("I cannot say.", "no_answer"),
        ("A bad apple spoils it", "no_answer"),
        ("b | 85", "no_answer"),
        ("E | 85", "no_answer"),
        ("AB", "no_answer"),
        ("2: A | 10", "no_answer"),
        ("0: A | 10", "no_answer"),
        ("A | 10\nB | 10", "several_answers"),
        ('{"entities": []}', "no_answer"),
        ("<html>502</html>", "no_answer"),
        ("x" * 1_000_001, "oversized"),
        ("*" * 100_000, "no_answer"),
    ],
)
def test_what_is_no_answer(reply, reason):
    with pytest.raises(ReplyError, match=f"^{reason}$"):
        parse_choices(reply, 1)


def test_several_questions_are_told_apart_by_their_numbers():
    reply = "1: A | 97\n3. C | 10 | roses\n4) D\n4: B\nB | 12\n9: A"
    assert read(reply, 4) == {1: ("A", 0.97, None), 3: ("C", 0.1, "roses")}


def test_a_reply_that_was_cut_loses_the_half_of_its_last_line():
    assert read("1: A | 97\n2: B | 9", 2, is_cut_off=True) == {
        1: ("A", 0.97, None),
        2: ("B", None, None),
    }
    assert read("1: A | 97\n2: B | 9\n", 2, is_cut_off=True)[2] == ("B", 0.09, None)
    assert read("B", is_cut_off=True) == {1: ("B", None, None)}


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80), st.integers(1, 8))
def test_any_reply_is_read_or_refused(reply, n):
    try:
        choices = parse_choices(reply, n)
    except ReplyError:
        return
    for number, choice in choices.items():
        assert 1 <= number <= n and reply[choice.offset] == choice.letter
        assert choice.chance is None or 0 <= choice.chance <= 1


def logs(**masses):
    return {token.replace("_", " "): math.log(mass) for token, mass in masses.items()}


def test_ways_to_write_a_letter_are_summed_and_the_rest_is_renormalised():
    masses, coverage = read_masses("A", [logs(A=0.4, _A=0.2, B=0.1, C=0.05, x=0.2)], 0)
    assert coverage == pytest.approx(0.75)
    assert masses == pytest.approx({"A": 0.8, "B": 0.1 / 0.75, "C": 0.05 / 0.75, "D": 0.0})


def test_letters_that_are_hardly_expected_have_no_masses():
    masses, coverage = read_masses("A", [logs(A=0.3, The=0.6)], 0)
    assert masses is None and coverage == pytest.approx(0.3)


def test_the_place_of_the_letter_is_found_among_the_tokens():
    reply = "1: B | 90\n2: A"
    tokens = ["1", ":", " B", " |", " ", "90", "\n", "2", ":", " A"]
    logprobs = [{token: math.log(0.9)} for token in tokens]
    logprobs[2] = logs(_B=0.6, _A=0.3)
    logprobs[9] = logs(_A=0.9, _D=0.05)
    first, second = (c.offset for c in parse_choices(reply, 2).values())
    assert read_masses(reply, logprobs, first)[0]["B"] == pytest.approx(0.6 / 0.9)
    assert read_masses(reply, logprobs, second)[0]["A"] == pytest.approx(0.9 / 0.95)


@pytest.mark.parametrize(
    "reply, logprobs",
    [
        ("A", None),
        ("A", []),
        ("A", [{"B": -0.1}]),
        ("A | 9", [{"A |": -0.1, " 9": -3.0}, {}]),
        ("A thing", [{"A thing": -0.1}]),
    ],
)
def test_tokens_that_do_not_spell_the_reply_tell_nothing(reply, logprobs):
    masses, coverage = read_masses(reply, logprobs, 0)
    if reply == "A | 9":
        assert masses["A"] == 1.0
    else:
        assert (masses, coverage) == (None, None)


@pytest.mark.parametrize(
    "reply, expected",
    [
        ("1: A | 0.9\n2: D | 0.2", [0.9, 0.2]),
        ("1: A | 90\n2: D | 1", [0.9, 0.01]),
        ("1: A | 90%\n2: D | 20 %", [0.9, 0.2]),
        ("1: A | 1.0\n2: D | 0", [1.0, 0.0]),
        ("1: A | 90\n2: D | 0.2", [0.9, None]),
        ("1: D | 1\n2: D | 1", [0.01, 0.01]),
    ],
)
def test_all_lines_of_a_reply_share_a_scale(reply, expected):
    assert [chance for _, chance, _ in read(reply, 2).values()] == expected


def test_letters_are_found_behind_thinking_at_their_place_in_the_reply():
    reply = "<think>\nA | 9\n</think>\nB | 90"
    (choice,) = parse_choices(reply, 1).values()
    assert (choice.letter, choice.offset) == ("B", reply.index("B |"))
    tokens = ["<think>", "\nA", " | 9", "\n</think>", "\n", "B", " | 90"]
    logprobs = [{token: math.log(0.9)} for token in tokens]
    logprobs[5] = logs(B=0.6, A=0.3)
    assert read_masses(reply, logprobs, choice.offset)[0]["B"] == pytest.approx(0.6 / 0.9)


@pytest.mark.parametrize("reply", ["Hm.\nA | 97\nNo", "Let me see", "1: A | 97\nor rather"])
def test_lines_among_prose_of_a_cut_reply_may_be_thoughts(reply):
    with pytest.raises(ReplyError, match="^truncated$"):
        parse_choices(reply, 1, is_cut_off=True)


OPTIONS = {
    "A": "exactly these words, with the label PLANT",
    "B": "exactly these words, but with another label",
    "C": "a part of them",
    "D": "not at all: there is no plant here",
}


@pytest.mark.parametrize(
    "reply, expected",
    [
        ("B: exactly these words, but with another label", ("B", None, None)),
        ("**B.** Exactly these words, but with another  label. | 80", ("B", 0.8, None)),
        ("```\nD) not at all: there is no plant here | 3 | -\n```", ("D", 0.03, None)),
        ("C: a part of them | 10 | elm", ("C", 0.1, "elm")),
    ],
)
def test_a_copied_option_is_an_answer(reply, expected):
    assert read(reply, options=OPTIONS) == {1: expected}
    with pytest.raises(ReplyError, match="^no_answer$"):
        parse_choices(reply, 1)


@pytest.mark.parametrize(
    "reply",
    [
        "A: Sorry, I have to pass on this one.",
        "C. Elm wrote this, so it is a person",
        "D: Dr. Oak",
        "A: exactly these words",
        "A: exactly these words, but with another label",
        "C: a part of them\nOr is it the whole?",
        "A: " + "x" * 100_000 + "\ny",
    ],
)
def test_other_words_after_a_letter_are_prose(reply):
    with pytest.raises(ReplyError, match="^no_answer$"):
        parse_choices(reply, 1, options=OPTIONS)


def test_the_options_of_a_prompt_are_those_of_its_question():
    shown = "\n".join(f"{letter}: {option}" for letter, option in OPTIONS.items())
    assert read_options(f"TEXT\nA: elm\nB: oak\n\nQUESTION\n{shown}\n\nAnswer.") == OPTIONS


@pytest.mark.parametrize("heading", ["**Option A**", "# Choice A", "1. Option A", "Answer A."])
def test_a_heading_is_no_answer(heading):
    prose = "It looks right at first. But the rose is a colour, hence B."
    with pytest.raises(ReplyError, match="^no_answer$"):
        parse_choices(f"{heading}\n\n{prose}", 1)
    assert read(f"{heading}\n\n{prose}\nFinal answer: B") == {1: ("B", None, None)}
    assert read(heading) == {1: ("A", None, None)}


def test_names_of_options_in_lines_are_answers():
    assert read("1: Option A\n2: Option C", 2) == {1: ("A", None, None), 2: ("C", None, None)}
    assert read("I would say:\nOption C | 5 | elm") == {1: ("C", 0.05, "elm")}
