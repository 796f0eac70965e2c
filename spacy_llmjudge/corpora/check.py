"""Look at a prepared corpus before time and money go into it, in the manner of `spacy debug data`.

Every finding is a pair of a level and a message: "good", "info", "warn" (the run may disappoint) or
"fail" (the run cannot do what it is for).
"""

from typing import Any, Dict, List, Optional, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError
from ..storage import PathLike, read_docs, require_file
from .duplicates import normalise
from .language import make_blank
from .sampling import count_labels
from .splits import GOLD, SPLITS

FEW_MENTIONS = 5
MANY_EMPTY = 0.2
LARGE_SHARE = 0.5
TOKENS_OF_A_LONG_DOCUMENT = 10_000

Message = Tuple[str, str]


def check(
    corpus: PathLike, *, lang: str = "en", q: float = 0.1, window: int = 512
) -> Dict[str, Any]:
    """Count a corpus and say what may go wrong with it.

    corpus (Path): The folder that `prepare` wrote.
    lang (str): The language, whose tokenizer the student will use.
    q (float): The share of wrong silver that the selection is to promise.
    window (int): How many tokens the encoder reads at once.
    RETURNS (Dict[str, Any]): `data`: `splits` (counts by split) and `evidence` (for q); `messages`:
        a list of (level, message).
    """
    corpus = require_file(corpus, "Run `prepare` first.")
    if not 0 < q < 1:
        raise LLMJudgeError(Errors.J624.format(q=q))
    nlp = make_blank(lang)
    texts: Dict[str, List[str]] = {}
    splits: Dict[str, Dict[str, Any]] = {}
    for split in (*SPLITS, GOLD):
        path = corpus / f"{split}.spacy"
        if split in ("labelled", "pool"):
            require_file(path, "Run `prepare` first.")
        if path.exists():
            docs = list(read_docs(path, nlp.vocab))
            splits[split] = describe(docs, nlp, retokenise=split not in ("pool", GOLD))
            texts[split] = [normalise(doc.text) for doc in docs]
    evidence = _evidence(splits.get("dev"), q)
    messages = [
        *_check_sizes(splits),
        *_check_labels(splits),
        *_check_overlaps(texts),
        *_check_tokens(splits, window, lang),
        *_check_evidence(evidence),
    ]
    return {"data": {"splits": splits, "evidence": evidence}, "messages": messages}


