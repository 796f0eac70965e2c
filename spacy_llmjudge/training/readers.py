"""A corpus reader that mixes gold and silver documents in fixed shares."""

import random
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.language import Language
from spacy.pipeline import EntityRecognizer
from spacy.tokens import Doc
from spacy.training import Example

from ..candidates import INCORRECT_KEY, is_judged
from ..errors import Errors, LLMJudgeError
from ..storage import read_docs
from ..streams import MOST_IN_FILE, Documents
from ..targets.base import Target, find_target

# of more silver documents, only so many are in memory
MOST_IN_MEMORY = MOST_IN_FILE

Reader = Callable[[Language], Iterable[Example]]


def make_example(nlp: Language, reference: Doc) -> Example:
    """Make an example for measuring: its labels may be ones that the pipeline does not know.

    nlp (Language): The pipeline that is measured.
    reference (Doc): The annotated document.
    RETURNS (Example): With an unannotated copy of the reference as the predicted document.
    """
    make = _ExampleMaker(reference)
    make.is_checked = True
    return make(nlp)


class _ExampleMaker:
    """Reads the tokens of a document once, since an endless stream comes back to it often.

    The parser learns from states on the gold path (see `update_with_oracle_cut_size` in the
    config). Over a missing token spaCy's oracle may take any action: it would open an entity there
    and continue it over tokens that are known to be outside. A sentence start on the first known
    token forbids just this, since entities do not cross sentence boundaries.
    """

    def __init__(self, reference: Doc, target: Optional[Target] = None) -> None:
        if target is not None and target.name == "ents":
            # the parser looks the key up in every reference document
            reference.spans.setdefault(INCORRECT_KEY, [])
        self.reference = reference
        self.words = [token.text for token in reference]
        self.spaces = [bool(token.whitespace_) for token in reference]
        missing = [token.ent_iob == 0 for token in reference]
        self.fences = [i for i in range(1, len(missing)) if missing[i - 1] and not missing[i]]
        self.is_checked = False

    def __call__(self, nlp: Language) -> Example:
        predicted = Doc(nlp.vocab, words=self.words, spaces=self.spaces)
        for i in self.fences:
            predicted[i].is_sent_start = True
        example = Example(predicted, self.reference)
        if not self.is_checked:
            self.is_checked = _ensure_gold_path(nlp, example)
        return example


def make_mixed_corpus(
    gold: Path,
    silver: Optional[Path] = None,
    gold_per_batch: int = 6,
    silver_per_batch: int = 18,
    judged_share: float = 0.0,
    seed: int = 0,
) -> Reader:
    """Make the reader `llmjudge.MixedCorpus.v1`: an endless stream for `max_epochs = -1`.

    gold (Path): A `.spacy` file of gold documents.
    silver (Optional[Path]): A `.spacy` file of silver documents, or a folder of shards; without it all are gold.
    gold_per_batch (int): So many gold documents are followed by
    silver_per_batch (int): so many silver ones. A batcher of the sum of both (or, without silver,
        of any size) makes batches that hold each in the same share.
    judged_share (float): At least this share of the silver documents, 0 to 1, are ones that the judge
        has read, however few they are: the many that only a student has labelled would drown them.
    seed (int): Of the order. Every document of a kind is seen once before any
        of it is seen again.
    RETURNS (Reader): From `nlp` to examples.
    """
    if not 0 <= judged_share <= 1:
        raise LLMJudgeError(Errors.J657.format(share=judged_share))

    def read(nlp: Language) -> Iterator[Example]:
        gold_docs = _annotated(read_docs(gold, nlp.vocab))
        if not gold_docs:
            raise LLMJudgeError(Errors.J650.format(path=gold))
        target = find_target(Path(gold))
        # spaCy learns the labels from the first examples of a stream
        cover = [_ExampleMaker(doc, target) for doc in _cover_labels(gold_docs, target)]
        golds = _cycle([_ExampleMaker(doc, target) for doc in gold_docs], random.Random(seed))
        yield from (make(nlp) for make in cover)
        silver_docs = Documents(silver, nlp.vocab) if silver else ()
        if not silver_docs:
            yield from (make(nlp) for make in golds)
        streams = [(golds, gold_per_batch)]
        if len(silver_docs) <= MOST_IN_MEMORY:
            # made once, and not for each part
            silver_docs = list(silver_docs)
        parts = _deal_silver(silver_docs, silver_per_batch, judged_share)
        for offset, (docs, per_batch) in enumerate(parts, 1):
            rng = random.Random(seed + offset)
            streams.append((_deal_out(docs, target, rng), per_batch))
        while True:
            for stream, per_batch in streams:
                for _ in range(per_batch):
                    yield next(stream)(nlp)

    return read


