"""Which documents to ask the judge about, where there is not the money for all of them."""

import heapq
from collections import deque
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..candidates import KEY, get_candidates, get_status
from ..storage import read_docs


def doubt(doc: Doc, key: str = KEY) -> float:
    """How much a student does not know about a document: the variance of the number of its candidates
    that are right, as if they were independent.

    It grows with the length of a document: a question about it costs the same, and more is learned.

    doc (Doc): A document that `calibrated_confidence` has annotated.
    key (str): The key of the candidate group.
    RETURNS (float): The sum of p (1 - p) over its candidates, where p is the confidence, or the posterior
        where nothing was calibrated; 0 where there are none.
    """
    total = 0.0
    for candidate in get_candidates(doc, key):
        p = candidate.student_probability
        if p is not None:
            total += p * (1 - p)
    return total


def choose_docs(
    docs: Sequence[Doc],
    at_most: Optional[int],
    asked_before: Optional[Path] = None,
    key: str = KEY,
) -> List[int]:
    """Choose the documents that the student is least certain about.

    docs (Sequence[Doc]): Annotated documents.
    at_most (Optional[int]): How many to choose; None takes them all.
    asked_before (Optional[Path]): Judged documents of an earlier round: those that were asked about there
        are chosen in any case and do not count.
    key (str): The key of the candidate group.
    RETURNS (List[int]): Their places in `docs`, in order; of equal doubt the text decides, so that the
        order of the documents does not.
    """
    if at_most is None:
        return list(range(len(docs)))
    known: Set[str] = set()
    if asked_before is not None:
        judged = read_docs(asked_before, Vocab())
        known = {doc.text for doc in judged if get_status(doc, key)["state"] is not None}
    taken: List[int] = []

    def rest() -> Iterator[Tuple[float, str, int]]:
        for i, doc in enumerate(docs):
            if doc.text in known:
                taken.append(i)
            else:
                yield -doubt(doc, key), doc.text, i

    scored = rest()
    least = heapq.nsmallest(at_most, scored)
    # of none it asks for none
    deque(scored, maxlen=0)
    return sorted(taken + [i for _, _, i in least])
