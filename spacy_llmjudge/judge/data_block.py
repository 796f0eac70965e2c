"""The data block of a prompt: which text stands in it, and the nonce that marks where it begins and ends.

A template writes `[NONCE begin]`, the data, `[NONCE end]`; nothing that comes from data stands outside of
these two lines. The data is the text of `block_text`, for the verifying task with the words around each
candidate, and for mined rules the labelled documents as rows of JSON.
"""

import hashlib
import hmac
from typing import Tuple

from spacy.tokens import Doc

from ..candidates import Candidate
from .long_documents import Window

DEFAULT_SALT = "spacy_llmjudge"
NONCE_LENGTH = 16


def make_nonce(salt: str, text: str, also: str = "") -> str:
    """Draw the mark of the data block: it never occurs in the text, so the text cannot close its block.

    The same salt and text give the same mark, so that a request can be found again; without the salt
    nobody can compute it.

    salt (str): A secret, or DEFAULT_SALT where none was handed in.
    text (str): The text that goes into the block.
    also (str): What else goes into it; the mark does not occur there either.
    RETURNS (str): Hexadecimal digits.
    """
    draw = 0
    while True:
        message = f"{draw}\n{text}".encode("utf8", "surrogatepass")
        digest = hmac.new(salt.encode("utf8"), message, hashlib.sha256).hexdigest()
        nonce = digest[:NONCE_LENGTH]
        if nonce not in text.lower() and nonce not in also.lower():
            return nonce
        draw += 1


def block_text(doc: Doc, window: Window) -> str:
    """RETURNS (str): The text that stands in the block: the words of the window as they are."""
    return window.span(doc).text


def place_in_block(doc: Doc, window: Window, candidate: Candidate) -> Tuple[int, int]:
    """RETURNS (Tuple[int, int]): Where a candidate stands in the text of the block, in characters."""
    offset, last = doc[window.start].idx, doc[candidate.end - 1]
    return doc[candidate.start].idx - offset, last.idx + len(last) - offset