def _ensure_gold_path(nlp: Language, example: Example) -> bool:
    """Make sure that spaCy's oracle finds its way: one stuck document ends the training (E024).

    A span that is known to be wrong bars the way where it is just the one that the oracle tries
    over missing tokens; then the document goes without its negatives.

    RETURNS (bool): False where there is no parser yet that could tell.
    """
    parsers = [
        pipe for _, pipe in nlp.pipeline if isinstance(pipe, EntityRecognizer) and pipe.labels
    ]
    for parser in parsers:
        if not _has_gold_path(parser, example):
            example.reference.spans[INCORRECT_KEY] = []
            if not _has_gold_path(parser, example):
                text = example.reference.text[:60]
                raise LLMJudgeError(Errors.J656.format(name=parser.name, text=text))
    return bool(parsers)


def _has_gold_path(parser: EntityRecognizer, example: Example) -> bool:
    try:
        parser.moves.get_oracle_sequence(example)
    except (ValueError, KeyError):
        # stuck, or before a label that the parser does not know
        return False
    return True


class _Part(NamedTuple):
    """Silver documents of a kind.

    docs (Iterable[Doc]): All documents; they can be read again.
    is_judged (Optional[bool]): Those that the judge has read count, or the others; None: all of them.
    size (int): How many there are.
    """

    docs: Iterable[Doc]
    is_judged: Optional[bool]
    size: int

    def __iter__(self) -> Iterator[Doc]:
        return (d for d in self.docs if self.is_judged in (None, is_judged(d)))


def _deal_silver(
    docs: Sequence[Doc], per_batch: int, judged_share: float
) -> List[Tuple[_Part, int]]:
    """RETURNS (List[Tuple[_Part, int]]): Documents, and how many of them a batch has: all alike, or
    where the judged ones are too few by nature, those apart from the others."""
    n_judged = round(per_batch * judged_share)
    n_read = sum(map(is_judged, docs)) if n_judged else 0
    if not n_read or n_read >= judged_share * len(docs):
        return [(_Part(docs, None, len(docs)), per_batch)]
    return [
        (_Part(docs, True, n_read), n_judged),
        (_Part(docs, False, len(docs) - n_read), per_batch - n_judged),
    ]


def _deal_out(part: _Part, target: Target, rng: random.Random) -> Iterator[_ExampleMaker]:
    """An endless stream of documents, each of which is there once before any of them comes again. Of many, some
    are in memory at a time: a random one of these is next, and the next one of the file takes its place."""
    if part.size <= MOST_IN_MEMORY:
        yield from _cycle([_ExampleMaker(doc, target) for doc in part], rng)
    while True:
        waiting: List[_ExampleMaker] = []
        for doc in part:
            if len(waiting) == MOST_IN_MEMORY:
                place = rng.randrange(MOST_IN_MEMORY)
                waiting[place], waiting[-1] = waiting[-1], waiting[place]
                yield waiting.pop()
            waiting.append(_ExampleMaker(doc, target))
        rng.shuffle(waiting)
        yield from waiting


def _annotated(docs: Iterable[Doc]) -> List[Doc]:
    return [doc for doc in docs if len(doc)]


def _cycle(items: List[_ExampleMaker], rng: random.Random) -> Iterator[_ExampleMaker]:
    while True:
        order = list(items)
        rng.shuffle(order)
        yield from order


def _cover_labels(docs: List[Doc], target: Target) -> List[Doc]:
    """The first documents that bring labels which those before them lack."""
    seen: Set[str] = set()
    cover = []
    for doc in docs:
        labels = {key[2] for key in target.keys(doc)}
        if labels - seen:
            cover.append(doc)
            seen |= labels
    return cover
