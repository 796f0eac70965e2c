"""Look at a prepared corpus before time and money go into it, in the manner of `spacy debug data`.

Every finding is a pair of a level and a message: "good", "info", "warn" (the run may disappoint) or
"fail" (the run cannot do what it is for).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from ..errors import Errors, LLMJudgeError
from ..storage import PathLike, read_docs, require_file
from ..targets.base import Target, find_target
from ..targets.cats import Cats
from .describe import Counts, describe
from .duplicates import fold_numbers
from .guidelines import find_guidelines, read_guidelines, undefined
from .language import make_blank
from .split_names import GOLD, SPLITS

FEW_MENTIONS = 5
MANY_EMPTY = 0.2
MANY_NEAR = 0.1
LARGE_SHARE = 0.5
TOKENS_OF_A_LONG_DOCUMENT = 10_000
# what the suggester in configs/components/spancat.cfg proposes at most
SUGGESTED_TOKENS = 6

Message = Tuple[str, str]
Splits = Dict[str, Counts]


@dataclass(frozen=True)
class Evidence:
    """How small a share of wrong silver the dev set can carry.

    held_out (int): Entities, spans or labels in the distinct texts of dev that the labelled set lacks.
    q (float): The share that is asked for.
    """

    held_out: int
    q: float

    @property
    def smallest_q(self) -> float:
        return smallest_q(self.held_out)

    @property
    def smallest_q_of_half(self) -> float:
        return smallest_q(self.held_out, 0.5)

    @property
    def smallest_share(self) -> float:
        """The smallest share of the candidates that can be kept at q; over 1 means none."""
        return smallest_q(self.held_out, self.q)


@dataclass(frozen=True)
class Findings:
    """What `check` found.

    target (Target): What is annotated.
    splits (Splits): Counts by set.
    evidence (Evidence): What dev can carry.
    messages (List[Message]): Levels and messages.
    """

    target: Target
    splits: Splits
    evidence: Evidence
    messages: List[Message]


def check(corpus: PathLike, *, lang: str = "en", q: float = 0.1, window: int = 512) -> Findings:
    """Count a corpus and say what may go wrong with it.

    corpus (Path): The folder that `prepare` wrote.
    lang (str): The language, whose tokenizer the student will use.
    q (float): The share of wrong silver that the selection is to promise.
    window (int): How many tokens the encoder reads at once.
    RETURNS (Findings): Counts and messages.
    """
    corpus = require_file(corpus, "Run `prepare` first.")
    if not 0 < q < 1:
        raise LLMJudgeError(Errors.J624.format(q=q))
    nlp = make_blank(lang)
    for split in ("labelled", "pool"):
        require_file(corpus / f"{split}.spacy", "Run `prepare` first.")
    target = find_target(corpus / "labelled.spacy")
    max_size = SUGGESTED_TOKENS if target.name == "spans" else 0
    splits: Splits = {}
    held_out = 0
    for split in (*SPLITS, GOLD):
        path = corpus / f"{split}.spacy"
        if path.exists():
            docs = list(read_docs(path, nlp.vocab))
            tokenizer = None if split in ("pool", GOLD) else nlp
            splits[split] = describe(docs, target, tokenizer, max_size)
            if split == "dev":
                known = set(splits["labelled"].texts)
                new = {text: doc for text, doc in zip(splits["dev"].texts, docs)}
                kept = [doc for text, doc in new.items() if text not in known]
                held_out = describe(kept, target).mentions
    evidence = Evidence(held_out, q)
    messages = [
        *_check_sizes(splits, target),
        *_check_labels(splits, target),
        *_check_overlaps(splits),
        *_check_tokens(splits, target, window, lang),
        *_check_evidence(evidence, splits, target),
        *_check_guidelines(corpus, splits, target),
    ]
    return Findings(target, splits, evidence, messages)


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


def _check_sizes(splits: Splits, target: Target) -> List[Message]:
    messages: List[Message] = []
    units = target.units
    for split, found in splits.items():
        size = f"{found.documents} documents"
        if split == GOLD:
            text = f"gold for {found.annotated} of {size}, for measuring only"
        elif split == "pool":
            text = f"{size}, at most {found.longest} tokens long"
        else:
            text = f"{size}, {found.mentions} {units}, at most {found.longest} tokens long"
        messages.append(("info", f"{split}: {text}"))
    labelled, pool = splits["labelled"], splits["pool"]
    if not pool.documents:
        messages.append(("fail", "The pool is empty: there is nothing to label."))
    elif pool.documents < labelled.documents:
        text = "The pool is smaller than the labelled set: little can be gained."
        messages.append(("warn", text))
    if not labelled.mentions:
        messages.append(("fail", f"The labelled set has no {units}: nothing can be learned."))
    if "test" not in splits:
        messages.append(("warn", "There is no test set: nothing can be measured at the end."))
    return messages


def _check_labels(splits: Splits, target: Target) -> List[Message]:
    messages: List[Message] = []
    labelled = splits["labelled"].labels
    for split in ("dev", "test"):
        if split not in splits:
            continue
        labels = splits[split].labels
        unseen = ", ".join(sorted(set(labels) - set(labelled)))
        absent = ", ".join(sorted(set(labelled) - set(labels)))
        if unseen:
            messages.append(("fail", f"{split} has labels that the labelled set lacks: {unseen}."))
        if absent:
            text = f"{split} has no mention of {absent}: nothing is known about it there."
            messages.append(("warn", text))
    if isinstance(target, Cats):
        missing = ", ".join(label for label in target.labels if label not in labelled)
        if missing:
            text = f"No labelled text has the labels {missing}: only the judge can bring examples."
            messages.append(("warn", text))
    few = [f"{label} ({n})" for label, n in labelled.items() if n < FEW_MENTIONS]
    if few:
        listed = ", ".join(few)
        text = f"Labels with fewer than {FEW_MENTIONS} labelled mentions: {listed}. Add examples."
        messages.append(("warn", text))
    if labelled and not messages:
        messages.append(("good", "All sets have the same labels, each with enough mentions."))
    return [*messages, *_check_empty_shares(splits, target)]


def _check_empty_shares(splits: Splits, target: Target) -> List[Message]:
    """A labelled set by shots has too few documents without entities, so the student finds too much."""
    ours = splits["labelled"].empty_share
    natural = splits["dev"].empty_share if "dev" in splits else None
    if ours is None or natural is None or natural - ours < MANY_EMPTY:
        return []
    text = (
        f"{ours:.0%} of the labelled documents have no {target.units}, but {natural:.0%} of dev: "
        f"add some without, or the student will find {target.units} everywhere."
    )
    return [("warn", text)]


def _check_overlaps(splits: Splits) -> List[Message]:
    messages: List[Message] = []
    pairs = [("labelled", "dev"), ("labelled", "test"), ("dev", "test")]
    pairs += [(split, "pool") for split in ("labelled", "dev", "test")]
    for first, second in pairs:
        if first in splits and second in splits:
            known = set(splits[first].texts)
            n = sum(text in known for text in splits[second].texts)
            if n:
                level = "fail" if second == "dev" and n == splits[second].documents else "warn"
                messages.append((level, f"{n} documents of {second} are also in {first}."))
    for split, found in splits.items():
        if found.repeated and split != GOLD:
            level = "info" if split in ("labelled", "pool") else "warn"
            text = f"{found.repeated} documents of {split} repeat another one: they count once."
            messages.append((level, text))
    return messages or [("good", "No document is in two sets.")]


def _check_tokens(splits: Splits, target: Target, window: int, lang: str) -> List[Message]:
    messages: List[Message] = []
    for split, found in splits.items():
        if found.misaligned:
            text = f"{found.misaligned} {target.units} of {split} do not fall on the tokens of the '{lang}' tokenizer: a student that cuts the text itself cannot predict them."
            messages.append(("warn", text))
        if found.long_mentions and split not in ("pool", GOLD):
            text = f"{found.long_mentions} spans of {split} have more than {SUGGESTED_TOKENS} tokens, which the suggester does not propose: raise components.spancat.suggester.max_size."
            messages.append(("warn", text))
        if split != GOLD and found.unknown:
            things = "labels of texts" if target.name == "cats" else "tokens"
            text = f"{found.unknown} {things} of {split} have no annotation (dropped, or left open): they are neither trained on nor scored."
            messages.append(("warn", text))
        if split != GOLD and found.longest > window:
            level = "warn" if found.longest > TOKENS_OF_A_LONG_DOCUMENT else "info"
            text = f"The longest document of {split} has {found.longest} tokens, the encoder reads {window} at once: it is read in pieces. Shorter documents (paragraphs, sentences) take less time and memory."
            messages.append((level, text))
    return messages


def _check_evidence(evidence: Evidence, splits: Splits, target: Target) -> List[Message]:
    n, q, share = evidence.held_out, evidence.q, evidence.smallest_share
    if not n:
        text = f"There is no dev set with {target.units} that the labelled set lacks: nothing held out says how often the judge is right, so that no share of wrong silver can be promised. Cross-fitting on the labelled set gives numbers without a promise."
        return [("warn", text)]
    carries = f"were the judge right on all {n} {target.units} of dev, they would carry q = {evidence.smallest_q:.4f} at the least, and q = {evidence.smallest_q_of_half:.4f} where half of the candidates are kept"
    messages = _check_near_texts(splits["dev"])
    if share > 1:
        text = (
            f"Too little evidence for q = {q}: {carries}. Label more of dev, or ask for a larger q."
        )
        return [*messages, ("fail", text)]
    text = f"At q = {q} the selection keeps nothing unless it can keep {share:.1%} of the candidates; {carries}."
    return [*messages, ("warn" if share > LARGE_SHARE else "good", text)]


def _check_guidelines(corpus: Path, splits: Splits, target: Target) -> List[Message]:
    path = find_guidelines(corpus)
    if path is None:
        return []
    labels = target.labels if isinstance(target, Cats) else splits["labelled"].labels
    missing = undefined(read_guidelines(path), labels)
    if not missing:
        return [("good", "Every label has a definition.")]
    text = f"No definition of {', '.join(missing)}: a sentence each in labels.yml says what the judge is to look for."
    return [("info", text)]


def _check_near_texts(dev: Counts) -> List[Message]:
    """Texts that a template made are hardly more evidence than one of them."""
    texts = set(dev.texts)
    n_near = len(texts) - len({fold_numbers(text) for text in texts})
    if n_near < MANY_NEAR * len(texts) or not n_near:
        return []
    text = f"{n_near} texts of dev differ from another one in numbers only: they are hardly more evidence than one. Draw dev at random from the texts of the pool."
    return [("warn", text)]
