"""How likely a model found the words and the label that it wrote, from the log-probabilities of its tokens.

What a reply says of its own certainty may carry nothing where the model is small; what it nearly wrote
instead often does.
"""

import math
from functools import partial
from typing import Callable, List, NamedTuple, Optional, Sequence

from ..transport.messages import Token
from .reply_json import Quoted

# What the probabilities of several tokens are read as.
READINGS = ("mean", "least", "label")
LOWEST, HIGHEST = 1e-4, 1 - 1e-4
_STAND_IN = "\ufffd"
# Characters that a token can hide behind a stand-in.
_MAX_HIDDEN = 4

Rate = Callable[[str, str], Optional[float]]


class Piece(NamedTuple):
    """A token where it stands in a reply.

    start (int): Its first character.
    end (int): The character after its last one.
    logprob (float): The natural logarithm of its probability.
    """

    start: int
    end: int
    logprob: float


def align(reply: str, tokens: Sequence[Token]) -> Optional[List[Piece]]:
    """Find where the tokens of a reply stand in it.

    Tokens before and after it, such as thinking that the server took out, are skipped. A token that is a
    part of a character stands for all of it; where a server gives a stand-in instead of its bytes, it
    stands for all that is missing between its neighbours.

    reply (str): The reply.
    tokens (Sequence[Token]): What the model generated.
    RETURNS (Optional[List[Piece]]): None where the reply is not made of them.

    EXAMPLE:
        >>> align("né", [Token(b"n", -0.1), Token(b"\\xc3", -0.2), Token(b"\\xa9", -0.3)])
        [Piece(start=0, end=1, logprob=-0.1), Piece(start=1, end=2, logprob=-0.2), Piece(start=1, end=2, logprob=-0.3)]
    """
    said = reply.encode("utf8", "replace")
    offset = b"".join(token.data for token in tokens).rfind(said)
    if offset < 0 or not said:
        return _follow(reply, tokens)
    places = [i for i, character in enumerate(reply) for _ in character.encode("utf8", "replace")]
    pieces, end = [], -offset
    for data, logprob in tokens:
        start, end = end, end + len(data)
        inside = places[max(start, 0) : max(end, 0)]
        if inside:
            pieces.append(Piece(inside[0], inside[-1] + 1, logprob))
    return pieces


def _follow(reply: str, tokens: Sequence[Token]) -> Optional[List[Piece]]:
    """Follow tokens along a reply of which some hide their bytes."""
    pieces: List[Piece] = []
    hidden: List[float] = []
    cursor = 0
    for data, logprob in tokens:
        text = data.decode("utf8", "replace")
        if not text or _STAND_IN in text:
            hidden.append(logprob)
            continue
        start = reply.find(text, cursor + bool(hidden))
        if start < 0 and cursor + len(hidden) >= len(reply):
            break
        if not 0 <= start - cursor <= _MAX_HIDDEN * len(hidden):
            return None
        pieces += [Piece(cursor, start, value) for value in hidden]
        pieces.append(Piece(start, start + len(text), logprob))
        hidden, cursor = [], start + len(text)
    if len(reply) - cursor > _MAX_HIDDEN * len(hidden):
        return None
    return pieces + [Piece(cursor, len(reply), value) for value in hidden if cursor < len(reply)]


def make_rate(reply: str, reading: str) -> Optional[Rate]:
    """Make the function that says how likely an entry of a reply was.

    reply (str): The reply, with its tokens where the model gave them.
    reading (str): One of READINGS. "mean": the geometric mean of the probabilities of all tokens that
        spell words and label; "least": the smallest of them; "label": the probability of the label after
        the words. Each token is the more certain the more the ones before it leave open only one way.
    RETURNS (Optional[Rate]): From the words and the label, as the reply quotes them, to 0 to 1; None
        where the reply has no tokens, or is not made of them.
    """
    tokens = getattr(reply, "tokens", None)
    pieces = align(reply, tokens) if tokens else None
    return partial(_rate, pieces, reading) if pieces else None


def _rate(pieces: Sequence[Piece], reading: str, words: str, label: str) -> Optional[float]:
    if not isinstance(words, Quoted) or not isinstance(label, Quoted):
        return None
    # The quote after the words says that they end there.
    spelled = _spell(pieces, words.start, words.end + 1)
    named = _spell(pieces, label.start, label.end)
    if not spelled or not named:
        return None
    if reading == "label":
        logprob = sum(named)
    elif reading == "least":
        logprob = min(*spelled, *named)
    else:
        logprob = sum([*spelled, *named]) / (len(spelled) + len(named))
    return round(min(max(math.exp(logprob), LOWEST), HIGHEST), 6)


def _spell(pieces: Sequence[Piece], start: int, end: int) -> List[float]:
    return [piece.logprob for piece in pieces if piece.start < end and start < piece.end]
