"""Tags of tokens become spans: IOB1, IOB2, BIOES, BILUO or BMES; `-` is a token without annotation."""

import re
from typing import Collection, List, Optional, Sequence, Tuple

from .record import Mention, Record
from .spacing import edges_of, join_words, spell

# what marks the first, an inner, the last and the only token of an entity
SCHEMES = {
    "bio": ("B", "I", "I", "B"),
    "iob1": ("B", "I", "I", "B"),
    "bioes": ("B", "I", "E", "S"),
    "biluo": ("B", "I", "L", "U"),
}
_TAG = re.compile(r"O|-|[BIMELSU]-\S.*")


def is_tag(text: str) -> bool:
    """RETURNS (bool): Whether a text is a tag of one of these schemes."""
    return _TAG.fullmatch(text) is not None


def decode_tags(
    tags: Sequence[str],
) -> Tuple[List[Tuple[int, int, str]], List[int], int]:
    """Turn the tags of a sentence into entities, whatever the scheme.

    tags (Sequence[str]): The tags.
    RETURNS (Tuple): The entities as (start, end, label), the positions without annotation, and how
        many tags continued nothing and were read as the start of an entity.

    >>> decode_tags(["B-PER", "I-PER", "O", "I-LOC", "S-ORG"])
    ([(0, 2, 'PER'), (3, 4, 'LOC'), (4, 5, 'ORG')], [], 1)
    """
    ents: List[Tuple[int, int, str]] = []
    missing: List[int] = []
    repaired = 0
    opened: Optional[Tuple[int, str]] = None
    for i, tag in enumerate([*tags, "O"]):
        prefix, label = tag[0], tag[2:]
        continues = opened is not None and prefix in "IMEL" and label == opened[1]
        if opened is not None and not continues:
            ents.append((opened[0], i, opened[1]))
            opened = None
        if tag == "-":
            missing.append(i)
        elif tag != "O" and not continues:
            opened = (i, label)
            repaired += prefix in "IMEL"
        if opened is not None and prefix in "ELSU":
            ents.append((opened[0], i + 1, opened[1]))
            opened = None
    return ents, missing, repaired


def encode_tags(
    n: int,
    spans: Sequence[Tuple[int, int, str]],
    missing: Collection[int] = (),
    scheme: str = "bio",
) -> List[str]:
    """Turn entities into tags; the reverse of `decode_tags`.

    n (int): How many tokens there are.
    spans (Sequence[Tuple[int, int, str]]): Entities as (start, end, label), none of which overlap.
    missing (Collection[int]): Positions without annotation.
    scheme (str): One of SCHEMES.
    RETURNS (List[str]): The tags.

    >>> encode_tags(5, [(0, 2, "PER"), (2, 3, "PER")], scheme="iob1")
    ['I-PER', 'I-PER', 'B-PER', 'O', 'O']
    """
    tags = ["-" if i in missing else "O" for i in range(n)]
    first, inner, last, single = SCHEMES[scheme]
    before: Tuple[int, int, str] = (0, 0, "")
    for span in sorted(spans):
        start, end, label = span
        tags[start:end] = [f"{inner}-{label}"] * (end - start)
        # in IOB1, B says that an entity begins right behind another one of its label
        is_marked = scheme != "iob1" or (before[1:] == (start, label))
        tags[end - 1] = f"{last if end - start > 1 else single if is_marked else inner}-{label}"
        if is_marked and end - start > 1:
            tags[start] = f"{first}-{label}"
        before = span
    return tags


def encode_record(record: Record, scheme: str = "bio") -> Tuple[List[str], List[str]]:
    """Give each token of a record a tag; those of white space are left out.

    record (Record): Has tokens, and mentions on them that do not overlap.
    scheme (str): One of SCHEMES.
    RETURNS (Tuple[List[str], List[str]]): The tokens and their tags.
    """
    words = record.words or ()
    unknown = {
        i for i, (at, _) in enumerate(record.edges) if any(s <= at < e for s, e in record.unknown)
    }
    tags = encode_tags(len(words), record.in_tokens(), unknown, scheme)
    kept = [i for i, word in enumerate(words) if word.strip()]
    return [words[i] for i in kept], [tags[i] for i in kept]


def make_tagged_record(
    where: str,
    words: Sequence[str],
    tags: Sequence[str],
    lang: Optional[str],
    text: Optional[str] = None,
) -> Record:
    """Make a record of tokens with a tag each.

    where (str): File and line, for messages.
    words (Sequence[str]): The tokens.
    tags (Sequence[str]): As many tags.
    lang (Optional[str]): The code of the language, which says what stands between tokens.
    text (Optional[str]): The text, where the file has it.
    RETURNS (Record): The record.
    """
    if text is None:
        text, spaces = join_words(words, lang)
        found = tuple(words)
    else:
        found, spaces = spell(words, text, where)
    edges = edges_of(words, text)
    ents, missing, repaired = decode_tags(tags)
    return Record(
        where,
        text,
        found,
        spaces,
        mentions=tuple(Mention(edges[i][0], edges[j - 1][1], label) for i, j, label in ents),
        unknown=tuple(edges[i] for i in missing),
        repaired=repaired,
    )
