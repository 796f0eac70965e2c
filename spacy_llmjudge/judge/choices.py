"""From the characters of a reply that answers with letters, and their log-probabilities, to opinions."""

import math
import re
from dataclasses import dataclass
from itertools import permutations
from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..candidates import Candidate
from ..storage import sha256_json
from .folding import fold_words
from .reply_json import NO_WORDS, ReplyError, find_text
from .stated_confidence import Stated, read_stated, to_shares

LETTERS = "ABCD"
# Below this the four letters are not what the model was about to say.
MIN_COVERAGE = 0.5
_WRAPPING = " \t\r\n*_`\"'()[].:|"
# A bound on what the pattern has to read, and no answer is longer.
_MAX_HEAD = 80
_HEAD = re.compile(
    r"[\s>*_`#(\[-]*(?:(?i:q(?:uestion)?\s*)?(?P<number>\d{1,4})[*_`]*\s*[:：.)][*_`]*\s*)?"
    r"(?i:(?:the\s+)?(?:correct\s+|final\s+|best\s+)?(?P<name>answer|option|choice)"
    r"\s*(?P<says>(?:is\b|[:：])\s*)?)?"
    r"(?:<answer>|\\boxed\{)?[*_`\"'(\[]*(?P<letter>[A-D])[*_`\"')\].。]*(?:</answer>|\})?\s*"
)
# Before a copied option.
_COPIED = re.compile(r"[\s*_(`]*(?P<letter>[A-D])[*_]*[:.)][*_]*(?=\s)")
_OPTION = re.compile(r"^([A-D]): (.+)$", re.M)
_AROUND = " \t\r\n\"'`*_.()"
_QUOTING = " \t\r\n\"'`|*"


@dataclass(frozen=True)
class Choice:
    """An answer as a reply states it.

    letter (str): One of LETTERS.
    offset (int): Where the letter stands in the reply.
    chance (Optional[float]): Stated probability, 0 to 1.
    correction (Optional[str]): The words after it.
    """

    letter: str
    offset: int
    chance: Optional[float] = None
    correction: Optional[str] = None


def parse_choices(
    reply: str, n: int, is_cut_off: bool = False, options: Optional[Mapping[str, str]] = None
) -> Dict[int, Choice]:
    """Find the answers to n questions, one a line: `number: letter | probability | correction`.

    Thinking, and prose and fences around the lines, are skipped. With one question the number may be
    missing, and the whole reply may be a letter and the option that it stands for; a question that is
    answered in two ways has no answer.

    reply (str): The reply.
    n (int): How many questions were asked; they count from 1.
    is_cut_off (bool): Whether the reply ends at the token limit: what its last line says after the
        letter may then be half a word, and lines among prose may be no more than thoughts.
    options (Optional[Mapping[str, str]]): What each letter stands for, where one question was asked.
    RETURNS (Dict[int, Choice]): Answer by question.
    RAISES (ReplyError): empty_reply, oversized, truncated, several_answers or no_answer, where there
        is none.

    EXAMPLE:
        >>> parse_choices("2: C | 20 | red roses", 2)
        {2: Choice(letter='C', offset=3, chance=0.2, correction='red roses')}
    """
    answer = find_text(reply)
    offset = start = len(reply) - len(answer)
    lines: List[_Line] = []
    has_prose = False
    for line in answer.splitlines(keepends=True):
        head, *tail = line.split("|", 2)
        match = _HEAD.fullmatch(head) if len(head) <= _MAX_HEAD else None
        if match:
            number = int(match["number"] or (1 if n == 1 else 0))
            is_whole = not is_cut_off or offset + len(line) < len(reply) or line[-1] in "\r\n"
            is_heading = bool(match["name"]) and not (match["says"] or tail)
            lines.append(_read_line(match, number, offset, tail if is_whole else [], is_heading))
        has_prose = has_prose or not (match or not line.strip("` \t\r\n"))
        offset += len(line)
    if has_prose or len(lines) > n:
        # "Option A" may then be the heading of what is said about it
        lines = [line for line in lines if not line.is_heading]
    if n == 1 and not lines and not is_cut_off:
        lines += _read_copy(answer, start, options or {})
    if is_cut_off and (has_prose or not lines):
        raise ReplyError("truncated")
    answers = _find_answers(lines, n)
    if not answers:
        several = any(1 <= line.number <= n for line in lines)
        raise ReplyError("several_answers" if several else "no_answer")
    return answers


class _Line(NamedTuple):
    number: int
    letter: str
    offset: int
    stated: Optional[Stated]
    correction: Optional[str]
    is_heading: bool