def describe(docs: List[Doc], nlp: Language, retokenise: bool = True) -> Dict[str, Any]:
    """Count what a split holds.

    docs (List[Doc]): The documents.
    nlp (Language): Its tokenizer is that of the student.
    retokenise (bool): Whether to look for entities that this tokenizer cuts.
    RETURNS (Dict[str, Any]): `documents`, `entities`, `labels`, `without_entities` (share of the
        documents), `missing_tokens` (in documents that have annotation), `longest` (tokens),
        `median` (tokens), `over_long` (documents), and `misaligned` where it was looked for.
    """
    lengths = sorted(len(doc) for doc in docs)
    labels = count_labels(docs)
    annotated = [doc for doc in docs if doc.has_annotation("ENT_IOB")]
    empty = sum(not doc.ents for doc in annotated)
    found = {
        "documents": len(docs),
        "annotated": len(annotated),
        "entities": sum(labels.values()),
        "labels": dict(sorted(labels.items())),
        "without_entities": empty / len(annotated) if annotated else None,
        "missing_tokens": sum(t.ent_iob == 0 for doc in annotated for t in doc),
        "longest": lengths[-1] if lengths else 0,
        "median": lengths[len(lengths) // 2] if lengths else 0,
    }
    if retokenise:
        found["misaligned"] = sum(_count_misaligned(doc, nlp) for doc in annotated)
    return found


def smallest_q(n: int, share: float = 1.0) -> float:
    """The smallest q that conformal selection can promise, where no held-out candidate is wrong.

    Of m candidates, it keeps k at best where `m <= q (n + 1) k`.

    n (int): How many held-out candidates there are.
    share (float): The share k / m that is to be kept.
    RETURNS (float): The smallest q; over 1 means not attainable.

    >>> smallest_q(99, 0.5)
    0.02
    """
    return 1 / ((n + 1) * share)


def _evidence(dev: Optional[Dict[str, Any]], q: float) -> Dict[str, Any]:
    n = dev["entities"] if dev else 0
    return {
        "q": q,
        "held_out_spans": n,
        "smallest_share": smallest_q(n, q),
        "smallest_q": smallest_q(n),
        "smallest_q_of_half": smallest_q(n, 0.5),
    }


def _check_sizes(splits: Dict[str, Dict[str, Any]]) -> List[Message]:
    messages: List[Message] = []
    for split, found in splits.items():
        if split == GOLD:
            text = f"pool_gold: gold for {found['annotated']} of {found['documents']} documents, for measuring only"
        elif split == "pool":
            text = f"pool: {found['documents']} documents, at most {found['longest']} tokens long"
        else:
            text = f"{split}: {found['documents']} documents, {found['entities']} entities, at most {found['longest']} tokens long"
        messages.append(("info", text))
    labelled, pool = splits["labelled"], splits["pool"]
    if not pool["documents"]:
        messages.append(("fail", "The pool is empty: there is nothing to label."))
    elif pool["documents"] < labelled["documents"]:
        messages.append(
            ("warn", "The pool is smaller than the labelled set: little can be gained.")
        )
    if not labelled["entities"]:
        messages.append(("fail", "The labelled set has no entity: nothing can be learned."))
    if "test" not in splits:
        messages.append(("warn", "There is no test set: nothing can be measured at the end."))
    return messages


def _check_labels(splits: Dict[str, Dict[str, Any]]) -> List[Message]:
    messages: List[Message] = []
    labelled = splits["labelled"]
    for split in ("dev", "test"):
        if split not in splits:
            continue
        labels = splits[split]["labels"]
        unseen = sorted(set(labels) - set(labelled["labels"]))
        absent = sorted(set(labelled["labels"]) - set(labels))
        if unseen:
            messages.append(
                (
                    "fail",
                    f"{split} has labels that the labelled set lacks: {', '.join(unseen)}.",
                )
            )
        if absent:
            messages.append(
                (
                    "warn",
                    f"{split} has no mention of {', '.join(absent)}: nothing is known about it there.",
                )
            )
    few = {label: n for label, n in labelled["labels"].items() if n < FEW_MENTIONS}
    if few:
        listed = ", ".join(f"{label} ({n})" for label, n in few.items())
        messages.append(
            (
                "warn",
                f"Labels with fewer than {FEW_MENTIONS} labelled mentions: {listed}. Add examples.",
            )
        )
    if labelled["labels"] and not messages:
        messages.append(("good", "All sets have the same labels, each with enough mentions."))
    messages += _check_empty_shares(splits)
    return messages


def _check_empty_shares(splits: Dict[str, Dict[str, Any]]) -> List[Message]:
    """A labelled set by shots has too few documents without entities, so the student finds too much."""
    ours = splits["labelled"]["without_entities"]
    natural = splits["dev"]["without_entities"] if "dev" in splits else None
    if ours is None or natural is None or natural - ours < MANY_EMPTY:
        return []
    text = f"{ours:.0%} of the labelled documents have no entity, but {natural:.0%} of dev: add some without, or the student will find entities everywhere."
    return [("warn", text)]


def _check_overlaps(texts: Dict[str, List[str]]) -> List[Message]:
    messages: List[Message] = []
    pairs = (("labelled", "dev"), ("labelled", "test"), ("dev", "test"))
    pairs += tuple((split, "pool") for split in ("labelled", "dev", "test"))
    for first, second in pairs:
        known = set(texts.get(first, ()))
        n = sum(text in known for text in texts.get(second, ()))
        if n:
            messages.append(("warn", f"{n} documents of {second} are also in {first}."))
    repeated = len(texts["pool"]) - len(set(texts["pool"]))
    if repeated:
        messages.append(("info", f"{repeated} documents of the pool repeat another one."))
    if not messages:
        messages.append(("good", "No document is in two sets."))
    return messages


def _check_tokens(splits: Dict[str, Dict[str, Any]], window: int, lang: str) -> List[Message]:
    messages: List[Message] = []
    for split, found in splits.items():
        if found.get("misaligned"):
            text = f"{found['misaligned']} entities of {split} do not fall on the tokens of the '{lang}' tokenizer: a student that cuts the text itself cannot predict them."
            messages.append(("warn", text))
        if split != GOLD and found["missing_tokens"]:
            text = f"{found['missing_tokens']} tokens of {split} have no annotation (spans that were dropped, or left open): they are neither trained on nor scored."
            messages.append(("warn", text))
        if split != GOLD and found["longest"] > window:
            level = "warn" if found["longest"] > TOKENS_OF_A_LONG_DOCUMENT else "info"
            text = f"The longest document of {split} has {found['longest']} tokens, the encoder reads {window} at once: it is read in pieces. Shorter documents (paragraphs, sentences) take less time and memory."
            messages.append((level, text))
    return messages


def _check_evidence(evidence: Dict[str, Any]) -> List[Message]:
    n, q, share = (evidence[key] for key in ("held_out_spans", "q", "smallest_share"))
    if not n:
        text = "There is no dev set with entities: nothing held out says how often the judge is right, so that no share of wrong silver can be promised. Cross-fitting on the labelled set gives numbers without a promise."
        return [("warn", text)]
    carries = f"were the judge right on all {n} entities of dev, they would carry q = {evidence['smallest_q']:.4f} at the least, and q = {evidence['smallest_q_of_half']:.4f} where half of the candidates are kept"
    if share > 1:
        text = (
            f"Too little evidence for q = {q}: {carries}. Label more of dev, or ask for a larger q."
        )
        return [("fail", text)]
    text = f"At q = {q} the selection keeps nothing unless it can keep {share:.1%} of the candidates; {carries}."
    return [("warn" if share > LARGE_SHARE else "good", text)]


def _count_misaligned(doc: Doc, nlp: Language) -> int:
    if not doc.ents:
        return 0
    cut = nlp.make_doc(doc.text)
    return sum(cut.char_span(e.start_char, e.end_char) is None for e in doc.ents)
