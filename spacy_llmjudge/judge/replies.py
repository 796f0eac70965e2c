"""From the characters of a reply to what it lists: strict about meaning, tolerant about wrapping."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, List, Optional, Sequence, Tuple

from .label_names import find_label
from .likelihood import Rate
from .reply_json import ReplyError, read_object
from .stated_confidence import read_stated, to_shares

# Who lists several things is surer than this of one of them.
LEAST_SURE = 0.1


@dataclass(frozen=True)
class Mention:
    """One entry of a reply.

    text (str): The words of the entity.
    label (str): Its label; empty where the reply names none that there is.
    confidence (Optional[float]): Stated probability, 0 to 1; None where none was stated.
    start (Optional[int]): Where it starts in the text, in characters, where the reply says so.
    likelihood (Optional[float]): How likely the model found what it wrote, where its tokens say so.
    """

    text: str
    label: str
    confidence: Optional[float] = None
    start: Optional[int] = None
    likelihood: Optional[float] = None


@dataclass
class Annotation:
    """What a reply lists, and how many of its entries were dropped for which reason.

    entities (List[Mention]): What it lists.
    alternatives (List[Mention]): Other readings that it considered.
    unlabelled (List[Mention]): Words that it lists without a label that there is.
    wordless (int): How many entries of the list name no words.
    dropped (Counter): What could not be used, by reason.
    """

    entities: List[Mention] = field(default_factory=list)
    alternatives: List[Mention] = field(default_factory=list)
    unlabelled: List[Mention] = field(default_factory=list)
    wordless: int = 0
    dropped: Counter = field(default_factory=Counter)


def parse_annotation(
    reply: str, labels: Sequence[str], is_cut_off: bool = False, rate: Optional[Rate] = None
) -> Annotation:
    """Parse a reply of the annotating kind: `{"entities": [...], "alternatives": [...]}`.

    An entry with an unusable confidence stands without it; one without a known label, or of a wrong
    type, is counted and kept apart. A reply that is not one clear JSON object is refused, and so is
    one of whose entries none can be used: it is no statement that the text has no entities.

    reply (str): The reply.
    labels (Sequence[str]): The labels that were asked about.
    is_cut_off (bool): Whether the reply ended at the token limit.
    rate (Optional[Rate]): Says how likely an entry is.
    RETURNS (Annotation): What it lists.
    RAISES (ReplyError): empty_reply, oversized, not_json, truncated, duplicate_keys, not_a_number,
        several_answers, wrong_shape or no_usable_entry.
    """
    listed, others = read_lists(reply, "entities", is_cut_off)
    annotation = Annotation()
    shares = read_confidences([*listed, *others], annotation.dropped)
    known = [share for share in shares if share is not None]
    n_listed = sum(share is not None for share in shares[: len(listed)])
    if n_listed > 1 and 0 < max(known) <= LEAST_SURE:
        # numbers from 0 to 5, or to 10
        annotation.dropped["bad_confidence"] += len(known)
        shares = [None] * len(shares)
    read = [_read_mention(entry, labels, rate) for entry in [*listed, *others]]
    mentions = [replace(mention, confidence=share) for mention, share in zip(read, shares)]
    for mention in mentions[: len(listed)]:
        if mention.text and mention.label:
            annotation.entities.append(_drop_impossible(mention, annotation.dropped))
        elif mention.text:
            annotation.unlabelled.append(mention)
        else:
            annotation.wordless += 1
    annotation.alternatives = [m for m in mentions[len(listed) :] if m.text and m.label]
    for mention in mentions:
        if not mention.text:
            annotation.dropped["wrong_type"] += 1
        elif not mention.label:
            annotation.dropped["unknown_label"] += 1
    if listed and not annotation.entities:
        raise ReplyError("no_usable_entry")
    return annotation


def read_lists(reply: str, name: str, is_cut_off: bool = False) -> Tuple[List[Any], List[Any]]:
    """Read the two lists of an answer.

    reply (str): The reply.
    name (str): The key of the first list.
    is_cut_off (bool): Whether the reply ended at the token limit.
    RETURNS (Tuple[List[Any], List[Any]]): What the answer lists, and its `alternatives`, which may be
        missing or null.
    RAISES (ReplyError): See `read_object`; wrong_shape where one is no list.
    """
    data = read_object(reply, required=name, is_cut_off=is_cut_off)
    listed, others = data[name], data.get("alternatives")
    others = [] if others is None else others
    if not (isinstance(listed, list) and isinstance(others, list)):
        raise ReplyError("wrong_shape")
    return listed, others


def _read_mention(entry: Any, labels: Sequence[str], rate: Optional[Rate]) -> Mention:
    """What an entry says, as far as it can be read: a part that cannot is empty."""
    if isinstance(entry, str):
        return Mention(entry.strip(), "")
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
        return Mention("", "")
    label, start = entry.get("label"), entry.get("start")
    known = find_label(label, labels) if isinstance(label, str) else None
    if not isinstance(start, int) or isinstance(start, bool):
        start = None
    mention = Mention(entry["text"].strip(), known or "", None, start)
    if rate is None or not (known and isinstance(label, str)):
        return mention
    return replace(mention, likelihood=rate(entry["text"], label))


def _drop_impossible(mention: Mention, dropped: Counter) -> Mention:
    """Who is sure that an entity is none does not list it."""
    if mention.confidence != 0:
        return mention
    dropped["bad_confidence"] += 1
    return replace(mention, confidence=None)


def read_confidences(entries: Sequence[Any], dropped: Counter) -> List[Optional[float]]:
    """Read the stated probability of every entry of a reply.

    entries (Sequence[Any]): All entries of the reply, as they share a scale.
    dropped (Counter): Counts those that cannot be used, as `bad_confidence`.
    RETURNS (List[Optional[float]]): 0 to 1; None where none was stated, or none can be used.
    """
    values = [entry.get("confidence") if isinstance(entry, dict) else None for entry in entries]
    shares = to_shares([read_stated(value) for value in values])
    n_bad = sum(v is not None and share is None for v, share in zip(values, shares))
    if n_bad:
        dropped["bad_confidence"] += n_bad
    return shares