def read_options(prompt: str) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): What each letter stands for in the last question of a prompt."""
    return dict(_OPTION.findall(prompt))


def _read_copy(answer: str, offset: int, options: Mapping[str, str]) -> Iterator[_Line]:
    """An answer that copies the option; other words after a letter are prose."""
    head, *tail = answer.split("|", 2)
    match = _COPIED.match(head)
    option = options.get(match["letter"], "") if match else ""
    is_line = "\n" not in answer.strip("` \t\r\n")
    if match and is_line and option and len(head) <= len(option) + _MAX_HEAD:
        words = head[match.end() :].strip(_AROUND)
        if fold_words(words) == fold_words(option.strip(_AROUND)):
            yield _read_line(match, 1, offset, tail)


def _read_line(
    match: "re.Match[str]", number: int, offset: int, tail: List[str], is_heading: bool = False
) -> _Line:
    stated = read_stated(tail[0]) if tail else None
    # Where no number is stated, the correction may come at once.
    correction = tail[-1].strip(_QUOTING) if len(tail) > (stated is not None) else ""
    correction = "" if correction.lower() in NO_WORDS else correction
    letter, place = match["letter"], offset + match.start("letter")
    return _Line(number, letter, place, stated, correction or None, is_heading)


def _find_answers(lines: Sequence[_Line], n: int) -> Dict[int, Choice]:
    """The answer to every question that has one."""
    # A lone 1 is on the scale that was asked for; what cannot go with its letter is dropped later.
    shares = to_shares([line.stated for line in lines], lone_one=0.01)
    found: Dict[int, List[Choice]] = {}
    for line, share in zip(lines, shares):
        if 1 <= line.number <= n:
            choice = Choice(line.letter, line.offset, share, line.correction)
            found.setdefault(line.number, []).append(choice)
    return {
        number: choices[0]
        for number, choices in found.items()
        if len({(c.letter, c.chance, c.correction) for c in choices}) == 1
    }


def order_answers(
    answers: Iterable[str], text: str, candidate: Candidate, sample: int = 0
) -> List[str]:
    """Order the answers to a question, drawn by the text and the candidate.

    answers (Iterable[str]): The answers.
    text (str): What the prompt shows.
    candidate (Candidate): What it asks about.
    sample (int): Each further sample moves every answer on by one letter.
    RETURNS (List[str]): The answers, as A, B, C, D.
    """
    orders = sorted(permutations(answers))
    identity = [text, candidate.start, candidate.end, candidate.label]
    order = orders[int(sha256_json(identity)[:8], 16) % len(orders)]
    shift = sample % len(order)
    return [*order[shift:], *order[:shift]]


def read_masses(
    reply: str, logprobs: Optional[Sequence[Mapping[str, float]]], offset: int
) -> Tuple[Optional[Dict[str, float]], Optional[float]]:
    """Read the probabilities of the letters at the place where a reply says one of them.

    Ways of writing a letter (`B`, ` B`, `B.`) are summed, and what remains is renormalised over the four.

    reply (str): The reply.
    logprobs (Optional[Sequence[Mapping[str, float]]]): For each token, the natural logarithms of the
        probabilities of its alternatives.
    offset (int): Where the letter stands in the reply.
    RETURNS (Tuple[Optional[Dict[str, float]], Optional[float]]): Probability by letter, None where
        the letters together have less than MIN_COVERAGE; and what they have together, 0 to 1.

    EXAMPLE:
        >>> masses, coverage = read_masses("B", [{"B": -0.5, " B": -2.0, "A": -1.5}], 0)
        >>> round(coverage, 3), round(masses["B"], 3)
        (0.965, 0.769)
    """
    alternatives = _find_token(reply, logprobs or (), offset)
    if alternatives is None:
        return None, None
    masses = dict.fromkeys(LETTERS, 0.0)
    for token, logprob in alternatives.items():
        letter = token.strip(_WRAPPING)
        if letter in masses:
            masses[letter] += math.exp(min(logprob, 0.0))
    coverage = sum(masses.values())
    if not coverage >= MIN_COVERAGE:
        return None, coverage
    return {letter: mass / coverage for letter, mass in masses.items()}, min(coverage, 1.0)


def _find_token(
    reply: str, logprobs: Sequence[Mapping[str, float]], offset: int
) -> Optional[Mapping[str, float]]:
    """Follow the tokens along the reply up to the one that holds a letter and nothing else."""
    cursor = 0
    for alternatives in logprobs:
        fitting = [token for token in alternatives if token and reply.startswith(token, cursor)]
        if not fitting:
            return None
        token = max(fitting, key=lambda token: (alternatives[token], token))
        if cursor <= offset < cursor + len(token):
            return alternatives if token.strip(_WRAPPING) == reply[offset] else None
        cursor += len(token)
    return None
