"""Where a local model's reply says a letter: the probability that it gave to every letter there.

Only the numbers of the letters are kept while a reply is written. All positions of a reply times a large
vocabulary would fill the memory.
"""

import math
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..transport.messages import Token

_LONGEST_TOKEN = 8


def find_letter_tokens(tokenizer: Any, letters: Sequence[str]) -> Dict[int, str]:
    """Find all tokens that write a letter and nothing else but spaces and marks around it.

    tokenizer (Any): A tokenizer of transformers.
    letters (Sequence[str]): The letters.
    RETURNS (Dict[int, str]): Token to letter.
    """
    found = {}
    for token, index in tokenizer.get_vocab().items():
        # Most of a vocabulary need not be decoded.
        if len(token) <= _LONGEST_TOKEN and any(letter in token for letter in letters):
            letter = _bare(tokenizer.decode([index]))
            if letter in letters:
                found[index] = letter
    return dict(sorted(found.items()))


def _bare(text: str) -> str:
    return re.sub(r"[\W_]", "", text)


class LetterScores:
    """Listens while a model generates, greedily: a processor of logits that changes none.

    tokens (Dict[int, str]): What `find_letter_tokens` found.
    """

    def __init__(self, tokens: Dict[int, str]) -> None:
        self._tokens = tokens
        self._steps: List[Tuple[List[List[float]], List[float]]] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Note the log-probabilities of a step, for every row of the batch."""
        import torch

        logprobs = torch.log_softmax(scores.float(), dim=-1)
        kept = logprobs[:, list(self._tokens)]
        self._steps.append((kept.tolist(), logprobs.max(dim=-1).values.tolist()))
        return scores

    def describe(
        self, tokenizer: Any, row: int, tokens: Sequence[int], text: str
    ) -> Optional[List[Dict[str, float]]]:
        """Write what a reply's `logprobs` are.

        tokenizer (Any): The tokenizer.
        row (int): Which of the batch.
        tokens (Sequence[int]): The tokens of the reply.
        text (str): The reply.
        RETURNS (Optional[List[Dict[str, float]]]): For each token that adds to the text its own
            log-probability, and for one that is a letter that of every letter. None where the text
            is not made of its tokens, one after the other.
        """
        pieces = split_text(tokenizer, tokens)
        if "".join(piece for piece, _ in pieces) != text:
            return None
        described = []
        for piece, step in pieces:
            kept, best = self._steps[step]
            said = self._tokens.get(tokens[step])
            if said is None or _bare(piece) != said:
                described.append({piece: best[row]})
                continue
            of_letters = self._sum(kept[row])
            # Under the name with its spaces, by which the token is found in the text.
            of_letters[piece] = of_letters.pop(said)
            described.append(of_letters)
        return described

    def spell(
        self, tokenizer: Any, row: int, tokens: Sequence[int], text: str
    ) -> Optional[List[Token]]:
        """Write what a reply's `tokens` are: those that are parts of a character together.

        tokenizer (Any): The tokenizer.
        row (int): Which of the batch.
        tokens (Sequence[int]): The tokens of the reply.
        text (str): The reply.
        RETURNS (Optional[List[Token]]): None where the text is not made of its tokens.
        """
        pieces = split_text(tokenizer, tokens)
        if "".join(piece for piece, _ in pieces) != text:
            return None
        spelled, begin = [], 0
        for piece, step in pieces:
            logprob = sum(best[row] for _, best in self._steps[begin : step + 1])
            spelled.append(Token(piece.encode("utf8", "replace"), logprob))
            begin = step + 1
        return spelled

    def _sum(self, logprobs: Sequence[float]) -> Dict[str, float]:
        """All ways to write a letter together, for each letter that has one."""
        masses: Dict[str, float] = {}
        for letter, logprob in zip(self._tokens.values(), logprobs):
            masses[letter] = masses.get(letter, 0.0) + math.exp(logprob)
        return {letter: math.log(mass) for letter, mass in masses.items() if mass > 0.0}


def split_text(tokenizer: Any, tokens: Sequence[int]) -> List[Tuple[str, int]]:
    """Cut the text of a reply by its tokens.

    A tokenizer may write a token in another way at the beginning, so each is read behind the one before
    it; one that is a part of a character goes with the next.

    tokenizer (Any): A tokenizer of transformers.
    tokens (Sequence[int]): The tokens.
    RETURNS (List[Tuple[str, int]]): Text, and the place of the token that finished it.
    """
    pieces: List[Tuple[str, int]] = []
    before, begin = 0, 0
    for i in range(len(tokens)):
        known = decode(tokenizer, tokens[before:begin])
        text = decode(tokenizer, tokens[before : i + 1])
        is_part = text.endswith("\ufffd") and i + 1 < len(tokens)
        if len(text) > len(known) and not is_part:
            pieces.append((text[len(known) :], i))
            before, begin = begin, i + 1
    return pieces


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """RETURNS (str): The text of some tokens, with all its spaces: what it quotes must be found again."""
    return tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
