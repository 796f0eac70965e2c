"""Count what the sets of a corpus hold."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from ..targets.base import Target
from ..targets.cats import Cats
from .duplicates import normalise
from .sampling import count_labels


@dataclass(frozen=True)
class Counts:
    """What a set holds.

    documents (int): Its documents.
    annotated (int): Those that say something.
    mentions (int): Entities, spans or labels of documents, whatever the target counts.
    labels (Dict[str, int]): Mentions by label.
    empty_share (Optional[float]): The share of the annotated documents that have none.
    unknown (int): Tokens of annotated documents, or labels of texts, that were left open.
    longest (int): Tokens of the longest document.
    long_mentions (int): Mentions of more tokens than asked for; 0 where nobody looked.
    misaligned (int): Mentions that the tokenizer of the language cuts; 0 where nobody looked.
    texts (List[str]): The normalised texts.
    """

    documents: int
    annotated: int
    mentions: int
    labels: Dict[str, int]
    empty_share: Optional[float]
    unknown: int
    longest: int
    long_mentions: int
    misaligned: int
    texts: List[str]

    @property
    def repeated(self) -> int:
        """How many documents have the text of another one."""
        return len(self.texts) - len(set(self.texts))


def describe(
    docs: Sequence[Doc], target: Target, nlp: Optional[Language] = None, max_size: int = 0
) -> Counts:
    """Count what a set holds.

    docs (Sequence[Doc]): The documents.
    target (Target): What is annotated.
    nlp (Optional[Language]): Its tokenizer is that of the student; where it is given, mentions that this
        tokenizer cuts are counted.
    max_size (int): Mentions of more tokens are counted; 0 counts none.
    RETURNS (Counts): The counts.
    """
    labels = count_labels(docs, target)
    annotated = [doc for doc in docs if target.is_annotated(doc)]
    sizes = [end - start for doc in docs for start, end, _ in target.keys(doc)]
    n_empty = sum(not target.keys(doc) for doc in annotated)
    return Counts(
        documents=len(docs),
        annotated=len(annotated),
        mentions=sum(labels.values()),
        labels=dict(sorted(labels.items())),
        empty_share=n_empty / len(annotated) if annotated else None,
        unknown=sum(_count_unknown(doc, target) for doc in annotated),
        longest=max(map(len, docs), default=0),
        long_mentions=sum(size > max_size for size in sizes) if max_size else 0,
        misaligned=sum(_count_misaligned(doc, target, nlp) for doc in annotated) if nlp else 0,
        texts=[normalise(doc.text) for doc in docs],
    )


def _count_unknown(doc: Doc, target: Target) -> int:
    if isinstance(target, Cats):
        return len(set(target.labels) - set(doc.cats))
    return sum(token.ent_iob == 0 for token in doc) if target.name == "ents" else 0


def _count_misaligned(doc: Doc, target: Target, nlp: Language) -> int:
    keys = [] if target.name == "cats" else target.keys(doc)
    if not keys:
        return 0
    cut = nlp.make_doc(doc.text)
    spans = (doc[start:end] for start, end, _ in keys)
    return sum(cut.char_span(span.start_char, span.end_char) is None for span in spans)
